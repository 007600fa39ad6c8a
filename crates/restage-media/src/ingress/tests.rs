//! What a publisher sends, what others send in its name, and what it sent once.

use super::*;
use crate::egress::srtp::Srtp;
use crate::rng::Rng;
use crate::srtp_keys::tests::material;
use crate::stats::SrtpProfile;

const VIDEO: u32 = 0x1111;
const RTX: u32 = 0x2222;

struct Rig {
    ingress: Ingress,
    publisher: Srtp,
}

impl Rig {
    fn new() -> Self {
        let profile = SrtpProfile::AeadAes256Gcm;
        let mut ingress = Ingress::default();
        ingress.set_keys(&material(false, profile));
        let publisher = Srtp::new(&material(true, profile)).unwrap();
        Self { ingress, publisher }
    }

    fn packet(&self, ssrc: u32, index: u64) -> Vec<u8> {
        let mut packet = vec![0x80, 96];
        packet.extend((index as u16).to_be_bytes());
        packet.extend([0; 4]);
        packet.extend(ssrc.to_be_bytes());
        packet.extend([7; 40]);
        self.publisher.protect_rtp(&mut packet, 0, 12, ssrc, index);
        packet
    }

    fn admit(&mut self, ssrc: u32, index: u64) -> Admission {
        let packet = self.packet(ssrc, index);
        self.ingress.admit(&packet)
    }

    /// The engine has these streams, and what their retransmissions are.
    fn settle(&mut self, streams: &[(u32, Option<u32>)]) {
        self.ingress.settle(|ssrc| {
            let stream = streams.iter().find(|(main, _)| *main == ssrc);
            stream.map(|(_, rtx)| *rtx)
        });
    }
}

#[test]
fn only_what_the_publisher_sealed_may_move_a_stream() {
    let mut rig = Rig::new();
    let genuine = rig.packet(VIDEO, 5);
    for bit in 8 * 8..12 * 8 {
        let mut forged = genuine.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(rig.ingress.admit(&forged), Admission::Refused, "{bit}");
    }
    assert_eq!(rig.ingress.admit(&genuine), Admission::Moving);
    rig.settle(&[(VIDEO, None)]);
    assert_eq!(rig.admit(VIDEO, 6), Admission::Known);
    // The engine refuses it without looking for a stream.
    let mut forged = rig.packet(VIDEO, 7);
    forged[20] ^= 1;
    assert_eq!(rig.ingress.admit(&forged), Admission::Known);
}

#[test]
fn without_keys_and_without_a_header_nothing_is_admitted() {
    let mut rig = Rig::new();
    let packet = rig.packet(VIDEO, 5);
    assert!(!Ingress::default().has_keys());
    assert_eq!(Ingress::default().admit(&packet), Admission::Refused);
    let mut rng = Rng::new(3);
    for length in 0..1_500 {
        let mut bytes: Vec<u8> = (0..length).map(|_| rng.next_u64() as u8).collect();
        if let Some(first) = bytes.first_mut() {
            *first = *first & 0x3f | 0x80;
        }
        assert_eq!(rig.ingress.admit(&bytes), Admission::Refused, "{length}");
    }
    assert_eq!(rig.ingress.sources.len(), 0);
}

#[test]
fn a_source_without_a_stream_is_verified_each_time_and_not_twice_the_same() {
    let mut rig = Rig::new();
    assert_eq!(rig.admit(VIDEO, 5), Admission::Moving);
    rig.settle(&[]);
    assert_eq!(rig.admit(VIDEO, 5), Admission::Refused, "a replay");
    assert_eq!(rig.admit(VIDEO, 7), Admission::Moving);
    assert_eq!(rig.admit(VIDEO, 6), Admission::Refused, "a late replay");
}

#[test]
fn a_source_that_comes_back_goes_on_where_it_was() {
    let mut rig = Rig::new();
    assert_eq!(rig.admit(VIDEO, 65_000), Admission::Moving);
    rig.settle(&[(VIDEO, None)]);
    rig.ingress.on_verified(VIDEO, 0x1_0005);
    rig.ingress.on_verified(VIDEO, 0x1_0003);
    // Another takes the stream over.
    assert_eq!(rig.admit(3, 9), Admission::Moving);
    rig.settle(&[(3, None)]);
    assert_eq!(rig.admit(VIDEO, 0x1_0005), Admission::Refused, "a replay");
    assert_eq!(rig.admit(VIDEO, 65_530), Admission::Refused, "an old one");
    assert_eq!(rig.admit(VIDEO, 0x1_0006), Admission::Moving);
    rig.settle(&[(VIDEO, None)]);
    assert_eq!(rig.admit(VIDEO, 0x1_0007), Admission::Known);
    assert_eq!(rig.admit(3, 9), Admission::Refused);
}

#[test]
fn retransmissions_have_the_stream_of_what_they_repeat() {
    let mut rig = Rig::new();
    assert_eq!(rig.admit(RTX, 1), Admission::Moving);
    rig.settle(&[]);
    assert_eq!(rig.admit(RTX, 2), Admission::Moving, "not yet");
    assert_eq!(rig.admit(VIDEO, 1), Admission::Moving);
    rig.settle(&[(VIDEO, Some(RTX))]);
    assert_eq!(rig.admit(RTX, 3), Admission::Known);
    rig.settle(&[(VIDEO, Some(9))]);
    assert_eq!(rig.admit(RTX, 3), Admission::Moving, "another's now");
}

#[test]
fn what_is_remembered_is_bounded_and_what_is_in_use_stays() {
    let mut rig = Rig::new();
    assert_eq!(rig.admit(VIDEO, 65_535), Admission::Moving);
    rig.settle(&[(VIDEO, None)]);
    for ssrc in 0x1_0000..0x1_0000 + 3 * SOURCES_VERIFIED_MAX as u32 {
        assert_eq!(rig.admit(ssrc, 1), Admission::Moving);
        rig.settle(&[(VIDEO, None)]);
        assert!(rig.ingress.sources.len() <= SOURCES_VERIFIED_MAX);
    }
    assert_eq!(rig.admit(VIDEO, 0x1_0000), Admission::Known);
    // Should all be in use, the oldest goes.
    rig.ingress.settle(|_| Some(None));
    assert_eq!(rig.admit(1, 1), Admission::Moving);
    assert_eq!(rig.ingress.sources.len(), SOURCES_VERIFIED_MAX);
    assert!(
        rig.ingress
            .sources
            .iter()
            .all(|source| source.ssrc != VIDEO)
    );
}

#[test]
fn nobody_changes_for_ever() {
    let mut rig = Rig::new();
    let (mut ssrc, mut changes) = (VIDEO, 0);
    while rig.admit(ssrc, 1) == Admission::Moving {
        rig.settle(&[(ssrc, None)]);
        assert_eq!(rig.admit(ssrc, 2), Admission::Known);
        ssrc += 1;
        changes += 1;
    }
    assert_eq!(changes, SOURCE_CHANGES_MAX / 2, "new, and with a stream");
    assert_eq!(
        rig.admit(ssrc - 1, 3),
        Admission::Known,
        "what is there stays"
    );
}

#[test]
fn rtp_is_told_from_everything_else() {
    for (bytes, expected) in [
        (&[0x80, 96][..], true),
        (&[0xbf, 0xe0], true),
        (&[0x90, 63], true),
        (&[0x80, 0xc8], false),
        (&[0x81, 0xcd], false),
        (&[0x80, 72], false),
        (&[0x7f, 96], false),
        (&[0xc0, 96], false),
        (&[22, 96], false),
        (&[0, 1], false),
        (&[0x80], false),
        (&[], false),
    ] {
        assert_eq!(is_rtp(bytes), expected, "{bytes:x?}");
    }
}

#[test]
fn the_index_is_the_nearest_one() {
    assert_eq!(index(None, 65_535), 65_535);
    assert_eq!(index(Some(65_535), 0), 0x1_0000);
    assert_eq!(index(Some(0x1_0000), 65_535), 65_535);
    assert_eq!(index(Some(0x1_0000), 32_767), 0x1_7fff);
    assert_eq!(index(Some(2), 65_535), 0, "there is none before the first");
}
