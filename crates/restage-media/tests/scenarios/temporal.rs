//! Layers with temporal layers, of which a subscriber is sent what fits.
//!
//! A picture of one packet takes 128 kbit/s as a datagram at 25 pictures a second.

use std::time::Duration;

use restage_media::{Control, PeerId, PreferredLayer, PublicationId, Wish, WorkerId};
use str0m::format::Codec;

use crate::simulcast::{assert_continuous, layer, streaming_in};
use crate::support::client::{Client, Got};
use crate::support::source::{identity, picture_id};
use crate::support::{Link, World};
use crate::workers::{AWAY, HOME, Pair};

const KBIT: u64 = 1_000;
/// Three temporal layers with the rates that libwebrtc gives them: of 10 packets in four pictures the base has 4, and with the middle 6.
const THREE: &[(u8, bool, usize)] = &[(0, false, 4), (2, true, 2), (1, true, 2), (2, false, 2)];

fn narrow(world: &mut World, client: usize, kbit: u64) {
    let to = vec![world.clients[client].public_address()];
    world.links.push(Link::new(to, kbit * KBIT));
}

/// The temporal layer of a packet.
fn temporal(got: &Got) -> u8 {
    got.payload[5] >> 6
}

/// The packets that a client gets in this time from now on, in the order of their numbers: a narrow link loses some, which come again.
fn got_in(world: &mut World, client: usize, ms: u64) -> Vec<Got> {
    let before = world.clients[client].video_got().count();
    world.run_ms(ms);
    let got = world.clients[client].video_got().skip(before);
    let mut got: Vec<Got> = got.cloned().collect();
    got.sort_by_key(|got| got.seq);
    // What has not been repaired yet, at the end, and what was repaired late, at the beginning.
    got.truncate(got.len().saturating_sub(20));
    got.drain(..20.min(got.len()));
    got
}

/// How many different pictures these packets are of.
fn pictures(got: &[Got]) -> usize {
    let mut frames: Vec<u64> = got.iter().map(|got| identity(&got.payload).0).collect();
    frames.sort_unstable();
    frames.dedup();
    frames.len()
}

/// Numbers of packets, pictures and base pictures go on by one, and each picture is whole.
fn assert_whole(got: &[Got]) {
    let all: Vec<&Got> = got.iter().collect();
    assert_continuous(&all);
    for pair in got.windows(2) {
        let step = pair[1].payload[4].wrapping_sub(pair[0].payload[4]);
        let is_new =
            picture_id(Codec::Vp8, &pair[1].payload) != picture_id(Codec::Vp8, &pair[0].payload);
        let expected = u8::from(is_new && temporal(&pair[1]) == 0);
        assert_eq!(step, expected, "TL0PICIDX counts the pictures of the base");
        if is_new {
            assert!(pair[0].marker, "the picture before is whole");
            assert_eq!(
                identity(&pair[1].payload).1,
                0,
                "it begins at its beginning"
            );
        }
    }
}

/// A publisher of one layer with temporal layers, and a subscriber with feedback.
fn one_layer() -> (World, usize, usize) {
    let mut world = World::with_feedback();
    let publisher = world.publisher(1, 1);
    let subscriber = world.subscriber(2, 1);
    world.connect();
    let now = world.now;
    let client = &mut world.clients[publisher];
    client.start_audio(now);
    client.start_video(now, Codec::Vp8, None, 2);
    client.video_sources[0].temporal = THREE;
    (world, publisher, subscriber)
}

#[test]
fn a_network_that_does_not_carry_every_picture_is_sent_as_many_as_it_carries() {
    let (mut world, _, ann) = one_layer();
    let bob = world.subscriber(3, 1);
    world.run_ms(8_000);
    assert!(pictures(&got_in(&mut world, ann, 2_000)) >= 33);
    for (kbit, highest, count) in [(360, 1, 125), (225, 0, 63), (1_500, 2, 250)] {
        match world.links.first_mut() {
            Some(link) => link.bits_per_s = kbit * KBIT,
            None => narrow(&mut world, ann, kbit),
        }
        world.wait("the cut", Duration::from_secs(20), |world| {
            let newest: Vec<u8> = world.clients[ann]
                .video_got()
                .rev()
                .take(40)
                .map(temporal)
                .collect();
            newest.iter().max() == Some(&highest)
        });
        // The first estimate after a fall may be too low.
        world.run_ms(6_000);
        let got = got_in(&mut world, ann, 10_000);
        assert!(
            got.iter().all(|got| temporal(got) <= highest),
            "{kbit} kbit/s"
        );
        let came = pictures(&got);
        assert!(came.abs_diff(count) <= 20, "{kbit} kbit/s: {came}");
        assert_whole(&got);
    }
    let all: Vec<Got> = world.clients[bob].video_got().skip(100).cloned().collect();
    assert_whole(&all);
    assert!(
        all.iter().any(|got| temporal(got) == 2),
        "the other has everything"
    );
    let requests = &world.clients[0].keyframe_requests;
    assert!(
        requests.len() <= 2,
        "for nothing of this a key frame is needed: {requests:?}"
    );
}

#[test]
fn loss_is_repaired_and_leaves_no_hole_in_the_numbers_of_who_is_sent_a_part() {
    let (mut world, _, ann) = one_layer();
    world.delay = Duration::from_millis(15);
    narrow(&mut world, ann, 330);
    world.run_ms(10_000);
    world.loss_out = 2;
    world.loss_in = 2;
    let got = got_in(&mut world, ann, 10_000);
    assert!(
        got.iter().filter(|got| temporal(got) == 2).count() <= 12,
        "all but what was late"
    );
    let missing: u64 = got
        .windows(2)
        .map(|pair| pair[1].seq - pair[0].seq - 1)
        .sum();
    assert_eq!(missing, 0, "of {}", got.len());
}

#[test]
fn of_several_layers_the_larger_one_loses_pictures_before_the_smaller_one_takes_over() {
    let (mut world, publisher, ann) = streaming_in(World::with_feedback());
    for source in &mut world.clients[publisher].video_sources {
        source.temporal = THREE;
    }
    // The layers as they are with THREE differ in the size of their packets only.
    for (source, bytes) in world.clients[publisher]
        .video_sources
        .iter_mut()
        .zip([250, 500, 1_100])
    {
        source.payload_bytes = bytes;
    }
    world.run_ms(10_000);
    let shown = |world: &World| {
        let newest: Vec<&Got> = world.clients[ann].video_got().rev().take(30).collect();
        let highest = newest.iter().map(|got| temporal(got)).max();
        (layer(world, publisher, newest[0]), highest)
    };
    assert_eq!(shown(&world), (2, Some(2)));
    narrow(&mut world, ann, 440);
    world.wait("half of the largest", Duration::from_secs(20), |world| {
        shown(world) == (2, Some(1))
    });
    let got = got_in(&mut world, ann, 5_000);
    assert_whole(&got);
    world.links[0].bits_per_s = 350 * KBIT;
    world.wait("the one in the middle", Duration::from_secs(20), |world| {
        shown(world) == (1, Some(2))
    });
    world.links[0].bits_per_s = 2_000 * KBIT;
    world.wait("the largest", Duration::from_secs(30), |world| {
        shown(world) == (2, Some(2))
    });
}

#[test]
fn a_newcomer_on_a_narrow_network_is_sent_a_part_from_a_key_frame_on() {
    let (mut world, publisher, _) = one_layer();
    world.run_ms(5_000);
    let late = world.subscriber(3, 1);
    narrow(&mut world, late, 240);
    world.run_ms(15_000);
    let got = got_in(&mut world, late, 4_000);
    assert!(!got.is_empty() && got.iter().all(|got| temporal(got) == 0));
    assert_whole(&got);
    assert_eq!(layer(&world, publisher, &got[0]), 0);
}

#[test]
fn a_subscriber_of_another_worker_is_sent_a_part_too_and_a_wish_is_for_whole_layers() {
    let mut pair = Pair::new();
    for world in &mut pair.0 {
        world.has_feedback = true;
    }
    let client = Client::publisher(pair.0[HOME].now, 1, 0);
    let publisher = pair.0[HOME].open(client, true);
    pair.0[HOME].control(Control::Publish {
        peer: PeerId(1),
        publication: PublicationId(1),
    });
    let far = pair.0[AWAY].subscriber(11, 1);
    let beside = pair.0[AWAY].subscriber(12, 1);
    pair.relay(HOME, &[WorkerId(1)]);
    pair.run_ms(300);
    let now = pair.0[HOME].now;
    pair.0[HOME].clients[publisher].start_video(now, Codec::Vp8, None, 2);
    pair.0[HOME].clients[publisher].video_sources[0].temporal = THREE;
    narrow(&mut pair.0[AWAY], far, 250);
    let wish = Wish {
        preferred: PreferredLayer::named("low"),
        ..Wish::default()
    };
    let peer = PeerId(12);
    pair.0[AWAY].control(Control::Wish { peer, wish });
    pair.run_ms(15_000);
    let newest = |pair: &Pair, client: usize| {
        let got: Vec<Got> = pair.0[AWAY].clients[client]
            .video_got()
            .rev()
            .take(60)
            .cloned()
            .collect();
        got.into_iter().rev().collect::<Vec<_>>()
    };
    let (part, whole) = (newest(&pair, far), newest(&pair, beside));
    assert!(part.iter().all(|got| temporal(got) < 2));
    assert!(whole.iter().any(|got| temporal(got) == 2));
    assert_whole(&part);
    assert_whole(&whole);
}
