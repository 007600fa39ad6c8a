//! The SDK's way to the service when certificates of one's own choice are believed.
//!
//! The SDK's own client takes neither a self-signed certificate that is marked as an authority's,
//! as `openssl req -x509` makes them, nor any certificate at all. The AWS CLI takes both.

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

/// A client of the SDK that believes what `trust` says; `None` if that is the system's matter.
pub(crate) fn trusting(trust: &Trust) -> anyhow::Result<Option<SharedHttpClient>> {
    let Some(config) = trust.rustls_config() else {
        return Ok(None);
    };
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(config.as_ref().clone())
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .build()?;
    let connector = SharedHttpConnector::new(Trusting(client));
    Ok(Some(http_client_fn(move |_, _| connector.clone())))
}

#[derive(Debug)]
struct Trusting(reqwest::Client);

impl HttpConnector for Trusting {
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
