//! Pictures and sound as tags of FLV (Flash Video File Format 10.1, annex E.4).

use restage_codec::h264::{SequenceParameters, UnitType, annexb};

use super::{PushSession, StreamDescription};
use crate::amf0::{Value, Writer};
use crate::chunk::ChunkStream;
use crate::limits::{PARAMETER_SETS_BYTES_MAX, PARAMETER_SETS_MAX, VIDEO_BYTES_MAX};
use crate::message::kind;

/// Codecs: H.264 and AAC.
const AVC: u8 = 7;
const AAC: u8 = 10;
/// `FrameType`: a key frame, and a picture that needs others.
const KEY: u8 = 1;
const INTER: u8 = 2;
/// `AVCPacketType` and `AACPacketType`: the configuration, and media.
const CONFIGURATION: u8 = 0;
const MEDIA: u8 = 1;
/// The byte before AAC: its other bits are fixed, whatever the sound has.
const AAC_TAG: u8 = AAC << 4 | 0x0f;
/// NAL units that separate pictures: the lengths do.
const DELIMITER: UnitType = UnitType(9);
/// NAL units without content.
const FILLER: UnitType = UnitType(12);
/// Profiles whose configuration says how colour is sampled (ISO/IEC 14496-15 §5.3.3.1.2).
const PROFILES_WITH_CHROMA: [u8; 4] = [100, 110, 122, 144];
/// Bytes of the name of the program in the description.
const ENCODER: &str = "restage";

/// The newest parameter sets, each a NAL unit.
#[derive(Debug, Default, PartialEq, Eq, Clone)]
pub(super) struct Sets {
    sequence: Vec<Vec<u8>>,
    picture: Vec<Vec<u8>>,
}

impl Sets {
    /// The parameter sets of an access unit, within the bounds of a configuration.
    fn of(access_unit: &[u8]) -> Self {
        let mut sets = Self::default();
        let mut bytes_left = PARAMETER_SETS_BYTES_MAX;
        for unit in annexb::units(access_unit) {
            let list = match UnitType::of(unit) {
                UnitType::SPS => &mut sets.sequence,
                UnitType::PPS => &mut sets.picture,
                _ => continue,
            };
            let Some(left) = bytes_left.checked_sub(unit.len()) else {
                continue;
            };
            if list.len() < PARAMETER_SETS_MAX / 2 && !list.iter().any(|known| known == unit) {
                list.push(unit.to_vec());
                bytes_left = left;
            }
        }
        sets
    }

    fn is_whole(&self) -> bool {
        self.sequence.first().is_some_and(|unit| unit.len() >= 4) && !self.picture.is_empty()
    }

    /// `AVCDecoderConfigurationRecord`, with lengths of four bytes.
    fn record(&self) -> Vec<u8> {
        let [_, profile, compatibility, level] = self.sequence[0][..4] else {
            return Vec::new();
        };
        let mut record = vec![1, profile, compatibility, level, 0xff];
        for (list, reserved) in [(&self.sequence, 0xe0), (&self.picture, 0)] {
            record.push(reserved | list.len() as u8);
            for unit in list {
                record.extend((unit.len() as u16).to_be_bytes());
                record.extend(unit);
            }
        }
        if PROFILES_WITH_CHROMA.contains(&profile)
            && let Some(parameters) = SequenceParameters::parse(&self.sequence[0])
        {
            let luma = parameters.luma_bits.saturating_sub(8) & 7;
            let chroma = parameters.chroma_bits.saturating_sub(8) & 7;
            record.extend([
                0xfc | parameters.chroma_format & 3,
                0xf8 | luma,
                0xf8 | chroma,
                0,
            ]);
        }
        record
    }
}

impl PushSession {
    /// Describes the stream. `audio_config` is the AudioSpecificConfig of its sound (ISO/IEC 14496-3 §1.6.2.1).
    pub fn describe(
        &mut self,
        description: &StreamDescription,
        timestamp_ms: u32,
        audio_config: &[u8],
    ) {
        if !self.is_publishing() {
            return;
        }
        let number = |number: f64| Value::Number(number);
        let kilobits = |bits: u32| Value::Number(f64::from(bits) / 1_000.0);
        let members = [
            ("width", number(description.width.into())),
            ("height", number(description.height.into())),
            ("framerate", number(description.framerate)),
            ("videocodecid", number(AVC.into())),
            ("videodatarate", kilobits(description.video_bits_per_s)),
            ("audiocodecid", number(AAC.into())),
            ("audiodatarate", kilobits(description.audio_bits_per_s)),
            ("audiosamplerate", number(description.audio_rate_hz.into())),
            ("audiosamplesize", number(16.0)),
            ("stereo", Value::Boolean(description.audio_channels == 2)),
            ("encoder", Value::Text(ENCODER.to_owned())),
        ];
        let body = Writer::new().text("@setDataFrame").text("onMetaData");
        let body = body.array(&members).finish();
        self.send(
            ChunkStream::AUDIO,
            kind::DATA,
            self.message_stream,
            timestamp_ms,
            &body,
        );
        let tag = [&[AAC_TAG, CONFIGURATION], audio_config].concat();
        self.send(
            ChunkStream::AUDIO,
            kind::AUDIO,
            self.message_stream,
            timestamp_ms,
            &tag,
        );
        self.has_sound = true;
    }

    /// Sends a picture: an access unit of H.264 with start codes, without B frames. The configuration goes before the first key frame, and
    /// before each one whose parameter sets are others; pictures before the first one are left out, because nobody could decode them.
    /// Returns whether it was sent. `timestamp_ms` wraps around.
    pub fn picture(&mut self, timestamp_ms: u32, is_key: bool, access_unit: &[u8]) -> bool {
        if !self.is_publishing() {
            return false;
        }
        if is_key {
            let sets = Sets::of(access_unit);
            if sets.is_whole() && sets != self.sets {
                let tag = [
                    &[KEY << 4 | AVC, CONFIGURATION, 0, 0, 0],
                    &sets.record()[..],
                ]
                .concat();
                self.send(
                    ChunkStream::VIDEO,
                    kind::VIDEO,
                    self.message_stream,
                    timestamp_ms,
                    &tag,
                );
                self.sets = sets;
            }
        }
        if !self.sets.is_whole() {
            return false;
        }
        let frame = if is_key { KEY } else { INTER };
        let mut tag = vec![frame << 4 | AVC, MEDIA, 0, 0, 0];
        tag.reserve(access_unit.len());
        for unit in annexb::units(access_unit) {
            if matches!(
                UnitType::of(unit),
                UnitType::SPS | UnitType::PPS | DELIMITER | FILLER
            ) {
                continue;
            }
            tag.extend((unit.len() as u32).to_be_bytes());
            tag.extend(unit);
        }
        // The length of a message has three bytes, and an access unit without a slice is no picture.
        if tag.len() <= 5 || tag.len() > VIDEO_BYTES_MAX {
            return false;
        }
        self.send(
            ChunkStream::VIDEO,
            kind::VIDEO,
            self.message_stream,
            timestamp_ms,
            &tag,
        );
        true
    }

    /// Sends an access unit of AAC, without ADTS. Returns whether it was sent: not before [`describe`](Self::describe).
    pub fn sound(&mut self, timestamp_ms: u32, access_unit: &[u8]) -> bool {
        let is_sent = self.is_publishing() && self.has_sound;
        if is_sent {
            let tag = [&[AAC_TAG, MEDIA], access_unit].concat();
            self.send(
                ChunkStream::AUDIO,
                kind::AUDIO,
                self.message_stream,
                timestamp_ms,
                &tag,
            );
        }
        is_sent
    }
}
