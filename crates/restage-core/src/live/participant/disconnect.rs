//! DisconnectParticipant: closes the participant's connections and revokes its token. For a replica it stops that
//! replication only; the participant stays in the stage it joined.

use crate::arn::StageArn;
use crate::error::{Error, Fault};
use crate::id::ParticipantId;
use crate::kernel::decision::Outcome;
use crate::kernel::decision::{CloseReason, Reply};
use crate::kernel::draft::Draft;
use crate::kernel::need::Need;
use crate::kernel::owner::own_stage;
use crate::live::{presence, recording, replica};

pub(crate) fn needs(stage: &StageArn, participant: &ParticipantId) -> Vec<Need> {
    vec![
        Need::Stage(stage.id.clone()),
        Need::Token(stage.id.clone(), participant.clone()),
        Need::Participant(stage.id.clone(), participant.clone()),
    ]
}

pub(crate) fn decide(draft: &mut Draft<'_>, arn: &StageArn, id: &ParticipantId) -> Outcome {
    own_stage(draft, "stageArn", arn)?;
    let session = draft
        .active_session(&arn.id)
        .filter(|session| draft.participant(session, id).is_some());
    let has_token = draft.token(&arn.id, id).is_some();
    if session.is_none() && !has_token {
        return Err(Error::new(
            Fault::NotFound,
            format!("participantId: {arn} has no participant {id}"),
        ));
    }
    let now = draft.context.now;
    let mut is_revoked = false;
    if let Some(row) = draft.edit_token(&arn.id, id)
        && row.revoked_at.is_none()
    {
        row.revoked_at = Some(now);
        is_revoked = true;
    }
    if is_revoked {
        draft.revoke(&arn.id, id);
    }
    // The publisher will not be back, so no recording waits for it.
    recording::end_all_of(draft, &arn.id, id);
    let Some(session) = session else {
        return Ok(Reply::Done);
    };
    if let Some(key) = replica::shown_by(draft, &session, id) {
        replica::end(draft, vec![key], CloseReason::ReplicationStopped);
        return Ok(Reply::Done);
    }
    // Nor is any other window left running.
    let replications = draft.active_replicas(&session, id);
    replica::end(draft, replications, CloseReason::PublisherLeft);
    let connections = draft.connections_of(&session, id);
    presence::close_all(draft, connections, CloseReason::Disconnected);
    Ok(Reply::Done)
}
