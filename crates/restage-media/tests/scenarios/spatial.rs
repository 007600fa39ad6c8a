//! Spatial layers within one stream of VP9, of which a subscriber is sent what it wishes for and what fits.

use std::time::Duration;

use restage_media::{Control, LayerLabel, PeerId, PreferredLayer, StreamState, Wish};
use str0m::format::Codec;

use crate::support::client::Got;
use crate::support::source::{identity, picture_id};
use crate::support::{Link, World};

const KBIT: u64 = 1_000;
/// Three spatial layers of 1, 2 and 4 packets a picture: about 130, 390 and 910 kbit/s on the wire.
const SPATIAL: &[usize] = &[1, 2, 4];
/// Which of them pictures have, as libwebrtc encodes VP9 in L3T3_KEY: frames use those of their own layer only, and where the rate would be
/// exceeded single ones are left out.
const KEPT: &[&[u8]] = &[
    &[0, 1, 2],
    &[0, 2],
    &[1],
    &[0, 1],
    &[1, 2],
    &[2],
    &[0, 1, 2],
    &[0],
];
/// Temporal layers of whole pictures; how many packets they have is said by the spatial layers.
const TEMPORAL: &[(u8, bool, usize)] =
    &[(0, false, 0), (2, false, 0), (1, false, 0), (2, false, 0)];

fn layers(got: &Got) -> (u8, u8) {
    (got.payload[3] >> 1 & 0x07, got.payload[3] >> 5)
}

fn streaming(temporal: &'static [(u8, bool, usize)]) -> (World, usize, usize) {
    let mut world = World::carrying(Codec::Vp9);
    world.has_feedback = true;
    let publisher = world.publisher(1, 1);
    let subscriber = world.subscriber(2, 1);
    world.connect();
    let now = world.now;
    world.clients[publisher].start_video(now, Codec::Vp9, None, 1);
    let source = &mut world.clients[publisher].video_sources[0];
    source.spatial = SPATIAL;
    source.temporal = temporal;
    (world, publisher, subscriber)
}

/// The packets that a client gets in this time from now on, in the order of their numbers.
fn got_in(world: &mut World, client: usize, ms: u64) -> Vec<Got> {
    let before = world.clients[client].video_got().count();
    world.run_ms(ms);
    let mut got: Vec<Got> = world.clients[client]
        .video_got()
        .skip(before)
        .cloned()
        .collect();
    got.sort_by_key(|got| got.seq);
    got
}

/// The highest spatial layer of the newest pictures.
fn highest(world: &World, client: usize) -> Option<u8> {
    world.clients[client]
        .video_got()
        .rev()
        .take(20)
        .map(|got| layers(got).0)
        .max()
}

/// Sequence numbers go on by one; each picture has all layers up to this one, ends with a marker and has none before.
fn assert_whole(got: &[Got], top: u8) {
    for pair in got.windows(2) {
        assert_eq!(pair[1].seq, pair[0].seq + 1);
        let is_new = pair[1].time != pair[0].time;
        assert_eq!(pair[0].marker, is_new, "the marker ends the picture");
        if is_new {
            assert_eq!((layers(&pair[0]).0, layers(&pair[1]).0), (top, 0));
            let id = |got: &Got| picture_id(Codec::Vp9, &got.payload).unwrap();
            let frames = identity(&pair[1].payload).0 - identity(&pair[0].payload).0;
            let ids = id(&pair[1]).wrapping_sub(id(&pair[0])) & 0x7fff;
            assert_eq!(u64::from(ids), frames, "ids count what is left out, too");
        }
    }
    assert!(got.iter().all(|got| layers(got).0 <= top));
}

fn told(world: &World, peer: u64) -> Option<&StreamState> {
    let mut all = world.streams.iter().rev();
    all.find(|(of, _)| *of == PeerId(peer))
        .map(|(_, state)| state)
}

fn wish(world: &mut World, peer: u64, wish: Wish) {
    let peer = PeerId(peer);
    world.control(Control::Wish { peer, wish });
}

#[test]
fn a_subscriber_is_shown_the_spatial_layer_that_it_wishes_for_and_another_one_everything() {
    let (mut world, publisher, ann) = streaming(&[]);
    let bob = world.subscriber(3, 1);
    for client in [ann, bob] {
        world.wait("everything", Duration::from_secs(15), |world| {
            highest(world, client) == Some(2)
        });
    }
    world.wait("to be told", Duration::from_secs(4), |world| {
        let state = told(world, 2);
        state.is_some_and(|state| state.layers.len() == 3 && state.selected == Some(2))
    });
    let state = told(&world, 2).unwrap();
    let heights: Vec<_> = state
        .layers
        .iter()
        .map(|layer| layer.size.unwrap().height)
        .collect();
    assert_eq!(heights, [90, 180, 360]);
    let labels: Vec<LayerLabel> = state.layers.iter().map(|layer| layer.label).collect();
    assert_eq!(labels, [LayerLabel::Low, LayerLabel::Mid, LayerLabel::Hi]);
    let keys = world.clients[publisher].keyframe_requests.len();
    for (height_max, top) in [(180, 1), (100, 0)] {
        wish(
            &mut world,
            2,
            Wish {
                height_max: Some(height_max),
                ..Wish::default()
            },
        );
        world.run_ms(300);
        let got = got_in(&mut world, ann, 2_000);
        assert!(got.len() > 40);
        assert_whole(&got, top);
        assert_eq!(told(&world, 2).unwrap().selected, Some(usize::from(top)));
    }
    assert_eq!(
        world.clients[publisher].keyframe_requests.len(),
        keys,
        "down goes without a key frame"
    );
    let preferred = PreferredLayer::named("mid");
    wish(
        &mut world,
        2,
        Wish {
            preferred,
            ..Wish::default()
        },
    );
    world.wait("the middle", Duration::from_secs(8), |world| {
        highest(world, ann) == Some(1)
    });
    assert!(
        world.clients[publisher].keyframe_requests.len() > keys,
        "up comes at a key frame"
    );
    world.run_ms(1_000);
    assert_whole(&got_in(&mut world, ann, 2_000), 1);
    assert_eq!(told(&world, 2).unwrap().selected, Some(1));
    wish(&mut world, 2, Wish::default());
    world.wait("everything", Duration::from_secs(8), |world| {
        highest(world, ann) == Some(2)
    });
    world.run_ms(1_000);
    assert_whole(&got_in(&mut world, ann, 2_000), 2);
    assert_eq!(highest(&world, bob), Some(2));
    let got: Vec<Got> = world.clients[bob].video_got().cloned().collect();
    assert!(got.windows(2).all(|pair| pair[1].seq == pair[0].seq + 1));
}

#[test]
fn a_network_that_does_not_carry_everything_is_sent_the_layers_that_it_carries() {
    let (mut world, _, ann) = streaming(TEMPORAL);
    let bob = world.subscriber(3, 1);
    for client in [ann, bob] {
        world.wait("everything", Duration::from_secs(15), |world| {
            highest(world, client) == Some(2)
        });
    }
    let to = vec![world.clients[ann].public_address()];
    world.links.push(Link::new(to, 480 * KBIT));
    world.wait("less", Duration::from_secs(10), |world| {
        let mut newest = world.clients[ann].video_got().rev().take(20).map(layers);
        newest.all(|(spatial, _)| spatial <= 1)
    });
    world.run_ms(3_000);
    let before = told(&world, 2).unwrap().selected;
    assert_eq!(before, Some(1));
    world.links[0].bits_per_s = 240 * KBIT;
    world.wait("still less", Duration::from_secs(10), |world| {
        let mut newest = world.clients[ann].video_got().rev().take(40).map(layers);
        newest.all(|(spatial, temporal)| spatial == 0 || temporal <= 1)
    });
    world.links[0].bits_per_s = 3_000 * KBIT;
    world.wait("everything", Duration::from_secs(25), |world| {
        let newest: Vec<_> = world.clients[ann]
            .video_got()
            .rev()
            .take(40)
            .map(layers)
            .collect();
        newest.contains(&(2, 2))
    });
    world.run_ms(1_000);
    assert_whole(&got_in(&mut world, ann, 2_000), 2);
    assert_eq!(highest(&world, bob), Some(2));
}

#[test]
fn what_is_lost_of_a_smaller_picture_comes_again_with_the_same_marker() {
    let (mut world, _, ann) = streaming(&[]);
    world.run_ms(5_000);
    wish(
        &mut world,
        2,
        Wish {
            height_max: Some(180),
            ..Wish::default()
        },
    );
    world.run_ms(500);
    world.delay = Duration::from_millis(15);
    world.loss_out = 5;
    let mut got = got_in(&mut world, ann, 6_000);
    world.loss_out = 0;
    got.truncate(got.len() - 20);
    got.dedup_by_key(|got| got.seq);
    assert_whole(&got, 1);
}

/// Sequence numbers go on by one, and each picture has one frame, of this layer, that ends with a marker; key frames have all layers up to it.
fn assert_alone(got: &[Got], own: u8) {
    for pair in got.windows(2) {
        assert_eq!(pair[1].seq, pair[0].seq + 1);
        assert_eq!(pair[0].marker, pair[1].time != pair[0].time);
    }
    let is_key = |got: &Got| got.payload[0] & 0x40 == 0;
    let is_own = |got: &Got| layers(got).0 == own || is_key(got) && layers(got).0 < own;
    assert!(got.iter().all(is_own));
}

#[test]
fn of_layers_that_do_not_use_each_other_a_subscriber_is_sent_its_own() {
    let (mut world, publisher, ann) = streaming(&[]);
    world.clients[publisher].video_sources[0].kept = KEPT;
    let bob = world.subscriber(3, 1);
    for client in [ann, bob] {
        world.wait("the largest", Duration::from_secs(15), |world| {
            highest(world, client) == Some(2)
        });
    }
    let has = |layer: u8| KEPT.iter().filter(|kept| kept.contains(&layer)).count();
    for (height_max, own) in [(180, 1), (100, 0), (180, 1)] {
        let keys = world.clients[publisher].keyframe_requests.len();
        let wish_of_ann = Wish {
            height_max: Some(height_max),
            ..Wish::default()
        };
        wish(&mut world, 2, wish_of_ann);
        world.wait("the wish", Duration::from_secs(8), |world| {
            highest(world, ann) == Some(own)
        });
        assert!(
            world.clients[publisher].keyframe_requests.len() > keys,
            "nothing of the other layer was sent before"
        );
        world.run_ms(500);
        let got = got_in(&mut world, ann, 4_000);
        assert_alone(&got, own);
        let pictures = got.iter().filter(|got| got.marker).count();
        let expected = 4 * 25 * has(own) / KEPT.len();
        assert!(pictures.abs_diff(expected) <= 3, "{pictures} of {expected}");
        assert_eq!(told(&world, 2).unwrap().selected, Some(usize::from(own)));
    }
    assert_alone(&got_in(&mut world, bob, 2_000), 2);
}

#[test]
fn of_layers_that_do_not_use_each_other_the_network_is_sent_the_one_that_it_carries() {
    let (mut world, publisher, ann) = streaming(&[]);
    world.clients[publisher].video_sources[0].kept = KEPT;
    let bob = world.subscriber(3, 1);
    for client in [ann, bob] {
        world.wait("the largest", Duration::from_secs(15), |world| {
            highest(world, client) == Some(2)
        });
    }
    // Of the layers alone about 85, 170 and 340 kbit/s.
    let to = vec![world.clients[ann].public_address()];
    world.links.push(Link::new(to, 300 * KBIT));
    world.wait("the middle", Duration::from_secs(10), |world| {
        highest(world, ann) == Some(1)
    });
    world.run_ms(2_000);
    let before = world.clients[ann].video_got().count();
    world.run_ms(3_000);
    assert!(world.clients[ann].video_got().count() > before + 40);
    assert_eq!(highest(&world, ann), Some(1));
    world.links[0].bits_per_s = 3_000 * KBIT;
    world.wait("the largest", Duration::from_secs(25), |world| {
        highest(world, ann) == Some(2)
    });
    world.run_ms(1_000);
    assert_alone(&got_in(&mut world, ann, 2_000), 2);
    assert_alone(&got_in(&mut world, bob, 2_000), 2);
}
