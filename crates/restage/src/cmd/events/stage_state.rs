//! The changes from one STAGE_STATE to the next.

use std::collections::BTreeMap;
use std::time::SystemTime;

use restage_client::{StageParticipant, StageState};
use serde_json::{Value, json};

use crate::output;
use crate::table::printable;

/// A state as JSON, as the socket carried it.
pub(crate) fn json(state: &StageState) -> Value {
    let participants: Vec<Value> = state
        .participants
        .iter()
        .map(|one| {
            json!({
                "id": one.id,
                "userId": one.user_id,
                "attributes": one.attributes,
                "isPublishing": one.is_publishing,
                "isReplica": one.is_replica,
                "audioMuted": one.audio_muted,
                "videoStopped": one.video_stopped,
            })
        })
        .collect();
    json!({
        "type": "STAGE_STATE",
        "payload": { "stageId": state.stage_id, "participants": participants },
    })
}

/// The participants of the last state, by id.
#[derive(Default)]
pub(crate) struct Changes {
    known: BTreeMap<String, StageParticipant>,
    has_seen: bool,
}

impl Changes {
    /// Prints a line for each change.
    pub(crate) fn print(&mut self, state: &StageState) -> anyhow::Result<()> {
        let time = clock(SystemTime::now());
        for line in self.apply(state) {
            output::line(&format!("{time}  {line}"))?;
        }
        Ok(())
    }

    fn apply(&mut self, state: &StageState) -> Vec<String> {
        let mut lines = Vec::new();
        if state.participants.is_empty() && !std::mem::replace(&mut self.has_seen, true) {
            lines.push("nobody publishes".to_owned());
        }
        let now: BTreeMap<String, StageParticipant> = state
            .participants
            .iter()
            .map(|one| (one.id.clone(), one.clone()))
            .collect();
        for (id, one) in &now {
            let before = self.known.get(id);
            if before == Some(one) {
                continue;
            }
            let was_publishing = before.is_some_and(|before| before.is_publishing);
            let what = match (was_publishing, one.is_publishing) {
                (false, true) => "publishing ",
                (true, false) => "silent     ",
                _ if before.is_some() => "changed    ",
                _ => "there      ",
            };
            lines.push(format!("{what} {}", shown(one)));
        }
        for (id, gone) in &self.known {
            if !now.contains_key(id) {
                lines.push(format!("gone        {}", shown(gone)));
            }
        }
        self.known = now;
        lines
    }
}

fn shown(one: &StageParticipant) -> String {
    let mut text = printable(&one.id);
    if !one.user_id.is_empty() {
        text.push_str(&format!("  {}", printable(&one.user_id)));
    }
    let said = [
        (one.is_replica, "replica"),
        (one.audio_muted, "muted"),
        (one.video_stopped, "without pictures"),
    ];
    for (_, word) in said.into_iter().filter(|(is_so, _)| *is_so) {
        text.push_str(&format!("  ({word})"));
    }
    for (name, value) in &one.attributes {
        text.push_str(&format!("  {}={}", printable(name), printable(value)));
    }
    text
}

/// Time of day in UTC, as the service writes times.
fn clock(now: SystemTime) -> String {
    let since = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
        % 86_400;
    format!(
        "{:02}:{:02}:{:02}Z",
        since / 3600,
        since / 60 % 60,
        since % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(participants: Value) -> StageState {
        serde_json::from_value(json!({"stageId": "hT5vN1cGy8Ud", "participants": participants}))
            .unwrap()
    }

    #[test]
    fn changes_are_told_one_by_one() {
        let mut changes = Changes::default();
        let ann =
            json!({"id": "a", "userId": "ann", "attributes": {"order": "1"}, "isPublishing": true});
        let quiet = json!({"id": "a", "userId": "ann", "attributes": {"order": "1"}, "isPublishing": false});
        let muted = json!({"id": "a", "userId": "ann", "attributes": {"order": "1"}, "isPublishing": false, "isReplica": true, "audioMuted": true});
        let ben = json!({"id": "b", "userId": "\u{1b}[2J", "isPublishing": true});
        let steps = [
            (json!([]), vec!["nobody publishes"]),
            (json!([ann]), vec!["publishing  a  ann  order=1"]),
            (json!([ann]), vec![]),
            (
                json!([quiet, ben]),
                vec!["silent      a  ann  order=1", "publishing  b  \u{fffd}[2J"],
            ),
            (
                json!([muted, ben]),
                vec!["changed     a  ann  (replica)  (muted)  order=1"],
            ),
            (
                json!([ben]),
                vec!["gone        a  ann  (replica)  (muted)  order=1"],
            ),
            (json!([]), vec!["gone        b  \u{fffd}[2J"]),
        ];
        for (participants, expected) in steps {
            assert_eq!(
                changes.apply(&state(participants.clone())),
                expected,
                "{participants}"
            );
        }
    }

    #[test]
    fn the_json_is_what_the_socket_carried() {
        let participants = json!([{"id": "a", "userId": "", "attributes": {}, "isPublishing": true,
                "isReplica": true, "audioMuted": true, "videoStopped": false}]);
        let message = json(&state(participants.clone()));
        assert_eq!(message["type"], "STAGE_STATE");
        assert_eq!(message["payload"]["participants"], participants);
    }

    #[test]
    fn the_clock_is_utc() {
        let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(86_400 + 3_661);
        assert_eq!(clock(time), "01:01:01Z");
    }
}
