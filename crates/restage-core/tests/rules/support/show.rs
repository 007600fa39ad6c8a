//! Decisions as lines of text.

use restage_core::id::ArnId as _;
use restage_core::row::{StageEvent, StageEventError, StageEventName, TokenGrant};
use restage_core::{Change, CompositionNotice, Decision, Effect, Notice, Occurrence, Reply};

/// The reply if it says anything, then history, then effects.
pub(crate) fn lines(decision: &Decision) -> Vec<String> {
    let reply = match &decision.reply {
        Ok(Reply::Done) => None,
        Ok(Reply::Stage(stage)) => Some(format!("stage {}", stage.id)),
        Ok(Reply::Plain(row)) => Some(format!("{} {}", row.kind().name(), row.id().text())),
        Ok(Reply::Recording(row)) => Some(format!("recording {}", row.id)),
        Ok(Reply::Composition(row)) => Some(format!("composition {}", row.id)),
        Ok(Reply::Job(job)) => Some(format!("job {}", job.id)),
        Ok(Reply::Opened { session, .. }) => Some(format!("opened in {session}")),
        Err(refusal) => Some(format!("refused {:?}: {refusal}", refusal.fault)),
    };
    let history = decision.changes.iter().filter_map(|change| match change {
        Change::AddEvent(event) => Some(event_line(event)),
        _ => None,
    });
    reply
        .into_iter()
        .chain(history)
        .chain(decision.effects.iter().map(effect_line))
        .collect()
}

/// What became of recordings, as sinks are told.
pub(crate) fn recording_lines(decision: &Decision) -> Vec<String> {
    let line = |notice: &Notice| match &notice.what {
        Occurrence::Recording { name, recording } => {
            assert_eq!(
                (&notice.stage, notice.session.as_ref()),
                (&recording.stage, Some(&recording.session))
            );
            Some(format!("{} {name:?}", recording.id))
        }
        _ => None,
    };
    decision.notices.iter().filter_map(line).collect()
}

/// What became of compositions, as sinks are told.
pub(crate) fn composition_lines(decision: &Decision) -> Vec<String> {
    let line = |notice: &Notice| {
        let Occurrence::Composition { name, composition } = &notice.what else {
            return None;
        };
        assert_eq!(
            (&notice.stage, &notice.session),
            (&composition.stage, &None)
        );
        let id = &composition.id;
        let failure = composition.failure.as_ref();
        let failure = failure.map_or("", |failure| failure.code.word());
        Some(match name {
            CompositionNotice::SessionStart => format!("{id} Session Start"),
            CompositionNotice::SessionEnd => format!("{id} Session End"),
            CompositionNotice::SessionFailure => format!("{id} Session Failure {failure}"),
            CompositionNotice::DestinationStart(at) => format!("{id}/{at} Start"),
            CompositionNotice::DestinationEnd(at) => format!("{id}/{at} End"),
            CompositionNotice::DestinationReconnecting(at) => format!("{id}/{at} Reconnecting"),
            CompositionNotice::DestinationFailure(at) => {
                let row = composition.destination(at).unwrap();
                let code = row.failure.as_ref().unwrap().code.word();
                format!("{id}/{at} Failure {code}")
            }
        })
    };
    decision.notices.iter().filter_map(line).collect()
}

fn event_line(event: &StageEvent) -> String {
    let mut line = format!(
        "{}/{} {}",
        event.session,
        event.participant,
        event_name(event.name)
    );
    if let Some(remote) = &event.remote_participant {
        line += &format!(" of {remote}");
    }
    if let Some((stage, session)) = &event.destination {
        line += &format!(" to {stage}/{session}");
    }
    if let Some(error) = event.error {
        line += match error {
            StageEventError::InsufficientCapabilities => " INSUFFICIENT_CAPABILITIES",
            StageEventError::QuotaExceeded => " QUOTA_EXCEEDED",
            StageEventError::PublisherNotFound => " PUBLISHER_NOT_FOUND",
            StageEventError::InvalidAudioCodec => " INVALID_AUDIO_CODEC",
            StageEventError::InvalidVideoCodec => " INVALID_VIDEO_CODEC",
            StageEventError::InvalidProtocol => " INVALID_PROTOCOL",
            StageEventError::InvalidStreamKey => " INVALID_STREAM_KEY",
            StageEventError::ReuseOfStreamKey => " REUSE_OF_STREAM_KEY",
            StageEventError::BFramePresent => " B_FRAME_PRESENT",
            StageEventError::InvalidInput => " INVALID_INPUT",
            StageEventError::StreamDurationExceeded => " STREAM_DURATION_EXCEEDED",
            StageEventError::BitrateExceeded => " BITRATE_EXCEEDED",
            StageEventError::ResolutionExceeded => " RESOLUTION_EXCEEDED",
            StageEventError::InternalServerException => " INTERNAL_SERVER_EXCEPTION",
        };
    }
    if let Some(exchange) = &event.exchange {
        let (previous, new) = (grant(&exchange.previous), grant(&exchange.new));
        line += &format!(" from {previous} to {new}");
    }
    if event.replica {
        line += " (replica)";
    }
    line
}

/// `PS user {order=1}`: what it allows by initials, whose it is, its attributes.
fn grant(grant: &TokenGrant) -> String {
    let may = |allowed, initial| if allowed { initial } else { "-" };
    let attributes: Vec<String> = grant
        .attributes
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    format!(
        "{}{} {} {{{}}}",
        may(grant.capabilities.publish, "P"),
        may(grant.capabilities.subscribe, "S"),
        grant.user_id,
        attributes.join(" ")
    )
}

pub(crate) const fn event_name(name: StageEventName) -> &'static str {
    match name {
        StageEventName::Joined => "JOINED",
        StageEventName::Left => "LEFT",
        StageEventName::PublishStarted => "PUBLISH_STARTED",
        StageEventName::PublishStopped => "PUBLISH_STOPPED",
        StageEventName::SubscribeStarted => "SUBSCRIBE_STARTED",
        StageEventName::SubscribeStopped => "SUBSCRIBE_STOPPED",
        StageEventName::PublishError => "PUBLISH_ERROR",
        StageEventName::SubscribeError => "SUBSCRIBE_ERROR",
        StageEventName::JoinError => "JOIN_ERROR",
        StageEventName::ReplicationStarted => "REPLICATION_STARTED",
        StageEventName::ReplicationStopped => "REPLICATION_STOPPED",
        StageEventName::TokenExchanged => "TOKEN_EXCHANGED",
    }
}

fn effect_line(effect: &Effect) -> String {
    match effect {
        Effect::Publish {
            connection,
            publication,
        } => {
            format!(
                "publish {connection} as {}/{}",
                publication.session, publication.participant
            )
        }
        Effect::Subscribe {
            connection,
            publication,
        } => {
            format!(
                "subscribe {connection} to {}/{}",
                publication.session, publication.participant
            )
        }
        Effect::Close { connection, reason } => format!("close {connection} {reason:?}"),
        Effect::Revoke { stage, participant } => format!("revoke {stage}/{participant}"),
        Effect::RevokeConnectionToken { token } => format!("revoke connection token {}", token.id),
        Effect::RunJob { job } => {
            let stopping = if job.stop_requested {
                " to its end"
            } else {
                ""
            };
            format!("run {} {}{stopping}", job.id, job.generation)
        }
        Effect::StopJob { job, generation } => format!("stop {job} {generation}"),
        Effect::TellJob { job } => format!("tell {} {}", job.id, job.generation),
        Effect::FinishRecording { recording } => format!("finish {recording}"),
        Effect::FinishCompositionDestination {
            composition,
            destination,
        } => format!("finish {composition}/{destination}"),
        Effect::AbandonJob { job, generation } => format!("abandon {job} {generation}"),
        Effect::StageChanged { stage } => format!("changed {stage}"),
    }
}
