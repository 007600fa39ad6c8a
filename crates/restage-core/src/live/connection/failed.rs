//! The media plane reports what is wrong with a connection: it never came up, or it goes on without something. Reported
//! of a connection that is gone already, it changes nothing.

use crate::id::{ConnectionId, ParticipantId, StageId};
use crate::kernel::decision::Outcome;
use crate::kernel::decision::Reply;
use crate::kernel::draft::Draft;
use crate::live::presence;
use crate::row::StageEventError;

/// The command's members.
pub(crate) struct Report<'a> {
    pub(crate) connection: &'a ConnectionId,
    pub(crate) stage: &'a StageId,
    pub(crate) participant: &'a ParticipantId,
    pub(crate) error: StageEventError,
    pub(crate) is_over: bool,
}

pub(crate) fn decide(draft: &mut Draft<'_>, report: &Report<'_>) -> Outcome {
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
