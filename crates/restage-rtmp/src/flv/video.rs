//! Video tags: plain ones (FLV annex E.4.3) and those of Enhanced RTMP.

use std::ops::Range;

use super::AvcConfig;
use super::enhanced::{CODED_FRAMES, FourCc, Head, SEQUENCE_START};

/// How pictures are encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VideoCodec {
    /// H.264, with what a decoder needs.
    H264(AvcConfig),
    /// Another codec, by its name. Its frames are left out.
    Other(String),
}

/// `FrameType`: no picture, but a command to the player.
const COMMAND: u8 = 5;
/// `CodecID` of H.264.
const AVC: u8 = 7;
/// The bit that says that the tag is one of Enhanced RTMP.
const ENHANCED: u8 = 0x80;
/// `AVCPacketType`.
const AVC_CONFIG: u8 = 0;
const AVC_FRAME: u8 = 1;
/// `VideoPacketType` besides those of both kinds: frames that are shown when they are decoded.
const CODED_FRAMES_X: u8 = 3;
/// `VideoPacketType`: colour and the like.
const METADATA: u8 = 4;
const AVC1: FourCc = FourCc(*b"avc1");

/// A video message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct VideoPacket {
    /// Nanoseconds to add to the timestamp of the message.
    pub(crate) offset_ns: u32,
    pub(crate) parts: Vec<VideoPart>,
}

/// What a message has of one track.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct VideoPart {
    pub(crate) track: u8,
    pub(crate) content: VideoContent,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum VideoContent {
    /// An `AVCDecoderConfigurationRecord`, at this place in the message.
    Config(Range<usize>),
    /// A picture of H.264, at this place in the message.
    Frame {
        composition_ms: i32,
        place: Range<usize>,
    },
    /// Something of another codec.
    Other(String),
}

impl VideoPacket {
    /// Reads a message. What is of no use here (commands, colour, ends of sequences) or cut short gives no parts.
    pub(crate) fn parse(message: &[u8]) -> Self {
        Self::read(message).unwrap_or(Self {
            offset_ns: 0,
            parts: Vec::new(),
        })
    }

    fn read(message: &[u8]) -> Option<Self> {
        let (&first, rest) = message.split_first()?;
        if first & ENHANCED == 0 {
            let parts = plain(message, first, rest).into_iter().collect();
            return Some(Self {
                offset_ns: 0,
                parts,
            });
        }
        let frame_type = first >> 4 & 0x07;
        let head = Head::parse(first & 0x0f, rest)?;
        let offset_ns = head.offset_ns;
        if frame_type == COMMAND || head.kind == METADATA {
            return None;
        }
        let parts = head.parts().into_iter().filter_map(|part| {
            let content = match part.codec {
                AVC1 => avc(message, part.kind, part.body)?,
                other => VideoContent::Other(name(other)),
            };
            Some(VideoPart {
                track: part.track,
                content,
            })
        });
        Some(Self {
            offset_ns,
            parts: parts.collect(),
        })
    }
}

/// A plain tag behind its first byte.
fn plain(message: &[u8], first: u8, rest: &[u8]) -> Option<VideoPart> {
    let (frame_type, codec) = (first >> 4, first & 0x0f);
    if frame_type == COMMAND {
        return None;
    }
    let content = if codec == AVC {
        let (&kind, body) = rest.split_first()?;
        let (composition, data) = body.split_first_chunk::<3>()?;
        match kind {
            AVC_CONFIG => VideoContent::Config(place(message, data)),
            AVC_FRAME => frame(message, signed(*composition), data),
            _ => return None,
        }
    } else {
        VideoContent::Other(plain_name(codec))
    };
    Some(VideoPart { track: 0, content })
}

fn avc(message: &[u8], kind: u8, body: &[u8]) -> Option<VideoContent> {
    match kind {
        SEQUENCE_START => Some(VideoContent::Config(place(message, body))),
        CODED_FRAMES => {
            let (composition, data) = body.split_first_chunk::<3>()?;
            Some(frame(message, signed(*composition), data))
        }
        CODED_FRAMES_X => Some(frame(message, 0, body)),
        _ => None,
    }
}

fn frame(message: &[u8], composition_ms: i32, data: &[u8]) -> VideoContent {
    VideoContent::Frame {
        composition_ms,
        place: place(message, data),
    }
}

/// `SI24`.
fn signed([high, middle, low]: [u8; 3]) -> i32 {
    i32::from_be_bytes([high, middle, low, 0]) >> 8
}

/// Where a message has its last part. Parts in the middle are found by their address.
fn place(message: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr() as usize - message.as_ptr() as usize;
    start..start + part.len()
}

fn plain_name(codec: u8) -> String {
    match codec {
        2 => "Sorenson H.263".into(),
        3 | 6 => "Screen Video".into(),
        4 | 5 => "On2 VP6".into(),
        12 => "H.265".into(),
        13 => "AV1".into(),
        other => format!("of the unknown codec {other}"),
    }
}

fn name(FourCc(codec): FourCc) -> String {
    match &codec {
        b"hvc1" => "H.265".into(),
        b"av01" => "AV1".into(),
        b"vp08" => "VP8".into(),
        b"vp09" => "VP9".into(),
        b"vvc1" => "H.266".into(),
        other => format!("of the unknown codec '{}'", other.escape_ascii()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(message: &[u8]) -> Option<VideoPart> {
        let mut parts = VideoPacket::parse(message).parts;
        assert!(parts.len() < 2);
        parts.pop()
    }

    fn picture(composition_ms: i32, place: Range<usize>) -> Option<VideoPart> {
        let content = VideoContent::Frame {
            composition_ms,
            place,
        };
        Some(VideoPart { track: 0, content })
    }

    #[test]
    fn plain_tags() {
        let config = VideoContent::Config(5..7);
        let config = VideoPart {
            track: 0,
            content: config,
        };
        assert_eq!(only(&[0x17, 0, 0, 0, 0, 1, 2]), Some(config));
        assert_eq!(only(&[0x17, 1, 0, 0, 40, 9]), picture(40, 5..6));
        assert_eq!(only(&[0x27, 1, 0xff, 0xff, 0xfe, 9]), picture(-2, 5..6));
        for ignored in [
            &[][..],
            &[0x17],
            &[0x17, 2, 0, 0, 0],
            &[0x57, 0],
            &[0x17, 1, 0],
        ] {
            assert_eq!(only(ignored), None, "{ignored:?}");
        }
        let other = only(&[0x12, 0]).unwrap().content;
        assert_eq!(other, VideoContent::Other("Sorenson H.263".into()));
    }

    #[test]
    fn tags_of_enhanced_rtmp() {
        assert_eq!(only(b"\x91avc1\x00\x00\x28!"), picture(40, 8..9));
        assert_eq!(only(b"\xa3avc1!"), picture(0, 5..6));
        let other = only(b"\x90hvc1!").unwrap().content;
        assert_eq!(other, VideoContent::Other("H.265".into()));
        for ignored in [
            &b"\x92avc1"[..],
            b"\x94avc1",
            b"\xd1avc1\x00\x00\x00",
            b"\x91avc1\x00",
        ] {
            assert_eq!(only(ignored), None, "{ignored:?}");
        }
    }

    #[test]
    fn tracks_keep_their_places() {
        let message = b"\x96\x13avc1\x00\x00\x00\x02ab\x01\x00\x00\x01c";
        let parts = VideoPacket::parse(message).parts;
        let places = parts.iter().map(|part| match &part.content {
            VideoContent::Frame { place, .. } => (part.track, &message[place.clone()]),
            other => panic!("{other:?}"),
        });
        assert_eq!(places.collect::<Vec<_>>(), [(0, &b"ab"[..]), (1, b"c")]);
    }
}
