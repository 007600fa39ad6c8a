//! Events to a URL, one POST each: EventBridge's shape as the body, CloudEvents' headers (binary content
//! mode of the HTTP binding, version 1.0), and a signature. Any 2xx takes the event.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use restage_core::id::StageId;
use tokio::time::Instant;

use super::lanes::{LANE_EVENTS_MAX, Lanes, Refusal, Settling};
use super::signature::{self, ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER};
use super::{BACKOFF_MAX, LOOK_AGAIN, WEBHOOK, Webhook, backoff, carries_on};
use crate::clock;
use crate::store::{Outgoing, Store, StoreError};

/// One request, from connect to the end of the answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Stages asked for at once.
const STAGES_PAGE: u32 = 64;
/// Stages looked at in one go, when many pause, and how long until the next go.
const STAGES_LOOKED_AT_MAX: u32 = 1_024;
const LOOK_ON: Duration = Duration::from_millis(50);
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
    lanes: u32,
}

/// A request under way, and what will be known when it has ended.
type Flight<'s> = FuturesUnordered<BoxFuture<'s, (Outgoing, Result<(), Refusal>)>>;
type Written<'s> = BoxFuture<'s, (Settling, Result<(), StoreError>)>;

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
            lanes: webhook.lanes,
        })
    }

    /// Sends until the store is closed. Lanes are refilled as they end: none waits for another.
    pub(super) async fn run(self: Arc<Self>, store: Store) {
        let mut lanes = Lanes::new(self.lanes, self.attempts);
        let mut flight = Flight::new();
        let mut writing: Option<Written<'_>> = None;
        let mut cursor = StageId::new("");
        let mut failures = 0;
        loop {
            // Made before the look, so that what is committed meanwhile is not missed.
            let changed = store.outbox_changed();
            let mut wake = Instant::now() + LOOK_AGAIN;
            let mut firsts = Vec::new();
            let looked = look(&store, &mut lanes, &mut cursor, &mut firsts).await;
            flight.extend(firsts.into_iter().map(|event| self.send_one(event)));
            match looked {
                Ok(Look::Whole) => {}
                Ok(Look::Part) => wake = Instant::now() + LOOK_ON,
                Err(error) if carries_on(&error, WEBHOOK) => {}
                Err(_) => return,
            }
            if let Some(next) = lanes.next(Instant::now()) {
                wake = wake.min(next);
            }
            if writing.is_none() {
                writing = lanes
                    .settle()
                    .map(|settling| write(&store, settling, failures));
            }
            tokio::select! {
                Some((event, outcome)) = flight.next(), if !flight.is_empty() => {
                    self.take_in(event, outcome, &mut lanes, &flight);
                    // Those that have ended as well are settled together.
                    while let Some(Some((event, outcome))) = flight.next().now_or_never() {
                        self.take_in(event, outcome, &mut lanes, &flight);
                    }
                }
                (settling, outcome) = written(&mut writing) => match outcome {
                    Ok(()) => {
                        failures = 0;
                        lanes.settled(settling);
                    }
                    Err(error) if carries_on(&error, WEBHOOK) => {
                        failures += 1;
                        lanes.not_settled(settling);
                    }
                    Err(_) => return,
                },
                () = changed => {}
                () = tokio::time::sleep_until(wake) => {}
            }
        }
    }

    /// An event was sent: the next of its stage follows at once.
    fn take_in<'s>(
        &'s self,
        event: Outgoing,
        outcome: Result<(), Refusal>,
        lanes: &mut Lanes,
        flight: &Flight<'s>,
    ) {
        if let Err(refusal) = &outcome {
            tracing::warn!(
                event = event.id,
                attempts = event.attempts.saturating_add(1),
                reason = refusal.reason,
                "an event was not taken"
            );
        }
        if let Some(next) = lanes.sent(event, outcome, Instant::now()) {
            flight.push(self.send_one(next));
        }
    }

    fn send_one(&self, event: Outgoing) -> BoxFuture<'_, (Outgoing, Result<(), Refusal>)> {
        Box::pin(async move {
            let outcome = self.send(&event).await;
            (event, outcome)
        })
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

/// Goes once around the stages that have events waiting and opens lanes for those that may be sent for, as long as there
/// is room; `firsts` gets the first event of each.
async fn look(
    store: &Store,
    lanes: &mut Lanes,
    cursor: &mut StageId,
    firsts: &mut Vec<Outgoing>,
) -> Result<Look, StoreError> {
    if lanes.room(Instant::now()) == 0 {
        return Ok(Look::Whole);
    }
    // Also what the metrics know of the oldest event comes from here.
    if store.outbox(WEBHOOK, 0, 1).await?.is_empty() {
        return Ok(Look::Whole);
    }
    let began_at = cursor.clone();
    let mut has_turned = false;
    let mut looked = 0;
    loop {
        let stages = store.outbox_stages(WEBHOOK, cursor, STAGES_PAGE).await?;
        if stages.is_empty() {
            if has_turned {
                return Ok(Look::Whole);
            }
            has_turned = true;
            *cursor = StageId::new("");
            continue;
        }
        for stage in stages {
            if has_turned && stage > began_at {
                return Ok(Look::Whole);
            }
            let now = Instant::now();
            if lanes.room(now) == 0 {
                return Ok(Look::Whole);
            }
            if lanes.takes(&stage, now) {
                let events = store.outbox_of(WEBHOOK, &stage, LANE_EVENTS_MAX).await?;
                firsts.extend(lanes.open(&stage, events));
            }
            *cursor = stage;
            looked += 1;
            if looked >= STAGES_LOOKED_AT_MAX {
                return Ok(Look::Part);
            }
        }
    }
}

/// Whether all stages were looked at that had to be.
enum Look {
    Whole,
    /// There are more, and there is room.
    Part,
}

/// Writes outcomes down, after a pause if that failed before.
fn write(store: &Store, settling: Settling, failures: u32) -> Written<'_> {
    Box::pin(async move {
        if failures > 0 {
            tokio::time::sleep(backoff(failures)).await;
        }
        let written = store.settle(WEBHOOK, settling.settlement.clone()).await;
        (settling, written)
    })
}

/// What became of outcomes on their way into the store; for ever if there are none.
async fn written(writing: &mut Option<Written<'_>>) -> (Settling, Result<(), StoreError>) {
    let Some(future) = writing else {
        return std::future::pending().await;
    };
    let done = future.await;
    *writing = None;
    done
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
