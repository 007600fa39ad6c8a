//! Sample entries: the formats of tracks, as boxes.

use mp4_atom::{
    Audio, Av01, Av1c, Avc1, Avcc, AvccExt, Codec, Dops, Hvc1, HvcCArray, Hvcc, Opus, Visual, Vp09,
    VpcC,
};
use restage_codec::{PictureSize, av1, h265, vp9};

use super::AUDIO_TIMESCALE;
use super::format::{Coding, VideoFormat, h265_kind, vp9_level};

/// Media is in the same file as the boxes.
const DATA_REFERENCE: u16 = 1;
/// Channels of a track: decoders of Opus give two, whatever the packets have (RFC 7845 §5.1.1), so that a change is none.
const CHANNELS: u8 = 2;
/// Profiles whose record says no more than the sets (ISO/IEC 14496-15 §5.3.3.1): Baseline, Main and Extended.
const SHORT_PROFILES: [u8; 3] = [66, 77, 88];
/// Not said (ISO/IEC 23091-2).
const UNSPECIFIED: u8 = 2;

/// The sample entry of a track of pictures.
pub(super) fn video(format: &VideoFormat) -> Codec {
    let visual = visual(format.size);
    match &format.coding {
        Coding::H264 {
            sequence_sets,
            picture_sets,
            profile: [profile, constraints, level],
            chroma_format,
            luma_bits,
            chroma_bits,
        } => {
            let ext = (!SHORT_PROFILES.contains(profile)).then(|| AvccExt {
                chroma_format: *chroma_format,
                bit_depth_luma: *luma_bits,
                bit_depth_chroma: *chroma_bits,
                sequence_parameter_sets_ext: Vec::new(),
            });
            let avcc = Avcc {
                configuration_version: 1,
                avc_profile_indication: *profile,
                profile_compatibility: *constraints,
                avc_level_indication: *level,
                length_size: 4,
                sequence_parameter_sets: sequence_sets.clone(),
                picture_parameter_sets: picture_sets.clone(),
                ext,
            };
            Codec::Avc1(Avc1 {
                visual,
                avcc,
                ..Avc1::default()
            })
        }
        Coding::H265 { sets, parameters } => Codec::Hvc1(Hvc1 {
            visual,
            hvcc: hvcc(sets, parameters),
            ..Hvc1::default()
        }),
        Coding::Vp9(header) => Codec::Vp09(Vp09 {
            visual,
            vpcc: vpcc(header),
            btrt: None,
            colr: None,
            pasp: None,
            spatial: None,
        }),
        Coding::Av1 {
            sequence_header,
            parameters,
        } => Codec::Av01(Av01 {
            visual,
            av1c: av1c(sequence_header, parameters),
            ..Av01::default()
        }),
    }
}

/// The sample entry of a track of Opus. Nothing is to be skipped at its beginning: it begins in the middle of a stream.
pub(super) fn opus() -> Codec {
    Codec::Opus(Opus {
        audio: Audio {
            data_reference_index: DATA_REFERENCE,
            channel_count: CHANNELS.into(),
            sample_size: 16,
            sample_rate: (AUDIO_TIMESCALE as u16).into(),
        },
        dops: Dops {
            output_channel_count: CHANNELS,
            pre_skip: 0,
            input_sample_rate: AUDIO_TIMESCALE,
            output_gain: 0,
            channel_mapping: None,
        },
        btrt: None,
    })
}

fn visual(size: PictureSize) -> Visual {
    let side = |pixels: u32| u16::try_from(pixels).unwrap_or(u16::MAX);
    Visual {
        data_reference_index: DATA_REFERENCE,
        width: side(size.width),
        height: side(size.height),
        ..Visual::default()
    }
}

fn hvcc(sets: &[Vec<u8>], parameters: &h265::SequenceParameters) -> Hvcc {
    let kinds = [
        h265::UnitType::VPS,
        h265::UnitType::SPS,
        h265::UnitType::PPS,
    ];
    let array = |kind: h265::UnitType| HvcCArray {
        completeness: true,
        nal_unit_type: kind.0,
        nalus: sets
            .iter()
            .filter(|set| h265_kind(set) == kind.0)
            .cloned()
            .collect(),
    };
    Hvcc {
        general_profile_space: parameters.profile_space,
        general_tier_flag: parameters.is_high_tier,
        general_profile_idc: parameters.profile,
        general_profile_compatibility_flags: parameters.compatibility.to_be_bytes(),
        general_constraint_indicator_flags: parameters.constraints,
        general_level_idc: parameters.level,
        chroma_format_idc: parameters.chroma_format,
        bit_depth_luma_minus8: parameters.luma_bits.saturating_sub(8),
        bit_depth_chroma_minus8: parameters.chroma_bits.saturating_sub(8),
        num_temporal_layers: parameters.temporal_layers,
        temporal_id_nested: parameters.is_temporally_nested,
        length_size_minus_one: 3,
        arrays: kinds.map(array).into(),
        ..Hvcc::new()
    }
}

fn vpcc(header: &vp9::KeyFrameHeader) -> VpcC {
    let chroma_subsampling = match (header.is_subsampled_x, header.is_subsampled_y) {
        (true, true) => 1,
        (true, false) => 2,
        (false, _) => 3,
    };
    // `color_space` of VP9 (§7.2.2) → primaries, transfer and matrix of ISO/IEC 23091-2.
    let (primaries, transfer, matrix) = match header.color_space {
        1 | 3 => (6, 6, 6),
        2 => (1, 1, 1),
        4 => (7, 7, 7),
        5 => (9, 14, 9),
        7 if chroma_subsampling == 3 => (1, 13, 0),
        _ => (UNSPECIFIED, UNSPECIFIED, UNSPECIFIED),
    };
    VpcC {
        profile: header.profile,
        level: vp9_level(header.size),
        bit_depth: header.bit_depth,
        chroma_subsampling,
        video_full_range_flag: header.is_full_range,
        color_primaries: primaries,
        transfer_characteristics: transfer,
        matrix_coefficients: matrix,
        codec_initialization_data: Vec::new(),
    }
}

fn av1c(sequence_header: &[u8], parameters: &av1::SequenceParameters) -> Av1c {
    Av1c {
        seq_profile: parameters.profile,
        seq_level_idx_0: parameters.level,
        seq_tier_0: parameters.is_high_tier,
        high_bitdepth: parameters.bit_depth > 8,
        twelve_bit: parameters.bit_depth == 12,
        monochrome: parameters.is_monochrome,
        chroma_subsampling_x: parameters.is_subsampled_x,
        chroma_subsampling_y: parameters.is_subsampled_y,
        chroma_sample_position: parameters.chroma_position,
        initial_presentation_delay: None,
        config_obus: sequence_header.to_vec(),
    }
}
