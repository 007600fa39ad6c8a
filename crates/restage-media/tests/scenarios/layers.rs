//! Layers that nobody wants: the publisher is told, and a layer comes back when somebody wants it.

use std::time::Duration;

use restage_codec::vp8;
use restage_media::{
    Control, Encoding, MediaKind, PeerId, PublicationId, TapId, TapLayers, Wish, WorkerId,
};
use str0m::format::Codec;

use crate::simulcast::{assert_continuous, layer};
use crate::support::World;
use crate::support::client::{Client, Got};
use crate::support::{Link, config};
use crate::workers::{AWAY, HOME, Pair};

const RIDS: [&str; 3] = ["q", "h", "f"];
const KBIT: u64 = 1_000;
const HOUR: Duration = Duration::from_secs(3_600);

fn up_to(height_max: u32) -> Wish {
    Wish {
        height_max: Some(height_max),
        ..Wish::default()
    }
}

/// A publisher of three layers of 90, 180 and 360 lines.
fn publishing(mut world: World) -> (World, usize) {
    let client = Client::simulcast(world.now, 1, world.clients.len(), &RIDS);
    let publisher = world.open(client, true);
    world.control(Control::Publish {
        peer: PeerId(1),
        publication: PublicationId(1),
    });
    (world, publisher)
}

fn start(world: &mut World, publisher: usize) {
    let now = world.now;
    for (rid, (packets, size)) in
        RIDS.iter()
            .zip([(1, (160, 90)), (2, (320, 180)), (4, (640, 360))])
    {
        world.clients[publisher].start_video(now, Codec::Vp8, Some(rid), packets);
        let source = world.clients[publisher].video_sources.last_mut().unwrap();
        source.size = Some(size);
    }
}

/// What a publisher was told last: the names of the layers that are wanted.
fn wanted(world: &World) -> Option<Vec<&str>> {
    let (_, layers) = world.layers.last()?;
    let wanted = layers.iter().filter(|layer| layer.is_wanted);
    Some(wanted.map(|layer| layer.rid.as_str()).collect())
}

/// The publisher does what it is told: it stops what nobody wants, and begins again with what somebody wants.
fn obey(world: &mut World, publisher: usize) {
    let Some((_, layers)) = world.layers.last().cloned() else {
        return;
    };
    let now = world.now;
    for source in &mut world.clients[publisher].video_sources {
        let rid = source.rid.clone().unwrap();
        let mut named = layers.iter().filter(|layer| layer.rid == rid);
        let is_wanted = named.any(|layer| layer.is_wanted);
        let is_stopped = source.next_at > now + HOUR / 2;
        if is_wanted && is_stopped {
            source.next_at = now;
        } else if !is_wanted && !is_stopped {
            source.next_at = now + 2 * HOUR;
        }
    }
}

/// Runs with a publisher that does what it is told, for so many milliseconds or until the condition holds. Returns after how many.
fn until(world: &mut World, publisher: usize, ms: u64, is_so: impl Fn(&World) -> bool) -> u64 {
    for passed in (0..ms).step_by(20) {
        if is_so(world) {
            return passed;
        }
        world.run_ms(20);
        obey(world, publisher);
    }
    ms
}

fn shown(world: &World, publisher: usize, client: usize) -> Option<usize> {
    let got = world.clients[client].video_got().next_back()?;
    Some(layer(world, publisher, got))
}

fn wish(world: &mut World, peer: u64, wish: Wish) {
    let peer = PeerId(peer);
    world.control(Control::Wish { peer, wish });
}

#[test]
fn a_layer_nobody_wants_is_unwanted_after_five_seconds_and_comes_back_at_once() {
    for has_feedback in [false, true] {
        let world = match has_feedback {
            true => World::with_feedback(),
            false => World::new(),
        };
        let (mut world, publisher) = publishing(world);
        let ann = world.subscriber(2, 1);
        world.connect();
        start(&mut world, publisher);
        let is_best = |world: &World| shown(world, publisher, ann) == Some(2);
        assert!(until(&mut world, publisher, 15_000, is_best) < 15_000);
        world.run_ms(6_000);
        assert_eq!(wanted(&world), None, "all are wanted: nothing is said");
        wish(&mut world, 2, up_to(90));
        let took = until(&mut world, publisher, 9_000, |world| {
            wanted(world).is_some()
        });
        assert!((4_000..=6_000).contains(&took), "{took} ms");
        assert_eq!(wanted(&world), Some(vec!["q"]));
        until(&mut world, publisher, 10_000, |_| false);
        let state = &world.streams.last().unwrap().1;
        assert_eq!(state.layers.len(), 3, "they count as there: {state:?}");
        assert!(!state.is_video_stopped);
        world.clients[publisher].keyframe_requests.clear();
        wish(&mut world, 2, Wish::default());
        let took = until(&mut world, publisher, 9_000, is_best);
        assert!(took <= 3_000, "{took} ms with feedback: {has_feedback}");
        assert_eq!(wanted(&world), Some(RIDS.to_vec()));
        let asked = &world.clients[publisher].keyframe_requests;
        assert!(asked.iter().any(|(_, rid)| rid.as_deref() == Some("f")));
        assert_continuous(&world.clients[ann].video_got().collect::<Vec<_>>());
        assert!(world.layers.len() <= 4, "{:?}", world.layers);
    }
}

#[test]
fn the_best_layer_comes_back_when_the_estimate_carries_it_by_its_last_known_rate() {
    let (mut world, publisher) = publishing(World::with_feedback());
    let ann = world.subscriber(2, 1);
    world.connect();
    start(&mut world, publisher);
    let is_best = |world: &World| shown(world, publisher, ann) == Some(2);
    assert!(until(&mut world, publisher, 15_000, is_best) < 15_000);
    let to = vec![world.clients[ann].public_address()];
    world.links.push(Link::new(to, 280 * KBIT));
    let is_unwanted = |world: &World| wanted(world).is_some_and(|wanted| !wanted.contains(&"f"));
    assert!(until(&mut world, publisher, 25_000, is_unwanted) < 25_000);
    until(&mut world, publisher, 20_000, |_| false);
    let before = world.clients[publisher].video_sources[2].frame;
    until(&mut world, publisher, 2_000, |_| false);
    let after = world.clients[publisher].video_sources[2].frame;
    assert_eq!(before, after, "it is not sent");
    world.links[0].bits_per_s = 3_000 * KBIT;
    let took = until(&mut world, publisher, 30_000, is_best);
    assert!(took < 20_000, "{took} ms");
}

#[test]
fn a_publisher_that_does_not_obey_and_one_without_layers_are_none_the_worse() {
    let (mut world, publisher) = publishing(World::new());
    let ann = world.subscriber(2, 1);
    let plain = world.publisher(5, 2);
    let bob = world.subscriber(6, 2);
    world.connect();
    start(&mut world, publisher);
    let now = world.now;
    world.clients[plain].start(now, Codec::Vp8);
    world.run_ms(3_000);
    wish(&mut world, 2, up_to(90));
    world.run_ms(10_000);
    assert_eq!(wanted(&world), Some(vec!["q"]));
    wish(&mut world, 2, Wish::default());
    world.wait("the best layer", Duration::from_secs(2), |world| {
        shown(world, publisher, ann) == Some(2)
    });
    assert!(world.layers.iter().all(|(peer, _)| *peer == PeerId(1)));
    assert!(world.clients[bob].video_got().count() > 300);
    // A layer that is wanted and does not come again counts as gone soon: the next takes its place.
    wish(&mut world, 2, up_to(90));
    until(&mut world, publisher, 8_000, |_| false);
    wish(&mut world, 2, Wish::default());
    world.run_ms(7_000);
    assert_eq!(wanted(&world), Some(RIDS.to_vec()));
    assert_eq!(world.streams.last().unwrap().1.layers.len(), 1);
    assert_eq!(shown(&world, publisher, ann), Some(0));
}

#[test]
fn without_an_audience_the_smallest_is_wanted_and_for_a_tap_all() {
    let (mut world, publisher) = publishing(World::new());
    world.connect();
    start(&mut world, publisher);
    until(&mut world, publisher, 12_000, |_| false);
    assert_eq!(wanted(&world), Some(vec!["q"]));
    world.control(Control::OpenTap {
        tap: TapId(1),
        publication: PublicationId(1),
        layers: TapLayers::Best,
    });
    let all = |world: &World| wanted(world) == Some(RIDS.to_vec());
    assert!(until(&mut world, publisher, 6_000, all) < 200);
    // It goes on to want them.
    until(&mut world, publisher, 12_000, |_| false);
    assert_eq!(wanted(&world), Some(RIDS.to_vec()));
}

#[test]
fn a_tap_is_given_the_layer_nearest_to_what_it_needs_and_no_larger_one_is_wanted() {
    let (mut world, publisher) = publishing(World::new());
    world.connect();
    start(&mut world, publisher);
    until(&mut world, publisher, 2_000, |_| false);
    let tap = TapId(1);
    world.control(Control::OpenTap {
        tap,
        publication: PublicationId(1),
        layers: TapLayers::Nearest(170),
    });
    // Layers have their numbers in the order in which they came, so key frames say which is which.
    let heights = |world: &World| -> Vec<(Encoding, u32)> {
        let packets = world.tapped(1, MediaKind::Video).into_iter();
        let keys = packets.filter(|packet| packet.starts_key_frame);
        keys.filter_map(|packet| {
            let descriptor = vp8::Descriptor::parse(&packet.payload)?;
            let size = vp8::picture_size(packet.payload.get(descriptor.length..)?)?;
            Some((packet.encoding, size.height))
        })
        .collect()
    };
    let given = |world: &World| {
        let newest = world.tapped(1, MediaKind::Video).last()?.encoding;
        let all = heights(world);
        all.into_iter()
            .rev()
            .find(|(of, _)| *of == newest)
            .map(|(_, height)| height)
    };
    until(&mut world, publisher, 12_000, |_| false);
    assert_eq!(wanted(&world), Some(vec!["q", "h"]));
    assert_eq!(given(&world), Some(180));
    assert!(
        heights(&world).iter().all(|(_, height)| *height < 360),
        "the largest was never given"
    );
    for (height, shown, names) in [
        (90, 90, vec!["q"]),
        (181, 360, RIDS.to_vec()),
        (4_000, 360, RIDS.to_vec()),
        (180, 180, vec!["q", "h"]),
    ] {
        let layers = TapLayers::Nearest(height);
        world.control(Control::ChooseTapLayers { tap, layers });
        let took = until(&mut world, publisher, 9_000, |world| {
            given(world) == Some(shown)
        });
        assert!(took <= 2_000, "{height}: {took} ms");
        until(&mut world, publisher, 8_000, |_| false);
        assert_eq!(wanted(&world), Some(names), "{height}");
    }
}

#[test]
fn a_tap_on_another_worker_wants_all_layers_too() {
    let mut pair = Pair::new();
    let (world, publisher) =
        publishing(std::mem::replace(&mut pair.0[HOME], World::with(config())));
    pair.0[HOME] = world;
    pair.run_ms(300);
    start(&mut pair.0[HOME], publisher);
    let run = |pair: &mut Pair, ms: u64| {
        for _ in 0..ms / 20 {
            pair.run_ms(20);
            obey(&mut pair.0[HOME], publisher);
        }
    };
    run(&mut pair, 12_000);
    assert_eq!(wanted(&pair.0[HOME]), Some(vec!["q"]));
    pair.0[AWAY].control(Control::OpenTap {
        tap: TapId(1),
        publication: PublicationId(1),
        layers: TapLayers::Best,
    });
    pair.relay(HOME, &[WorkerId(1)]);
    run(&mut pair, 1_000);
    assert_eq!(wanted(&pair.0[HOME]), Some(RIDS.to_vec()));
    run(&mut pair, 12_000);
    assert_eq!(wanted(&pair.0[HOME]), Some(RIDS.to_vec()));
}

#[test]
fn subscribers_on_another_worker_and_in_another_stage_want_layers_too() {
    let mut pair = Pair::new();
    let (world, publisher) =
        publishing(std::mem::replace(&mut pair.0[HOME], World::with(config())));
    pair.0[HOME] = world;
    pair.0[HOME].wish = up_to(90);
    pair.0[HOME].subscriber(10, 1);
    // As a destination stage of a replica has it: a subscriber of the same publication.
    let far = pair.0[AWAY].subscriber(11, 1);
    pair.relay(HOME, &[WorkerId(1)]);
    pair.run_ms(300);
    start(&mut pair.0[HOME], publisher);
    let run = |pair: &mut Pair, ms: u64| {
        for _ in 0..ms / 20 {
            pair.run_ms(20);
            obey(&mut pair.0[HOME], publisher);
        }
    };
    let shown = |pair: &Pair| {
        let got: &Got = pair.0[AWAY].clients[far].video_got().next_back().unwrap();
        layer(&pair.0[HOME], publisher, got)
    };
    run(&mut pair, 14_000);
    assert_eq!(shown(&pair), 2);
    assert_eq!(wanted(&pair.0[HOME]), None);
    wish(&mut pair.0[AWAY], 11, up_to(180));
    run(&mut pair, 9_000);
    assert_eq!(wanted(&pair.0[HOME]), Some(vec!["q", "h"]));
    assert_eq!(shown(&pair), 1);
    wish(&mut pair.0[AWAY], 11, Wish::default());
    run(&mut pair, 2_000);
    assert_eq!(wanted(&pair.0[HOME]), Some(RIDS.to_vec()));
    assert_eq!(shown(&pair), 2);
    assert!(pair.0[AWAY].layers.is_empty());
}
