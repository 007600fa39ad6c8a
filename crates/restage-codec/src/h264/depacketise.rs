//! Pictures out of RTP packets (RFC 6184 §5.6 to §5.8).

use super::{UnitType, payload::Fragment};

/// NAL units of aggregation packets are behind their lengths (§5.7.1).
const STAP_A: u8 = 24;
/// `nal_unit_type` of what the container says by itself: access unit delimiter, end of sequence, end of stream, filler data.
const DELIMITERS: std::ops::RangeInclusive<u8> = 9..=12;
/// Parameter sets in one picture; more are damage.
const SETS_MAX: usize = super::PARAMETER_SETS_MAX;

/// A picture with what stands before it, put together from its packets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessUnit {
    /// NAL units, each behind its length in four bytes, big-endian (ISO/IEC 14496-15). Parameter sets, delimiters and filler are left out.
    pub units: Vec<u8>,
    /// Sequence and picture parameter sets, in their order.
    pub parameter_sets: Vec<Vec<u8>>,
    /// It has a slice of an IDR picture.
    pub is_idr: bool,
    /// It has a slice.
    pub has_slice: bool,
}

/// Puts a picture together from the payloads of all its packets, in order. `None` if one is missing or damaged, or of a kind that is not
/// negotiated: aggregation packets with decoding order numbers, and fragments of them.
pub fn depacketise<'a>(payloads: impl IntoIterator<Item = &'a [u8]>) -> Option<AccessUnit> {
    let mut picture = AccessUnit::default();
    let mut partial: Option<Vec<u8>> = None;
    for payload in payloads {
        let header = payload.first()? & 0x1f;
        if let Some(fragment) = Fragment::parse(payload) {
            picture.take_fragment(fragment, &mut partial)?;
            continue;
        }
        if partial.is_some() {
            return None;
        }
        match header {
            1..STAP_A => picture.take(payload)?,
            STAP_A => picture.take_aggregate(payload.get(1..)?)?,
            _ => return None,
        }
    }
    partial.is_none().then_some(picture)
}

impl AccessUnit {
    fn take_fragment(
        &mut self,
        fragment: Fragment<'_>,
        partial: &mut Option<Vec<u8>>,
    ) -> Option<()> {
        if fragment.is_first == partial.is_some() {
            return None;
        }
        let unit = partial.get_or_insert_with(|| vec![fragment.header]);
        unit.extend_from_slice(fragment.body);
        if fragment.is_last {
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
        let kind = UnitType::of(unit);
        if kind.is_parameter_set() {
            if self.parameter_sets.len() >= SETS_MAX {
                return None;
            }
            self.parameter_sets.push(unit.to_vec());
        } else if !DELIMITERS.contains(&kind.0) && !unit.is_empty() {
            let length = u32::try_from(unit.len()).ok()?;
            self.units.extend_from_slice(&length.to_be_bytes());
            self.units.extend_from_slice(unit);
            self.has_slice |= kind.is_slice();
            self.is_idr |= kind == UnitType::IDR_SLICE;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SPS: &[u8] = &[0x67, 0x42, 0xe0, 31];
    const PPS: &[u8] = &[0x68, 0xce];
    const IDR: &[u8] = &[0x65, 0x88, 1, 2, 3];
    const SLICE: &[u8] = &[0x41, 0x9a, 1];

    fn depacketised(payloads: &[&[u8]]) -> Option<AccessUnit> {
        depacketise(payloads.iter().copied())
    }

    fn with_lengths(units: &[&[u8]]) -> Vec<u8> {
        let behind = |unit: &&[u8]| [&(unit.len() as u32).to_be_bytes(), *unit].concat();
        units.iter().flat_map(behind).collect()
    }

    #[test]
    fn every_packaging_gives_the_same_picture() {
        let expected = AccessUnit {
            units: with_lengths(&[IDR]),
            parameter_sets: vec![SPS.to_vec(), PPS.to_vec()],
            is_idr: true,
            has_slice: true,
        };
        assert_eq!(
            depacketised(&[&[9, 0xf0], SPS, PPS, IDR]).as_ref(),
            Some(&expected)
        );
        let stap = [&[0x78, 0, 4], SPS, &[0, 2], PPS].concat();
        let fragments: [&[u8]; 3] = [&[0x7c, 0x85, 0x88], &[0x7c, 0x05, 1, 2], &[0x7c, 0x45, 3]];
        let packets = [&[&stap[..]], &fragments[..]].concat();
        assert_eq!(depacketised(&packets), Some(expected));
        let delta = depacketised(&[&[6, 5, 1], SLICE, &[12, 0xff]]).unwrap();
        assert_eq!(delta.units, with_lengths(&[&[6, 5, 1], SLICE]));
        assert!(delta.has_slice && !delta.is_idr && delta.parameter_sets.is_empty());
    }

    #[test]
    fn what_is_missing_damaged_or_not_negotiated_is_no_picture() {
        let (first, middle, last): (&[u8], &[u8], &[u8]) =
            (&[0x7c, 0x85, 1], &[0x7c, 0x05, 2], &[0x7c, 0x45, 3]);
        for (packets, why) in [
            (&[middle, last][..], "no first fragment"),
            (&[first, middle], "no last fragment"),
            (&[first, first, last], "two first fragments"),
            (&[first, SLICE, last], "a unit between fragments"),
            (&[&[]], "an empty payload"),
            (&[&[0x7c]], "a fragment without its header"),
            (&[&[0x78, 0, 9, 0x41]], "an aggregate that is cut short"),
            (&[&[0x78, 0]], "a length that is cut short"),
            (&[&[0x79, 0, 0, 0, 1, 0x41]], "STAP-B"),
            (&[&[0x7a, 0, 0, 0, 0]], "MTAP16"),
            (&[&[0x7b, 0, 0, 0, 0]], "MTAP24"),
            (&[&[0x7d, 0x85, 0, 0, 1]], "FU-B"),
            (&[&[0x60]], "an unspecified unit"),
        ] {
            assert_eq!(depacketised(packets), None, "{why}");
        }
        assert_eq!(
            depacketised(&vec![SPS; SETS_MAX + 1]),
            None,
            "too many sets"
        );
        assert_eq!(depacketised(&[]), Some(AccessUnit::default()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_and_never_grow(
            packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20),
        ) {
            let bytes: usize = packets.iter().map(Vec::len).sum();
            if let Some(picture) = depacketise(packets.iter().map(Vec::as_slice)) {
                // A length of two bytes becomes one of four; a unit of an aggregate has three bytes at least.
                prop_assert!(picture.units.len() <= 5 * bytes);
            }
        }
    }
}
