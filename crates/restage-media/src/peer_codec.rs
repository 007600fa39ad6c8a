//! Between our words for codecs and header extensions and the engine's.

use str0m::format::{Codec as EngineCodec, CodecConfig, FormatParams};
use str0m::media::Frequency;
use str0m::rtp::{Extension, ExtensionMap};

use crate::codec::{Codec, Format};
use crate::egress::header::ExtensionIds;
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
