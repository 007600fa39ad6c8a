//! Signs a request: what [`verify`](super::verify) accepts, and Amazon's servers too.

use std::borrow::Cow;

use crate::mac::sha256_hex;
use crate::sigv4::authorization::ALGORITHM;
use crate::sigv4::key::SigningKey;
use crate::sigv4::{Header, SERVICE, canonical};
use crate::time::format_amz_date;

/// Length of the day at the beginning of a date, `YYYYMMDD`.
const DAY_LEN: usize = 8;

/// A request without its signature.
#[derive(Clone, Copy, Debug)]
pub struct UnsignedRequest<'a> {
    /// Upper-case, as in the request line.
    pub method: &'a str,
    /// Host and, unless it is the usual one of the scheme, port: the `Host` header that will be sent.
    pub host: &'a str,
    /// The path, percent-encoded as it will be sent, without a query.
    pub path: &'a str,
    /// The whole body.
    pub body: &'a [u8],
}

/// The keys with which a request is signed.
#[derive(Clone, Copy)]
pub struct Signer<'a> {
    /// The id of the access key.
    pub access_key: &'a str,
    /// Its secret.
    pub secret: &'a str,
    /// The token of temporary credentials.
    pub session_token: Option<&'a str>,
    /// The Region of the request.
    pub region: &'a str,
}

/// Shows no secret.
impl std::fmt::Debug for Signer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer")
            .field("access_key", &self.access_key)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// The header fields that a request needs in addition to `Host`, names in lower case: `x-amz-date`, `x-amz-content-sha256`,
/// `authorization`, and `x-amz-security-token` with temporary credentials. All of them and `Host` are signed.
pub fn sign(
    request: &UnsignedRequest<'_>,
    signer: &Signer<'_>,
    now_unix_s: i64,
) -> Vec<(&'static str, String)> {
    let date = format_amz_date(now_unix_s);
    let day = &date[..DAY_LEN];
    let body_hash = sha256_hex(request.body);
    // In the order of their names, as they are signed.
    let mut signed: Vec<Header<'_>> = vec![
        ("host", Cow::from(request.host)),
        ("x-amz-content-sha256", Cow::from(&body_hash)),
        ("x-amz-date", Cow::from(&date)),
    ];
    if let Some(token) = signer.session_token {
        signed.push(("x-amz-security-token", Cow::from(token)));
    }
    let names: Vec<&str> = signed.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let mut text = format!("{}\n", request.method);
    canonical::path(&mut text, request.path);
    text.push_str("\n\n");
    for name in names.split(';') {
        canonical::header(&mut text, name, &signed).expect("each of these headers is there");
    }
    text.extend(["\n", &names, "\n", &body_hash]);
    let scope = format!("{day}/{}/{SERVICE}/aws4_request", signer.region);
    let hash = sha256_hex(text.as_bytes());
    let key = SigningKey::derive(signer.secret, day, signer.region);
    let signature = key.sign(&format!("{ALGORITHM}\n{date}\n{scope}\n{hash}"));
    let authorization = format!(
        "{ALGORITHM} Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        signer.access_key
    );
    let mut headers = vec![
        ("authorization", authorization),
        ("x-amz-content-sha256", body_hash.clone()),
        ("x-amz-date", date.clone()),
    ];
    if let Some(token) = signer.session_token {
        headers.push(("x-amz-security-token", token.to_owned()));
    }
    headers
}
