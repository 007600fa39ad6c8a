//! Limits on media: their values for the media plane, their description in messages, and the shared download counter.

use std::sync::Arc;

use restage_core::id::{ParticipantId, StageId};
use restage_core::row::StageEventError;
use restage_core::{Limits, VideoCodec};
use restage_media::{Codec, Download, Excess};

use super::Control;
use crate::media::PublishLimits;

/// A limit as an option; 0 means none.
fn limit(value: u32) -> Option<u64> {
    (value > 0).then_some(u64::from(value))
}

/// The limits on publishers, for the media plane.
pub fn publish_limits(limits: &Limits) -> PublishLimits {
    PublishLimits {
        bits_per_s: limit(limits.publish_bitrate),
        pixels: limits.publish_pixels(),
        refused_codecs: refused_codecs(limits),
    }
}

/// The codecs in which pictures may not be published.
pub(super) fn refused_codecs(limits: &Limits) -> Vec<Codec> {
    let all = VideoCodec::ALL.into_iter();
    let refused = all.filter(|codec| !limits.publish_codecs.has(*codec));
    refused
        .map(|codec| match codec {
            VideoCodec::H264 => Codec::H264,
            VideoCodec::H265 => Codec::H265,
            VideoCodec::Vp8 => Codec::Vp8,
            VideoCodec::Vp9 => Codec::Vp9,
            VideoCodec::Av1 => Codec::Av1,
        })
        .collect()
}

pub(super) const fn event_error(excess: Excess) -> StageEventError {
    match excess {
        Excess::PublishBitrate { .. } | Excess::DownloadBitrate { .. } => {
            StageEventError::BitrateExceeded
        }
        Excess::PublishResolution { .. } => StageEventError::ResolutionExceeded,
    }
}

/// The exceeded limit, its value and the setting.
pub(super) fn named(excess: Excess, limits: &Limits) -> String {
    match excess {
        Excess::PublishBitrate { .. } => format!(
            "Publish bitrate per participant: the limit is {} bit/s (setting limit-publish-bitrate)",
            limits.publish_bitrate
        ),
        Excess::DownloadBitrate { .. } => format!(
            "Download bitrate per participant: the limit is {} bit/s (setting limit-download-bitrate)",
            limits.download_bitrate
        ),
        Excess::PublishResolution { .. } => format!(
            "Publish resolution: the limit is {}p, {} pixels (setting limit-publish-resolution)",
            limits.publish_resolution,
            limits.publish_pixels().unwrap_or_default()
        ),
    }
}

impl Control {
    /// What a participant's subscriptions have in common: the rate of its network, and the limit on its download if there is one.
    pub(super) fn download(&self, stage: &StageId, participant: &ParticipantId) -> Arc<Download> {
        let most = limit(self.inner.rules.limits.download_bitrate);
        self.connections().download(stage, participant, most)
    }

    /// The same for a connection that receives for several participants: the limit is one for all of them.
    pub(super) fn unshared_download(&self) -> Download {
        let most = limit(self.inner.rules.limits.download_bitrate);
        most.map_or_else(Download::unlimited, Download::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_exceeds_is_told_with_limit_value_and_setting() {
        let size = Excess::PublishResolution {
            width: 1_920,
            height: 1_080,
        };
        let bits_per_s = 9_400_000;
        for (excess, words) in [
            (
                Excess::PublishBitrate { bits_per_s },
                ["8500000", "limit-publish-bitrate"],
            ),
            (
                Excess::DownloadBitrate { bits_per_s },
                ["8500000", "limit-download-bitrate"],
            ),
            (size, ["720p, 921600", "limit-publish-resolution"]),
        ] {
            let text = named(excess, &Limits::AWS);
            assert!(words.iter().all(|word| text.contains(word)), "{text}");
        }
    }

    #[test]
    fn nothing_is_limited_unless_it_is_said() {
        assert_eq!(publish_limits(&Limits::OPEN), PublishLimits::default());
        let aws = publish_limits(&Limits::AWS);
        assert_eq!(
            (aws.bits_per_s, aws.pixels),
            (Some(8_500_000), Some(921_600))
        );
        let others = [Codec::H265, Codec::Vp8, Codec::Vp9, Codec::Av1];
        assert_eq!(aws.refused_codecs, others);
    }
}
