//! What a client is told of its receiving connection.

use restage_core::id::ConnectionId;
use restage_node::control::{ReceiveNews, ReceiveOffer, ReceiveState, ReceivedState, ViewerState};
use restage_node::media::RelayCredential;
use serde_json::{Value, json};

use super::{AUDIO_ONLY, AUDIO_VIDEO, Scope};
use crate::http::ice_servers::{IceServers, Told};

/// The payload of a RECEIVE_CONFIGURED or RECEIVE_STATE.
pub(super) fn state_of(id: &ConnectionId, viewers: &[ViewerState], scope: Scope) -> Value {
    let id = id.as_str();
    if scope == Scope::Participant {
        let received = viewers.first().map(|one| one.received.as_slice());
        return json!({ "connectionId": id, "receive": received_of(received.unwrap_or_default()) });
    }
    let stages = viewers.iter().map(|one| {
        let mut told = json!({
            "stageId": one.viewer.stage.as_str(),
            "participantId": one.viewer.participant.as_str(),
            "receive": received_of(&one.received),
        });
        if let Some(refused) = &one.refused {
            told["code"] = refused.code.into();
            told["message"] = refused.message.as_str().into();
        }
        told
    });
    json!({ "connectionId": id, "stages": stages.collect::<Vec<_>>() })
}

fn received_of(states: &[ReceiveState]) -> Vec<Value> {
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
    states.collect()
}

/// What the client is told of its receiving connection: the type and the payload of the message. `relay` is a credential of the relay,
/// where there is one.
pub(in crate::http) fn news(
    (id, scope): (&ConnectionId, Scope),
    news: &ReceiveNews,
    ice_servers: &IceServers,
    relay: Option<&RelayCredential>,
) -> (&'static str, Value) {
    match news {
        ReceiveNews::State(states) => ("RECEIVE_STATE", state_of(id, states, scope)),
        ReceiveNews::Offer(offer) => {
            let mut told = offer_of(id, offer, scope);
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

fn offer_of(id: &ConnectionId, offer: &ReceiveOffer, scope: Scope) -> Value {
    let streams = offer.streams.iter().map(|stream| {
        let mut told = json!({
            "remoteParticipantId": stream.publisher.as_str(),
            "audioMid": stream.audio_mid,
            "videoMid": stream.video_mid,
        });
        if scope == Scope::Token {
            told["stageId"] = stream.viewer.stage.as_str().into();
            told["participantId"] = stream.viewer.participant.as_str().into();
        }
        told
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
    use restage_core::id::{ParticipantId, StageId};
    use restage_node::control::{ReceiveClosed, ReceiveError, ReceiveStream, Viewer};

    use super::*;

    #[test]
    fn news_have_the_form_of_the_documentation() {
        let id = ConnectionId::new("c1");
        let told =
            |what: &ReceiveNews, relay| news((&id, Scope::Participant), what, &servers(), relay);
        let received = vec![
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
        let states = vec![state_of_ann(received, None)];
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
                viewer: ann(),
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

    #[test]
    fn those_of_a_connection_token_say_for_whom() {
        let id = ConnectionId::new("c1");
        let told = |what: &ReceiveNews| news((&id, Scope::Token), what, &servers(), None).1;
        let error = ReceiveError {
            code: "NO_SOCKET",
            message: "why".to_owned(),
        };
        let states = vec![
            state_of_ann(Vec::new(), None),
            state_of_ann(Vec::new(), Some(error)),
        ];
        let expected = json!({ "connectionId": "c1", "stages": [
            { "stageId": "one", "participantId": "ann", "receive": [] },
            { "stageId": "one", "participantId": "ann", "receive": [], "code": "NO_SOCKET", "message": "why" },
        ]});
        assert_eq!(told(&ReceiveNews::State(states)), expected);
        let offer = ReceiveNews::Offer(ReceiveOffer {
            revision: 3,
            sdp: "v=0".to_owned(),
            streams: vec![ReceiveStream {
                viewer: ann(),
                publisher: ParticipantId::new("bob"),
                audio_mid: None,
                video_mid: Some("1".to_owned()),
            }],
        });
        let expected = json!([{ "stageId": "one", "participantId": "ann", "remoteParticipantId": "bob",
            "audioMid": null, "videoMid": "1" }]);
        assert_eq!(told(&offer)["streams"], expected);
    }

    fn ann() -> Viewer {
        Viewer {
            stage: StageId::new("one"),
            participant: ParticipantId::new("ann"),
        }
    }

    fn state_of_ann(received: Vec<ReceiveState>, refused: Option<ReceiveError>) -> ViewerState {
        ViewerState {
            viewer: ann(),
            received,
            refused,
        }
    }

    fn servers() -> IceServers {
        let tcp = Some("192.0.2.1:443".parse().unwrap());
        IceServers::new(Some("192.0.2.1:4081".parse().unwrap()), tcp, None)
    }
}
