//! The HTTP client that the SDK uses.
//!
//! It is reqwest, which WHIP, WHEP and the outbox use too. The SDK's own client would be a second one to
//! build. It also cannot be configured to accept a self-signed certificate that is marked as an authority's, as
//! `openssl req -x509` makes them, or to accept any certificate; the AWS CLI can do both.

use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use restage_client::Trust;

/// How long a connection may take to be made. A server that is not there answers at once; this is
/// for one behind a firewall.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest answer taken; pages have at most 100 items.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A client for the SDK that accepts the certificates `trust` names.
///
/// # Errors
/// The TLS library cannot be set up.
pub(crate) fn client(trust: &Trust) -> anyhow::Result<SharedHttpClient> {
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT);
    if let Some(config) = trust.rustls_config() {
        builder = builder.tls_backend_preconfigured(config.as_ref().clone());
    }
    let connector = SharedHttpConnector::new(Connector(builder.build()?));
    Ok(http_client_fn(move |_, _| connector.clone()))
}

#[derive(Debug)]
struct Connector(reqwest::Client);

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move { exchange(&client, request).await })
    }
}

async fn exchange(
    client: &reqwest::Client,
    request: HttpRequest,
) -> Result<HttpResponse, ConnectorError> {
    let request = request
        .try_into_http1x()
        .map_err(|error| ConnectorError::user(error.into()))?;
    // Every request of this API has its body in memory.
    let request = request.map(|body| body.bytes().unwrap_or_default().to_vec());
    let request =
        reqwest::Request::try_from(request).map_err(|error| ConnectorError::user(error.into()))?;
    let mut response = client.execute(request).await.map_err(failed)?;
    let mut answer = http::Response::builder().status(response.status());
    if let Some(headers) = answer.headers_mut() {
        *headers = std::mem::take(response.headers_mut());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            let rule = format!("the answer is longer than {ANSWER_BYTES_MAX} bytes");
            return Err(ConnectorError::io(rule.into()));
        }
        body.extend_from_slice(&chunk);
    }
    let answer = answer
        .body(SdkBody::from(body))
        .map_err(|error| ConnectorError::user(error.into()))?;
    HttpResponse::try_from(answer).map_err(|error| ConnectorError::user(error.into()))
}

fn failed(error: reqwest::Error) -> ConnectorError {
    let error = error.without_url();
    match error.is_timeout() {
        true => ConnectorError::timeout(error.into()),
        false => ConnectorError::io(error.into()),
    }
}
