//! What a client says of its receiving connection. Everything is checked before anything is changed.

use std::collections::BTreeSet;

use restage_core::id::{ConnectionId, ParticipantId, StageId};
use restage_node::control::{
    RECEIVE_PARTICIPANTS_MAX, RECEIVE_STAGES_MAX, ReceiveWant, Viewer, ViewerWant,
};
use serde_json::Value;

use super::{AUDIO_ONLY, AUDIO_VIDEO};
use crate::http::statistics::whole;
use crate::http::wishes::{Invalid, wish_of};

/// Longest id of a participant or a stage.
const ID_BYTES_MAX: usize = restage_media::limits::LABEL_BYTES_MAX;

/// A member that is not as it must be: its name and the rule.
pub(super) type Fault = (String, String);

fn fault(member: impl Into<String>, rule: impl Into<String>) -> Fault {
    (member.into(), rule.into())
}

pub(super) fn missing_id() -> Fault {
    fault("connectionId", "must be the id of the receiving connection")
}

pub(in crate::http) fn connection_id(payload: &Value) -> Result<Option<ConnectionId>, Fault> {
    match payload.get("connectionId") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(id)) => Ok(Some(ConnectionId::new(id.clone()))),
        Some(_) => Err(missing_id()),
    }
}

/// The payload of a RECEIVE_ANSWER: the connection, the revision of the offer, and the SDP.
pub(in crate::http) fn answer(payload: &Value) -> Result<(ConnectionId, u64, String), Fault> {
    let id = connection_id(payload)?.ok_or_else(missing_id)?;
    let revision = payload.get("revision").and_then(whole);
    let revision = revision.ok_or_else(|| fault("revision", "must be that of the offer"))?;
    let sdp = payload.get("sdp").and_then(Value::as_str);
    let sdp = sdp.ok_or_else(|| fault("sdp", "must be the SDP answer"))?;
    Ok((id, revision, sdp.to_owned()))
}

/// An id as a label of a stream may be.
fn id_in<'a>(entry: &'a Value, member: &str) -> Option<&'a str> {
    let id = entry.get(member)?.as_str()?;
    let is_id =
        (1..=ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    is_id.then_some(id)
}

/// The list `receive` of a RECEIVE_CONFIGURE or, in one of several stages, of the member that `at` names.
pub(in crate::http) fn wants(payload: &Value, at: &str) -> Result<Vec<ReceiveWant>, Fault> {
    let wanted = payload.get("receive").and_then(Value::as_array);
    let wanted = wanted.filter(|wanted| wanted.len() <= RECEIVE_PARTICIPANTS_MAX);
    let wanted = wanted.ok_or_else(|| {
        let rule = format!("must be a list of at most {RECEIVE_PARTICIPANTS_MAX} participants");
        fault(format!("{at}receive"), rule)
    })?;
    let mut seen = BTreeSet::new();
    let mut wants = Vec::with_capacity(wanted.len());
    for (place, entry) in wanted.iter().enumerate() {
        let at = |member: &str| format!("{at}receive[{place}].{member}");
        let publisher = id_in(entry, "remoteParticipantId")
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
    Ok(wants)
}

/// The list `stages` of a RECEIVE_CONFIGURE on the socket of a connection token.
pub(in crate::http) fn viewer_wants(payload: &Value) -> Result<Vec<ViewerWant>, Fault> {
    let stages = payload.get("stages").and_then(Value::as_array);
    let stages = stages.filter(|stages| stages.len() <= RECEIVE_STAGES_MAX);
    let stages = stages.ok_or_else(|| {
        let rule = format!("must be a list of at most {RECEIVE_STAGES_MAX} stages");
        fault("stages", rule)
    })?;
    let mut all: Vec<ViewerWant> = Vec::with_capacity(stages.len());
    for (place, entry) in stages.iter().enumerate() {
        let at = |member: &str| format!("stages[{place}].{member}");
        let stage = id_in(entry, "stageId")
            .ok_or_else(|| fault(at("stageId"), "must be the id of a stage"))?;
        let participant = id_in(entry, "participantId").ok_or_else(|| {
            fault(
                at("participantId"),
                "must be the id of your participant there",
            )
        })?;
        let viewer = Viewer {
            stage: StageId::new(stage),
            participant: ParticipantId::new(participant),
        };
        if all.iter().any(|other| other.viewer == viewer) {
            return Err(fault(at("participantId"), "must be there once in a stage"));
        }
        let wanted = wants(entry, &at(""))?;
        all.push(ViewerWant { viewer, wanted });
    }
    let count: usize = all.iter().map(|one| one.wanted.len()).sum();
    if count > RECEIVE_PARTICIPANTS_MAX {
        let rule = format!(
            "must have at most {RECEIVE_PARTICIPANTS_MAX} participants in all lists together"
        );
        return Err(fault("stages", rule));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(payload: &str) -> Result<Vec<ReceiveWant>, String> {
        let payload = serde_json::from_str(payload).unwrap();
        let read = connection_id(&payload).and_then(|_| wants(&payload, ""));
        read.map_err(|(member, _)| member)
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

    fn read_stages(stages: &[(&str, &str, usize)]) -> Result<Vec<ViewerWant>, String> {
        let stages = stages.iter().map(|(stage, participant, count)| {
            let entry =
                |number| json!({ "remoteParticipantId": format!("p{number}"), "media": AUDIO_ONLY });
            let receive: Vec<_> = (0..*count).map(entry).collect();
            json!({ "stageId": stage, "participantId": participant, "receive": receive })
        });
        let payload = json!({ "stages": stages.collect::<Vec<_>>() });
        viewer_wants(&payload).map_err(|(member, _)| member)
    }

    #[test]
    fn several_stages_have_a_list_each() {
        let read = read_stages(&[("one", "ann", 2), ("two", "ann", 0)]).unwrap();
        assert_eq!(read[0].viewer.stage.as_str(), "one");
        assert_eq!((read[0].wanted.len(), read[1].wanted.len()), (2, 0));
        assert_eq!(read_stages(&[]), Ok(Vec::new()));
    }

    #[test]
    fn what_is_wrong_of_several_stages_is_named() {
        for (stages, member) in [
            (vec![("", "ann", 0)], "stages[0].stageId"),
            (vec![("one", "a b", 0)], "stages[0].participantId"),
            (
                vec![("one", "ann", 0), ("one", "ann", 0)],
                "stages[1].participantId",
            ),
            (
                vec![("one", "ann", RECEIVE_PARTICIPANTS_MAX + 1)],
                "stages[0].receive",
            ),
            (
                vec![("one", "ann", RECEIVE_PARTICIPANTS_MAX), ("two", "ann", 1)],
                "stages",
            ),
            (vec![("one", "ann", 0); RECEIVE_STAGES_MAX + 1], "stages"),
        ] {
            assert_eq!(read_stages(&stages), Err(member.to_owned()));
        }
        let payload = json!({ "stages": [{ "stageId": "one", "participantId": "ann",
            "receive": [{ "remoteParticipantId": "p", "media": "VIDEO" }] }] });
        let (member, _) = viewer_wants(&payload).unwrap_err();
        assert_eq!(member, "stages[0].receive[0].media");
        assert_eq!(viewer_wants(&json!({})).unwrap_err().0, "stages");
    }
}
