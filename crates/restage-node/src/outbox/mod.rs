//! Delivers events about stages, in EventBridge's format, to a webhook or a file.
//!
//! The store writes events into its outbox in the transaction of the change that they report. One task per
//! sink reads them, in order per stage, and removes what the sink has accepted. So nothing is lost
//! when the process dies, and an event may be sent twice, with the same id.

mod file;
mod health;
mod lanes;
mod post;
pub mod signature;
mod webhook;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use restage_store::{OutboxConfig, Store, StoreError};

use crate::secret::Secret;
use crate::supervise::Parts;

pub use post::WebhookError;

/// The webhook's name in the outbox and on the command line.
pub const WEBHOOK: &str = "webhook";
/// The file's name in the outbox and on the command line.
pub const FILE: &str = "file";

/// Events read from the store at once.
const PAGE_EVENTS: u32 = 256;
/// Interval at which the store is checked without a notification, for events that an operator replays.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// How long a stopping server waits until its last events are accepted.
const FLUSH_MAX: Duration = Duration::from_secs(2);
const FLUSH_POLL: Duration = Duration::from_millis(20);
/// The first wait after a failure; it doubles with each further one.
const BACKOFF_FIRST: Duration = Duration::from_millis(500);
/// The longest wait.
const BACKOFF_MAX: Duration = Duration::from_secs(300);

/// The configured sinks.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sinks {
    /// The webhook to which events are posted.
    pub webhook: Option<Webhook>,
    /// The file to which events are appended, one JSON object per line.
    pub file: Option<PathBuf>,
    /// Whether to send events that the service does not have.
    pub extra: bool,
}

/// A webhook's settings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Webhook {
    /// The http or https URL, which may contain a secret.
    pub url: Secret,
    /// The secret for signatures.
    pub secret: Secret,
    /// Number of refusals after which an event becomes a dead letter.
    pub attempts: u32,
    /// Number of stages whose events are posted at the same time.
    pub lanes: u16,
}

impl Sinks {
    /// The sinks for which the store writes events.
    pub fn outbox_config(&self) -> OutboxConfig {
        let webhook = self.webhook.is_some().then_some(WEBHOOK);
        let file = self.file.is_some().then_some(FILE);
        OutboxConfig {
            sinks: webhook.into_iter().chain(file).collect(),
            extra: self.extra,
        }
    }
}

/// The senders, ready to run.
pub struct Senders {
    webhook: Option<Arc<webhook::Sender>>,
    file: Option<Arc<file::Sender>>,
}

impl Senders {
    /// Prepares the senders; nothing is sent yet.
    ///
    /// # Errors
    /// [`WebhookError`] for a URL or a secret that cannot be used.
    pub fn new(sinks: &Sinks) -> Result<Self, WebhookError> {
        Ok(Self {
            webhook: sinks
                .webhook
                .as_ref()
                .map(webhook::Sender::new)
                .transpose()?
                .map(Arc::new),
            file: sinks.file.clone().map(file::Sender::new).map(Arc::new),
        })
    }

    /// Sends until the store is closed.
    pub fn run(self, store: &Store, parts: &mut Parts) {
        if let Some(webhook) = self.webhook {
            let store = store.clone();
            parts.restarting("posting events", move || {
                Arc::clone(&webhook).run(store.clone())
            });
        }
        if let Some(file) = self.file {
            let store = store.clone();
            parts.restarting("writing events to a file", move || {
                Arc::clone(&file).run(store.clone())
            });
        }
    }
}

/// Gives the senders a moment for the last events; the remaining ones are sent after the next start.
pub async fn flush(store: &Store) {
    let waits = || {
        store
            .outbox_stats()
            .iter()
            .any(|(_, sink)| sink.waiting > 0)
    };
    let empty = async {
        while waits() {
            tokio::time::sleep(FLUSH_POLL).await;
        }
    };
    let _ = tokio::time::timeout(FLUSH_MAX, empty).await;
}

/// The wait after this many failures in a row: a random part, at least half, of a time that doubles.
fn backoff(failures: u32) -> Duration {
    let doubled = BACKOFF_FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16));
    let longest = doubled.min(BACKOFF_MAX);
    longest.mul_f64(rand::random_range(0.5..=1.0))
}

/// Whether a sender continues after this error.
fn carries_on(error: &StoreError, sink: &str) -> bool {
    if matches!(error, StoreError::Closed) {
        return false;
    }
    tracing::error!(%error, sink, "the outbox cannot be read or written yet");
    true
}

/// Waits for new events, at most `pause`.
async fn wait(store: &Store, pause: Duration) {
    let _ = tokio::time::timeout(pause, store.outbox_changed()).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_are_not_all_the_same() {
        for (failures, longest_ms) in [
            (1, 500),
            (2, 1_000),
            (5, 8_000),
            (11, 300_000),
            (4_000, 300_000),
        ] {
            let pauses: Vec<u128> = (0..50).map(|_| backoff(failures).as_millis()).collect();
            assert!(
                pauses
                    .iter()
                    .all(|ms| (longest_ms / 2..=longest_ms).contains(ms))
            );
            assert!(pauses.iter().any(|ms| *ms != pauses[0]), "they are spread");
        }
    }
}
