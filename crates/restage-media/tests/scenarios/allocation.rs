//! What subscribers are shown over networks that do not carry everything.
//!
//! A picture of one packet takes 128 kbit/s as a datagram, and 134 kbit/s on a link.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use restage_media::{
    Control, Download, PauseReason, PeerId, PreferredLayer, Protocol, PublicationId, StreamState,
    Wish, WorkerId,
};
use str0m::format::Codec;

use crate::simulcast::{assert_continuous, layer, streaming_in};
use crate::support::client::{Client, Got};
use crate::support::{Link, World};
use crate::workers::{AWAY, HOME, Pair};

const RIDS: [&str; 3] = ["q", "h", "f"];
const KBIT: u64 = 1_000;
/// Sound, checks and reports are shorter.
const VIDEO_BYTES_MIN: usize = 400;

/// Puts these clients behind one link.
fn narrow(world: &mut World, clients: &[usize], kbit: u64) {
    let to = clients
        .iter()
        .map(|client| world.clients[*client].public_address());
    let link = Link::new(to.collect(), kbit * KBIT);
    world.links.push(link);
}

/// The layer of the newest picture that a client has received from the publisher at this index.
fn shown(world: &World, publisher: usize, client: usize) -> Option<usize> {
    let got = world.clients[client].video_got().next_back()?;
    Some(layer(world, publisher, got))
}

fn told(world: &World, peer: u64) -> Option<&StreamState> {
    let mut all = world.streams.iter().rev();
    all.find(|(of, _)| *of == PeerId(peer))
        .map(|(_, state)| state)
}

/// Waits until a client is shown this layer, and checks that it stays there.
fn settles_at(world: &mut World, client: usize, wanted: usize, within_s: u64, stays_s: u64) {
    world.wait("the layer", Duration::from_secs(within_s), |world| {
        shown(world, 0, client) == Some(wanted)
    });
    for _ in 0..stays_s {
        world.run_ms(1_000);
        assert_eq!(shown(world, 0, client), Some(wanted), "it stays there");
    }
}

#[test]
fn a_viewer_is_shown_what_its_network_carries_and_the_one_beside_it_everything() {
    let (mut world, publisher, ann) = streaming_in(World::with_feedback());
    let bob = world.subscriber(3, 1);
    narrow(&mut world, &[ann], 400);
    settles_at(&mut world, ann, 1, 10, 5);
    assert_eq!(shown(&world, publisher, bob), Some(2));
    // The network becomes worse.
    world.links[0].bits_per_s = 200 * KBIT;
    settles_at(&mut world, ann, 0, 3, 5);
    assert_eq!(shown(&world, publisher, bob), Some(2));
    // And better.
    world.links[0].bits_per_s = 1_500 * KBIT;
    settles_at(&mut world, ann, 2, 15, 5);
    for client in [ann, bob] {
        let video: Vec<&Got> = world.clients[client].video_got().collect();
        assert!(video.len() > 400);
    }
    assert_continuous(&world.clients[bob].video_got().collect::<Vec<_>>());
    let told: Vec<Option<usize>> = (world.streams.iter())
        .filter(|(of, _)| *of == PeerId(3))
        .map(|(_, state)| state.selected)
        .collect();
    assert_eq!(told.last(), Some(&Some(2)));
}

#[test]
fn a_newcomer_begins_with_the_smallest_layer_and_climbs() {
    let (mut world, publisher, _) = streaming_in(World::with_feedback());
    world.run_ms(3_000);
    let late = world.subscriber(3, 1);
    world.wait("the best", Duration::from_secs(8), |world| {
        shown(world, publisher, late) == Some(2)
    });
    let got: Vec<&Got> = world.clients[late].video_got().collect();
    assert_continuous(&got);
    let mut layers: Vec<usize> = got
        .iter()
        .map(|got| layer(&world, publisher, got))
        .collect();
    layers.dedup();
    assert_eq!(layers, [0, 1, 2]);
}

#[test]
fn a_single_layer_that_does_not_fit_is_paused_and_sound_stays_whole() {
    let mut world = World::with_feedback();
    let publisher = world.publisher(1, 1);
    let ann = world.subscriber(2, 1);
    world.connect();
    let now = world.now;
    world.clients[publisher].start_audio(now);
    world.clients[publisher].start_video(now, Codec::Vp8, None, 6);
    world.run_ms(3_000);
    assert!(world.clients[ann].video_got().count() > 300);
    narrow(&mut world, &[ann], 300);
    world.wait("the pause", Duration::from_secs(6), |world| {
        told(world, 2).is_some_and(|state| state.pause == Some(PauseReason::Network))
    });
    // What was sent before, and its repairs.
    world.run_ms(3_000);
    let (pictures, sounds) = (
        world.clients[ann].video_got().count(),
        world.clients[ann].audio_got().count(),
    );
    world.run_ms(10_000);
    assert_eq!(world.clients[ann].video_got().count(), pictures);
    let sounds = world.clients[ann].audio_got().count() - sounds;
    assert!((495..=505).contains(&sounds), "{sounds}");
    world.links[0].bits_per_s = 3_000 * KBIT;
    world.wait("its end", Duration::from_secs(12), |world| {
        told(world, 2).is_some_and(|state| state.pause.is_none())
    });
    world.run_ms(3_000);
    assert!(world.clients[ann].video_got().count() > pictures + 300);
}

/// A receiver of three simulcast publications, one connection each, on one link.
fn three_on_one_link(kbit: u64) -> (World, [usize; 3]) {
    let mut world = World::with_feedback();
    for key in 1..=3 {
        let client = Client::simulcast(world.now, key, world.clients.len(), &RIDS);
        world.open(client, true);
        world.control(Control::Publish {
            peer: PeerId(key),
            publication: PublicationId(key),
        });
    }
    world.download = Some(Arc::new(Download::unlimited()));
    let clients = [1, 2, 3].map(|key| world.subscriber(10 + key, key));
    narrow(&mut world, &clients, kbit);
    world.connect();
    let now = world.now;
    for publisher in 0..3 {
        for (rid, packets) in RIDS.iter().zip([1, 2, 4]) {
            world.clients[publisher].start_video(now, Codec::Vp8, Some(rid), packets);
        }
    }
    (world, clients)
}

#[test]
fn the_connections_of_one_receiver_share_its_network() {
    let (mut world, clients) = three_on_one_link(1_300);
    world.run(Duration::from_secs(20));
    let before: Vec<usize> = clients
        .iter()
        .map(|client| world.clients[*client].video_got().count())
        .collect();
    world.run(Duration::from_secs(10));
    for ((publisher, client), before) in clients.into_iter().enumerate().zip(before) {
        let pictures = world.clients[client].video_got().count() - before;
        assert!(pictures >= 230, "connection {publisher}: {pictures}");
    }
}

#[test]
fn a_slow_viewer_of_a_destination_lowers_nobody_elses_layer() {
    let mut pair = Pair::new();
    pair.0
        .iter_mut()
        .for_each(|world| world.has_feedback = true);
    let client = Client::simulcast(pair.0[HOME].now, 1, 0, &RIDS);
    let publisher = pair.0[HOME].open(client, true);
    pair.0[HOME].control(Control::Publish {
        peer: PeerId(1),
        publication: PublicationId(1),
    });
    let near = pair.0[HOME].subscriber(10, 1);
    let slow = pair.0[AWAY].subscriber(11, 1);
    let beside = pair.0[AWAY].subscriber(12, 1);
    narrow(&mut pair.0[AWAY], &[slow], 200);
    pair.relay(HOME, &[WorkerId(1)]);
    pair.run_ms(300);
    let now = pair.0[HOME].now;
    for (rid, packets) in RIDS.iter().zip([1, 2, 4]) {
        pair.0[HOME].clients[publisher].start_video(now, Codec::Vp8, Some(rid), packets);
    }
    let shown = |pair: &Pair, world: usize, client: usize| {
        let got = pair.0[world].clients[client].video_got().next_back()?;
        Some(layer(&pair.0[HOME], publisher, got))
    };
    pair.run_ms(12_000);
    for _ in 0..5 {
        pair.run_ms(1_000);
        assert_eq!(shown(&pair, AWAY, slow), Some(0));
        assert_eq!(shown(&pair, AWAY, beside), Some(2));
        assert_eq!(shown(&pair, HOME, near), Some(2));
    }
    // Its wish for more changes nothing, except that it is told.
    let wish = Wish {
        preferred: PreferredLayer::named("hi"),
        ..Wish::default()
    };
    let peer = PeerId(11);
    pair.0[AWAY].control(Control::Wish { peer, wish });
    pair.run_ms(3_000);
    assert_eq!(shown(&pair, AWAY, slow), Some(0));
    let state = told(&pair.0[AWAY], 11).unwrap();
    assert!(state.is_best_effort && !state.is_adapting);
    pair.0[AWAY].links[0].bits_per_s = 2_000 * KBIT;
    pair.run_ms(20_000);
    assert_eq!(shown(&pair, AWAY, slow), Some(2));
    assert!(!told(&pair.0[AWAY], 11).unwrap().is_best_effort);
}

/// Of the video to an address, loses every second picture as a whole, like a connection whose queue is full when it begins. Its
/// retransmissions have its timestamp.
fn leave_out_pictures(world: &mut World, to: SocketAddr) {
    let (mut newest, mut count) = (0, 0_u32);
    world.loses = Some(Box::new(move |flight| {
        let is_video = flight.to == to && flight.bytes.len() > VIDEO_BYTES_MIN;
        let time = flight.bytes.get(4..8).filter(|_| is_video);
        let Some(time) = time.and_then(|time| Some(u32::from_be_bytes(time.try_into().ok()?)))
        else {
            return false;
        };
        if time != newest {
            (newest, count) = (time, count + 1);
        }
        count.is_multiple_of(2)
    }));
}

#[test]
fn pictures_that_a_slow_connection_leaves_out_lower_what_its_viewer_is_allotted() {
    let mut world = World::with_feedback();
    for number in 0..2 {
        let address = Client::subscriber(world.now, 0, number).address;
        world.protocols.insert(address, Protocol::Tcp);
    }
    let (mut world, _, ann) = streaming_in(world);
    let is_largest = |world: &World| {
        let selected = told(world, 2).and_then(|state| state.selected);
        shown(world, 0, ann) == Some(2) && selected == Some(2)
    };
    world.wait("the largest layer", Duration::from_secs(15), is_largest);
    world.run_ms(2_000);
    world.wait("the largest layer", Duration::from_secs(15), is_largest);
    let before = world.sfu.estimate(PeerId(2)).unwrap();
    let address = world.clients[ann].public_address();
    // There is no queue on the way here, so nothing but the transport-wide feedback can tell.
    leave_out_pictures(&mut world, address);
    world.wait("a lower estimate", Duration::from_secs(5), |world| {
        let after = world.sfu.estimate(PeerId(2));
        after.is_some_and(|after| after < before * 3 / 4)
    });
    world.wait("a smaller layer", Duration::from_secs(5), |world| {
        told(world, 2).is_some_and(|state| state.selected < Some(2))
    });
    world.loses = None;
    world.wait(
        "the largest layer again",
        Duration::from_secs(30),
        is_largest,
    );
}
