//! The format of pictures, as decoders have to know it before the first one, and its name (RFC 6381).

use restage_codec::{Codec, PictureSize, av1, h264, h265, vp9};

/// Opus in a `CODECS` attribute. Players have refused the upper-case form, the name of the sample entry.
pub(crate) const OPUS: &str = "opus";

/// What stands before a NAL unit in a byte stream.
const START_CODE: [u8; 4] = [0, 0, 0, 1];
/// Bytes of the length that stands before it in a sample.
const LENGTH_BYTES: usize = 4;

/// The format of the pictures of a track. Two that are equal can share an init.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VideoFormat {
    pub(super) coding: Coding,
    /// Size of the pictures as they are coded, in pixels.
    pub(super) size: PictureSize,
    /// How far to turn the picture clockwise: 0, 90, 180 or 270 degrees.
    pub(super) rotation_degrees: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Coding {
    H264 {
        sequence_sets: Vec<Vec<u8>>,
        picture_sets: Vec<Vec<u8>>,
        /// Profile, constraints and level.
        profile: [u8; 3],
        chroma_format: u8,
        luma_bits: u8,
        chroma_bits: u8,
    },
    H265 {
        sets: Vec<Vec<u8>>,
        parameters: h265::SequenceParameters,
    },
    Vp9(vp9::KeyFrameHeader),
    Av1 {
        sequence_header: Vec<u8>,
        parameters: av1::SequenceParameters,
    },
}

impl VideoFormat {
    /// Of parameter sets; `newest` is the sequence parameter set that holds. `None` if it cannot be read, or one kind is missing.
    pub(crate) fn h264<'a>(
        sets: impl IntoIterator<Item = &'a [u8]>,
        newest: &[u8],
    ) -> Option<Self> {
        let parameters = h264::SequenceParameters::parse(newest)?;
        let (mut sequence_sets, mut picture_sets) = (Vec::new(), Vec::new());
        for set in sets {
            match h264::UnitType::of(set) {
                h264::UnitType::SPS => sequence_sets.push(set.to_vec()),
                _ => picture_sets.push(set.to_vec()),
            }
        }
        let is_complete = !sequence_sets.is_empty() && !picture_sets.is_empty();
        let profile = newest.get(1..)?.first_chunk::<3>()?;
        is_complete.then_some(Self {
            coding: Coding::H264 {
                sequence_sets,
                picture_sets,
                profile: *profile,
                chroma_format: parameters.chroma_format,
                luma_bits: parameters.luma_bits,
                chroma_bits: parameters.chroma_bits,
            },
            size: parameters.size,
            rotation_degrees: 0,
        })
    }

    /// Of video, sequence and picture parameter sets. `None` if they cannot be read, or one kind is missing.
    pub(crate) fn h265(sets: Vec<Vec<u8>>) -> Option<Self> {
        let find = |kind: h265::UnitType| {
            let is_kind = |set: &&Vec<u8>| h265_kind(set) == kind.0;
            sets.iter().rev().find(is_kind)
        };
        find(h265::UnitType::VPS)?;
        find(h265::UnitType::PPS)?;
        let parameters = h265::SequenceParameters::parse(find(h265::UnitType::SPS)?)?;
        Some(Self {
            coding: Coding::H265 { sets, parameters },
            size: parameters.size,
            rotation_degrees: 0,
        })
    }

    /// Of a key frame.
    pub(crate) fn vp9(header: vp9::KeyFrameHeader) -> Self {
        Self {
            coding: Coding::Vp9(header),
            size: header.size,
            rotation_degrees: 0,
        }
    }

    /// Of a sequence header, an OBU with its size.
    pub(crate) fn av1(sequence_header: Vec<u8>) -> Option<Self> {
        let parameters = av1::SequenceParameters::parse(&sequence_header)?;
        Some(Self {
            coding: Coding::Av1 {
                sequence_header,
                parameters,
            },
            size: parameters.size,
            rotation_degrees: 0,
        })
    }

    /// The same, turned clockwise when it is shown.
    pub(crate) fn turned(self, rotation_degrees: u16) -> Self {
        let rotation_degrees = match rotation_degrees {
            90 | 180 | 270 => rotation_degrees,
            _ => 0,
        };
        Self {
            rotation_degrees,
            ..self
        }
    }

    /// How far to turn the picture clockwise: 0, 90, 180 or 270 degrees.
    pub(crate) fn rotation_degrees(&self) -> u16 {
        self.rotation_degrees
    }

    /// Size of the pictures as they are shown.
    pub(crate) fn shown_size(&self) -> PictureSize {
        let PictureSize { width, height } = self.size;
        match self.rotation_degrees {
            90 | 270 => PictureSize {
                width: height,
                height: width,
            },
            _ => self.size,
        }
    }

    /// The parameter sets of H.264 and H.265, in the order in which decoders take them. The others have them in their key frames.
    fn sets(&self) -> Vec<&[u8]> {
        match &self.coding {
            Coding::H264 {
                sequence_sets,
                picture_sets,
                ..
            } => sequence_sets
                .iter()
                .chain(picture_sets)
                .map(Vec::as_slice)
                .collect(),
            Coding::H265 { sets, .. } => sets.iter().map(Vec::as_slice).collect(),
            Coding::Vp9(_) | Coding::Av1 { .. } => Vec::new(),
        }
    }

    /// A key frame as it stands in a segment: with the parameter sets before it. FFmpeg reads all parts of a playlist with the first init, and
    /// finds those of a later one nowhere else.
    pub(crate) fn with_sets(&self, sample: Box<[u8]>) -> Box<[u8]> {
        let sets = self.sets();
        if sets.is_empty() {
            return sample;
        }
        let bytes: usize = sets.iter().map(|set| LENGTH_BYTES + set.len()).sum();
        let mut whole = Vec::with_capacity(bytes + sample.len());
        for set in sets {
            let length = u32::try_from(set.len()).unwrap_or(0);
            whole.extend_from_slice(&length.to_be_bytes());
            whole.extend_from_slice(set);
        }
        whole.extend_from_slice(&sample);
        whole.into()
    }

    /// A key frame that decodes by itself: of H.264 and H.265 as a byte stream with the parameter sets (Annex B).
    pub(crate) fn stream_of(&self, sample: &[u8]) -> Vec<u8> {
        let sets = self.sets();
        if sets.is_empty() {
            return sample.to_vec();
        }
        let mut stream = Vec::new();
        let mut put = |unit: &[u8]| {
            stream.extend_from_slice(&START_CODE);
            stream.extend_from_slice(unit);
        };
        sets.into_iter().for_each(&mut put);
        let mut rest = sample;
        while let Some((length, after)) = rest.split_first_chunk::<4>() {
            let length = u32::from_be_bytes(*length) as usize;
            let (unit, after) = after.split_at(length.min(after.len()));
            put(unit);
            rest = after;
        }
        stream
    }

    /// Its name in a `CODECS` attribute (RFC 6381 §3.3; ISO/IEC 14496-15 annex E; VP Codec ISO Media File Format Binding; AV1 Codec ISO
    /// Media File Format Binding §5).
    pub(crate) fn codec_name(&self) -> String {
        match &self.coding {
            Coding::H264 { profile, .. } => {
                let [profile, constraints, level] = profile;
                format!("avc1.{profile:02x}{constraints:02x}{level:02x}")
            }
            Coding::H265 { parameters, .. } => h265_name(parameters),
            Coding::Vp9(header) => {
                let (profile, depth) = (header.profile, header.bit_depth);
                format!("vp09.{profile:02}.{:02}.{depth:02}", vp9_level(header.size))
            }
            Coding::Av1 { parameters, .. } => {
                let tier = if parameters.is_high_tier { 'H' } else { 'M' };
                let (profile, level) = (parameters.profile, parameters.level);
                format!(
                    "av01.{profile}.{level:02}{tier}.{:02}",
                    parameters.bit_depth
                )
            }
        }
    }
}

/// The codec that a name in a `CODECS` attribute stands for; `None` if no track of a recording has it.
pub(crate) fn codec_of(name: &str) -> Option<Codec> {
    match name.split('.').next()? {
        OPUS => Some(Codec::Opus),
        "avc1" => Some(Codec::H264),
        "hvc1" => Some(Codec::H265),
        "vp09" => Some(Codec::Vp9),
        "av01" => Some(Codec::Av1),
        _ => None,
    }
}

/// `nal_unit_type` of a parameter set.
pub(super) fn h265_kind(set: &[u8]) -> u8 {
    set.first().map_or(0, |byte| byte >> 1 & 0x3f)
}

fn h265_name(parameters: &h265::SequenceParameters) -> String {
    let space = match parameters.profile_space {
        0 => "",
        1 => "A",
        2 => "B",
        _ => "C",
    };
    let tier = if parameters.is_high_tier { 'H' } else { 'L' };
    let mut name = format!(
        "hvc1.{space}{}.{:X}.{tier}{}",
        parameters.profile,
        parameters.compatibility.reverse_bits(),
        parameters.level
    );
    let constraints = &parameters.constraints;
    let end = constraints.iter().rposition(|byte| *byte != 0);
    for byte in constraints.iter().take(end.map_or(0, |last| last + 1)) {
        name.push_str(&format!(".{byte:X}"));
    }
    name
}

/// Ten times the lowest level that allows pictures of this size (VP9 levels: most samples of light in a picture).
pub(super) fn vp9_level(size: PictureSize) -> u8 {
    const LEVELS: [(u64, u8); 9] = [
        (36_864, 10),
        (73_728, 11),
        (122_880, 20),
        (245_760, 21),
        (552_960, 30),
        (983_040, 31),
        (2_228_224, 40),
        (8_912_896, 50),
        (35_651_584, 60),
    ];
    let found = LEVELS.iter().find(|(pixels, _)| size.pixels() <= *pixels);
    found.map_or(62, |(_, level)| *level)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// openh264's sets for 320 by 180: Constrained Baseline.
    pub(crate) fn h264_format() -> VideoFormat {
        let mut encoder = openh264::encoder::Encoder::new().unwrap();
        let picture = openh264::formats::YUVBuffer::new(320, 180);
        let stream = encoder.encode(&picture).unwrap().to_vec();
        let sets: Vec<&[u8]> = h264::annexb::units(&stream)
            .filter(|unit| h264::UnitType::of(unit).is_parameter_set())
            .collect();
        let sps = sets[0];
        VideoFormat::h264(sets.iter().copied(), sps).unwrap()
    }

    #[test]
    fn formats_have_their_names() {
        let name = h264_format().codec_name();
        assert!(name.starts_with("avc1.42c0"), "{name}");
        let size = PictureSize {
            width: 1_280,
            height: 720,
        };
        let vp9 = vp9::KeyFrameHeader {
            profile: 0,
            bit_depth: 8,
            is_subsampled_x: true,
            is_subsampled_y: true,
            color_space: 0,
            is_full_range: false,
            size,
        };
        assert_eq!(VideoFormat::vp9(vp9).codec_name(), "vp09.00.31.08");
        // SVT-AV1's header of 642 by 362.
        let header = vec![
            0x0a, 0x0b, 0x00, 0x00, 0x00, 0x0c, 0xc5, 0x03, 0x69, 0x3e, 0xfe, 0x40, 0x10,
        ];
        let av1 = VideoFormat::av1(header).unwrap();
        assert_eq!(av1.codec_name(), "av01.0.01M.08");
        assert_eq!(av1.turned(90).shown_size().width, 362);
    }

    #[test]
    fn h265_is_named_by_its_profile_and_constraints() {
        // x265: 642 by 362, Main, level 2.1.
        let sps = vec![
            0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00,
            0x00, 0x03, 0x00, 0x3f, 0xa0, 0x05, 0x12, 0x01, 0x71, 0xc9, 0x26, 0x59, 0x59, 0xa4,
            0x80,
        ];
        let (vps, pps) = (vec![0x40, 0x01, 7], vec![0x44, 0x01, 7]);
        let format = VideoFormat::h265(vec![vps.clone(), sps.clone(), pps]).unwrap();
        assert_eq!(format.codec_name(), "hvc1.1.6.L63.90");
        assert_eq!(VideoFormat::h265(vec![vps, sps]), None, "a set is missing");
    }

    #[test]
    fn a_set_of_each_kind_is_needed() {
        let Coding::H264 { sequence_sets, .. } = h264_format().coding else {
            unreachable!()
        };
        let sps = &sequence_sets[0];
        assert_eq!(VideoFormat::h264([&sps[..]], sps), None);
        assert_eq!(VideoFormat::h264([&[0x68, 1][..]], &[0x67, 1, 2]), None);
    }
}
