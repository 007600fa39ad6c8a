//! Public keys: ImportPublicKey, GetPublicKey, ListPublicKeys, DeletePublicKey.

use serde::Serialize;

use crate::error::ApiError;
use crate::operation::Operation;
use crate::shape::read::{Body, fail};
use crate::shape::rule::{PAGE_SIZE, PUBLIC_KEY_ARN, PUBLIC_KEY_MATERIAL, PUBLIC_KEY_NAME};
use crate::shape::{Request, StringMap};

/// Keys per page when the request does not say.
const DEFAULT_MAX_RESULTS: u32 = 50;
/// First line of a key (RFC 7468 §13).
const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
/// Characters of a line of base64, but for the last.
const LINE_LEN: usize = 64;
/// Last line of a key.
const END: &str = "-----END PUBLIC KEY-----";

/// Input of ImportPublicKey.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ImportPublicKeyRequest {
    /// A PEM text of the form the model wants, with one block; what the block holds has not been looked at. It is the
    /// text as it was sent, unless white space kept that from being of this form: then it is as openssl writes it.
    pub public_key_material: String,
    /// Empty unless given.
    pub name: String,
    /// At most 50.
    pub tags: StringMap,
}

impl ImportPublicKeyRequest {
    /// The base64 text of the one block, without line breaks.
    pub fn base64(&self) -> String {
        body_of(&self.public_key_material)
    }
}

impl Request for ImportPublicKeyRequest {
    const OPERATION: Operation = Operation::ImportPublicKey;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        let material = members.required_text("publicKeyMaterial", &PUBLIC_KEY_MATERIAL)?;
        check_pem(&material).map_err(|rule| fail("publicKeyMaterial", rule))?;
        Ok(Self {
            public_key_material: match keeps_pattern(&material) {
                true => material,
                false => written_anew(&body_of(&material)),
            },
            name: members.text("name", &PUBLIC_KEY_NAME)?.unwrap_or_default(),
            tags: members.tags()?.unwrap_or_default(),
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

/// True for a character that does not count in a PEM text (RFC 7468 §2): white space of any kind, and the byte order mark
/// that some editors put before a text.
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
    // Words on the block's own first line, and after its last, are let be, as the model does.
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

/// Input of GetPublicKey.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GetPublicKeyRequest {
    /// Which.
    pub arn: String,
}

impl Request for GetPublicKeyRequest {
    const OPERATION: Operation = Operation::GetPublicKey;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        Ok(Self {
            arn: body.members().required_text("arn", &PUBLIC_KEY_ARN)?,
        })
    }
}

/// Input of ListPublicKeys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListPublicKeysRequest {
    /// `None` for the first page.
    pub next_token: Option<String>,
    /// 1–100.
    pub max_results: u32,
}

impl Request for ListPublicKeysRequest {
    const OPERATION: Operation = Operation::ListPublicKeys;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            next_token: members.page_token()?,
            max_results: members.max_results(DEFAULT_MAX_RESULTS, PAGE_SIZE)?,
        })
    }
}

/// Input of DeletePublicKey.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeletePublicKeyRequest {
    /// Which.
    pub arn: String,
}

impl Request for DeletePublicKeyRequest {
    const OPERATION: Operation = Operation::DeletePublicKey;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        Ok(Self {
            arn: body.members().required_text("arn", &PUBLIC_KEY_ARN)?,
        })
    }
}

/// A public key (`PublicKey` in the model). The material is the text that was imported.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct PublicKeyShape {
    pub arn: String,
    pub name: String,
    pub public_key_material: String,
    pub fingerprint: String,
    pub tags: StringMap,
}

/// A public key in a list.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct PublicKeySummary {
    pub arn: String,
    pub name: String,
    pub tags: StringMap,
}

/// Output of ImportPublicKey.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct ImportPublicKeyResponse {
    pub public_key: PublicKeyShape,
}

/// Output of GetPublicKey.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct GetPublicKeyResponse {
    pub public_key: PublicKeyShape,
}

/// Output of ListPublicKeys.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct ListPublicKeysResponse {
    pub public_keys: Vec<PublicKeySummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}
