//! The messages of the sockets that clients keep: JSON in text frames. What all of these sockets have in common.

use std::time::Duration;

use serde::Deserialize;
use serde_json::error::Category;

/// Interval between the server's pings.
pub(super) const PING_EVERY: Duration = Duration::from_secs(3);
/// A client that has sent nothing for this long is gone: it is DISCONNECTED within ten seconds.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(7);

/// Close codes 4000 and up are an application's own (RFC 6455 §7.4.2).
pub(super) mod close_code {
    pub(in crate::http) const GOING_AWAY: u16 = 1001;
    pub(in crate::http) const NOT_JSON: u16 = 1007;
    pub(in crate::http) const INTERNAL: u16 = 1011;
    pub(in crate::http) const SERVICE_RESTART: u16 = 1012;
    pub(in crate::http) const TOKEN: u16 = 4401;
    pub(in crate::http) const NOT_ALLOWED: u16 = 4403;
    pub(in crate::http) const NOT_FOUND: u16 = 4404;
    pub(in crate::http) const DISCONNECTED: u16 = 4410;
    pub(in crate::http) const REPLACED: u16 = 4409;
    pub(in crate::http) const CAPACITY: u16 = 4429;
}

/// Characters of an unknown type that are repeated in the answer.
const TYPE_REPEATED_MAX: usize = 64;
/// Close code and reason for a message that is no text.
pub(super) const BINARY: (u16, &str) = (
    close_code::NOT_JSON,
    "a message is a text frame of JSON, not a binary one",
);

/// A message of a client.
#[derive(Deserialize)]
pub(super) struct ClientMessage {
    pub(super) r#type: String,
    #[serde(default)]
    pub(super) payload: serde_json::Value,
}

/// Reads a message.
///
/// # Errors
/// The close code and the reason for a text that is none.
pub(super) fn understand(text: &str) -> Result<ClientMessage, (u16, &'static str)> {
    const RULE: &str = "a message is a JSON object whose type is a string";
    let read = serde_json::from_str(text).map_err(|error: serde_json::Error| {
        let reason = match error.classify() {
            Category::Data if error.to_string().starts_with("duplicate field") => {
                "type and payload may stand once in a message"
            }
            Category::Data => RULE,
            Category::Io | Category::Syntax | Category::Eof => {
                "a message is JSON, and this is none"
            }
        };
        (close_code::NOT_JSON, reason)
    });
    // The members in an array would be read, too.
    match text.trim_start().starts_with('{') {
        true => read,
        false => read.and(Err((close_code::NOT_JSON, RULE))),
    }
}

/// The payload of the answer to a message of an unknown type.
pub(super) fn unknown_type(kind: &str, known: &str) -> serde_json::Value {
    let shown: String = kind.chars().take(TYPE_REPEATED_MAX).collect();
    let message = format!("type {shown:?} is unknown: send {known}");
    serde_json::json!({ "code": "UNKNOWN_TYPE", "message": message, "member": "type" })
}

/// A message of the server.
pub(super) fn frame(kind: &str, payload: Option<serde_json::Value>) -> String {
    let mut message = serde_json::json!({ "type": kind });
    if let Some(payload) = payload {
        message["payload"] = payload;
    }
    message.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_type_is_named_but_not_repeated_at_any_length() {
        let told = unknown_type("LATER\n", "PING or LATER");
        assert_eq!(
            (&told["code"], &told["member"]),
            (&"UNKNOWN_TYPE".into(), &"type".into())
        );
        let message = told["message"].as_str().unwrap();
        assert!(
            message.starts_with(r#"type "LATER\n" is unknown: send PING"#),
            "{message}"
        );
        let long = unknown_type(&"\u{1F600}".repeat(4_000), "PING or LATER").to_string();
        assert!(long.len() < 600, "{}", long.len());
    }

    #[test]
    fn messages_are_objects_with_a_type() {
        assert_eq!(frame("PONG", None), r#"{"type":"PONG"}"#);
        for (text, kind) in [
            (r#"{"type":"PING"}"#, "PING"),
            (r#"{"type":"LATER","payload":[1],"x":1}"#, "LATER"),
        ] {
            assert_eq!(
                understand(text).map(|message| message.r#type),
                Ok(kind.to_owned())
            );
        }
        for (bad, words) in [
            ("", "is none"),
            ("{", "is none"),
            ("\u{0}", "is none"),
            ("7", "whose type is a string"),
            ("null", "whose type is a string"),
            ("[]", "whose type is a string"),
            (r#"["PING"]"#, "whose type is a string"),
            ("{}", "whose type is a string"),
            (r#"{"type":1}"#, "whose type is a string"),
            (r#"{"payload":{}}"#, "whose type is a string"),
            (r#"{"type":"PING","type":"PONG"}"#, "once"),
            (r#"{"type":"PING","payload":{},"payload":{}}"#, "once"),
        ] {
            let refused = understand(bad).map(|message| message.r#type).unwrap_err();
            assert_eq!(refused.0, close_code::NOT_JSON, "{bad:?}");
            // RFC 6455 §5.5: a reason has at most 123 bytes.
            assert!(
                refused.1.contains(words) && refused.1.len() <= 123,
                "{bad:?} {}",
                refused.1
            );
        }
    }
}
