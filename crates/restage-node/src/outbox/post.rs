//! Posts one event: EventBridge's format as the body, CloudEvents' headers (binary content mode of the HTTP binding,
//! version 1.0), and a signature. Any 2xx answer accepts the event.

use std::time::Duration;

use aws_lc_rs::hmac;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use restage_store::Outgoing;
use restage_store::system::clock;

use super::signature::{self, ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER};
use super::{BACKOFF_MAX, Webhook};

/// Time limit of one request, from connecting to the end of the answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Most bytes read of an answer, so that the connection can be reused.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// Why a webhook cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The URL is not http or https.
    #[error("webhook-url must be an http:// or https:// URL")]
    Url,
    /// The secret is too short, or not base64.
    #[error(
        "webhook-secret must be text of at least {} bytes, or whsec_ and the base64 of as many; restage signs events with it",
        signature::SECRET_BYTES_MIN
    )]
    Secret,
    /// The HTTP client cannot be created, for example because the system's TLS roots cannot be read.
    #[error("the HTTP client for the webhook cannot be made: {0}")]
    Client(reqwest::Error),
}

/// Everything needed to post an event.
pub(super) struct Post {
    client: reqwest::Client,
    url: reqwest::Url,
    key: hmac::Key,
}

/// Why the receiver did not accept an event.
pub(super) struct Refusal {
    pub(super) reason: String,
    /// The wait that the receiver asked for.
    pub(super) retry_after: Option<Duration>,
}

impl Post {
    /// Prepares posting; nothing is sent yet.
    pub(super) fn new(webhook: &Webhook) -> Result<Self, WebhookError> {
        let url = reqwest::Url::parse(webhook.url.reveal()).map_err(|_| WebhookError::Url)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(WebhookError::Url);
        }
        let key = signature::key(webhook.secret.reveal()).ok_or(WebhookError::Secret)?;
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(REQUEST_TIMEOUT)
            .user_agent(concat!("restage/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(WebhookError::Client)?;
        Ok(Self { client, url, key })
    }

    /// Sends an event and waits for the answer.
    pub(super) async fn send(&self, event: &Outgoing) -> Result<(), Refusal> {
        let timestamp = clock::now().0 / 1_000_000;
        let signature = signature::sign(&self.key, &event.id, timestamp, &event.body);
        let request = self
            .client
            .post(self.url.clone())
            .headers(cloud_event(&event.body))
            .header(ID_HEADER, &event.id)
            .header(TIMESTAMP_HEADER, timestamp)
            .header(SIGNATURE_HEADER, signature)
            .body(event.body.clone());
        // The URL may contain a secret, so it is not part of the message.
        let answer = request.send().await.map_err(|error| Refusal {
            reason: chain(&error.without_url()),
            retry_after: None,
        })?;
        let status = answer.status();
        let retry_after = retry_after(answer.headers());
        drain(answer).await;
        if status.is_success() {
            return Ok(());
        }
        Err(Refusal {
            reason: format!("the receiver answered {status}"),
            retry_after,
        })
    }
}

/// CloudEvents attributes of the event. Each is plain ASCII, as headers require.
fn cloud_event(body: &str) -> HeaderMap {
    let event: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let text = |pointer: &str| event.pointer(pointer).and_then(serde_json::Value::as_str);
    let name = text("/detail/event_name").unwrap_or_default();
    let kind = format!(
        "{}.{}",
        text("/source").unwrap_or("restage"),
        name.to_ascii_lowercase().replace(' ', "-")
    );
    let attributes = [
        ("ce-specversion", Some("1.0")),
        ("ce-id", text("/id")),
        ("ce-source", text("/resources/0")),
        ("ce-type", Some(kind.as_str())),
        ("ce-time", text("/time")),
        ("ce-subject", text("/detail/participant_id")),
    ];
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in attributes {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    headers
}

/// `Retry-After` in seconds, up to our own longest wait.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds: u64 = seconds.parse().ok()?;
    Some(Duration::from_secs(seconds).min(BACKOFF_MAX))
}

/// Reads an answer to its end, or drops the connection if it is too long.
async fn drain(mut answer: reqwest::Response) {
    let mut read = 0;
    while let Ok(Some(chunk)) = answer.chunk().await {
        read += chunk.len();
        if read > ANSWER_BYTES_MAX {
            return;
        }
    }
}

/// An error with its causes, because the outermost alone is not informative.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
