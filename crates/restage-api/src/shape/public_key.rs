//! The material of a public key: PEM, in a wider form than the model's pattern.

use super::ImportPublicKeyRequest;
use crate::error::ApiError;
use crate::read::fail;

/// First line of a key (RFC 7468 §13).
const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
/// Characters of a line of base64, but for the last.
const LINE_LEN: usize = 64;
/// Last line of a key.
const END: &str = "-----END PUBLIC KEY-----";

impl ImportPublicKeyRequest {
    /// The base64 text of the one block, without line breaks.
    pub fn base64(&self) -> String {
        body_of(&self.public_key_material)
    }

    /// The material must be PEM with one block; what the block holds is not looked at. It stays as it was sent, unless
    /// white space keeps it from being of the model's form: then it is as openssl writes it.
    pub(crate) fn checked(self) -> Result<Self, ApiError> {
        let material = self.public_key_material;
        check_pem(&material).map_err(|rule| fail("publicKeyMaterial", rule))?;
        Ok(Self {
            public_key_material: match keeps_pattern(&material) {
                true => material,
                false => written_anew(&body_of(&material)),
            },
            ..self
        })
    }
}

/// The base64 text of the one public key in a PEM text, without line breaks.
///
/// # Errors
/// The rule it breaks: a sentence without the name of what it is about.
pub fn pem_base64(text: &str) -> Result<String, &'static str> {
    check_pem(text)?;
    Ok(body_of(text))
}

fn body_of(text: &str) -> String {
    let (_, rest) = text.split_once(BEGIN).unwrap_or_default();
    let (body, _) = rest.split_once(END).unwrap_or_default();
    body.split(pem_space).collect()
}

/// True for a character that does not count in a PEM text (RFC 7468 §2): white space of any kind, and the byte order
/// mark that some editors put before a text.
pub fn pem_space(c: char) -> bool {
    c.is_whitespace() || c == '\u{feff}'
}

/// True if the text is of the model's pattern, which answers must keep to: lines of base64 with nothing else in them,
/// and no other line.
fn keeps_pattern(text: &str) -> bool {
    let (before, rest) = text.split_once(BEGIN).unwrap_or_default();
    let (body, after) = rest.split_once(END).unwrap_or_default();
    let line_break = |text: &str| text.starts_with('\n') || text.starts_with("\r\n");
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=\r\n".contains(&byte);
    let after = after
        .strip_prefix("\r\n")
        .or_else(|| after.strip_prefix('\n'))
        .unwrap_or(after);
    line_break(body)
        && body.ends_with('\n')
        && body.bytes().all(base64)
        && !before.contains('\n')
        && !after.contains('\n')
}

/// A block with this base64 text (RFC 7468 §3: lines of 64 characters).
fn written_anew(base64: &str) -> String {
    let mut text = format!("{BEGIN}\n");
    for (at, c) in base64.chars().enumerate() {
        if at > 0 && at % LINE_LEN == 0 {
            text.push('\n');
        }
        text.push(c);
    }
    text + "\n" + END + "\n"
}

/// The model's pattern, in words that help, and wider where people's editors are: one block, base64 in lines, no other
/// line before or after it, white space wherever it is.
fn check_pem(text: &str) -> Result<(), &'static str> {
    if text.contains("PRIVATE KEY-----") {
        return Err(
            "holds a private key, which belongs to its owner alone; send the public one (openssl ec \
             -in private.pem -pubout)",
        );
    }
    if text.matches("-----BEGIN ").count() > 1 {
        return Err("must hold one public key, not several PEM blocks");
    }
    let Some((before, rest)) = text.split_once(BEGIN) else {
        return Err(
            "must be a public key in PEM: -----BEGIN PUBLIC KEY-----, lines of base64, \
             -----END PUBLIC KEY-----",
        );
    };
    let Some((body, after)) = rest.split_once(END) else {
        return Err("must end with -----END PUBLIC KEY-----");
    };
    let base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c) || pem_space(c);
    // Set apart from the first line and from the last, and something between them.
    let framed = body.starts_with(pem_space)
        && body.ends_with(pem_space)
        && !body.trim_matches(pem_space).is_empty()
        && body.chars().all(base64);
    if !framed {
        return Err("must have nothing but lines of base64 between its first and last line");
    }
    // Text on the block's first line before it, and on its last line after it, is allowed, as in the model's pattern.
    let before = before.trim_start_matches(pem_space);
    let after = after.trim_matches(pem_space);
    if before.contains(['\r', '\n']) || after.contains(['\r', '\n']) {
        return Err(
            "must have no line before -----BEGIN PUBLIC KEY----- and none after \
             -----END PUBLIC KEY-----",
        );
    }
    Ok(())
}
