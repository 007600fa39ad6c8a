//! Byte streams (ITU-T H.264 Annex B): NAL units behind start codes.

use super::{SequenceParameters, UnitType};
use crate::PictureSize;

/// The NAL units of a byte stream, without their start codes.
pub fn units(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = stream;
    std::iter::from_fn(move || {
        loop {
            let start = start_code(rest)? + 3;
            let unit = &rest[start..];
            let end = start_code(unit).unwrap_or(unit.len());
            rest = &unit[end..];
            let unit = without_trailing_zeros(&unit[..end]);
            if !unit.is_empty() {
                return Some(unit);
            }
        }
    })
}

/// Size of the picture, if the access unit has a sequence parameter set.
pub fn picture_size(access_unit: &[u8]) -> Option<PictureSize> {
    let sps = units(access_unit).find(|unit| UnitType::of(unit) == UnitType::SPS)?;
    Some(SequenceParameters::parse(sps)?.size)
}

/// Index of the next start code `00 00 01`.
pub fn start_code(bytes: &[u8]) -> Option<usize> {
    bytes.windows(3).position(|window| window == [0, 0, 1])
}

/// Zeros after a NAL unit are not part of it: they belong to the next start code (Annex B.1).
pub fn without_trailing_zeros(unit: &[u8]) -> &[u8] {
    let end = unit
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    &unit[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_found_between_start_codes() {
        let stream = [
            0, 0, 0, 1, 9, 0xf0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0, 0, 1, 0x65, 2, 0, 0,
        ];
        let found: Vec<&[u8]> = units(&stream).collect();
        assert_eq!(found, [&[9, 0xf0][..], &[0x67, 1], &[0x65, 2]]);
        assert_eq!(units(&[1, 2, 3]).count(), 0);
        assert_eq!(units(&[0, 0, 1]).count(), 0);
    }
}
