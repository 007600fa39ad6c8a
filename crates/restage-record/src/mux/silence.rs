//! Silence, as packets of Opus.

use crate::mp4::Sample;

/// Packets of full-band silence (RFC 6716 §3.1, configurations 31 to 28): their samples and their first byte, the longest first. The range
/// decoder reads "silence" out of the two bytes that follow (§4.3, table 56).
const PACKETS: [(u32, u8); 4] = [(960, 0xf8), (480, 0xf0), (240, 0xe8), (120, 0xe0)];
const BODY: [u8; 2] = [0xff, 0xfe];

/// Packets that are as long as `samples` together, but for a rest that is shorter than the shortest packet.
pub(super) fn packets(samples: i64) -> impl Iterator<Item = Sample> {
    let mut left = samples;
    std::iter::from_fn(move || {
        let (length, first) = PACKETS
            .into_iter()
            .find(|(length, _)| i64::from(*length) <= left)?;
        left -= i64::from(length);
        Some(Sample {
            data: [first, BODY[0], BODY[1]].into(),
            duration: length,
            is_sync: true,
        })
    })
}

#[cfg(test)]
mod tests {
    use restage_codec::opus;

    use super::*;

    #[test]
    fn silence_has_the_length_that_is_asked_for() {
        for (asked, expected) in [(0, 0), (119, 0), (120, 120), (5_879, 5_760), (1_800, 1_800)] {
            let made: Vec<Sample> = packets(asked).collect();
            let sum: i64 = made.iter().map(|sample| i64::from(sample.duration)).sum();
            assert_eq!(sum, expected, "{asked}");
            for sample in made {
                assert_eq!(opus::samples(&sample.data), Some(sample.duration.into()));
            }
        }
        assert_eq!(packets(-5).count(), 0);
    }
}
