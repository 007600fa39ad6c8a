//! What the node reports of a composition: it is composed, what has become of a destination, and that a recording is in its
//! bucket.

use super::{job, settle};
use crate::error::{Error, Fault};
use crate::id::{JobId, Time};
use crate::kernel::command::DestinationChange;
use crate::kernel::decision::{Effect, Outcome, Reply};
use crate::kernel::draft::Draft;
use crate::kernel::need::Need;
use crate::limits::COMPOSITION_TEXT_BYTES_MAX;
use crate::row::{
    Composition, CompositionDestination, CompositionDestinationId, CompositionFailure,
    CompositionId, CompositionState, DestinationState,
};

/// The command's members.
pub(crate) struct Finished<'a> {
    pub(crate) composition: &'a CompositionId,
    pub(crate) destination: &'a CompositionDestinationId,
    pub(crate) duration_ms: u64,
    pub(crate) failure: Option<&'a CompositionFailure>,
}

/// The rows that a report of the runner needs.
pub(crate) fn needs_of_runner(job: &JobId) -> Vec<Need> {
    vec![Need::Job(job.clone())]
}

pub(crate) fn needs_of_finished(composition: &CompositionId) -> Vec<Need> {
    vec![Need::Composition(composition.clone())]
}

/// The composition is composed. One that is to end by now has begun as well.
pub(crate) fn started(draft: &mut Draft<'_>, job: &JobId, generation: u32) -> Outcome {
    let mut row = held(draft, job, generation)?;
    begin(&mut row, draft.context.now);
    draft.put_composition(row);
    Ok(Reply::Done)
}

/// What has become of a destination.
pub(crate) fn changed(
    draft: &mut Draft<'_>,
    job: &JobId,
    generation: u32,
    id: &CompositionDestinationId,
    change: &DestinationChange,
) -> Outcome {
    let mut row = held(draft, job, generation)?;
    let now = draft.context.now;
    let composition = row.id.clone();
    let Some(destination) = row.destinations.iter_mut().find(|row| row.id == *id) else {
        let message = format!("destination: the composition {composition} has no destination {id}");
        return Err(Error::new(Fault::NotFound, message));
    };
    let is_final = destination.state.is_final();
    match change {
        DestinationChange::Started if !is_final => {
            destination.started_at.get_or_insert(now);
            if destination.is_open() {
                destination.state = DestinationState::Active;
            }
            // Nothing arrives there that is not composed.
            begin(&mut row, now);
            draft.put_composition(row);
        }
        DestinationChange::Reconnecting if destination.state == DestinationState::Active => {
            destination.state = DestinationState::Reconnecting;
            draft.put_composition(row);
        }
        DestinationChange::Failed(failure) if !is_final => {
            fail(destination, failure.clone(), now);
            leave_out(draft, row);
        }
        DestinationChange::Ended => {
            let is_unfinished = destination.is_unfinished();
            match destination.target.recording() {
                Some(_) if !is_final => destination.state = DestinationState::Stopping,
                None if !is_final => stopped(destination, now),
                _ => {}
            }
            if is_unfinished {
                draft.order(Effect::FinishCompositionDestination {
                    composition,
                    destination: id.clone(),
                });
            }
            leave_out(draft, row);
        }
        _ => {}
    }
    Ok(Reply::Done)
}

/// Everything that was recorded is in the bucket, or will never be. A composition that is not known any more was removed.
pub(crate) fn finished(draft: &mut Draft<'_>, report: &Finished<'_>) -> Outcome {
    let Some(mut row) = draft.composition(report.composition).cloned() else {
        return Ok(Reply::Done);
    };
    let now = draft.context.now;
    let mut destinations = row.destinations.iter_mut();
    let Some(destination) = destinations.find(|row| row.id == *report.destination) else {
        return Ok(Reply::Done);
    };
    if !destination.is_unfinished() {
        return Ok(Reply::Done);
    }
    destination.duration_ms = Some(report.duration_ms);
    if !destination.state.is_final() {
        let foretold = destination.failure.take();
        match report.failure.cloned().or(foretold) {
            Some(failure) => fail(destination, failure, now),
            None => stopped(destination, now),
        }
    }
    leave_out(draft, row);
    Ok(Reply::Done)
}

/// The destination has failed.
pub(super) fn fail(
    destination: &mut CompositionDestination,
    failure: CompositionFailure,
    now: Time,
) {
    let CompositionFailure { code, reason } = failure;
    let reason = cut(&reason);
    destination.failure = Some(CompositionFailure { code, reason });
    destination.state = DestinationState::Failed;
    destination.ended_at = Some(now).max(destination.started_at);
}

/// The destination has ended as it should.
pub(super) fn stopped(destination: &mut CompositionDestination, now: Time) {
    destination.state = DestinationState::Stopped;
    destination.ended_at = Some(now).max(destination.started_at);
}

/// Writes a composition some of whose destinations may have gone, and tells its job.
fn leave_out(draft: &mut Draft<'_>, row: Composition) {
    let id = row.id.clone();
    settle(draft, row);
    if let Some(row) = draft.composition(&id).cloned() {
        job::tell(draft, &row);
    }
}

/// Records that it is composed.
fn begin(row: &mut Composition, now: Time) {
    if row.state.is_final() {
        return;
    }
    row.started_at.get_or_insert(now);
    if row.state == CompositionState::Starting {
        row.state = CompositionState::Active;
    }
}

/// The composition that a runner makes, if its lease is its own.
fn held(draft: &Draft<'_>, job: &JobId, generation: u32) -> Result<Composition, Error> {
    crate::job::report::held(draft, job, generation)?;
    draft
        .composition(&CompositionId::of_job(job))
        .cloned()
        .ok_or_else(|| Error::new(Fault::NotFound, format!("job: {job} makes no composition")))
}

/// The text as a row stores it: cut to its length, and without the character U+0000, which PostgreSQL does not store.
pub(super) fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(COMPOSITION_TEXT_BYTES_MAX)].replace('\0', "")
}
