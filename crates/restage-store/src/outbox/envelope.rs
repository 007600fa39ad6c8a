//! Converts notices to events in EventBridge's format (IVS user guide, "Using Amazon EventBridge").
//!
//! Events that the service has too have exactly its names: source `aws.ivs`, detail-type `IVS Stage Update` or, of
//! recordings, `IVS Participant Recording State Change`, or of compositions, `IVS Composition State Change`. Events
//! that only restage has (joins, subscriptions, sessions) have a source and detail-type of their own, so that a rule
//! for the service's events never matches them.

use restage_api::Timestamp;
use restage_core::id::{StageId, StageSessionId, Time};
use restage_core::notice::{CompositionNotice, Notice, Occurrence, RecordingNotice};
use restage_core::row::{Composition, Recording, StageEvent, StageEventName, TokenGrant};
use serde_json::{Map, Value, json};

use crate::tables::event::error::word as error_word;

/// Source and detail-type of the service's events.
const SERVICE: (&str, &str) = ("aws.ivs", "IVS Stage Update");
/// Source and detail-type of the service's events on recordings.
const RECORDING: (&str, &str) = ("aws.ivs", "IVS Participant Recording State Change");
/// Source and detail-type of the service's events on compositions.
const COMPOSITION: (&str, &str) = ("aws.ivs", "IVS Composition State Change");
/// Source and detail-type of events that the service does not have.
const OWN: (&str, &str) = ("restage", "Restage Stage Update");

/// The owner of a stage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Owner {
    /// The account: 12 digits.
    pub(crate) account: String,
    /// Name of the Region.
    pub(crate) region: String,
}

impl Owner {
    fn arn(&self, stage: &StageId) -> String {
        self.arn_of("stage", stage.as_str())
    }

    fn arn_of(&self, kind: &str, id: &str) -> String {
        format!("arn:aws:ivs:{}:{}:{kind}/{id}", self.region, self.account)
    }
}

/// The event for a notice, as JSON text. `None` for an event that only restage has, unless `extra` is set.
pub(crate) fn event(notice: &Notice, owner: &Owner, id: &str, extra: bool) -> Option<String> {
    let (name, is_service) = name(&notice.what);
    if !is_service && !extra {
        return None;
    }
    let (source, detail_type) = match &notice.what {
        Occurrence::Recording { .. } => RECORDING,
        Occurrence::Composition { .. } => COMPOSITION,
        _ if is_service => SERVICE,
        _ => OWN,
    };
    let detail = match &notice.what {
        Occurrence::Recording { recording, .. } => recording_detail(recording, name),
        Occurrence::Composition {
            name: what,
            composition,
        } => composition_detail(composition, what, owner, name),
        _ => detail(notice, owner, name),
    };
    let resource = match &notice.what {
        Occurrence::Composition { composition, .. } => {
            owner.arn_of("composition", composition.id.as_str())
        }
        _ => owner.arn(&notice.stage),
    };
    let envelope = json!({
        "version": "0",
        "id": id,
        "detail-type": detail_type,
        "source": source,
        "account": owner.account,
        "time": seconds(notice.at),
        "region": owner.region,
        "resources": [resource],
        "detail": detail,
    });
    Some(envelope.to_string())
}

/// `event_name`, and whether the service has this event.
const fn name(what: &Occurrence) -> (&'static str, bool) {
    let event = match what {
        Occurrence::SessionStarted => return ("Session Started", false),
        Occurrence::SessionEnded => return ("Session Ended", false),
        Occurrence::Recording { name, .. } => {
            let name = match name {
                RecordingNotice::Start => "Recording Start",
                RecordingNotice::End => "Recording End",
                RecordingNotice::StartFailure => "Recording Start Failure",
                RecordingNotice::EndFailure => "Recording End Failure",
            };
            return (name, true);
        }
        Occurrence::Composition { name, .. } => {
            let name = match name {
                CompositionNotice::SessionStart => "Session Start",
                CompositionNotice::SessionEnd => "Session End",
                CompositionNotice::SessionFailure => "Session Failure",
                CompositionNotice::DestinationStart(_) => "Destination Start",
                CompositionNotice::DestinationEnd(_) => "Destination End",
                CompositionNotice::DestinationReconnecting(_) => "Destination Reconnecting",
                CompositionNotice::DestinationFailure(_) => "Destination Failure",
            };
            return (name, true);
        }
        Occurrence::History { event, .. } => event,
    };
    match event.name {
        StageEventName::PublishStarted => ("Participant Published", true),
        StageEventName::PublishStopped => ("Participant Unpublished", true),
        StageEventName::PublishError => ("Participant Publish Error", true),
        StageEventName::ReplicationStarted => ("Participant Replication Start", true),
        StageEventName::ReplicationStopped => ("Participant Replication End", true),
        StageEventName::TokenExchanged => ("Token Exchanged", true),
        StageEventName::Joined => ("Participant Joined", false),
        StageEventName::Left => ("Participant Left", false),
        StageEventName::JoinError => ("Participant Join Error", false),
        StageEventName::SubscribeStarted => ("Participant Subscribed", false),
        StageEventName::SubscribeStopped => ("Participant Unsubscribed", false),
        StageEventName::SubscribeError => ("Participant Subscribe Error", false),
    }
}

/// What an event says of a recording: its place, and its length and the failure where they are known.
fn recording_detail(row: &Recording, name: &str) -> Value {
    let mut detail = json!({
        "event_name": name,
        "session_id": row.session.as_str(),
        "participant_id": row.participant.as_str(),
        "recording_s3_bucket_name": row.storage.bucket,
        "recording_s3_key_prefix": row.prefix,
    });
    let is_end = row.state.is_final() && row.started_at.is_some();
    if let Some(duration_ms) = row.duration_ms.filter(|_| is_end) {
        detail["recording_duration_ms"] = duration_ms.into();
    }
    if let Some(failure) = &row.failure {
        detail["error_code"] = failure.code.word().into();
        detail["reason"] = failure.reason.as_str().into();
    }
    detail
}

/// What an event says of a composition, or of one of its destinations: the stage, the destination, and the failure if it
/// reports one. It has no time of its own.
fn composition_detail(
    row: &Composition,
    what: &CompositionNotice,
    owner: &Owner,
    name: &str,
) -> Value {
    let mut detail = json!({ "event_name": name, "stage_arn": owner.arn(&row.stage) });
    let failure = match what {
        CompositionNotice::SessionStart | CompositionNotice::SessionEnd => None,
        CompositionNotice::SessionFailure => row.failure.as_ref(),
        CompositionNotice::DestinationStart(id)
        | CompositionNotice::DestinationEnd(id)
        | CompositionNotice::DestinationReconnecting(id) => {
            detail["id"] = id.as_str().into();
            None
        }
        CompositionNotice::DestinationFailure(id) => {
            detail["id"] = id.as_str().into();
            row.destination(id).and_then(|row| row.failure.as_ref())
        }
    };
    if let Some(failure) = failure {
        detail["error_code"] = failure.code.word().into();
        detail["reason"] = failure.reason.as_str().into();
    }
    detail
}

fn detail(notice: &Notice, owner: &Owner, name: &str) -> Value {
    let mut detail = Map::new();
    let mut put = |key: &str, value: String| detail.insert(key.to_owned(), value.into());
    put("event_name", name.to_owned());
    if let Some(session) = &notice.session {
        put("session_id", session.to_string());
    }
    put("event_time", seconds(notice.at));
    let Occurrence::History {
        event,
        user_id,
        source,
    } = &notice.what
    else {
        return Value::Object(detail);
    };
    put("participant_id", event.participant.to_string());
    put("user_id", user_id.clone());
    if is_precise(event) {
        put("event_time_precise", precise(notice.at));
    }
    if let Some(remote) = &event.remote_participant {
        put("remote_participant_id", remote.to_string());
    }
    if let Some(error) = event.error {
        put("error_code", error_word(error).to_owned());
    }
    if let Some((stage, session)) = &event.destination {
        put("destination_stage_arn", owner.arn(stage));
        put("destination_session_id", session.to_string());
    }
    if let Some((stage, session)) = source {
        put_source(&mut detail, owner, stage, session);
    }
    if let Some(exchange) = &event.exchange {
        detail.insert("previous_token".to_owned(), token(&exchange.previous));
        detail.insert("new_token".to_owned(), token(&exchange.new));
    }
    if event.replica {
        detail.insert("replica".to_owned(), true.into());
    }
    Value::Object(detail)
}

/// The claims of a token, with the names of the service's Token Exchanged event.
fn token(grant: &TokenGrant) -> Value {
    let words = [
        (grant.capabilities.publish, "PUBLISH"),
        (grant.capabilities.subscribe, "SUBSCRIBE"),
    ];
    let capabilities: Vec<&str> = words
        .into_iter()
        .filter_map(|(allowed, word)| allowed.then_some(word))
        .collect();
    json!({
        "capabilities": capabilities,
        "attributes": grant.attributes,
        "user_id": grant.user_id,
        "expiration_time": seconds(grant.expires_at),
    })
}

fn put_source(
    detail: &mut Map<String, Value>,
    owner: &Owner,
    stage: &StageId,
    session: &StageSessionId,
) {
    detail.insert("source_stage_arn".to_owned(), owner.arn(stage).into());
    detail.insert("source_session_id".to_owned(), session.to_string().into());
}

/// Whether the event has microseconds, which the service gives for Published and Unpublished.
const fn is_precise(event: &StageEvent) -> bool {
    matches!(
        event.name,
        StageEventName::PublishStarted | StageEventName::PublishStopped
    )
}

/// `2026-10-02T09:15:05Z`
fn seconds(time: Time) -> String {
    Timestamp::from_unix_seconds(Timestamp(time.0).unix_seconds()).to_string()
}

/// `2026-10-02T09:15:05.482913Z`
fn precise(time: Time) -> String {
    let text = Timestamp(time.0).to_string();
    match text.strip_suffix('Z') {
        Some(whole) if !whole.contains('.') => format!("{whole}.000000Z"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use restage_core::row::{Capabilities, TokenExchange};

    use super::*;

    fn grant(publish: bool, user_id: &str, expires_at_s: i64) -> TokenGrant {
        TokenGrant {
            capabilities: Capabilities {
                publish,
                subscribe: true,
            },
            attributes: [("role".to_owned(), user_id.to_owned())].into(),
            user_id: user_id.to_owned(),
            expires_at: Time(expires_at_s * 1_000_000),
        }
    }

    #[test]
    fn an_exchange_tells_both_tokens() {
        let at = Time(1_790_000_000_482_913);
        let event = StageEvent {
            session: "st-1".into(),
            participant: "ann".into(),
            name: StageEventName::TokenExchanged,
            at,
            remote_participant: None,
            error: None,
            destination: None,
            replica: false,
            exchange: Some(Box::new(TokenExchange {
                previous: grant(false, "viewer", 1_790_000_100),
                new: grant(true, "mod", 1_790_000_200),
            })),
        };
        let notice = Notice {
            stage: "stage".into(),
            session: Some("st-1".into()),
            at,
            what: Occurrence::History {
                event: Box::new(event),
                user_id: "mod".to_owned(),
                source: None,
            },
        };
        let owner = Owner {
            account: "111122223333".to_owned(),
            region: "eu-west-1".to_owned(),
        };
        let text = super::event(&notice, &owner, "id", false).unwrap();
        let event: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            event["detail"],
            json!({
                "event_name": "Token Exchanged", "session_id": "st-1", "event_time": "2026-09-21T14:13:20Z",
                "participant_id": "ann", "user_id": "mod",
                "previous_token": {"capabilities": ["SUBSCRIBE"], "attributes": {"role": "viewer"},
                    "user_id": "viewer", "expiration_time": "2026-09-21T14:15:00Z"},
                "new_token": {"capabilities": ["PUBLISH", "SUBSCRIBE"], "attributes": {"role": "mod"},
                    "user_id": "mod", "expiration_time": "2026-09-21T14:16:40Z"},
            })
        );
    }
}
