//! What happens to recordings after their capture: the uploader brings them to their buckets, and the rules learn of it.

use std::sync::{MutexGuard, PoisonError};

use restage_core::Command;
use restage_core::row::{RecordingFailure, RecordingFailureCode, RecordingId};
use restage_record::journal::Failure;
use restage_storage::{Finished, UploadSettings, uploader};

use super::{Recordings, Uploading};
use crate::control::{Control, Failure as ControlFailure};
use crate::supervise::Parts;

/// The codes of failures, as documents and events have them.
const CODES: [RecordingFailureCode; 4] = [
    RecordingFailureCode::ResourceNotFound,
    RecordingFailureCode::AccessDenied,
    RecordingFailureCode::Validation,
    RecordingFailureCode::InternalServer,
];

impl Recordings {
    pub(super) fn prepare_uploads(&self, seed: u64) {
        let recordings = self.clone();
        let (spool, buckets) = (self.inner.spool.clone(), self.inner.buckets.clone());
        let report = move |finished| recordings.clone().report(finished);
        let (uploads, running) = uploader(spool, buckets, UploadSettings::new(seed), report);
        self.inner.uploads.set(uploads).ok();
        *self.uploading() = Some(Uploading(Box::pin(running)));
    }

    /// Starts to bring what is in the spool to its buckets, also what earlier processes left there. The rules must have closed what
    /// those left open.
    pub fn serve(&self, parts: &mut Parts) {
        if let Some(Uploading(running)) = self.uploading().take() {
            parts.spawn("bringing recordings to their buckets", running);
        }
    }

    /// The capture of a recording is over, in whatever way. Before [`serve`](Self::serve) it waits in a queue.
    pub(super) fn finish(&self, recording: &RecordingId) {
        if let Some(uploads) = self.inner.uploads.get() {
            uploads.finish(recording.as_str());
        }
    }

    fn uploading(&self) -> MutexGuard<'_, Option<Uploading>> {
        let uploading = self.inner.uploading.lock();
        uploading.unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the rules that everything of a recording is in its bucket. `false`: they could not be told.
    async fn report(self, finished: Finished) -> bool {
        let Some(control) = self.control() else {
            return false;
        };
        let failure = finished.failure.as_ref();
        let is_failure = failure.is_some();
        let command = Command::RecordingFinished {
            recording: RecordingId::new(finished.recording.as_str()),
            duration_ms: finished.duration_ms,
            failure: failure.map(failure_of),
            message: finished.message,
        };
        let is_told = tell(&control, command).await;
        if is_told {
            self.inner.figures.finished(is_failure);
        }
        is_told
    }
}

async fn tell(control: &Control, command: Command) -> bool {
    match control.execute("", command).await {
        // What is refused would be refused again.
        Ok(_) | Err(ControlFailure::Refused(_)) => true,
        Err(ControlFailure::Store(error)) => {
            tracing::warn!(%error, "the end of a recording could not be written yet");
            false
        }
    }
}

fn failure_of(failure: &Failure) -> RecordingFailure {
    let code = CODES.into_iter().find(|code| code.word() == failure.code);
    RecordingFailure {
        code: code.unwrap_or(RecordingFailureCode::InternalServer),
        reason: failure.reason.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_keep_their_code() {
        for (word, code) in [
            (
                "ResourceNotFoundException",
                RecordingFailureCode::ResourceNotFound,
            ),
            ("AccessDeniedException", RecordingFailureCode::AccessDenied),
            ("something else", RecordingFailureCode::InternalServer),
        ] {
            let failure = Failure {
                code: word.to_owned(),
                reason: "why".to_owned(),
            };
            let expected = RecordingFailure {
                code,
                reason: "why".to_owned(),
            };
            assert_eq!(failure_of(&failure), expected);
        }
    }
}
