//! Opus packets (RFC 6716): their duration, as the first byte gives it (§3.1).

/// Samples per second. Opus counts time at this rate whatever it was encoded from (RFC 7845 §4).
pub const SAMPLE_RATE: u64 = 48_000;
/// Samples of the longest packet: 120 ms (RFC 6716 §3.2.5).
const SAMPLES_MAX: u64 = 5_760;

/// Duration of a packet in samples of 1/48,000 s; `None` if it is not an Opus packet.
pub fn samples(packet: &[u8]) -> Option<u64> {
    let toc = *packet.first()?;
    let per_frame = samples_per_frame(toc);
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u64::from(packet.get(1)? & 0x3f),
    };
    Some(per_frame * frames).filter(|samples| (1..=SAMPLES_MAX).contains(samples))
}

/// An empty packet with the configuration of this first byte, for which a decoder conceals the loss (RFC 7845 §4.1), and its
/// duration in samples.
pub fn filler(toc: u8) -> ([u8; 1], u64) {
    ([toc & !3], samples_per_frame(toc))
}

fn samples_per_frame(toc: u8) -> u64 {
    let config = toc >> 3;
    match config {
        // SILK: 10, 20, 40, 60 ms.
        0..12 => [480, 960, 1_920, 2_880][usize::from(config & 3)],
        // Hybrid: 10, 20 ms.
        12..16 => [480, 960][usize::from(config & 1)],
        // CELT: 2.5, 5, 10, 20 ms.
        _ => [120, 240, 480, 960][usize::from(config & 3)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_follow_the_table() {
        let cases: [(&[u8], Option<u64>); 9] = [
            (&[], None),
            (&[0b0000_0000], Some(480)),
            (&[0b0001_1000], Some(2_880)),
            (&[0b0110_1001], Some(1_920)),
            (&[0b1000_0000], Some(120)),
            (&[0b1111_1000, 1, 2], Some(960)),
            (&[0b1111_1011], None),
            (&[0b1111_1011, 0b1000_0110], Some(5_760)),
            (&[0b1111_1011, 7], None),
        ];
        for (packet, expected) in cases {
            assert_eq!(samples(packet), expected, "{packet:?}");
        }
        assert_eq!(samples(&[0b1111_1011, 0]), None, "no frames is no packet");
    }

    #[test]
    fn a_filler_is_one_empty_frame_of_the_same_kind() {
        let (packet, length) = filler(0b1111_1111);
        assert_eq!(samples(&packet), Some(length));
    }
}
