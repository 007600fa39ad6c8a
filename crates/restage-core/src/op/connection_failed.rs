//! The media plane reports what is wrong with a connection: it never came up, or it goes on without something. Reported
//! of a connection that is gone already, it changes nothing.

use super::Outcome;
use crate::decision::Reply;
use crate::draft::Draft;
use crate::id::{ConnectionId, ParticipantId, StageId};
use crate::presence;
use crate::row::StageEventError;

/// The command's members.
pub(super) struct Report<'a> {
    pub(super) connection: &'a ConnectionId,
    pub(super) stage: &'a StageId,
    pub(super) participant: &'a ParticipantId,
    pub(super) error: StageEventError,
    pub(super) is_over: bool,
}

pub(super) fn decide(draft: &mut Draft<'_>, report: &Report<'_>) -> Outcome {
    let id = report.connection;
    let is_known = draft
        .connection(id)
        .is_some_and(|row| row.stage == *report.stage && row.participant == *report.participant);
    if is_known {
        presence::record_error(draft, id, report.error);
        if report.is_over {
            presence::close(draft, id, None);
        }
    }
    Ok(Reply::Done)
}
