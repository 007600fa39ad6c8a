//! Verifies a signed request.

use std::borrow::Cow;
use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;

use crate::error::ApiError;
use crate::mac::sha256_hex;
use crate::sigv4::authorization::{ALGORITHM, Authorization, incomplete};
use crate::sigv4::key::{KeyScope, SigningKey};
use crate::sigv4::limits::{MAX_HEADERS, MAX_HEADERS_BYTES, MAX_TARGET_BYTES};
use crate::sigv4::{canonical, date};
use crate::time::{Timestamp, format_amz_date};

/// The signing name of the service.
pub const SERVICE: &str = "ivs";

/// Usual length of an AWS SDK's canonical request in bytes.
const CANONICAL_LEN_USUAL: usize = 1_024;
/// Hex digits of a SHA-256.
const HASH_DIGITS: usize = 64;

/// A header field: its name in lower case, and its value.
pub type Header<'a> = (&'a str, Cow<'a, str>);

/// The head of a request as it was received.
#[derive(Clone, Copy)]
pub struct SignedRequest<'a> {
    /// Upper-case, as in the request line.
    pub method: &'a str,
    /// The path, percent-encoded as it came, without the query.
    pub path: &'a str,
    /// The prefix that a proxy in front removes from the paths that clients request and sign: a `/`, and no `/` at
    /// its end. Empty if nothing is removed. Signatures over the path with and without it are accepted: both name the
    /// same operation.
    pub path_prefix: &'a str,
    /// The part after the `?` as received; empty if there is none.
    pub query: &'a str,
    /// All header fields in order, names in lower case. `host` must be among them: with HTTP/2, fill
    /// it in from `:authority`.
    pub headers: &'a [Header<'a>],
}

/// Shows no header: there may be tokens in them.
impl fmt::Debug for SignedRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedRequest")
            .field("method", &self.method)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// The signer of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The access key whose secret was used.
    pub access_key: String,
    /// The region the request was signed for.
    pub region: String,
    /// When the client says it signed; within [`MAX_SKEW_S`](crate::sigv4::MAX_SKEW_S) of now.
    pub signed_at: Timestamp,
}

/// Checks a request's signature: [`verify_head`] and [`VerifiedHead::verify_body`] in one.
///
/// # Errors
/// The errors of both.
pub fn verify<'a>(
    request: &SignedRequest<'a>,
    body: &[u8],
    now_unix_s: i64,
    lookup: impl Fn(&KeyScope<'_>) -> Option<SigningKey>,
) -> Result<Identity, ApiError> {
    verify_head(request, now_unix_s, lookup)?.verify_body(body)
}

/// Checks what can be checked before the body is there: form, scope, key and date, and, if `x-amz-content-sha256`
/// contains the body's hash, the signature. `lookup` returns the key; `None` means that the access key is unknown.
///
/// A session token (`x-amz-security-token`) is treated only as a header that may be signed, because there
/// are no temporary credentials here.
///
/// # Errors
/// Always status 403: `MissingAuthenticationTokenException` if it is not signed,
/// `IncompleteSignatureException` if the signature cannot be understood,
/// `UnrecognizedClientException` for an unknown access key, `InvalidSignatureException` if it is for
/// another service, too old, too new, or not the signature of this request.
pub fn verify_head<'a>(
    request: &SignedRequest<'a>,
    now_unix_s: i64,
    lookup: impl Fn(&KeyScope<'_>) -> Option<SigningKey>,
) -> Result<VerifiedHead<'a>, ApiError> {
    check_sizes(request)?;
    let authorization = Authorization::parse(find_authorization(request)?)?;
    if authorization.service != SERVICE {
        return Err(ApiError::invalid_signature(format!(
            "The credential is scoped to another service: the service name in the credential scope \
             must be '{SERVICE}'."
        )));
    }
    let scope = KeyScope {
        access_key: authorization.access_key,
        day: authorization.day,
        region: authorization.region,
    };
    let key = lookup(&scope).ok_or_else(|| {
        ApiError::unrecognized_client(
            "The access key in the request is not known here. Check the credentials the client uses.",
        )
    })?;
    let (signed_at_s, signed_at) = signed_at(request, &authorization)?;
    date::check(signed_at_s, now_unix_s)?;
    check_signed_headers_are_there(request, &authorization)?;
    let head = VerifiedHead {
        request: *request,
        authorization,
        key,
        signed_at_s,
        signed_at,
        promised: promised_hash(request)?,
    };
    if let Some(hash) = head.promised {
        head.check_signature(hash)?;
    }
    Ok(head)
}

/// A head that passed [`verify_head`].
pub struct VerifiedHead<'a> {
    request: SignedRequest<'a>,
    authorization: Authorization<'a>,
    key: SigningKey,
    signed_at_s: i64,
    signed_at: String,
    /// The SHA-256 of the body, if the head contains it. Then the signature was verified over it.
    promised: Option<&'a str>,
}

/// Shows no header and no key.
impl fmt::Debug for VerifiedHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedHead")
            .field("request", &self.request)
            .field("is_proven", &self.is_proven())
            .finish_non_exhaustive()
    }
}

impl VerifiedHead<'_> {
    /// Whether the signature was verified, so that the holder of the key wrote this head. Otherwise the body is needed.
    pub fn is_proven(&self) -> bool {
        self.promised.is_some()
    }

    /// Checks that this is the body that was signed.
    ///
    /// # Errors
    /// `InvalidSignatureException`.
    pub fn verify_body(self, body: &[u8]) -> Result<Identity, ApiError> {
        let hash = sha256_hex(body);
        match self.promised {
            Some(promised) if promised != hash => return Err(another_body()),
            Some(_) => {}
            None => self.check_signature(&hash)?,
        }
        Ok(Identity {
            access_key: self.authorization.access_key.to_owned(),
            region: self.authorization.region.to_owned(),
            signed_at: Timestamp::from_unix_seconds(self.signed_at_s),
        })
    }

    fn check_signature(&self, body_hash: &str) -> Result<(), ApiError> {
        let prefix = self.request.path_prefix;
        if self.is_signed_with("", body_hash)?
            || (!prefix.is_empty() && self.is_signed_with(prefix, body_hash)?)
        {
            return Ok(());
        }
        Err(ApiError::invalid_signature(
            "The signature is not the one this request needs. Check the secret key; if it is right, \
             something between client and server changed the method, path, query, body, \
             x-amz-content-sha256 or a signed header.",
        ))
    }

    fn is_signed_with(&self, path_prefix: &str, body_hash: &str) -> Result<bool, ApiError> {
        let authorization = &self.authorization;
        let canonical = canonical_request(&self.request, path_prefix, authorization, body_hash)?;
        let canonical_hash = sha256_hex(canonical.as_bytes());
        let text = [
            ALGORITHM,
            "\n",
            &self.signed_at,
            "\n",
            authorization.scope,
            "\n",
            &canonical_hash,
        ];
        let signature = self.key.sign(&text.concat());
        let given = authorization.signature.as_bytes();
        Ok(verify_slices_are_equal(signature.as_bytes(), given).is_ok())
    }
}

fn check_sizes(request: &SignedRequest<'_>) -> Result<(), ApiError> {
    let bytes: usize = request
        .headers
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    let too_large = if request.headers.len() > MAX_HEADERS {
        format!("more than {MAX_HEADERS} header fields")
    } else if bytes > MAX_HEADERS_BYTES {
        format!("more than {MAX_HEADERS_BYTES} bytes of headers")
    } else if request.path.len() + request.query.len() > MAX_TARGET_BYTES {
        format!("more than {MAX_TARGET_BYTES} bytes of path and query")
    } else {
        return Ok(());
    };
    Err(ApiError::incomplete_signature(format!(
        "The request has {too_large}; its signature is not checked."
    )))
}

/// The header's only value, or an error that says why there is none.
fn find_authorization<'a>(request: &SignedRequest<'a>) -> Result<&'a str, ApiError> {
    let presigned = request.query.split('&').any(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        name.eq_ignore_ascii_case("x-amz-signature") || name.eq_ignore_ascii_case("x-amz-algorithm")
    });
    let mut values = values_of(request, "authorization");
    match (values.next(), values.next()) {
        (Some(_), Some(_)) => Err(incomplete("must be given once")),
        (_, _) if presigned => Err(ApiError::incomplete_signature(
            "Presigned requests are not supported: the signature must be in the Authorization \
             header, not in the query.",
        )),
        (Some(value), None) => Ok(value),
        (None, _) => Err(ApiError::missing_authentication_token(
            "The request is not signed: it has no Authorization header. Sign it with Signature \
             Version 4.",
        )),
    }
}

fn values_of<'a>(
    request: &SignedRequest<'a>,
    name: &'static str,
) -> impl Iterator<Item = &'a str> + use<'a> {
    let headers = request.headers.iter();
    headers
        .filter(move |(given, _)| *given == name)
        .map(|(_, value)| value.as_ref())
}

/// The date of the request, in seconds since the Unix epoch and in the basic format. Its header
/// must itself be signed, and agree with the day in the credential scope.
fn signed_at(
    request: &SignedRequest<'_>,
    authorization: &Authorization<'_>,
) -> Result<(i64, String), ApiError> {
    let name = ["x-amz-date", "date"]
        .into_iter()
        .find(|name| values_of(request, name).next().is_some())
        .ok_or_else(|| {
            ApiError::incomplete_signature(
                "The request has neither an x-amz-date nor a Date header; one of them must say when \
                 it was signed.",
            )
        })?;
    if !authorization
        .signed_header_names()
        .any(|signed| signed == name)
    {
        return Err(incomplete(&format!(
            "must have {name} among its SignedHeaders"
        )));
    }
    let mut values = values_of(request, name);
    let value = values.next().unwrap_or_default();
    if values.next().is_some() {
        return Err(ApiError::incomplete_signature(format!(
            "The {name} header must be given once."
        )));
    }
    let signed_at_s = date::parse(name, value)?;
    let text = format_amz_date(signed_at_s);
    if !text.starts_with(authorization.day) {
        return Err(ApiError::invalid_signature(format!(
            "The date in the credential scope is not the date of the {name} header."
        )));
    }
    Ok((signed_at_s, text))
}

/// The hash in `x-amz-content-sha256`. The header is optional, but its value must be a hash in
/// lower-case hex digits.
fn promised_hash<'a>(request: &SignedRequest<'a>) -> Result<Option<&'a str>, ApiError> {
    let mut promised = None;
    for value in values_of(request, "x-amz-content-sha256") {
        let value = value.trim_ascii();
        if value.starts_with(|c: char| c.is_ascii_uppercase()) {
            return Err(ApiError::invalid_signature(
                "The body must be signed: x-amz-content-sha256 must be the hash of the body, not a marker \
                 such as UNSIGNED-PAYLOAD.",
            ));
        }
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let is_hash = value.len() == HASH_DIGITS && value.bytes().all(digit);
        if !is_hash || promised.is_some_and(|other| other != value) {
            return Err(another_body());
        }
        promised = Some(value);
    }
    Ok(promised)
}

fn another_body() -> ApiError {
    ApiError::invalid_signature(
        "The body is not the one that was signed: x-amz-content-sha256 is not its SHA-256.",
    )
}

fn check_signed_headers_are_there(
    request: &SignedRequest<'_>,
    authorization: &Authorization<'_>,
) -> Result<(), ApiError> {
    let is_there = |name: &str| request.headers.iter().any(|(given, _)| *given == name);
    match authorization.signed_header_names().all(is_there) {
        true => Ok(()),
        false => Err(absent_header()),
    }
}

fn absent_header() -> ApiError {
    ApiError::invalid_signature("SignedHeaders names a header that the request does not have.")
}

/// The prefix is written separately, so that dots in the following path cannot remove it.
fn canonical_request(
    request: &SignedRequest<'_>,
    path_prefix: &str,
    authorization: &Authorization<'_>,
    body_hash: &str,
) -> Result<String, ApiError> {
    let mut text = String::with_capacity(CANONICAL_LEN_USUAL);
    text.extend([request.method, "\n"]);
    if !path_prefix.is_empty() {
        canonical::path(&mut text, path_prefix);
    }
    canonical::path(&mut text, request.path);
    text.push('\n');
    canonical::query(&mut text, request.query);
    text.push('\n');
    for name in authorization.signed_header_names() {
        canonical::header(&mut text, name, request.headers).ok_or_else(absent_header)?;
    }
    text.extend(["\n", authorization.signed_headers, "\n", body_hash]);
    Ok(text)
}
