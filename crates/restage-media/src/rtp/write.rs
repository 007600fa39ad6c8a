//! Writes RTP headers (RFC 3550 §5.1) with one-byte header extensions (RFC 8285).

use crate::rtp::extensions::{Extensions, Rotation};

/// The profile that begins a block of one-byte elements.
const ONE_BYTE_PROFILE: [u8; 2] = [0xbe, 0xde];
/// Length of a header without extensions, and of what precedes their elements.
const FIXED_BYTES: usize = 12;
const BLOCK_BYTES: usize = 4;
/// Longest value of a one-byte element.
const ELEMENT_BYTES_MAX: usize = 16;
/// Longest header: with a MID, a number of two bytes and two values of a byte, padded to whole words.
const HEADER_BYTES_MAX: usize =
    (FIXED_BYTES + BLOCK_BYTES + 1 + ELEMENT_BYTES_MAX + 3 + 2 + 2).next_multiple_of(4);

/// The ids that a subscriber has offered for header extensions. An extension without an id is not sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct ExtensionIds {
    pub(crate) mid: Option<u8>,
    pub(crate) audio_level: Option<u8>,
    pub(crate) rotation: Option<u8>,
    /// The transport-wide number.
    pub(crate) transport_seq: Option<u8>,
}

/// The name that the subscriber gave the media section (RFC 8843 §15), if it fits into a one-byte element.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct MidName {
    bytes: [u8; ELEMENT_BYTES_MAX],
    /// 0: it is not sent.
    length: u8,
}

impl MidName {
    pub(crate) fn new(name: &str) -> Self {
        let mut bytes = [0; ELEMENT_BYTES_MAX];
        let Some(place) = bytes.get_mut(..name.len()) else {
            return Self::default();
        };
        place.copy_from_slice(name.as_bytes());
        Self {
            bytes,
            length: name.len() as u8,
        }
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

/// The fixed part of a header.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fixed {
    pub(crate) pt: u8,
    pub(crate) marker: bool,
    pub(crate) seq: u16,
    pub(crate) time: u32,
    pub(crate) ssrc: u32,
    /// The number of the packet among those of all streams of the connection
    /// (draft-holmer-rmcat-transport-wide-cc-extensions-01 §2), if it has one.
    pub(crate) transport_seq: u16,
}

/// Bytes of the header that [`write`] appends.
pub(crate) fn length(ids: &ExtensionIds, mid: &MidName, values: &Extensions) -> usize {
    let mid = ids
        .mid
        .map_or(0, |id| element_length(id, mid.as_bytes().len()));
    let level = ids.audio_level.filter(|_| values.audio_level.is_some());
    let rotation = ids.rotation.filter(|_| values.rotation.is_some());
    let number = ids.transport_seq.map_or(0, |id| element_length(id, 2));
    let elements = mid
        + number
        + [level, rotation]
            .into_iter()
            .flatten()
            .map(|id| element_length(id, 1))
            .sum::<usize>();
    if elements == 0 {
        FIXED_BYTES
    } else {
        FIXED_BYTES + BLOCK_BYTES + elements.next_multiple_of(4)
    }
}

/// Appends padding to the packet that begins at `start` and is otherwise complete (RFC 3550 §5.1).
pub(crate) fn pad(buffer: &mut Vec<u8>, start: usize, padding: u8) {
    if padding > 0 {
        buffer[start] |= 0x20;
        buffer.resize(buffer.len() + usize::from(padding) - 1, 0);
        buffer.push(padding);
    }
}

/// Appends a header.
pub(crate) fn write(
    buffer: &mut Vec<u8>,
    fixed: Fixed,
    ids: &ExtensionIds,
    mid: &MidName,
    values: &Extensions,
) {
    let mut bytes = [0; HEADER_BYTES_MAX];
    bytes[0] = 0x80;
    bytes[1] = u8::from(fixed.marker) << 7 | fixed.pt & 0x7f;
    bytes[2..4].copy_from_slice(&fixed.seq.to_be_bytes());
    bytes[4..8].copy_from_slice(&fixed.time.to_be_bytes());
    bytes[8..12].copy_from_slice(&fixed.ssrc.to_be_bytes());
    let block = FIXED_BYTES + BLOCK_BYTES;
    let mut end = block;
    if let Some(id) = ids.mid {
        element(&mut bytes, &mut end, id, mid.as_bytes());
    }
    if let Some(id) = ids.transport_seq {
        element(&mut bytes, &mut end, id, &fixed.transport_seq.to_be_bytes());
    }
    if let (Some(id), Some(level)) = (ids.audio_level, values.audio_level) {
        // RFC 6464: the level is carried without its sign.
        let voice = values.voice_activity.unwrap_or(false);
        let level = level.unsigned_abs().min(127);
        element(&mut bytes, &mut end, id, &[u8::from(voice) << 7 | level]);
    }
    if let (Some(id), Some(rotation)) = (ids.rotation, values.rotation) {
        let turns = match rotation {
            Rotation::None => 0,
            Rotation::Quarter => 1,
            Rotation::Half => 2,
            Rotation::ThreeQuarters => 3,
        };
        element(&mut bytes, &mut end, id, &[turns]);
    }
    if end == block {
        buffer.extend_from_slice(&bytes[..FIXED_BYTES]);
        return;
    }
    let end = end.next_multiple_of(4);
    let words = ((end - block) / 4) as u16;
    bytes[0] |= 0x10;
    bytes[12..14].copy_from_slice(&ONE_BYTE_PROFILE);
    bytes[14..16].copy_from_slice(&words.to_be_bytes());
    buffer.extend_from_slice(&bytes[..end]);
}

fn element(bytes: &mut [u8; HEADER_BYTES_MAX], end: &mut usize, id: u8, value: &[u8]) {
    let length = element_length(id, value.len());
    if length > 0 {
        bytes[*end] = id << 4 | (value.len() - 1) as u8;
        bytes[*end + 1..*end + length].copy_from_slice(value);
        *end += length;
    }
}

/// Bytes of the element; 0 if a one-byte element cannot hold it.
fn element_length(id: u8, value: usize) -> usize {
    if (1..=14).contains(&id) && (1..=ELEMENT_BYTES_MAX).contains(&value) {
        1 + value
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIXED: Fixed = Fixed {
        pt: 111,
        marker: true,
        seq: 0x0102,
        time: 5,
        ssrc: 9,
        transport_seq: 0xabcd,
    };

    fn header(ids: &ExtensionIds, mid: &str, values: &Extensions) -> Vec<u8> {
        let mut buffer = vec![0xaa];
        write(&mut buffer, FIXED, ids, &MidName::new(mid), values);
        buffer.split_off(1)
    }

    #[test]
    fn without_extensions_a_header_has_twelve_bytes() {
        let plain = header(&ExtensionIds::default(), "0", &Extensions::default());
        assert_eq!(plain, [0x80, 0xef, 1, 2, 0, 0, 0, 5, 0, 0, 0, 9]);
    }

    #[test]
    fn elements_follow_each_other_and_are_padded_to_words() {
        let ids = ExtensionIds {
            mid: Some(4),
            audio_level: Some(1),
            rotation: Some(13),
            transport_seq: Some(3),
        };
        let values = Extensions {
            audio_level: Some(-30),
            voice_activity: Some(true),
            rotation: Some(Rotation::ThreeQuarters),
        };
        let bytes = header(&ids, "v0", &values);
        assert_eq!(bytes[0], 0x90);
        assert_eq!(
            bytes[12..],
            [
                0xbe,
                0xde,
                0,
                3,
                0x41,
                b'v',
                b'0',
                0x31,
                0xab,
                0xcd,
                0x10,
                0x80 | 30,
                0xd0,
                3,
                0,
                0
            ]
        );
    }

    #[test]
    fn the_length_is_known_before_writing() {
        for mid in [None, Some(4), Some(15)] {
            for (audio_level, rotation) in [(None, None), (Some(1), None), (Some(1), Some(13))] {
                let ids = ExtensionIds {
                    mid,
                    audio_level,
                    rotation,
                    transport_seq: rotation.map(|_| 2),
                };
                for (level, turned) in [(None, None), (Some(-9), Some(Rotation::Half))] {
                    let values = Extensions {
                        audio_level: level,
                        voice_activity: None,
                        rotation: turned,
                    };
                    for name in ["", "0", "abcd", "a name of twenty byt"] {
                        let written = header(&ids, name, &values).len();
                        assert_eq!(
                            length(&ids, &MidName::new(name), &values),
                            written,
                            "{ids:?} {name}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn ids_and_lengths_that_do_not_fit_are_left_out() {
        let ids = ExtensionIds {
            mid: Some(15),
            ..Default::default()
        };
        assert_eq!(header(&ids, "0", &Extensions::default()).len(), 12);
        let ids = ExtensionIds {
            mid: Some(4),
            ..Default::default()
        };
        assert_eq!(
            header(&ids, &"x".repeat(17), &Extensions::default()).len(),
            12
        );
        assert_eq!(header(&ids, "", &Extensions::default()).len(), 12);
    }
}
