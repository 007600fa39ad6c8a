//! What a decision tells the world outside: the matter of EventBridge-shaped events.
//!
//! History is for those who ask ([`StageEvent`]), notices are for those who listen. They say the same, but
//! a notice carries what a listener could not look up any more: whose it is, and, for a stage that is being
//! deleted, that it happened at all.

use crate::draft::Draft;
use crate::id::{StageId, StageSessionId, Time};
use crate::row::{Replication, StageEvent};

/// One thing that happened on a stage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    /// Where.
    pub stage: StageId,
    /// In which of its sessions.
    pub session: StageSessionId,
    /// When.
    pub at: Time,
    /// What.
    pub what: Occurrence,
}

/// The kinds of notices.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Occurrence {
    /// A line of a participant's history.
    History {
        /// The line.
        event: Box<StageEvent>,
        /// The customer's label of the participant; may be empty.
        user_id: String,
        /// For a replica: the stage and session it joined.
        source: Option<(StageId, StageSessionId)>,
    },
    /// The stage session began.
    SessionStarted,
    /// The stage session ended.
    SessionEnded,
}

/// The notices of a decision: a session begins before what happens in it, and ends after.
pub(crate) fn of(draft: &Draft<'_>) -> Vec<Notice> {
    let mut notices = Vec::new();
    let mut ended = Vec::new();
    for (id, before, after) in draft.session_differences() {
        let notice = |stage: &StageId, what| Notice {
            stage: stage.clone(),
            session: id.clone(),
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
            session,
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
    notices.extend(ended);
    notices
}

fn history(draft: &Draft<'_>, event: &StageEvent) -> Option<Notice> {
    let row = draft.participant(&event.session, &event.participant);
    let stage = match row {
        Some(row) => &row.stage,
        None => &draft.session(&event.session)?.stage,
    };
    let source = match row.map(|row| &row.replication) {
        Some(Replication::Replica {
            source_stage,
            source_session,
            ..
        }) => Some((source_stage.clone(), source_session.clone())),
        _ => None,
    };
    let user_id = draft
        .claimed_user(&event.participant)
        .or_else(|| row.map(|row| row.user_id.as_str()));
    Some(Notice {
        stage: stage.clone(),
        session: event.session.clone(),
        at: event.at,
        what: Occurrence::History {
            event: Box::new(event.clone()),
            user_id: user_id.unwrap_or_default().to_owned(),
            source,
        },
    })
}
