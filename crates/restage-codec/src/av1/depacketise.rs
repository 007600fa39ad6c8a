//! Pictures out of RTP packets (RTP Payload Format For AV1 §4).

use super::{
    AggregationHeader, FRAME, FRAME_HEADER, HAS_EXTENSION, HAS_SIZE, SEQUENCE_HEADER,
    TEMPORAL_DELIMITER, is_key_frame, read_leb128,
};

/// `obu_type` of a list of tiles, which RTP does not carry, and of padding (§6.2.2).
const TILE_LIST: u8 = 8;
const PADDING: u8 = 15;

/// A temporal unit, put together from its packets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TemporalUnit {
    /// OBUs that all say their size. Temporal delimiters, lists of tiles and padding are left out.
    pub units: Vec<u8>,
    /// A sequence header as it stands in the units, if there is one.
    pub sequence_header: Option<Vec<u8>>,
    /// A decoder can start with it.
    pub is_key: bool,
    /// It has a frame.
    pub has_frame: bool,
}

/// Puts a temporal unit together from the payloads of all its packets, in order. `None` if one is missing or damaged.
pub fn depacketise<'a>(payloads: impl IntoIterator<Item = &'a [u8]>) -> Option<TemporalUnit> {
    let mut temporal_unit = TemporalUnit::default();
    let mut partial: Option<Vec<u8>> = None;
    for payload in payloads {
        let header = AggregationHeader::parse(payload)?;
        if header.continues != partial.is_some() {
            return None;
        }
        let goes_on = payload.first()? & 0x40 != 0;
        let elements = elements(payload.get(1..)?, header.count)?;
        let last = elements.len().checked_sub(1)?;
        for (place, element) in elements.into_iter().enumerate() {
            let mut unit = partial.take().unwrap_or_default();
            unit.extend_from_slice(element);
            if place == last && goes_on {
                partial = Some(unit);
            } else {
                temporal_unit.take(&unit)?;
            }
        }
    }
    if partial.is_some() {
        return None;
    }
    temporal_unit.is_key = is_key_frame(&temporal_unit.units);
    Some(temporal_unit)
}

/// The elements of a packet (§4.3, §4.4). `None` if it is cut short.
fn elements(mut rest: &[u8], count: u8) -> Option<Vec<&[u8]>> {
    let mut elements = Vec::new();
    while !rest.is_empty() {
        if elements.len() + 1 == usize::from(count) {
            elements.push(std::mem::take(&mut rest));
        } else {
            let (length, after) = read_leb128(rest)?;
            let (element, after) = after.split_at_checked(length)?;
            elements.push(element);
            rest = after;
        }
    }
    let is_complete = count == 0 || elements.len() == usize::from(count);
    is_complete.then_some(elements)
}

impl TemporalUnit {
    /// Takes an OBU, with or without its size.
    fn take(&mut self, unit: &[u8]) -> Option<()> {
        let (header, mut body) = unit.split_first()?;
        let kind = header >> 3 & 0x0f;
        let mut extension = None;
        if header & HAS_EXTENSION != 0 {
            let (first, rest) = body.split_first()?;
            (extension, body) = (Some(*first), rest);
        }
        if header & HAS_SIZE != 0 {
            let (size, rest) = read_leb128(body)?;
            if size != rest.len() {
                return None;
            }
            body = rest;
        }
        if matches!(kind, TEMPORAL_DELIMITER | TILE_LIST | PADDING) {
            return Some(());
        }
        let start = self.units.len();
        self.units.push(header | HAS_SIZE);
        self.units.extend(extension);
        write_leb128(&mut self.units, body.len());
        self.units.extend_from_slice(body);
        self.has_frame |= matches!(kind, FRAME | FRAME_HEADER);
        if kind == SEQUENCE_HEADER {
            self.sequence_header = self.units.get(start..).map(<[u8]>::to_vec);
        }
        Some(())
    }
}

/// Writes a number in LEB128 (§4.10.5).
fn write_leb128(bytes: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{DELTA, KEY, packet, sequence, sized, unit};
    use super::*;

    fn depacketised(payloads: &[&[u8]]) -> Option<TemporalUnit> {
        depacketise(payloads.iter().copied())
    }

    #[test]
    fn units_get_their_sizes() {
        let (header, key) = (unit(1, &sequence()), unit(6, &KEY));
        let expected = TemporalUnit {
            units: [sized(1, &sequence()), sized(6, &KEY)].concat(),
            sequence_header: Some(sized(1, &sequence())),
            is_key: true,
            has_frame: true,
        };
        let whole = packet(0x08, &[unit(2, &[]), header.clone(), key.clone()]);
        assert_eq!(depacketised(&[&whole]).as_ref(), Some(&expected));
        // The frame goes on in a second packet; the last elements have no length.
        let mut first = packet(0x68, &[header]);
        first.extend(&key[..2]);
        let second = [&[0x90], &key[2..]].concat();
        assert_eq!(depacketised(&[&first, &second]).as_ref(), Some(&expected));
        let with_sizes = packet(0, &[sized(1, &sequence()), sized(6, &KEY)]);
        assert_eq!(depacketised(&[&with_sizes]), Some(expected));
        let delta = depacketised(&[&packet(0, &[unit(6, &DELTA)])]).unwrap();
        assert!(!delta.is_key && delta.has_frame && delta.sequence_header.is_none());
    }

    #[test]
    fn what_is_missing_or_damaged_is_no_unit() {
        let frame = unit(6, &DELTA);
        let mut first = packet(0x50, &[]);
        first.extend(&frame);
        for (packets, why) in [
            (&[&[0x90, 1][..]][..], "its beginning is missing"),
            (&[&first], "its end is missing"),
            (
                &[&first, &packet(0, std::slice::from_ref(&frame))],
                "a unit between",
            ),
            (&[&[0x00]], "no element"),
            (&[&[0x00, 9, 0x30]], "an element that is cut short"),
            (&[&[0x20, 1, 0x30]], "fewer elements than it says"),
            (&[&[0x10, 0x32, 9, 1]], "a size beyond the unit"),
            (&[&[]], "an empty payload"),
        ] {
            assert_eq!(depacketised(packets), None, "{why}");
        }
    }

    #[test]
    fn long_units_have_sizes_of_several_bytes() {
        let body = vec![0x30; 300];
        let mut payload = vec![0x10];
        payload.extend(unit(6, &body));
        let read = depacketised(&[&payload]).unwrap();
        assert_eq!(read.units[..3], [0x32, 0xac, 0x02]);
        assert_eq!(read.units.len(), 303);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_and_never_grow(
            packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20),
        ) {
            let bytes: usize = packets.iter().map(Vec::len).sum();
            if let Some(unit) = depacketise(packets.iter().map(Vec::as_slice)) {
                prop_assert!(unit.units.len() <= 2 * bytes);
            }
        }
    }
}
