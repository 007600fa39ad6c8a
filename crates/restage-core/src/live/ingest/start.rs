//! An encoder asks to publish with a stream key.
//!
//! A key that is not the ingest configuration's writes no history: whoever sent it is a stranger. Every other refusal is
//! recorded in the history of the key's participant, if a stage session is active.

use crate::error::{Error, Fault, limit_reached};
use crate::id::{ConnectionId, ParticipantId, StageId, StageSessionId};
use crate::kernel::decision::{Outcome, Reply};
use crate::kernel::draft::Draft;
use crate::kernel::need::Need;
use crate::live::presence::{self, Identity};
use crate::live::{publication, session};
use crate::row::{
    Client, Connection, ConnectionKind, IngestConfiguration, IngestConfigurationId,
    IngestCredential, IngestProtocol, Participant, Plain as _, StageEventError, StageEventName,
    StreamKey,
};

/// The command's members.
pub(crate) struct Request<'a> {
    pub(crate) connection: &'a ConnectionId,
    pub(crate) configuration: &'a IngestConfigurationId,
    pub(crate) key: &'a StreamKey,
    pub(crate) protocol: IngestProtocol,
}

pub(crate) fn needs(configuration: &IngestConfigurationId) -> Vec<Need> {
    vec![Need::Ingest(configuration.clone())]
}

pub(crate) fn decide(draft: &mut Draft<'_>, request: &Request<'_>) -> Outcome {
    let (row, id) = authenticated(draft, request)?;
    let stage = row.stage.clone().ok_or_else(|| {
        let message = format!(
            "the ingest configuration {} has no stage, so its stream keys are unusable; set stageArn with UpdateIngestConfiguration",
            row.id
        );
        refused(Fault::Conflict, StageEventError::InvalidStreamKey, message)
    })?;
    let active = draft.active_session(&stage);
    if let Err(refusal) = check(draft, request, &row, &id, active.as_ref()) {
        record(draft, active.as_ref(), &row, &id, refusal.code);
        return Err(refusal);
    }
    Ok(enter(draft, request, &row, &id, &stage))
}

/// The ingest configuration, and the participant that the key stands for. All its keys are compared, whichever fits.
fn authenticated(
    draft: &Draft<'_>,
    request: &Request<'_>,
) -> Result<(IngestConfiguration, ParticipantId), Error> {
    let row = draft.plain(&request.configuration.clone().into());
    let row = row.and_then(IngestConfiguration::of);
    let participant = row.and_then(|row| {
        let redundant = row.redundant.iter().flatten();
        let all = std::iter::once(&row.credential).chain(redundant);
        let fitting = |found: Option<ParticipantId>, credential: &IngestCredential| match credential
            .key
            .is(request.key)
        {
            true => Some(credential.participant.clone()),
            false => found,
        };
        all.fold(None, fitting)
    });
    row.cloned().zip(participant).ok_or_else(|| {
        let message = format!(
            "the stream key is not one of the ingest configuration {}",
            request.configuration
        );
        refused(
            Fault::TokenInvalid,
            StageEventError::InvalidStreamKey,
            message,
        )
    })
}

fn check(
    draft: &Draft<'_>,
    request: &Request<'_>,
    row: &IngestConfiguration,
    id: &ParticipantId,
    active: Option<&StageSessionId>,
) -> Result<(), Error> {
    if row.redundant.is_some() && *id == row.credential.participant {
        let message = format!(
            "the ingest configuration {} is redundant: publish with the stream keys of redundantIngestCredentials",
            row.id
        );
        let code = StageEventError::InvalidStreamKey;
        return Err(refused(Fault::Conflict, code, message));
    }
    if request.protocol == IngestProtocol::Rtmp && !row.insecure {
        let message = format!(
            "the ingest configuration {} takes RTMPS only: its insecureIngest is false",
            row.id
        );
        let code = StageEventError::InvalidProtocol;
        return Err(refused(Fault::Conflict, code, message));
    }
    if let Some(session) = active {
        check_not_there(draft, session, row, id)?;
    }
    check_room(draft, row, active)
}

/// The participant must not be there by another connection, nor may another participant have its id.
fn check_not_there(
    draft: &Draft<'_>,
    session: &StageSessionId,
    row: &IngestConfiguration,
    id: &ParticipantId,
) -> Result<(), Error> {
    if draft.has_connection(session, id) {
        let message = format!(
            "the stream key of participant {id} of the ingest configuration {} is in use",
            row.id
        );
        let code = StageEventError::ReuseOfStreamKey;
        return Err(refused(Fault::Conflict, code, message));
    }
    for id in entering(row, id) {
        let known = draft.participant(session, id);
        let is_ours = |there: &Participant| {
            let link = there.ingest.as_ref();
            !there.is_replica() && link.is_some_and(|link| link.configuration == row.id)
        };
        if known.is_some_and(|there| !is_ours(there)) {
            let message = format!("the stage has another participant {id}");
            let code = StageEventError::InvalidInput;
            return Err(refused(Fault::Conflict, code, message));
        }
    }
    Ok(())
}

/// The limits of the stage, and of the account and Region, must allow one more.
fn check_room(
    draft: &Draft<'_>,
    row: &IngestConfiguration,
    active: Option<&StageSessionId>,
) -> Result<(), Error> {
    let limits = &draft.context.limits;
    let here = active.map_or(0, |session| draft.occupancy(session).publishers);
    let region = draft.region_count(&row.account, &row.region).publishers;
    let full = |counted: u64, limit: u32, what, setting| match counted >= u64::from(limit) {
        true => Err(limit_reached(what, limit, setting).with_code(StageEventError::QuotaExceeded)),
        false => Ok(()),
    };
    full(
        here,
        limits.publishers_per_stage,
        "Publishers per stage",
        "publishers_per_stage",
    )?;
    full(
        region,
        limits.publishers,
        "Concurrent publishers per account and Region",
        "publishers",
    )
}

/// The participants that come with a stream: of a redundant ingest the virtual one as well.
fn entering<'a>(row: &'a IngestConfiguration, id: &'a ParticipantId) -> Vec<&'a ParticipantId> {
    let shown = row
        .redundant
        .is_some()
        .then_some(&row.credential.participant);
    shown.into_iter().chain([id]).collect()
}

fn enter(
    draft: &mut Draft<'_>,
    request: &Request<'_>,
    row: &IngestConfiguration,
    id: &ParticipantId,
    stage: &StageId,
) -> Reply {
    let session = session::enter(draft, stage);
    draft.put_connection(Connection {
        id: request.connection.clone(),
        stage: stage.clone(),
        session: session.clone(),
        participant: id.clone(),
        kind: ConnectionKind::Publish,
        established: false,
        opened_at: draft.context.steady,
        connection_token: None,
    });
    let mut entered = None;
    for id in entering(row, id) {
        let link = row.link(id);
        let identity = Identity {
            participant: id,
            user_id: &row.user_id,
            attributes: &row.attributes,
            ingest: Some(&link),
        };
        let mut participant =
            presence::enter(draft, &session, stage, &identity, &Client::default());
        participant.protocol = request.protocol.into();
        draft.put_participant(participant.clone());
        entered = Some(participant);
    }
    let Some(participant) = entered else {
        return Reply::Done;
    };
    let (connection, publication) = (request.connection.clone(), publication::key(&participant));
    draft.route(connection, &ConnectionKind::Publish, publication);
    Reply::Opened {
        session,
        participant,
    }
}

fn refused(fault: Fault, code: StageEventError, message: String) -> Error {
    Error::new(fault, message).with_code(code)
}

fn record(
    draft: &mut Draft<'_>,
    active: Option<&StageSessionId>,
    row: &IngestConfiguration,
    id: &ParticipantId,
    code: Option<StageEventError>,
) {
    if let Some(session) = active {
        draft.claim_user(id, &row.user_id);
        let event = draft.record(StageEventName::PublishError, session, id);
        event.error = code;
        event.replica = false;
    }
}
