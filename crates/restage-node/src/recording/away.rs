//! One start of a recording's job while the spool is missing.

use std::time::Duration;

use restage_core::Command;
use restage_core::row::{RecordingFailure, RecordingFailureCode, RecordingId};
use restage_record::document;

use super::Recordings;
use super::spec::Spec;
use crate::control::Control;
use crate::jobs::{End, JobContext, Order};

/// How often it is looked whether the spool is back.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A recording that is to begin cannot. One that has begun stays as it is: nothing is captured until the spool is back, and if its
/// capture is over meanwhile, what there is of it waits.
pub(super) async fn run(
    recordings: &Recordings,
    control: &Control,
    mut context: JobContext,
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
    tracing::warn!(recording = %id, "nothing is captured: the spool is missing");
    loop {
        context.alive();
        match context.order() {
            Order::Stop => return End::Done(String::new()),
            Order::Pause => return End::Paused,
            // The next start finds the spool.
            Order::GoOn if recordings.spool().is_some() => return End::Paused,
            Order::GoOn => {}
        }
        // What the job is to do is read by the next start.
        let ordered = tokio::time::timeout(LOOK_EVERY, context.ordered()).await;
        drop(ordered);
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
    recordings.put_failed_start(spec, document);
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
