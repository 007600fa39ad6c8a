//! One start of a recording's job while the spool is missing.

use std::time::Duration;

use restage_core::Command;
use restage_core::row::{RecordingFailure, RecordingFailureCode, RecordingId};
use restage_record::document;
use tokio::time::{Instant, sleep};

use super::Recordings;
use super::spec::Spec;
use crate::control::Control;
use crate::jobs::{End, JobContext, Order};

/// How often it is looked whether the spool is back.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long a start that is to stop waits for the spool: less than a runner has.
const STOP_WAIT: Duration = Duration::from_secs(20);

/// A recording that is to begin cannot. One that has begun stays as it is: nothing is captured until the spool is back, and if its
/// capture is over meanwhile, its job ends when the spool is back.
pub(super) async fn run(
    recordings: &Recordings,
    control: &Control,
    context: JobContext,
    spec: &Spec,
) -> End {
    let id = RecordingId::of_job(&context.job().id);
    let row = match control.store().get_recording(&id).await {
        Ok(row) => row,
        Err(error) => return End::Failed(error.to_string()),
    };
    let has_begun = row.is_some_and(|row| row.started_at.is_some());
    // An earlier start may have written something and not have said so.
    if !has_begun && context.generation() <= 1 {
        return cannot_start(recordings, control, &context, spec).await;
    }
    if spec.publication().is_some() {
        tracing::warn!(recording = %id, "nothing is captured: the spool is missing");
    }
    let mut stop_by = None;
    loop {
        context.alive();
        let is_back = recordings.spool().is_some();
        match context.order() {
            Order::Pause => return End::Paused,
            // The next start finds the spool, and goes on or ends the recording as it is meant.
            Order::GoOn | Order::Stop if is_back => return End::Paused,
            Order::GoOn => {}
            // A runner has some time to stop; then it waits in its next start.
            Order::Stop => {
                let by = *stop_by.get_or_insert_with(|| Instant::now() + STOP_WAIT);
                if Instant::now() >= by {
                    return End::Paused;
                }
            }
        }
        sleep(LOOK_EVERY).await;
    }
}

async fn cannot_start(
    recordings: &Recordings,
    control: &Control,
    context: &JobContext,
    spec: &Spec,
) -> End {
    let missing = recordings.missing_spool();
    let reason = missing.map_or_else(
        || "the server's spool is missing".to_owned(),
        |missing| missing.sentence(),
    );
    tracing::warn!(recording = %context.job().id, reason, "a recording cannot start");
    recordings.inner.figures.start_failed();
    let document = document::start_failed(&spec.destination().subject(), &reason);
    recordings.put_failed_start(&spec.destination(), document);
    let command = Command::RecordingStartFailed {
        job: context.job().id.clone(),
        generation: context.generation(),
        failure: RecordingFailure {
            code: RecordingFailureCode::InternalServer,
            reason: reason.clone(),
        },
    };
    control.report(command).await;
    End::Done(reason)
}
