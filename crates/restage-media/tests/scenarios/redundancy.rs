//! Redundant audio (RFC 2198): subscribers that do not have it are sent plain Opus.

use restage_media::{
    Codec, Control, Format, InletId, InletPacket, Input, MediaKind, PublicationId, TapLayers,
};
use str0m::format::Codec as ClientCodec;

use crate::support::World;
use crate::taps::open_tap;

#[test]
fn who_has_no_redundant_audio_gets_the_newest_block_of_each_packet() {
    let mut world = World::new();
    let subscriber = world.subscriber(2, 1);
    world.connect();
    world.control(Control::OpenInlet {
        inlet: InletId(5),
        publication: PublicationId(1),
        formats: vec![Format::new(Codec::Red, "96/96").unwrap()],
        is_limited: true,
    });
    open_tap(&mut world, 7, TapLayers::Best);
    let mut payloads: Vec<Vec<u8>> = (0..50_u8)
        .map(|number| vec![0x80 | 96, 0x0f, 0, 3, 96, 9, 9, 9, 0x78, number])
        .collect();
    // A damaged packet, one with a block of another type, and one without anything new.
    payloads[10].truncate(5);
    payloads[20][4] = 13;
    payloads[30].truncate(8);
    for (number, payload) in (0..).zip(&payloads) {
        let packet = InletPacket {
            format: 0,
            layer: 0,
            sequence: 1_000 + number,
            timestamp: 960 * number,
            captured_us: None,
            marker: false,
            payload: payload.as_slice().into(),
            audio_level: None,
        };
        world.input(Input::Push {
            inlet: InletId(5),
            packets: &[packet],
        });
        world.run_ms(20);
    }
    let got: Vec<_> = world.clients[subscriber].audio_got().collect();
    let numbers: Vec<u8> = got.iter().map(|got| got.payload[1]).collect();
    let whole = (0..50).filter(|number| ![10, 20, 30].contains(number));
    assert_eq!(numbers, whole.collect::<Vec<u8>>());
    for pair in got.windows(2) {
        assert_eq!(
            pair[0].seq + 1,
            pair[1].seq,
            "no gap where something was left out"
        );
    }
    assert!(
        got.iter()
            .all(|got| got.codec == ClientCodec::Opus && got.payload.len() == 2)
    );
    let tapped = world.tapped(7, MediaKind::Audio);
    assert_eq!(tapped.len(), 47);
    assert!(tapped.iter().all(|packet| packet.codec() == Codec::Red));
    assert_eq!(*tapped[0].payload, *payloads[0]);
}
