//! PUBLISH_CONFIGURE of the events socket: what a publisher says that it does not send.

use restage_node::control::{Control, EventsSocket, MuteError, Muted};
use serde_json::{Value, json};

const AUDIO: &str = "audioMuted";
const VIDEO: &str = "videoStopped";

/// Answers a PUBLISH_CONFIGURE: the type and the payload of the answer. Members that are absent stay as they are.
pub(super) fn configure(
    control: &Control,
    socket: &EventsSocket,
    payload: &Value,
) -> (&'static str, Value) {
    let (audio, video) = match wanted(payload) {
        Ok(wanted) => wanted,
        Err((member, message)) => return refused("INVALID", Some(member), &message),
    };
    let outcome = control.mute(socket, |muted| {
        *muted = Muted {
            audio: audio.unwrap_or(muted.audio),
            video: video.unwrap_or(muted.video),
        };
    });
    match outcome {
        Ok(muted) => (
            "PUBLISH_CONFIGURED",
            json!({ AUDIO: muted.audio, VIDEO: muted.video }),
        ),
        Err(error) => {
            let code = match error {
                MuteError::NotPublishing(_) => "NO_PUBLICATION",
                MuteError::TooOften(_) => "TOO_OFTEN",
            };
            refused(code, None, &error.to_string())
        }
    }
}

/// The name of what is wrong in a payload, and the rule.
type Wrong = (&'static str, String);

/// Both members of a payload, as far as they are there.
fn wanted(payload: &Value) -> Result<(Option<bool>, Option<bool>), Wrong> {
    if !payload.is_object() {
        return Err(("payload", "payload must be an object".to_owned()));
    }
    let rule = |member| (member, format!("payload.{member} must be true or false"));
    let (audio, video) = (read(payload, AUDIO), read(payload, VIDEO));
    Ok((audio.map_err(rule)?, video.map_err(rule)?))
}

/// A member, if it is there; its name if it is not as it must be.
fn read(payload: &Value, member: &'static str) -> Result<Option<bool>, &'static str> {
    match payload.get(member) {
        None => Ok(None),
        Some(Value::Bool(value)) => Ok(Some(*value)),
        Some(_) => Err(member),
    }
}

fn refused(code: &str, member: Option<&str>, message: &str) -> (&'static str, Value) {
    let mut told = json!({ "code": code, "message": message });
    if let Some(member) = member {
        told["member"] = member.into();
    }
    ("PUBLISH_CONFIGURE_ERROR", told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_true_or_false_or_absent() {
        assert_eq!(read(&json!({ "audioMuted": true }), AUDIO), Ok(Some(true)));
        for nothing in [json!({}), json!(null), json!([true]), json!("audioMuted")] {
            assert_eq!(read(&nothing, AUDIO), Ok(None), "{nothing}");
        }
        for wrong in [json!(1), json!("true"), json!(null), json!({})] {
            assert_eq!(
                read(&json!({ "videoStopped": wrong }), VIDEO),
                Err(VIDEO),
                "{wrong}"
            );
        }
        for payload in [json!(null), json!([]), json!("audioMuted")] {
            let (member, rule) = wanted(&payload).unwrap_err();
            assert_eq!((member, &*rule), ("payload", "payload must be an object"));
        }
        let faulty = wanted(&json!({ "videoStopped": 1 })).unwrap_err();
        assert_eq!(faulty.0, VIDEO);
        let (kind, told) = refused(
            "INVALID",
            Some(VIDEO),
            "payload.videoStopped must be true or false",
        );
        assert_eq!(kind, "PUBLISH_CONFIGURE_ERROR");
        assert_eq!(told["member"], VIDEO);
    }
}
