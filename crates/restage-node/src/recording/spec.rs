//! What a job of the kind `recording` is to do: the JSON that the rules write (core `live/recording/spec.rs`).

use restage_core::PublicationKey;
use restage_core::arn::StageArn;
use restage_core::id::{ParticipantId, StageSessionId};
use restage_core::row::{RecordedMedia, Recording, ThumbnailStorage as ThumbnailKind};
use restage_record::{MediaTypes, ThumbnailStorage};
use restage_storage::Destination;
use serde::Deserialize;

/// What is to be recorded, and where to.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spec {
    pub(super) account: String,
    pub(super) region: String,
    stage_arn: String,
    /// The stage session of the prefix, whose clock the recording has.
    pub(super) session: String,
    participant: String,
    pub(super) bucket: String,
    pub(super) prefix: String,
    media_types: MediaTypes,
    segment_seconds: u32,
    thumbnails: Thumbnails,
    /// Whether another publication may continue the recording.
    #[serde(default)]
    pub(super) may_return: bool,
    publication: Option<Publication>,
    /// Whether nothing is captured for the time being.
    pub(super) paused: bool,
}

#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Thumbnails {
    recording_mode: RecordingMode,
    #[serde(default)]
    storage: Vec<Storage>,
    target_interval_seconds: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum RecordingMode {
    Disabled,
    Interval,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Storage {
    Sequential,
    Latest,
}

#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
struct Publication {
    session: String,
    participant: String,
}

impl Spec {
    /// Reads the text of a job's row.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text)
            .map_err(|error| format!("the row says nothing that can be recorded: {error}"))
    }

    /// What is captured now; `None` while the publisher is away.
    pub(super) fn publication(&self) -> Option<PublicationKey> {
        let publication = self.publication.as_ref()?;
        Some(PublicationKey {
            session: StageSessionId::new(publication.session.as_str()),
            participant: ParticipantId::new(publication.participant.as_str()),
        })
    }

    /// Which media is recorded.
    pub(super) fn media_types(&self) -> MediaTypes {
        self.media_types
    }

    /// How long segments should be.
    pub(super) fn segment_seconds(&self) -> u32 {
        self.segment_seconds
    }

    /// Which files a thumbnail becomes: none, if the stage asks for no thumbnails.
    pub(super) fn thumbnails(&self) -> ThumbnailStorage {
        let is_on = self.thumbnails.recording_mode == RecordingMode::Interval;
        let has = |storage| is_on && self.thumbnails.storage.contains(&storage);
        ThumbnailStorage {
            sequential: has(Storage::Sequential),
            latest: has(Storage::Latest),
        }
    }

    /// How long thumbnails should be apart, in seconds.
    pub(super) fn thumbnail_interval_seconds(&self) -> u32 {
        self.thumbnails.target_interval_seconds
    }

    /// Where the files go.
    pub(super) fn destination(&self) -> Destination {
        let thumbnails = self.thumbnails();
        Destination {
            account: self.account.clone(),
            region: self.region.clone(),
            bucket: self.bucket.clone(),
            prefix: self.prefix.clone(),
            stage_arn: self.stage_arn.clone(),
            session: self.session.clone(),
            participant: self.participant.clone(),
            media_types: self.media_types,
            segment_seconds: self.segment_seconds,
            has_thumbnails: thumbnails.sequential,
            has_latest_thumbnail: thumbnails.latest,
            composite: None,
        }
    }
}

/// Where the files of a recording go, by its row.
pub(super) fn destination_of(row: &Recording) -> Destination {
    let arn = StageArn {
        region: row.region.clone(),
        account: row.account.clone(),
        id: row.stage.clone(),
    };
    let settings = &row.settings;
    let has = |kind| settings.has_thumbnails() && settings.thumbnails.storage.contains(&kind);
    Destination {
        account: row.account.clone(),
        region: row.region.clone(),
        bucket: row.storage.bucket.clone(),
        prefix: row.prefix.clone(),
        stage_arn: arn.to_string(),
        session: row.session.to_string(),
        participant: row.participant.to_string(),
        media_types: match settings.media {
            RecordedMedia::AudioVideo => MediaTypes::AudioVideo,
            RecordedMedia::AudioOnly => MediaTypes::AudioOnly,
            RecordedMedia::None => MediaTypes::None,
        },
        segment_seconds: settings.segment_s,
        has_thumbnails: has(ThumbnailKind::Sequential),
        has_latest_thumbnail: has(ThumbnailKind::Latest),
        composite: None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// As the rules write it.
    pub(in super::super) const TEXT: &str = r#"{"account":"111122223333","region":"eu-west-1","stage":"hT5vN1cGy8Ud",
        "stageArn":"arn:aws:ivs:eu-west-1:111122223333:stage/hT5vN1cGy8Ud","session":"st-4Hc9sTnV2bQ7x",
        "participant":"q7Rk2ZpLw0Xe","bucket":"my-vods","prefix":"hT5vN1cGy8Ud/st-4Hc9sTnV2bQ7x/q7Rk2ZpLw0Xe/x",
        "storage":"Bz3mKq9WfA6j","mediaTypes":"AUDIO_VIDEO","segmentSeconds":6,
        "thumbnails":{"recordingMode":"DISABLED","storage":["SEQUENTIAL"],"targetIntervalSeconds":60},"mayReturn":true,
        "publication":{"session":"st-other","participant":"q7Rk2ZpLw0Xe"},"paused":false}"#;

    #[test]
    fn a_replica_is_captured_from_its_source_and_goes_below_its_own_session() {
        let spec = Spec::parse(TEXT).unwrap();
        let publication = spec.publication().unwrap();
        assert_eq!(publication.session.as_str(), "st-other");
        let destination = spec.destination();
        assert_eq!(destination.session, "st-4Hc9sTnV2bQ7x");
        assert_eq!(destination.media_types, MediaTypes::AudioVideo);
        assert!(!spec.paused && spec.may_return);
        let away = TEXT.replace(
            r#"{"session":"st-other","participant":"q7Rk2ZpLw0Xe"}"#,
            "null",
        );
        assert_eq!(Spec::parse(&away).unwrap().publication(), None);
    }

    #[test]
    fn thumbnails_are_wanted_where_the_stage_says_so() {
        let none = ThumbnailStorage::default();
        assert_eq!(Spec::parse(TEXT).unwrap().thumbnails(), none);
        let both = TEXT.replace("DISABLED", "INTERVAL");
        let both = both.replace(r#"["SEQUENTIAL"]"#, r#"["SEQUENTIAL","LATEST"]"#);
        let spec = Spec::parse(&both).unwrap();
        assert_eq!(
            spec.thumbnails(),
            ThumbnailStorage {
                sequential: true,
                latest: true
            }
        );
        assert_eq!(spec.thumbnail_interval_seconds(), 60);
        let destination = spec.destination();
        assert!(destination.has_thumbnails && destination.has_latest_thumbnail);
        let numbered = Spec::parse(&TEXT.replace("DISABLED", "INTERVAL")).unwrap();
        assert!(!numbered.destination().has_latest_thumbnail);
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for text in ["", "{}", "[]", &TEXT.replace("AUDIO_VIDEO", "VIDEO_ONLY")] {
            assert!(Spec::parse(text).is_err(), "{text}");
        }
    }
}
