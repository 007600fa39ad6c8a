//! Audio tags: plain ones (FLV annex E.4.2) and those of Enhanced RTMP.

use super::AacConfig;
use super::enhanced::{CODED_FRAMES, FourCc, Head, SEQUENCE_START};

/// How sound is encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AudioCodec {
    /// AAC, with what a decoder needs.
    Aac(AacConfig),
    /// Another codec, by its name. Its sound is left out.
    Other(String),
}

/// `SoundFormat` of tags of Enhanced RTMP, and of AAC.
const ENHANCED: u8 = 9;
const AAC: u8 = 10;
/// `AACPacketType`.
const AAC_CONFIG: u8 = 0;
const AAC_RAW: u8 = 1;
const MP4A: FourCc = FourCc(*b"mp4a");
/// The only audio track that is used.
const TRACK: u8 = 0;

/// An audio message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AudioPacket<'a> {
    /// Nanoseconds to add to the timestamp of the message.
    pub(crate) offset_ns: u32,
    /// What it has of track 0, if anything.
    pub(crate) part: Option<AudioPart<'a>>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AudioPart<'a> {
    /// An `AudioSpecificConfig`.
    Config(&'a [u8]),
    /// An access unit of AAC.
    Frame(&'a [u8]),
    /// Something of another codec.
    Other(String),
}

impl<'a> AudioPacket<'a> {
    /// Reads a message. What is empty, cut short or of another track than 0 gives no part.
    pub(crate) fn parse(message: &'a [u8]) -> Self {
        Self::read(message).unwrap_or(Self {
            offset_ns: 0,
            part: None,
        })
    }

    fn read(message: &'a [u8]) -> Option<Self> {
        let (&first, rest) = message.split_first()?;
        match first >> 4 {
            ENHANCED => {
                let head = Head::parse(first & 0x0f, rest)?;
                let mut parts = head.parts().into_iter();
                let part = parts.find(|part| part.track == TRACK);
                let part = part.and_then(|part| match part.codec {
                    MP4A => aac(part.kind, SEQUENCE_START, CODED_FRAMES, part.body),
                    other => Some(AudioPart::Other(name(other))),
                });
                Some(Self {
                    offset_ns: head.offset_ns,
                    part,
                })
            }
            AAC => {
                let (&kind, body) = rest.split_first()?;
                Some(Self {
                    offset_ns: 0,
                    part: aac(kind, AAC_CONFIG, AAC_RAW, body),
                })
            }
            // Some encoders send empty messages of no codec before the sound begins.
            _ if rest.is_empty() => None,
            other => Some(Self {
                offset_ns: 0,
                part: Some(AudioPart::Other(plain_name(other))),
            }),
        }
    }
}

fn aac(kind: u8, config: u8, frame: u8, body: &[u8]) -> Option<AudioPart<'_>> {
    if body.is_empty() {
        return None;
    }
    if kind == config {
        Some(AudioPart::Config(body))
    } else {
        (kind == frame).then_some(AudioPart::Frame(body))
    }
}

fn plain_name(format: u8) -> String {
    match format {
        0 | 3 => "PCM".into(),
        1 => "ADPCM".into(),
        2 | 14 => "MP3".into(),
        4..=6 => "Nellymoser".into(),
        7 | 8 => "G.711".into(),
        11 => "Speex".into(),
        other => format!("of the unknown codec {other}"),
    }
}

fn name(FourCc(codec): FourCc) -> String {
    match &codec {
        b"Opus" => "Opus".into(),
        b".mp3" => "MP3".into(),
        b"ac-3" => "AC-3".into(),
        b"ec-3" => "E-AC-3".into(),
        b"fLaC" => "FLAC".into(),
        other => format!("of the unknown codec '{}'", other.escape_ascii()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(message: &[u8]) -> Option<AudioPart<'_>> {
        AudioPacket::parse(message).part
    }

    #[test]
    fn plain_tags() {
        assert_eq!(
            part(&[0xaf, 0, 0x12, 0x10]),
            Some(AudioPart::Config(&[0x12, 0x10]))
        );
        assert_eq!(part(&[0xaf, 1, 7]), Some(AudioPart::Frame(&[7])));
        assert_eq!(part(&[0x2f, 7]), Some(AudioPart::Other("MP3".into())));
        for ignored in [&[][..], &[0xaf], &[0xaf, 1], &[0xaf, 2, 0], &[0x00]] {
            assert_eq!(part(ignored), None, "{ignored:?}");
        }
    }

    #[test]
    fn tags_of_enhanced_rtmp() {
        assert_eq!(
            part(b"\x90mp4a\x12\x10"),
            Some(AudioPart::Config(&[0x12, 0x10]))
        );
        assert_eq!(part(b"\x91mp4a!"), Some(AudioPart::Frame(b"!")));
        assert_eq!(part(b"\x91Opus!"), Some(AudioPart::Other("Opus".into())));
        // Track 1 beside track 0, and track 1 alone.
        assert_eq!(
            part(b"\x95\x11mp4a\x01\x00\x00\x01a\x00\x00\x00\x01b"),
            Some(AudioPart::Frame(b"b"))
        );
        assert_eq!(part(b"\x95\x01mp4a\x01a"), None);
        let offset = AudioPacket::parse(b"\x97\x02\x00\x00\x09\x01mp4a!");
        assert_eq!(offset.offset_ns, 9);
    }
}
