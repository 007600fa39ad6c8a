//! Between our words for codecs and header extensions and the engine's.

use str0m::format::{Codec as EngineCodec, CodecConfig, FormatParams};
use str0m::media::Frequency;
use str0m::rtp::{
    Extension, ExtensionMap, ExtensionValues, VideoOrientation, Vp8Descriptor, Vp8Patch,
};

use crate::codec::{Codec, Format};
use crate::egress::header::ExtensionIds;
use crate::packet::{Extensions, Rotation, Vp8Numbers};
use crate::sdp::offer::Role;

/// Exactly what the offer has: whatever is forwarded here is answered under the offered number.
pub(crate) fn codec_config<'a>(formats: impl Iterator<Item = &'a Format>) -> CodecConfig {
    let mut config = CodecConfig::empty();
    for format in formats {
        let (codec, clock_rate, channels) = match format.codec {
            Codec::Opus => (EngineCodec::Opus, Frequency::FORTY_EIGHT_KHZ, Some(2)),
            Codec::H264 => (EngineCodec::H264, Frequency::NINETY_KHZ, None),
            Codec::Vp8 => (EngineCodec::Vp8, Frequency::NINETY_KHZ, None),
        };
        config.add_config(
            format.pt.into(),
            format.rtx.map(Into::into),
            codec,
            clock_rate,
            channels,
            FormatParams::parse_line(&format.fmtp),
        );
    }
    config
}

/// Ids are the engine's proposal; those of the offer replace them.
pub(crate) fn extension_map(role: Role) -> ExtensionMap {
    let mut map = ExtensionMap::empty();
    map.set(1, Extension::AudioLevel);
    map.set(4, Extension::RtpMid);
    map.set(13, Extension::VideoOrientation);
    if role == Role::Publisher {
        map.set(3, Extension::TransportSequenceNumber);
        map.set(10, Extension::RtpStreamId);
        map.set(11, Extension::RepairedRtpStreamId);
    }
    map
}

/// The ids under which a subscriber takes what may be sent to it.
pub(crate) fn extension_ids(map: &ExtensionMap) -> ExtensionIds {
    ExtensionIds {
        mid: map.id_of(Extension::RtpMid),
        audio_level: map.id_of(Extension::AudioLevel),
        rotation: map.id_of(Extension::VideoOrientation),
    }
}

pub(crate) fn extension_values(extensions: &Extensions) -> ExtensionValues {
    ExtensionValues {
        audio_level: extensions.audio_level,
        voice_activity: extensions.voice_activity,
        video_orientation: extensions.rotation.map(|rotation| match rotation {
            Rotation::None => VideoOrientation::Deg0,
            Rotation::Quarter => VideoOrientation::Deg90,
            Rotation::Half => VideoOrientation::Deg180,
            Rotation::ThreeQuarters => VideoOrientation::Deg270,
        }),
        ..ExtensionValues::default()
    }
}

/// The engine writes these fields into its copy of the payload. `None` when the payload has no room for them.
pub(crate) fn vp8_patch(payload: &[u8], numbers: &Vp8Numbers) -> Option<Vp8Patch> {
    let mut patch = Vp8Descriptor::parse(payload).ok()?.patch();
    if let Some(picture_id) = numbers.picture_id {
        patch = patch.picture_id(picture_id);
    }
    if let Some(tl0_pic_idx) = numbers.tl0_pic_idx {
        patch = patch.tl0_pic_idx(tl0_pic_idx);
    }
    if let Some(key_idx) = numbers.key_idx {
        patch = patch.key_idx(key_idx);
    }
    patch.build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_needs_the_fields_it_writes() {
        let payload = [0x90, 0xe0, 0x92, 0x34, 0x56, 0x60, 0x00];
        let numbers = Vp8Numbers {
            picture_id: Some(7),
            tl0_pic_idx: Some(9),
            key_idx: None,
        };
        assert!(vp8_patch(&payload, &numbers).is_some());
        assert!(
            vp8_patch(
                &payload,
                &Vp8Numbers {
                    key_idx: Some(1),
                    ..numbers
                }
            )
            .is_none()
        );
        assert!(vp8_patch(&payload[..3], &numbers).is_none());
    }
}
