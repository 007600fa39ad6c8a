//! What a job of the kind `composition` is to do: the JSON that the rules write (core `live/composition/spec.rs`).

use restage_compose::layout::Layout;
use restage_compose::protocol::Rendition;
use restage_record::{MediaTypes, ThumbnailStorage};
use restage_storage::Destination;
use serde::Deserialize;

use crate::recording::{CompositeEncoder as Encoder, recording_id};

/// Frames a second in thousandths.
const MILLI: f64 = 1_000.0;

/// What is to be composed, and where it goes.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spec {
    account: String,
    region: String,
    pub(super) stage: String,
    stage_arn: String,
    pub(super) composition: String,
    pub(super) layout: Layout,
    pub(super) destinations: Vec<Goal>,
}

/// One destination.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub(super) struct Goal {
    pub(super) id: String,
    encoder: Encoder,
    pub(super) channel: Option<Channel>,
    pub(super) s3: Option<Storage>,
}

/// A channel, by its ARN in the settings.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub(super) struct Channel {
    pub(super) arn: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Storage {
    bucket: String,
    prefix: String,
    segment_seconds: u32,
    thumbnails: Option<Thumbnails>,
}

#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Thumbnails {
    #[serde(default)]
    storage: Vec<Kind>,
    target_interval_seconds: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Kind {
    Sequential,
    Latest,
}

impl Spec {
    /// Reads the text of a job's row.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text)
            .map_err(|error| format!("the row says nothing that can be composed: {error}"))
    }

    /// Where the recording of a destination goes; `None` if it is no bucket.
    pub(super) fn bucket(&self, goal: &Goal) -> Option<Destination> {
        let storage = goal.s3.as_ref()?;
        let kept = storage.thumbnails();
        Some(Destination {
            account: self.account.clone(),
            region: self.region.clone(),
            bucket: storage.bucket.clone(),
            prefix: storage.prefix.clone(),
            stage_arn: self.stage_arn.clone(),
            session: String::new(),
            participant: String::new(),
            media_types: MediaTypes::AudioVideo,
            segment_seconds: storage.segment_seconds,
            has_thumbnails: kept.sequential,
            has_latest_thumbnail: kept.latest,
            composite: Some(goal.encoder.composite(&goal.id)),
        })
    }

    /// The id of a destination's recording in the spool.
    pub(super) fn recording(&self, goal: &Goal) -> String {
        recording_id(&self.composition, &goal.id)
    }
}

impl Goal {
    /// How it is encoded.
    pub(super) fn rendition(&self) -> Rendition {
        let Encoder {
            width,
            height,
            framerate,
            bitrate,
        } = self.encoder;
        Rendition {
            width,
            height,
            framerate_milli: (framerate * MILLI).round() as u32,
            bitrate,
        }
    }
}

impl Storage {
    /// Which files a thumbnail becomes.
    pub(super) fn thumbnails(&self) -> ThumbnailStorage {
        let kinds = self.thumbnails.iter().flat_map(|kept| &kept.storage);
        let has = |kind| kinds.clone().any(|one| *one == kind);
        ThumbnailStorage {
            sequential: has(Kind::Sequential),
            latest: has(Kind::Latest),
        }
    }

    /// How long thumbnails should be apart, in seconds.
    pub(super) fn thumbnail_interval_s(&self) -> u32 {
        let kept = self.thumbnails.as_ref();
        kept.map_or(0, |kept| kept.target_interval_seconds)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// As the rules write it.
    pub(in super::super) const TEXT: &str = r#"{"account":"111122223333","region":"eu-west-1","stage":"hT5vN1cGy8Ud",
        "stageArn":"arn:aws:ivs:eu-west-1:111122223333:stage/hT5vN1cGy8Ud","composition":"Cx4nRt7PqZ1s",
        "compositionArn":"arn:aws:ivs:eu-west-1:111122223333:composition/Cx4nRt7PqZ1s",
        "layout":{"grid":{"featuredParticipantAttribute":"","omitStoppedVideo":false,"videoAspectRatio":"VIDEO",
            "videoFillMode":"","gridGap":2,"participantOrderAttribute":""}},
        "destinations":[
            {"id":"De5tHs0KuV9g","name":"","encoder":{"width":1280,"height":720,"framerate":30,"bitrate":2500000},
             "s3":{"bucket":"my-vods","prefix":"hT5vN1cGy8Ud/Cx4nRt7PqZ1s/De5tHs0KuV9g/composite","storage":"Bz3mKq9WfA6j",
                   "segmentSeconds":2,"thumbnails":{"storage":["SEQUENTIAL"],"targetIntervalSeconds":60}}},
            {"id":"Qw5tHs0KuV9g","name":"live","encoder":{"width":640,"height":360,"framerate":29.97,"bitrate":800000},
             "channel":{"arn":"arn:aws:ivs:eu-west-1:111122223333:channel/AbCdEfGh1234"}}]}"#;

    #[test]
    fn the_text_of_the_rules_is_read() {
        let spec = Spec::parse(TEXT).unwrap();
        let [bucket, channel] = &spec.destinations[..] else {
            panic!("two destinations");
        };
        let goes = spec.bucket(bucket).unwrap();
        assert_eq!(goes.rendition(), "720p30-De5tHs0KuV9g");
        assert!(goes.has_thumbnails && !goes.has_latest_thumbnail);
        assert_eq!(spec.recording(bucket), "Cx4nRt7PqZ1s-De5tHs0KuV9g");
        assert_eq!(spec.bucket(channel), None);
        assert_eq!(channel.rendition().framerate_milli, 29_970);
        for text in ["", "{}", &TEXT.replace("\"grid\"", "\"mosaic\"")] {
            assert!(Spec::parse(text).is_err(), "{text}");
        }
    }
}
