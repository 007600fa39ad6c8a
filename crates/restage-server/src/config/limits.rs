//! Limits and rates: a predefined set, overridden by single settings.

use restage_core::row::PlainLimits;
use restage_core::{Limits, Rates, VideoCodecs};

use super::{LimitSet, Settings};

impl Settings {
    /// The chosen set of limits, overridden by single settings.
    pub(super) fn limits(&self) -> Limits {
        let set = match self.limits {
            Some(LimitSet::Aws) => Limits::AWS,
            Some(LimitSet::Open) | None => Limits::OPEN,
        };
        Limits {
            stages: self.limit_stages.unwrap_or(set.stages),
            plain: PlainLimits {
                public_keys: self.limit_public_keys.unwrap_or(set.plain.public_keys),
                encoder_configurations: self
                    .limit_encoder_configurations
                    .unwrap_or(set.plain.encoder_configurations),
                storage_configurations: self
                    .limit_storage_configurations
                    .unwrap_or(set.plain.storage_configurations),
                ingest_configurations: self
                    .limit_ingest_configurations
                    .unwrap_or(set.plain.ingest_configurations),
            },
            publishers_per_stage: self
                .limit_publishers_per_stage
                .unwrap_or(set.publishers_per_stage),
            subscribers_per_stage: self
                .limit_subscribers_per_stage
                .unwrap_or(set.subscribers_per_stage),
            replications_per_participant: self
                .limit_replications_per_participant
                .unwrap_or(set.replications_per_participant),
            publishers: self.limit_publishers.unwrap_or(set.publishers),
            subscriptions: self.limit_subscriptions.unwrap_or(set.subscriptions),
            compositions: self.limit_compositions.unwrap_or(set.compositions),
            compositions_per_stage: self
                .limit_compositions_per_stage
                .unwrap_or(set.compositions_per_stage),
            connection_seconds: self
                .limit_connection_seconds
                .unwrap_or(set.connection_seconds),
            publish_bitrate: self.limit_publish_bitrate.unwrap_or(set.publish_bitrate),
            download_bitrate: self.limit_download_bitrate.unwrap_or(set.download_bitrate),
            publish_resolution: self
                .limit_publish_resolution
                .unwrap_or(set.publish_resolution),
            publish_codecs: match self.limit_publish_codecs.is_empty() {
                true => set.publish_codecs,
                false => {
                    let named = self.limit_publish_codecs.iter();
                    let named: Vec<_> = named.map(|codec| (*codec).into()).collect();
                    VideoCodecs::of(&named)
                }
            },
        }
    }

    /// The rates of the chosen set, overridden by single settings.
    pub(super) fn rates(&self) -> Rates {
        let set = match self.limits {
            Some(LimitSet::Aws) => Rates::AWS,
            Some(LimitSet::Open) | None => Rates::OPEN,
        };
        Rates {
            create_participant_token: self
                .rate_create_participant_token
                .unwrap_or(set.create_participant_token),
            tags: self.rate_tags.unwrap_or(set.tags),
            public_keys: self.rate_public_keys.unwrap_or(set.public_keys),
            others: self.rate_others.unwrap_or(set.others),
        }
    }
}
