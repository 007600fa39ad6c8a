//! Tells the client of an events socket what its participant is shown, in the terms of the service's web broadcast SDK guide.
//!
//! Only the newest state of each subscription is kept. A socket that is read slowly is told what has changed since it was told
//! last, so nothing queues up.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use restage_core::id::{ConnectionId, ParticipantId, StageId};
use restage_media::{LayerWanted, PauseReason, StreamLayer, StreamState};
use serde::Serialize;
use tokio::sync::Notify;

use super::layers;

/// Most subscriptions of which one events socket is told. Further ones are not reported.
pub const STREAMS_MAX: usize = 256;

/// What the participant of a socket is shown, by publisher.
#[derive(Debug, Default)]
pub(super) struct Streams {
    shown: Mutex<BTreeMap<ParticipantId, Shown>>,
    /// Which of its own layers are wanted, as far as the client was not told.
    layers: Mutex<Option<(ConnectionId, Vec<LayerWanted>)>>,
    wake: Notify,
}

#[derive(Debug)]
struct Shown {
    session: ConnectionId,
    state: StreamState,
    /// What the client was told.
    told: Option<StreamState>,
}

impl Streams {
    /// A subscription is shown this from now on.
    pub(super) fn show(
        &self,
        publisher: &ParticipantId,
        session: &ConnectionId,
        state: StreamState,
    ) {
        let mut shown = self.shown();
        match shown.get_mut(publisher) {
            Some(known) if known.session == *session => known.state = state,
            // One that replaces another is told anew.
            known => {
                if known.is_none() && shown.len() >= STREAMS_MAX {
                    return;
                }
                let session = session.clone();
                let told = None;
                let new = Shown {
                    session,
                    state,
                    told,
                };
                shown.insert(publisher.clone(), new);
            }
        }
        drop(shown);
        self.wake.notify_one();
    }

    /// These layers of the participant's own publishing connection are wanted from now on.
    pub(super) fn want_layers(&self, session: &ConnectionId, layers: Vec<LayerWanted>) {
        *self.layers() = Some((session.clone(), layers));
        self.wake.notify_one();
    }

    fn layers(&self) -> MutexGuard<'_, Option<(ConnectionId, Vec<LayerWanted>)>> {
        self.layers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A subscription has ended.
    pub(super) fn end(&self, publisher: &ParticipantId, session: &ConnectionId) {
        let mut shown = self.shown();
        if shown
            .get(publisher)
            .is_some_and(|known| known.session == *session)
        {
            shown.remove(publisher);
        }
    }

    #[cfg(test)]
    pub(super) fn state(&self, publisher: &ParticipantId) -> Option<StreamState> {
        let shown = self.shown();
        shown.get(publisher).map(|shown| shown.state.clone())
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shown().len()
    }

    fn shown(&self) -> MutexGuard<'_, BTreeMap<ParticipantId, Shown>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The client's end: messages about what its participant is shown.
#[derive(Debug)]
pub struct StreamNews {
    streams: Arc<Streams>,
    stage: StageId,
    participant: ParticipantId,
}

impl StreamNews {
    pub(super) fn new(streams: Arc<Streams>, stage: &StageId, participant: &ParticipantId) -> Self {
        Self {
            streams,
            stage: stage.clone(),
            participant: participant.clone(),
        }
    }

    /// Waits until something has changed. Returns the messages about one subscription, as JSON: at most six.
    pub async fn next(&self) -> Vec<String> {
        loop {
            let messages = self.take();
            if !messages.is_empty() {
                return messages;
            }
            self.streams.wake.notified().await;
        }
    }

    fn take(&self) -> Vec<String> {
        if let Some((session, layers)) = self.streams.layers().take() {
            let (stage, participant) = (&self.stage, &self.participant);
            return vec![layers::text(stage, participant, &session, &layers)];
        }
        let mut shown = self.streams.shown();
        let is_news = |shown: &&mut Shown| shown.told.as_ref() != Some(&shown.state);
        let news = shown
            .iter_mut()
            .find_map(|(publisher, shown)| is_news(&shown).then_some((publisher, shown)));
        let Some((publisher, shown)) = news else {
            return Vec::new();
        };
        let told = shown.told.replace(shown.state.clone());
        let about = About {
            stage_id: self.stage.as_str(),
            participant_id: self.participant.as_str(),
            remote_participant_id: publisher.as_str(),
            session: shown.session.as_str(),
        };
        messages(&about, told.as_ref(), &shown.state)
    }
}

/// Whose stream a message is about: the same members as in SUBSCRIBE_ERROR.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
struct About<'a> {
    stage_id: &'a str,
    participant_id: &'a str,
    remote_participant_id: &'a str,
    session: &'a str,
}

#[derive(Serialize)]
struct Message<'a> {
    r#type: &'static str,
    payload: Payload<'a>,
}

#[derive(Serialize)]
struct Payload<'a> {
    #[serde(flatten)]
    about: About<'a>,
    #[serde(flatten)]
    news: News<'a>,
}

#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum News<'a> {
    Layers {
        layers: Vec<Layer<'a>>,
    },
    Selected {
        layer: Option<Layer<'a>>,
        reason: &'static str,
    },
    Adaption {
        is_adapting: bool,
    },
    Mute {
        kind: &'static str,
        is_muted: bool,
    },
    Pause {
        is_paused: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'static str>,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Layer<'a> {
    label: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
    bitrate: u64,
    frames_per_second: u64,
    selected: bool,
}

impl<'a> Layer<'a> {
    fn of(layer: &'a StreamLayer, selected: bool) -> Self {
        Self {
            label: layer.label.name(),
            rid: layer.rid.as_deref(),
            width: layer.size.map(|size| size.width),
            height: layer.size.map(|size| size.height),
            bitrate: layer.bits_per_s,
            frames_per_second: layer.frames_per_s,
            selected,
        }
    }
}

fn pause_name(reason: PauseReason) -> &'static str {
    match reason {
        PauseReason::Network => "NETWORK",
        PauseReason::Wish => "WISH",
        PauseReason::Overload => "OVERLOAD",
    }
}

/// The messages that say how a state differs from what was told.
fn messages(about: &About<'_>, told: Option<&StreamState>, state: &StreamState) -> Vec<String> {
    let nothing = StreamState::default();
    let before = told.unwrap_or(&nothing);
    let is_first = told.is_none();
    let mut news = Vec::new();
    if !are_same(&before.layers, &state.layers) {
        let layers = state.layers.iter().enumerate();
        let layers = layers
            .map(|(place, layer)| Layer::of(layer, state.selected == Some(place)))
            .collect();
        news.push(("STAGE_STREAM_LAYERS_CHANGED", News::Layers { layers }));
    }
    if is_first || before.is_adapting != state.is_adapting {
        let is_adapting = state.is_adapting;
        news.push((
            "STAGE_STREAM_ADAPTION_CHANGED",
            News::Adaption { is_adapting },
        ));
    }
    if selected(before) != selected(state) || before.is_best_effort != state.is_best_effort {
        let layer = selected(state).map(|layer| Layer::of(layer, true));
        let reason = match state.is_best_effort {
            true => "UNAVAILABLE",
            false => "SELECTED",
        };
        news.push((
            "STAGE_STREAM_LAYER_SELECTED",
            News::Selected { layer, reason },
        ));
    }
    if before.pause != state.pause {
        let is_paused = state.pause.is_some();
        let reason = state.pause.map(pause_name);
        news.push((
            "STAGE_STREAM_PAUSE_CHANGED",
            News::Pause { is_paused, reason },
        ));
    }
    for (kind, before, is_muted) in [
        ("audio", before.is_audio_stopped, state.is_audio_stopped),
        ("video", before.is_video_stopped, state.is_video_stopped),
    ] {
        if before != is_muted {
            news.push(("STAGE_STREAM_MUTE_CHANGED", News::Mute { kind, is_muted }));
        }
    }
    let text = |(r#type, news)| {
        let payload = Payload {
            about: *about,
            news,
        };
        serde_json::to_string(&Message { r#type, payload }).unwrap_or_default()
    };
    news.into_iter().map(text).collect()
}

/// Whether these are the same layers, whatever their rates are at present.
fn are_same(before: &[StreamLayer], after: &[StreamLayer]) -> bool {
    before.len() == after.len()
        && before.iter().zip(after).all(|(before, after)| {
            (before.label, &before.rid, before.size) == (after.label, &after.rid, after.size)
        })
}

/// What names the selected layer.
fn selected(state: &StreamState) -> Option<&StreamLayer> {
    state.layers.get(state.selected?)
}

#[cfg(test)]
mod tests {
    use restage_media::{LayerLabel, PictureSize};
    use serde_json::{Value, json};

    use super::*;

    fn layer(label: LayerLabel, height: u32, bits_per_s: u64) -> StreamLayer {
        StreamLayer {
            label,
            rid: Some(format!("r{height}")),
            size: Some(PictureSize {
                width: height * 16 / 9,
                height,
            }),
            bits_per_s,
            frames_per_s: 30,
        }
    }

    fn state(selected: usize) -> StreamState {
        StreamState {
            layers: vec![
                layer(LayerLabel::Low, 180, 200_000),
                layer(LayerLabel::Hi, 720, 1_700_000),
            ],
            selected: Some(selected),
            is_adapting: true,
            ..StreamState::default()
        }
    }

    struct Rig {
        streams: Arc<Streams>,
        news: StreamNews,
        publisher: ParticipantId,
        session: ConnectionId,
    }

    impl Rig {
        fn new() -> Self {
            let streams: Arc<Streams> = Arc::default();
            let (stage, ann) = (StageId::new("A"), ParticipantId::new("ann"));
            Self {
                news: StreamNews::new(Arc::clone(&streams), &stage, &ann),
                streams,
                publisher: ParticipantId::new("bob"),
                session: ConnectionId::new("c1"),
            }
        }

        /// Shows this and returns what the client is told.
        fn show(&self, state: StreamState) -> Vec<Value> {
            self.streams.show(&self.publisher, &self.session, state);
            self.told()
        }

        fn told(&self) -> Vec<Value> {
            let texts = self.news.take();
            let values = texts.iter().map(|text| serde_json::from_str(text).unwrap());
            values.collect()
        }
    }

    fn kinds(told: &[Value]) -> Vec<&str> {
        told.iter()
            .map(|one| one["type"].as_str().unwrap())
            .collect()
    }

    #[test]
    fn a_new_subscription_is_told_everything_and_then_what_changes() {
        let rig = Rig::new();
        let told = rig.show(state(0));
        assert_eq!(
            kinds(&told),
            [
                "STAGE_STREAM_LAYERS_CHANGED",
                "STAGE_STREAM_ADAPTION_CHANGED",
                "STAGE_STREAM_LAYER_SELECTED"
            ]
        );
        let low = json!({
            "label": "low", "rid": "r180", "width": 320, "height": 180, "bitrate": 200_000, "framesPerSecond": 30, "selected": true
        });
        assert_eq!(
            told[2],
            json!({
                "type": "STAGE_STREAM_LAYER_SELECTED",
                "payload": {
                    "stageId": "A",
                    "participantId": "ann",
                    "remoteParticipantId": "bob",
                    "session": "c1",
                    "layer": low,
                    "reason": "SELECTED",
                }
            })
        );
        assert_eq!(told[0]["payload"]["layers"][0], low);
        assert_eq!(told[0]["payload"]["layers"][1]["selected"], false);
        assert_eq!(kinds(&rig.show(state(1))), ["STAGE_STREAM_LAYER_SELECTED"]);
        assert!(rig.show(state(1)).is_empty());
        assert!(rig.told().is_empty());
    }

    #[test]
    fn a_pause_is_told_with_its_reason_and_its_end() {
        let rig = Rig::new();
        rig.show(state(0));
        let paused = StreamState {
            selected: None,
            pause: Some(PauseReason::Network),
            ..state(0)
        };
        let told = rig.show(paused);
        assert_eq!(
            kinds(&told),
            ["STAGE_STREAM_LAYER_SELECTED", "STAGE_STREAM_PAUSE_CHANGED"]
        );
        assert_eq!(told[0]["payload"]["layer"], Value::Null);
        assert_eq!(told[1]["payload"]["isPaused"], true);
        assert_eq!(told[1]["payload"]["reason"], "NETWORK");
        let told = rig.show(state(0));
        assert_eq!(told[1]["payload"]["isPaused"], false);
        assert_eq!(told[1]["payload"].get("reason"), None);
    }

    #[test]
    fn a_track_that_stops_is_told_as_muted_and_its_return_too() {
        let rig = Rig::new();
        rig.show(state(0));
        let stopped = StreamState {
            is_audio_stopped: true,
            is_video_stopped: true,
            ..state(0)
        };
        let told = rig.show(stopped.clone());
        assert_eq!(kinds(&told), ["STAGE_STREAM_MUTE_CHANGED"; 2]);
        assert_eq!(told[0]["payload"]["kind"], "audio");
        assert_eq!(told[0]["payload"]["isMuted"], true);
        let told = rig.show(StreamState {
            is_video_stopped: false,
            ..stopped
        });
        assert_eq!(told.len(), 1);
        assert_eq!(told[0]["payload"]["kind"], "video");
        assert_eq!(told[0]["payload"]["isMuted"], false);
    }

    #[test]
    fn a_layer_that_was_not_asked_for_is_best_effort() {
        let rig = Rig::new();
        rig.show(state(1));
        let told = rig.show(StreamState {
            is_best_effort: true,
            is_adapting: false,
            ..state(0)
        });
        assert_eq!(
            kinds(&told),
            [
                "STAGE_STREAM_ADAPTION_CHANGED",
                "STAGE_STREAM_LAYER_SELECTED"
            ]
        );
        assert_eq!(told[0]["payload"]["isAdapting"], false);
        assert_eq!(told[1]["payload"]["reason"], "UNAVAILABLE");
    }

    #[test]
    fn a_slow_client_is_told_the_newest_state_only() {
        let rig = Rig::new();
        for _ in 0..10_000 {
            rig.streams.show(&rig.publisher, &rig.session, state(1));
            rig.streams.show(&rig.publisher, &rig.session, state(0));
        }
        assert_eq!(rig.told().len(), 3);
        assert!(rig.told().is_empty());
    }

    #[test]
    fn another_session_is_told_anew_and_the_end_of_the_former_one_is_not_its_end() {
        let mut rig = Rig::new();
        rig.show(state(0));
        let former = std::mem::replace(&mut rig.session, ConnectionId::new("c2"));
        let told = rig.show(state(0));
        assert_eq!(told.len(), 3);
        assert_eq!(told[0]["payload"]["session"], "c2");
        rig.streams.end(&rig.publisher, &former);
        assert_eq!(rig.streams.len(), 1);
        rig.streams.end(&rig.publisher, &rig.session);
        assert_eq!(rig.streams.len(), 0);
    }

    #[test]
    fn the_board_is_bounded() {
        let rig = Rig::new();
        for number in 0..STREAMS_MAX + 10 {
            let publisher = ParticipantId::new(format!("p{number}"));
            rig.streams.show(&publisher, &rig.session, state(0));
        }
        assert_eq!(rig.streams.len(), STREAMS_MAX);
        let publisher = ParticipantId::new("p0");
        rig.streams.show(&publisher, &rig.session, state(1));
        let mut told = 0;
        while !rig.told().is_empty() {
            told += 1;
        }
        assert_eq!(told, STREAMS_MAX);
    }

    #[test]
    fn of_the_layers_that_are_wanted_the_newest_are_told() {
        let rig = Rig::new();
        let layers = |is_wanted| {
            let layer = |rid: &str, is_wanted| LayerWanted {
                rid: rid.to_owned(),
                is_wanted,
            };
            vec![layer("q", true), layer("f", is_wanted)]
        };
        rig.streams.want_layers(&rig.session, layers(true));
        rig.streams.want_layers(&rig.session, layers(false));
        let told: Vec<Value> = (rig.news.take().iter())
            .map(|text| serde_json::from_str(text).unwrap())
            .collect();
        let expected = json!({
            "type": "PUBLISH_LAYERS_WANTED",
            "payload": {
                "stageId": "A",
                "participantId": "ann",
                "session": "c1",
                "layers": [
                    { "rid": "q", "isWanted": true },
                    { "rid": "f", "isWanted": false },
                ],
            },
        });
        assert_eq!(told, [expected]);
        assert!(rig.news.take().is_empty());
    }

    #[tokio::test]
    async fn a_change_wakes_the_reader() {
        let rig = Rig::new();
        let (streams, publisher, session) = (
            Arc::clone(&rig.streams),
            rig.publisher.clone(),
            rig.session.clone(),
        );
        let writer = tokio::spawn(async move {
            tokio::task::yield_now().await;
            streams.show(&publisher, &session, state(0));
        });
        assert_eq!(rig.news.next().await.len(), 3);
        writer.await.unwrap();
    }
}
