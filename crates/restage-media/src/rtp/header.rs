//! Reading the header of an RTP packet (RFC 3550 §5.1) and its extensions (RFC 8285).

use crate::rtp::extensions::{Extensions, Rotation};

/// Length of the fixed part.
const FIXED_BYTES: usize = 12;
/// Length of the profile and length fields of the extension.
const BLOCK_BYTES: usize = 4;
const ONE_BYTE_PROFILE: u16 = 0xbede;
/// The lower four bits belong to the application.
const TWO_BYTE_PROFILE: u16 = 0x1000;
/// The id that ends a block of one-byte elements.
const STOP: u8 = 15;

/// A received header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) pt: u8,
    pub(crate) marker: bool,
    pub(crate) seq: u16,
    pub(crate) time: u32,
    pub(crate) ssrc: u32,
    pub(crate) is_padded: bool,
    /// Offset of the extension's elements, and whether they are two-byte ones.
    elements: Option<(usize, bool)>,
    /// Offset of the payload.
    pub(crate) body: usize,
}

/// The ids that a publisher has offered for the header extensions it sends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ids {
    pub(crate) mid: Option<u8>,
    pub(crate) rid: Option<u8>,
    pub(crate) repaired_rid: Option<u8>,
    pub(crate) transport_seq: Option<u8>,
    pub(crate) audio_level: Option<u8>,
    pub(crate) rotation: Option<u8>,
    pub(crate) dependency: Option<u8>,
}

/// The values of the header extensions of one packet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Elements<'a> {
    pub(crate) mid: Option<&'a [u8]>,
    pub(crate) rid: Option<&'a [u8]>,
    pub(crate) repaired_rid: Option<&'a [u8]>,
    pub(crate) transport_seq: Option<u16>,
    /// The dependency descriptor.
    pub(crate) dependency: Option<&'a [u8]>,
    pub(crate) extensions: Extensions,
}

impl Header {
    /// Parses a header; `None` if it is not RTP.
    pub(crate) fn parse(packet: &[u8]) -> Option<Self> {
        let fixed = packet.first_chunk::<FIXED_BYTES>()?;
        let [first, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = *fixed;
        if first >> 6 != 2 {
            return None;
        }
        let mut body = FIXED_BYTES + 4 * usize::from(first & 0x0f);
        let mut elements = None;
        if first & 0x10 != 0 {
            let [p0, p1, w0, w1] = *packet.get(body..)?.first_chunk::<BLOCK_BYTES>()?;
            let start = body + BLOCK_BYTES;
            elements = match u16::from_be_bytes([p0, p1]) {
                ONE_BYTE_PROFILE => Some((start, false)),
                profile if profile & 0xfff0 == TWO_BYTE_PROFILE => Some((start, true)),
                _ => None,
            };
            body = start + 4 * usize::from(u16::from_be_bytes([w0, w1]));
        }
        (body <= packet.len()).then_some(Self {
            pt: second & 0x7f,
            marker: second & 0x80 != 0,
            seq: u16::from_be_bytes([s0, s1]),
            time: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
            is_padded: first & 0x20 != 0,
            elements,
            body,
        })
    }

    /// The header extensions of the packet that this is the header of. Reading ends at the first malformed element.
    pub(crate) fn elements<'a>(&self, packet: &'a [u8], ids: &Ids) -> Elements<'a> {
        let mut elements = Elements::default();
        let Some((start, has_two_bytes)) = self.elements else {
            return elements;
        };
        let mut rest = packet.get(start..self.body).unwrap_or_default();
        while let [first, behind @ ..] = rest {
            // Padding between elements.
            if *first == 0 {
                rest = behind;
                continue;
            }
            let (id, value) = if has_two_bytes {
                let [length, behind @ ..] = behind else { break };
                (*first, behind.split_at_checked(usize::from(*length)))
            } else {
                // Id 0 is reserved.
                if first >> 4 == 0 {
                    break;
                }
                let length = usize::from(first & 0x0f) + 1;
                (first >> 4, behind.split_at_checked(length))
            };
            let Some((value, behind)) = value.filter(|_| has_two_bytes || id != STOP) else {
                break;
            };
            elements.take(ids, id, value);
            rest = behind;
        }
        elements
    }
}

impl<'a> Elements<'a> {
    fn take(&mut self, ids: &Ids, id: u8, value: &'a [u8]) {
        let id = Some(id);
        if id == ids.transport_seq {
            self.transport_seq = value.first_chunk().map(|seq| u16::from_be_bytes(*seq));
        } else if id == ids.mid {
            self.mid = Some(value);
        } else if id == ids.audio_level {
            // RFC 6464: the level is carried without its sign.
            if let Some(byte) = value.first() {
                self.extensions.audio_level = Some(-(byte & 0x7f).cast_signed());
                self.extensions.voice_activity = Some(byte & 0x80 != 0);
            }
        } else if id == ids.rotation {
            self.extensions.rotation = value.first().map(|byte| match byte & 3 {
                0 => Rotation::None,
                1 => Rotation::Quarter,
                2 => Rotation::Half,
                _ => Rotation::ThreeQuarters,
            });
        } else if id == ids.dependency {
            self.dependency = Some(value);
        } else if id == ids.rid {
            self.rid = Some(value);
        } else if id == ids.repaired_rid {
            self.repaired_rid = Some(value);
        }
    }
}

/// The payload without its padding (RFC 3550 §5.1). `None` if the padding is longer than the payload.
pub(crate) fn without_padding(payload: &[u8], is_padded: bool) -> Option<&[u8]> {
    if !is_padded {
        return Some(payload);
    }
    let padding = usize::from(*payload.last()?);
    // Some senders write a padding of zero bytes, which cannot be: the last byte itself is padding.
    payload.get(..payload.len().checked_sub(padding.max(1))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: Ids = Ids {
        mid: Some(4),
        rid: Some(10),
        repaired_rid: Some(11),
        transport_seq: Some(3),
        audio_level: Some(1),
        rotation: Some(13),
        dependency: Some(12),
    };

    fn packet(first: u8, extension: &[u8]) -> Vec<u8> {
        let mut packet = vec![first, 0xe0, 1, 2, 0, 0, 0, 5, 0, 0, 0, 9];
        packet.extend(vec![0xaa; 4 * usize::from(first & 0x0f)]);
        packet.extend(extension);
        packet.extend([7; 20]);
        packet
    }

    fn all() -> Elements<'static> {
        Elements {
            mid: Some(b"0"),
            rid: Some(b"hi"),
            repaired_rid: Some(b"lo"),
            transport_seq: Some(0x1234),
            dependency: Some(&[0xc0, 0, 7]),
            extensions: Extensions {
                audio_level: Some(-30),
                voice_activity: Some(true),
                rotation: Some(Rotation::Half),
            },
        }
    }

    #[test]
    fn elements_of_both_sizes_say_the_same() {
        let one = [
            0xbe, 0xde, 0, 6, 0x31, 0x12, 0x34, 0x40, b'0', 0, 0xa1, b'h', b'i', 0xb1, b'l', b'o',
            0x10, 0x9e, 0xd0, 2, 0x70, 1, 0, 0, 0xc2, 0xc0, 0, 7,
        ];
        let two = [
            0x10, 0x05, 0, 8, 3, 2, 0x12, 0x34, 4, 1, b'0', 0, 10, 2, b'h', b'i', 11, 2, b'l',
            b'o', 1, 1, 0x9e, 13, 1, 2, 0, 0, 12, 3, 0xc0, 0, 7, 0, 0, 0,
        ];
        for extension in [&one[..], &two] {
            for sources in [0, 2] {
                let packet = packet(0x90 | sources, extension);
                let header = Header::parse(&packet).unwrap();
                assert_eq!(header.elements(&packet, &IDS), all());
                assert_eq!(packet[header.body..], [7; 20]);
                assert!(header.marker && header.pt == 96 && header.seq == 0x0102);
                assert_eq!((header.time, header.ssrc), (5, 9));
                assert_eq!(
                    header.elements(&packet, &Ids::default()),
                    Elements::default()
                );
            }
        }
    }

    #[test]
    fn a_stop_and_what_is_cut_short_end_the_reading() {
        let stop = packet(0x90, &[0xbe, 0xde, 0, 1, 0xf0, 0x40, b'0', 0]);
        let header = Header::parse(&stop).unwrap();
        assert_eq!(header.elements(&stop, &IDS), Elements::default());
        let long = packet(0x90, &[0xbe, 0xde, 0, 1, 0x4f, b'0', 0, 0]);
        let header = Header::parse(&long).unwrap();
        assert_eq!(header.elements(&long, &IDS), Elements::default());
        let nameless = packet(0x90, &[0xbe, 0xde, 0, 1, 0x01, 0x40, b'0', 0]);
        let header = Header::parse(&nameless).unwrap();
        assert_eq!(header.elements(&nameless, &IDS), Elements::default());
        let other = packet(0x90, &[0xab, 0xcd, 0, 1, 0x40, b'0', 0, 0]);
        let header = Header::parse(&other).unwrap();
        assert_eq!(header.elements(&other, &IDS), Elements::default());
    }

    #[test]
    fn no_bytes_panic_and_no_length_lies() {
        let mut rng = crate::util::rng::Rng::new(4);
        for length in 0..400 {
            for _ in 0..40 {
                let mut bytes: Vec<u8> = (0..length).map(|_| rng.next_u64() as u8).collect();
                if let Some(first) = bytes.first_mut() {
                    *first = *first & 0x3f | 0x80;
                }
                if let Some(profile) = bytes.get_mut(12..14) {
                    profile.copy_from_slice(&ONE_BYTE_PROFILE.to_be_bytes());
                }
                if let Some(header) = Header::parse(&bytes) {
                    assert!(header.body <= bytes.len());
                    header.elements(&bytes, &IDS);
                }
            }
        }
        assert_eq!(Header::parse(&[0x40; 12]), None, "version 1");
    }

    #[test]
    fn padding_is_taken_off_and_no_more() {
        assert_eq!(without_padding(&[1, 2, 3], false), Some(&[1, 2, 3][..]));
        assert_eq!(without_padding(&[1, 2, 1], true), Some(&[1, 2][..]));
        assert_eq!(without_padding(&[0, 0, 3], true), Some(&[][..]));
        assert_eq!(without_padding(&[1, 2, 0], true), Some(&[1, 2][..]));
        assert_eq!(without_padding(&[1, 2, 4], true), None);
        assert_eq!(without_padding(&[], true), None);
    }
}
