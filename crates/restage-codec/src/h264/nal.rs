//! NAL units: their types (ITU-T H.264 table 7-1) and the head of a slice (§7.3.3).

use crate::bits::BitReader;

/// `nal_unit_type`, the lower five bits of a NAL unit's first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnitType(pub u8);

impl UnitType {
    /// A slice of a picture that a decoder cannot start with.
    pub const SLICE: Self = Self(1);
    /// A slice of an IDR picture: a decoder can start with it.
    pub const IDR_SLICE: Self = Self(5);
    /// A sequence parameter set.
    pub const SPS: Self = Self(7);
    /// A picture parameter set.
    pub const PPS: Self = Self(8);

    /// Of a NAL unit without its start code; 0 (unspecified) for an empty one.
    pub fn of(unit: &[u8]) -> Self {
        Self(unit.first().map_or(0, |header| header & 0x1f))
    }

    /// Whether it carries a part of a picture: a slice or a partition of one.
    pub fn is_slice(self) -> bool {
        (Self::SLICE.0..=Self::IDR_SLICE.0).contains(&self.0)
    }

    /// Whether it is a sequence or a picture parameter set.
    pub fn is_parameter_set(self) -> bool {
        matches!(self, Self::SPS | Self::PPS)
    }
}

/// What the head of a slice says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SliceHeader {
    /// A picture begins with this slice (`first_mb_in_slice` is 0).
    pub is_first: bool,
    /// It may refer to a later picture, so that pictures are not sent in the order they are shown in (a B slice).
    pub is_bidirectional: bool,
}

impl SliceHeader {
    /// Reads `first_mb_in_slice` and `slice_type`. `None` if the unit ends before.
    pub fn parse(unit: &[u8]) -> Option<Self> {
        let mut bits = BitReader::new(unit.get(1..)?);
        let first_mb = bits.unsigned()?;
        let slice_type = bits.unsigned()?;
        Some(Self {
            is_first: first_mb == 0,
            is_bidirectional: slice_type % 5 == 1,
        })
    }
}

/// Whether a NAL unit begins the next access unit when the present one already has a picture (§7.4.1.2.3): with the first slice of
/// a picture, or with anything that only stands before pictures.
pub fn begins_access_unit(unit: &[u8]) -> bool {
    match UnitType::of(unit) {
        UnitType::SLICE | UnitType::IDR_SLICE => {
            SliceHeader::parse(unit).is_none_or(|slice| slice.is_first)
        }
        // Partitions of a slice, end of sequence, end of stream, filler data, and what belongs to the picture before it.
        UnitType(2..=4 | 10..=12 | 19..=31) => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slice_headers() {
        // first_mb 0 ("1"), slice_type 7 ("0001000"): an I slice that begins a picture.
        let header = SliceHeader::parse(&[0x65, 0b1000_1000, 0]).unwrap();
        assert_eq!(
            header,
            SliceHeader {
                is_first: true,
                is_bidirectional: false
            }
        );
        // first_mb 1 ("010"), slice_type 1 ("010"): a later B slice.
        let header = SliceHeader::parse(&[0x01, 0b0100_1000, 0]).unwrap();
        assert_eq!(
            header,
            SliceHeader {
                is_first: false,
                is_bidirectional: true
            }
        );
        assert_eq!(SliceHeader::parse(&[]), None);
        assert_eq!(SliceHeader::parse(&[0x41]), None);
        assert_eq!(SliceHeader::parse(&[0x41, 0, 0, 0, 0, 0, 0, 0, 0]), None);
    }

    #[test]
    fn access_units_begin_with_a_first_slice_or_with_what_stands_before_pictures() {
        let begins = [&[0x09, 0xf0][..], &[0x67], &[0x68], &[0x06], &[0x65, 0x88]];
        assert!(begins.into_iter().all(begins_access_unit));
        // A later slice, a partition, end of sequence, an auxiliary picture.
        let continues = [&[0x41, 0b0100_1000, 0][..], &[0x02], &[0x0a], &[0x13]];
        assert!(!continues.into_iter().any(begins_access_unit));
    }
}
