//! What is counted of media connections, as JSON: for the operator at the console's API, and for a participant on its own events socket
//! (STATS, and STATS_CONFIGURE with which a client asks for it).

use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::{Extension, Json};
use http::StatusCode;
use restage_api::Operation;
use restage_core::StageArn;
use restage_core::id::{ConnectionId, ParticipantId};
use restage_media::{Codec, MediaKind, PauseReason, Protocol, TrackStats};
use restage_node::control::{ConnectionStats, Control, EventsSocket};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::App;
use super::console::{Admitted, REGION_LEN_MAX, is_region};
use super::refusal::Refusal;

/// Media connections in one answer.
const CONNECTIONS_PER_PAGE_MAX: usize = 100;
/// Longest session in a token of such an answer.
const SESSION_LEN_MAX: usize = 64;
/// Shortest time between two STATS on one events socket,
const EVERY_MIN: Duration = Duration::from_secs(1);
/// and the longest that can be asked for.
const EVERY_MAX: Duration = Duration::from_secs(60);

/// One connection, in the console's API and in STATS.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConnectionBody {
    session: String,
    participant_id: String,
    /// Whom it watches.
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_participant_id: Option<String>,
    direction: &'static str,
    age_ms: u64,
    transport: Option<&'static str>,
    round_trip_ms: Option<f64>,
    /// Bits per second.
    estimate: Option<u64>,
    /// Bits per second; `None` for a publisher, and where nothing is estimated.
    reserved: Option<u64>,
    /// 0 to 1.
    loss: Option<f64>,
    is_paused: bool,
    pause_reason: Option<&'static str>,
    tracks: Vec<TrackBody>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TrackBody {
    kind: &'static str,
    codec: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
    bitrate: u64,
    packets: u64,
    bytes: u64,
    frames: u64,
    packets_lost: u64,
    packets_repaired: u64,
    nacks: u64,
    key_frame_requests: u64,
    jitter_ms: Option<f64>,
}

impl From<ConnectionStats> for ConnectionBody {
    fn from(one: ConnectionStats) -> Self {
        let stats = one.stats;
        Self {
            direction: if one.publisher.is_some() {
                "subscribe"
            } else {
                "publish"
            },
            session: one.session.to_string(),
            participant_id: one.participant.to_string(),
            remote_participant_id: one.publisher.map(|publisher| publisher.to_string()),
            age_ms: u64::try_from(one.age.as_millis()).unwrap_or(u64::MAX),
            transport: stats.protocol.map(|protocol| match protocol {
                Protocol::Udp => "udp",
                Protocol::Tcp => "tcp",
                Protocol::Turn => "turn",
            }),
            round_trip_ms: stats.round_trip.map(millis),
            estimate: stats.estimate,
            reserved: stats.estimate.map(|_| stats.reserved),
            loss: stats.loss,
            is_paused: stats.pause.is_some(),
            pause_reason: stats.pause.map(|reason| match reason {
                PauseReason::Network => "NETWORK",
                PauseReason::Wish => "WISH",
                PauseReason::Overload => "OVERLOAD",
            }),
            tracks: stats.tracks.into_iter().map(TrackBody::from).collect(),
        }
    }
}

impl From<TrackStats> for TrackBody {
    fn from(track: TrackStats) -> Self {
        Self {
            kind: match track.kind {
                MediaKind::Audio => "audio",
                MediaKind::Video => "video",
            },
            codec: track.codec.map(name),
            rid: track.rid,
            label: track.label.map(|label| label.name()),
            width: track.size.map(|size| size.width),
            height: track.size.map(|size| size.height),
            bitrate: track.bits_per_s,
            packets: track.packets,
            bytes: track.bytes,
            frames: track.frames,
            packets_lost: track.lost,
            packets_repaired: track.repaired,
            nacks: track.nacks,
            key_frame_requests: track.key_frame_requests,
            jitter_ms: track.jitter.map(millis),
        }
    }
}

/// The name of a codec as SDP has it, in capitals.
fn name(codec: Codec) -> String {
    format!("{codec:?}").to_ascii_uppercase()
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

pub(super) fn whole(value: &Value) -> Option<u64> {
    let number = value.as_f64().filter(|number| number.fract() == 0.0);
    value
        .as_u64()
        .or_else(|| number.map(|number| number as u64))
        .filter(|_| value.as_f64().is_some_and(|number| number >= 0.0))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConnectionsQuery {
    stage_arn: Option<String>,
    participant_id: Option<String>,
    max_results: Option<String>,
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConnectionsBody {
    connections: Vec<ConnectionBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// The media connections of a stage, or of one of its participants, with what is counted of each.
pub(super) async fn connections(
    State(app): State<App>,
    Extension(admitted): Extension<Admitted>,
    query: Result<Query<ConnectionsQuery>, QueryRejection>,
) -> Result<Json<ConnectionsBody>, Refusal> {
    admitted.permit(&[Operation::ListParticipants])?;
    let Query(query) =
        query.map_err(|_| invalid("the query names a parameter twice, or is not UTF-8"))?;
    let stage = query
        .stage_arn
        .as_deref()
        .and_then(StageArn::parse)
        .filter(|stage| stage.account == admitted.account() && is_region(&stage.region))
        .ok_or_else(|| {
            invalid(&format!(
                "stageArn must be the ARN of one of this account's stages, in a Region of 1 to {REGION_LEN_MAX} \
                 lower-case letters, digits and hyphens"
            ))
        })?;
    let count = match &query.max_results {
        None => Some(CONNECTIONS_PER_PAGE_MAX),
        Some(count) => count.parse().ok(),
    };
    let count = count.filter(|count| (1..=CONNECTIONS_PER_PAGE_MAX).contains(count));
    let count = count.ok_or_else(|| {
        invalid(&format!(
            "maxResults must be an integer from 1 to {CONNECTIONS_PER_PAGE_MAX}"
        ))
    })?;
    let after = match &query.next_token {
        None => None,
        Some(token) => Some(after(&stage, token).ok_or_else(|| {
            invalid("nextToken must be that of an earlier answer about the same stage")
        })?),
    };
    let found = app.control.store().get_stage(&stage.id).await;
    let found = found.map_err(|_| {
        let message = "the database cannot be read; look into the server's log";
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", message)
    })?;
    if found.is_none_or(|found| found.account != stage.account || found.region != stage.region) {
        let message = format!("there is no stage {stage}");
        return Err(Refusal::new(StatusCode::NOT_FOUND, "NOT_FOUND", message));
    }
    let participant = query.participant_id.map(ParticipantId::new);
    let page = app
        .control
        .stats_of(&stage.id, participant.as_ref(), after.as_ref(), count);
    let page = page.await;
    Ok(Json(ConnectionsBody {
        connections: page
            .connections
            .into_iter()
            .map(ConnectionBody::from)
            .collect(),
        next_token: page.next.map(|session| format!("{}.{session}", stage.id)),
    }))
}

fn invalid(message: &str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "INVALID", message.to_owned())
}

/// The session after which the page begins that a token names.
fn after(stage: &StageArn, token: &str) -> Option<ConnectionId> {
    let (of, session) = token.split_once('.')?;
    let is_session = (1..=SESSION_LEN_MAX).contains(&session.len())
        && session
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    (of == stage.id.as_str() && is_session).then(|| ConnectionId::new(session))
}

/// When an events socket is told its statistics.
#[derive(Default)]
pub(super) struct Schedule {
    every: Option<Interval>,
    told_at: Option<Instant>,
}

impl Schedule {
    /// Answers a STATS_CONFIGURE: the type and the payload of the answer. The first STATS follows at once, or a second after the last
    /// one.
    pub(super) fn configure(&mut self, payload: &Value) -> (&'static str, Value) {
        let every = match payload.get("everyMs") {
            Some(Value::Null) => Some(0),
            // Languages without integers may write 2000.0.
            given => given.and_then(whole),
        };
        let (least, most) = (EVERY_MIN.as_millis() as u64, EVERY_MAX.as_millis() as u64);
        let Some(every) = every.filter(|every| *every == 0 || (least..=most).contains(every))
        else {
            let message = format!(
                "payload.everyMs must be an integer from {least} to {most}, or 0 or null for no more"
            );
            let told = json!({ "code": "INVALID", "member": "everyMs", "message": message });
            return ("STATS_CONFIGURE_ERROR", told);
        };
        self.every = (every > 0).then(|| {
            let now = Instant::now();
            let first = self.told_at.map_or(now, |at| now.max(at + EVERY_MIN));
            let mut interval = interval_at(first, Duration::from_millis(every));
            // A client that reads slowly is told less often.
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        });
        ("STATS_CONFIGURED", json!({ "everyMs": every }))
    }

    /// Waits until the next STATS is due; forever if the client has asked for none.
    pub(super) async fn due(&mut self) {
        match &mut self.every {
            Some(every) => {
                every.tick().await;
                self.told_at = Some(Instant::now());
            }
            None => std::future::pending().await,
        }
    }
}

/// The payload of a STATS: what is counted of the connections of a socket's own participant.
pub(super) async fn of_socket(control: &Control, socket: &EventsSocket) -> Value {
    let own = control.own_stats(socket).await.into_iter();
    let (stage, participant) = socket.whose();
    json!({
        "stageId": stage.as_str(),
        "participantId": participant.as_str(),
        "connections": own.map(ConnectionBody::from).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use restage_media::{LayerLabel, PeerId, PeerStats, PictureSize, Role};

    use super::*;

    #[test]
    fn a_connection_has_the_documented_form() {
        let track = TrackStats {
            kind: MediaKind::Video,
            codec: Some(Codec::Vp8),
            rid: Some("h".to_owned()),
            label: Some(LayerLabel::Mid),
            size: Some(PictureSize {
                width: 640,
                height: 360,
            }),
            bits_per_s: 500_000,
            packets: 7,
            bytes: 7_000,
            frames: 3,
            lost: 2,
            repaired: 1,
            nacks: 4,
            key_frame_requests: 5,
            jitter: Some(Duration::from_micros(2_500)),
        };
        let body = ConnectionBody::from(ConnectionStats {
            session: ConnectionId::new("c1"),
            participant: ParticipantId::new("ann"),
            publisher: Some(ParticipantId::new("bob")),
            age: Duration::from_secs(2),
            stats: PeerStats {
                peer: PeerId(1),
                role: Role::Subscriber,
                protocol: Some(Protocol::Turn),
                round_trip: Some(Duration::from_millis(20)),
                estimate: Some(900_000),
                reserved: 600_000,
                loss: Some(0.25),
                pause: Some(PauseReason::Network),
                tracks: vec![track],
            },
        });
        let expected = json!({
            "session": "c1",
            "participantId": "ann",
            "remoteParticipantId": "bob",
            "direction": "subscribe",
            "ageMs": 2_000,
            "transport": "turn",
            "roundTripMs": 20.0,
            "estimate": 900_000,
            "reserved": 600_000,
            "loss": 0.25,
            "isPaused": true,
            "pauseReason": "NETWORK",
            "tracks": [{
                "kind": "video", "codec": "VP8", "rid": "h", "label": "mid", "width": 640, "height": 360,
                "bitrate": 500_000, "packets": 7, "bytes": 7_000, "frames": 3, "packetsLost": 2,
                "packetsRepaired": 1, "nacks": 4, "keyFrameRequests": 5, "jitterMs": 2.5,
            }],
        });
        assert_eq!(serde_json::to_value(&body).unwrap(), expected);
    }

    #[tokio::test]
    async fn an_interval_has_bounds_and_0_ends_it() {
        for payload in [
            json!({}),
            json!(null),
            json!([]),
            json!({ "everyMs": 999 }),
            json!({ "everyMs": 60_001 }),
            json!({ "everyMs": -1 }),
            json!({ "everyMs": 1.5 }),
            json!({ "everyMs": "1000" }),
            json!({ "everyMs": u64::MAX }),
        ] {
            let mut schedule = Schedule::default();
            let (kind, told) = schedule.configure(&payload);
            assert_eq!(
                (kind, &told["code"]),
                ("STATS_CONFIGURE_ERROR", &json!("INVALID")),
                "{payload}"
            );
            assert!(schedule.every.is_none());
        }
        let mut schedule = Schedule::default();
        let (kind, told) = schedule.configure(&json!({ "everyMs": 1_000 }));
        assert_eq!(
            (kind, told),
            ("STATS_CONFIGURED", json!({ "everyMs": 1_000 }))
        );
        assert!(schedule.every.is_some());
        schedule.due().await;
        for nothing in [json!(0), json!(null)] {
            let (kind, _) = schedule.configure(&json!({ "everyMs": nothing }));
            assert_eq!(kind, "STATS_CONFIGURED");
            assert!(schedule.every.is_none());
        }
        // Asking again and again does not make it more often.
        let begun = Instant::now();
        schedule.configure(&json!({ "everyMs": 1_000 }));
        schedule.configure(&json!({ "everyMs": 60_000 }));
        schedule.due().await;
        assert!(begun.elapsed() >= EVERY_MIN - Duration::from_millis(100));
    }

    #[test]
    fn a_token_is_of_one_stage_and_names_a_session() {
        let stage = StageArn::parse("arn:aws:ivs:eu-west-1:123456789012:stage/hT5vN1cGy8Ud");
        let stage = stage.unwrap();
        let session = after(&stage, "hT5vN1cGy8Ud.a-B_9").unwrap();
        assert_eq!(session.as_str(), "a-B_9");
        let long = format!("hT5vN1cGy8Ud.{}", "x".repeat(SESSION_LEN_MAX + 1));
        for wrong in [
            "",
            "abc",
            "other.a-B_9",
            "hT5vN1cGy8Ud.",
            "hT5vN1cGy8Ud.a/b",
            &long,
        ] {
            assert!(after(&stage, wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn whole_numbers_of_any_form_are_taken() {
        assert_eq!(whole(&json!(2_000)), Some(2_000));
        assert_eq!(whole(&json!(2000.0)), Some(2_000));
        for wrong in [json!(1.5), json!(-1), json!("1"), json!(null)] {
            assert_eq!(whole(&wrong), None, "{wrong}");
        }
    }
}
