//! The newest key frame of each layer and what followed it, so that a new outlet can start at once instead of waiting for the
//! publisher to answer a request.

use std::time::Instant;

use crate::limits::{HEAD_AGE_MAX, HEAD_PACKETS_MAX, LAYERS_MAX};
use crate::packet::Encoding;
use crate::packet::Packet;

/// The stored packets of a publication's layers.
#[derive(Debug, Default)]
pub(crate) struct Heads {
    layers: [Head; LAYERS_MAX],
}

/// The packets since a layer's newest key frame, in the order of their numbers.
#[derive(Debug, Default)]
struct Head {
    packets: Vec<Packet>,
    /// Too many packets followed: only the key frame is kept.
    is_still: bool,
}

/// What a new outlet is given.
#[derive(Debug)]
pub(crate) struct Start<'a> {
    /// The packets; the first begins a key frame.
    pub(crate) packets: &'a [Packet],
    /// Live packets do not build on these: the next key frame has to be waited for.
    pub(crate) is_still: bool,
    /// Whether no number is missing between the packets.
    pub(crate) is_unbroken: bool,
}

impl Heads {
    /// Stores a video packet that was forwarded.
    pub(crate) fn push(&mut self, packet: &Packet) {
        if let Some(head) = self.layers.get_mut(usize::from(packet.encoding.layer)) {
            head.push(packet);
        }
    }

    /// What to begin with, if there is a picture that is new enough: of the first of these encodings that has one, else of any other
    /// layer of the feed.
    pub(crate) fn start(&self, feed: u64, order: &[Encoding], now: Instant) -> Option<Start<'_>> {
        let of_order = order.iter().find_map(|encoding| {
            let head = self.layers.get(usize::from(encoding.layer))?;
            head.start(now, |source| source == *encoding)
        });
        let is_other = |source: Encoding| {
            source.feed == feed && order.iter().all(|wanted| wanted.layer != source.layer)
        };
        of_order.or_else(|| {
            self.layers
                .iter()
                .find_map(|head| head.start(now, is_other))
        })
    }

    /// What to begin with, of each layer of a feed that has a picture that is new enough.
    pub(crate) fn starts(&self, feed: u64, now: Instant) -> impl Iterator<Item = Start<'_>> {
        let is_of_feed = move |encoding: Encoding| encoding.feed == feed;
        self.layers
            .iter()
            .filter_map(move |head| head.start(now, is_of_feed))
    }

    /// All packets that live ones build on.
    pub(crate) fn packets(&self) -> impl Iterator<Item = &Packet> {
        let moving = self.layers.iter().filter(|head| !head.is_still);
        moving.flat_map(|head| &head.packets)
    }

    /// Another inlet takes over.
    pub(crate) fn clear(&mut self) {
        self.layers = Default::default();
    }
}

impl Head {
    fn push(&mut self, packet: &Packet) {
        let Some(first) = self.packets.first() else {
            if packet.starts_key_frame {
                self.packets.push(packet.clone());
            }
            return;
        };
        if packet.encoding != first.encoding || packet.starts_key_frame && packet.seq > first.seq {
            self.packets.clear();
            self.is_still = false;
            return self.push(packet);
        }
        if self.is_still && packet.time != first.time {
            return;
        }
        // Retransmissions come late: each packet is inserted by its number.
        let place = self
            .packets
            .binary_search_by(|kept| kept.seq.cmp(&packet.seq));
        match place {
            Ok(_) | Err(0) => {}
            Err(place) => self.packets.insert(place, packet.clone()),
        }
        if self.packets.len() > HEAD_PACKETS_MAX {
            self.shorten();
        }
    }

    /// Keeps only the key frame, or nothing if it is too large.
    fn shorten(&mut self) {
        let Some(time) = self.packets.first().map(|first| first.time) else {
            return;
        };
        self.packets.retain(|packet| packet.time == time);
        self.is_still = true;
        if self.packets.len() > HEAD_PACKETS_MAX {
            self.packets.clear();
            self.is_still = false;
        }
    }

    fn start(&self, now: Instant, is_fit: impl Fn(Encoding) -> bool) -> Option<Start<'_>> {
        let first = self.packets.first()?;
        let is_unbroken = self.is_unbroken();
        let is_usable = is_fit(first.encoding)
            && first.arrived + HEAD_AGE_MAX >= now
            && (!self.is_still || is_unbroken && self.is_ended());
        is_usable.then_some(Start {
            packets: &self.packets,
            is_still: self.is_still,
            is_unbroken,
        })
    }

    fn is_unbroken(&self) -> bool {
        self.packets
            .windows(2)
            .all(|pair| pair[0].seq + 1 == pair[1].seq)
    }

    /// Whether the last packet ends its picture.
    fn is_ended(&self) -> bool {
        self.packets.last().is_some_and(|last| last.marker)
    }
}

#[cfg(test)]
mod tests {
    use restage_codec::{Codec, FramePlace, MediaKind};

    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::rtp::extensions::Extensions;
    use crate::sdp::format::{Format, format};
    use crate::util::test::epoch;

    const ENCODING: Encoding = Encoding {
        feed: 1,
        layer: 1,
        epoch: 0,
    };

    struct Rig {
        heads: Heads,
        epoch: Instant,
        format: Arc<Format>,
    }

    impl Rig {
        fn new() -> Self {
            Self {
                heads: Heads::default(),
                epoch: epoch(),
                format: Arc::new(format(96, Codec::Vp8, "")),
            }
        }

        fn push(&mut self, seq: u64, picture: u64, is_key: bool, is_last: bool) {
            self.heads.push(&Packet {
                kind: MediaKind::Video,
                encoding: ENCODING,
                target: ENCODING,
                ladder: None,
                format: Arc::clone(&self.format),
                seq,
                time: picture * 3_000,
                marker: is_last,
                starts_key_frame: is_key,
                frame: FramePlace::default(),
                descriptor: None,
                lead: None,
                number: seq,
                arrived: self.epoch + Duration::from_millis(picture * 33),
                wallclock: self.epoch,
                report: None,
                payload: [1].as_slice().into(),
                plain: None,
                extensions: Extensions::default(),
            });
        }

        /// The numbers that a new subscriber gets, and whether they are a still picture.
        fn start(&self) -> Option<(Vec<u64>, bool)> {
            let start = self.heads.start(1, &[ENCODING], self.epoch)?;
            let seqs = start.packets.iter().map(|packet| packet.seq).collect();
            Some((seqs, start.is_still))
        }
    }

    #[test]
    fn what_follows_a_key_frame_is_kept_until_the_next() {
        let mut rig = Rig::new();
        rig.push(9, 0, false, true);
        assert_eq!(rig.start(), None);
        rig.push(10, 1, true, false);
        rig.push(12, 2, false, true);
        rig.push(11, 1, false, true);
        rig.push(11, 1, false, true);
        rig.push(9, 0, false, true);
        assert_eq!(rig.start(), Some((vec![10, 11, 12], false)));
        rig.push(13, 3, true, true);
        rig.push(12, 2, false, true);
        assert_eq!(rig.start(), Some((vec![13], false)));
    }

    #[test]
    fn a_long_group_leaves_its_key_frame_as_a_still() {
        let mut rig = Rig::new();
        rig.push(0, 0, true, false);
        rig.push(1, 0, false, true);
        for seq in 2..HEAD_PACKETS_MAX as u64 + 50 {
            rig.push(seq, seq, false, true);
        }
        assert_eq!(rig.start(), Some((vec![0, 1], true)));
        rig.push(500, 500, true, true);
        rig.push(501, 501, false, true);
        assert_eq!(rig.start(), Some((vec![500, 501], false)));
    }

    #[test]
    fn a_still_with_a_hole_is_no_start_until_it_is_filled() {
        let mut rig = Rig::new();
        rig.push(0, 0, true, false);
        rig.push(2, 0, false, true);
        for seq in 3..HEAD_PACKETS_MAX as u64 + 50 {
            rig.push(seq, seq, false, true);
        }
        assert_eq!(rig.start(), None);
        rig.push(1, 0, false, false);
        assert_eq!(rig.start(), Some((vec![0, 1, 2], true)));
    }

    #[test]
    fn a_key_frame_beyond_the_bound_is_not_kept() {
        let mut rig = Rig::new();
        for seq in 0..HEAD_PACKETS_MAX as u64 * 3 {
            rig.push(seq, 0, seq == 0, false);
        }
        assert_eq!(rig.start(), None);
        assert!(rig.heads.layers[1].packets.len() <= HEAD_PACKETS_MAX);
    }

    #[test]
    fn old_pictures_and_other_sources_are_no_start() {
        let mut rig = Rig::new();
        rig.push(1, 0, true, true);
        let late = rig.epoch + HEAD_AGE_MAX + Duration::from_millis(1);
        assert!(rig.heads.start(1, &[ENCODING], late).is_none());
        let other = Encoding {
            epoch: 1,
            ..ENCODING
        };
        assert!(rig.heads.start(1, &[other], rig.epoch).is_none());
        assert!(rig.heads.start(2, &[], rig.epoch).is_none(), "another feed");
        let better = Encoding {
            layer: 2,
            ..ENCODING
        };
        let start = |order: &[Encoding]| rig.heads.start(1, order, rig.epoch).is_some();
        assert!(start(&[better]), "better than none");
        assert!(start(&[better, ENCODING]));
        assert!(rig.start().is_some());
        rig.heads.clear();
        assert!(rig.start().is_none());
    }
}
