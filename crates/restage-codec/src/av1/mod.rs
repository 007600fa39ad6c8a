//! AV1: open bitstream units (AV1 Bitstream & Decoding Process Specification §5.3 to §5.9) and how RTP packets carry them (RTP Payload
//! Format For AV1, version 1.0, §4).

mod depacketise;
mod sequence;

pub use depacketise::{TemporalUnit, depacketise};
pub use sequence::SequenceParameters;

use sequence::Head;

use crate::PictureSize;
use crate::bits::BitReader;

/// `obu_type` (§6.2.2).
const SEQUENCE_HEADER: u8 = 1;
const TEMPORAL_DELIMITER: u8 = 2;
const FRAME_HEADER: u8 = 3;
const FRAME: u8 = 6;

/// A temporal delimiter as it begins each temporal unit of a file (§7.5). RTP packets do not have it.
pub const DELIMITER: [u8; 2] = [TEMPORAL_DELIMITER << 3 | HAS_SIZE, 0];
/// `obu_has_size_field` and `obu_extension_flag` of the first byte.
const HAS_SIZE: u8 = 0x02;
const HAS_EXTENSION: u8 = 0x04;

/// Bytes of a number in LEB128 (§4.10.5).
const LEB128_BYTES_MAX: usize = 8;
/// `seq_level_idx` above which a sequence header says the tier (§5.5.1).
const TIER_LEVELS_ABOVE: u32 = 7;

/// A unit without its header.
#[derive(Debug, Clone, Copy)]
struct Unit<'a> {
    kind: u8,
    /// It begins after the header and the size; cut short if the unit goes on in the next packet.
    body: &'a [u8],
}

/// Whether a decoder can start with this temporal unit: a sequence header stands before a key frame.
pub fn is_key_frame(temporal_unit: &[u8]) -> bool {
    let mut start = Start::default();
    each_of_stream(temporal_unit, |unit| start.read(unit));
    start.is_key
}

/// Size of the pictures, as the first sequence header of a temporal unit has it.
pub fn picture_size(temporal_unit: &[u8]) -> Option<PictureSize> {
    let mut start = Start::default();
    each_of_stream(temporal_unit, |unit| start.read(unit));
    start.size
}

/// Whether a temporal unit begins with its delimiter.
pub fn has_delimiter(temporal_unit: &[u8]) -> bool {
    temporal_unit
        .first()
        .is_some_and(|header| header >> 3 & 0x0f == TEMPORAL_DELIMITER)
}

/// Whether a packet begins a key frame: it says so (N), or it has a sequence header and the beginning of a key frame (AV1 RTP §4.4).
pub fn starts_key_frame(payload: &[u8]) -> bool {
    let Some(header) = AggregationHeader::parse(payload) else {
        return false;
    };
    // Most packets are decided here.
    if header.continues || !header.begins_sequence && !may_begin_sequence(payload, header) {
        return false;
    }
    if header.begins_sequence {
        return payload.len() > 1;
    }
    let mut start = Start::default();
    each_of_packet(payload, header, |unit| start.read(unit));
    start.is_key
}

/// Size of the picture that the first packet of a key frame begins; `None` if the packet does not say it.
pub fn size_in_packet(payload: &[u8]) -> Option<PictureSize> {
    let header = AggregationHeader::parse(payload).filter(|header| !header.continues)?;
    let mut start = Start::default();
    each_of_packet(payload, header, |unit| start.read(unit));
    start.size
}

/// What units say of a place where a decoder can start.
#[derive(Default)]
struct Start {
    has_sequence: bool,
    is_reduced: bool,
    size: Option<PictureSize>,
    is_key: bool,
    /// The first frame decides.
    has_frame: bool,
}

impl Start {
    fn read(&mut self, unit: Unit<'_>) {
        match unit.kind {
            SEQUENCE_HEADER => {
                self.has_sequence = true;
                let mut bits = BitReader::plain(unit.body);
                if let Some(sequence) = Head::read(&mut bits) {
                    self.is_reduced = sequence.is_reduced;
                    self.size = self.size.or(sequence.size);
                }
            }
            FRAME_HEADER | FRAME if !self.has_frame => {
                self.has_frame = true;
                // show_existing_frame, then frame_type, which is 0 for key frames (§5.9.2).
                let is_key =
                    self.is_reduced || unit.body.first().is_some_and(|byte| byte >> 5 == 0);
                self.is_key = self.has_sequence && is_key;
            }
            _ => {}
        }
    }
}

/// The first byte of a payload (AV1 RTP §4.4).
#[derive(Debug, Clone, Copy)]
struct AggregationHeader {
    /// The first element continues one of the packet before (Z).
    continues: bool,
    /// How many elements there are (W); 0 if that is not said, so that each has its length.
    count: u8,
    /// A coded video sequence begins here (N).
    begins_sequence: bool,
}

impl AggregationHeader {
    fn parse(payload: &[u8]) -> Option<Self> {
        let byte = *payload.first()?;
        Some(Self {
            continues: byte & 0x80 != 0,
            count: byte >> 4 & 0x03,
            begins_sequence: byte & 0x08 != 0,
        })
    }
}

/// Whether the first unit of a packet stands where sequence headers do.
fn may_begin_sequence(payload: &[u8], header: AggregationHeader) -> bool {
    let element = payload.get(1..).and_then(|rest| match header.count {
        1 => Some(rest),
        _ => Some(read_leb128(rest)?.1),
    });
    let unit = element.and_then(|element| element.first());
    unit.is_some_and(|first| matches!(first >> 3 & 0x0f, SEQUENCE_HEADER | TEMPORAL_DELIMITER))
}

/// Calls back with each unit of a packet whose first element begins a unit. What is damaged ends it.
fn each_of_packet<'a>(
    payload: &'a [u8],
    header: AggregationHeader,
    mut callback: impl FnMut(Unit<'a>),
) {
    let mut rest = payload.get(1..).unwrap_or_default();
    let mut place = 1;
    while !rest.is_empty() {
        let element = if place == header.count {
            std::mem::take(&mut rest)
        } else {
            let Some((length, after)) = read_leb128(rest) else {
                return;
            };
            let Some((element, after)) = after.split_at_checked(length) else {
                return;
            };
            rest = after;
            element
        };
        place = place.saturating_add(1);
        if let Some((unit, _)) = split_unit(element) {
            callback(unit);
        }
    }
}

/// Calls back with each unit of a stream in which every unit says its size; the last may lack it.
fn each_of_stream<'a>(mut stream: &'a [u8], mut callback: impl FnMut(Unit<'a>)) {
    while let Some((unit, after)) = split_unit(stream) {
        callback(unit);
        stream = after;
    }
}

/// The unit at the beginning of `bytes`, and what follows it (§5.3.1).
fn split_unit(bytes: &[u8]) -> Option<(Unit<'_>, &[u8])> {
    let (header, mut rest) = bytes.split_first()?;
    if header & HAS_EXTENSION != 0 {
        rest = rest.get(1..)?;
    }
    let (body, after) = match header & HAS_SIZE {
        0 => (rest, &[][..]),
        _ => {
            let (size, rest) = read_leb128(rest)?;
            // A unit that goes on in the next packet is shorter here.
            rest.split_at(size.min(rest.len()))
        }
    };
    let kind = header >> 3 & 0x0f;
    Some((Unit { kind, body }, after))
}

/// A number in LEB128 (§4.10.5), and what follows it. `None` if it is cut short or does not fit.
fn read_leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_u64;
    for (place, byte) in bytes.iter().take(LEB128_BYTES_MAX).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, &bytes[place + 1..]));
        }
    }
    None
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const SIZE: PictureSize = PictureSize {
        width: 640,
        height: 360,
    };

    /// Bytes of bits written as text, filled up with zeros.
    fn bytes(bits: &str) -> Vec<u8> {
        let bits: Vec<u8> = bits.bytes().filter(|bit| *bit != b' ').collect();
        let byte = |bits: &[u8]| {
            let value = bits.iter().fold(0, |byte, bit| byte << 1 | (bit - b'0'));
            value << (8 - bits.len())
        };
        bits.chunks(8).map(byte).collect()
    }

    /// 640 by 360 in 10 and 9 bits.
    const SIDES: &str = "1001 1000 1001111111 101100111";

    /// The body of a sequence header with one operating point.
    pub(in crate::av1) fn sequence() -> Vec<u8> {
        bytes(&format!("000 0 0 0 0 00000 000000000000 00101 {SIDES}"))
    }

    /// A unit without a size.
    pub(in crate::av1) fn unit(kind: u8, body: &[u8]) -> Vec<u8> {
        [&[kind << 3], body].concat()
    }

    pub(in crate::av1) fn sized(kind: u8, body: &[u8]) -> Vec<u8> {
        [&[kind << 3 | HAS_SIZE, body.len() as u8], body].concat()
    }

    /// A packet of elements that all have their length.
    pub(in crate::av1) fn packet(head: u8, elements: &[Vec<u8>]) -> Vec<u8> {
        let mut payload = vec![head];
        for element in elements {
            payload.push(element.len() as u8);
            payload.extend(element);
        }
        payload
    }

    pub(in crate::av1) const KEY: [u8; 2] = [0x10, 0];
    pub(in crate::av1) const DELTA: [u8; 2] = [0x30, 0];

    #[test]
    fn sequence_headers_give_the_size_whatever_stands_before_it() {
        let size = |bits: &str| {
            let body = bytes(&bits.replace("SIDES", SIDES));
            Head::read(&mut BitReader::plain(&body))?.size
        };
        let none = "0".repeat(64);
        for (bits, why) in [
            ("000 0 0 0 0 00000 000000000000 00101 SIDES", "plain"),
            ("000 1 1 00101 SIDES", "reduced"),
            (
                "000 0 0 0 0 00000 000000000000 01000 1 SIDES",
                "with a tier",
            ),
            (
                "000 0 0 0 1 00001 000000000000 00001 1 0111 000000000000 00001 0 SIDES",
                "two points with display delays",
            ),
            (
                &format!("000 0 0 1 {none} 1 00100 0 0 00000 000000000000 00001 SIDES"),
                "with a frame rate",
            ),
            (
                &format!(
                    "000 0 0 1 {none} 0 1 00011 {} 00000 00000 0 00000 000000000000 00001 1 1111 0000 1 SIDES",
                    "0".repeat(32)
                ),
                "with a decoder model",
            ),
        ] {
            assert_eq!(size(bits), Some(SIZE), "{why}");
        }
        assert_eq!(
            size("000 0 0 0 0 00000 000000000000 00101 1001 1000 10"),
            None
        );
    }

    #[test]
    fn temporal_units_of_files_begin_with_a_sequence_header_where_a_decoder_can_start() {
        let key = [DELIMITER.to_vec(), sized(1, &sequence()), sized(6, &KEY)].concat();
        assert!(is_key_frame(&key) && has_delimiter(&key));
        assert_eq!(picture_size(&key), Some(SIZE));
        let delta = [DELIMITER.to_vec(), sized(6, &DELTA)].concat();
        assert!(!is_key_frame(&delta) && picture_size(&delta).is_none());
        let bare = sized(6, &KEY);
        assert!(
            !is_key_frame(&bare) && !has_delimiter(&bare),
            "no sequence header"
        );
        let repeated = [sized(1, &sequence()), sized(6, &DELTA)].concat();
        assert!(!is_key_frame(&repeated), "it may be repeated anywhere");
        assert!(!is_key_frame(&[]) && !has_delimiter(&[]));
    }

    #[test]
    fn an_encoders_temporal_unit_is_read() {
        // The beginning of SVT-AV1's: 642 by 362.
        let unit = [
            0x12, 0x00, 0x0a, 0x0b, 0x00, 0x00, 0x00, 0x0c, 0xc5, 0x03, 0x69, 0x3e, 0xfe, 0x40,
            0x10, 0x32, 0xed, 0x61, 0x14, 0x00, 0x20, 0xc0, 0x20,
        ];
        assert!(is_key_frame(&unit));
        let size = picture_size(&unit).unwrap();
        assert_eq!((size.width, size.height), (642, 362));
        let sequence = SequenceParameters::parse(&unit[2..]).unwrap();
        let expected = SequenceParameters {
            profile: 0,
            level: 1,
            is_high_tier: false,
            size,
            bit_depth: 8,
            is_monochrome: false,
            is_subsampled_x: true,
            is_subsampled_y: true,
            chroma_position: 0,
        };
        assert_eq!(sequence, expected);
        assert_eq!(SequenceParameters::parse(&unit), None, "a delimiter");
        for end in 2..14 {
            assert_eq!(
                SequenceParameters::parse(&unit[2..end]),
                None,
                "{end} bytes"
            );
        }
    }

    #[test]
    fn packets_that_begin_a_sequence_start_a_key_frame() {
        let (sequence, key, delta) = (unit(1, &sequence()), unit(6, &KEY), unit(6, &DELTA));
        let both = [sequence.clone(), key.clone()];
        assert!(starts_key_frame(&packet(0x08, &both)), "N");
        assert!(starts_key_frame(&packet(0x00, &both)), "as its units say");
        assert_eq!(size_in_packet(&packet(0x00, &both)), Some(SIZE));
        // Two elements, the last without a length, going on in the next packet.
        let mut two = packet(0x68, &both[..1]);
        two.extend(&key);
        assert!(starts_key_frame(&two));
        two[0] = 0x60;
        assert!(starts_key_frame(&two) && size_in_packet(&two) == Some(SIZE));
        let delimited = packet(0, &[unit(2, &[]), sequence.clone(), key]);
        assert!(starts_key_frame(&delimited));
        for (payload, why) in [
            (packet(0x88, &both), "it continues a unit"),
            (packet(0x00, &[sequence, delta.clone()]), "no key frame"),
            (packet(0x00, &[delta]), "no sequence header"),
            (vec![0x08], "nothing"),
            (vec![], "not even a header"),
        ] {
            assert!(!starts_key_frame(&payload), "{why}");
        }
    }

    #[test]
    fn lengths_are_read_as_far_as_they_fit() {
        assert_eq!(read_leb128(&[0xac, 0x02, 7]), Some((300, &[7][..])));
        assert_eq!(read_leb128(&[0x80]), None);
        assert_eq!(read_leb128(&[0xff; 9]), None);
        // A length beyond the end ends the packet.
        assert_eq!(size_in_packet(&[0x00, 0x7f, 0x08, 0]), None);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60)) {
            let _ = (starts_key_frame(&bytes), size_in_packet(&bytes));
            let _ = (is_key_frame(&bytes), picture_size(&bytes), has_delimiter(&bytes));
        }
    }
}
