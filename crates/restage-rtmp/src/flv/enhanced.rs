//! The head of a tag of Enhanced RTMP, which is the same for audio and video: packet type, extensions, tracks.

use crate::limits::{EXTENSIONS_MAX, TRACKS_PER_MESSAGE_MAX};

/// A codec's name in four characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FourCc(pub(super) [u8; 4]);

/// `PacketType` of both kinds.
pub(super) const SEQUENCE_START: u8 = 0;
pub(super) const CODED_FRAMES: u8 = 1;
const MULTITRACK_OF_AUDIO: u8 = 5;
const MULTITRACK_OF_VIDEO: u8 = 6;
/// Extensions stand before what the packet is.
const MOD_EX: u8 = 7;
/// `PacketModExType`: nanoseconds that are added to the timestamp.
const TIMESTAMP_OFFSET_NANO: u8 = 0;
/// `AvMultitrackType`: one track; several of one codec; several, each with its codec.
const ONE_TRACK: u8 = 0;
const MANY_TRACKS: u8 = 1;
const MANY_TRACKS_MANY_CODECS: u8 = 2;

/// One track's part of a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part<'a> {
    pub(super) track: u8,
    pub(super) codec: FourCc,
    /// `PacketType`, none of the two above.
    pub(super) kind: u8,
    pub(super) body: &'a [u8],
}

/// What a tag begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head<'a> {
    /// `PacketType` behind the extensions.
    pub(super) kind: u8,
    /// Nanoseconds to add to the timestamp of the message.
    pub(super) offset_ns: u32,
    rest: &'a [u8],
}

impl<'a> Head<'a> {
    /// Reads what follows the first byte, whose lower half is `kind`. `None`: it is cut short, or has too many extensions.
    pub(super) fn parse(mut kind: u8, mut rest: &'a [u8]) -> Option<Self> {
        let mut offset_ns = 0;
        for _ in 0..=EXTENSIONS_MAX {
            if kind != MOD_EX {
                return Some(Self {
                    kind,
                    offset_ns,
                    rest,
                });
            }
            let (data, extension, after) = extension(rest)?;
            if extension >> 4 == TIMESTAMP_OFFSET_NANO
                && let [high, middle, low, ..] = *data
            {
                offset_ns = u32::from_be_bytes([0, high, middle, low]);
            }
            (kind, rest) = (extension & 0x0f, after);
        }
        None
    }

    /// The parts of the tracks, at most [`TRACKS_PER_MESSAGE_MAX`]. What is cut short ends them.
    pub(super) fn parts(self) -> Vec<Part<'a>> {
        let mut parts = Vec::new();
        let is_multitrack = matches!(self.kind, MULTITRACK_OF_AUDIO | MULTITRACK_OF_VIDEO);
        let read = if is_multitrack {
            multitrack(self.rest, &mut parts)
        } else {
            single(self.kind, self.rest, &mut parts)
        };
        // What has been read before the damage counts.
        read.unwrap_or_default();
        parts
    }
}

/// Reads an extension: its data, the byte behind it (type and next packet type), and the rest.
fn extension(bytes: &[u8]) -> Option<(&[u8], u8, &[u8])> {
    let (&length, rest) = bytes.split_first()?;
    let (length, rest) = if length == u8::MAX {
        let (length, rest) = rest.split_first_chunk::<2>()?;
        (usize::from(u16::from_be_bytes(*length)) + 1, rest)
    } else {
        (usize::from(length) + 1, rest)
    };
    let (data, rest) = rest.split_at_checked(length)?;
    let (&next, rest) = rest.split_first()?;
    Some((data, next, rest))
}

fn single<'a>(kind: u8, rest: &'a [u8], parts: &mut Vec<Part<'a>>) -> Option<()> {
    let (codec, body) = rest.split_first_chunk::<4>()?;
    parts.push(Part {
        track: 0,
        codec: FourCc(*codec),
        kind,
        body,
    });
    Some(())
}

fn multitrack<'a>(rest: &'a [u8], parts: &mut Vec<Part<'a>>) -> Option<()> {
    let (&byte, mut rest) = rest.split_first()?;
    let (form, kind) = (byte >> 4, byte & 0x0f);
    if form > MANY_TRACKS_MANY_CODECS {
        return None;
    }
    let mut codec = FourCc([0; 4]);
    if form != MANY_TRACKS_MANY_CODECS {
        (codec, rest) = four_cc(rest)?;
    }
    while !rest.is_empty() && parts.len() < TRACKS_PER_MESSAGE_MAX {
        if form == MANY_TRACKS_MANY_CODECS {
            (codec, rest) = four_cc(rest)?;
        }
        let (&track, after) = rest.split_first()?;
        let (body, after) = match form {
            ONE_TRACK => (after, &[][..]),
            _ => {
                let (length, after) = after.split_first_chunk::<3>()?;
                let length = u32::from_be_bytes([0, length[0], length[1], length[2]]);
                after.split_at_checked(length as usize)?
            }
        };
        rest = after;
        parts.push(Part {
            track,
            codec,
            kind,
            body,
        });
    }
    Some(())
}

fn four_cc(bytes: &[u8]) -> Option<(FourCc, &[u8])> {
    let (codec, rest) = bytes.split_first_chunk::<4>()?;
    Some((FourCc(*codec), rest))
}

const _: () = assert!(MANY_TRACKS > ONE_TRACK && MANY_TRACKS < MANY_TRACKS_MANY_CODECS);

#[cfg(test)]
mod tests {
    use super::*;

    const AVC: FourCc = FourCc(*b"avc1");

    fn parts(kind: u8, rest: &[u8]) -> Vec<Part<'_>> {
        Head::parse(kind, rest).map_or(Vec::new(), Head::parts)
    }

    #[test]
    fn one_track_without_a_number_is_track_0() {
        let part = Part {
            track: 0,
            codec: AVC,
            kind: 1,
            body: &[7, 8],
        };
        assert_eq!(parts(1, b"avc1\x07\x08"), [part]);
    }

    #[test]
    fn every_form_of_multitrack_is_read() {
        let part = |track, codec: &[u8; 4], body| Part {
            track,
            codec: FourCc(*codec),
            kind: 3,
            body,
        };
        assert_eq!(parts(6, b"\x03avc1\x02abc"), [part(2, b"avc1", b"abc")]);
        assert_eq!(
            parts(6, b"\x13avc1\x00\x00\x00\x02ab\x01\x00\x00\x01c"),
            [part(0, b"avc1", b"ab"), part(1, b"avc1", b"c")]
        );
        assert_eq!(
            parts(6, b"\x23avc1\x00\x00\x00\x02abhvc1\x01\x00\x00\x01c"),
            [part(0, b"avc1", b"ab"), part(1, b"hvc1", b"c")]
        );
        assert_eq!(parts(6, b"\x33avc1\x00abc"), [], "an unknown form");
    }

    #[test]
    fn extensions_stand_before_the_packet() {
        // Three bytes of nanoseconds, then one byte of an unknown extension, then the packet.
        let head = Head::parse(7, b"\x02\x01\x02\x03\x07\x00x\xf1avc1!").unwrap();
        assert_eq!((head.kind, head.offset_ns), (1, 0x01_02_03));
        assert_eq!(head.parts()[0].body, b"!");
        // A long extension: 255, then its length less one in two bytes.
        let long = [&[255, 1, 0][..], &[9; 257], &[0x11], b"avc1?"].concat();
        assert_eq!(Head::parse(7, &long).unwrap().parts()[0].body, b"?");
        let endless = [0, 0, 0x07].repeat(EXTENSIONS_MAX + 1);
        assert_eq!(Head::parse(7, &endless), None);
    }

    #[test]
    fn what_is_cut_short_ends_the_parts() {
        let whole = b"\x13avc1\x00\x00\x00\x02ab\x01\x00\x00\x01c";
        for end in 0..whole.len() {
            let expected = usize::from(end >= 11);
            assert_eq!(parts(6, &whole[..end]).len(), expected, "{end}");
        }
        let many = [&b"\x13avc1"[..], &[0, 0, 0, 0].repeat(40)].concat();
        assert_eq!(parts(6, &many).len(), TRACKS_PER_MESSAGE_MAX);
    }
}
