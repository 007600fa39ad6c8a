//! A negotiated stream to a subscriber.

use super::media::{self, MediaOffer};
use crate::rtp::write::{ExtensionIds, HeaderForm};

/// One negotiated stream.
#[derive(Debug, Clone)]
pub(crate) struct StreamConfig {
    pub(crate) header: HeaderForm,
    pub(crate) ssrc: u32,
    /// SSRC of retransmissions, and the payload type of each payload type's retransmissions (RFC 4588).
    pub(crate) rtx_ssrc: Option<u32>,
    pub(crate) rtx_types: Vec<(u8, u8)>,
    pub(crate) clock_rate: u32,
}

impl StreamConfig {
    /// The stream of a subscriber's offer.
    pub(crate) fn new(media: &MediaOffer, ssrc: u32, rtx_ssrc: Option<u32>) -> Self {
        let id = |uri: &str| {
            let mut extensions = media.extensions.iter();
            extensions
                .find(|(_, known)| known == uri)
                .map(|(id, _)| *id)
        };
        let formats = media.formats.iter();
        let extensions = ExtensionIds {
            mid: id(media::MID),
            audio_level: id(media::AUDIO_LEVEL),
            rotation: id(media::ROTATION),
            transport_seq: id(media::TRANSPORT_SEQ),
            descriptor: id(media::DEPENDENCY),
        };
        Self {
            header: HeaderForm::new(&extensions, &media.mid),
            ssrc,
            rtx_ssrc,
            rtx_types: formats
                .filter_map(|format| Some((format.pt, format.rtx?)))
                .collect(),
            clock_rate: media
                .formats
                .first()
                .map_or(0, |format| format.codec.clock_rate()),
        }
    }
}
