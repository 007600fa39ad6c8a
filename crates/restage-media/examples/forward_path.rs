//! One publisher and fifty subscribers: runs only the forward path, for counting instructions.
//!
//! `scripts/check_forward_cost.py` runs it under callgrind and collects only within [`forward`]. The clients are those
//! of the scenario tests. They connect before, and what they send, such as the feedback from which the rate of their
//! path is estimated, is read while instructions are not counted. With `--tapped` the publication has a tap, as when it
//! is recorded.

#[allow(dead_code, unreachable_pub)]
#[path = "../tests/scenarios/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use restage_media::{Control, Input, Output, Protocol, PublicationId, Sfu, TapId, TapLayers};
use str0m::format::Codec;
use support::{Flight, World};

const SUBSCRIBERS: u64 = 50;
/// Number of pictures and audio packets.
const BURSTS: u64 = 300;
const PACKETS_PER_PICTURE: usize = 5;
const PAYLOAD_BYTES: usize = 1_200;
const PICTURE_BYTES_MAX: usize = 2 * PACKETS_PER_PICTURE * PAYLOAD_BYTES;

fn main() {
    let is_tapped = std::env::args().any(|word| word == "--tapped");
    let mut world = World::new();
    let publisher = world.publisher(1, 1);
    for key in 0..SUBSCRIBERS {
        world.subscriber(100 + key, 1);
    }
    world.connect();
    if is_tapped {
        world.control(Control::OpenTap {
            tap: TapId(1),
            publication: PublicationId(1),
            layers: TapLayers::Best,
        });
    }
    let now = world.now;
    let client = &mut world.clients[publisher];
    client.start_audio(now);
    client.start_video(now, Codec::H264, None, PACKETS_PER_PICTURE);
    client.video_sources[0].payload_bytes = PAYLOAD_BYTES;
    world.run_ms(4_000);
    let before = world.sfu.stats();
    let mut outputs = Vec::with_capacity(4 * SUBSCRIBERS as usize);
    for _ in 0..BURSTS {
        let at = world.clients[publisher].wants_at();
        let until = at.saturating_duration_since(world.now);
        world.run(until.saturating_sub(Duration::from_nanos(1)));
        let client = &mut world.clients[publisher];
        world.now = at.max(world.now);
        client.on_time(world.now);
        let flights = client.take_flights();
        let mut spare = (0..4 * SUBSCRIBERS)
            .map(|_| Vec::with_capacity(PICTURE_BYTES_MAX))
            .collect();
        forward(
            &mut world.sfu,
            world.now,
            &flights,
            &mut outputs,
            &mut spare,
        );
        for output in outputs.drain(..) {
            world.take(output);
        }
    }
    let after = world.sfu.stats();
    assert_eq!(after.peers, SUBSCRIBERS + 1, "nobody has gone");
    let tapped = after.packets_tapped - before.packets_tapped;
    assert_eq!(tapped > 0, is_tapped, "a tap is given packets");
    println!("{}", after.packets_out - before.packets_out);
}

/// A worker's work for one batch. Not inlined, because instructions are counted by its name.
#[inline(never)]
fn forward(
    sfu: &mut Sfu,
    now: Instant,
    flights: &[Flight],
    outputs: &mut Vec<Output>,
    spare: &mut Vec<Vec<u8>>,
) {
    for flight in flights {
        let input = Input::Datagram {
            protocol: Protocol::Udp,
            source: flight.from,
            destination: flight.to,
            payload: &flight.bytes,
        };
        sfu.handle_input(now, input);
    }
    drain(sfu, outputs, spare);
    if sfu.poll_timeout().is_some_and(|at| at <= now) {
        sfu.handle_input(now, Input::Timeout);
        drain(sfu, outputs, spare);
    }
}

/// Copies what leaves into spare buffers, and takes what a tap is given out of its list, so that these are used again at once.
fn drain(sfu: &mut Sfu, outputs: &mut Vec<Output>, spare: &mut Vec<Vec<u8>>) {
    let mut tapped = Vec::new();
    while let Some(output) = sfu.poll_output() {
        match output {
            Output::Train {
                source,
                destination,
                contents,
                segment,
                protocol,
                is_video,
            } => {
                let mut copy = spare.pop().unwrap_or_default();
                copy.extend_from_slice(&contents);
                outputs.push(Output::Train {
                    source,
                    destination,
                    contents: copy,
                    segment,
                    protocol,
                    is_video,
                });
                sfu.reuse(contents);
            }
            Output::Tapped { mut packets, .. } => {
                tapped.append(&mut packets);
                sfu.reuse_tapped(packets);
            }
            output => outputs.push(output),
        }
    }
}
