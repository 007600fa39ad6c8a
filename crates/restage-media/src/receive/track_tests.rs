//! Tests of layers and their best, as packets come.

use std::time::Duration;

use restage_codec::Codec;

use super::*;
use crate::rtp::extensions::Extensions;
use crate::sdp::format::format;
use crate::util::test::epoch;

fn received(
    rid: Option<&str>,
    ssrc: u32,
    seq: u64,
    time: u64,
    arrived: Instant,
    bytes: usize,
) -> Received {
    Received {
        ssrc,
        rid: rid.map(|rid| RidName::new(rid).unwrap()),
        pt: 96,
        seq,
        time,
        marker: false,
        payload: vec![0x61; bytes].into(),
        arrived,
        extensions: Extensions::default(),
        dependency: None,
    }
}

struct Rig {
    track: TrackIn,
    clock: FeedClock,
    format: Arc<Format>,
    epoch: Instant,
}

impl Rig {
    fn new() -> Self {
        let epoch = epoch();
        Self {
            track: TrackIn::new(MediaKind::Video, 1),
            clock: FeedClock::new(epoch),
            format: Arc::new(format(
                96,
                Codec::H264,
                "packetization-mode=1;profile-level-id=42e01f",
            )),
            epoch,
        }
    }

    fn feed(&mut self, rid: &str, ms: u64, bytes: usize) -> Option<Packet> {
        let at = self.epoch + Duration::from_millis(ms);
        let packet = received(Some(rid), 1, ms, ms * 90, at, bytes);
        self.track.on_packet(packet, &self.format, &mut self.clock)
    }
}

#[test]
fn the_layer_with_most_bytes_becomes_the_target() {
    let mut rig = Rig::new();
    let mut target = 0;
    for ms in (0..1_200).step_by(10) {
        rig.feed("q", ms, 100);
        rig.feed("h", ms, 400);
        target = rig.feed("f", ms, 1_200).unwrap().target.layer;
    }
    assert_eq!(rig.track.rid(target), Some(RidName::new("f")));
}

#[test]
fn a_silent_layer_is_left_for_the_best_of_the_others() {
    let mut rig = Rig::new();
    for ms in (0..1_000).step_by(10) {
        rig.feed("q", ms, 100);
        rig.feed("h", ms, 400);
        rig.feed("f", ms, 1_200);
    }
    let mut target = 9;
    for ms in (1_000..2_200).step_by(10) {
        rig.feed("q", ms, 100);
        target = rig.feed("h", ms, 400).unwrap().target.layer;
    }
    assert_eq!(rig.track.rid(target), Some(RidName::new("h")));
}

#[test]
fn layers_of_like_rates_do_not_take_turns() {
    let mut rig = Rig::new();
    let mut targets = Vec::new();
    for ms in (0..10_000).step_by(10) {
        rig.feed("a", ms, 500 + (ms as usize * 7) % 90);
        targets.push(
            rig.feed("b", ms, 500 + (ms as usize * 3) % 90)
                .unwrap()
                .target
                .layer,
        );
    }
    targets.dedup();
    assert!(targets.len() <= 2, "{targets:?}");
}

#[test]
fn the_larger_picture_wins_even_with_fewer_bytes() {
    let mut rig = Rig::new();
    let vp8 = Arc::new(format(96, Codec::Vp8, ""));
    let key = |width: u8| vec![0x10, 0, 0, 0, 0x9d, 0x01, 0x2a, 0, width, 0, width];
    let mut target = 9;
    for ms in (0..2_000).step_by(10) {
        for (layer, width, bytes) in [("a", 1, 900), ("b", 2, 300)] {
            let at = rig.epoch + Duration::from_millis(ms);
            let mut packet = received(Some(layer), 1, ms, ms * 90, at, bytes);
            if ms % 500 == 0 {
                packet.payload = key(width).into();
            }
            let packet = rig.track.on_packet(packet, &vp8, &mut rig.clock);
            target = packet.unwrap().target.layer;
        }
    }
    assert_eq!(rig.track.rid(target), Some(RidName::new("b")));
}

#[test]
fn a_dependency_descriptor_makes_rungs_and_cuts() {
    let mut rig = Rig::new();
    let av1 = Arc::new(format(45, Codec::Av1, ""));
    // Two spatial layers of 320 by 180 and 640 by 360, two temporal ones each: templates 0 to 3, decode targets likewise.
    let structure = [
        0x80, 0, 0, 0x80, 0x03, 0x67, 0xaa, 0x11, 0x0a, 0x01, 0x02, 0x02, 0x7e, 0x01, 0x66, 0x04,
        0xfe, 0x02, 0xce,
    ];
    let mut last = None;
    for picture in 0..100_u64 {
        for spatial in 0..2_u64 {
            let at = rig.epoch + Duration::from_millis(picture * 33);
            let bytes = if spatial == 0 { 300 } else { 900 };
            let seq = picture * 2 + spatial;
            let mut packet = received(None, 1, seq, picture * 3_000, at, bytes);
            let template = (spatial * 2 + picture % 2) as u8;
            packet.dependency = Some(match seq {
                0 => structure.into(),
                _ => [0xc0 | template, 0, picture as u8].into(),
            });
            last = rig.track.on_packet(packet, &av1, &mut rig.clock);
        }
    }
    let last = last.unwrap();
    assert_eq!((last.frame.spatial, last.frame.temporal), (1, 1));
    let ladder = last.ladder.unwrap();
    let spatial: Vec<u8> = ladder.iter().map(|rung| rung.cut.spatial).collect();
    assert_eq!(spatial, [0, Cut::ALL]);
    assert!(ladder[1].bits_per_s > 3 * ladder[0].bits_per_s);
    for rung in &*ladder {
        let [Some(half), None, None] = rung.cuts else {
            panic!("{:?}", rung.cuts);
        };
        assert_eq!(half.cut, rung.cut.up_to(0));
        assert!((14..=16).contains(&half.frames_per_s), "{half:?}");
    }
}

#[test]
fn payloads_of_vp8_without_layers_have_those_of_the_dependency_descriptor() {
    // One spatial layer of 640 by 360, three temporal ones: templates 60 to 63 and 0 are the key frame, the base, the middle, and the
    // highest layer twice.
    let structure = [
        0xbc, 0x00, 0x00, 0x87, 0x82, 0x14, 0xea, 0xa8, 0x60, 0x41, 0x4d, 0x14, 0x10, 0x20, 0x84,
        0x27, 0x02, 0x7f, 0x01, 0x67,
    ];
    for (head, is_described) in [
        // No extension; a picture id alone; all fields, whose layer is the base.
        (&[0x10][..], true),
        (&[0x90, 0x80, 0x11], true),
        (&[0x90, 0xe0, 0x11, 0x05, 0x20], false),
    ] {
        let mut rig = Rig::new();
        let vp8 = Arc::new(format(96, Codec::Vp8, ""));
        let mut last = None;
        for picture in 0..101_u64 {
            let at = rig.epoch + Duration::from_millis(picture * 33);
            let mut packet = received(None, 1, picture, picture * 3_000, at, 300);
            packet.payload = [head, &[u8::from(picture > 0); 300]].concat().into();
            let template = [61, 63, 62, 0][(picture % 4) as usize];
            packet.dependency = Some(match picture {
                0 => structure.into(),
                _ => [0xc0 | template, 0, picture as u8].into(),
            });
            last = rig.track.on_packet(packet, &vp8, &mut rig.clock);
            let packet = last.as_ref().unwrap();
            assert_eq!(packet.starts_key_frame, picture == 0);
            let temporal = [0, 2, 1, 2][(picture % 4) as usize];
            let expected = if is_described { temporal } else { 0 };
            assert_eq!(packet.frame.temporal, expected, "{head:02x?}: {picture}");
            assert_eq!(packet.frame.opens, is_described && temporal < 2);
            let has_id = packet.frame.numbers.picture_id.is_some();
            assert_eq!(has_id, head.len() > 1, "{head:02x?}");
        }
        let ladder = last.unwrap().ladder.unwrap();
        let cuts = ladder[0].cuts.iter().flatten().count();
        assert_eq!(cuts, if is_described { 2 } else { 0 }, "{head:02x?}");
    }
}

#[test]
fn the_ladder_is_never_longer_than_there_may_be_layers() {
    let mut rig = Rig::new();
    let vp9 = Arc::new(format(98, Codec::Vp9, ""));
    let mut longest = 0;
    for ms in (0..2_000).step_by(10) {
        for rid in 0..LAYERS_MAX as u64 {
            for spatial in 0..8_u8 {
                let at = rig.epoch + Duration::from_millis(ms);
                let seq = ms * 8 + u64::from(spatial);
                let rid = rid.to_string();
                let mut packet = received(Some(&rid), 1, seq, ms * 90, at, 300);
                packet.payload = [0x28, ((ms % 8) as u8) << 5 | spatial << 1, 1, 0].into();
                let packet = rig.track.on_packet(packet, &vp9, &mut rig.clock);
                let ladder = packet.and_then(|packet| packet.ladder);
                longest = longest.max(ladder.map_or(0, |ladder| ladder.len()));
            }
        }
    }
    assert_eq!(longest, LAYERS_MAX);
}

#[test]
fn layers_are_bounded() {
    let mut rig = Rig::new();
    for layer in 0..LAYERS_MAX {
        assert!(rig.feed(&layer.to_string(), 1, 10).is_some());
    }
    assert!(rig.feed("more", 1, 10).is_none());
}

#[test]
fn a_new_ssrc_is_a_new_epoch_of_the_same_layer() {
    let mut rig = Rig::new();
    let mut epochs = Vec::new();
    for (ssrc, seq) in [(1, 5), (1, 6), (2, 1), (2, 2)] {
        let packet = received(None, ssrc, seq, 0, rig.epoch, 10);
        let packet = rig
            .track
            .on_packet(packet, &rig.format, &mut rig.clock)
            .unwrap();
        epochs.push((packet.encoding.layer, packet.encoding.epoch));
    }
    assert_eq!(epochs, [(0, 0), (0, 0), (0, 1), (0, 1)]);
}

#[test]
fn an_idr_fragment_starts_a_key_frame_only_right_after_another_frame() {
    let mut rig = Rig::new();
    let mut idr = |seq, time| {
        let mut packet = received(None, 1, seq, time, rig.epoch, 10);
        packet.payload = vec![0x7c, 0x85, 0].into();
        rig.track
            .on_packet(packet, &rig.format, &mut rig.clock)
            .unwrap()
            .starts_key_frame
    };
    assert!(idr(10, 1), "the very first packet");
    assert!(idr(11, 2), "follows another frame");
    assert!(!idr(13, 3), "a packet is missing before it");
    assert!(!idr(14, 3), "same frame");
}

#[test]
fn packets_of_av1_carry_their_descriptors_and_are_left_out_where_these_cannot_be_read() {
    use crate::util::layered::bytes;

    let mut rig = Rig::new();
    rig.format = Arc::new(format(96, Codec::Av1, ""));
    let mut seq = 0;
    let mut feed = |descriptor: Option<&str>| {
        seq += 1;
        let at = rig.epoch + Duration::from_millis(seq);
        let mut packet = received(None, 1, seq, seq * 90, at, 30);
        packet.dependency = descriptor.map(|bits| bytes(bits).into());
        rig.track.on_packet(packet, &rig.format, &mut rig.clock)
    };
    let place = |packet: Packet| {
        let number = packet.descriptor.map(|descriptor| descriptor.number());
        (packet.frame.spatial, number)
    };
    // Two spatial layers without temporal ones: two decode targets, no chain, no sizes.
    let structure = "000000 00001 10 11 1010 0010 0 0 00 0";
    assert_eq!(feed(None).map(place), Some((0, None)), "it has none");
    assert!(
        feed(Some("11 000001 0000000000000001")).is_none(),
        "no structure yet"
    );
    let key = format!("10 000000 0000000000000010 10000 {structure}");
    assert_eq!(feed(Some(&key)).map(place), Some((0, Some(2))));
    assert_eq!(
        feed(Some("11 000001 0000000000000011")).map(place),
        Some((1, Some(3)))
    );
    for (descriptor, why) in [
        ("11 000010 0000000000000100", "no such template"),
        ("11 000001", "cut short"),
        (
            "11 000001 0000000000000100 11000 000000",
            "its structure is cut short",
        ),
    ] {
        assert!(feed(Some(descriptor)).is_none(), "{why}");
    }
    // A structure of this encoder alone: another SSRC begins anew.
    let at = rig.epoch + Duration::from_secs(1);
    let mut other = received(None, 2, 1, 9_000, at, 30);
    other.dependency = Some(bytes("11 000001 0000000000000011").into());
    assert!(
        rig.track
            .on_packet(other, &rig.format, &mut rig.clock)
            .is_none()
    );
}
