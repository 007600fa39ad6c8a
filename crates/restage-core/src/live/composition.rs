//! Compositions: when one begins, how its destinations fare, and what ends it.
//!
//! A job makes a composition, and has the same id. It ends because somebody stops it, its stage is deleted, nobody has
//! published for a while, it has lived as long as one may, or because none of its destinations works. Then its job is
//! asked to end; when that has ended, what was recorded is brought to its bucket; until then it is STOPPING. A while after
//! it has ended, its row is removed.
//!
//! ```text
//!   asked for      composes        to end           all destinations are STOPPED or FAILED
//!  ─────────► STARTING ───► ACTIVE ──────► STOPPING ──────────────────────────────────► STOPPED, FAILED ──► removed
//!                 └───────────┴───────────────────────────────────────────────────────► FAILED
//!                                    no destination is left
//! ```

mod job;
pub(crate) mod report;
mod spec;
pub(crate) mod start;
pub(crate) mod stop;

use crate::id::{StageId, Time};
use crate::kernel::decision::Effect;
use crate::kernel::draft::Draft;
use crate::kernel::need::Need;
use crate::limits::{COMPOSITION_IDLE_S, COMPOSITION_KEPT_S, COMPOSITION_LIFE_S};
use crate::row::{
    Composition, CompositionFailure, CompositionFailureCode, CompositionState, DestinationState,
};

pub(crate) use self::job::follow;

/// The rows that [`end_all_in`] needs.
pub(crate) fn needs_of_stage(stage: &StageId) -> Need {
    Need::CompositionsOf(stage.clone())
}

/// Ends every composition of a stage that is deleted.
pub(crate) fn end_all_in(draft: &mut Draft<'_>, stage: &StageId) {
    let rows = draft.given().compositions.values();
    let of_stage = rows.filter(|row| row.stage == *stage && row.is_open());
    for row in of_stage.cloned().collect::<Vec<_>>() {
        let failure = CompositionFailure {
            code: CompositionFailureCode::StageDeleted,
            reason: "the stage was deleted".to_owned(),
        };
        end(draft, row, Some(failure));
    }
}

/// The rows that [`tick`] needs.
pub(crate) fn needs_of_tick(now: Time) -> Need {
    Need::CompositionsDue(now)
}

/// Notes since when nobody publishes, ends compositions that are due, and removes those that ended a while ago.
pub(crate) fn tick(draft: &mut Draft<'_>) {
    let (world, now) = (draft.given(), draft.context.steady);
    for due in world.due_compositions(now) {
        // What has ended in this tick may have changed it.
        let Some(mut row) = draft.composition(&due.id).cloned() else {
            continue;
        };
        if row.state.is_final() {
            if row.gone_at.is_some_and(|at| at <= now) {
                draft.remove_composition(&row.id);
            }
            continue;
        }
        if !row.is_open() {
            continue;
        }
        let is_old = row.lives_until <= now;
        row.idle_since = match world.has_publisher(&row.stage) {
            true => None,
            false => row
                .idle_since
                .or_else(|| Some(idle_since(draft, &row.stage))),
        };
        let is_idle = row
            .idle_since
            .is_some_and(|since| since.plus_seconds(COMPOSITION_IDLE_S) <= now);
        match is_old || is_idle {
            true => end(draft, row, None),
            false => draft.put_composition(row),
        }
    }
}

/// Since when nobody publishes in a stage where nobody does.
fn idle_since(draft: &Draft<'_>, stage: &StageId) -> Time {
    let world = draft.given();
    let active = world
        .stages
        .get(stage)
        .and_then(|row| row.active_session.as_ref());
    let session = active.and_then(|id| world.sessions.get(id));
    let since = session.and_then(|row| row.idle_since);
    since.unwrap_or(draft.context.steady)
}

/// When the server starts and when it stops, nobody publishes, and the steady clock of another process means nothing here.
/// What is left of the longest life, and of the time in which a composition that has ended can be read, follows from the
/// wall clock; it is never more than the whole.
pub(crate) fn recover(draft: &mut Draft<'_>) {
    let world = draft.given();
    for id in world.compositions.keys() {
        let Some(mut row) = draft.composition(id).cloned() else {
            continue;
        };
        let steady = draft.context.steady;
        let kept = rest(draft, row.ended_at, COMPOSITION_KEPT_S);
        let lives = rest(draft, Some(row.created_at), COMPOSITION_LIFE_S);
        match row.state {
            CompositionState::Starting | CompositionState::Active => {
                row.idle_since = Some(steady);
                row.lives_until = lives;
                draft.put_composition(row.clone());
                if job::live(draft, &row).is_none() {
                    end(draft, row, None);
                }
            }
            CompositionState::Stopping => {
                if job::live(draft, &row).is_none() {
                    finish(draft, &row);
                }
            }
            CompositionState::Failed | CompositionState::Stopped => {
                row.gone_at = Some(kept);
                draft.put_composition(row);
            }
        }
    }
}

/// When a time that began then is over, by the steady clock of this process.
fn rest(draft: &Draft<'_>, since: Option<Time>, whole_s: u32) -> Time {
    let context = draft.context;
    let whole = Time(0).plus_seconds(whole_s).0;
    let passed = since.map_or(0, |since| context.now.0.saturating_sub(since.0));
    let left = whole.saturating_sub(passed.max(0)).max(0);
    Time(context.steady.0.saturating_add(left))
}

/// Ends an open composition as it should end; with a failure it is FAILED afterwards.
fn end(draft: &mut Draft<'_>, mut row: Composition, failure: Option<CompositionFailure>) {
    row.state = CompositionState::Stopping;
    row.failure = row.failure.or(failure);
    row.idle_since = None;
    for destination in &mut row.destinations {
        if destination.is_open() {
            destination.state = DestinationState::Stopping;
        }
    }
    match job::live(draft, &row) {
        Some(job) => {
            draft.put_composition(row);
            crate::job::stop::stop(draft, job);
        }
        None => job::ended(draft, row, None),
    }
}

/// After a change of its destinations: the composition has ended if all of them have, and is to end if none is left that
/// works.
fn settle(draft: &mut Draft<'_>, row: Composition) {
    let is_over = row.destinations.iter().all(|row| row.state.is_final());
    let is_left = row.destinations.iter().any(|row| row.is_open());
    if row.state.is_final() {
        draft.put_composition(row);
    } else if is_over {
        close(draft, row);
    } else if row.is_open() && !is_left {
        end(draft, row, None);
    } else {
        draft.put_composition(row);
    }
}

/// Ends the composition for good. A job that still runs is asked to end.
fn close(draft: &mut Draft<'_>, mut row: Composition) {
    let context = draft.context;
    let has_failed = |row: &Composition| {
        let mut rows = row.destinations.iter();
        rows.all(|row| row.state == DestinationState::Failed)
    };
    if row.failure.is_none() && has_failed(&row) {
        row.failure = Some(CompositionFailure {
            code: CompositionFailureCode::DestinationFailure,
            reason: "every destination has failed".to_owned(),
        });
    }
    row.state = match row.failure {
        Some(_) => CompositionState::Failed,
        None => CompositionState::Stopped,
    };
    row.idle_since = None;
    row.ended_at = Some(context.now).max(row.started_at);
    row.gone_at = Some(context.steady.plus_seconds(COMPOSITION_KEPT_S));
    if let Some(job) = job::live(draft, &row) {
        crate::job::stop::stop(draft, job);
    }
    draft.put_composition(row);
}

/// Orders that what is recorded is brought to its bucket, of every destination of which that is not known yet.
fn finish(draft: &mut Draft<'_>, row: &Composition) {
    for destination in row.destinations.iter().filter(|row| row.is_unfinished()) {
        draft.order(Effect::FinishCompositionDestination {
            composition: row.id.clone(),
            destination: destination.id.clone(),
        });
    }
}
