//! What happens to recordings after their capture: the uploader brings them to their buckets, and the rules learn of it.

use std::sync::{MutexGuard, PoisonError};

use restage_core::Command;
use restage_core::row::{
    CompositionDestinationId, CompositionFailure, CompositionFailureCode, CompositionId,
    RecordingFailure, RecordingFailureCode, RecordingId,
};
use restage_record::journal::Failure;
use restage_storage::{
    Destination, Finished, Lost, Spool, SpoolError, SpoolWriter, UploadSettings, uploader,
};
use restage_store::system::clock;
use tokio::task::spawn_blocking;

use super::composites::{destination_of_composition, of_recording, unfinished};
use super::files::Files;
use super::spec::destination_of;
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
    /// Takes the spool: from here on recordings begin and go on.
    pub(super) fn take_spool(&self, spool: Spool) {
        let recordings = self.clone();
        let buckets = self.inner.buckets.clone();
        let report = move |finished| recordings.clone().report(finished);
        let settings = UploadSettings::new(self.inner.seed);
        let (uploads, running) = uploader(spool.clone(), buckets, settings, report);
        self.inner.uploads.set(uploads).ok();
        *self.uploading() = Some(Uploading(Box::pin(running)));
        self.inner.spool.set(spool).ok();
    }

    /// Starts to bring what is in the spool to its buckets, also what earlier processes left there. The rules must have closed what
    /// those left open. A missing spool is waited for.
    pub fn serve(&self, parts: &mut Parts) {
        let recordings = self.clone();
        parts.spawn("bringing recordings to their buckets", async move {
            let was_missing = recordings.spool().is_none();
            if was_missing {
                recordings.await_spool().await;
            }
            let uploading = recordings.uploading().take();
            let left = recordings.clone();
            tokio::spawn(async move {
                if was_missing {
                    left.finish_waiting().await;
                }
                left.finish_forgotten().await;
            });
            match uploading {
                Some(Uploading(running)) => running.await,
                None => std::future::pending().await,
            }
        });
    }

    /// Completes what has been waiting for the spool, and has no job that would go on with it.
    async fn finish_waiting(&self) {
        let Some(control) = self.control() else {
            return;
        };
        match control.store().unfinished_recordings().await {
            Ok(rows) => {
                let ids = rows.into_iter().map(|row| row.id);
                self.finish_without_job(&control, ids).await;
            }
            Err(error) => {
                tracing::warn!(%error, "it is not known which recordings have waited for the spool")
            }
        }
        match control.store().all_compositions().await {
            Ok(rows) => {
                for id in unfinished(&rows) {
                    if let Err(error) = self.end_composite(&control, &id).await {
                        tracing::warn!(%error, id, "a recording of a composition cannot be ended as it should");
                    }
                    self.finish_composite_without_job(&control, &id).await;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "it is not known which compositions have waited for the spool")
            }
        }
    }

    /// Completes what is in the spool and has no job that would go on with it, as after a database was restored from a backup.
    async fn finish_forgotten(&self) {
        if let (Some(control), Some(spool)) = (self.control(), self.spool()) {
            let (composite, own): (Vec<_>, Vec<_>) = spool
                .recordings()
                .into_iter()
                .partition(|id| of_recording(id).is_some());
            let ids = own.into_iter().map(RecordingId::new);
            self.finish_without_job(&control, ids).await;
            for id in composite {
                self.finish_composite_without_job(&control, &id).await;
            }
        }
    }

    /// Ends the recording of a composition that was stopped while the spool was missing: nobody else has said that it is over.
    async fn end_composite(&self, control: &Control, id: &str) -> Result<(), SpoolError> {
        let Some((composition, _)) = of_recording(id) else {
            return Ok(());
        };
        let job = CompositionId::new(composition).job();
        let is_live = match control.store().get_job(&job).await {
            Ok(job) => job.is_some_and(|job| job.is_live()),
            // It may be.
            Err(_) => true,
        };
        let Some(writer) = (match is_live {
            true => None,
            false => self.resume(id)?,
        }) else {
            return Ok(());
        };
        let ended_us = writer.journal().end_us().unwrap_or_else(|| clock::now().0);
        Files::new(writer, self.inner.figures.clone())
            .end(ended_us, None)
            .await
    }

    async fn finish_composite_without_job(&self, control: &Control, id: &str) {
        let Some((composition, _)) = of_recording(id) else {
            return;
        };
        let job = CompositionId::new(composition).job();
        match control.store().get_job(&job).await {
            Ok(Some(job)) if job.is_live() => {}
            Ok(_) => self.finish_composite(id),
            // The next start looks again.
            Err(error) => {
                tracing::warn!(%error, id, "it is not known whether a composition goes on");
            }
        }
    }

    async fn finish_without_job(&self, control: &Control, ids: impl Iterator<Item = RecordingId>) {
        for recording in ids {
            match control.store().get_job(&recording.job()).await {
                Ok(Some(job)) if job.is_live() => {}
                Ok(job) => {
                    if job.is_none() {
                        self.say_if_unknown(control, &recording).await;
                    }
                    self.finish(&recording);
                }
                // The next start looks again.
                Err(error) => {
                    tracing::warn!(%error, %recording, "it is not known whether a recording goes on")
                }
            }
        }
    }

    /// Says of a recording in the spool that the database does not know: nobody else will.
    async fn say_if_unknown(&self, control: &Control, recording: &RecordingId) {
        let Ok(None) = control.store().get_recording(recording).await else {
            return;
        };
        let goes = self
            .spool()
            .and_then(|spool| spool.destination(recording.as_str()));
        let Some(Destination {
            account,
            bucket,
            prefix,
            ..
        }) = goes
        else {
            return;
        };
        tracing::warn!(
            %recording, account, bucket, prefix,
            "a recording in the spool is not in the database, as after a database was lost or restored: what waits is uploaded, and no list has it"
        );
    }

    /// The capture of a recording is over, in whatever way. Before [`serve`](Self::serve) it waits in a queue. While the spool is missing,
    /// nothing is done: it is found again when that is back.
    pub(super) fn finish(&self, recording: &RecordingId) {
        let (Some(spool), Some(uploads)) = (self.spool(), self.inner.uploads.get()) else {
            return;
        };
        if spool.has(recording.as_str()) {
            return uploads.finish(recording.as_str());
        }
        let (recordings, recording) = (self.clone(), recording.clone());
        tokio::spawn(async move { recordings.finish_unread(&recording).await });
    }

    /// The recording of a composition's destination is over, in whatever way, as [`finish`](Self::finish).
    pub(crate) fn finish_composite(&self, id: &str) {
        let (Some(spool), Some(uploads)) = (self.spool(), self.inner.uploads.get()) else {
            return;
        };
        if spool.has(id) {
            return uploads.finish(id);
        }
        let (recordings, id) = (self.clone(), id.to_owned());
        tokio::spawn(async move { recordings.finish_unread_composite(&id).await });
    }

    /// Ends the recording of a composition of which the spool has nothing that could be read.
    async fn finish_unread_composite(&self, id: &str) {
        let (Some(control), Some(uploads)) = (self.control(), self.inner.uploads.get()) else {
            return;
        };
        let Some((composition, destination)) = of_recording(id) else {
            return;
        };
        let row = match control
            .store()
            .get_composition(&CompositionId::new(composition))
            .await
        {
            Ok(Some(row)) => row,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(%error, id, "a recording is ended after the next start");
                return;
            }
        };
        let destination_id = CompositionDestinationId::new(destination);
        let Some(goes) = destination_of_composition(&row, &destination_id) else {
            return;
        };
        let reason = match self.restore(id, goes.clone()).await {
            Ok(true) => return uploads.finish(id),
            Ok(false) => "nothing of the recording is in the spool".to_owned(),
            Err(error) => error.to_string(),
        };
        let started = row.started_at.unwrap_or(row.created_at);
        let lost = Lost {
            destination: goes,
            started_us: started.0,
            ended_us: row.ended_at.unwrap_or_else(clock::now).0.max(started.0),
            reason,
        };
        uploads.finish_lost(id, lost);
    }

    /// Ends a recording of which the spool has nothing that could be read at the start: its row says where it goes.
    async fn finish_unread(&self, recording: &RecordingId) {
        let (Some(control), Some(uploads)) = (self.control(), self.inner.uploads.get()) else {
            return;
        };
        let row = match control.store().get_recording(recording).await {
            Ok(Some(row)) if !row.state.is_final() => row,
            // Nobody waits for its end.
            Ok(_) => return,
            Err(error) => {
                tracing::warn!(%error, %recording, "a recording is ended after the next start");
                return;
            }
        };
        let destination = destination_of(&row);
        let reason = match self.restore(recording.as_str(), destination.clone()).await {
            Ok(true) => return uploads.finish(recording.as_str()),
            Ok(false) => "nothing of the recording is in the spool any more".to_owned(),
            Err(error) => error.to_string(),
        };
        tracing::error!(%recording, reason, "what was not in its bucket yet is lost");
        let started = row.started_at.unwrap_or(row.created_at);
        let lost = Lost {
            destination,
            started_us: started.0,
            ended_us: row.ended_at.unwrap_or_else(clock::now).0.max(started.0),
            reason,
        };
        uploads.finish_lost(recording.as_str(), lost);
    }

    /// Opens a folder of the spool whose destination cannot be read, and writes that again; whether there is one.
    pub(super) async fn restore(
        &self,
        recording: &str,
        destination: Destination,
    ) -> Result<bool, SpoolError> {
        let Some(spool) = self.spool().cloned() else {
            return Ok(false);
        };
        let id = recording.to_owned();
        let restored = spawn_blocking(move || spool.restore(&id, &destination)).await;
        restored.map_err(|error| SpoolError::Io {
            what: recording.to_owned(),
            source: std::io::Error::other(error),
        })?
    }

    /// What an earlier start of a recording has written.
    pub(super) fn resume(&self, recording: &str) -> Result<Option<SpoolWriter>, SpoolError> {
        match self.spool() {
            Some(spool) => spool.resume(recording),
            None => Ok(None),
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
        let command = match of_recording(&finished.recording) {
            Some((composition, destination)) => Command::CompositionDestinationFinished {
                composition: CompositionId::new(composition),
                destination: CompositionDestinationId::new(destination),
                duration_ms: finished.duration_ms,
                failure: failure.map(composition_failure_of),
            },
            None => Command::RecordingFinished {
                recording: RecordingId::new(finished.recording.as_str()),
                duration_ms: finished.duration_ms,
                failure: failure.map(failure_of),
                message: finished.message,
            },
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

fn composition_failure_of(failure: &Failure) -> CompositionFailure {
    let mut codes = CompositionFailureCode::ALL.into_iter();
    let code = codes.find(|code| code.word() == failure.code);
    CompositionFailure {
        code: code.unwrap_or(CompositionFailureCode::InternalServer),
        reason: failure.reason.clone(),
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
