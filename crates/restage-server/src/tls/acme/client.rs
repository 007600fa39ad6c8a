//! Requests to an authority, over TLS with a bound on time and size.

use std::error::Error as _;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
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

/// Time limit of one request.
const REQUEST_MAX: Duration = Duration::from_secs(30);
/// Longest answer; a chain of certificates has some kilobytes.
const ANSWER_LEN_MAX: usize = 1 << 20;
/// Most certificates of a file with an authority's roots.
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
    /// The longest wait, in seconds, that an answer has asked for and that was not taken yet.
    wait_s: Arc<Mutex<Option<i64>>>,
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
            wait_s: Arc::default(),
        })
    }

    /// The wait that a refusal has asked for since this was called last.
    pub(super) fn take_wait_s(&self) -> Option<i64> {
        self.wait_s
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    async fn send(self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Error> {
        let (parts, body) = request.into_parts();
        let Ok(body) = body.collect().await;
        let url = parts.uri.to_string();
        let answer = self
            .http
            .request(parts.method, url)
            .headers(parts.headers)
            .body(body.to_bytes())
            .send()
            .await
            .map_err(unreached)?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = whole(answer).await?;
        if !status.is_success()
            && let Some(wait_s) = wait_s(&headers)
        {
            let mut longest = self.wait_s.lock().unwrap_or_else(PoisonError::into_inner);
            *longest = (*longest).max(Some(wait_s));
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
    Error::Other(text.into())
}

fn roots(path: &PathBuf) -> Result<RootCertStore, String> {
    let pem = std::fs::read(path).map_err(|error| error.to_string())?;
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
