//! StopParticipantReplication: takes the participant out of the destination, at once; also while its
//! reconnect window runs.

use super::{Outcome, own_stage};
use crate::arn::StageArn;
use crate::command::Need;
use crate::decision::{CloseReason, Reply};
use crate::draft::Draft;
use crate::error::{Error, Fault};
use crate::id::ParticipantId;
use crate::replica;

pub(super) fn needs(
    source: &StageArn,
    destination: &StageArn,
    participant: &ParticipantId,
) -> Vec<Need> {
    vec![
        Need::Stage(source.id.clone()),
        Need::Stage(destination.id.clone()),
        Need::Participant(destination.id.clone(), participant.clone()),
    ]
}

pub(super) fn decide(
    draft: &mut Draft<'_>,
    source: &StageArn,
    destination: &StageArn,
    participant: &ParticipantId,
) -> Outcome {
    own_stage(draft, "sourceStageArn", source)?;
    own_stage(draft, "destinationStageArn", destination)?;
    let sessions = draft
        .active_session(&source.id)
        .zip(draft.active_session(&destination.id));
    let key = sessions.map(|(from, to)| (from, participant.clone(), to));
    let active = key.filter(|key| draft.replica(key).is_some_and(|row| row.active));
    let key = active.ok_or_else(|| {
        let message =
            format!("participantId: {participant} of {source} is not replicated to {destination}");
        Error::new(Fault::NotFound, message)
    })?;
    replica::end(draft, vec![key], CloseReason::ReplicationStopped);
    Ok(Reply::Done)
}
