//! Writes RTP headers (RFC 3550 §5.1) with header extensions (RFC 8285): one-byte ones, unless a value is too long for these.

use crate::rtp::extensions::{Described, Extensions, Rotation};

/// The profile that begins a block of one-byte elements.
const ONE_BYTE_PROFILE: [u8; 2] = [0xbe, 0xde];
/// The same for two-byte elements (RFC 8285 §4.3).
const TWO_BYTE_PROFILE: [u8; 2] = [0x10, 0x00];
/// Length of a header without extensions, and of what precedes their elements.
const FIXED_BYTES: usize = 12;
const BLOCK_BYTES: usize = 4;
/// Where the elements of a header begin.
const ELEMENTS_AT: usize = FIXED_BYTES + BLOCK_BYTES;
/// Longest value of a one-byte element.
const ELEMENT_BYTES_MAX: usize = 16;
/// Longest header without a dependency descriptor: with a MID, a number of two bytes and two values of a byte, padded to whole words.
const HEADER_BYTES_MAX: usize =
    (ELEMENTS_AT + 1 + ELEMENT_BYTES_MAX + 3 + 2 + 2).next_multiple_of(4);

/// The ids that a subscriber has offered for header extensions. An extension without an id is not sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct ExtensionIds {
    pub(crate) mid: Option<u8>,
    pub(crate) audio_level: Option<u8>,
    pub(crate) rotation: Option<u8>,
    /// The transport-wide number.
    pub(crate) transport_seq: Option<u8>,
    /// The dependency descriptor. Only who permits two-byte elements beside one-byte ones is sent it.
    pub(crate) descriptor: Option<u8>,
}

/// A header in the form that a subscriber's offer gives it, prepared for many packets: what they have in common is written already.
#[derive(Debug, Clone)]
pub(crate) struct HeaderForm {
    bytes: [u8; HEADER_BYTES_MAX],
    /// Bytes of the elements that all packets have.
    elements: usize,
    /// Where the transport-wide number goes, if packets have one.
    transport_seq_at: Option<usize>,
    audio_level: Option<u8>,
    rotation: Option<u8>,
    descriptor: Option<u8>,
}

impl HeaderForm {
    /// `mid` is the name that the subscriber gave the media section (RFC 8843 §15). It is sent if it fits into a one-byte element.
    pub(crate) fn new(ids: &ExtensionIds, mid: &str) -> Self {
        let is_id = |id: &u8| (1..=14).contains(id);
        let mut form = Self {
            bytes: [0; HEADER_BYTES_MAX],
            elements: 0,
            transport_seq_at: None,
            audio_level: ids.audio_level.filter(is_id),
            rotation: ids.rotation.filter(is_id),
            descriptor: ids.descriptor.filter(is_id),
        };
        form.bytes[0] = 0x80;
        form.bytes[12..14].copy_from_slice(&ONE_BYTE_PROFILE);
        let mut end = ELEMENTS_AT;
        if let Some(id) = ids.mid.filter(is_id)
            && (1..=ELEMENT_BYTES_MAX).contains(&mid.len())
        {
            form.bytes[end] = id << 4 | (mid.len() - 1) as u8;
            form.bytes[end + 1..end + 1 + mid.len()].copy_from_slice(mid.as_bytes());
            end += 1 + mid.len();
        }
        if let Some(id) = ids.transport_seq.filter(is_id) {
            form.bytes[end] = id << 4 | 1;
            form.transport_seq_at = Some(end + 1);
            end += 3;
        }
        form.elements = end - ELEMENTS_AT;
        form
    }

    /// Whether packets have a transport-wide number.
    pub(crate) fn is_numbered(&self) -> bool {
        self.transport_seq_at.is_some()
    }

    /// Bytes of the header that [`write`](Self::write) appends.
    pub(crate) fn length(&self, values: &Extensions) -> usize {
        match self.elements_length(values) {
            0 => FIXED_BYTES,
            elements => ELEMENTS_AT + elements.next_multiple_of(4),
        }
    }

    /// Bytes of the elements, without padding.
    #[inline]
    fn elements_length(&self, values: &Extensions) -> usize {
        let level = self.audio_level.is_some() && values.audio_level.is_some();
        let rotation = self.rotation.is_some() && values.rotation.is_some();
        self.elements + 2 * (usize::from(level) + usize::from(rotation))
    }

    /// Appends a header.
    pub(crate) fn write(&self, buffer: &mut Vec<u8>, fixed: Fixed, values: &Extensions) {
        let mut bytes = self.bytes;
        bytes[1] = u8::from(fixed.marker) << 7 | fixed.pt & 0x7f;
        bytes[2..4].copy_from_slice(&fixed.seq.to_be_bytes());
        bytes[4..8].copy_from_slice(&fixed.time.to_be_bytes());
        bytes[8..12].copy_from_slice(&fixed.ssrc.to_be_bytes());
        if let Some(at) = self.transport_seq_at {
            [bytes[at], bytes[at + 1]] = fixed.transport_seq.to_be_bytes();
        }
        let mut end = ELEMENTS_AT + self.elements;
        if let (Some(id), Some(level)) = (self.audio_level, values.audio_level) {
            // RFC 6464: the level is carried without its sign.
            let voice = values.voice_activity.unwrap_or(false);
            let level = level.unsigned_abs().min(127);
            [bytes[end], bytes[end + 1]] = [id << 4, u8::from(voice) << 7 | level];
            end += 2;
        }
        if let (Some(id), Some(rotation)) = (self.rotation, values.rotation) {
            let turns = match rotation {
                Rotation::None => 0,
                Rotation::Quarter => 1,
                Rotation::Half => 2,
                Rotation::ThreeQuarters => 3,
            };
            [bytes[end], bytes[end + 1]] = [id << 4, turns];
            end += 2;
        }
        if end == ELEMENTS_AT {
            buffer.extend_from_slice(&bytes[..FIXED_BYTES]);
            return;
        }
        let end = end.next_multiple_of(4);
        bytes[0] |= HAS_EXTENSION;
        bytes[15] = ((end - ELEMENTS_AT) / 4) as u8;
        buffer.extend_from_slice(&bytes[..end]);
    }

    /// Bytes of the header that [`write_described`](Self::write_described) appends.
    #[cold]
    pub(crate) fn length_described(&self, values: &Extensions, described: &Described<'_>) -> usize {
        if self.descriptor.is_none() {
            return self.length(values);
        }
        let short = self.elements_length(values);
        let elements = match described.came.length(&described.new) {
            value if value <= ELEMENT_BYTES_MAX => short + 1 + value,
            value => {
                let mut begun = Vec::new();
                self.write(&mut begun, Fixed::default(), values);
                let own = begun.get(ELEMENTS_AT..).unwrap_or_default();
                short + elements(own.get(..short).unwrap_or_default()).count() + 2 + value
            }
        };
        ELEMENTS_AT + elements.next_multiple_of(4)
    }

    /// Appends a header with a dependency descriptor, if the subscriber takes them.
    #[cold]
    pub(crate) fn write_described(
        &self,
        buffer: &mut Vec<u8>,
        fixed: Fixed,
        values: &Extensions,
        described: &Described<'_>,
    ) {
        let start = buffer.len();
        self.write(buffer, fixed, values);
        let Some(id) = self.descriptor else {
            return;
        };
        let mut begun = buffer.split_off(start);
        begun.resize(ELEMENTS_AT + self.elements_length(values), 0);
        begun[FIXED_BYTES..FIXED_BYTES + 2].copy_from_slice(&ONE_BYTE_PROFILE);
        let descriptor = described.came.write(&described.new);
        append_descriptor(buffer, &begun, id, &descriptor);
    }
}

/// The X bit of a header.
const HAS_EXTENSION: u8 = 0x10;

/// Appends a header that has been begun, with a dependency descriptor. One that is too long for a one-byte element makes all elements
/// two-byte ones.
fn append_descriptor(buffer: &mut Vec<u8>, begun: &[u8], id: u8, descriptor: &[u8]) {
    let start = buffer.len();
    if let 1..=ELEMENT_BYTES_MAX = descriptor.len() {
        buffer.extend_from_slice(begun);
        buffer.push(id << 4 | (descriptor.len() - 1) as u8);
    } else {
        buffer.extend_from_slice(&begun[..FIXED_BYTES]);
        buffer.extend_from_slice(&TWO_BYTE_PROFILE);
        buffer.extend_from_slice(&[0; 2]);
        for (id, value) in elements(&begun[ELEMENTS_AT..]) {
            buffer.extend([id, value.len() as u8]);
            buffer.extend_from_slice(value);
        }
        buffer.extend([id, descriptor.len() as u8]);
    }
    buffer.extend_from_slice(descriptor);
    let elements = buffer.len() - start - ELEMENTS_AT;
    buffer.resize(start + ELEMENTS_AT + elements.next_multiple_of(4), 0);
    buffer[start] |= HAS_EXTENSION;
    buffer[start + 15] = elements.div_ceil(4) as u8;
}

/// The ids and values of one-byte elements that stand side by side.
fn elements(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (first, behind) = bytes.split_first()?;
        let (value, rest) = behind.split_at_checked(usize::from(first & 0x0f) + 1)?;
        bytes = rest;
        Some((first >> 4, value))
    })
}

/// The fixed part of a header.
#[derive(Debug, Clone, Copy, Default)]
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

/// Appends padding to the packet that begins at `start` and is otherwise complete (RFC 3550 §5.1).
pub(crate) fn pad(buffer: &mut Vec<u8>, start: usize, padding: u8) {
    if padding > 0 {
        buffer[start] |= 0x20;
        buffer.resize(buffer.len() + usize::from(padding) - 1, 0);
        buffer.push(padding);
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
        HeaderForm::new(ids, mid).write(&mut buffer, FIXED, values);
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
            descriptor: None,
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
                    descriptor: None,
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
                            HeaderForm::new(&ids, name).length(&values),
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

    #[test]
    fn descriptors_are_read_again_whatever_their_length() {
        use crate::rtp::header::{Header, Ids};
        use crate::util::layered::Source;
        use restage_codec::dependency::NewDescriptor;

        let mut source = Source::new(1);
        let mut packets = source.picture(true);
        packets.extend(source.picture(false));
        let ids = ExtensionIds {
            mid: Some(4),
            audio_level: None,
            rotation: Some(13),
            transport_seq: Some(3),
            descriptor: Some(12),
        };
        let read = Ids {
            mid: Some(4),
            rotation: Some(13),
            transport_seq: Some(3),
            dependency: Some(12),
            ..Ids::default()
        };
        let values = Extensions {
            rotation: Some(Rotation::Half),
            ..Extensions::default()
        };
        let form = HeaderForm::new(&ids, "v0");
        let mut profiles = Vec::new();
        for packet in &packets {
            let came = packet.descriptor.as_deref().unwrap();
            for has_structure in [false, true] {
                let new = NewDescriptor {
                    number: 7,
                    template_shift: 3,
                    has_structure,
                    active: None,
                };
                let described = &Described { came, new };
                let mut buffer = vec![0xaa];
                form.write_described(&mut buffer, FIXED, &values, described);
                let mut written = buffer.split_off(1);
                assert_eq!(written.len(), form.length_described(&values, described));
                profiles.push(written[12]);
                written.extend([5; 9]);
                let header = Header::parse(&written).unwrap();
                assert_eq!(written[header.body..], [5; 9]);
                let elements = header.elements(&written, &read);
                assert_eq!(elements.dependency, Some(&came.write(&new)[..]));
                assert_eq!(elements.mid, Some(&b"v0"[..]));
                assert_eq!(elements.transport_seq, Some(0xabcd));
                assert_eq!(elements.extensions.rotation, Some(Rotation::Half));
                // Who has not offered them is not sent any.
                let plain = ExtensionIds {
                    descriptor: None,
                    ..ids.clone()
                };
                let plain = HeaderForm::new(&plain, "v0");
                let (mut with, mut without) = (Vec::new(), Vec::new());
                plain.write_described(&mut with, FIXED, &values, described);
                plain.write(&mut without, FIXED, &values);
                assert_eq!(
                    (with.len(), &with),
                    (plain.length_described(&values, described), &without)
                );
            }
        }
        assert!(profiles.contains(&ONE_BYTE_PROFILE[0]) && profiles.contains(&TWO_BYTE_PROFILE[0]));
    }
}
