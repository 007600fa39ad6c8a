//! Media arrives with every protection: AES-GCM where it is offered, otherwise AES in counter mode.

use std::collections::BTreeSet;
use std::time::Duration;

use restage_load::Srtp;
use restage_media::{Control, PeerId, PublicationId, Stats};
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind};

use crate::support::World;
use crate::support::client::Client;

const BOTH: [Srtp; 2] = [Srtp::All, Srtp::AesCm];

/// Opens a publisher of publication 1 and a subscriber of it. Returns them connected.
fn pair(publisher: Srtp, subscriber: Srtp) -> (World, usize, usize) {
    let mut world = World::new();
    let publisher = publish(&mut world, publisher, 1, 1);
    let subscriber = subscribe(&mut world, subscriber, 2, 1);
    world.connect();
    (world, publisher, subscriber)
}

fn publish(world: &mut World, srtp: Srtp, key: u64, publication: u64) -> usize {
    let number = world.clients.len();
    let client = Client::offering(srtp, world.now, key, number, Direction::SendOnly);
    let index = world.open(client, true);
    world.control(Control::Publish {
        peer: PeerId(key),
        publication: PublicationId(publication),
    });
    index
}

fn subscribe(world: &mut World, srtp: Srtp, key: u64, publication: u64) -> usize {
    let number = world.clients.len();
    let client = Client::offering(srtp, world.now, key, number, Direction::RecvOnly);
    let index = world.open(client, false);
    world.control(Control::Subscribe {
        peer: PeerId(key),
        publication: PublicationId(publication),
    });
    index
}

fn sent(world: &World, index: usize, kind: MediaKind) -> Vec<&[u8]> {
    let sent = world.clients[index].sent.iter();
    sent.filter(|(of, _)| *of == kind)
        .map(|(_, payload)| &**payload)
        .collect()
}

fn got(world: &World, index: usize, kind: MediaKind) -> Vec<&[u8]> {
    let got = world.clients[index].got.iter();
    got.filter(|got| got.kind == kind)
        .map(|got| &*got.payload)
        .collect()
}

fn agreed(stats: &Stats) -> [u64; 3] {
    [
        stats.srtp_aes_256_gcm,
        stats.srtp_aes_128_gcm,
        stats.srtp_aes_128_cm,
    ]
}

#[test]
fn what_both_sides_have_is_agreed_on_and_counted() {
    for (publisher, subscriber, expected) in [
        (Srtp::All, Srtp::All, [2, 0, 0]),
        (Srtp::AesCm, Srtp::All, [1, 0, 1]),
        (Srtp::All, Srtp::AesCm, [1, 0, 1]),
        (Srtp::AesCm, Srtp::AesCm, [0, 0, 2]),
    ] {
        let (world, ..) = pair(publisher, subscriber);
        let stats = world.sfu.stats();
        assert_eq!(agreed(&stats), expected, "{publisher:?} to {subscriber:?}");
    }
}

#[test]
fn payloads_arrive_byte_for_byte_whatever_either_side_offers() {
    let mut world = World::new();
    let publishers = BOTH.map(|srtp| {
        let number = world.clients.len() as u64 + 1;
        publish(&mut world, srtp, number, number)
    });
    let subscribers: Vec<(usize, usize)> = publishers
        .iter()
        .flat_map(|publisher| BOTH.map(|srtp| (*publisher, srtp)))
        .enumerate()
        .map(|(number, (publisher, srtp))| {
            let publication = publisher as u64 + 1;
            let index = subscribe(&mut world, srtp, 10 + number as u64, publication);
            (publisher, index)
        })
        .collect();
    world.connect();
    for publisher in publishers {
        let now = world.now;
        let client = &mut world.clients[publisher];
        client.start(now, Codec::H264);
        client.video_sources[0].is_uneven = true;
    }
    world.run_ms(2_000);
    for publisher in publishers {
        world.clients[publisher].stop();
    }
    world.run_ms(200);
    for (publisher, subscriber) in subscribers {
        for (kind, enough) in [(MediaKind::Audio, 90), (MediaKind::Video, 140)] {
            let sent = sent(&world, publisher, kind);
            let got = got(&world, subscriber, kind);
            assert!(got.len() > enough, "{} of {kind:?}", got.len());
            assert_eq!(got, sent[sent.len() - got.len()..], "{kind:?}");
        }
    }
}

#[test]
fn the_tag_of_each_packet_is_that_of_the_profile() {
    // AES-GCM's has 16 bytes (RFC 7714 §14.2), HMAC-SHA1-80's 10 (RFC 3711 §4.2.1).
    for (srtp, tag) in [(Srtp::All, 16), (Srtp::AesCm, 10)] {
        let (mut world, publisher, subscriber) = pair(Srtp::All, srtp);
        let now = world.now;
        world.clients[publisher].start_audio(now);
        world.recording = Some(Vec::new());
        world.run_ms(1_000);
        let payload = got(&world, subscriber, MediaKind::Audio)[0].len();
        let sent = world.recording.take().unwrap();
        let is_rtp =
            |bytes: &[u8]| bytes[0] & 0xc0 == 0x80 && !(64..96).contains(&(bytes[1] & 0x7f));
        let packets: Vec<_> = sent
            .iter()
            .filter(|flight| flight.from == world.sfu_address && is_rtp(&flight.bytes))
            .collect();
        assert!(packets.len() > 40, "{}", packets.len());
        for flight in packets {
            let bytes = &flight.bytes;
            let extension = if bytes[0] & 0x10 != 0 {
                4 + 4 * usize::from(u16::from_be_bytes([bytes[14], bytes[15]]))
            } else {
                0
            };
            assert_eq!(bytes.len() - 12 - extension - payload, tag, "{srtp:?}");
        }
    }
}

#[test]
fn loss_is_repaired_under_aes_cm() {
    let (mut world, publisher, subscriber) = pair(Srtp::AesCm, Srtp::AesCm);
    let now = world.now;
    world.clients[publisher].start(now, Codec::H264);
    world.run_ms(1_000);
    (world.loss_in, world.loss_out) = (5, 5);
    world.run_ms(5_000);
    (world.loss_in, world.loss_out) = (0, 0);
    // The following packets show what is missing.
    world.run_ms(500);
    world.clients[publisher].stop();
    world.run_ms(1_000);
    let sent: BTreeSet<_> = sent(&world, publisher, MediaKind::Video)
        .into_iter()
        .collect();
    let got: BTreeSet<_> = got(&world, subscriber, MediaKind::Video)
        .into_iter()
        .collect();
    assert!(got.len() > 400, "{}", got.len());
    assert_eq!(sent.difference(&got).count(), 0);
    assert!(world.sfu.stats().packets_resent > 0);
}

#[test]
fn reports_key_frame_requests_and_goodbyes_pass_under_aes_cm() {
    let (mut world, publisher, subscriber) = pair(Srtp::AesCm, Srtp::AesCm);
    let now = world.now;
    world.clients[publisher].start(now, Codec::Vp8);
    world.run_ms(6_000);
    for kind in [MediaKind::Audio, MediaKind::Video] {
        let mut reports = world.clients[subscriber].reports.iter();
        assert!(reports.any(|report| report.kind == kind), "{kind:?}");
    }
    world.clients[publisher].keyframe_requests.clear();
    world.clients[subscriber].request_keyframe();
    world.wait("the request", Duration::from_secs(2), |world| {
        !world.clients[publisher].keyframe_requests.is_empty()
    });
    let peer = world.clients[subscriber].key;
    world.control(Control::Close { peer });
    world.wait(
        "the end of the connection",
        Duration::from_secs(2),
        |world| world.clients[subscriber].is_closed,
    );
}

#[test]
fn numbers_go_on_when_sixteen_bits_are_used_up_under_aes_cm() {
    let (mut world, publisher, subscriber) = pair(Srtp::AesCm, Srtp::AesCm);
    let now = world.now;
    let client = &mut world.clients[publisher];
    client.start_video(now, Codec::H264, None, 100);
    client.video_sources[0].payload_bytes = 60;
    // Sequence numbers of both ends start below 65,000, so this many packets cross both rollovers.
    let enough = 0x1_0000 + 1_000;
    world.wait("packets beyond it", Duration::from_secs(60), |world| {
        world.clients[subscriber].got.len() > enough
    });
    let seqs: Vec<u64> = world.clients[subscriber]
        .video_got()
        .map(|got| got.seq)
        .collect();
    assert!(
        seqs.windows(2).all(|pair| pair[0] + 1 == pair[1]),
        "no gap, none twice"
    );
    assert!(seqs.last().is_some_and(|last| *last > 0x1_0000));
    let got = got(&world, subscriber, MediaKind::Video);
    let sent = sent(&world, publisher, MediaKind::Video);
    let first = sent.iter().position(|payload| *payload == got[0]).unwrap();
    assert_eq!(got, sent[first..][..got.len()]);
}

#[test]
fn no_two_reports_to_a_peer_have_the_same_number() {
    // RFC 7714 §9.1 and RFC 3711 §3.4: the index is last, or before HMAC-SHA1-80's tag.
    for (srtp, tag) in [(Srtp::All, 0), (Srtp::AesCm, 10)] {
        let (mut world, publisher, subscriber) = pair(srtp, srtp);
        world.recording = Some(Vec::new());
        let now = world.now;
        world.clients[publisher].start(now, Codec::Vp8);
        world.loss_in = 10;
        for _ in 0..4 {
            world.run_ms(1_000);
            world.clients[subscriber].request_keyframe();
        }
        for key in [1, 2] {
            world.control(Control::Close { peer: PeerId(key) });
        }
        let recorded = world.recording.take().unwrap();
        for index in [publisher, subscriber] {
            let to = world.clients[index].address;
            let is_rtcp = |bytes: &[u8]| bytes[0] & 0xc0 == 0x80 && (192..224).contains(&bytes[1]);
            let numbers: Vec<(&[u8], &[u8])> = recorded
                .iter()
                .filter(|flight| flight.to == to && is_rtcp(&flight.bytes))
                .map(|flight| {
                    let end = flight.bytes.len() - tag;
                    (&flight.bytes[4..8], &flight.bytes[end - 4..end])
                })
                .collect();
            let different: BTreeSet<_> = numbers.iter().collect();
            assert!(numbers.len() > 6, "{}", numbers.len());
            assert_eq!(different.len(), numbers.len(), "{srtp:?}");
        }
    }
}

#[test]
fn packets_changed_on_the_way_are_dropped_on_either_side() {
    for publisher in BOTH {
        for subscriber in BOTH {
            let (mut world, publisher, subscriber) = pair(publisher, subscriber);
            let now = world.now;
            world.clients[publisher].start(now, Codec::H264);
            world.run_ms(500);
            world.tampered = 10;
            world.run_ms(4_000);
            world.tampered = 0;
            world.run_ms(500);
            let unharmed = world.clients[publisher].sent.len();
            world.run_ms(2_000);
            world.clients[publisher].stop();
            world.run_ms(500);

            let later: Vec<&[u8]> = world.clients[publisher].sent[unharmed..]
                .iter()
                .map(|(_, payload)| &**payload)
                .collect();
            assert!(later.len() > 200);
            let mut all = BTreeSet::new();
            for (kind, enough) in [(MediaKind::Audio, 220), (MediaKind::Video, 480)] {
                let sent: BTreeSet<_> = sent(&world, publisher, kind).into_iter().collect();
                let got: BTreeSet<_> = got(&world, subscriber, kind).into_iter().collect();
                assert!(got.is_subset(&sent), "nothing was made up, {kind:?}");
                assert!(got.len() > enough, "{} of {kind:?}", got.len());
                // Audio is not retransmitted, so every changed packet is missing.
                assert!(kind == MediaKind::Video || got.len() + 20 < sent.len());
                all.extend(got);
            }
            let missing = later.iter().filter(|payload| !all.contains(*payload));
            assert_eq!(missing.count(), 0, "no harm lasts");
            assert!(world.gone(1).is_none() && world.gone(2).is_none());
        }
    }
}
