//! Tests of which packets a subscriber gets, and under which numbers.

use std::time::Duration;

use restage_codec::vp8;

use super::*;
use crate::packet::Cuts;
use crate::rtp::extensions::Extensions;
use crate::sdp::format::format;
use crate::util::test::epoch;

const KEY: &[u8] = &[0x90, 0x80, 0x80, 0x01, 0x00];
const DELTA: &[u8] = &[0x90, 0x80, 0x80, 0x02, 0x01];

struct Rig {
    track: TrackOut,
    vp8: Arc<Format>,
    epoch: Instant,
}

impl Rig {
    fn new() -> Self {
        let formats = vec![format(120, Codec::Vp8, "")];
        Self {
            track: TrackOut::new(MediaKind::Video, formats, &mut Rng::new(3)),
            vp8: Arc::new(format(96, Codec::Vp8, "")),
            epoch: epoch(),
        }
    }

    fn packet(&self, feed: u64, seq: u64, ms: u64, payload: &[u8]) -> Packet {
        let encoding = Encoding {
            feed,
            layer: 0,
            epoch: 0,
        };
        Packet {
            kind: MediaKind::Video,
            encoding,
            target: encoding,
            ladder: None,
            format: Arc::clone(&self.vp8),
            seq,
            time: feed * 1_000_000 + ms * 90,
            marker: true,
            starts_key_frame: vp8::starts_key_frame(payload),
            frame: vp8::frame_place(payload).unwrap_or_default(),
            descriptor: None,
            lead: None,
            number: seq,
            arrived: self.epoch + Duration::from_millis(ms),
            wallclock: self.epoch + Duration::from_millis(ms),
            report: None,
            payload: payload.into(),
            plain: None,
            extensions: Extensions::default(),
        }
    }

    fn send(&mut self, feed: u64, seq: u64, ms: u64, payload: &[u8]) -> Option<Outgoing> {
        let packet = self.packet(feed, seq, ms, payload);
        routed(&mut self.track, &packet)
    }
}

/// What becomes of a packet, if it is sent.
pub(super) fn routed(track: &mut TrackOut, packet: &Packet) -> Option<Outgoing> {
    let mut burst = Vec::new();
    let is_sent = track.route(packet, &mut burst) == Verdict::Sent;
    assert!(is_sent || burst.is_empty());
    burst.pop()
}

#[test]
fn the_picture_starts_at_a_key_frame_under_the_subscribers_payload_type() {
    let mut rig = Rig::new();
    assert!(rig.send(1, 10, 0, DELTA).is_none());
    let first = rig.send(1, 11, 33, KEY).unwrap();
    let second = rig.send(1, 12, 66, DELTA).unwrap();
    assert_eq!(first.pt, 120);
    assert!(first.nackable);
    assert_eq!(second.seq, first.seq + 1);
    assert_eq!(second.time, first.time.wrapping_add(33 * 90));
}

#[test]
fn a_change_of_feeder_is_invisible_in_numbers_and_time() {
    let mut rig = Rig::new();
    rig.send(1, 10, 0, KEY).unwrap();
    let last = rig.send(1, 11, 40, DELTA).unwrap();
    assert!(rig.send(2, 900, 1_000, DELTA).is_none());
    let next = rig.send(2, 901, 1_040, KEY).unwrap();
    assert_eq!(next.seq, last.seq + 1);
    assert_eq!(next.time, last.time.wrapping_add(90_000));
    let Some(Edit::Vp8(numbers)) = next.edit else {
        panic!("its numbers go on");
    };
    assert_eq!(numbers.picture_id, 3, "after 1 and 2");
}

#[test]
fn timestamps_go_forward_even_when_capture_times_do_not() {
    let mut rig = Rig::new();
    let last = rig.send(1, 10, 500, KEY).unwrap();
    let next = rig.send(2, 5, 400, KEY).unwrap();
    assert_eq!(next.time, last.time.wrapping_add(1));
}

/// Three layers of 100, 200 and 400 bits per second.
fn ladder(feed: u64) -> [Rung; 3] {
    [0, 1, 2].map(|layer| Rung {
        encoding: Encoding {
            feed,
            layer,
            epoch: 0,
        },
        cut: Cut::WHOLE,
        rid: None,
        size: None,
        bits_per_s: 100 << layer,
        wire_bits_per_s: 100 << layer,
        peak_bits_per_s: 100 << layer,
        least_bits_per_s: 100 << layer,
        frames_per_s: 30,
        cuts: Cuts::default(),
    })
}

#[test]
fn a_bound_is_the_largest_layer_that_fits_with_room_to_spare() {
    let ladder = ladder(1);
    let mut rig = Rig::new();
    let layer = |rung: Option<Rung>| rung.map(|rung| rung.encoding.layer);
    assert_eq!(layer(rig.track.climb(&ladder, 10_000)), None, "it is there");
    assert_eq!(layer(rig.track.descend(&ladder, 10_000)), Some(1));
    assert_eq!(layer(rig.track.climb(&ladder, 439)), None);
    assert_eq!(layer(rig.track.climb(&ladder, 440)), Some(2));
    assert_eq!(layer(rig.track.descend(&ladder, 219)), Some(0));
    assert_eq!(layer(rig.track.climb(&ladder, 10_000)), Some(1));
    assert_eq!(layer(rig.track.descend(&ladder, 0)), Some(0));
    assert_eq!(layer(rig.track.descend(&ladder, 0)), None, "no smaller one");
    assert_eq!(layer(rig.track.descend(&[], 10_000)), None);
}

#[test]
fn a_bound_holds_for_one_feeder() {
    let mut rig = Rig::new();
    let shown = |rig: &Rig, feed| {
        let mut packet = rig.packet(feed, 1, 0, KEY);
        let ladder = ladder(feed);
        packet.target = ladder[2].encoding;
        packet.ladder = Some(ladder.into());
        rig.track.target(&packet).layer
    };
    assert_eq!(shown(&rig, 1), 2);
    rig.track.descend(&ladder(1), 250);
    assert_eq!(shown(&rig, 1), 1);
    assert_eq!(shown(&rig, 2), 2, "another encoder's layers are others");
}

#[test]
fn pictures_are_withheld_between_two_of_them_and_come_back_with_a_key_frame() {
    let mut rig = Rig::new();
    let target = rig.packet(1, 0, 0, KEY).encoding;
    rig.send(1, 10, 0, KEY).unwrap();
    let first = rig.send(1, 11, 33, DELTA).unwrap();
    rig.track.thin(Thinning::Withheld);
    // The rest of the present picture, and its late packets.
    let last = rig.send(1, 13, 33, DELTA).unwrap();
    assert_eq!(last.seq, first.seq + 2);
    assert!(rig.send(1, 12, 33, DELTA).is_some());
    for (seq, ms, payload) in [(14, 66, DELTA), (15, 99, KEY), (16, 132, DELTA)] {
        assert!(rig.send(1, seq, ms, payload).is_none());
    }
    assert!(!rig.track.is_waiting(target), "nobody is asked meanwhile");
    rig.track.thin(Thinning::None);
    assert!(rig.track.is_waiting(target));
    assert!(rig.send(1, 17, 165, DELTA).is_none());
    let next = rig.send(1, 18, 198, KEY).unwrap();
    assert_eq!(next.seq, last.seq + 1, "as if nothing were missing");
    assert!(!rig.track.is_waiting(target));
}

#[test]
fn the_smallest_layer_is_shown_where_there_are_several() {
    let mut rig = Rig::new();
    let mut packet = rig.packet(1, 1, 0, KEY);
    let ladder = ladder(1);
    packet.target = ladder[2].encoding;
    assert_eq!(rig.track.target(&packet).layer, 2);
    rig.track.thin(Thinning::Smallest);
    assert_eq!(rig.track.target(&packet).layer, 2, "it is the only one");
    packet.ladder = Some(ladder.into());
    assert_eq!(rig.track.target(&packet).layer, 0);
    rig.track.descend(&ladder, 250);
    assert_eq!(rig.track.target(&packet).layer, 0);
    rig.track.thin(Thinning::None);
    assert_eq!(rig.track.target(&packet).layer, 1);
}

#[test]
fn what_is_allotted_bounds_the_layer_and_the_lower_bound_holds() {
    let mut rig = Rig::new();
    let mut packet = rig.packet(1, 1, 0, KEY);
    let ladder = ladder(1);
    packet.target = ladder[2].encoding;
    packet.ladder = Some(ladder.into());
    rig.track
        .allot(Allotted::UpTo(ladder[1].encoding, Cut::WHOLE), false);
    assert_eq!(rig.track.target(&packet).layer, 1);
    rig.track.descend(&ladder, 150);
    assert_eq!(rig.track.target(&packet).layer, 0, "the hard limit");
    rig.track.climb(&ladder, 10_000);
    rig.track
        .allot(Allotted::UpTo(ladder[0].encoding, Cut::WHOLE), false);
    assert_eq!(rig.track.target(&packet).layer, 0, "the network");
    assert!(
        rig.track.descend(&ladder, 10_000).is_none(),
        "below what is shown there is nothing"
    );
    rig.track.allot(Allotted::Any, false);
    assert_eq!(rig.track.target(&packet).layer, 1);
    rig.track.climb(&ladder, 10_000);
    assert_eq!(rig.track.target(&packet).layer, 2);
    // Of another feed nothing is known: the smallest is shown.
    rig.track
        .allot(Allotted::UpTo(ladder[2].encoding, Cut::WHOLE), false);
    let other = self::ladder(2);
    packet.target = other[2].encoding;
    packet.ladder = Some(other.into());
    assert_eq!(rig.track.target(&packet).layer, 0);
}

#[test]
fn pictures_that_are_not_wanted_or_do_not_fit_stop_between_two_of_them() {
    for (allotted, reason) in [
        (Allotted::Paused, PauseReason::Network),
        (Allotted::Unwanted, PauseReason::Wish),
    ] {
        let mut rig = Rig::new();
        let target = rig.packet(1, 0, 0, KEY).encoding;
        rig.send(1, 10, 0, KEY).unwrap();
        rig.send(1, 11, 33, DELTA).unwrap();
        rig.track.allot(allotted, false);
        assert_eq!(rig.track.pause(), Some(reason));
        let last = rig.send(1, 12, 33, DELTA).unwrap();
        assert!(rig.send(1, 13, 66, DELTA).is_none());
        assert!(rig.send(1, 14, 99, KEY).is_none());
        // An overload meanwhile changes nothing.
        rig.track.thin(Thinning::Withheld);
        rig.track.thin(Thinning::None);
        assert!(rig.send(1, 15, 132, DELTA).is_none());
        assert!(!rig.track.is_waiting(target), "nobody is asked meanwhile");
        rig.track.allot(Allotted::Any, false);
        assert!(rig.track.is_waiting(target));
        assert!(rig.send(1, 16, 165, DELTA).is_none());
        let next = rig.send(1, 17, 198, KEY).unwrap();
        assert_eq!(next.seq, last.seq + 1, "as if nothing were missing");
    }
}

/// A packet of VP8 with a picture id, TL0PICIDX and a temporal layer.
fn vp8_of(id: u8, tl0: u8, temporal: u8, is_sync: bool, is_key: bool) -> Vec<u8> {
    let layer = temporal << 6 | u8::from(is_sync) << 5;
    vec![0x90, 0xe0, 0x80, id, tl0, layer, u8::from(!is_key)]
}

/// Sequence number, picture id and TL0PICIDX of what is sent.
fn numbers_of(outgoing: &Outgoing) -> (u64, u16, u8) {
    let mut payload = outgoing.payload.to_vec();
    if let Some(edit) = &outgoing.edit {
        edit.write(&mut payload);
    }
    let numbers = vp8::frame_place(&payload).unwrap().numbers;
    let id = numbers.picture_id.unwrap().value;
    (outgoing.seq, id, numbers.tl0_pic_idx.unwrap())
}

#[test]
fn a_layer_that_is_cut_has_fewer_frames_and_no_gap_in_any_number() {
    let mut rig = Rig::new();
    let layer = rig.packet(1, 0, 0, KEY).encoding;
    rig.track
        .allot(Allotted::UpTo(layer, Cut::WHOLE.up_to(1)), false);
    let mut sent = Vec::new();
    let mut frame = |rig: &mut Rig, number: u8, temporal, is_sync| {
        let tl0 = number / 4;
        let payload = vp8_of(number, tl0, temporal, is_sync, number == 0);
        // Two packets each, of which the second is not marked as a beginning.
        let mut rest = payload.clone();
        rest[0] &= !0x10;
        for (place, payload) in (0..).zip([payload, rest]) {
            let (seq, ms) = (100 + 2 * u64::from(number) + place, 33 * u64::from(number));
            let outgoing = rig.send(1, seq, ms, &payload);
            sent.extend(outgoing.iter().map(numbers_of));
        }
    };
    for (number, (temporal, is_sync)) in (0..12).zip(
        [(0, false), (2, true), (1, true), (2, false)]
            .iter()
            .cycle(),
    ) {
        frame(&mut rig, number, *temporal, *is_sync);
    }
    rig.track.allot(Allotted::Any, false);
    for (number, temporal) in [(12, 0), (13, 2), (14, 1), (15, 2)] {
        frame(&mut rig, number, temporal, number == 13);
    }
    let first = sent[0].0;
    assert_eq!(sent.len(), 2 * (6 + 4));
    for (place, (seq, id, tl0)) in (0..).zip(&sent) {
        assert_eq!((*seq, u64::from(*id)), (first + place, place / 2));
        // Two frames of each four at first.
        let expected = match place / 2 {
            frame @ 0..6 => frame / 2,
            _ => 3,
        };
        assert_eq!(u64::from(*tl0), expected);
    }
}

#[test]
fn a_late_packet_finds_its_number_although_frames_were_left_out_since() {
    let mut rig = Rig::new();
    let layer = rig.packet(1, 0, 0, KEY).encoding;
    rig.track
        .allot(Allotted::UpTo(layer, Cut::WHOLE.up_to(0)), false);
    let mut send = |seq, ms, payload: &[u8]| rig.send(1, seq, ms, payload);
    let first = send(10, 0, &vp8_of(1, 1, 0, false, true)).unwrap();
    // 11 is missing: nobody knows of which frame.
    assert!(send(12, 33, &vp8_of(2, 1, 2, true, false)).is_none());
    // 13 is missing and belongs to the frame that is left out.
    let mut rest = vp8_of(2, 1, 2, true, false);
    rest[0] &= !0x10;
    assert!(send(14, 33, &rest).is_none());
    let next = send(15, 66, &vp8_of(3, 2, 0, false, false)).unwrap();
    assert_eq!(next.seq, first.seq + 2);
    let late = send(11, 0, &vp8_of(1, 1, 0, false, true)).unwrap();
    assert_eq!(numbers_of(&late), (first.seq + 1, 1, 1));
    assert!(send(13, 33, &rest).is_none(), "it has no number");
}

#[test]
fn a_larger_layer_is_cut_while_the_key_frame_of_the_target_is_awaited() {
    let mut rig = Rig::new();
    let ladder = ladder(1);
    let send = |rig: &mut Rig, layer: u8, seq, temporal, is_key| {
        let payload = vp8_of(seq as u8, 0, temporal, false, is_key);
        let mut packet = rig.packet(1, seq, seq * 33, &payload);
        packet.encoding.layer = layer;
        packet.target = ladder[2].encoding;
        packet.ladder = Some(ladder.into());
        routed(&mut rig.track, &packet).is_some()
    };
    assert!(send(&mut rig, 2, 1, 0, true));
    assert!(send(&mut rig, 2, 2, 1, false));
    rig.track.allot(
        Allotted::UpTo(ladder[0].encoding, Cut::WHOLE.up_to(1)),
        false,
    );
    assert!(!send(&mut rig, 2, 3, 1, false));
    assert!(send(&mut rig, 2, 4, 0, false));
    assert!(send(&mut rig, 0, 5, 0, true));
    assert!(send(&mut rig, 0, 6, 1, false), "as it is allotted");
    assert!(!send(&mut rig, 0, 7, 2, false));
    // The other way round the smaller layer goes on whole.
    rig.track.allot(
        Allotted::UpTo(ladder[1].encoding, Cut::WHOLE.up_to(0)),
        false,
    );
    assert!(send(&mut rig, 0, 8, 0, true));
    assert!(send(&mut rig, 0, 9, 2, false));
    assert!(send(&mut rig, 1, 10, 0, true));
    assert!(!send(&mut rig, 1, 11, 1, false));
}

#[test]
fn on_a_jammed_network_a_layer_is_left_before_the_smaller_one_has_a_key_frame() {
    for is_jammed in [false, true] {
        let mut rig = Rig::new();
        let ladder = ladder(1);
        let mut send = |layer: u8, seq: u64, ms: u64, payload: &[u8]| {
            let mut packet = rig.packet(1, seq, ms, payload);
            packet.encoding.layer = layer;
            packet.target = ladder[2].encoding;
            packet.ladder = Some(ladder.into());
            if seq == 12 {
                let allotted = Allotted::UpTo(ladder[0].encoding, Cut::WHOLE);
                rig.track.allot(allotted, is_jammed);
            }
            routed(&mut rig.track, &packet).map(|sent| sent.seq)
        };
        let first = send(2, 10, 0, KEY).unwrap();
        send(2, 11, 33, DELTA).unwrap();
        // The present picture is sent to its end.
        assert_eq!(send(2, 12, 33, DELTA), Some(first + 2));
        assert_eq!(send(2, 13, 66, DELTA).is_none(), is_jammed);
        assert_eq!(send(0, 50, 66, DELTA), None);
        assert_eq!(
            send(2, 14, 99, KEY).is_none(),
            is_jammed,
            "nor with a key frame"
        );
        let last = if is_jammed { first + 2 } else { first + 4 };
        assert_eq!(
            send(0, 51, 99, KEY),
            Some(last + 1),
            "as if nothing were missing"
        );
        assert_eq!(send(2, 15, 132, DELTA), None);
        assert_eq!(send(0, 52, 132, DELTA), Some(last + 2));
    }
}

#[test]
fn nothing_is_sent_to_who_does_not_want_pictures_from_the_beginning() {
    let mut rig = Rig::new();
    rig.track.allot(Allotted::Unwanted, false);
    assert!(rig.send(1, 10, 0, KEY).is_none());
    assert!(rig.send(1, 11, 33, DELTA).is_none());
    rig.track.allot(Allotted::Any, false);
    assert!(rig.send(1, 12, 66, DELTA).is_none());
    assert!(rig.send(1, 13, 99, KEY).is_some());
}

#[test]
fn probing_padding_leaves_no_gap() {
    let mut rig = Rig::new();
    let first = rig.send(1, 10, 0, KEY).unwrap();
    assert!(rig.send(1, 11, 0, &[]).is_none());
    assert_eq!(rig.send(1, 12, 33, DELTA).unwrap().seq, first.seq + 1);
}

#[test]
fn what_a_decoder_needs_is_sent_where_it_starts_and_nowhere_else() {
    use restage_codec::h264::Lead;

    let format = || format(102, Codec::H264, "packetization-mode=1");
    let mut track = TrackOut::new(MediaKind::Video, vec![format()], &mut Rng::new(3));
    let (rig, sent) = (Rig::new(), Arc::new(format()));
    let lead = Arc::new(Lead(vec![vec![0x67].into(), vec![0x68].into()]));
    let send = |track: &mut TrackOut, seq: u64, is_key: bool| {
        let mut packet = rig.packet(1, seq, seq * 33, &[0x65]);
        packet.format = Arc::clone(&sent);
        packet.starts_key_frame = is_key;
        packet.lead = is_key.then(|| Arc::clone(&lead));
        let mut burst = Vec::new();
        track.route(&packet, &mut burst);
        burst
    };
    assert!(send(&mut track, 9, false).is_empty());
    let first = send(&mut track, 10, true);
    let parts: Vec<(u8, u8, bool)> = first
        .iter()
        .map(|outgoing| (outgoing.part, outgoing.payload[0], outgoing.marker))
        .collect();
    assert_eq!(parts, [(1, 0x67, false), (2, 0x68, false), (0, 0x65, true)]);
    assert!(first.iter().all(|outgoing| {
        (outgoing.number, outgoing.time) == (10, first[2].time) && outgoing.nackable
    }));
    let seqs = |burst: &[Outgoing]| burst.iter().map(|one| one.seq).collect::<Vec<u64>>();
    let start = first[0].seq;
    assert_eq!(seqs(&first), [start, start + 1, start + 2]);
    assert_eq!(seqs(&send(&mut track, 11, false)), [start + 3]);
    assert_eq!(seqs(&send(&mut track, 12, true)), [start + 4], "it goes on");
    track.on_picture_lost();
    assert_eq!(seqs(&send(&mut track, 13, false)), [start + 5]);
    assert_eq!(send(&mut track, 14, true).len(), 3, "it starts anew");
    assert_eq!(seqs(&send(&mut track, 15, true)), [start + 9], "once");
}

#[test]
fn a_codec_the_subscriber_lacks_is_not_sent() {
    let mut rig = Rig::new();
    let mut packet = rig.packet(1, 1, 0, KEY);
    packet.format = Arc::new(format(97, Codec::H264, "packetization-mode=1"));
    let verdict = rig.track.route(&packet, &mut Vec::new());
    assert_eq!(verdict, Verdict::Unmappable);
}

/// What a subscriber with these formats is sent of redundant audio with blocks of type 111.
fn redundant(formats: Vec<Format>) -> Outgoing {
    let rig = Rig::new();
    let mut track = TrackOut::new(MediaKind::Audio, formats, &mut Rng::new(3));
    let packet = Packet {
        kind: MediaKind::Audio,
        format: Arc::new(format(63, Codec::Red, "111/111")),
        plain: Some([7].as_slice().into()),
        ..rig.packet(1, 1, 0, &[111, 7])
    };
    routed(&mut track, &packet).expect("it is sent")
}

#[test]
fn redundant_audio_goes_as_it_came_with_the_subscribers_types_or_as_its_newest_block() {
    let opus = |pt| format(pt, Codec::Opus, "");
    let sent = redundant(vec![opus(111), format(63, Codec::Red, "111/111")]);
    assert_eq!(
        (sent.pt, &*sent.payload, sent.edit),
        (63, &[111, 7][..], None)
    );
    let sent = redundant(vec![opus(109), format(61, Codec::Red, "109/109")]);
    assert_eq!((sent.pt, &*sent.payload), (61, &[111, 7][..]));
    assert_eq!(sent.edit, Some(Edit::BlockType(109)));
    let sent = redundant(vec![opus(109)]);
    assert_eq!((sent.pt, &*sent.payload, sent.edit), (109, &[7][..], None));
}
