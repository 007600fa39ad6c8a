//! Whether changes can be made durable now.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Store;
use crate::error::StoreError;
use crate::writer::health::{PROBE_EVERY, PROBE_TIMEOUT};
use crate::writer::{End, Request};

impl Store {
    /// Whether changes can be made durable now: the writer has committed one within the last second, or does so
    /// for this call. Concurrent callers share one probe.
    ///
    /// # Errors
    /// The error of the last attempt, or [`StoreError::Timeout`] when there is no answer within
    /// [`PROBE_TIMEOUT`].
    pub async fn can_write(&self) -> Result<(), StoreError> {
        if let Some(error) = self.ended() {
            return Err(error);
        }
        let mut verdicts = self.shared.health.verdict.subscribe();
        let asked_at = Instant::now();
        let last = verdicts.borrow_and_update().clone();
        if asked_at.duration_since(last.at) < PROBE_EVERY {
            return last.outcome;
        }
        self.probe();
        let answered = async {
            // Any verdict that was not there before answers the question.
            match verdicts.changed().await {
                Ok(()) => verdicts.borrow_and_update().outcome.clone(),
                Err(_) => Err(StoreError::Closed),
            }
        };
        match tokio::time::timeout(PROBE_TIMEOUT, answered).await {
            Ok(outcome) => outcome,
            // An attempt is still under way. The result of the one before is more informative than a timeout.
            Err(_) => last.outcome.and(Err(StoreError::Timeout {
                seconds: PROBE_TIMEOUT.as_secs(),
            })),
        }
    }

    /// Why the writer has ended, if it has.
    fn ended(&self) -> Option<StoreError> {
        let is_gone = self.shared.end.has_changed().is_err();
        match &*self.shared.end.borrow() {
            End::Lost(error) => Some(error.clone()),
            End::Closed => Some(StoreError::Closed),
            End::NotYet => is_gone.then_some(StoreError::WriterDied),
        }
    }

    /// Starts a probe unless one is under way.
    fn probe(&self) {
        let health = Arc::clone(&self.shared.health);
        if !health.begins_probe() {
            return;
        }
        let requests = self.shared.requests.clone();
        tokio::spawn(async move {
            let (answer, answered) = oneshot::channel();
            let sent = requests.send(Request::Probe { answer }).await.is_ok();
            if !sent || answered.await.is_err() {
                health.found(Err(StoreError::Closed));
            }
            health.ends_probe();
        });
    }
}
