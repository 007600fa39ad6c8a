//! Converts rows to the shapes of API answers.

use restage_api::Timestamp;
use restage_api::shape::{
    Capability, EventErrorCode, EventName, EventShape, ExchangedParticipantToken,
    ParticipantProtocol, ParticipantReplica, ParticipantReplication, ParticipantShape,
    ParticipantState, ParticipantSummary, RecordingState, ReplicationState, StageEndpoints,
    StageSessionShape, StageShape, StageSummary,
};
use restage_core::id::{StageId, Time};
use restage_core::row::{
    Capabilities, Participant, Protocol, Replica, Replication, Stage, StageEvent, StageEventError,
    StageEventName, StageSession, TokenGrant,
};
use restage_core::{Arn, Claims, StageArn};
use restage_store::{ParticipantRecording, RecordedParticipant};

use super::{AppState, recording};

/// A stage with all members.
pub(super) fn stage(app: &AppState, row: &Stage) -> StageShape {
    StageShape {
        arn: arn(row, &row.id),
        name: row.name.clone(),
        active_session_id: row.active_session.as_ref().map(ToString::to_string),
        tags: row.tags.clone(),
        auto_participant_recording_configuration: recording::shape(row),
        endpoints: StageEndpoints {
            events: app.endpoints.events.clone(),
            whip: app.endpoints.whip.clone(),
            rtmp: app.ingest_endpoints.rtmp.clone(),
            rtmps: app.ingest_endpoints.rtmps.clone(),
        },
    }
}

/// A stage as an item of a list.
pub(super) fn stage_summary(row: &Stage) -> StageSummary {
    StageSummary {
        arn: arn(row, &row.id),
        name: row.name.clone(),
        active_session_id: row.active_session.as_ref().map(ToString::to_string),
        tags: row.tags.clone(),
    }
}

/// A stage session.
pub(super) fn session(row: &StageSession) -> StageSessionShape {
    StageSessionShape {
        session_id: row.id.to_string(),
        start_time: time(row.started_at),
        end_time: row.ended_at.map(time),
    }
}

/// A participant as an item of a list.
pub(super) fn participant_summary(
    stage: &Stage,
    participant: &RecordedParticipant,
) -> ParticipantSummary {
    let RecordedParticipant { row, recording } = participant;
    ParticipantSummary {
        participant_id: row.id.to_string(),
        user_id: row.user_id.clone(),
        state: state(row),
        first_join_time: time(row.first_joined_at),
        published: row.published,
        recording_state: recording_state(recording.as_ref()),
        replication: replication(stage, row),
        redundant_ingest: row
            .ingest
            .as_ref()
            .is_some_and(|link| link.redundant.is_some()),
        ingest_configuration_arn: ingest_configuration_arn(stage, row),
    }
}

/// A participant with all members.
pub(super) fn participant(stage: &Stage, participant: &RecordedParticipant) -> ParticipantShape {
    let RecordedParticipant { row, recording } = participant;
    ParticipantShape {
        participant_id: row.id.to_string(),
        user_id: row.user_id.clone(),
        state: state(row),
        first_join_time: time(row.first_joined_at),
        attributes: row.attributes.clone(),
        published: row.published,
        isp_name: String::new(),
        os_name: row.client.os_name.clone(),
        os_version: row.client.os_version.clone(),
        browser_name: row.client.browser_name.clone(),
        browser_version: row.client.browser_version.clone(),
        sdk_version: row.client.sdk_version.clone(),
        recording_s3_bucket_name: recording
            .as_ref()
            .map(|recording| recording.bucket.clone())
            .unwrap_or_default(),
        recording_s3_prefix: recording
            .as_ref()
            .map(|recording| recording.prefix.clone())
            .unwrap_or_default(),
        recording_state: recording_state(recording.as_ref()),
        protocol: match row.protocol {
            Protocol::Unknown => ParticipantProtocol::Unknown,
            Protocol::Whip => ParticipantProtocol::Whip,
            Protocol::Rtmp => ParticipantProtocol::Rtmp,
            Protocol::Rtmps => ParticipantProtocol::Rtmps,
        },
        replication: replication(stage, row),
        redundant_ingest: row
            .ingest
            .as_ref()
            .is_some_and(|link| link.redundant.is_some()),
        ingest_configuration_arn: ingest_configuration_arn(stage, row),
    }
}

/// The ARN of the ingest configuration that a participant publishes by.
fn ingest_configuration_arn(stage: &Stage, row: &Participant) -> Option<String> {
    let link = row.ingest.as_ref()?;
    let arn = Arn {
        region: stage.region.clone(),
        account: stage.account.clone(),
        id: link.configuration.clone(),
    };
    Some(arn.to_string())
}

/// DISABLED for a participant that was never recorded.
fn recording_state(recording: Option<&ParticipantRecording>) -> RecordingState {
    recording.map_or(RecordingState::Disabled, |recording| {
        recording::state(recording.state)
    })
}

/// A replication as seen from its source.
pub(super) fn replica(source: &Stage, row: &Replica) -> ParticipantReplica {
    ParticipantReplica {
        source_stage_arn: arn(source, &row.source_stage),
        participant_id: row.participant.to_string(),
        source_session_id: row.source_session.to_string(),
        destination_stage_arn: arn(source, &row.destination_stage),
        destination_session_id: row.destination_session.to_string(),
        replication_state: replication_state(row.active),
    }
}

/// An event of the history.
pub(super) fn event(stage: &Stage, row: &StageEvent) -> EventShape {
    EventShape {
        name: event_name(row.name),
        participant_id: row.participant.to_string(),
        event_time: time(row.at),
        remote_participant_id: row.remote_participant.as_ref().map(ToString::to_string),
        error_code: row.error.map(event_error),
        destination_stage_arn: row.destination.as_ref().map(|(id, _)| arn(stage, id)),
        destination_session_id: row
            .destination
            .as_ref()
            .map(|(_, session)| session.to_string()),
        replica: row.replica,
        previous_token: row.exchange.as_ref().map(|of| token_grant(&of.previous)),
        new_token: row.exchange.as_ref().map(|of| token_grant(&of.new)),
    }
}

fn token_grant(grant: &TokenGrant) -> ExchangedParticipantToken {
    let Capabilities { publish, subscribe } = grant.capabilities;
    let allowed = [
        (publish, Capability::Publish),
        (subscribe, Capability::Subscribe),
    ];
    ExchangedParticipantToken {
        capabilities: allowed
            .into_iter()
            .filter_map(|(allowed, capability)| allowed.then_some(capability))
            .collect(),
        attributes: grant.attributes.clone(),
        user_id: grant.user_id.clone(),
        expiration_time: time(grant.expires_at),
    }
}

/// The claims of a token.
pub(super) fn claims(claims: &Claims) -> ExchangedParticipantToken {
    token_grant(&TokenGrant {
        capabilities: claims.capabilities,
        attributes: claims.attributes.clone(),
        user_id: claims.user_id.clone(),
        expires_at: claims.expires_at,
    })
}

/// The ARN of another stage. Replications stay inside one account and Region, so it follows from this stage's ARN.
fn arn(stage: &Stage, id: &StageId) -> String {
    StageArn {
        region: stage.region.clone(),
        account: stage.account.clone(),
        id: id.clone(),
    }
    .to_string()
}

fn time(at: Time) -> Timestamp {
    Timestamp(at.0)
}

fn state(row: &Participant) -> ParticipantState {
    if row.connected {
        ParticipantState::Connected
    } else {
        ParticipantState::Disconnected
    }
}

fn replication_state(active: bool) -> ReplicationState {
    if active {
        ReplicationState::Active
    } else {
        ReplicationState::Stopped
    }
}

fn replication(stage: &Stage, row: &Participant) -> ParticipantReplication {
    match &row.replication {
        Replication::None => ParticipantReplication::none(),
        Replication::Source { active } => {
            ParticipantReplication::source(replication_state(*active))
        }
        Replication::Replica {
            active,
            source_stage,
            source_session,
        } => ParticipantReplication::replica(
            replication_state(*active),
            arn(stage, source_stage),
            source_session.to_string(),
        ),
    }
}

fn event_name(name: StageEventName) -> EventName {
    match name {
        StageEventName::Joined => EventName::Joined,
        StageEventName::Left => EventName::Left,
        StageEventName::PublishStarted => EventName::PublishStarted,
        StageEventName::PublishStopped => EventName::PublishStopped,
        StageEventName::SubscribeStarted => EventName::SubscribeStarted,
        StageEventName::SubscribeStopped => EventName::SubscribeStopped,
        StageEventName::PublishError => EventName::PublishError,
        StageEventName::SubscribeError => EventName::SubscribeError,
        StageEventName::JoinError => EventName::JoinError,
        StageEventName::ReplicationStarted => EventName::ReplicationStarted,
        StageEventName::ReplicationStopped => EventName::ReplicationStopped,
        StageEventName::TokenExchanged => EventName::TokenExchanged,
    }
}

fn event_error(error: StageEventError) -> EventErrorCode {
    match error {
        StageEventError::InsufficientCapabilities => EventErrorCode::InsufficientCapabilities,
        StageEventError::QuotaExceeded => EventErrorCode::QuotaExceeded,
        StageEventError::PublisherNotFound => EventErrorCode::PublisherNotFound,
        StageEventError::InvalidAudioCodec => EventErrorCode::InvalidAudioCodec,
        StageEventError::InvalidVideoCodec => EventErrorCode::InvalidVideoCodec,
        StageEventError::StreamDurationExceeded => EventErrorCode::StreamDurationExceeded,
        StageEventError::BitrateExceeded => EventErrorCode::BitrateExceeded,
        StageEventError::ResolutionExceeded => EventErrorCode::ResolutionExceeded,
        StageEventError::InvalidProtocol => EventErrorCode::InvalidProtocol,
        StageEventError::InvalidStreamKey => EventErrorCode::InvalidStreamKey,
        StageEventError::ReuseOfStreamKey => EventErrorCode::ReuseOfStreamKey,
        StageEventError::BFramePresent => EventErrorCode::BFramePresent,
        StageEventError::InvalidInput => EventErrorCode::InvalidInput,
        StageEventError::InternalServerException => EventErrorCode::InternalServerException,
    }
}
