//! One publisher and fifty subscribers: runs only the forward path, for counting instructions.
//!
//! `scripts/check_forward_cost.py` runs it under callgrind and collects only within [`forward`]. The clients are those
//! of the scenario tests. They connect before, and what they send is not read while instructions are counted.

#[allow(dead_code, unreachable_pub)]
#[path = "../tests/scenarios/support/mod.rs"]
mod support;

use std::time::Instant;

use restage_media::{Input, Output, Protocol, Sfu};
use str0m::format::Codec;
use support::{Flight, World};

const SUBSCRIBERS: u64 = 50;
/// Number of pictures and audio packets.
const BURSTS: u64 = 300;
const PACKETS_PER_PICTURE: usize = 5;
const PAYLOAD_BYTES: usize = 1_200;

fn main() {
    let mut world = World::new();
    let publisher = world.publisher(1, 1);
    for key in 0..SUBSCRIBERS {
        world.subscriber(100 + key, 1);
    }
    world.connect();
    let now = world.now;
    let client = &mut world.clients[publisher];
    client.start_audio(now);
    client.start_video(now, Codec::H264, None, PACKETS_PER_PICTURE);
    client.video_sources[0].payload_bytes = PAYLOAD_BYTES;
    world.run_ms(600);
    let before = world.sfu.stats();
    for _ in 0..BURSTS {
        let client = &mut world.clients[publisher];
        world.now = client.wants_at().max(world.now);
        client.on_time(world.now);
        let flights = client.take_flights();
        forward(&mut world.sfu, world.now, &flights);
    }
    let after = world.sfu.stats();
    assert_eq!(after.peers, SUBSCRIBERS + 1, "nobody has gone");
    println!("{}", after.packets_out - before.packets_out);
}

/// A worker's work for one batch. Not inlined, because instructions are counted by its name.
#[inline(never)]
fn forward(sfu: &mut Sfu, now: Instant, flights: &[Flight]) {
    for flight in flights {
        let input = Input::Datagram {
            protocol: Protocol::Udp,
            source: flight.from,
            destination: flight.to,
            payload: &flight.bytes,
        };
        sfu.handle_input(now, input);
    }
    drain(sfu);
    if sfu.poll_timeout().is_some_and(|at| at <= now) {
        sfu.handle_input(now, Input::Timeout);
        drain(sfu);
    }
}

fn drain(sfu: &mut Sfu) {
    while let Some(output) = sfu.poll_output() {
        if let Output::Train { contents, .. } = output {
            sfu.reuse(contents);
        }
    }
}
