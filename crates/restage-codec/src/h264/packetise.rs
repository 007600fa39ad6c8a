//! Pictures into RTP packets (RFC 6184 §5.6 to §5.8).

use super::UnitType;
use super::payload::{FU_A, STAP_A};

/// Bytes before the body of a fragment: its indicator and its header (§5.8).
const FRAGMENT_HEAD_BYTES: usize = 2;
/// Bytes before each unit of an aggregate: its length (§5.7.1).
const LENGTH_BYTES: usize = 2;
/// `nal_unit_type` of what RTP says by itself: access unit delimiter, end of sequence, end of stream, filler data.
const DELIMITERS: std::ops::RangeInclusive<u8> = 9..=12;

/// The payloads of the packets of one picture, in order, for packetization mode 1: small units that follow each other share a packet
/// (STAP-A), large ones are cut (FU-A). Delimiters and filler are left out. `payload_bytes_max` must be above 2. The last packet of the
/// picture has the marker.
pub fn packetise<'a>(
    units: impl IntoIterator<Item = &'a [u8]>,
    payload_bytes_max: usize,
) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    let mut small = Vec::new();
    // The header of an aggregate, which each one of several has.
    let mut small_bytes = 1;
    for unit in units {
        if unit.is_empty() || DELIMITERS.contains(&UnitType::of(unit).0) {
            continue;
        }
        let bytes = LENGTH_BYTES + unit.len();
        if small_bytes + bytes > payload_bytes_max {
            payloads.extend(aggregate(&small));
            (small_bytes, small) = (1, Vec::new());
        }
        if unit.len() > payload_bytes_max {
            fragment(unit, payload_bytes_max, &mut payloads);
        } else {
            small_bytes += bytes;
            small.push(unit);
        }
    }
    payloads.extend(aggregate(&small));
    payloads
}

/// The payload with these units; `None` for none. One by itself needs no aggregate.
fn aggregate(units: &[&[u8]]) -> Option<Vec<u8>> {
    if units.len() < 2 {
        return units.first().map(|unit| unit.to_vec());
    }
    // The highest importance of any, and damage if one is damaged (§5.3, §5.7).
    let importance = units.iter().map(|unit| unit[0] & 0x60).max().unwrap_or(0);
    let damage = units.iter().fold(0, |damage, unit| damage | unit[0] & 0x80);
    let bytes: usize = units.iter().map(|unit| LENGTH_BYTES + unit.len()).sum();
    let mut payload = Vec::with_capacity(1 + bytes);
    payload.push(damage | importance | STAP_A);
    for unit in units {
        payload.extend((unit.len() as u16).to_be_bytes());
        payload.extend_from_slice(unit);
    }
    Some(payload)
}

/// Cuts a unit in pieces of nearly the same size.
fn fragment(unit: &[u8], payload_bytes_max: usize, payloads: &mut Vec<Vec<u8>>) {
    let Some((&header, body)) = unit.split_first() else {
        return;
    };
    let room = payload_bytes_max.saturating_sub(FRAGMENT_HEAD_BYTES).max(1);
    let count = body.len().div_ceil(room);
    let pieces = body.chunks(body.len().div_ceil(count.max(1)).max(1));
    let last = pieces.len().saturating_sub(1);
    for (place, piece) in pieces.enumerate() {
        let start = if place == 0 { 0x80 } else { 0 };
        let end = if place == last { 0x40 } else { 0 };
        let head = [header & 0xe0 | FU_A, start | end | header & 0x1f];
        payloads.push([&head[..], piece].concat());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::depacketise;
    use super::*;

    fn packets(units: &[&[u8]], most: usize) -> Vec<Vec<u8>> {
        packetise(units.iter().copied(), most)
    }

    #[test]
    fn small_units_share_a_packet_and_large_ones_are_cut() {
        let units: [&[u8]; 5] = [
            &[9, 0xf0],
            &[0x67, 1],
            &[0x28, 2],
            &[0x65, 1, 2, 3, 4, 5, 6, 7, 8],
            &[0x65],
        ];
        let expected: [&[u8]; 4] = [
            &[0x78, 0, 2, 0x67, 1, 0, 2, 0x28, 2],
            &[0x7c, 0x85, 1, 2, 3, 4],
            &[0x7c, 0x45, 5, 6, 7, 8],
            &[0x65],
        ];
        assert_eq!(packets(&units, 9)[..1], expected[..1]);
        assert_eq!(packets(&units[3..], 8), expected[1..]);
        assert_eq!(packets(&[&[0x41, 1]], 8), [[0x41, 1]]);
        assert_eq!(packets(&[&[9, 0xf0], &[12], &[]], 8), [[0; 0]; 0]);
    }

    #[test]
    fn the_bound_is_kept_to_the_byte() {
        let unit = |bytes: usize| [&[0x41][..], &vec![7; bytes - 1]].concat();
        assert_eq!(packets(&[&unit(100)], 100).len(), 1);
        assert_eq!(packets(&[&unit(101)], 100).len(), 2);
        // 1 + 2 + 40 + 2 + 55 are 100.
        assert_eq!(packets(&[&unit(40), &unit(55)], 100).len(), 1);
        assert_eq!(packets(&[&unit(40), &unit(56)], 100).len(), 2);
    }

    proptest! {
        #[test]
        fn what_is_packetised_is_depacketised(
            units in prop::collection::vec((1..24_u8, prop::collection::vec(any::<u8>(), 0..300)), 1..8),
            most in 20..120_usize,
        ) {
            let units: Vec<Vec<u8>> = units.into_iter().map(|(kind, mut body)| {
                body.insert(0, 0x60 | kind);
                body
            }).collect();
            let payloads = packetise(units.iter().map(Vec::as_slice), most);
            prop_assert!(payloads.iter().all(|payload| (1..=most).contains(&payload.len())));
            let whole = depacketise(units.iter().map(Vec::as_slice));
            prop_assert_eq!(depacketise(payloads.iter().map(Vec::as_slice)), whole);
        }
    }
}
