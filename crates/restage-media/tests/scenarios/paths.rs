//! Clients whose datagrams come by TCP connections and TURN allocations.

use std::net::SocketAddr;
use std::time::Duration;

use restage_media::{
    Config, Input, Output, PeerId, Protocol, Sfu, WorkerId, limits, local_ice_ufrag,
    worker_of_ufrag,
};
use str0m::format::Codec;

use crate::support::client::Client;
use crate::support::{World, config, sfu_address};

const OTHERS: [Protocol; 2] = [Protocol::Tcp, Protocol::Turn];

/// A publisher and a viewer, both connected by this protocol.
fn watching_by(protocol: Protocol) -> (World, usize, usize) {
    let mut world = World::new();
    for number in 0..2 {
        let address = Client::subscriber(world.now, 0, number).address;
        world.protocols.insert(address, protocol);
    }
    let publisher = world.publisher(1, 1);
    let subscriber = world.subscriber(2, 1);
    world.connect();
    let now = world.now;
    world.clients[publisher].start(now, Codec::H264);
    world.run_ms(2_000);
    assert!(world.clients[subscriber].video_got().count() > 100);
    assert!(world.clients[subscriber].audio_got().count() > 50);
    (world, publisher, subscriber)
}

/// The viewer comes back from another address.
fn move_to(world: &mut World, client: usize, address: &str, protocol: Protocol) -> SocketAddr {
    let moved: SocketAddr = address.parse().unwrap();
    world.protocols.insert(moved, protocol);
    world.clients[client].nat = Some(moved);
    moved
}

fn wait_for_media(world: &mut World, client: usize, limit: Duration) {
    let before = world.clients[client].video_got().count();
    world.wait("media at the new address", limit, |world| {
        world.clients[client].video_got().count() > before + 25
    });
}

#[test]
fn media_flows_by_whatever_carries_it() {
    for protocol in OTHERS {
        let (mut world, ..) = watching_by(protocol);
        world.run_ms(20_000);
        assert!(world.gone(1).is_none() && world.gone(2).is_none());
    }
}

#[test]
fn a_viewer_that_loses_its_connection_goes_on_over_the_next_one() {
    for (from, to) in [
        (Protocol::Tcp, Protocol::Tcp),
        (Protocol::Tcp, Protocol::Udp),
        (Protocol::Turn, Protocol::Tcp),
        (Protocol::Udp, Protocol::Tcp),
    ] {
        let (mut world, _, subscriber) = watching_by(from);
        let former = world.clients[subscriber].public_address();
        move_to(&mut world, subscriber, "203.0.113.7:7777", to);
        if from != Protocol::Udp {
            world.input(Input::PathEnded {
                protocol: from,
                source: former,
            });
        }
        // The client checks its path every one or two seconds; what it sends until then is lost.
        wait_for_media(&mut world, subscriber, Duration::from_secs(4));
        world.recording = Some(Vec::new());
        world.run_ms(10_000);
        assert!(world.gone(2).is_none(), "{from:?} to {to:?}");
        let sent = world.recording.take().unwrap();
        assert!(
            sent.iter().all(|flight| flight.to != former),
            "{from:?} to {to:?}"
        );
    }
}

#[test]
fn nothing_is_sent_to_a_connection_that_has_ended() {
    for protocol in OTHERS {
        let (mut world, _, subscriber) = watching_by(protocol);
        let former = world.clients[subscriber].public_address();
        world.clients[subscriber].is_offline = true;
        world.recording = Some(Vec::new());
        let source = former;
        world.input(Input::PathEnded { protocol, source });
        // What waited to be forwarded was sent before.
        world.recording = Some(Vec::new());
        world.run_ms(5_000);
        let sent = world.recording.take().unwrap();
        assert_eq!(sent.iter().filter(|flight| flight.to == former).count(), 0);
        // The peer that came by no other path is silent, and ends like any other.
        world.run_ms(5_000);
        assert!(world.gone(2).is_some());
        assert_eq!(world.sfu.stats().addresses, 1);
    }
}

#[test]
fn the_end_of_a_connection_that_nobody_has_changes_nothing() {
    let (mut world, _, subscriber) = watching_by(Protocol::Tcp);
    let source = world.clients[subscriber].public_address();
    for (protocol, source) in [
        (Protocol::Udp, source),
        (Protocol::Turn, source),
        (Protocol::Tcp, "203.0.113.9:9".parse().unwrap()),
    ] {
        world.input(Input::PathEnded { protocol, source });
    }
    world.clients[subscriber].got.clear();
    world.run_ms(1_000);
    assert!(world.clients[subscriber].video_got().count() > 60);
}

#[test]
fn media_does_not_follow_a_check_that_somebody_repeats_on_a_connection() {
    let (mut world, _, subscriber) = watching_by(Protocol::Udp);
    let own = world.clients[subscriber].address;
    world.recording = Some(Vec::new());
    world.run_ms(4_000);
    let recorded = world.recording.take().unwrap();
    let is_check =
        |flight: &&crate::support::Flight| flight.from == own && flight.bytes.starts_with(&[0, 1]);
    let check = recorded.iter().rev().find(is_check).unwrap().clone();
    let thief: SocketAddr = "203.0.113.66:9".parse().unwrap();
    world.protocols.insert(thief, Protocol::Tcp);
    world.recording = Some(Vec::new());
    world.clients[subscriber].got.clear();
    for _ in 0..10 {
        world.input(Input::Datagram {
            protocol: Protocol::Tcp,
            source: thief,
            destination: sfu_address(),
            payload: &check.bytes,
        });
        world.run_ms(500);
    }
    assert!(world.clients[subscriber].video_got().count() > 300);
    let sent = world.recording.take().unwrap();
    let to_thief = sent.iter().filter(|flight| flight.to == thief);
    assert!(to_thief.clone().count() > 0, "the check is answered");
    let bytes: usize = to_thief.map(|flight| flight.bytes.len()).sum();
    let most = 10 * check.bytes.len() * limits::AMPLIFICATION_MAX;
    assert!(bytes <= most, "{bytes} of {most}");
}

#[test]
fn trains_say_what_they_carry() {
    let (mut world, publisher, _) = watching_by(Protocol::Tcp);
    let mut seen = [0; 2];
    for _ in 0..200 {
        let client = &mut world.clients[publisher];
        world.now = client.wants_at().max(world.now);
        client.on_time(world.now);
        for flight in client.take_flights() {
            world.sfu.handle_input(
                world.now,
                Input::Datagram {
                    protocol: Protocol::Tcp,
                    source: flight.from,
                    destination: flight.to,
                    payload: &flight.bytes,
                },
            );
        }
        while let Some(output) = world.sfu.poll_output() {
            if let Output::Train {
                is_video,
                contents,
                segment,
                ..
            } = output
            {
                // Pictures and sound are not mixed, so that pictures can be left out.
                let types: Vec<u8> = contents.chunks(segment).map(|one| one[1] & 0x7f).collect();
                assert!(types.iter().all(|pt| *pt == types[0]), "{types:?}");
                seen[usize::from(is_video)] += 1;
            }
        }
    }
    assert!(seen.iter().all(|count| *count > 10), "{seen:?}");
}

#[test]
fn answers_offer_tcp_after_udp_and_name_their_worker() {
    let tcp: SocketAddr = "192.0.2.1:443".parse().unwrap();
    let mut world = World::with(Config {
        tcp_candidates: vec![tcp],
        worker: WorkerId(3),
        ..config()
    });
    world.subscriber(1, 1);
    world.publisher(2, 1);
    for key in [1, 2] {
        let answer = world.answer(PeerId(key)).unwrap();
        let ufrag = local_ice_ufrag(&answer).unwrap();
        assert_eq!(worker_of_ufrag(ufrag), Some(WorkerId(3)));
        let candidates: Vec<&str> = answer
            .lines()
            .filter(|line| line.starts_with("a=candidate:"))
            .collect();
        assert!(candidates[0].contains(" udp ") && candidates[0].contains(" 192.0.2.1 4081 "));
        assert!(candidates[1].ends_with(" 192.0.2.1 443 typ host tcptype passive"));
    }
    // A server without TCP offers none.
    let mut world = World::new();
    world.subscriber(1, 1);
    assert!(!world.answer(PeerId(1)).unwrap().contains(" tcp "));
    drop(Sfu::new(Config::default()));
}
