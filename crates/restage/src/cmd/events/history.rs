//! The events of a participant, printed as they appear.

use std::collections::HashMap;
use std::time::Duration;

use restage_api::Operation;
use serde_json::Value;
use tokio::time::Instant;

use crate::api::Api;
use crate::output::{self, Lines};
use crate::paging;
use crate::table::printable;

/// Interval between calls of ListParticipantEvents.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// The events of a participant that were printed already.
pub(crate) struct History {
    api: Api,
    stage_arn: String,
    session_id: String,
    participant_id: String,
    /// How often each event was seen, because two events can be equal within a second.
    seen: HashMap<String, usize>,
    next_at: Instant,
}

impl History {
    pub(crate) fn new(api: Api, stage_arn: &str, session_id: &str, participant_id: &str) -> Self {
        Self {
            api,
            stage_arn: stage_arn.to_owned(),
            session_id: session_id.to_owned(),
            participant_id: participant_id.to_owned(),
            seen: HashMap::new(),
            next_at: Instant::now(),
        }
    }

    /// Waits until the next call is due; forever if no participant is followed.
    pub(crate) async fn due(history: Option<&mut Self>) {
        match history {
            Some(history) => tokio::time::sleep_until(history.next_at).await,
            None => std::future::pending().await,
        }
    }

    /// Lists the events and prints the new ones.
    pub(crate) async fn print_new(&mut self, lines: &Lines) -> anyhow::Result<()> {
        let events = self.fetch().await?;
        self.next_at = Instant::now() + ASK_EVERY;
        for event in self.take_new(events) {
            if lines.is_json() {
                lines.json(event)?;
            } else {
                output::line(&shown(&event))?;
            }
        }
        Ok(())
    }

    async fn fetch(&self) -> anyhow::Result<Vec<Value>> {
        let call = self
            .api
            .call(Operation::ListParticipantEvents)
            .set("stageArn", self.stage_arn.as_str())
            .set("sessionId", self.session_id.as_str())
            .set("participantId", self.participant_id.as_str())
            .listing("events");
        paging::all(&self.api, call).await
    }

    /// The events that the list contains more often than they were seen.
    fn take_new(&mut self, events: Vec<Value>) -> Vec<Value> {
        let mut counts: HashMap<String, usize> = HashMap::new();
        let mut new = Vec::new();
        for event in events {
            let text = event.to_string();
            let count = counts.entry(text.clone()).or_default();
            *count += 1;
            if *count > self.seen.get(&text).copied().unwrap_or_default() {
                new.push(event);
            }
        }
        self.seen = counts;
        new
    }
}

/// `12:00:01Z  PUBLISH_STARTED  member=value …`
fn shown(event: &Value) -> String {
    let text = |member: &str| {
        event
            .get(member)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let time = text("eventTime");
    let time = time.split_once('T').map_or(time, |(_, time)| time);
    let mut line = format!("{}  {:<19}", printable(time), printable(text("name")));
    let mut members = event.clone();
    members.sort_all_objects();
    for (name, value) in members.as_object().into_iter().flatten() {
        if ["name", "eventTime", "participantId"].contains(&name.as_str()) {
            continue;
        }
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        line.push_str(&format!("  {}={}", printable(name), printable(&value)));
    }
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_has_time_name_and_the_rest() {
        let event = json!({"name": "PUBLISH_STARTED", "eventTime": "2026-08-23T12:00:01Z",
                           "participantId": "a", "replica": false, "errorCode": "X\u{1b}"});
        assert_eq!(
            shown(&event),
            "12:00:01Z  PUBLISH_STARTED      errorCode=X\u{fffd}  replica=false"
        );
        assert_eq!(shown(&json!({})), "");
    }
}
