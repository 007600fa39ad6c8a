//! Where a recording of a composition begins: the spool, and the bucket.

use std::sync::atomic::Ordering;
use std::time::Duration;

use restage_core::row::RecordingFailureCode;
use restage_record::journal::Journal;
use restage_storage::{BucketError, Destination, SpoolError};
use tokio::time::sleep;

use super::{CompositeNews, CompositeTask, Failed, Parts, ordered};
use crate::recording::Recordings;
use crate::recording::files::Files;
use crate::recording::run::{Wanted, code_of};

/// Time between two attempts to open the spool while an earlier start still writes.
const SPOOL_RETRY: Duration = Duration::from_millis(500);
/// How often it is looked whether a missing spool is back.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What an earlier start has written, or a new folder of the spool once the bucket has said that it can be written. `None`: it is to end.
pub(super) async fn resume_or_begin(
    recordings: &Recordings,
    task: &CompositeTask,
    parts: &mut Parts,
) -> Result<Option<(Files, Journal)>, Failed> {
    if recordings.spool().is_none() && !await_spool(recordings, task, parts).await? {
        return Ok(None);
    }
    let restored = recordings
        .restore(&task.id, task.destination.clone())
        .await?;
    if restored && let Some(writer) = recordings.resume(&task.id)? {
        let journal = writer.journal();
        let files = Files::new(writer, recordings.inner.figures.clone());
        return Ok(Some((files, journal)));
    }
    check(recordings, &task.destination).await?;
    loop {
        match recordings.open_spool(&task.id, &task.destination).await {
            Ok(files) => return Ok(Some((files, Journal::default()))),
            Err(SpoolError::Busy) => {}
            Err(error) => return Err(error.into()),
        }
        tokio::select! {
            () = sleep(SPOOL_RETRY) => {}
            _ = ordered(&mut parts.order) => return Ok(None),
        }
    }
}

/// Waits for a spool that is missing; what is composed meanwhile is not recorded. `false`: the recording is to end. What it has in the
/// spool is completed when that is back.
async fn await_spool(
    recordings: &Recordings,
    task: &CompositeTask,
    parts: &mut Parts,
) -> Result<bool, Failed> {
    let missing = recordings.missing_spool();
    let reason = missing.map_or_else(
        || "the server's spool is missing".to_owned(),
        |missing| missing.sentence(),
    );
    if !task.may_have_begun {
        return Err(Failed(RecordingFailureCode::InternalServer, reason));
    }
    tracing::warn!(
        recording = task.id,
        "nothing is recorded: the spool is missing"
    );
    parts.is_away.store(true, Ordering::Relaxed);
    parts.said.send(CompositeNews::Waits(reason)).ok();
    while recordings.spool().is_none() {
        tokio::select! {
            () = sleep(LOOK_EVERY) => {}
            _ = ordered(&mut parts.order) => return Ok(false),
        }
    }
    // What came before it was known.
    while let Ok(input) = parts.inputs.try_recv() {
        parts.waiting_bytes.give_back(input.bytes());
    }
    parts.is_away.store(false, Ordering::Relaxed);
    Ok(true)
}

/// Asks the bucket. What does not answer may be back before the spool is full.
async fn check(recordings: &Recordings, destination: &Destination) -> Result<(), Failed> {
    let error = match recordings.check(destination).await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => error,
        Err(error) => BucketError::Unavailable(error.to_string()),
    };
    match code_of(&error) {
        Wanted::Impossible(code) => Err(Failed(code, error.to_string())),
        Wanted::Later => {
            tracing::warn!(
                bucket = destination.bucket, %error,
                "a bucket does not accept what is composed; it is kept in the spool meanwhile"
            );
            Ok(())
        }
    }
}
