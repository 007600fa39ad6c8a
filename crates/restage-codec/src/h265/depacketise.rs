//! Pictures out of RTP packets (RFC 7798 §4.4).

use super::UnitType;
use super::payload::{AGGREGATION, FRAGMENT, HEADER_BYTES, is_of_base_layer, type_of};

/// `nal_unit_type` of what the container says by itself: access unit delimiter, end of sequence, end of bitstream, filler data.
const DELIMITERS: std::ops::RangeInclusive<u8> = 35..=38;
/// Types of slices (ITU-T H.265 table 7-1).
const SLICES: std::ops::RangeInclusive<u8> = 0..=31;
/// Parameter sets in one picture; more are damage.
const SETS_MAX: usize = 32;

/// A picture with what stands before it, put together from its packets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessUnit {
    /// NAL units, each behind its length in four bytes, big-endian (ISO/IEC 14496-15). Parameter sets, delimiters, filler and other
    /// layers than the base are left out.
    pub units: Vec<u8>,
    /// Video, sequence and picture parameter sets, in their order.
    pub parameter_sets: Vec<Vec<u8>>,
    /// It has a slice of a picture that a decoder can start with.
    pub is_random_access: bool,
    /// It has a slice.
    pub has_slice: bool,
}

/// Puts a picture together from the payloads of all its packets, in order. `None` if one is missing or damaged. Packets have no decoding
/// order numbers: formats with them are not negotiated.
pub fn depacketise<'a>(payloads: impl IntoIterator<Item = &'a [u8]>) -> Option<AccessUnit> {
    let mut picture = AccessUnit::default();
    let mut partial: Option<Vec<u8>> = None;
    for payload in payloads {
        let kind = type_of(payload)?;
        if kind == FRAGMENT {
            picture.take_fragment(payload, &mut partial)?;
            continue;
        }
        if partial.is_some() {
            return None;
        }
        match kind {
            0..AGGREGATION => picture.take(payload)?,
            AGGREGATION => picture.take_aggregate(payload.get(HEADER_BYTES..)?)?,
            _ => return None,
        }
    }
    partial.is_none().then_some(picture)
}

impl AccessUnit {
    fn take_fragment(&mut self, payload: &[u8], partial: &mut Option<Vec<u8>>) -> Option<()> {
        let [first, second, head, body @ ..] = payload else {
            return None;
        };
        let (is_first, is_last) = (head & 0x80 != 0, head & 0x40 != 0);
        if is_first == partial.is_some() {
            return None;
        }
        let header = [first & 0x81 | (head & 0x3f) << 1, *second];
        let unit = partial.get_or_insert_with(|| header.to_vec());
        unit.extend_from_slice(body);
        if is_last {
            let unit = partial.take()?;
            self.take(&unit)?;
        }
        Some(())
    }

    fn take_aggregate(&mut self, mut rest: &[u8]) -> Option<()> {
        while !rest.is_empty() {
            let (length, after) = rest.split_first_chunk::<2>()?;
            let (unit, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
            self.take(unit)?;
            rest = after;
        }
        Some(())
    }

    fn take(&mut self, unit: &[u8]) -> Option<()> {
        let kind = type_of(unit)?;
        if DELIMITERS.contains(&kind) || !is_of_base_layer(unit) {
            return Some(());
        }
        if (UnitType::VPS.0..=UnitType::PPS.0).contains(&kind) {
            if self.parameter_sets.len() >= SETS_MAX {
                return None;
            }
            self.parameter_sets.push(unit.to_vec());
            return Some(());
        }
        let length = u32::try_from(unit.len()).ok()?;
        self.units.extend_from_slice(&length.to_be_bytes());
        self.units.extend_from_slice(unit);
        self.has_slice |= SLICES.contains(&kind);
        self.is_random_access |= UnitType(kind).is_random_access();
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VPS: &[u8] = &[0x40, 0x01, 7];
    const SPS: &[u8] = &[0x42, 0x01, 7];
    const PPS: &[u8] = &[0x44, 0x01, 7];
    const IDR: &[u8] = &[0x26, 0x01, 1, 2];
    const DELTA: &[u8] = &[0x02, 0x01, 7];

    fn depacketised(payloads: &[&[u8]]) -> Option<AccessUnit> {
        depacketise(payloads.iter().copied())
    }

    #[test]
    fn every_packaging_gives_the_same_picture() {
        let expected = AccessUnit {
            units: [&[0, 0, 0, 4], IDR].concat(),
            parameter_sets: vec![VPS.to_vec(), SPS.to_vec(), PPS.to_vec()],
            is_random_access: true,
            has_slice: true,
        };
        let delimiter: &[u8] = &[0x46, 0x01, 0x50];
        let single = depacketised(&[delimiter, VPS, SPS, PPS, IDR]);
        assert_eq!(single.as_ref(), Some(&expected));
        let aggregate = [&[0x60, 0x01, 0, 3], VPS, &[0, 3], SPS, &[0, 3], PPS].concat();
        let fragments: [&[u8]; 2] = [&[0x62, 0x01, 0x93, 1], &[0x62, 0x01, 0x53, 2]];
        let packets = [&[&aggregate[..]], &fragments[..]].concat();
        assert_eq!(depacketised(&packets), Some(expected));
        let delta = depacketised(&[DELTA, &[0x02, 0x09, 7]]).unwrap();
        assert_eq!(
            delta.units,
            [&[0, 0, 0, 3], DELTA].concat(),
            "the base layer alone"
        );
        assert!(delta.has_slice && !delta.is_random_access);
    }

    #[test]
    fn what_is_missing_or_damaged_is_no_picture() {
        let (first, last): (&[u8], &[u8]) = (&[0x62, 0x01, 0x93, 1], &[0x62, 0x01, 0x53, 2]);
        for (packets, why) in [
            (&[last][..], "no first fragment"),
            (&[first], "no last fragment"),
            (&[first, first, last], "two first fragments"),
            (&[first, DELTA, last], "a unit between fragments"),
            (&[&[0x62, 0x01]], "a fragment without its header"),
            (&[&[0x60, 0x01, 0, 9, 1]], "an aggregate that is cut short"),
            (&[&[0x60, 0x01, 0, 1, 1]], "a unit without its header"),
            (&[&[0x64, 0x01, 7]], "PACI"),
            (&[&[]], "an empty payload"),
        ] {
            assert_eq!(depacketised(packets), None, "{why}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_and_never_grow(
            packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20),
        ) {
            let bytes: usize = packets.iter().map(Vec::len).sum();
            if let Some(picture) = depacketise(packets.iter().map(Vec::as_slice)) {
                prop_assert!(picture.units.len() <= 5 * bytes);
            }
        }
    }
}
