//! StopParticipantReplication: takes the participant out of the destination, at once; also while its
//! reconnect window runs. Its recording ends, too.

use crate::arn::StageArn;
use crate::error::{Error, Fault};
use crate::id::ParticipantId;
use crate::kernel::decision::Outcome;
use crate::kernel::decision::{CloseReason, Reply};
use crate::kernel::draft::Draft;
use crate::kernel::need::Need;
use crate::kernel::owner::own_stage;
use crate::live::{recording, replica};

pub(crate) fn needs(
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

pub(crate) fn decide(
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
    recording::end_in(draft, &destination.id, participant);
    replica::end(draft, vec![key], CloseReason::ReplicationStopped);
    Ok(Reply::Done)
}
