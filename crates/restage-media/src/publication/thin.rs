//! Which frames of an encoding go through an outlet: those up to a temporal layer, so that fewer pictures come and all of them decode.
//!
//! A frame that has begun is sent to its end. Frames of higher layers end at once. They come again where nothing that they use is
//! missing: at a key frame, or at a frame that says so (Y in RFC 7741 §4.2).

use crate::packet::{Cut, Packet};

/// What goes through.
#[derive(Debug)]
pub(crate) struct Thinner {
    /// The frames that are sent now.
    current: Cut,
    /// The frame that was decided last: its timestamp, and whether it is sent.
    frame: Option<(u64, bool)>,
    /// The lowest temporal layer of which a frame was left out since the newest frame of the base.
    missed: Option<u8>,
}

/// The decision about a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passage {
    /// It is sent.
    Open,
    /// It is left out.
    Closed {
        /// So was a packet of the same frame before it: what is missing in between belongs to that frame, too.
        goes_on: bool,
    },
}

impl Default for Thinner {
    fn default() -> Self {
        Self {
            current: Cut::WHOLE,
            frame: None,
            missed: None,
        }
    }
}

impl Thinner {
    /// Whether frames are left out now. If not, and if none are to be, [`pass`](Self::pass) need not be asked.
    #[inline]
    pub(crate) fn is_active(&self) -> bool {
        self.current != Cut::WHOLE
    }

    /// Decides about a packet of the encoding that is forwarded, when `wanted` is what should be sent of it.
    pub(crate) fn pass(&mut self, packet: &Packet, wanted: Cut) -> Passage {
        if let Some((time, is_sent)) = self.frame
            && packet.time <= time
            && !packet.starts_key_frame
        {
            // What is late was waited for: its number is still free, or it was given none.
            return match is_sent || packet.time < time {
                true => Passage::Open,
                false => Passage::Closed { goes_on: true },
            };
        }
        let is_sent = self.decide(packet, wanted);
        self.frame = Some((packet.time, is_sent));
        match is_sent {
            true => Passage::Open,
            false => Passage::Closed { goes_on: false },
        }
    }

    /// Decides about a frame by its first packet that has come.
    fn decide(&mut self, packet: &Packet, wanted: Cut) -> bool {
        let frame = &packet.frame;
        if packet.starts_key_frame {
            self.current = wanted;
        }
        self.current = self.current.min(wanted);
        if frame.temporal == 0 {
            self.missed = None;
            return true;
        }
        let can_rise = frame.is_sync && frame.starts && wanted.has(frame.temporal);
        let is_whole_below = self.missed.is_none_or(|missed| missed >= frame.temporal);
        if can_rise && is_whole_below {
            self.current = self.current.max(Cut::up_to(frame.temporal));
        }
        let is_sent = self.current.has(frame.temporal);
        if !is_sent {
            let missed = self.missed.unwrap_or(frame.temporal);
            self.missed = Some(missed.min(frame.temporal));
        }
        is_sent
    }
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

    /// A packet of the frame of this number. `name` is its temporal layer; `y` behind it says that it is a sync frame, `k` that it
    /// begins a key frame, `-` that it is not the first packet of its frame.
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
                starts: !name.contains('-'),
                ..FramePlace::default()
            },
            lead: None,
            number: 0,
            arrived: epoch(),
            wallclock: epoch(),
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
                number += 1;
                let packet = packet(number, name);
                if thinner.pass(&packet, *wanted) == Passage::Open {
                    sent.push(name);
                }
            }
            sent.push("|");
        }
        sent.join(" ")
    }

    const HALF: Cut = Cut::up_to(1);

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
                &[(Cut::BASE, "0k"), (Cut::WHOLE, "0 2 1y 2 0 2y 1 2")],
                "0k | 0 1y 0 2y 1 2 |",
            ),
            (
                "not past a frame in between that was left out: later ones may use it",
                &[(Cut::BASE, "0k"), (Cut::WHOLE, "0 1 2y 1 2 0 1y 2y 1")],
                "0k | 0 0 1y 2y 1 |",
            ),
            (
                "a key frame is a new beginning",
                &[(Cut::BASE, "0k 2 1 2 0"), (Cut::WHOLE, "2 1 2 0k 2 1 2")],
                "0k 0 | 0k 2 1 2 |",
            ),
            (
                "a sync frame whose first packet is missing does not begin a layer",
                &[(Cut::BASE, "0k"), (Cut::WHOLE, "0 2y- 1y 2 0 2y 1")],
                "0k | 0 1y 0 2y 1 |",
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

    #[test]
    fn nothing_need_be_asked_after_a_key_frame_of_all_layers() {
        let mut thinner = Thinner::default();
        assert!(!thinner.is_active());
        thinner.pass(&packet(1, "0k"), Cut::BASE);
        assert!(thinner.is_active());
        thinner.pass(&packet(2, "1y"), Cut::WHOLE);
        assert!(thinner.is_active(), "there may be more layers");
        thinner.pass(&packet(3, "0k"), Cut::WHOLE);
        assert!(!thinner.is_active());
    }
}
