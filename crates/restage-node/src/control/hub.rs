//! Pushes to all listeners of a stage who publishes there, and who speaks. A slow listener gets only the
//! newest of both, so nothing queues up.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use restage_core::PublicationKey;
use restage_core::id::{ParticipantId, StageId};
use restage_core::row::{Participant, Replication};
use serde::Serialize;
use tokio::sync::{Notify, watch};

use super::connections::Muted;
use super::speakers::{Speakers, Speaking};

/// Who publishes in a stage, by itself or as a replica, and what of it is muted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shown {
    /// The row in that stage.
    pub participant: Participant,
    /// What it publishes.
    pub publication: PublicationKey,
    /// What it says that it does not send.
    pub muted: Muted,
}

/// The text of one message to all listeners of a stage.
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
    /// Where a replica publishes.
    #[serde(skip_serializing_if = "Option::is_none")]
    source_stage_id: Option<&'a str>,
    audio_muted: bool,
    video_stopped: bool,
}

/// What is published where a participant appears.
pub(super) fn publication_of(participant: &Participant) -> PublicationKey {
    let session = match &participant.replication {
        Replication::Replica { source_session, .. } => source_session,
        _ => &participant.session,
    };
    PublicationKey {
        session: session.clone(),
        participant: participant.id.clone(),
    }
}

/// STAGE_STATE as in the service's samples, plus `isReplica`, `sourceStageId` of replicas, and what the publishers say that they do not send.
pub(super) fn stage_state(stage: &StageId, shown: &[Shown]) -> StageState {
    let participants = shown
        .iter()
        .map(|shown| {
            let Shown {
                participant, muted, ..
            } = shown;
            let source = match &participant.replication {
                Replication::Replica { source_stage, .. } => Some(source_stage),
                _ => None,
            };
            Member {
                id: participant.id.as_str(),
                user_id: &participant.user_id,
                attributes: &participant.attributes,
                is_publishing: participant.publishing,
                is_replica: source.is_some(),
                source_stage_id: source.map(StageId::as_str),
                audio_muted: muted.audio,
                video_stopped: muted.video,
            }
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

#[derive(Serialize)]
struct SpeakerMessage<'a> {
    r#type: &'static str,
    payload: SpeakerPayload<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SpeakerPayload<'a> {
    stage_id: &'a str,
    participant_id: Option<&'a str>,
    speaking: Vec<&'a str>,
}

/// The text of a STAGE_ACTIVE_SPEAKER_CHANGED.
fn speaker_text(stage: &StageId, speaking: &Speaking) -> StageState {
    let payload = SpeakerPayload {
        stage_id: stage.as_str(),
        participant_id: speaking.active.as_ref().map(ParticipantId::as_str),
        speaking: speaking.all.iter().map(ParticipantId::as_str).collect(),
    };
    let message = SpeakerMessage {
        r#type: "STAGE_ACTIVE_SPEAKER_CHANGED",
        payload,
    };
    serde_json::to_string(&message).unwrap_or_default().into()
}

/// A stage that has listeners.
struct Listened {
    state: watch::Sender<Option<StageState>>,
    shown: watch::Sender<Option<Arc<[Shown]>>>,
    speaker: watch::Sender<Option<StageState>>,
    /// What is published there, replicas included.
    publications: Vec<PublicationKey>,
    speakers: Speakers,
}

impl Default for Listened {
    fn default() -> Self {
        Self {
            state: watch::Sender::new(None),
            shown: watch::Sender::new(None),
            speaker: watch::Sender::new(None),
            publications: Vec::new(),
            speakers: Speakers::default(),
        }
    }
}

/// What a listener is told. Only the newest of each is kept.
pub(super) struct Listening {
    pub(super) states: watch::Receiver<Option<StageState>>,
    /// The same as rows, for parts of the server.
    pub(super) shown: watch::Receiver<Option<Arc<[Shown]>>>,
    pub(super) speakers: watch::Receiver<Option<StageState>>,
}

/// The stages that have listeners, and how they are found.
#[derive(Default)]
struct Stages {
    listened: HashMap<StageId, Listened>,
    /// Which of these show a publication.
    showing: HashMap<PublicationKey, BTreeSet<StageId>>,
    /// Those in which somebody has been heard lately.
    loud: BTreeSet<StageId>,
}

impl Stages {
    /// A stage shows these publications from now on.
    fn show(&mut self, stage: &StageId, publications: Vec<PublicationKey>) {
        let Some(listened) = self.listened.get_mut(stage) else {
            return;
        };
        let is_there = |who: &ParticipantId| publications.iter().any(|one| one.participant == *who);
        listened.speakers.keep(is_there);
        for former in std::mem::take(&mut listened.publications) {
            if let Some(stages) = self.showing.get_mut(&former) {
                stages.remove(stage);
                if stages.is_empty() {
                    self.showing.remove(&former);
                }
            }
        }
        for publication in &publications {
            let stages = self.showing.entry(publication.clone()).or_default();
            stages.insert(stage.clone());
        }
        listened.publications = publications;
    }

    /// A stage has no listeners any more.
    fn forget(&mut self, stage: &StageId) {
        self.show(stage, Vec::new());
        self.listened.remove(stage);
        self.loud.remove(stage);
    }
}

/// Tells the listeners of stages what happens there.
#[derive(Default)]
pub(super) struct Hub {
    stages: Mutex<Stages>,
    changed: Mutex<BTreeSet<StageId>>,
    wake: Notify,
}

impl Hub {
    /// Listens to a stage. The first state follows soon, and who speaks if somebody does.
    pub(super) fn listen(&self, stage: &StageId) -> Listening {
        let listening = {
            let mut stages = self.stages();
            let listened = stages.listened.entry(stage.clone()).or_default();
            let mut speakers = listened.speaker.subscribe();
            if speakers.borrow().is_some() {
                speakers.mark_changed();
            }
            Listening {
                states: listened.state.subscribe(),
                shown: listened.shown.subscribe(),
                speakers,
            }
        };
        self.mark(stage);
        listening
    }

    /// Marks a stage whose publishers have changed.
    pub(super) fn mark(&self, stage: &StageId) {
        let is_heard = self.stages().listened.contains_key(stage);
        if is_heard {
            self.mark_all([stage.clone()]);
        }
    }

    /// Marks the stages in which this is published: that of its publisher, and those into which it is replicated.
    pub(super) fn mark_publication(&self, publication: &PublicationKey) {
        let shown = self.stages().showing.get(publication).cloned();
        let shown = shown.unwrap_or_default();
        self.mark_all(shown);
    }

    fn mark_all(&self, stages: impl IntoIterator<Item = StageId>) {
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        changed.extend(stages);
        drop(changed);
        self.wake.notify_one();
    }

    /// Waits for changes and returns the changed stages.
    pub(super) async fn changed(&self) -> BTreeSet<StageId> {
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

    /// Pushes a state, with who is shown; a stage without listeners is forgotten.
    pub(super) fn push(&self, stage: &StageId, state: StageState, shown: Vec<Shown>) {
        let mut stages = self.stages();
        let publications = shown.iter().map(|one| one.publication.clone()).collect();
        stages.show(stage, publications);
        let Some(listened) = stages.listened.get(stage) else {
            return;
        };
        let is_read = listened.state.send(Some(state)).is_ok();
        if listened.shown.send(Some(shown.into())).is_err() && !is_read {
            stages.forget(stage);
        }
    }

    /// Takes how loud publications are, in −dBov, and tells the listeners of each stage in which they are shown who speaks, where that
    /// has changed.
    pub(super) fn hear(&self, now: Instant, heard: &HashMap<PublicationKey, i8>) {
        let mut stages = self.stages();
        let stages = &mut *stages;
        for (publication, level) in heard {
            for stage in stages.showing.get(publication).into_iter().flatten() {
                if let Some(listened) = stages.listened.get_mut(stage) {
                    listened
                        .speakers
                        .hear(now, &publication.participant, *level);
                    if !stages.loud.contains(stage) {
                        stages.loud.insert(stage.clone());
                    }
                }
            }
        }
        let listened = &mut stages.listened;
        stages.loud.retain(|stage| {
            let Some(listened) = listened.get_mut(stage) else {
                return false;
            };
            if let Some(speaking) = listened.speakers.decide(now) {
                let text = speaker_text(stage, &speaking);
                listened.speaker.send_replace(Some(text));
            }
            !listened.speakers.is_silent()
        });
    }

    fn stages(&self) -> MutexGuard<'_, Stages> {
        self.stages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use restage_core::id::StageSessionId;

    use super::*;

    #[tokio::test]
    async fn a_slow_listener_sees_the_newest_state_only() {
        let hub = Hub::default();
        let stage = StageId::new("A");
        let mut listener = hub.listen(&stage).states;
        assert_eq!(hub.changed().await, BTreeSet::from([stage.clone()]));
        hub.push(&stage, "one".into(), Vec::new());
        hub.push(&stage, "two".into(), Vec::new());
        listener.changed().await.unwrap();
        assert_eq!(listener.borrow_and_update().as_deref(), Some("two"));
        drop(listener);
        hub.push(&stage, "three".into(), Vec::new());
        hub.mark(&stage);
        assert!(hub.changed.lock().unwrap().is_empty());
    }

    fn shown(session: &str) -> Shown {
        Shown {
            participant: crate::composition::people::tests::participant("ann"),
            publication: key(session),
            muted: Muted::default(),
        }
    }

    fn key(session: &str) -> PublicationKey {
        PublicationKey {
            session: StageSessionId::new(session),
            participant: ParticipantId::new("ann"),
        }
    }

    #[tokio::test]
    async fn who_speaks_is_told_in_each_stage_that_shows_it_and_to_those_who_come_later() {
        let hub = Hub::default();
        let stages = ["source", "destination", "other"].map(StageId::new);
        let mut listeners = stages.each_ref().map(|stage| hub.listen(stage));
        for (stage, session) in stages.iter().zip(["st-1", "st-1", "st-2"]) {
            hub.push(stage, "state".into(), vec![shown(session)]);
        }
        let begun = now();
        let heard = HashMap::from([(key("st-1"), -20)]);
        for ms in [0, 250, 500, 750] {
            hub.hear(begun + Duration::from_millis(ms), &heard);
        }
        for (place, listener) in listeners.iter().enumerate() {
            assert_eq!(
                listener.speakers.has_changed().unwrap(),
                place < 2,
                "{place}"
            );
        }
        let text = listeners[1].speakers.borrow_and_update().clone().unwrap();
        assert_eq!(
            &*text,
            r#"{"type":"STAGE_ACTIVE_SPEAKER_CHANGED","payload":{"stageId":"destination","participantId":"ann","speaking":["ann"]}}"#
        );
        assert!(hub.listen(&stages[1]).speakers.has_changed().unwrap());
        // It leaves.
        hub.push(&stages[1], "state".into(), Vec::new());
        hub.hear(begun + Duration::from_millis(900), &HashMap::new());
        let text = listeners[1].speakers.borrow_and_update().clone().unwrap();
        assert!(
            text.contains(r#""participantId":null,"speaking":[]"#),
            "{text}"
        );
        let nobody = hub.listen(&StageId::new("silent"));
        assert!(!nobody.speakers.has_changed().unwrap());
    }

    #[tokio::test]
    async fn a_publication_marks_each_stage_that_shows_it() {
        let hub = Hub::default();
        let stages = ["source", "destination", "other"].map(StageId::new);
        let _listeners = stages.each_ref().map(|stage| hub.listen(stage));
        for (stage, session) in stages.iter().zip(["st-1", "st-1", "st-2"]) {
            hub.push(stage, "state".into(), vec![shown(session)]);
        }
        hub.changed().await;
        hub.mark_publication(&key("st-1"));
        let marked = BTreeSet::from([stages[0].clone(), stages[1].clone()]);
        assert_eq!(hub.changed().await, marked);
    }

    #[allow(clippy::disallowed_methods)]
    fn now() -> Instant {
        Instant::now()
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
