//! StartParticipantReplication: shows a publishing participant in another stage.

use crate::arn::StageArn;
use crate::error::limit_reached;
use crate::error::{Error, Fault};
use crate::id::{ParticipantId, StageSessionId};
use crate::kernel::decision::Outcome;
use crate::kernel::decision::Reply;
use crate::kernel::draft::Draft;
use crate::kernel::need::Need;
use crate::kernel::owner::own_stage;
use crate::live::{replica, session};
use crate::row::{Attributes, Participant, Replica, Replication};

/// The command's members.
pub(crate) struct Request<'a> {
    pub(crate) source: &'a StageArn,
    pub(crate) destination: &'a StageArn,
    pub(crate) participant: &'a ParticipantId,
    pub(crate) reconnect_window_s: u32,
    pub(crate) attributes: &'a Attributes,
}

pub(crate) fn needs(
    source: &StageArn,
    destination: &StageArn,
    participant: &ParticipantId,
) -> Vec<Need> {
    vec![
        Need::Stage(source.id.clone()),
        Need::Stage(destination.id.clone()),
        Need::Presence(source.id.clone(), participant.clone()),
        Need::Presence(destination.id.clone(), participant.clone()),
        Need::Replications(source.id.clone(), participant.clone()),
        Need::Replica {
            source: source.id.clone(),
            participant: participant.clone(),
            destination: destination.id.clone(),
        },
        Need::Recorded(destination.id.clone(), participant.clone()),
        Need::Occupancy(destination.id.clone()),
        Need::RegionCount {
            account: destination.account.clone(),
            region: destination.region.clone(),
        },
    ]
}

pub(crate) fn decide(draft: &mut Draft<'_>, request: &Request<'_>) -> Outcome {
    check_stages(draft, request)?;
    let source = publishing_source(draft, request)?;
    let destination = draft.active_session(&request.destination.id);
    if let Some(destination) = &destination {
        check_not_there(draft, request, destination)?;
    }
    let attributes = replica::merged(&source.attributes, request.attributes)?;
    check_limits(draft, request, &source, destination.as_ref())?;

    let destination = session::enter(draft, &request.destination.id);
    let replica = Replica {
        source_stage: request.source.id.clone(),
        source_session: source.session.clone(),
        participant: request.participant.clone(),
        destination_stage: request.destination.id.clone(),
        destination_session: destination,
        active: true,
        attributes: request.attributes.clone(),
        reconnect_window_s: request.reconnect_window_s,
        window_ends_at: None,
        started_at: draft.context.now,
    };
    replica::begin(draft, &source, replica, attributes);
    Ok(Reply::Done)
}

fn check_stages(draft: &Draft<'_>, request: &Request<'_>) -> Result<(), Error> {
    let invalid = |message: &str| Err(Error::new(Fault::Invalid, message));
    if request.source.id == request.destination.id {
        return invalid("destinationStageArn must name another stage than sourceStageArn");
    }
    let source = own_stage(draft, "sourceStageArn", request.source)?;
    let destination = own_stage(draft, "destinationStageArn", request.destination)?;
    if source.region != destination.region {
        return invalid("sourceStageArn and destinationStageArn must be in the same Region");
    }
    Ok(())
}

/// The participant where it joined, publishing.
fn publishing_source(draft: &Draft<'_>, request: &Request<'_>) -> Result<Participant, Error> {
    let (id, stage) = (request.participant, request.source);
    let session = draft.active_session(&stage.id);
    let row = session
        .and_then(|session| draft.participant(&session, id))
        .ok_or_else(|| {
            Error::new(
                Fault::NotFound,
                format!("participantId: {id} is not in the active session of {stage}"),
            )
        })?;
    if let Replication::Replica { source_stage, .. } = &row.replication {
        let joined = StageArn {
            id: source_stage.clone(),
            ..stage.clone()
        };
        let message = format!(
            "{id} is a replica in {stage}; sourceStageArn must be the stage it joined, {joined}"
        );
        return Err(Error::new(Fault::Conflict, message));
    }
    if row.is_physical() {
        let message = format!(
            "{id} is a stream of a redundant ingest; replicate the participantId of its ingest configuration"
        );
        return Err(Error::new(Fault::Conflict, message));
    }
    if !row.publishing {
        return Err(Error::new(
            Fault::Conflict,
            format!("{id} is not publishing"),
        ));
    }
    Ok(row.clone())
}

fn check_not_there(
    draft: &Draft<'_>,
    request: &Request<'_>,
    destination: &StageSessionId,
) -> Result<(), Error> {
    let (id, stage) = (request.participant, request.destination);
    match draft
        .participant(destination, id)
        .map(|row| &row.replication)
    {
        None | Some(Replication::Replica { active: false, .. }) => Ok(()),
        Some(Replication::Replica { active: true, .. }) => Err(Error::new(
            Fault::Conflict,
            format!("{id} is already replicated to {stage}"),
        )),
        Some(Replication::None | Replication::Source { .. }) => Err(Error::new(
            Fault::Conflict,
            format!("{stage} has a participant {id} of its own"),
        )),
    }
}

fn check_limits(
    draft: &Draft<'_>,
    request: &Request<'_>,
    source: &Participant,
    destination: Option<&StageSessionId>,
) -> Result<(), Error> {
    let limits = &draft.context.limits;
    let limit = limits.replications_per_participant;
    if draft.replications(&source.session, request.participant) >= u64::from(limit) {
        return Err(limit_reached(
            "Concurrent replications per participant",
            limit,
            "replications_per_participant",
        ));
    }
    let limit = limits.publishers_per_stage;
    let publishers = destination.map_or(0, |session| draft.occupancy(session).publishers);
    if publishers >= u64::from(limit) {
        return Err(limit_reached(
            "Publishers per stage, in the destination",
            limit,
            "publishers_per_stage",
        ));
    }
    let limit = limits.publishers;
    let stage = request.destination;
    if draft.region_count(&stage.account, &stage.region).publishers >= u64::from(limit) {
        return Err(limit_reached(
            "Concurrent publishers per account and Region",
            limit,
            "publishers",
        ));
    }
    Ok(())
}
