//! Forged packets of SSRCs that the publisher does not have: they come from its address and name its streams by MID,
//! payload type and RID, but are not encrypted with its keys.

use std::collections::BTreeSet;
use std::time::Duration;

use restage_load::Srtp;
use restage_media::{Control, Input, PeerId, Protocol, PublicationId, limits};
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind};

use crate::support::client::{Client, Got};
use crate::support::source::VideoSource;
use crate::support::{Flight, World};

fn streaming(srtp: Srtp, codec: Codec) -> (World, usize, usize) {
    let mut world = World::new();
    let client = Client::offering(srtp, world.now, 1, 0, Direction::SendOnly);
    let publisher = publish(&mut world, client);
    let subscriber = world.subscriber(2, 1);
    world.connect();
    let now = world.now;
    world.clients[publisher].start(now, codec);
    world.run_ms(500);
    (world, publisher, subscriber)
}

fn publish(world: &mut World, client: Client) -> usize {
    let index = world.open(client, true);
    world.control(Control::Publish {
        peer: PeerId(1),
        publication: PublicationId(1),
    });
    index
}

/// The RTP packets that reach the `Sfu` within this time.
fn record(world: &mut World, publisher: usize, time: Duration) -> Vec<Vec<u8>> {
    world.recording = Some(Vec::new());
    world.run(time);
    let from = world.clients[publisher].address;
    let flights = world.recording.take().unwrap();
    let is_rtp = |bytes: &[u8]| bytes[0] & 0xc0 == 0x80 && !(64..96).contains(&(bytes[1] & 0x7f));
    let packets = flights.into_iter().filter(|flight: &Flight| {
        flight.from == from && flight.to == world.sfu_address && is_rtp(&flight.bytes)
    });
    packets.map(|flight| flight.bytes).collect()
}

/// The number of forged packets that [`forge`] sends.
const FORGERIES_MIN: u64 = 1_000;

fn throw(world: &mut World, client: usize, bytes: &[u8]) {
    let input = Input::Datagram {
        protocol: Protocol::Udp,
        source: world.clients[client].address,
        destination: world.sfu_address,
        payload: bytes,
    };
    world.sfu.handle_input(world.now, input);
    world.drain_sfu();
}

/// Sends each packet with an SSRC of its own.
fn forgeries(world: &mut World, packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut forgeries = packets.to_vec();
    for packet in &mut forgeries {
        packet[8..12].copy_from_slice(&world.rng.bytes(4));
    }
    forgeries
}

/// Sends more packets than a server would tolerate that counted errors. Returns how many.
fn forge(world: &mut World, client: usize, packets: &[Vec<u8>]) -> u64 {
    let mut count = 0;
    while count <= FORGERIES_MIN {
        for packet in forgeries(world, packets) {
            throw(world, client, &packet);
            count += 1;
        }
        world.run_ms(200);
    }
    count
}

/// Payload types of these packets.
fn types(packets: &[Vec<u8>]) -> BTreeSet<u8> {
    packets.iter().map(|packet| packet[1] & 0x7f).collect()
}

fn assert_no_gap<'a>(got: impl Iterator<Item = &'a Got>, enough: usize) {
    let seqs: Vec<u64> = got.map(|got| got.seq).collect();
    assert!(seqs.len() > enough, "{} of {enough}", seqs.len());
    assert!(seqs.windows(2).all(|pair| pair[0] + 1 == pair[1]));
}

/// A subscriber's key frame request reaches the publisher with the right SSRC, whatever was forged before.
fn assert_key_frames_can_be_had(
    world: &mut World,
    publisher: usize,
    subscriber: usize,
    mut hostile: impl FnMut(&mut World) -> Vec<Vec<u8>>,
) {
    for _ in 0..6 {
        for packet in hostile(world) {
            throw(world, publisher, &packet);
        }
        // It may request one again.
        world.run(limits::KEYFRAME_EARNED_EVERY);
        world.clients[publisher].keyframe_requests.clear();
        world.clients[subscriber].request_keyframe();
        world.wait("the request", Duration::from_millis(500), |world| {
            !world.clients[publisher].keyframe_requests.is_empty()
        });
    }
}

#[test]
fn streams_stay_where_they_are_under_either_protection() {
    for (srtp, codec) in [(Srtp::All, Codec::H264), (Srtp::AesCm, Codec::Vp8)] {
        let (mut world, publisher, subscriber) = streaming(srtp, codec);
        world.loss_in = 10;
        let packets = record(&mut world, publisher, Duration::from_secs(1));
        world.loss_in = 0;
        world.run_ms(500);
        assert_eq!(types(&packets).len(), 3, "sound, video, retransmissions");
        let before = world.sfu.stats();
        world.clients[publisher].keyframe_requests.clear();
        world.clients[subscriber].got.clear();

        let count = forge(&mut world, publisher, &packets);

        let after = world.sfu.stats();
        assert!(world.gone(1).is_none());
        // A stream that was taken for another one would begin with a key frame.
        assert!(world.clients[publisher].keyframe_requests.is_empty());
        assert_eq!(after.keyframe_requests, before.keyframe_requests);
        world.run_ms(1_000);
        assert_no_gap(world.clients[subscriber].video_got(), 150);
        assert_no_gap(world.clients[subscriber].audio_got(), 100);
        assert_key_frames_can_be_had(&mut world, publisher, subscriber, |world| {
            forgeries(world, &packets)
        });
        assert_loss_is_repaired(&mut world, publisher, subscriber);
        let rejected = after.datagrams_rejected - before.datagrams_rejected;
        assert_eq!(rejected, count, "{srtp:?}");
    }
}

fn assert_loss_is_repaired(world: &mut World, publisher: usize, subscriber: usize) {
    let from = world.clients[publisher].sent.len();
    world.loss_in = 5;
    world.run_ms(2_000);
    world.loss_in = 0;
    // The following packets show what is missing.
    world.run_ms(500);
    world.clients[publisher].stop();
    world.run_ms(500);
    let got: BTreeSet<&[u8]> = world.clients[subscriber]
        .got
        .iter()
        .map(|got| &*got.payload)
        .collect();
    let sent = world.clients[publisher].sent[from..].iter();
    let video: Vec<_> = sent.filter(|(kind, _)| *kind == MediaKind::Video).collect();
    assert!(video.len() > 150);
    assert!(video.iter().all(|(_, payload)| got.contains(&**payload)));
}

#[test]
fn layers_stay_where_they_are() {
    const RIDS: [&str; 3] = ["q", "h", "f"];
    let mut world = World::new();
    let client = Client::simulcast(world.now, 1, 0, &RIDS);
    let publisher = publish(&mut world, client);
    let subscriber = world.subscriber(2, 1);
    world.connect();
    let now = world.now;
    for (rid, packets) in RIDS.iter().zip([1, 2, 4]) {
        world.clients[publisher].start_video(now, Codec::Vp8, Some(rid), packets);
    }
    // The first packets name MID and RID.
    let packets = record(&mut world, publisher, Duration::from_secs(1));
    world.run_ms(3_000);
    let before = world.sfu.stats();
    world.clients[publisher].keyframe_requests.clear();
    world.clients[subscriber].got.clear();

    let count = forge(&mut world, publisher, &packets);

    let after = world.sfu.stats();
    assert_eq!(after.keyframe_requests, before.keyframe_requests);
    assert!(world.clients[publisher].keyframe_requests.is_empty());
    world.run_ms(1_000);
    assert_no_gap(world.clients[subscriber].video_got(), 100);
    assert_key_frames_can_be_had(&mut world, publisher, subscriber, |world| {
        // One for each layer: if there were many, they would replace each other.
        forgeries(world, &packets[..RIDS.len()])
    });
    let (_, rid) = &world.clients[publisher].keyframe_requests[0];
    assert_eq!(rid.as_deref(), Some("f"));
    assert_eq!(after.datagrams_rejected - before.datagrams_rejected, count);
}

#[test]
fn a_subscriber_sends_no_media() {
    let (mut world, publisher, subscriber) = streaming(Srtp::All, Codec::Vp8);
    let packets = record(&mut world, publisher, Duration::from_secs(1));
    world.clients[subscriber].got.clear();
    let before = world.sfu.stats();
    let count = forge(&mut world, subscriber, &packets);
    let after = world.sfu.stats();
    assert_eq!(after.datagrams_rejected - before.datagrams_rejected, count);
    assert!(world.gone(2).is_none());
    assert_no_gap(world.clients[subscriber].video_got(), 100);
}

/// Continues with another SSRC, as after a restart of the encoder. Returns the previous source.
fn change_source(
    world: &mut World,
    publisher: usize,
    ssrc: u32,
    source: VideoSource,
) -> VideoSource {
    let now = world.now;
    let client = &mut world.clients[publisher];
    let video = client.peer.video.unwrap();
    let mut api = client.peer.rtc.direct_api();
    let stream = api.stream_tx_by_mid(video, None).unwrap();
    let (old, rtx) = (stream.ssrc(), stream.rtx().map(|rtx| *rtx));
    api.remove_stream_tx(old);
    api.declare_stream_tx(ssrc.into(), rtx.map(|rtx| (rtx ^ ssrc).into()), video, None);
    let before = std::mem::replace(&mut client.video_sources[0], source);
    client.video_sources[0].next_at = now;
    client.video_sources[0].on_keyframe_request();
    before
}

fn ssrc(world: &mut World, publisher: usize) -> u32 {
    let client = &mut world.clients[publisher];
    let video = client.peer.video.unwrap();
    let mut api = client.peer.rtc.direct_api();
    *api.stream_tx_by_mid(video, None).unwrap().ssrc()
}

fn source(world: &World, seed: u64) -> VideoSource {
    VideoSource::new(world.now, Codec::H264, None, 3, seed)
}

/// Everything that is sent from now on arrives, in order.
fn assert_all_arrives(world: &mut World, publisher: usize, subscriber: usize) {
    let from = world.clients[publisher].sent.len();
    world.clients[subscriber].got.clear();
    world.run_ms(1_000);
    let sent = &world.clients[publisher].sent[from..];
    let sent: Vec<&[u8]> = sent
        .iter()
        .filter(|(kind, _)| *kind == MediaKind::Video)
        .map(|(_, payload)| &**payload)
        .collect();
    let got: Vec<&[u8]> = world.clients[subscriber]
        .video_got()
        .map(|got| &*got.payload)
        .collect();
    assert!(sent.len() > 60);
    // The last packets are still on their way, as were the first ones that were sent before.
    let first = got.iter().position(|payload| *payload == sent[0]).unwrap();
    let got = &got[first..];
    assert!(got.len() + 12 > sent.len());
    assert_eq!(got, &sent[..got.len()]);
}

#[test]
fn an_ssrc_the_publisher_changes_to_is_followed_there_and_back() {
    for srtp in [Srtp::All, Srtp::AesCm] {
        let (mut world, publisher, subscriber) = streaming(srtp, Codec::H264);
        let first = ssrc(&mut world, publisher);
        // Crosses the rollover, so that the counter is not zero when the SSRC is used again.
        world.clients[publisher].video_sources[0].packets_per_frame = 100;
        world.run_ms(2_000);
        world.clients[publisher].video_sources[0].packets_per_frame = 3;
        world.run_ms(200);
        let another = source(&world, 5);
        let before = change_source(&mut world, publisher, 0x5555, another);
        assert_all_arrives(&mut world, publisher, subscriber);
        change_source(&mut world, publisher, first, before);
        assert_all_arrives(&mut world, publisher, subscriber);
        assert_eq!(world.sfu.stats().datagrams_rejected, 0);
    }
}

#[test]
fn packets_of_a_former_ssrc_do_not_bring_it_back() {
    for srtp in [Srtp::All, Srtp::AesCm] {
        let (mut world, publisher, subscriber) = streaming(srtp, Codec::H264);
        let packets = record(&mut world, publisher, Duration::from_secs(1));
        for (ssrc, seed) in [(0x5555, 5), (0x6666, 6)] {
            let another = source(&world, seed);
            change_source(&mut world, publisher, ssrc, another);
            assert_all_arrives(&mut world, publisher, subscriber);
        }
        for packet in &packets {
            throw(&mut world, publisher, packet);
        }
        world.clients[subscriber].got.clear();
        world.run_ms(1_000);
        assert_no_gap(world.clients[subscriber].video_got(), 60);
        assert_key_frames_can_be_had(&mut world, publisher, subscriber, |_| packets.clone());
    }
}
