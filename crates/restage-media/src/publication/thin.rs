//! Which frames of an encoding go through an outlet: those up to a spatial and a temporal layer, so that smaller or fewer pictures come
//! and all of them decode.
//!
//! What goes through changes between two pictures. Frames of higher layers end at once. Those of higher temporal layers come again where
//! nothing that they use is missing: at a key frame, at a frame that says so (Y in RFC 7741 §4.2), or after one that says so of all that
//! follow (U in RFC 9628 §4.2). Those of higher spatial layers come again at a key frame. Where the dependency descriptor is sent on, layers
//! of both kinds come again at a frame that it calls a switch to them (RTP Payload Format For AV1 §A.7).
//!
//! Frames that no higher spatial layer uses (Z in RFC 9628 §4.2) do not go through where a higher layer does. Encoders of such streams leave
//! out frames of single layers, so that pictures have no end that a marker shows: libwebrtc sets it in the highest layer only, and decodes
//! nothing of a picture without it, nor what uses that. With one frame in each picture nothing is missing. Those of lower layers come again
//! at a key frame.

use restage_codec::FramePlace;
use restage_codec::dependency::{Descriptor, Layers};

use crate::packet::{Cut, Packet};

/// What goes through.
#[derive(Debug)]
pub(crate) struct Thinner {
    /// The layers of which nothing is missing that later frames use.
    complete: Cut,
    /// The lowest spatial layer of which nothing is missing that later frames use.
    lowest: u8,
    /// What is sent of the picture that was decided last.
    limit: Cut,
    /// The frame that was decided last.
    frame: Option<Decided>,
    /// The lowest temporal layer of which a frame was left out since the newest frame of the base.
    missed: Option<u8>,
    /// The present picture is sent, and later ones use nothing of higher temporal layers from before it.
    opens: bool,
    /// A higher spatial layer is wanted, for which a key frame is needed.
    is_waiting: bool,
    /// The same of a lower one.
    is_too_large: bool,
}

#[derive(Debug, Clone, Copy)]
struct Decided {
    time: u64,
    spatial: u8,
    is_sent: bool,
}

/// The decision about a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passage {
    /// It is sent.
    Open,
    /// It is left out.
    Closed {
        /// So was a packet of the same picture before it: what is missing in between is left out, too.
        goes_on: bool,
    },
}

impl Default for Thinner {
    fn default() -> Self {
        Self {
            complete: Cut::WHOLE,
            lowest: 0,
            limit: Cut::WHOLE,
            frame: None,
            missed: None,
            opens: false,
            is_waiting: false,
            is_too_large: false,
        }
    }
}

impl Thinner {
    /// Whether something is missing that later frames use. If not, and if nothing is to be left out, [`pass`](Self::pass) need not be asked.
    #[inline]
    pub(crate) fn is_active(&self) -> bool {
        self.complete != Cut::WHOLE || self.lowest > 0
    }

    /// What is sent now.
    pub(crate) fn current(&self) -> Cut {
        self.limit
    }

    /// Whether a key frame is needed for what is wanted.
    pub(crate) fn is_waiting(&self) -> bool {
        self.is_waiting || self.is_too_large
    }

    /// Whether a lower spatial layer is wanted than is sent, for which a key frame is needed.
    pub(crate) fn is_too_large(&self) -> bool {
        self.is_too_large
    }

    /// Nothing is to be left out from now on.
    pub(crate) fn lift(&mut self) {
        self.limit = self.complete;
    }

    /// Whether a packet ends its picture for this outlet: frames of higher spatial layers follow, but not here.
    #[inline]
    pub(crate) fn ends_picture(&self, frame: &FramePlace) -> bool {
        frame.ends && frame.spatial == self.limit.spatial
    }

    /// Decides about a packet of the encoding that is forwarded, when `wanted` is what should be sent of it.
    pub(crate) fn pass(&mut self, packet: &Packet, wanted: Cut) -> Passage {
        let key = (packet.time, packet.frame.spatial);
        if let Some(last) = self.frame
            && key <= (last.time, last.spatial)
            && !packet.starts_key_frame
        {
            let is_late = key < (last.time, last.spatial);
            if is_late && !self.takes(&packet.frame) {
                // It would keep its picture from being decoded.
                return Passage::Closed { goes_on: false };
            }
            // What is late was waited for: its number is still free, or it was given none.
            return match last.is_sent || is_late {
                true => Passage::Open,
                false => Passage::Closed { goes_on: true },
            };
        }
        let before = self.frame.filter(|last| last.time == packet.time);
        let is_sent = self.decide(packet, before.is_none(), wanted);
        self.frame = Some(Decided {
            time: packet.time,
            spatial: packet.frame.spatial,
            is_sent,
        });
        match is_sent {
            true => Passage::Open,
            false => Passage::Closed {
                goes_on: before.is_some_and(|before| !before.is_sent),
            },
        }
    }

    /// Decides about a frame by its first packet that has come.
    fn decide(&mut self, packet: &Packet, is_new_picture: bool, wanted: Cut) -> bool {
        let frame = &packet.frame;
        if packet.starts_key_frame {
            self.complete = Cut::WHOLE;
            self.lowest = 0;
            self.missed = None;
        }
        if is_new_picture || packet.starts_key_frame {
            if let Some(descriptor) = &packet.descriptor {
                self.climb(descriptor, self.complete, wanted);
            }
            self.begin_picture(wanted, highest_of(frame));
        }
        if frame.temporal == 0 {
            self.missed = None;
        } else if frame.is_sync && frame.starts && frame.temporal <= wanted.temporal {
            self.rise(frame.temporal);
        }
        let is_small_enough = frame.spatial <= self.limit.spatial;
        let is_slow_enough = frame.temporal <= self.limit.temporal;
        let is_needed = self.takes(frame);
        if !is_small_enough {
            self.complete.spatial = self.limit.spatial;
        }
        if !is_slow_enough {
            self.complete.temporal = self.limit.temporal;
            let missed = self.missed.unwrap_or(frame.temporal);
            self.missed = Some(missed.min(frame.temporal));
        }
        let is_sent = is_small_enough && is_slow_enough && is_needed;
        match &packet.descriptor {
            // The lowest frame that is sent says it for those above.
            None if frame.spatial == 0 || frame.is_alone && is_sent => {
                self.opens = frame.opens && is_sent;
            }
            // The marker of this picture may have been sent with a lower spatial layer.
            Some(descriptor) => self.climb(
                descriptor,
                self.limit,
                Cut {
                    spatial: self.limit.spatial,
                    ..wanted
                },
            ),
            None => {}
        }
        is_sent
    }

    /// `highest`: the highest spatial layer that there is.
    fn begin_picture(&mut self, wanted: Cut, highest: u8) {
        if std::mem::take(&mut self.opens) {
            self.complete.temporal = self.complete.temporal.max(wanted.temporal);
        }
        let spatial = wanted.spatial.min(highest);
        self.is_waiting = spatial > self.complete.spatial;
        self.is_too_large = spatial < self.lowest;
        // Of what is too large as little as possible is sent.
        let temporal = if self.is_too_large {
            Cut::BASE.temporal
        } else {
            wanted.temporal
        };
        self.limit = Cut {
            spatial: self.complete.spatial.min(spatial).max(self.lowest),
            temporal: self.complete.temporal.min(temporal),
        };
    }

    /// Whether a frame is of use to somebody who is sent the layers up to the limit, and what it uses was sent. If not, it is left out, and
    /// what uses it will be.
    fn takes(&mut self, frame: &FramePlace) -> bool {
        let is_below = frame.spatial < self.limit.spatial.min(highest_of(frame));
        let is_needed = frame.spatial >= self.lowest && !(frame.is_alone && is_below);
        if !is_needed {
            self.lowest = self.lowest.max(frame.spatial + 1);
        }
        is_needed
    }

    /// Completes the layers up to `wanted` that a frame opens for an outlet that has been sent everything up to `complete`.
    fn climb(&mut self, descriptor: &Descriptor, complete: Cut, wanted: Cut) {
        if wanted.spatial <= self.complete.spatial && wanted.temporal <= self.complete.temporal {
            return;
        }
        let top = descriptor.top();
        let now = Layers::from(complete).meet(wanted.into()).meet(top);
        if !descriptor.layers().is_within(now) {
            return;
        }
        let Some(reached) = descriptor.switch(now, wanted.into()) else {
            return;
        };
        let or_all = |layer, top| if layer < top { layer } else { Cut::ALL };
        let reached = Cut {
            spatial: or_all(reached.spatial, top.spatial),
            temporal: or_all(reached.temporal, top.temporal),
        };
        if reached.spatial > self.complete.spatial {
            self.complete = reached;
        } else {
            self.complete.temporal = self.complete.temporal.max(reached.temporal);
        }
    }

    /// A frame of this temporal layer uses only the base. Later ones of its layer may use what came since the base.
    fn rise(&mut self, temporal: u8) {
        if self.missed.is_none_or(|missed| missed >= temporal) {
            self.complete.temporal = self.complete.temporal.max(temporal);
            self.limit.temporal = self.limit.temporal.max(temporal);
        }
    }
}

/// The highest spatial layer that there is, as far as that is known.
fn highest_of(frame: &FramePlace) -> u8 {
    frame.layers.checked_sub(1).unwrap_or(Cut::ALL)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use restage_codec::{Codec, FramePlace, MediaKind};

    use super::*;
    use crate::packet::Encoding;
    use crate::rtp::extensions::Extensions;
    use crate::sdp::format::format;
    use crate::util::test::epoch;

    /// A packet of the picture of this number. `name` is its temporal layer; `y` behind it says that it is a sync frame, `u` that it opens
    /// what follows, `k` that it begins a key frame, `-` that it is not the first packet of its frame, `a` to `c` its spatial layer, `z` that
    /// no higher one of three uses it.
    fn packet(frame: u64, name: &str) -> Packet {
        let encoding = Encoding {
            feed: 1,
            layer: 0,
            epoch: 0,
        };
        Packet {
            kind: MediaKind::Video,
            encoding,
            target: encoding,
            ladder: None,
            format: Arc::new(format(96, Codec::Vp8, "")),
            seq: 0,
            time: frame * 3_000,
            marker: true,
            starts_key_frame: name.contains('k'),
            frame: FramePlace {
                temporal: name.as_bytes()[0] - b'0',
                is_sync: name.contains('y'),
                opens: name.contains('u'),
                starts: !name.contains('-'),
                ends: true,
                spatial: "abc"
                    .chars()
                    .position(|layer| name.contains(layer))
                    .unwrap_or(0) as u8,
                is_alone: name.contains('z'),
                layers: if name.contains('z') { 3 } else { 0 },
                ..FramePlace::default()
            },
            descriptor: None,
            lead: None,
            number: 0,
            arrived: epoch(),
            wallclock: epoch(),
            report: None,
            payload: [1].as_slice().into(),
            plain: None,
            extensions: Extensions::default(),
        }
    }

    /// Runs frames through; each line is the cut that is wanted and then the frames. Returns those that were sent.
    fn run(lines: &[(Cut, &str)]) -> String {
        let mut thinner = Thinner::default();
        let mut sent = Vec::new();
        let mut number = 0;
        for (wanted, frames) in lines {
            for name in frames.split_whitespace() {
                // The frames of one picture follow each other by their spatial layers; `+` begins another one.
                let is_first = !name.contains('b') && !name.contains('c');
                number += u64::from(is_first || name.contains('+'));
                let packet = packet(number, name);
                if thinner.pass(&packet, *wanted) == Passage::Open {
                    sent.push(name);
                }
            }
            sent.push("|");
        }
        sent.join(" ")
    }

    const HALF: Cut = Cut::WHOLE.up_to(1);

    #[test]
    fn frames_of_higher_layers_end_at_once_and_come_again_at_sync_frames() {
        for (name, lines, sent) in [
            (
                "whole",
                &[(Cut::WHOLE, "0k 2y 1y 2 0 2 1 2")][..],
                "0k 2y 1y 2 0 2 1 2 |",
            ),
            ("the base", &[(Cut::BASE, "0k 2y 1y 2 0 2 1 2")], "0k 0 |"),
            ("half", &[(HALF, "0k 2y 1y 2 0 2 1 2")], "0k 1y 0 1 |"),
            (
                "down in the middle",
                &[
                    (Cut::WHOLE, "0k 2y"),
                    (HALF, "1y 2"),
                    (Cut::BASE, "0 2 1 2 0"),
                ],
                "0k 2y | 1y | 0 0 |",
            ),
            (
                "up at a sync frame and not before",
                &[
                    (Cut::BASE, "0k 2y 1y 2"),
                    (Cut::WHOLE, "0 2 1 2 0 2y 1y 2 0 2 1 2"),
                ],
                "0k | 0 0 2y 1y 2 0 2 1 2 |",
            ),
            (
                "up to half",
                &[(Cut::BASE, "0k 2y 1y 2"), (HALF, "0 2 1 2 0 2y 1y 2 0 2 1")],
                "0k | 0 0 1y 0 1 |",
            ),
            (
                "one after the other, where they are in step one after the other",
                &[(Cut::BASE, "0k 2 1 2"), (Cut::WHOLE, "0 2 1y 2 0 2y 1 2")],
                "0k | 0 1y 0 2y 1 2 |",
            ),
            (
                "not past a frame in between that was left out: later ones may use it",
                &[
                    (Cut::BASE, "0k 2 1 2"),
                    (Cut::WHOLE, "0 1 2y 1 2 0 1y 2y 1"),
                ],
                "0k | 0 0 1y 2y 1 |",
            ),
            (
                "a key frame is a new beginning",
                &[(Cut::BASE, "0k 2 1 2 0"), (Cut::WHOLE, "2 1 2 0k 2 1 2")],
                "0k 0 | 0k 2 1 2 |",
            ),
            (
                "a sync frame whose first packet is missing does not begin a layer",
                &[(Cut::BASE, "0k 2 1 2"), (Cut::WHOLE, "0 2y- 1y 2 0 2y 1")],
                "0k | 0 1y 0 2y 1 |",
            ),
            (
                "nothing is missing where nothing came",
                &[(Cut::BASE, "0k 0"), (Cut::WHOLE, "2 1 2")],
                "0k 0 | 2 1 2 |",
            ),
            (
                "a frame that opens what follows",
                &[(Cut::BASE, "0uk 2u 1u"), (Cut::WHOLE, "2u 0u 2u 1u 2u 0u")],
                "0uk | 0u 2u 1u 2u 0u |",
            ),
            (
                "it opens it only if it was sent",
                &[(Cut::BASE, "0k 2 1u"), (HALF, "2 0 1u 0u 1 2")],
                "0k | 0 0u 1 |",
            ),
            (
                "a base that is all there is is never left out",
                &[(Cut::BASE, "0k 0 0 0")],
                "0k 0 0 0 |",
            ),
        ] {
            assert_eq!(run(lines), sent, "{name}");
        }
    }

    #[test]
    fn a_frame_is_sent_to_its_end_or_not_at_all() {
        let mut thinner = Thinner::default();
        let mut pass = |frame, name, wanted| thinner.pass(&packet(frame, name), wanted);
        assert_eq!(pass(1, "0k", Cut::WHOLE), Passage::Open);
        assert_eq!(pass(2, "1", Cut::WHOLE), Passage::Open);
        assert_eq!(pass(2, "1-", Cut::BASE), Passage::Open, "it has begun");
        let closed = |goes_on| Passage::Closed { goes_on };
        assert_eq!(pass(3, "1y", Cut::BASE), closed(false));
        assert_eq!(pass(3, "1y-", Cut::WHOLE), closed(true), "it was left out");
        assert_eq!(pass(4, "0", Cut::BASE), Passage::Open);
        assert_eq!(pass(2, "1-", Cut::BASE), Passage::Open, "it was waited for");
    }

    fn spatial(layer: u8) -> Cut {
        Cut {
            spatial: layer,
            ..Cut::WHOLE
        }
    }

    #[test]
    fn spatial_layers_end_between_two_pictures_and_come_again_at_a_key_frame() {
        for (name, lines, sent) in [
            (
                "down and up",
                &[
                    (Cut::WHOLE, "0ka 0b 0c 0a 0b 0c"),
                    (spatial(1), "0a 0b 0c"),
                    (spatial(0), "0a 0b 0c"),
                    (spatial(1), "0a 0b 0c 0ka 0b 0c 0a 0b 0c"),
                ][..],
                "0ka 0b 0c 0a 0b 0c | 0a 0b | 0a | 0a 0ka 0b 0a 0b |",
            ),
            (
                "not within a picture",
                &[(Cut::WHOLE, "0ka 0b"), (Cut::BASE, "0c 0a 0b 0c")],
                "0ka 0b | 0c 0a |",
            ),
            (
                "both ways at once",
                &[(spatial(1).up_to(0), "0ka 0b 0c 1ya 1yb 1yc 0a 0b 0c")],
                "0ka 0b 0a 0b |",
            ),
        ] {
            assert_eq!(run(lines), sent, "{name}");
        }
    }

    #[test]
    fn frames_that_no_higher_layer_uses_are_sent_to_nobody_who_is_shown_one() {
        for (name, lines, sent) in [
            (
                "the middle, of pictures that lack layers",
                &[(
                    spatial(1),
                    "0ka 0b 0c 0az 0bz 0cz 0az 0cz 0+bz 0cz 0+cz 0az 0bz",
                )][..],
                "0ka 0b 0bz 0+bz 0bz |",
            ),
            (
                "the highest",
                &[(
                    Cut::WHOLE,
                    "0ka 0b 0c 0az 0bz 0cz 0az 0bz 0az 0cz 0ka 0b 0c 0az",
                )],
                "0ka 0b 0c 0cz 0cz 0ka 0b 0c |",
            ),
            (
                "the lowest",
                &[(Cut::BASE, "0ka 0b 0c 0az 0bz 0cz 0az")],
                "0ka 0az 0az |",
            ),
            (
                "down at a key frame, and as little as possible before",
                &[
                    (Cut::WHOLE, "0ka 0b 0c 0az 0bz 0cz 1az 1bz 1cz"),
                    (spatial(0), "0az 0bz 0cz 1az 1bz 1cz 0ka 0b 0c 1az 1bz 1cz"),
                ],
                "0ka 0b 0c 0cz 1cz | 0cz 0ka 1az |",
            ),
            (
                "temporal layers open by the frames that are sent",
                &[
                    (spatial(1).up_to(0), "0ka 0b 0c 1az 1bz 1cz 0azu 0bzu 0czu"),
                    (spatial(1), "1az 1bz 1cz"),
                ],
                "0ka 0b 0bzu | 1bz |",
            ),
        ] {
            assert_eq!(run(lines), sent, "{name}");
        }
    }

    #[test]
    fn a_lower_layer_that_was_left_out_waits_for_a_key_frame() {
        let mut thinner = Thinner::default();
        let mut pass = |frame, name, wanted| {
            let passage = thinner.pass(&packet(frame, name), wanted);
            (passage, thinner.is_too_large(), thinner.is_waiting())
        };
        let closed = |goes_on| Passage::Closed { goes_on };
        pass(1, "0ka", Cut::WHOLE);
        assert_eq!(pass(2, "0az", Cut::WHOLE), (closed(false), false, false));
        assert_eq!(pass(2, "0cz", Cut::WHOLE), (Passage::Open, false, false));
        let late = pass(2, "0bz-", Cut::WHOLE).0;
        assert_eq!(late, closed(false), "it is late and not needed");
        assert_eq!(pass(3, "0az", spatial(1)), (closed(false), true, true));
        assert_eq!(pass(3, "0bz", spatial(1)).0, closed(true), "it uses others");
        assert_eq!(pass(4, "0ka", spatial(1)), (Passage::Open, false, false));
        assert_eq!(pass(5, "0az", spatial(1)).0, closed(false));
        assert_eq!(pass(5, "0bz", spatial(1)).0, Passage::Open);
    }

    #[test]
    fn a_higher_spatial_layer_waits_for_a_key_frame_and_the_picture_has_an_end() {
        let mut thinner = Thinner::default();
        thinner.pass(&packet(1, "0ka"), spatial(0));
        assert!(!thinner.is_waiting());
        assert_eq!(thinner.current().spatial, 0);
        assert!(thinner.ends_picture(&packet(1, "0a").frame));
        thinner.pass(&packet(1, "0b"), spatial(0));
        thinner.pass(&packet(2, "0a"), Cut::WHOLE);
        assert!(thinner.is_waiting() && thinner.is_active());
        assert_eq!(thinner.current().spatial, 0);
        thinner.pass(&packet(3, "0ka"), Cut::WHOLE);
        assert!(!thinner.is_waiting() && !thinner.is_active());
        assert!(
            !thinner.ends_picture(&packet(3, "0a").frame),
            "there may be more"
        );
        // A stream without spatial layers never waits.
        thinner.pass(&packet(4, "0"), Cut::BASE);
        thinner.pass(&packet(5, "0"), Cut::WHOLE);
        assert!(!thinner.is_waiting());
    }

    #[test]
    fn what_is_missing_among_frames_that_are_left_out_is_left_out_too() {
        let mut thinner = Thinner::default();
        let mut pass = |name| thinner.pass(&packet(1, name), spatial(0));
        assert_eq!(pass("0ka"), Passage::Open);
        assert_eq!(pass("0b"), Passage::Closed { goes_on: false });
        assert_eq!(pass("0c"), Passage::Closed { goes_on: true });
        assert_eq!(pass("0b-"), Passage::Open, "it is late");
    }

    #[test]
    fn nothing_need_be_asked_after_a_key_frame_of_all_layers() {
        let mut thinner = Thinner::default();
        assert!(!thinner.is_active());
        thinner.pass(&packet(1, "0k"), Cut::BASE);
        assert!(!thinner.is_active(), "nothing is missing yet");
        thinner.pass(&packet(2, "1"), Cut::BASE);
        assert!(thinner.is_active());
        thinner.pass(&packet(3, "1y"), Cut::WHOLE);
        assert!(thinner.is_active(), "there may be more layers");
        thinner.pass(&packet(4, "0k"), Cut::WHOLE);
        assert!(!thinner.is_active());
    }
}
