//! Receiving connections in messages of the events socket: RECEIVE_CONFIGURE, RECEIVE_ANSWER, RECEIVE_RESTART and RECEIVE_CLOSE of a
//! client, and what the server says of its connection.

use std::collections::BTreeSet;

use restage_core::id::{ConnectionId, ParticipantId};
use restage_node::control::{
    EventsSocket, RECEIVE_PARTICIPANTS_MAX, ReceiveError, ReceiveNews, ReceiveOffer, ReceiveState,
    ReceiveWant, ReceivedState,
};
use restage_node::media::RelayCredential;
use serde_json::{Value, json};

use super::App;
use super::ice_servers::{IceServers, Told};
use super::statistics::whole;
use super::wishes::{Invalid, wish_of};

const AUDIO_VIDEO: &str = "AUDIO_VIDEO";
const AUDIO_ONLY: &str = "AUDIO_ONLY";
/// Longest id of a participant.
const PARTICIPANT_ID_BYTES_MAX: usize = restage_media::limits::LABEL_BYTES_MAX;

/// A message about receiving connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Configure,
    Answer,
    Restart,
    Close,
}

impl Kind {
    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            "RECEIVE_CONFIGURE" => Some(Self::Configure),
            "RECEIVE_ANSWER" => Some(Self::Answer),
            "RECEIVE_RESTART" => Some(Self::Restart),
            "RECEIVE_CLOSE" => Some(Self::Close),
            _ => None,
        }
    }
}

/// A member that is not as it must be: its name and the rule.
type Fault = (String, String);

fn fault(member: impl Into<String>, rule: impl Into<String>) -> Fault {
    (member.into(), rule.into())
}

/// Answers a message: the type and the payload of the answer. Nothing: the answer comes as news of the connection.
pub(super) async fn answer(
    app: &App,
    socket: &mut EventsSocket,
    kind: Kind,
    payload: &Value,
) -> Option<(&'static str, Value)> {
    match kind {
        Kind::Configure => Some(configure(app, socket, payload).await),
        Kind::Answer => Some(take_answer(app, socket, payload).await),
        Kind::Restart | Kind::Close => {
            let (name, id) = match kind {
                Kind::Restart => ("RECEIVE_RESTART_ERROR", connection_id(payload)),
                _ => ("RECEIVE_CLOSE_ERROR", connection_id(payload)),
            };
            let outcome = match &id {
                Ok(Some(id)) if kind == Kind::Restart => {
                    app.control.receive_restart(socket, id).await
                }
                Ok(Some(id)) => app.control.receive_close(socket, id).await,
                Ok(None) => return Some((name, invalid(&missing_id(), payload))),
                Err(fault) => return Some((name, invalid(fault, payload))),
            };
            outcome.err().map(|error| (name, refused(&error, payload)))
        }
    }
}

async fn configure(app: &App, socket: &mut EventsSocket, payload: &Value) -> (&'static str, Value) {
    const REFUSED: &str = "RECEIVE_CONFIGURE_ERROR";
    let (id, wanted) = match read_configuration(payload) {
        Ok(read) => read,
        Err(fault) => return (REFUSED, invalid(&fault, payload)),
    };
    match app
        .control
        .receive_configure(socket, id.as_ref(), wanted)
        .await
    {
        Ok((id, states)) => ("RECEIVE_CONFIGURED", state_of(&id, &states)),
        Err(error) => (REFUSED, refused(&error, payload)),
    }
}

async fn take_answer(app: &App, socket: &EventsSocket, payload: &Value) -> (&'static str, Value) {
    const REFUSED: &str = "RECEIVE_ANSWER_ERROR";
    let read = || {
        let id = connection_id(payload)?.ok_or_else(missing_id)?;
        let revision = payload.get("revision").and_then(whole);
        let revision = revision.ok_or_else(|| fault("revision", "must be that of the offer"))?;
        let sdp = payload.get("sdp").and_then(Value::as_str);
        let sdp = sdp.ok_or_else(|| fault("sdp", "must be the SDP answer"))?;
        Ok((id, revision, sdp.to_owned()))
    };
    let (id, revision, sdp) = match read() {
        Ok(read) => read,
        Err(fault) => return (REFUSED, invalid(&fault, payload)),
    };
    let about = json!({ "connectionId": id.as_str(), "revision": revision });
    match app.control.receive_answer(socket, &id, revision, sdp).await {
        Ok(()) => ("RECEIVE_ANSWERED", about),
        Err(error) => (REFUSED, refused(&error, payload)),
    }
}

fn missing_id() -> Fault {
    fault("connectionId", "must be the id of the receiving connection")
}

fn connection_id(payload: &Value) -> Result<Option<ConnectionId>, Fault> {
    match payload.get("connectionId") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(id)) => Ok(Some(ConnectionId::new(id.clone()))),
        Some(_) => Err(missing_id()),
    }
}

/// The payload of a RECEIVE_CONFIGURE. Everything is checked before anything is changed.
fn read_configuration(payload: &Value) -> Result<(Option<ConnectionId>, Vec<ReceiveWant>), Fault> {
    let id = connection_id(payload)?;
    let wanted = payload.get("receive").and_then(Value::as_array);
    let wanted = wanted.filter(|wanted| wanted.len() <= RECEIVE_PARTICIPANTS_MAX);
    let wanted = wanted.ok_or_else(|| {
        let rule = format!("must be a list of at most {RECEIVE_PARTICIPANTS_MAX} participants");
        fault("receive", rule)
    })?;
    let mut seen = BTreeSet::new();
    let mut wants = Vec::with_capacity(wanted.len());
    for (place, entry) in wanted.iter().enumerate() {
        let at = |member: &str| format!("receive[{place}].{member}");
        let publisher = entry.get("remoteParticipantId").and_then(Value::as_str);
        let is_id = |id: &&str| {
            (1..=PARTICIPANT_ID_BYTES_MAX).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_graphic())
        };
        let publisher = publisher
            .filter(is_id)
            .ok_or_else(|| fault(at("remoteParticipantId"), "must be the id of a participant"))?;
        if !seen.insert(publisher) {
            let rule = "must be there once";
            return Err(fault(at("remoteParticipantId"), rule));
        }
        let media = entry.get("media").and_then(Value::as_str);
        let has_video = match media {
            Some(AUDIO_VIDEO) => true,
            Some(AUDIO_ONLY) => false,
            _ => {
                let rule = format!("must be {AUDIO_VIDEO:?} or {AUDIO_ONLY:?}");
                return Err(fault(at("media"), rule));
            }
        };
        let mut wish =
            wish_of(entry).map_err(|Invalid { member, rule }| fault(at(member), rule))?;
        wish.is_audio_only = !has_video;
        wants.push(ReceiveWant {
            publisher: ParticipantId::new(publisher),
            has_video,
            wish,
        });
    }
    Ok((id, wants))
}

/// Says which connection and which revision a refusal is about, as far as the message did.
fn about(mut told: Value, payload: &Value) -> Value {
    for member in ["connectionId", "revision"] {
        if let Some(value) = payload
            .get(member)
            .filter(|value| value.is_string() || value.is_u64())
        {
            told[member] = value.clone();
        }
    }
    told
}

fn invalid((member, rule): &Fault, payload: &Value) -> Value {
    let message = format!("payload.{member} {rule}");
    about(
        json!({ "code": "INVALID", "message": message, "member": member }),
        payload,
    )
}

fn refused(error: &ReceiveError, payload: &Value) -> Value {
    about(
        json!({ "code": error.code, "message": error.message }),
        payload,
    )
}

/// The payload of a RECEIVE_CONFIGURED or RECEIVE_STATE.
fn state_of(id: &ConnectionId, states: &[ReceiveState]) -> Value {
    let states = states.iter().map(|one| {
        let media = if one.has_video {
            AUDIO_VIDEO
        } else {
            AUDIO_ONLY
        };
        let mut told = json!({ "remoteParticipantId": one.publisher.as_str(), "media": media });
        told["state"] = match &one.state {
            ReceivedState::Attached => "ATTACHED".into(),
            ReceivedState::Waiting => "WAITING".into(),
            ReceivedState::Refused { code, message } => {
                told["code"] = (*code).into();
                told["message"] = message.as_str().into();
                "REFUSED".into()
            }
        };
        told
    });
    json!({ "connectionId": id.as_str(), "receive": states.collect::<Vec<_>>() })
}

/// What the client is told of its receiving connection: the type and the payload of the message. `relay` is a credential of the relay,
/// where there is one.
pub(super) fn news(
    id: &ConnectionId,
    news: &ReceiveNews,
    ice_servers: &IceServers,
    relay: Option<&RelayCredential>,
) -> (&'static str, Value) {
    match news {
        ReceiveNews::State(states) => ("RECEIVE_STATE", state_of(id, states)),
        ReceiveNews::Offer(offer) => {
            let mut told = offer_of(id, offer);
            if let Some(credential) = relay {
                told["iceServers"] = ice_servers.list(Told::WithAnswer, credential);
            }
            ("RECEIVE_OFFER", told)
        }
        ReceiveNews::Closed(closed) => (
            "RECEIVE_CLOSED",
            json!({ "connectionId": id.as_str(), "code": closed.code, "message": closed.message }),
        ),
    }
}

fn offer_of(id: &ConnectionId, offer: &ReceiveOffer) -> Value {
    let streams = offer.streams.iter().map(|stream| {
        json!({
            "remoteParticipantId": stream.publisher.as_str(),
            "audioMid": stream.audio_mid,
            "videoMid": stream.video_mid,
        })
    });
    json!({
        "connectionId": id.as_str(),
        "revision": offer.revision,
        "sdp": offer.sdp,
        "streams": streams.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use restage_node::control::{ReceiveClosed, ReceiveStream};

    use super::*;

    fn read(payload: &str) -> Result<Vec<ReceiveWant>, String> {
        let payload = serde_json::from_str(payload).unwrap();
        let read = read_configuration(&payload);
        read.map(|(_, wanted)| wanted).map_err(|(member, _)| member)
    }

    #[test]
    fn a_configuration_is_a_list_of_wishes() {
        let wanted = read(
            r#"{"receive":[{"remoteParticipantId":"ann","media":"AUDIO_VIDEO","maxHeight":360,"priority":7},
                {"remoteParticipantId":"bob","media":"AUDIO_ONLY","paused":null}]}"#,
        );
        let wanted = wanted.unwrap();
        assert_eq!(wanted[0].publisher.as_str(), "ann");
        assert_eq!(
            (wanted[0].has_video, wanted[0].wish.height_max),
            (true, Some(360))
        );
        assert_eq!(wanted[0].wish.priority.get(), 7);
        assert!(!wanted[1].has_video && wanted[1].wish.is_audio_only);
        assert_eq!(read(r#"{"receive":[]}"#).unwrap(), []);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let one = |entry: &str| format!(r#"{{"receive":[{entry}]}}"#);
        for (payload, member) in [
            ("null".to_owned(), "receive"),
            ("[]".to_owned(), "receive"),
            (r#"{"receive":{}}"#.to_owned(), "receive"),
            (
                r#"{"receive":[],"connectionId":7}"#.to_owned(),
                "connectionId",
            ),
            (one("7"), "receive[0].remoteParticipantId"),
            (
                one(r#"{"remoteParticipantId":""}"#),
                "receive[0].remoteParticipantId",
            ),
            (
                one(r#"{"remoteParticipantId":"a b"}"#),
                "receive[0].remoteParticipantId",
            ),
            (one(r#"{"remoteParticipantId":"a"}"#), "receive[0].media"),
            (
                one(r#"{"remoteParticipantId":"a","media":"VIDEO"}"#),
                "receive[0].media",
            ),
            (
                one(r#"{"remoteParticipantId":"a","media":"AUDIO_ONLY","priority":-1}"#),
                "receive[0].priority",
            ),
            (
                one(
                    r#"{"remoteParticipantId":"a","media":"AUDIO_ONLY"},{"remoteParticipantId":"a","media":"AUDIO_ONLY"}"#,
                ),
                "receive[1].remoteParticipantId",
            ),
        ] {
            assert_eq!(read(&payload), Err(member.to_owned()), "{payload}");
        }
        let entry = |number: usize| {
            format!(r#"{{"remoteParticipantId":"p{number}","media":"AUDIO_ONLY"}}"#)
        };
        let many = |count: usize| one(&(0..count).map(entry).collect::<Vec<_>>().join(","));
        assert_eq!(
            read(&many(RECEIVE_PARTICIPANTS_MAX)).unwrap().len(),
            RECEIVE_PARTICIPANTS_MAX
        );
        assert_eq!(
            read(&many(RECEIVE_PARTICIPANTS_MAX + 1)),
            Err("receive".to_owned())
        );
    }

    #[test]
    fn news_have_the_form_of_the_documentation() {
        let id = ConnectionId::new("c1");
        let told = |what: &ReceiveNews, relay| news(&id, what, &servers(), relay);
        let states = vec![
            ReceiveState {
                publisher: ParticipantId::new("ann"),
                has_video: true,
                state: ReceivedState::Attached,
            },
            ReceiveState {
                publisher: ParticipantId::new("bob"),
                has_video: false,
                state: ReceivedState::Refused {
                    code: "REPLACED",
                    message: "why".to_owned(),
                },
            },
        ];
        let (kind, state) = told(&ReceiveNews::State(states), None);
        let expected = json!({ "connectionId": "c1", "receive": [
            { "remoteParticipantId": "ann", "media": "AUDIO_VIDEO", "state": "ATTACHED" },
            { "remoteParticipantId": "bob", "media": "AUDIO_ONLY", "state": "REFUSED", "code": "REPLACED", "message": "why" },
        ]});
        assert_eq!((kind, state), ("RECEIVE_STATE", expected));
        let offer = ReceiveNews::Offer(ReceiveOffer {
            revision: 3,
            sdp: "v=0".to_owned(),
            streams: vec![ReceiveStream {
                publisher: ParticipantId::new("bob"),
                audio_mid: Some("0".to_owned()),
                video_mid: None,
            }],
        });
        let expected = json!({ "connectionId": "c1", "revision": 3, "sdp": "v=0",
            "streams": [{ "remoteParticipantId": "bob", "audioMid": "0", "videoMid": null }] });
        assert_eq!(told(&offer, None), ("RECEIVE_OFFER", expected));
        let credential = RelayCredential {
            username: "u".to_owned(),
            password: "p".to_owned(),
        };
        let (_, offer) = told(&offer, Some(&credential));
        let expected = json!([{ "urls": ["turn:192.0.2.1:443?transport=tcp"], "username": "u", "credential": "p" }]);
        assert_eq!(offer["iceServers"], expected);
        let closed = ReceiveNews::Closed(ReceiveClosed {
            code: "ORPHANED",
            message: "why".to_owned(),
        });
        let expected = json!({ "connectionId": "c1", "code": "ORPHANED", "message": "why" });
        assert_eq!(told(&closed, None), ("RECEIVE_CLOSED", expected));
    }

    fn servers() -> IceServers {
        let tcp = Some("192.0.2.1:443".parse().unwrap());
        IceServers::new(Some("192.0.2.1:4081".parse().unwrap()), tcp, None)
    }
}
