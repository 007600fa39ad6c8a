//! Sessions of real clients with an `Sfu`: handshakes are made, keys are known, and then anything is sent under them.

mod client;
mod keys;
mod media;
mod rtcp;
mod steps;
mod world;

use restage_media::{Config, Control, Download, PublicationId, Wish};

use crate::input::Input;
use crate::target::Target;
use client::Client;
use steps::Session;
use world::{World, sfu_address};

/// The targets of this room.
pub(crate) const TARGETS: &[Target] = &[
    Target::new(
        "sfu",
        sfu,
        "a publisher, two viewers, a tap and an inlet at an Sfu: packets under valid keys, RTCP, checks, moves, restarts, orders, time",
    )
    .from(seeds)
    .slow(),
];

const PUBLICATION: PublicationId = PublicationId(1);

/// A publisher and one or two viewers, as the first byte says.
fn connected(kind: u8) -> World {
    let mut world = World::new(Config {
        candidates: vec![sfu_address()],
        seed: 1,
        publish_bits_per_s_max: (kind & 8 != 0).then_some(2_000_000),
        publish_pixels_max: (kind & 16 != 0).then_some(640 * 360),
        ..Config::default()
    });
    let publisher = Client::new(world.now, 1, true, kind & 1 != 0);
    world.connect(publisher, |peer, offer| Control::OpenPublisher {
        peer,
        offer,
    });
    world.control(Control::Publish {
        peer: restage_media::PeerId(1),
        publication: PUBLICATION,
    });
    let download = std::sync::Arc::new(match kind & 32 != 0 {
        true => Download::new(1_000_000),
        false => Download::unlimited(),
    });
    for key in 2..=2 + u64::from(kind >> 1 & 1) {
        // One says how packets arrive, the other one estimates by itself.
        let viewer = Client::new(world.now, key, false, false);
        world.connect(viewer, |peer, offer| Control::OpenSubscriber {
            peer,
            offer: if key == 2 {
                offer
            } else {
                offer
                    .replace("transport-cc", "ccm tmmbr")
                    .replace("draft-holmer", "draft-other")
            },
            download: Some(download.clone()),
            wish: Wish::default(),
        });
        world.control(Control::Subscribe {
            peer: restage_media::PeerId(key),
            publication: PUBLICATION,
        });
    }
    world
}

fn sfu(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let world = connected(input.byte());
    let mut session = Session::new(world);
    session.run(&mut input);
}

/// Streams of each codec with feedback, moves, restarts, orders.
fn seeds() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for (kind, codec) in [(2, 0_u8), (3, 0), (0, 1), (0, 2), (0, 3), (0, 4)] {
        let mut story = vec![kind];
        for round in 0..14_u8 {
            let place = if kind & 1 == 0 { 1 } else { 1 + round % 3 };
            story.extend([
                0,
                0,
                place,
                codec << 2 | u8::from(round % 7 != 0) | 0x20,
                0,
                5,
            ]);
            story.extend([0, 0, 0, 1, 0, 2]);
            story.extend([14, 1, 0, 7, 9, 0, 0, 0, 0, 0, 0xff, 4, 4, 4, 4, 4, 4, 4, 4]);
            match round {
                3 => story.extend([24, 0, 0, 0, 3, 12, 1, 0, 3]),
                5 => story.extend([13, 1, 0, 1, 0, 2, 0, 3, 30, 20]),
                6 => story.extend([17, 1, 0x10, 23, 0, 2, 17, 0, 0x20]),
                8 => story.extend([21, 1, 3, 0, 4, 22, 1, 1, 0]),
                9 => story.extend([
                    25, 0, 1, 0, 25, 3, 2, 0x20, 0, 0, 0x21, 0, 1, 26, 0, 0, 26, 0, 5, 3, 1,
                ]),
                11 => story.extend([28, 30, 180, 28]),
                _ => story.extend([30, 20]),
            }
        }
        all.push(story);
    }
    all
}
