//! Tests of AV1: what a subscriber is sent of spatial and temporal layers decodes, and its descriptors say so.

use std::collections::BTreeMap;

use restage_codec::dependency::{Dependencies, Descriptor};

use super::tests::routed;
use super::*;
use crate::sdp::format::format;
use crate::util::layered::{Source, references};

/// A subscriber, and what it has received.
struct Rig {
    track: TrackOut,
    read: Dependencies,
    /// Frames by their number, with whether they were of a key picture.
    frames: BTreeMap<u16, bool>,
    got: Vec<Got>,
}

struct Got {
    seq: u64,
    time: u32,
    marker: bool,
    is_key: bool,
    descriptor: Descriptor,
}

fn track() -> TrackOut {
    let formats = vec![format(99, Codec::Av1, "")];
    TrackOut::new(MediaKind::Video, formats, &mut Rng::new(3))
}

impl Rig {
    fn new() -> Self {
        Self {
            track: track().with_descriptors(),
            read: Dependencies::default(),
            frames: BTreeMap::new(),
            got: Vec::new(),
        }
    }

    /// Sends what the encoder makes of this number of pictures, of which the first may be a key picture.
    fn run(&mut self, source: &mut Source, count: usize, is_key: bool) {
        for place in 0..count {
            let is_key = is_key && place == 0;
            for packet in source.picture(is_key) {
                self.send(&packet, is_key);
            }
        }
    }

    fn send(&mut self, packet: &Packet, is_key: bool) {
        let Some(outgoing) = routed(&mut self.track, packet) else {
            return;
        };
        let described = Edit::described(outgoing.edit.as_ref(), outgoing.descriptor.as_ref());
        let described = described.expect("a descriptor");
        let bytes = described.came.write(&described.new);
        let read = self.read.read(outgoing.seq, &bytes);
        let descriptor = read.expect("a descriptor that can be read");
        assert_eq!(descriptor.layers(), packet.frame_layers());
        self.frames.insert(descriptor.number(), is_key);
        self.got.push(Got {
            seq: outgoing.seq,
            time: outgoing.time,
            marker: outgoing.marker,
            is_key,
            descriptor,
        });
    }

    /// Checks what has come since the last call: sequence numbers without a hole, one marker at the end of each picture, all that frames
    /// use. Returns the layers of the frames of each picture.
    fn take(&mut self) -> Vec<Vec<(u8, u8)>> {
        let got = std::mem::take(&mut self.got);
        let mut pictures: Vec<Vec<(u8, u8)>> = Vec::new();
        for (place, one) in got.iter().enumerate() {
            let next = got.get(place + 1);
            if let Some(next) = next {
                assert_eq!(next.seq, one.seq + 1);
            }
            let ends = next.is_none_or(|next| next.time != one.time);
            assert_eq!(one.marker, ends, "the marker ends the picture");
            for distance in references(&one.descriptor, one.is_key) {
                let used = one.descriptor.number().wrapping_sub(distance);
                assert!(
                    self.frames.contains_key(&used),
                    "{used} is used and was not sent"
                );
            }
            let is_new = place == 0 || got[place - 1].time != one.time;
            if is_new {
                pictures.push(Vec::new());
            }
            let layers = one.descriptor.layers();
            let layers = (layers.spatial, layers.temporal);
            let picture = pictures.last_mut().unwrap();
            if picture.last() != Some(&layers) {
                picture.push(layers);
            }
        }
        pictures
    }

    /// Whether the newest packet says that all decode targets are active.
    fn is_whole(&self) -> bool {
        let newest = self.got.last().unwrap();
        !newest.descriptor.is_reduced(Cut::WHOLE.into())
    }

    fn allot(&mut self, source: &Source, cut: Cut) {
        let encoding = Encoding {
            feed: source.feed,
            layer: 0,
            epoch: 0,
        };
        self.track.allot(Allotted::UpTo(encoding, cut), false);
    }
}

impl Packet {
    fn frame_layers(&self) -> restage_codec::dependency::Layers {
        self.descriptor.as_ref().unwrap().layers()
    }
}

fn cut(spatial: u8, temporal: u8) -> Cut {
    Cut { spatial, temporal }
}

/// The frames of a picture up to a spatial layer.
fn picture(top: u8, temporal: u8) -> Vec<(u8, u8)> {
    (0..=top).map(|spatial| (spatial, temporal)).collect()
}

#[test]
fn layers_end_with_the_next_picture_and_come_again_where_the_descriptor_says() {
    let (mut rig, mut source) = (Rig::new(), Source::new(1));
    rig.run(&mut source, 4, true);
    assert!(rig.is_whole());
    let all = [picture(2, 0), picture(2, 1), picture(2, 0), picture(2, 1)];
    assert_eq!(rig.take(), all);
    // Down at once, both ways.
    rig.allot(&source, cut(1, Cut::ALL));
    rig.run(&mut source, 2, false);
    assert!(!rig.is_whole());
    assert_eq!(rig.take(), [picture(1, 0), picture(1, 1)]);
    rig.allot(&source, cut(0, 0));
    rig.run(&mut source, 4, false);
    assert_eq!(rig.take(), [picture(0, 0), picture(0, 0)]);
    assert!(!rig.track.thinner.is_waiting());
    // More temporal layers come after a picture of the base, which is sent.
    rig.allot(&source, cut(0, Cut::ALL));
    rig.run(&mut source, 3, false);
    assert_eq!(rig.take(), [picture(0, 0), picture(0, 1), picture(0, 0)]);
    // A larger picture comes with the next key frame.
    rig.allot(&source, Cut::WHOLE);
    rig.run(&mut source, 2, false);
    assert!(rig.track.thinner.is_waiting());
    assert_eq!(rig.take(), [picture(0, 1), picture(0, 0)]);
    rig.run(&mut source, 3, true);
    assert!(!rig.track.thinner.is_waiting() && rig.is_whole());
    assert_eq!(rig.take(), [picture(2, 0), picture(2, 1), picture(2, 0)]);
}

#[test]
fn more_temporal_layers_wait_for_the_frame_of_the_subscribers_own_spatial_layer() {
    let (mut rig, mut source) = (Rig::new(), Source::new(1));
    rig.allot(&source, cut(2, 0));
    rig.run(&mut source, 2, true);
    assert_eq!(rig.take(), [picture(2, 0)]);
    // In the middle of the picture of the base, whose last frame opens what is above it.
    let base = source.picture(false);
    let (first, rest) = base.split_at(2);
    first.iter().for_each(|packet| rig.send(packet, false));
    rig.allot(&source, cut(2, Cut::ALL));
    rest.iter().for_each(|packet| rig.send(packet, false));
    rig.run(&mut source, 2, false);
    assert_eq!(rig.take(), [picture(2, 0), picture(2, 1), picture(2, 0)]);
}

#[test]
fn numbers_and_template_ids_go_on_across_encoders() {
    let (mut rig, mut first) = (Rig::new(), Source::new(1));
    rig.run(&mut first, 3, true);
    let newest = rig.got.last().unwrap().descriptor.number();
    let (start, count) = rig.got.last().unwrap().descriptor.templates();
    assert_eq!((newest, start, count), (2, 7, 9), "the first is left alone");
    let mut second = Source::new(2);
    second.offset = 9;
    second.number = 4_000;
    second.picture(true);
    rig.run(&mut second, 1, false);
    assert_eq!(rig.got.len(), 18, "nothing before a key frame");
    rig.run(&mut second, 2, true);
    let joined = &rig.got[18];
    assert!(joined.descriptor.has_structure());
    assert_eq!(joined.descriptor.number(), newest + 1);
    assert_eq!(
        joined.descriptor.templates(),
        (16, 9),
        "after those of the other"
    );
    rig.take();
    // The same structure once more has the same ids.
    let mut third = Source::new(3);
    third.offset = 9;
    rig.run(&mut third, 2, true);
    assert_eq!(rig.got[0].descriptor.templates(), (16, 9));
    rig.take();
    // Ids wrap.
    for feed in 4..12 {
        let mut other = Source::new(feed);
        other.offset = (feed * 5) as u8;
        rig.run(&mut other, 3, true);
        rig.take();
    }
}

#[test]
fn a_retransmission_says_what_the_packet_said() {
    let (mut rig, mut source) = (Rig::new(), Source::new(1));
    rig.allot(&source, cut(1, Cut::ALL));
    for packet in source.picture(true) {
        let Some(outgoing) = routed(&mut rig.track, &packet) else {
            continue;
        };
        let again = Edit::described(outgoing.edit.as_ref(), packet.descriptor.as_ref()).unwrap();
        let sent = Edit::described(outgoing.edit.as_ref(), outgoing.descriptor.as_ref()).unwrap();
        assert_eq!(again.came.write(&again.new), sent.came.write(&sent.new));
    }
}

#[test]
fn a_subscriber_without_descriptors_is_sent_the_lowest_spatial_layer() {
    let mut track = track();
    let mut source = Source::new(1);
    let mut sent = Vec::new();
    for is_key in [true, false, false] {
        for packet in source.picture(is_key) {
            if let Some(outgoing) = routed(&mut track, &packet) {
                assert!(outgoing.edit.is_none() && outgoing.descriptor.is_none());
                sent.push((
                    packet.frame.spatial,
                    packet.frame.ends,
                    outgoing.marker,
                    outgoing.seq,
                ));
            }
        }
    }
    assert_eq!(sent.len(), 6);
    assert!(
        sent.iter()
            .all(|(spatial, ends, marker, _)| *spatial == 0 && ends == marker)
    );
    assert!(sent.windows(2).all(|pair| pair[1].3 == pair[0].3 + 1));
    assert!(!track.thinner.is_waiting());
}

#[test]
fn whatever_is_lost_reordered_and_wished_for_is_sent_in_order_and_can_be_read() {
    for seed in 0..60 {
        let mut rng = Rng::new(seed);
        let mut rig = Rig::new();
        let mut seqs = std::collections::BTreeSet::new();
        let mut late: Vec<(Packet, bool)> = Vec::new();
        for feed in 1..4 {
            let mut source = Source::new(feed);
            source.packets = 1 + (rng.next_u64() % 3) as usize;
            source.number = rng.next_u32() as u16;
            for place in 0..60 {
                let is_key = place == 0 || rng.next_u64().is_multiple_of(20);
                let spatial = (rng.next_u64() % 4) as u8;
                let temporal = (rng.next_u64() % 3) as u8;
                let or_all = |layer, top| if layer < top { layer } else { Cut::ALL };
                if rng.next_u64().is_multiple_of(5) {
                    rig.allot(&source, cut(or_all(spatial, 2), or_all(temporal, 1)));
                }
                for packet in source.picture(is_key) {
                    match rng.next_u64() % 12 {
                        0 => {}
                        1 => late.push((packet, is_key)),
                        _ => rig.send(&packet, is_key),
                    }
                }
                if rng.next_u64().is_multiple_of(3) {
                    for (packet, is_key) in late.drain(..) {
                        rig.send(&packet, is_key);
                    }
                }
            }
        }
        for one in &rig.got {
            assert!(seqs.insert(one.seq), "seed {seed}: {} twice", one.seq);
        }
        assert!(rig.got.len() > 100);
    }
}
