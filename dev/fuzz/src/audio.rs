//! Sound of encoders.

use restage_audio::limits::{DAMAGED_MAX, PACKET_BYTES_MAX, PACKET_SAMPLES};
use restage_audio::{AacEncoder, AacFormat, BITS_PER_S_DEFAULT, Transcoder};

use crate::input::Input;
use crate::target::Target;

/// The targets of this room.
pub(crate) const TARGETS: &[Target] =
    &[
        Target::new("aac", aac, "AAC with any timestamps becomes Opus")
            .from(seeds)
            .slow(),
    ];

/// The decoder is foreign, and its panics are caught. libFuzzer's hook would end the process before that.
fn let_panics_be_caught() {
    #[cfg(feature = "runner")]
    {
        static ONCE: std::sync::Once = std::sync::Once::new();
        ONCE.call_once(|| {
            std::panic::set_hook(Box::new(|panic| {
                if panic
                    .location()
                    .is_some_and(|place| place.file().contains("restage"))
                {
                    eprintln!("{panic}");
                }
            }));
        });
    }
}

fn aac(bytes: &[u8]) {
    let_panics_be_caught();
    let mut input = Input::new(bytes);
    let kind = input.byte();
    let rate_hz = if kind & 1 == 0 { 48_000 } else { 44_100 };
    let format = AacFormat::new(rate_hz, 1 + (kind >> 1 & 1)).expect("a format");
    let mut transcoder = Transcoder::new(format, BITS_PER_S_DEFAULT).expect("a transcoder");
    let mut time_us = 1_000_000;
    let (mut packets, mut units) = (Vec::new(), 0);
    while !input.is_empty() && units < 64 {
        units += 1;
        let step = input.byte();
        time_us += match step {
            255 => input.long() as i64 >> 8,
            254 => i64::from(input.word() as i32),
            step => 21_333 + i64::from(step & 7) * 1_000,
        };
        packets.clear();
        let is_over = transcoder
            .push(time_us, input.piece(), &mut packets)
            .is_err();
        assert!(
            packets.len() <= 128,
            "{} packets of one access unit",
            packets.len()
        );
        check(&packets);
        assert!(transcoder.damaged() <= u64::from(DAMAGED_MAX) + 64);
        if is_over {
            return;
        }
    }
    packets.clear();
    if transcoder.finish(&mut packets).is_ok() {
        check(&packets);
    }
}

fn check(packets: &[restage_audio::OpusPacket]) {
    for packet in packets {
        assert!(!packet.payload.is_empty() && packet.payload.len() <= PACKET_BYTES_MAX);
        let samples = restage_codec::opus::samples(&packet.payload);
        assert_eq!(samples, Some(PACKET_SAMPLES as u64), "a packet is 20 ms");
    }
    let is_forward = packets
        .windows(2)
        .all(|pair| pair[0].timestamp + PACKET_SAMPLES as i64 <= pair[1].timestamp);
    assert!(is_forward, "packets follow each other");
}

/// A tone, mono and stereo, as our own encoder writes it.
fn seeds() -> Vec<Vec<u8>> {
    let tone = |channels: u8, kind: u8| {
        let mut encoder = AacEncoder::new(48_000, channels, 48_000).expect("an encoder");
        let mut seed = vec![kind];
        for block in 0..6 {
            let samples: Vec<f32> = (0..1_024 * usize::from(channels))
                .map(|sample| ((sample + block * 77) as f32 * 0.05).sin() * 0.3)
                .collect();
            let unit = encoder.encode(&samples).expect("an access unit");
            seed.extend([0, 255]);
            seed.extend((unit.len() as u16).to_be_bytes());
            seed.extend(unit);
        }
        seed
    };
    vec![
        tone(1, 0),
        tone(2, 2),
        vec![
            1, 0, 4, 0x21, 0x10, 4, 0x60, 255, 0, 9, 9, 9, 9, 9, 9, 9, 2, 1, 2,
        ],
    ]
}
