//! DisconnectParticipant: closes the participant's connections and revokes its token. For a replica it stops that
//! replication only; the participant stays in the stage it joined. An ingest configuration that publishes as the
//! participant loses its stage, so that the encoder does not come back; with one stream of a redundant ingest go the
//! others.

use crate::arn::StageArn;
use crate::error::{Error, Fault};
use crate::id::{ParticipantId, StageId};
use crate::kernel::decision::Outcome;
use crate::kernel::decision::{CloseReason, Reply};
use crate::kernel::draft::Draft;
use crate::kernel::need::Need;
use crate::kernel::owner::own_stage;
use crate::live::{ingest, presence, recording, replica};

pub(crate) fn needs(stage: &StageArn, participant: &ParticipantId) -> Vec<Need> {
    vec![
        Need::Stage(stage.id.clone()),
        Need::Token(stage.id.clone(), participant.clone()),
        Need::Participant(stage.id.clone(), participant.clone()),
        ingest::need_of(&stage.id, participant),
    ]
}

pub(crate) fn decide(draft: &mut Draft<'_>, arn: &StageArn, id: &ParticipantId) -> Outcome {
    own_stage(draft, "stageArn", arn)?;
    let session = draft
        .active_session(&arn.id)
        .filter(|session| draft.participant(session, id).is_some());
    let has_token = draft.token(&arn.id, id).is_some();
    let configuration = ingest::of_participant(draft, &arn.id, id);
    if session.is_none() && !has_token && configuration.is_none() {
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
    let row = session.and_then(|session| draft.participant(&session, id).cloned());
    let shown = row.and_then(|row| replica::shown_by(draft, &row.session, id));
    if let Some(key) = shown {
        recording::end_all_of(draft, &arn.id, id);
        replica::end(draft, vec![key], CloseReason::ReplicationStopped);
        return Ok(Reply::Done);
    }
    let Some(configuration) = configuration else {
        end(draft, &arn.id, &[id]);
        return Ok(Reply::Done);
    };
    end(draft, &arn.id, &configuration.participants());
    ingest::detach(draft, configuration);
    Ok(Reply::Done)
}

/// Ends what these participants have in the stage that they joined, for good.
pub(crate) fn end(draft: &mut Draft<'_>, stage: &StageId, ids: &[&ParticipantId]) {
    // The publishers will not be back, so no recording waits for them.
    for id in ids {
        recording::end_all_of(draft, stage, id);
    }
    let Some(session) = draft.active_session(stage) else {
        return;
    };
    // Nor is any other window left running.
    for id in ids {
        let replications = draft.active_replicas(&session, id);
        replica::end(draft, replications, CloseReason::PublisherLeft);
    }
    for id in ids {
        let connections = draft.connections_of(&session, id);
        presence::close_all(draft, connections, CloseReason::Disconnected);
    }
}
