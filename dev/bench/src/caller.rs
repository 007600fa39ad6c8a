//! Requests as an SDK sends them, signed by AWS's own signer.

use std::net::SocketAddr;
use std::time::SystemTime;

use anyhow::Context as _;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use restage_load::api::Connection;
use serde_json::Value;

use crate::server::Server;

/// The Region of all calls.
pub(crate) const REGION: &str = "us-east-1";

/// The credentials and the server.
pub(crate) struct Caller {
    pub(crate) address: SocketAddr,
    credentials: Credentials,
}

impl Caller {
    pub(crate) fn of(server: &Server) -> anyhow::Result<Self> {
        let authority = server.url().strip_prefix("http://");
        let (access_key, secret_key) = server.credentials();
        Ok(Self {
            address: authority
                .and_then(|authority| authority.parse().ok())
                .context("the server's URL is not an address")?,
            credentials: Credentials::new(access_key, secret_key, None, None, "bench"),
        })
    }

    /// A complete request, signed now and valid for five minutes.
    #[allow(clippy::disallowed_methods)]
    pub(crate) fn request(&self, operation: &str, body: &Value) -> anyhow::Result<Vec<u8>> {
        let body = body.to_string();
        let host = self.address.to_string();
        let headers = [
            ("host", host.as_str()),
            ("content-type", "application/json"),
        ];
        let uri = format!("http://{host}/{operation}");
        let identity = self.credentials.clone().into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(REGION)
            .name("ivs")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()?
            .into();
        let signed_body = SignableBody::Bytes(body.as_bytes());
        let signable = SignableRequest::new("POST", uri, headers.into_iter(), signed_body)?;
        let (instructions, _) = sign(signable, &params)?.into_parts();
        let mut head = format!("POST /{operation} HTTP/1.1\r\n");
        for (name, value) in headers.into_iter().chain(instructions.headers()) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
        Ok(head.into_bytes())
    }

    /// Calls an operation on a new connection.
    pub(crate) fn call(&self, operation: &str, body: &Value) -> anyhow::Result<Value> {
        let mut connection = self.connect()?;
        let answer = connection.succeed(&self.request(operation, body)?)?;
        serde_json::from_slice(answer).context("the answer is not JSON")
    }

    /// A connection to the server.
    pub(crate) fn connect(&self) -> anyhow::Result<Connection> {
        Connection::open(self.address)
    }
}

/// A text member of an answer.
pub(crate) fn text(value: &Value) -> anyhow::Result<String> {
    let text = value.as_str().context("the answer lacks a member")?;
    Ok(text.to_owned())
}
