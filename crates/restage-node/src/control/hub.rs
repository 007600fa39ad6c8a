//! Pushes the publishers of a stage to all its listeners. A slow listener gets only the
//! newest state, so nothing queues up.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use restage_core::id::StageId;
use restage_core::row::{Participant, Replication};
use serde::Serialize;
use tokio::sync::{Notify, watch};

/// The text of one STAGE_STATE message.
pub type StageState = Arc<str>;

#[derive(Serialize)]
struct Message<'a> {
    r#type: &'static str,
    payload: Payload<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    stage_id: &'a str,
    participants: Vec<Member<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Member<'a> {
    id: &'a str,
    user_id: &'a str,
    attributes: &'a restage_core::row::Attributes,
    is_publishing: bool,
    is_replica: bool,
}

/// STAGE_STATE as in the service's samples, plus `isReplica`.
pub fn stage_state(stage: &StageId, publishing: &[Participant]) -> StageState {
    let participants = publishing
        .iter()
        .map(|participant| Member {
            id: participant.id.as_str(),
            user_id: &participant.user_id,
            attributes: &participant.attributes,
            is_publishing: participant.publishing,
            is_replica: matches!(participant.replication, Replication::Replica { .. }),
        })
        .collect();
    let payload = Payload {
        stage_id: stage.as_str(),
        participants,
    };
    let message = Message {
        r#type: "STAGE_STATE",
        payload,
    };
    serde_json::to_string(&message).unwrap_or_default().into()
}

/// The stages that have listeners.
#[derive(Default)]
pub struct Hub {
    stages: Mutex<HashMap<StageId, watch::Sender<Option<StageState>>>>,
    changed: Mutex<BTreeSet<StageId>>,
    wake: Notify,
}

impl Hub {
    /// Listens to a stage. The first state follows soon.
    pub fn listen(&self, stage: &StageId) -> watch::Receiver<Option<StageState>> {
        let receiver = {
            let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
            stages
                .entry(stage.clone())
                .or_insert_with(|| watch::Sender::new(None))
                .subscribe()
        };
        self.mark(stage);
        receiver
    }

    /// Marks a stage whose publishers have changed.
    pub fn mark(&self, stage: &StageId) {
        let heard = {
            let stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
            stages.contains_key(stage)
        };
        if heard {
            let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
            changed.insert(stage.clone());
            drop(changed);
            self.wake.notify_one();
        }
    }

    /// Waits for changes and returns the changed stages.
    pub async fn changed(&self) -> BTreeSet<StageId> {
        loop {
            let taken = {
                let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
                std::mem::take(&mut *changed)
            };
            if !taken.is_empty() {
                return taken;
            }
            self.wake.notified().await;
        }
    }

    /// Pushes a state; a stage without listeners is forgotten.
    pub fn push(&self, stage: &StageId, state: StageState) {
        let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = stages.get(stage)
            && sender.send(Some(state)).is_err()
        {
            stages.remove(stage);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_listener_sees_the_newest_state_only() {
        let hub = Hub::default();
        let stage = StageId::new("A");
        let mut listener = hub.listen(&stage);
        assert_eq!(hub.changed().await, BTreeSet::from([stage.clone()]));
        hub.push(&stage, "one".into());
        hub.push(&stage, "two".into());
        listener.changed().await.unwrap();
        assert_eq!(listener.borrow_and_update().as_deref(), Some("two"));
        drop(listener);
        hub.push(&stage, "three".into());
        hub.mark(&stage);
        assert!(hub.changed.lock().unwrap().is_empty());
    }

    #[test]
    fn the_message_has_the_published_form() {
        let text = stage_state(&StageId::new("hT5vN1cGy8Ud"), &[]);
        assert_eq!(
            &*text,
            r#"{"type":"STAGE_STATE","payload":{"stageId":"hT5vN1cGy8Ud","participants":[]}}"#
        );
    }
}
