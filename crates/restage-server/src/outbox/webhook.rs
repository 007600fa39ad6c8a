//! Events to a URL, one POST each: EventBridge's shape as the body, CloudEvents' headers (binary content
//! mode of the HTTP binding, version 1.0), and a signature. Any 2xx takes the event.

use std::time::Duration;

use aws_lc_rs::hmac;
use futures_util::StreamExt as _;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use restage_core::id::StageId;
use tokio::time::Instant;

use super::lanes::{LANES_MAX, Lanes};
use super::signature::{self, ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER};
use super::{BACKOFF_MAX, LOOK_AGAIN, PAGE_EVENTS, WEBHOOK, Webhook, backoff, carries_on, wait};
use crate::clock;
use crate::store::{Outgoing, Settlement, Store, StoreError};

/// One request, from connect to the end of the answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Events looked at per round, when those in front belong to stages that pause.
const SCAN_EVENTS_MAX: usize = 4_096;
/// Bytes of an answer that are read, so that the connection can be used again.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// Why a webhook cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// Not an http or https URL.
    #[error("webhook-url must be an http:// or https:// URL")]
    Url,
    /// Too short, or not base64.
    #[error(
        "webhook-secret must be text of at least {} bytes, or whsec_ and the base64 of as many; restage signs events with it",
        signature::SECRET_BYTES_MIN
    )]
    Secret,
    /// The system's TLS roots cannot be read, for one.
    #[error("the HTTP client for the webhook cannot be made: {0}")]
    Client(reqwest::Error),
}

pub(super) struct Sender {
    client: reqwest::Client,
    url: reqwest::Url,
    key: hmac::Key,
    attempts: u32,
}

/// Why the receiver does not have an event.
struct Refusal {
    reason: String,
    /// What the receiver asked for.
    retry_after: Option<Duration>,
}

/// What became of one lane.
#[derive(Default)]
struct LaneOutcome {
    delivered: Vec<i64>,
    refused: Option<(Outgoing, Refusal)>,
}

impl Sender {
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
        Ok(Self {
            client,
            url,
            key,
            attempts: webhook.attempts,
        })
    }

    pub(super) async fn run(self, store: Store) {
        let mut lanes = Lanes::default();
        loop {
            let pause = match self.round(&store, &mut lanes).await {
                Ok(None) => continue,
                Ok(Some(pause)) => pause,
                Err(error) if carries_on(&error, WEBHOOK) => backoff(1),
                Err(_) => return,
            };
            wait(&store, pause).await;
        }
    }

    /// Sends what may be sent and writes down what became of it. Says how long to wait before the next
    /// round, if it is not due at once.
    async fn round(
        &self,
        store: &Store,
        lanes: &mut Lanes,
    ) -> Result<Option<Duration>, StoreError> {
        let ready = next_events(store, lanes).await?;
        if ready.is_empty() {
            let next = lanes.next(Instant::now()).unwrap_or(LOOK_AGAIN);
            return Ok(Some(next.min(LOOK_AGAIN)));
        }
        let outcomes: Vec<LaneOutcome> = futures_util::stream::iter(ready)
            .map(|lane| self.send_lane(lane))
            .buffer_unordered(LANES_MAX)
            .collect()
            .await;
        let mut settlement = Settlement::default();
        let mut asked_for = None;
        let mut refused = false;
        for outcome in outcomes {
            settlement.delivered.extend(outcome.delivered);
            let Some((event, refusal)) = outcome.refused else {
                continue;
            };
            refused = true;
            asked_for = asked_for.max(refusal.retry_after);
            let attempts = event.attempts.saturating_add(1);
            tracing::warn!(
                event = event.id,
                attempts,
                reason = refusal.reason,
                "an event was not taken"
            );
            if attempts >= self.attempts {
                settlement.dead.push((event.seq, refusal.reason));
            } else {
                settlement.refused.push(event.seq);
                pause(lanes, event.stage, attempts, refusal.retry_after);
            }
        }
        let failed_rounds = lanes.round(!settlement.delivered.is_empty(), refused);
        store.settle(WEBHOOK, settlement).await?;
        if failed_rounds == 0 {
            return Ok(None);
        }
        // New events are no reason to ask a sink again that took nothing.
        let rest = asked_for.unwrap_or_default().max(backoff(failed_rounds));
        tokio::time::sleep(rest.min(BACKOFF_MAX)).await;
        Ok(None)
    }

    /// Sends a stage's events one after the other, up to the first that is refused.
    async fn send_lane(&self, lane: Vec<Outgoing>) -> LaneOutcome {
        let mut outcome = LaneOutcome::default();
        for event in lane {
            match self.send(&event).await {
                Ok(()) => outcome.delivered.push(event.seq),
                Err(refusal) => {
                    outcome.refused = Some((event, refusal));
                    break;
                }
            }
        }
        outcome
    }

    async fn send(&self, event: &Outgoing) -> Result<(), Refusal> {
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
        // The URL may hold a secret: it is not part of what is said.
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

fn pause(lanes: &mut Lanes, stage: StageId, attempts: u32, retry_after: Option<Duration>) {
    let rest = backoff(attempts).max(retry_after.unwrap_or_default());
    lanes.pause(stage, Instant::now() + rest);
}

/// The first events that may be sent, looking past those of stages that pause.
async fn next_events(store: &Store, lanes: &mut Lanes) -> Result<Vec<Vec<Outgoing>>, StoreError> {
    let (mut after, mut scanned) = (0, 0);
    loop {
        let page = store.outbox(WEBHOOK, after, PAGE_EVENTS).await?;
        let Some(last) = page.last().map(|event| event.seq) else {
            return Ok(Vec::new());
        };
        let count = page.len();
        let ready = lanes.open(page, Instant::now());
        scanned += count;
        if !ready.is_empty() || count < PAGE_EVENTS as usize || scanned >= SCAN_EVENTS_MAX {
            return Ok(ready);
        }
        after = last;
    }
}

/// CloudEvents attributes from the event itself. Each is plain ASCII, as a header must be.
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

/// `Retry-After` in seconds, up to our own longest pause.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds: u64 = seconds.parse().ok()?;
    Some(Duration::from_secs(seconds).min(BACKOFF_MAX))
}

/// Reads an answer to its end, or drops the connection when it has none.
async fn drain(mut answer: reqwest::Response) {
    let mut read = 0;
    while let Ok(Some(chunk)) = answer.chunk().await {
        read += chunk.len();
        if read > ANSWER_BYTES_MAX {
            return;
        }
    }
}

/// An error with its causes: the outermost alone says nothing.
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
