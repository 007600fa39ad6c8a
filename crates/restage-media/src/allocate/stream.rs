//! What a subscriber is told about what it is shown.

use restage_codec::{MediaKind, PictureSize};

use super::wish::{LayerLabel, Wish};
use crate::limits::LAYERS_MAX;
use crate::packet::{Cut, Encoding, Ladder, place_of};
use crate::rtp::extensions::RidName;

/// What a subscriber is shown of a publication's pictures, in the terms of the service's broadcast SDK.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamState {
    /// The layers that there are, smallest first: those that the publisher sends, and those that it would send if somebody wanted them.
    pub layers: Vec<StreamLayer>,
    /// Index of the one that is sent to the subscriber; `None` before the first picture, and while there are none.
    pub selected: Option<usize>,
    /// The layer that the subscriber prefers is not there, or its network does not carry it: what is selected is the best instead of it.
    pub is_best_effort: bool,
    /// The server chooses the layer. It does unless the subscriber prefers one.
    pub is_adapting: bool,
    /// Why no pictures are sent, if that is so.
    pub pause: Option<PauseReason>,
    /// The publisher sends no sound any more: it is muted, or its device is off.
    pub is_audio_stopped: bool,
    /// The publisher sends no pictures any more.
    pub is_video_stopped: bool,
}

/// A layer of a publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamLayer {
    /// Its name by its place.
    pub label: LayerLabel,
    /// The publisher's name for it, if it has one.
    pub rid: Option<String>,
    /// Size of its pictures, if it is known.
    pub size: Option<PictureSize>,
    /// RTP payload in bits per second, when this was told.
    pub bits_per_s: u64,
    /// Pictures a second, when this was told.
    pub frames_per_s: u64,
}

/// Why a subscriber is sent no pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PauseReason {
    /// Its network does not carry the smallest layer. Sound goes on, and the pictures come back when they fit.
    Network,
    /// It does not wish for any.
    Wish,
    /// The server has no processor time for them.
    Overload,
}

/// The part of a [`StreamState`] that is told when it changes, in a form that is compared without memory of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Snapshot {
    layers: [Option<Shape>; LAYERS_MAX],
    selected: Option<usize>,
    is_best_effort: bool,
    is_adapting: bool,
    pause: Option<PauseReason>,
    stopped: [bool; 2],
}

/// A layer without its rate, which always varies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shape {
    /// An encoder that starts anew is the same layer.
    feed: u64,
    layer: u8,
    spatial: u8,
    rid: Option<RidName>,
    size: Option<PictureSize>,
}

impl Snapshot {
    /// What a subscriber with this wish is shown, when `current` is what it was sent last. `stopped` says of which kinds the publisher
    /// sends no more.
    pub(crate) fn new(
        ladder: &Ladder,
        wish: &Wish,
        current: Option<(Encoding, Cut)>,
        pause: Option<PauseReason>,
        stopped: [bool; 2],
    ) -> Self {
        let mut layers = [None; LAYERS_MAX];
        for (layer, rung) in layers.iter_mut().zip(ladder) {
            *layer = Some(Shape {
                feed: rung.encoding.feed,
                layer: rung.encoding.layer,
                spatial: rung.cut.spatial,
                rid: rung.rid,
                size: rung.size,
            });
        }
        let selected = current.and_then(|(encoding, cut)| place_of(ladder, encoding, cut));
        let selected = selected.filter(|_| pause.is_none());
        Self {
            layers,
            selected,
            is_best_effort: selected.is_some_and(|place| !wish.is_met_by(place, ladder)),
            is_adapting: wish.preferred.is_none(),
            pause,
            stopped,
        }
    }

    /// Whether there is anything to tell of a subscriber that was told nothing yet.
    pub(crate) fn is_worth_telling(&self) -> bool {
        self.selected.is_some() || self.pause.is_some() || self.stopped != [false; 2]
    }

    /// The state in the form in which it is told.
    pub(crate) fn state(&self, ladder: &Ladder) -> StreamState {
        let count = ladder.len().min(LAYERS_MAX);
        let layers = ladder.iter().take(count).enumerate();
        StreamState {
            layers: layers
                .map(|(place, rung)| StreamLayer {
                    label: LayerLabel::of(place, count),
                    rid: rung.rid.map(|rid| rid.as_str().to_owned()),
                    size: rung.size,
                    bits_per_s: rung.bits_per_s,
                    frames_per_s: rung.frames_per_s,
                })
                .collect(),
            selected: self.selected,
            is_best_effort: self.is_best_effort,
            is_adapting: self.is_adapting,
            pause: self.pause,
            is_audio_stopped: self.stopped[MediaKind::Audio.index()],
            is_video_stopped: self.stopped[MediaKind::Video.index()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allocate::wish::PreferredLayer;
    use crate::packet::{Cuts, Rung};

    fn rung(layer: u8, rid: &str, bits_per_s: u64) -> Rung {
        Rung {
            encoding: Encoding {
                feed: 1,
                layer,
                epoch: 0,
            },
            cut: Cut::WHOLE,
            rid: RidName::new(rid),
            size: None,
            bits_per_s,
            wire_bits_per_s: bits_per_s,
            peak_bits_per_s: bits_per_s,
            least_bits_per_s: bits_per_s,
            frames_per_s: 30,
            cuts: Cuts::default(),
        }
    }

    fn of(ladder: &Ladder, wish: &Wish, layer: u8, pause: Option<PauseReason>) -> Snapshot {
        let current = Encoding {
            feed: 1,
            layer,
            epoch: 3,
        };
        Snapshot::new(ladder, wish, Some((current, Cut::WHOLE)), pause, [false; 2])
    }

    #[test]
    fn rates_that_vary_are_no_news_and_a_layer_that_comes_is() {
        let wish = Wish::default();
        let before = of(&[rung(0, "q", 100), rung(1, "f", 900)], &wish, 1, None);
        let same = of(&[rung(0, "q", 120), rung(1, "f", 700)], &wish, 1, None);
        assert_eq!(before, same);
        let more = [rung(0, "q", 100), rung(2, "h", 400), rung(1, "f", 900)];
        assert_ne!(of(&more, &wish, 1, None), before);
        let state = of(&more, &wish, 1, None).state(&more);
        let labels: Vec<_> = state
            .layers
            .iter()
            .map(|layer| layer.label.name())
            .collect();
        assert_eq!(labels, ["low", "mid", "hi"]);
        assert_eq!((state.selected, state.is_adapting), (Some(2), true));
    }

    #[test]
    fn a_preferred_layer_ends_adaption_and_another_one_is_best_effort() {
        let ladder = [rung(0, "q", 100), rung(1, "f", 900)];
        let wish = Wish {
            preferred: PreferredLayer::named("hi"),
            ..Wish::default()
        };
        let low = of(&ladder, &wish, 0, None).state(&ladder);
        assert!(low.is_best_effort && !low.is_adapting);
        let high = of(&ladder, &wish, 1, None).state(&ladder);
        assert!(!high.is_best_effort && high.selected == Some(1));
    }

    #[test]
    fn nothing_is_selected_while_pictures_are_paused() {
        let ladder = [rung(0, "", 100)];
        let paused = of(&ladder, &Wish::default(), 0, Some(PauseReason::Network));
        assert_eq!(paused.selected, None);
        assert!(paused.is_worth_telling());
        let nothing = |stopped| Snapshot::new(&ladder, &Wish::default(), None, None, stopped);
        assert!(!nothing([false; 2]).is_worth_telling());
        assert!(nothing([true, false]).is_worth_telling());
    }
}
