//! The notices of a decision: what its history and its changes of stage sessions report to event sinks.

use super::Draft;
use crate::id::StageId;
use crate::notice::{CompositionNotice, Notice, Occurrence, RecordingNotice};
use crate::row::{
    Composition, CompositionState, DestinationState, Recording, RecordingState, Replication,
    StageEvent,
};

/// The notices of a decision: a session begins before what happens in it, and ends after.
pub(super) fn of(draft: &Draft<'_>) -> Vec<Notice> {
    let mut notices = Vec::new();
    let mut ended = Vec::new();
    for (id, before, after) in draft.session_differences() {
        let notice = |stage: &StageId, what| Notice {
            stage: stage.clone(),
            session: Some(id.clone()),
            at: draft.context.now,
            what,
        };
        match (before, after) {
            (None, Some(row)) => notices.push(notice(&row.stage, Occurrence::SessionStarted)),
            (Some(was), Some(is)) if was.ended_at.is_none() && is.ended_at.is_some() => {
                ended.push(notice(&is.stage, Occurrence::SessionEnded));
            }
            _ => {}
        }
    }
    for (stage, session) in draft.deleted_sessions() {
        ended.push(Notice {
            stage,
            session: Some(session),
            at: draft.context.now,
            what: Occurrence::SessionEnded,
        });
    }
    notices.extend(
        draft
            .events()
            .iter()
            .filter_map(|event| history(draft, event)),
    );
    for (_, before, after) in draft.recording_differences() {
        let Some(row) = after else { continue };
        notices.extend(recording(before, row).into_iter().map(|name| Notice {
            stage: row.stage.clone(),
            session: Some(row.session.clone()),
            at: draft.context.now,
            what: Occurrence::Recording {
                name,
                recording: Box::new(row.clone()),
            },
        }));
    }
    for (_, before, after) in draft.composition_differences() {
        let Some(row) = after else { continue };
        notices.extend(composition(before, row).into_iter().map(|name| Notice {
            stage: row.stage.clone(),
            session: None,
            at: draft.context.now,
            what: Occurrence::Composition {
                name,
                composition: Box::new(row.clone()),
            },
        }));
    }
    notices.extend(ended);
    notices
}

/// What became of a composition and its destinations. It begins before they do, and ends after.
fn composition(before: Option<&Composition>, after: &Composition) -> Vec<CompositionNotice> {
    let mut names = Vec::new();
    let had_started = before.is_some_and(|row| row.started_at.is_some());
    if after.started_at.is_some() && !had_started {
        names.push(CompositionNotice::SessionStart);
    }
    for now in &after.destinations {
        let was = before.and_then(|row| row.destination(&now.id));
        let id = || now.id.clone();
        if now.started_at.is_some() && was.is_none_or(|row| row.started_at.is_none()) {
            names.push(CompositionNotice::DestinationStart(id()));
        }
        if was.map(|row| row.state) == Some(now.state) {
            continue;
        }
        match now.state {
            DestinationState::Reconnecting => {
                names.push(CompositionNotice::DestinationReconnecting(id()));
            }
            DestinationState::Failed => names.push(CompositionNotice::DestinationFailure(id())),
            // One that was stopped before it had started leaves nothing to report.
            DestinationState::Stopped if now.started_at.is_some() => {
                names.push(CompositionNotice::DestinationEnd(id()));
            }
            _ => {}
        }
    }
    if before.map(|row| row.state) != Some(after.state) {
        match after.state {
            CompositionState::Failed => names.push(CompositionNotice::SessionFailure),
            CompositionState::Stopped if after.started_at.is_some() => {
                names.push(CompositionNotice::SessionEnd);
            }
            _ => {}
        }
    }
    names
}

/// What became of a recording.
fn recording(before: Option<&Recording>, after: &Recording) -> Vec<RecordingNotice> {
    let mut names = Vec::new();
    let had_started = before.is_some_and(|row| row.started_at.is_some());
    let has_started = after.started_at.is_some();
    if has_started && !had_started {
        names.push(RecordingNotice::Start);
    }
    if before.is_none_or(|row| !row.state.is_final()) {
        // One that was stopped before it had started leaves nothing to report.
        match (after.state, has_started) {
            (RecordingState::Stopped, true) => names.push(RecordingNotice::End),
            (RecordingState::Failed, true) => names.push(RecordingNotice::EndFailure),
            (RecordingState::Failed, false) => names.push(RecordingNotice::StartFailure),
            _ => {}
        }
    }
    names
}

fn history(draft: &Draft<'_>, event: &StageEvent) -> Option<Notice> {
    let row = draft.participant(&event.session, &event.participant);
    let stage = match row {
        Some(row) => &row.stage,
        None => &draft.session(&event.session)?.stage,
    };
    // A join that was refused is its bearer's own, even if a replica here has the same identity: the command does not
    // need the replica's row, so the row must not count.
    let claimed_user = draft.claimed_user(&event.participant);
    let source = match row.map(|row| &row.replication) {
        Some(Replication::Replica {
            source_stage,
            source_session,
            ..
        }) if claimed_user.is_none() => Some((source_stage.clone(), source_session.clone())),
        _ => None,
    };
    let user_id = claimed_user.or_else(|| row.map(|row| row.user_id.as_str()));
    Some(Notice {
        stage: stage.clone(),
        session: Some(event.session.clone()),
        at: event.at,
        what: Occurrence::History {
            event: Box::new(event.clone()),
            user_id: user_id.unwrap_or_default().to_owned(),
            source,
        },
    })
}
