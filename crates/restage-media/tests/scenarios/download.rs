//! Receivers whose peers together exceed the limit.

use std::sync::Arc;
use std::time::Duration;

use restage_media::{Control, Download, Excess, PeerId, PublicationId, WorkerId};
use str0m::format::Codec;

use crate::limits::{PACKET_BITS_PER_S, VIDEO, excess, start_video};
use crate::simulcast::{assert_continuous, layer};
use crate::support::World;
use crate::support::client::Client;
use crate::workers::{AWAY, HOME, Pair};

/// Two publishers with three packets per picture, and one receiver of both with this limit.
fn receiver(bits_per_s: u64) -> (World, Arc<Download>) {
    let mut world = World::new();
    let download = Arc::new(Download::new(bits_per_s));
    for key in [1, 2] {
        let publisher = world.publisher(key, key);
        start_video(&mut world, publisher, 3);
    }
    world.download = Some(Arc::clone(&download));
    (world, download)
}

#[test]
fn a_receiver_at_its_limit_keeps_everything() {
    let (mut world, download) = receiver(2 * VIDEO);
    world.subscriber(11, 1);
    world.subscriber(12, 2);
    world.connect();
    world.run(Duration::from_secs(30));
    assert_eq!((excess(&world, 11), excess(&world, 12)), (None, None));
    let told = download.bits_per_s();
    assert!((VIDEO..=2 * VIDEO + VIDEO / 10).contains(&told), "{told}");
}

#[test]
fn the_subscription_too_many_goes_and_the_other_stays() {
    let (mut world, download) = receiver(VIDEO + VIDEO / 2);
    let first = world.subscriber(11, 1);
    world.connect();
    world.run(Duration::from_secs(6));
    world.subscriber(12, 2);
    world.wait("one goes", Duration::from_secs(12), |world| {
        world.gone(12).is_some()
    });
    let Some(Excess::DownloadBitrate { bits_per_s }) = excess(&world, 12) else {
        panic!("for its receiver's bitrate")
    };
    assert!(bits_per_s > VIDEO + VIDEO / 2, "{bits_per_s}");
    let before = world.clients[first].got.len();
    world.run(Duration::from_secs(10));
    assert_eq!(excess(&world, 11), None);
    assert!(world.clients[first].got.len() > before + 700);
    assert!(download.bits_per_s() <= VIDEO + VIDEO / 10);
    // Who has left makes room.
    world.control(Control::Close { peer: PeerId(11) });
    assert_eq!(download.bits_per_s(), 0);
    world.subscriber(13, 2);
    world.run(Duration::from_secs(10));
    assert_eq!(excess(&world, 13), None);
}

#[test]
fn a_publisher_that_falls_silent_makes_room() {
    let (mut world, download) = receiver(VIDEO + VIDEO / 2);
    world.subscriber(11, 1);
    world.connect();
    world.run(Duration::from_secs(5));
    world.clients[0].stop();
    world.wait("its part is forgotten", Duration::from_secs(8), |_| {
        download.bits_per_s() == 0
    });
    world.subscriber(12, 2);
    world.run(Duration::from_secs(10));
    assert_eq!((excess(&world, 11), excess(&world, 12)), (None, None));
}

#[test]
fn a_receiver_is_one_on_several_workers() {
    let download = Arc::new(Download::new(VIDEO + VIDEO / 2));
    let mut worlds = [0, 1].map(|_| {
        let mut world = World::new();
        let publisher = world.publisher(1, 1);
        start_video(&mut world, publisher, 3);
        world.download = Some(Arc::clone(&download));
        world
    });
    worlds[1].now = worlds[0].now;
    for world in &mut worlds {
        world.subscriber(2, 1);
        world.connect();
    }
    for _ in 0..200 {
        worlds
            .iter_mut()
            .for_each(|world| world.run(Duration::from_millis(100)));
    }
    let gone = worlds.iter().filter(|world| excess(world, 2).is_some());
    assert_eq!(gone.count(), 1);
}

/// A receiver with a limit of this many packets per picture, and a publisher with layers of one, two and four.
fn receiver_of_layers(packets: u64) -> (World, usize) {
    let mut world = World::new();
    let client = Client::simulcast(world.now, 1, 0, &["q", "h", "f"]);
    let publisher = world.open(client, true);
    world.control(Control::Publish {
        peer: PeerId(1),
        publication: PublicationId(1),
    });
    world.download = Some(Arc::new(Download::new(packets * PACKET_BITS_PER_S)));
    let subscriber = world.subscriber(11, 1);
    world.connect();
    let now = world.now;
    for (rid, packets) in ["q", "h", "f"].iter().zip([1, 2, 4]) {
        world.clients[publisher].start_video(now, Codec::Vp8, Some(rid), packets);
    }
    (world, subscriber)
}

/// The layer of the newest picture that a client has received, which the first client sent.
fn shown(world: &World, client: usize) -> Option<usize> {
    let got = world.clients[client].video_got().next_back()?;
    Some(layer(world, 0, got))
}

fn wait_for_layer(world: &mut World, client: usize, wanted: usize, seconds: u64) {
    world.wait("the layer", Duration::from_secs(seconds), |world| {
        shown(world, client) == Some(wanted)
    });
}

#[test]
fn a_receiver_of_simulcast_is_shown_the_layer_that_fits() {
    let (mut world, subscriber) = receiver_of_layers(3);
    wait_for_layer(&mut world, subscriber, 2, 3);
    wait_for_layer(&mut world, subscriber, 1, 12);
    for _ in 0..60 {
        world.run_ms(1_000);
        assert_eq!(shown(&world, subscriber), Some(1), "it stays there");
    }
    assert_eq!(excess(&world, 11), None);
    let video: Vec<_> = world.clients[subscriber].video_got().collect();
    assert_continuous(&video);
}

#[test]
fn the_largest_layer_comes_back_when_there_is_room() {
    let (mut world, subscriber) = receiver_of_layers(6);
    let other = world.publisher(2, 2);
    start_video(&mut world, other, 3);
    world.run(Duration::from_secs(7));
    assert_eq!(shown(&world, subscriber), Some(2));
    world.control(Control::Close { peer: PeerId(11) });
    world.subscriber(13, 2);
    world.run(Duration::from_secs(7));
    let late = world.subscriber(14, 1);
    wait_for_layer(&mut world, late, 1, 15);
    world.run(Duration::from_secs(20));
    assert_eq!(shown(&world, late), Some(1));
    assert_eq!((excess(&world, 13), excess(&world, 14)), (None, None));
    world.control(Control::Close { peer: PeerId(13) });
    wait_for_layer(&mut world, late, 2, 12);
    world.run(Duration::from_secs(20));
    assert_eq!(shown(&world, late), Some(2));
    let video: Vec<_> = world.clients[late].video_got().collect();
    assert_continuous(&video);
}

#[test]
fn layers_of_another_workers_publisher_are_chosen_alike() {
    let mut pair = Pair::new();
    let client = Client::simulcast(pair.0[HOME].now, 1, 0, &["q", "h", "f"]);
    let publisher = pair.0[HOME].open(client, true);
    pair.0[HOME].control(Control::Publish {
        peer: PeerId(1),
        publication: PublicationId(1),
    });
    pair.0[AWAY].download = Some(Arc::new(Download::new(3 * PACKET_BITS_PER_S)));
    let far = pair.0[AWAY].subscriber(11, 1);
    pair.relay(HOME, &[WorkerId(1)]);
    pair.run_ms(300);
    let now = pair.0[HOME].now;
    for (rid, packets) in ["q", "h", "f"].iter().zip([1, 2, 4]) {
        pair.0[HOME].clients[publisher].start_video(now, Codec::Vp8, Some(rid), packets);
    }
    let shown = |pair: &Pair| {
        let got = pair.0[AWAY].clients[far].video_got().next_back()?;
        Some(layer(&pair.0[HOME], publisher, got))
    };
    pair.run_ms(3_000);
    assert_eq!(shown(&pair), Some(2));
    pair.run_ms(12_000);
    assert_eq!(shown(&pair), Some(1));
    assert_eq!(excess(&pair.0[AWAY], 11), None);
}

#[test]
fn who_is_sent_too_much_by_the_smallest_layer_goes() {
    let (mut world, _) = receiver_of_layers(0);
    world.wait("it goes", Duration::from_secs(30), |world| {
        world.gone(11).is_some()
    });
    assert!(matches!(
        excess(&world, 11),
        Some(Excess::DownloadBitrate { .. })
    ));
}
