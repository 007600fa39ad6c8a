//! Requests to an authority, over TLS with a bound on time and size.

use std::error::Error as _;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::RETRY_AFTER;
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use super::super::certificate::provider;
use crate::regular_file;

/// Time limit of one request.
const REQUEST_MAX: Duration = Duration::from_secs(30);
/// Longest answer; a chain of certificates has some kilobytes.
const ANSWER_LEN_MAX: usize = 1 << 20;
/// Most bytes that are read of a file with an authority's roots, and most certificates in it.
const CA_FILE_LEN_MAX: u64 = 4 << 20;
const ROOTS_MAX: usize = 256;

/// Why an authority cannot be asked.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum SetupFault {
    #[error("cannot read acme-ca-file {path}: {reason}")]
    CaFile { path: PathBuf, reason: String },
    #[error("the client for the ACME authority cannot be made: {0}")]
    Client(String),
}

/// A client for one authority. Cheap to clone.
#[derive(Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    heard: Arc<Mutex<Heard>>,
}

/// What came of the requests since this was taken last.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Heard {
    /// The longest wait, in seconds, that a refusal has asked for.
    pub(super) wait_s: Option<i64>,
    /// Whether the authority may have been asked for something, which it counts; reading its directory is not.
    pub(super) is_asked: bool,
}

/// Why the authority was not reached, or its answer not read.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(super) struct Unreached {
    /// The error with its causes.
    text: String,
    /// What everybody may read of it.
    pub(super) outline: String,
}

impl Client {
    /// A client that trusts the roots in a file, or the system's.
    pub(super) fn new(ca_file: Option<&PathBuf>) -> Result<Self, SetupFault> {
        let mut builder = reqwest::Client::builder()
            .timeout(REQUEST_MAX)
            .redirect(reqwest::redirect::Policy::none())
            .https_only(true);
        if let Some(path) = ca_file {
            let roots = roots(path).map_err(|reason| SetupFault::CaFile {
                path: path.clone(),
                reason,
            })?;
            let config = ClientConfig::builder_with_provider(provider())
                .with_safe_default_protocol_versions()
                .map_err(|error| SetupFault::Client(error.to_string()))?
                .with_root_certificates(roots)
                .with_no_client_auth();
            builder = builder.tls_backend_preconfigured(config);
        }
        let http = builder
            .build()
            .map_err(|error| SetupFault::Client(error.to_string()))?;
        Ok(Self {
            http,
            heard: Arc::default(),
        })
    }

    /// What came of the requests since this was called last.
    pub(super) fn take_heard(&self) -> Heard {
        std::mem::take(&mut *self.heard())
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send(self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Error> {
        let (parts, body) = request.into_parts();
        let Ok(body) = body.collect().await;
        let url = parts.uri.to_string();
        let asks = parts.method == http::Method::POST;
        let sent = self
            .http
            .request(parts.method, url)
            .headers(parts.headers)
            .body(body.to_bytes())
            .send()
            .await;
        // A request whose answer was lost may have been counted; one without a connection was not.
        let was_sent = sent.as_ref().err().is_none_or(|error| !error.is_connect());
        self.heard().is_asked |= asks && was_sent;
        let answer = sent.map_err(unreached)?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = whole(answer).await?;
        if !status.is_success()
            && let Some(wait_s) = wait_s(&headers)
        {
            let mut heard = self.heard();
            heard.wait_s = heard.wait_s.max(Some(wait_s));
        }
        let mut response = http::Response::new(());
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        let (parts, ()) = response.into_parts();
        Ok(BytesResponse {
            parts,
            body: Box::new(body),
        })
    }
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        Box::pin(self.clone().send(request))
    }
}

/// The body of an answer.
async fn whole(mut answer: reqwest::Response) -> Result<Bytes, Error> {
    let mut body = BytesMut::new();
    while let Some(piece) = answer.chunk().await.map_err(unreached)? {
        if body.len() + piece.len() > ANSWER_LEN_MAX {
            let rule = format!("its answer is longer than {ANSWER_LEN_MAX} bytes");
            return Err(Error::Other(rule.into()));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

/// The wait that an answer asks for, if it gives it in seconds.
fn wait_s(headers: &HeaderMap) -> Option<i64> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
}

/// An error with its causes, of which the last says most.
fn unreached(error: reqwest::Error) -> Error {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        text = format!("{text}: {deeper}");
        cause = deeper.source();
    }
    let outline = outline(&text, error.is_timeout());
    Error::Other(Box::new(Unreached { text, outline }))
}

/// What everybody may read of such an error: why, without addresses.
fn outline(text: &str, is_late: bool) -> String {
    const CERTIFICATE: &str = "invalid peer certificate: ";
    if let Some((_, fault)) = text.rsplit_once(CERTIFICATE) {
        // What the library does not name itself stands within its own names.
        let plain = fault.trim_start_matches("Other(OtherError(");
        let fault = match plain.len() < fault.len() {
            true => plain.trim_end_matches(')'),
            false => fault,
        };
        return format!("its certificate was refused: {fault}; see acme-ca-file");
    }
    let known = [
        ("Connection refused", "it refused the connection"),
        ("dns error", "its name was not found"),
        ("Network is unreachable", "there is no route to it"),
        ("No route to host", "there is no route to it"),
    ];
    let found = known.iter().find(|(words, _)| text.contains(words));
    match found {
        Some((_, why)) => (*why).to_owned(),
        None if is_late => "it did not answer in time".to_owned(),
        None => "the connection to it failed".to_owned(),
    }
}

fn roots(path: &Path) -> Result<RootCertStore, String> {
    let pem = regular_file::read(path, CA_FILE_LEN_MAX).map_err(|error| error.to_string())?;
    let mut roots = RootCertStore::empty();
    for found in CertificateDer::pem_slice_iter(&pem).take(ROOTS_MAX) {
        let certificate = found.map_err(|error| format!("it is not PEM: {error}"))?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    match roots.is_empty() {
        true => Err("there is no certificate in it (BEGIN CERTIFICATE)".to_owned()),
        false => Ok(roots),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::super::super::testing::made;
    use super::*;

    #[test]
    fn a_file_of_roots_has_certificates() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        let refused = |path: &PathBuf| Client::new(Some(path)).err().unwrap().to_string();
        assert!(refused(&path).contains("ca.pem: No such file"));
        std::fs::write(&path, "nothing").unwrap();
        assert!(refused(&path).contains("no certificate in it"));
        std::fs::write(&path, made(&["ca.test"], 0, 1).chain).unwrap();
        Client::new(Some(&path)).unwrap();
    }

    #[test]
    fn everybody_may_read_why_an_authority_was_not_reached() {
        for (text, is_late, expected) in [
            (
                "error sending request: client error (Connect): invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))",
                false,
                "its certificate was refused: CaUsedAsEndEntity; see acme-ca-file",
            ),
            (
                "error: invalid peer certificate: UnknownIssuer",
                false,
                "its certificate was refused: UnknownIssuer; see acme-ca-file",
            ),
            (
                "tcp connect error: Connection refused (os error 111)",
                false,
                "it refused the connection",
            ),
            (
                "client error (Connect): dns error: x",
                false,
                "its name was not found",
            ),
            ("operation timed out", true, "it did not answer in time"),
            (
                "connection closed at 10.0.0.7",
                false,
                "the connection to it failed",
            ),
        ] {
            assert_eq!(outline(text, is_late), expected);
        }
    }

    /// Nobody listens at the port, so nothing is counted against the server, whatever it wanted to ask.
    #[tokio::test]
    async fn an_authority_that_is_not_reached_has_counted_nothing() {
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}/dir", gone.local_addr().unwrap());
        drop(gone);
        let client = Client::new(None).unwrap();
        let request = Request::post(url).body(BodyWrapper::default()).unwrap();
        let Err(Error::Other(error)) = client.clone().send(request).await else {
            panic!("it was reached");
        };
        let unreached = error.downcast_ref::<Unreached>().unwrap();
        assert_eq!(unreached.outline, "it refused the connection");
        assert_eq!(client.take_heard(), Heard::default());
    }

    #[test]
    fn a_wait_is_given_in_seconds() {
        for (text, expected) in [
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("Fri, 31 Dec 1999 23:59:59 GMT", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_str(text).unwrap());
            assert_eq!(wait_s(&headers), expected, "{text}");
        }
    }
}
