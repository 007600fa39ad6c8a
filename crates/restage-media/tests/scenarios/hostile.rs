//! Hostile datagrams: nothing may panic, no peer may be ended, no table may grow.

use restage_media::{Input, Protocol};
use str0m::format::Codec;

use crate::support::{Flight, Rng, World};

fn streaming() -> (World, usize, usize) {
    let mut world = World::new();
    let publisher = world.publisher(1, 1);
    let subscriber = world.subscriber(2, 1);
    world.connect();
    let now = world.now;
    world.clients[publisher].start(now, Codec::Vp8);
    world.run_ms(500);
    (world, publisher, subscriber)
}

fn assert_well(world: &mut World, subscriber: usize) {
    assert!(
        world.gone(1).is_none() && world.gone(2).is_none(),
        "{:?}",
        world.news.last()
    );
    world.clients[subscriber].got.clear();
    world.run_ms(1_000);
    assert!(
        world.clients[subscriber].video_got().count() > 60,
        "media still flows"
    );
    assert_eq!(world.sfu.stats().peer_panics, 0);
    assert!(world.sfu.stats().addresses <= 4);
}

fn throw(world: &mut World, from: std::net::SocketAddr, bytes: &[u8]) {
    let input = Input::Datagram {
        protocol: Protocol::Udp,
        source: from,
        destination: world.sfu_address,
        payload: bytes,
    };
    world.sfu.handle_input(world.now, input);
    world.drain_sfu();
}

#[test]
fn random_bytes_of_every_length_from_anybody() {
    let (mut world, publisher, subscriber) = streaming();
    let known = [
        world.clients[publisher].address,
        world.clients[subscriber].address,
    ];
    let mut rng = Rng(11);
    for length in 0..=200 {
        for first in [
            None,
            Some(0),
            Some(1),
            Some(20),
            Some(22),
            Some(23),
            Some(63),
            Some(128),
            Some(144),
            Some(191),
        ] {
            for from in [known[0], known[1], "203.0.113.250:1".parse().unwrap()] {
                let mut bytes = rng.bytes(length);
                if let (Some(first), Some(byte)) = (first, bytes.first_mut()) {
                    *byte = first;
                }
                // Half of them as RTCP.
                if length > 1 && rng.below(2) == 0 {
                    bytes[1] = 200 + rng.below(8) as u8;
                }
                throw(&mut world, from, &bytes);
            }
        }
    }
    for length in [1_500, 2_000, 2_001, 9_000, 65_535] {
        let bytes = rng.bytes(length);
        throw(&mut world, known[0], &bytes);
    }
    assert_well(&mut world, subscriber);
}

#[test]
fn real_traffic_with_bytes_changed_cut_or_repeated() {
    let mut world = World::new();
    world.recording = Some(Vec::new());
    let publisher = world.publisher(1, 1);
    let subscriber = world.subscriber(2, 1);
    world.connect();
    let now = world.now;
    world.clients[publisher].start(now, Codec::Vp8);
    world.run_ms(1_500);
    let recorded: Vec<Flight> = world.recording.take().unwrap();
    let sfu = world.sfu_address;
    let incoming: Vec<_> = recorded.iter().filter(|flight| flight.to == sfu).collect();
    assert!(incoming.len() > 150);
    let mut rng = Rng(12);
    for _ in 0..6_000 {
        let flight = incoming[rng.below(incoming.len())];
        let mut bytes = flight.bytes.clone();
        match rng.below(4) {
            0 => {
                let end = rng.below(bytes.len());
                bytes.truncate(end);
            }
            1 => {
                for _ in 0..=rng.below(4) {
                    let at = rng.below(bytes.len());
                    bytes[at] = rng.next() as u8;
                }
            }
            2 => {
                let more = rng.below(40);
                bytes.extend(rng.bytes(more));
            }
            _ => {}
        }
        let from = if rng.below(4) == 0 {
            "203.0.113.250:1".parse().unwrap()
        } else {
            flight.from
        };
        throw(&mut world, from, &bytes);
    }
    // The SFU's own datagrams, sent back to it.
    for flight in recorded.iter().filter(|flight| flight.from == sfu) {
        throw(&mut world, flight.to, &flight.bytes);
    }
    assert_well(&mut world, subscriber);
}

#[test]
fn handshakes_disturbed_by_garbage_still_succeed() {
    let mut world = World::new();
    let publisher = world.publisher(1, 1);
    let subscriber = world.subscriber(2, 1);
    let from = [
        world.clients[publisher].address,
        world.clients[subscriber].address,
    ];
    let mut rng = Rng(13);
    world.wait(
        "connected in spite of it",
        std::time::Duration::from_secs(5),
        |world| world.is_connected(1) && world.is_connected(2),
    );
    // A second pair connects, with garbage all the time.
    let publisher = world.publisher(3, 3);
    let address = world.clients[publisher].address;
    for _ in 0..400 {
        let length = rng.below(120);
        let mut bytes = rng.bytes(length);
        if let Some(first) = bytes.first_mut() {
            *first = [0, 20, 21, 22, 23, 128][rng.below(6)];
        }
        if bytes.len() > 13 {
            // A DTLS 1.2 record header with a fitting length, so that the record layer looks inside.
            let inner = (bytes.len() - 13) as u16;
            bytes[1..3].copy_from_slice(&[0xfe, 0xfd]);
            bytes[3..11].fill(0);
            bytes[11..13].copy_from_slice(&inner.to_be_bytes());
        }
        throw(&mut world, address, &bytes);
        throw(&mut world, from[0], &bytes);
        world.run_ms(1);
    }
    world.wait(
        "connected or at least the others are",
        std::time::Duration::from_secs(16),
        |world| world.is_connected(3) || world.gone(3).is_some(),
    );
    assert!(world.gone(1).is_none() && world.gone(2).is_none());
    assert_eq!(world.sfu.stats().peer_panics, 0);
}

#[test]
fn payloads_too_long_to_forward_do_not_reach_subscribers() {
    let (mut world, publisher, subscriber) = streaming();
    world.clients[publisher].video_sources[0].payload_bytes = 1_800;
    world.run_ms(1_000);
    assert!(world.sfu.stats().packets_unusable > 50);
    world.clients[publisher].video_sources[0].payload_bytes = 1_100;
    world.clients[subscriber].request_keyframe();
    world.run_ms(500);
    assert_well(&mut world, subscriber);
}
