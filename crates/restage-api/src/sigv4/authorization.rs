//! Parses the `Authorization` header.

use crate::error::ApiError;
use crate::sigv4::limits::MAX_AUTHORIZATION_BYTES;

/// The only algorithm: symmetric SigV4.
pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// Longest Region name. With it a stage ARN keeps the model's limit of 128 characters.
const MAX_REGION: usize = 64;

/// The fields of the header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Authorization<'a> {
    pub(crate) access_key: &'a str,
    /// `YYYYMMDD` of the credential scope.
    pub(crate) day: &'a str,
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
    /// The scope of the signing key: the credential without the access key.
    pub(crate) scope: &'a str,
    /// Lower-case names, separated by semicolons, in order.
    pub(crate) signed_headers: &'a str,
    /// The signature as given; it can only match if it is hex digits.
    pub(crate) signature: &'a str,
}

impl<'a> Authorization<'a> {
    /// Reads `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`, the three parts in any
    /// order.
    pub(crate) fn parse(header: &'a str) -> Result<Self, ApiError> {
        if header.len() > MAX_AUTHORIZATION_BYTES {
            return Err(incomplete(&format!(
                "is longer than {MAX_AUTHORIZATION_BYTES} bytes"
            )));
        }
        let parts = header
            .trim_ascii()
            .strip_prefix(ALGORITHM)
            .filter(|rest| rest.starts_with([' ', '\t']))
            .ok_or_else(|| incomplete(&format!("must start with {ALGORITHM} and a space")))?;
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for part in parts.split(',') {
            let Some((name, value)) = part.trim_ascii().split_once('=') else {
                return Err(incomplete(
                    "must consist of name=value parts separated by commas",
                ));
            };
            let slot = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => {
                    return Err(incomplete(
                        "has a part that is none of Credential, SignedHeaders and Signature",
                    ));
                }
            };
            if value.is_empty() || slot.replace(value).is_some() {
                return Err(incomplete(&format!(
                    "must have exactly one {name}, and not an empty one"
                )));
            }
        }
        let missing = |name| move || incomplete(&format!("has no {name}"));
        Self::assemble(
            credential.ok_or_else(missing("Credential"))?,
            signed_headers.ok_or_else(missing("SignedHeaders"))?,
            signature.ok_or_else(missing("Signature"))?,
        )
    }

    fn assemble(
        credential: &'a str,
        signed_headers: &'a str,
        signature: &'a str,
    ) -> Result<Self, ApiError> {
        const FORM: &str =
            "must have a Credential of the form <access key>/<YYYYMMDD>/<region>/ivs/aws4_request";
        let (access_key, scope) = credential.split_once('/').ok_or_else(|| incomplete(FORM))?;
        let mut fields = scope.split('/');
        let (Some(day), Some(region), Some(service), Some("aws4_request"), None) = (
            fields.next(),
            fields.next(),
            fields.next(),
            fields.next(),
            fields.next(),
        ) else {
            return Err(incomplete(FORM));
        };
        let day_ok = day.len() == 8 && day.bytes().all(|b| b.is_ascii_digit());
        let access_key_ok =
            !access_key.is_empty() && access_key.bytes().all(|b| b.is_ascii_graphic());
        if !day_ok || !access_key_ok || service.is_empty() {
            return Err(incomplete(FORM));
        }
        let region_ok = (1..=MAX_REGION).contains(&region.len())
            && region
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !region_ok {
            return Err(incomplete(&format!(
                "must name a region of 1 to {MAX_REGION} lower-case letters, digits and hyphens in \
                 its Credential"
            )));
        }
        check_signed_headers(signed_headers)?;
        Ok(Self {
            access_key,
            day,
            region,
            service,
            scope,
            signed_headers,
            signature,
        })
    }

    /// The names in `SignedHeaders`.
    pub(crate) fn signed_header_names(&self) -> impl Iterator<Item = &'a str> {
        self.signed_headers.split(';')
    }
}

fn check_signed_headers(signed_headers: &str) -> Result<(), ApiError> {
    let mut names = signed_headers.split(';');
    let token = |b: u8| b.is_ascii_graphic() && !b.is_ascii_uppercase() && b != b':';
    let well_formed = names
        .clone()
        .all(|name| !name.is_empty() && name.bytes().all(token));
    // Strictly ascending order also excludes duplicates.
    if !well_formed || !names.clone().is_sorted_by(|a, b| a < b) {
        return Err(incomplete(
            "must have SignedHeaders that are lower-case header names, each once, in alphabetical \
             order, separated by semicolons",
        ));
    }
    if !names.any(|name| name == "host") {
        return Err(incomplete("must have host among its SignedHeaders"));
    }
    Ok(())
}

/// The error for a malformed header.
pub(crate) fn incomplete(rule: &str) -> ApiError {
    ApiError::incomplete_signature(format!("The Authorization header {rule}."))
}
