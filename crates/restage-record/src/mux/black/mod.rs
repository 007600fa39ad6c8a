//! Black pictures: they stand where a run has a track of pictures and the publisher sends none, as players read only the tracks that the first
//! init has.

use restage_codec::{Codec, h264, h265, vp9};

use crate::mp4::VideoFormat;

/// Two key frames of H.264 (Constrained Baseline), as byte streams; they differ in `idr_pic_id`, as neighbours have to (H.264 §7.4.3). These and
/// the others are of 640 by 360 pixels, made of a black card by x264, x265, libvpx and libaom.
const H264: &[u8] = include_bytes!("black.h264");
/// One key frame of H.265 (Main), as a byte stream.
const H265: &[u8] = include_bytes!("black.h265");
/// One frame of VP9 (profile 0).
const VP9: &[u8] = include_bytes!("black.vp9");
/// One temporal unit of AV1 (Main), without its delimiter: a sequence header, and a frame.
const AV1: &[u8] = include_bytes!("black.av1");

/// Bytes of the length before a NAL unit in a sample.
const LENGTH_BYTES: usize = 4;

/// Black key frames in one format.
#[derive(Debug)]
pub(super) struct Black {
    pub(super) format: VideoFormat,
    samples: Vec<Box<[u8]>>,
    given: usize,
}

impl Black {
    /// In this codec. `None` if it cannot be recorded.
    pub(super) fn new(codec: Codec) -> Option<Self> {
        let (format, slices) = match codec {
            Codec::H264 => {
                let is_set = |unit: &&[u8]| h264::UnitType::of(unit).is_parameter_set();
                let (sets, slices): (Vec<_>, Vec<_>) = h264::annexb::units(H264).partition(is_set);
                let kinds = sets.len() / slices.len().max(1);
                let first = sets.iter().copied().take(kinds);
                (VideoFormat::h264(first, sets.first()?)?, slices)
            }
            Codec::H265 => {
                let kind = |unit: &[u8]| h265::UnitType(unit.first().map_or(0, |byte| byte >> 1));
                let is_set = |unit: &&[u8]| {
                    let sets = [
                        h265::UnitType::VPS,
                        h265::UnitType::SPS,
                        h265::UnitType::PPS,
                    ];
                    sets.contains(&kind(unit))
                };
                let (sets, slices): (Vec<_>, Vec<_>) = h264::annexb::units(H265).partition(is_set);
                let sets = sets.into_iter().map(<[u8]>::to_vec).collect();
                (VideoFormat::h265(sets)?, slices)
            }
            Codec::Vp9 => {
                let format = VideoFormat::vp9(vp9::KeyFrameHeader::parse(VP9)?);
                return Some(Self::of(format, vec![VP9.into()]));
            }
            Codec::Av1 => {
                let header = AV1.get(..header_bytes(AV1)?)?.to_vec();
                return Some(Self::of(VideoFormat::av1(header)?, vec![AV1.into()]));
            }
            Codec::Vp8 | Codec::Opus | Codec::Red => return None,
        };
        let sample = |unit: &[u8]| {
            let length = u32::try_from(unit.len()).unwrap_or(0).to_be_bytes();
            let mut sample = Vec::with_capacity(LENGTH_BYTES + unit.len());
            sample.extend_from_slice(&length);
            sample.extend_from_slice(unit);
            sample.into()
        };
        Some(Self::of(format, slices.into_iter().map(sample).collect()))
    }

    fn of(format: VideoFormat, samples: Vec<Box<[u8]>>) -> Self {
        Self {
            format,
            samples,
            given: 0,
        }
    }

    /// The next picture, as it stands in a file.
    pub(super) fn next(&mut self) -> Box<[u8]> {
        let place = self.given % self.samples.len().max(1);
        self.given = self.given.wrapping_add(1);
        self.samples.get(place).cloned().unwrap_or_default()
    }
}

/// Length of the OBU at the beginning, which says its size in one byte (AV1 §5.3.2).
fn header_bytes(unit: &[u8]) -> Option<usize> {
    Some(2 + usize::from(*unit.get(1)?))
}

#[cfg(test)]
mod tests {
    use restage_codec::PictureSize;

    use super::*;

    const SIZE: PictureSize = PictureSize {
        width: 640,
        height: 360,
    };

    #[test]
    fn there_is_black_in_every_codec_that_is_recorded() {
        for (codec, name) in [
            (Codec::H264, "avc1.42c01e"),
            (Codec::H265, "hvc1.1.6.L63.90"),
            (Codec::Vp9, "vp09.00.21.08"),
            (Codec::Av1, "av01.0.01M.08"),
        ] {
            let mut black = Black::new(codec).unwrap();
            assert_eq!(black.format.codec_name(), name);
            assert_eq!(black.format.shown_size(), SIZE);
            let (first, second) = (black.next(), black.next());
            assert!(!first.is_empty() && first.len() < 1_000);
            assert_eq!(first != second, codec == Codec::H264, "{codec:?}");
            assert_eq!(black.next(), first);
        }
        assert!(Black::new(Codec::Vp8).is_none());
    }
}
