//! Spatial and temporal layers of AV1, which dependency descriptors say: of what it is sent a subscriber reads descriptors that fit.

use std::time::Duration;

use restage_codec::dependency::{Dependencies, Descriptor};
use restage_media::{Control, PeerId, PublicationId, StreamState, Wish};
use str0m::format::Codec;

use crate::support::client::Got;
use crate::support::{Link, Rng, World};

const KBIT: u64 = 1_000;
/// Three spatial layers of 1, 2 and 4 packets a picture: about 130, 390 and 910 kbit/s on the wire.
const SPATIAL: &[usize] = &[1, 2, 4];
const TEMPORAL: &[(u8, bool, usize)] =
    &[(0, false, 0), (2, false, 0), (1, false, 0), (2, false, 0)];

/// Starts the pictures of a publisher.
fn start(world: &mut World, publisher: usize) {
    let now = world.now;
    world.clients[publisher].start_video(now, Codec::Av1, None, 1);
    let source = &mut world.clients[publisher].video_sources[0];
    source.spatial = SPATIAL;
    source.temporal = TEMPORAL;
}

/// A publisher and two subscribers that are shown everything.
fn streaming() -> (World, usize, usize, usize) {
    let mut world = World::carrying(Codec::Av1);
    world.has_feedback = true;
    let publisher = world.publisher(1, 1);
    let ann = world.subscriber(2, 1);
    world.connect();
    start(&mut world, publisher);
    let bob = world.subscriber(3, 1);
    for client in [ann, bob] {
        world.wait("everything", Duration::from_secs(15), |world| {
            highest(world, client) == Some((2, 2))
        });
    }
    (world, publisher, ann, bob)
}

/// What a client has got so far, in the order of numbers, each with what its descriptor says.
fn all(world: &World, client: usize) -> Vec<(Got, Descriptor)> {
    let mut got: Vec<Got> = world.clients[client].video_got().cloned().collect();
    got.sort_by_key(|got| got.seq);
    got.dedup_by_key(|got| got.seq);
    let mut dependencies = Dependencies::default();
    let read = got.into_iter().map(|got| {
        let bytes = got.descriptor.clone().expect("a descriptor");
        let descriptor = dependencies.read(got.seq, &bytes);
        (got, descriptor.expect("one that can be read"))
    });
    read.collect()
}

/// What it gets in this time from now on.
fn got_in(world: &mut World, client: usize, ms: u64) -> Vec<(Got, Descriptor)> {
    let before = all(world, client).last().map_or(0, |(got, _)| got.seq);
    world.run_ms(ms);
    let got = all(world, client).into_iter();
    got.filter(|(got, _)| got.seq > before).collect()
}

/// The highest spatial layer of the newest pictures, and the highest temporal one.
fn highest(world: &World, client: usize) -> Option<(u8, u8)> {
    let all = all(world, client);
    let newest = all.get(all.len().checked_sub(30)?..)?;
    let layers = newest.iter().map(|(_, descriptor)| descriptor.layers());
    let highest = layers.reduce(|highest, layers| highest.join(layers))?;
    Some((highest.spatial, highest.temporal))
}

/// Sequence numbers go on by one; each picture has all layers up to this one, ends with a marker and has none before; frames have numbers
/// that grow, and say which decode targets they leave.
fn assert_whole(got: &[(Got, Descriptor)], top: u8) {
    assert!(got.len() > 20);
    for pair in got.windows(2) {
        let [(first, one), (second, other)] = pair else {
            unreachable!()
        };
        assert_eq!(second.seq, first.seq + 1);
        let is_new = second.time != first.time;
        assert_eq!(first.marker, is_new, "the marker ends the picture");
        let step = other.number().wrapping_sub(one.number());
        let (one, other) = (one.layers(), other.layers());
        if is_new {
            assert_eq!((one.spatial, other.spatial), (top, 0));
            assert!((1..100).contains(&step));
        } else {
            assert_eq!(u16::from(other.spatial - one.spatial), step);
        }
    }
    for (_, descriptor) in got {
        let is_less = top < 2;
        assert!(descriptor.layers().spatial <= top);
        let everything = restage_codec::dependency::Layers {
            spatial: u8::MAX,
            temporal: u8::MAX,
        };
        assert!(!is_less || descriptor.is_reduced(everything));
    }
}

fn told(world: &World, peer: u64) -> Option<&StreamState> {
    let mut all = world.streams.iter().rev();
    all.find(|(of, _)| *of == PeerId(peer))
        .map(|(_, state)| state)
}

fn wish_height(world: &mut World, peer: u64, height_max: Option<u32>) {
    let peer = PeerId(peer);
    let wish = Wish {
        height_max,
        ..Wish::default()
    };
    world.control(Control::Wish { peer, wish });
}

#[test]
fn a_subscriber_is_shown_the_spatial_layer_that_it_wishes_for_and_another_one_everything() {
    let (mut world, publisher, ann, bob) = streaming();
    world.wait("to be told", Duration::from_secs(4), |world| {
        let state = told(world, 2);
        state.is_some_and(|state| state.layers.len() == 3 && state.selected == Some(2))
    });
    let heights = told(&world, 2).unwrap().layers.iter();
    let heights: Vec<_> = heights.map(|layer| layer.size.unwrap().height).collect();
    assert_eq!(heights, [90, 180, 360]);
    let keys = world.clients[publisher].keyframe_requests.len();
    for (height_max, top) in [(180, 1), (100, 0)] {
        wish_height(&mut world, 2, Some(height_max));
        world.run_ms(300);
        assert_whole(&got_in(&mut world, ann, 2_000), top);
        assert_eq!(told(&world, 2).unwrap().selected, Some(usize::from(top)));
    }
    let asked = world.clients[publisher].keyframe_requests.len();
    assert_eq!(asked, keys, "down goes without a key frame");
    wish_height(&mut world, 2, None);
    world.wait("everything", Duration::from_secs(8), |world| {
        highest(world, ann) == Some((2, 2))
    });
    let asked = world.clients[publisher].keyframe_requests.len();
    assert!(asked > keys, "up comes at a key frame");
    world.run_ms(1_000);
    assert_whole(&got_in(&mut world, ann, 2_000), 2);
    // Who comes later is given the structure, too.
    world.wish = Wish {
        height_max: Some(90),
        ..Wish::default()
    };
    let late = world.subscriber(4, 1);
    world.wait("the smallest", Duration::from_secs(15), |world| {
        highest(world, late).is_some_and(|(spatial, _)| spatial == 0)
    });
    let first = &all(&world, late)[0].1;
    assert!(first.has_structure());
    assert_whole(&got_in(&mut world, late, 2_000), 0);
    let got = all(&world, bob);
    assert!(
        got.windows(2)
            .all(|pair| pair[1].0.seq == pair[0].0.seq + 1)
    );
}

#[test]
fn a_network_that_does_not_carry_everything_is_sent_the_layers_that_it_carries() {
    let (mut world, _, ann, bob) = streaming();
    let to = vec![world.clients[ann].public_address()];
    world.links.push(Link::new(to, 480 * KBIT));
    world.wait("less", Duration::from_secs(10), |world| {
        highest(world, ann).is_some_and(|(spatial, _)| spatial <= 1)
    });
    world.links[0].bits_per_s = 3_000 * KBIT;
    world.wait("everything", Duration::from_secs(25), |world| {
        highest(world, ann) == Some((2, 2))
    });
    world.run_ms(1_000);
    assert_whole(&got_in(&mut world, ann, 2_000), 2);
    assert_eq!(highest(&world, bob), Some((2, 2)));
}

#[test]
fn what_is_lost_of_a_smaller_picture_comes_again_with_its_descriptor() {
    let (mut world, _, ann, _) = streaming();
    wish_height(&mut world, 2, Some(180));
    world.run_ms(500);
    world.delay = Duration::from_millis(15);
    world.loss_out = 5;
    let mut got = got_in(&mut world, ann, 6_000);
    got.truncate(got.len() - 20);
    assert_whole(&got, 1);
}

#[test]
fn frame_numbers_go_on_when_another_publisher_takes_over() {
    let (mut world, _, ann, _) = streaming();
    let newest = all(&world, ann).last().unwrap().1.clone();
    let second = world.publisher(5, 2);
    world.connect();
    start(&mut world, second);
    world.run_ms(1_000);
    world.control(Control::Subscribe {
        peer: PeerId(2),
        publication: PublicationId(2),
    });
    let got = got_in(&mut world, ann, 3_000);
    for pair in got.windows(2) {
        let step = pair[1].1.number().wrapping_sub(pair[0].1.number());
        assert!(
            step < 100,
            "{} after {}",
            pair[1].1.number(),
            pair[0].1.number()
        );
    }
    assert!(got[0].1.number().wrapping_sub(newest.number()) < 100);
    assert!(got.iter().any(|(_, descriptor)| descriptor.has_structure()));
}

#[test]
fn descriptors_that_lie_harm_nobody_else() {
    let (mut world, publisher, _, _) = streaming();
    let liar = world.publisher(5, 2);
    let victim = world.subscriber(6, 2);
    world.connect();
    let mut rng = Rng(5);
    let mut lies = crate::support::source::VideoSource::new(world.now, Codec::Av1, None, 1, 5);
    lies.spatial = SPATIAL;
    lies.keyframe_interval = 20;
    for _ in 0..400 {
        let mut packets = lies.next();
        for packet in &mut packets {
            let bytes = packet.descriptor.as_deref().unwrap_or_default();
            let mut bytes = bytes.to_vec();
            match rng.below(6) {
                0 => {
                    let place = rng.below(bytes.len());
                    bytes[place] ^= 1 << rng.below(8);
                }
                1 => bytes.truncate(rng.below(bytes.len())),
                2 => bytes = (0..rng.below(255)).map(|_| rng.below(256) as u8).collect(),
                3 => bytes.extend([0xff; 60]),
                _ => {}
            }
            // An engine does not send an element without a value.
            packet.descriptor = (!bytes.is_empty()).then(|| bytes.into());
        }
        let now = world.now;
        world.clients[liar].send_video(now, Codec::Av1, packets);
        world.run_ms(10);
    }
    assert_eq!(world.sfu.stats().peer_panics, 0);
    assert!(world.gone(5).is_none() && world.gone(6).is_none());
    assert!(world.clients[victim].video_got().count() > 50);
    // Everybody else goes on.
    for client in [1, 2] {
        let layers = highest(&world, client);
        assert_eq!(layers, Some((2, 2)), "{client}");
    }
    assert!(world.clients[publisher].is_connected);
}
