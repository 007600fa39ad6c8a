//! The documents under `events/`: what a recording is, and how it went.
//!
//! The same arguments give the same bytes, so that a document that is uploaded again is the one that is there.

use serde::{Deserialize, Serialize};

use crate::config::MediaTypes;
use crate::playlist::{HLS_PATH, MEDIA_NAME, MULTIVARIANT_NAME, RENDITION};
use crate::utc;

/// Path of the document of the beginning, below a recording's prefix.
pub const STARTED_PATH: &str = "events/recording-started.json";
/// Path of the document of an end as it was meant.
pub const ENDED_PATH: &str = "events/recording-ended.json";
/// Path of the document of a failure.
pub const FAILED_PATH: &str = "events/recording-failed.json";
/// Folder of numbered thumbnails.
pub const THUMBNAILS_PATH: &str = "media/thumbnails";
/// Folder of the newest thumbnail.
pub const LATEST_THUMBNAIL_PATH: &str = "media/latest_thumbnail";
const VERSION: &str = "v1";

/// What a recording is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// ARN of the stage.
    pub stage_arn: String,
    /// The session of the prefix.
    pub session_id: String,
    /// The participant.
    pub participant_id: String,
    /// Which media is recorded.
    pub media_types: MediaTypes,
    /// Numbered thumbnails are kept.
    pub has_thumbnails: bool,
    /// The newest thumbnail is kept.
    pub has_latest_thumbnail: bool,
    /// Of a composition: what its one rendition is. Its documents name neither a session nor a participant.
    pub composite: Option<Composite>,
}

/// The rendition of a composition, whose pictures all have one size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Composite {
    /// Name of the rendition: a folder in [`HLS_PATH`].
    pub rendition: String,
    /// Width of the pictures.
    pub width: u32,
    /// Height of the pictures.
    pub height: u32,
}

impl Composite {
    /// The folder of its thumbnails: the size of the pictures.
    pub fn thumbnails(&self) -> String {
        format!("{}x{}", self.width, self.height)
    }
}

/// How a recording ended. Times are UTC in microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End<'a> {
    /// When it started.
    pub started_us: i64,
    /// When the capture ended.
    pub ended_us: i64,
    /// Length of what is recorded. Of zero there is no playlist, and none is named.
    pub duration_us: u64,
    /// A sentence for people, if there is something to say.
    pub message: Option<&'a str>,
}

/// The document of the beginning.
pub fn started(subject: &Subject, started_us: i64) -> Vec<u8> {
    encode(&Document {
        recording_started_at: utc::seconds(started_us),
        media: Some(Media::of(subject, None)),
        ..Document::new(subject, "RECORDING_STARTED")
    })
}

/// The document of a recording that ended as it was meant.
pub fn ended(subject: &Subject, end: End<'_>) -> Vec<u8> {
    encode(&Document::end(subject, "RECORDING_ENDED", end))
}

/// The document of a recording that ended with a failure; what is there can be played.
pub fn ended_with_failure(subject: &Subject, end: End<'_>) -> Vec<u8> {
    encode(&Document::end(subject, "RECORDING_ENDED_WITH_FAILURE", end))
}

/// The document of a recording that could not start.
pub fn start_failed(subject: &Subject, message: &str) -> Vec<u8> {
    encode(&Document {
        recording_status_message: Some(message),
        ..Document::new(subject, "RECORDING_START_FAILED")
    })
}

fn encode(document: &Document<'_>) -> Vec<u8> {
    // Structs of texts and numbers always have a form in JSON.
    serde_json::to_vec(document).unwrap_or_default()
}

#[derive(Serialize)]
struct Document<'a> {
    version: &'static str,
    stage_arn: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    participant_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recording_started_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recording_ended_at: Option<String>,
    recording_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    recording_status_message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    media: Option<Media>,
}

impl<'a> Document<'a> {
    fn new(subject: &'a Subject, status: &'static str) -> Self {
        let is_participant = subject.composite.is_none();
        Self {
            version: VERSION,
            stage_arn: &subject.stage_arn,
            session_id: is_participant.then_some(&subject.session_id),
            participant_id: is_participant.then_some(&subject.participant_id),
            recording_started_at: None,
            recording_ended_at: None,
            recording_status: status,
            recording_status_message: None,
            media: None,
        }
    }

    fn end(subject: &'a Subject, status: &'static str, end: End<'a>) -> Self {
        Self {
            recording_started_at: utc::seconds(end.started_us),
            recording_ended_at: utc::seconds(end.ended_us),
            recording_status_message: end.message,
            media: Some(Media::of(subject, Some(end.duration_us))),
            ..Self::new(subject, status)
        }
    }
}

#[derive(Serialize)]
struct Media {
    #[serde(skip_serializing_if = "Option::is_none")]
    hls: Option<Hls>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thumbnails: Option<Folder>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latest_thumbnail: Option<Folder>,
}

impl Media {
    fn of(subject: &Subject, duration_us: Option<u64>) -> Self {
        let folder = |path| Folder::new(path, subject.composite.as_ref());
        let has_hls = subject.media_types != MediaTypes::None;
        Self {
            hls: has_hls.then(|| Hls::new(subject.composite.as_ref(), duration_us)),
            thumbnails: subject.has_thumbnails.then(|| folder(THUMBNAILS_PATH)),
            latest_thumbnail: subject
                .has_latest_thumbnail
                .then(|| folder(LATEST_THUMBNAIL_PATH)),
        }
    }
}

#[derive(Serialize)]
struct Hls {
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    path: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    playlist: Option<&'static str>,
    renditions: Vec<PlaylistRendition>,
}

impl Hls {
    fn new(composite: Option<&Composite>, duration_us: Option<u64>) -> Self {
        let has_playlist = duration_us != Some(0);
        let path = composite.map_or(RENDITION, |composite| &composite.rendition);
        let rendition = PlaylistRendition {
            path: path.to_owned(),
            playlist: MEDIA_NAME,
            size: composite.map(Size::of),
        };
        Self {
            duration_ms: duration_us.map(|us| us / 1_000),
            path: HLS_PATH,
            playlist: has_playlist.then_some(MULTIVARIANT_NAME),
            renditions: has_playlist.then_some(rendition).into_iter().collect(),
        }
    }
}

#[derive(Serialize)]
struct PlaylistRendition {
    path: String,
    playlist: &'static str,
    #[serde(flatten)]
    size: Option<Size>,
}

/// The size of pictures, which documents of compositions name.
#[derive(Serialize)]
struct Size {
    resolution_width: u32,
    resolution_height: u32,
}

impl Size {
    fn of(composite: &Composite) -> Self {
        Self {
            resolution_width: composite.width,
            resolution_height: composite.height,
        }
    }
}

/// A folder of thumbnails: of a participant it has `renditions`, of a composition `resolutions`.
#[derive(Serialize)]
struct Folder {
    path: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    renditions: Option<[FolderRendition; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolutions: Option<[FolderRendition; 1]>,
}

impl Folder {
    fn new(path: &'static str, composite: Option<&Composite>) -> Self {
        let rendition = [FolderRendition {
            path: composite.map_or_else(|| RENDITION.to_owned(), Composite::thumbnails),
            size: composite.map(Size::of),
        }];
        let (renditions, resolutions) = match composite {
            None => (Some(rendition), None),
            Some(_) => (None, Some(rendition)),
        };
        Self {
            path,
            renditions,
            resolutions,
        }
    }
}

#[derive(Serialize)]
struct FolderRendition {
    path: String,
    #[serde(flatten)]
    size: Option<Size>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> Subject {
        Subject {
            stage_arn: "arn:aws:ivs:eu-west-1:000000000000:stage/hT5vN1cGy8Ud".into(),
            session_id: "st-4Hc9sTnV2bQ7x".into(),
            participant_id: "q7Rk2ZpLw0Xe".into(),
            media_types: MediaTypes::AudioVideo,
            has_thumbnails: true,
            has_latest_thumbnail: true,
            composite: None,
        }
    }

    const END: End<'_> = End {
        started_us: 1_790_932_360_118_000,
        ended_us: 1_790_935_331_162_000,
        duration_us: 2_971_044_999,
        message: None,
    };

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn an_end_says_everything() {
        let expected = concat!(
            r#"{"version":"v1","stage_arn":"arn:aws:ivs:eu-west-1:000000000000:stage/hT5vN1cGy8Ud","#,
            r#""session_id":"st-4Hc9sTnV2bQ7x","participant_id":"q7Rk2ZpLw0Xe","#,
            r#""recording_started_at":"2026-10-02T09:12:40Z","recording_ended_at":"2026-10-02T10:02:11Z","#,
            r#""recording_status":"RECORDING_ENDED","media":{"hls":{"duration_ms":2971044,"path":"media/hls","#,
            r#""playlist":"multivariant.m3u8","renditions":[{"path":"high","playlist":"playlist.m3u8"}]},"#,
            r#""thumbnails":{"path":"media/thumbnails","renditions":[{"path":"high"}]},"#,
            r#""latest_thumbnail":{"path":"media/latest_thumbnail","renditions":[{"path":"high"}]}}}"#,
        );
        assert_eq!(text(ended(&subject(), END)), expected);
        let failed = text(ended_with_failure(
            &subject(),
            End {
                message: Some("the bucket was full"),
                ..END
            },
        ));
        let status = r#""recording_status":"RECORDING_ENDED_WITH_FAILURE","recording_status_message":"the bucket was full""#;
        assert!(failed.contains(status), "{failed}");
    }

    #[test]
    fn what_recorded_nothing_names_no_playlist() {
        let nothing = End {
            duration_us: 0,
            ..END
        };
        let text = text(ended(&subject(), nothing));
        let hls = r#""hls":{"duration_ms":0,"path":"media/hls","renditions":[]}"#;
        assert!(text.contains(hls), "{text}");
    }

    #[test]
    fn a_beginning_has_neither_an_end_nor_a_length() {
        let subject = Subject {
            has_thumbnails: false,
            has_latest_thumbnail: false,
            ..subject()
        };
        let text = text(started(&subject, END.started_us));
        assert!(text.contains(r#""recording_status":"RECORDING_STARTED""#));
        assert!(text.contains(r#""recording_started_at":"2026-10-02T09:12:40Z""#));
        assert!(
            text.contains(r#""media":{"hls":{"path":"media/hls""#),
            "{text}"
        );
        for absent in ["recording_ended_at", "duration_ms", "thumbnail", "message"] {
            assert!(!text.contains(absent), "{absent}");
        }
    }

    #[test]
    fn thumbnails_alone_have_no_playlist() {
        let subject = Subject {
            media_types: MediaTypes::None,
            ..subject()
        };
        let text = text(ended(&subject, END));
        assert!(!text.contains("hls") && text.contains("media/thumbnails"));
    }

    #[test]
    fn a_composition_names_its_sizes_and_no_participant() {
        let subject = Subject {
            composite: Some(Composite {
                rendition: "720p30-De5tHs0KuV9g".into(),
                width: 1280,
                height: 720,
            }),
            ..subject()
        };
        let text = text(ended(&subject, END));
        for part in [
            r#""renditions":[{"path":"720p30-De5tHs0KuV9g","playlist":"playlist.m3u8","resolution_width":1280,"resolution_height":720}]"#,
            r#""thumbnails":{"path":"media/thumbnails","resolutions":[{"path":"1280x720","resolution_width":1280,"resolution_height":720}]}"#,
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert!(!text.contains("session_id") && !text.contains("participant_id"));
    }

    #[test]
    fn a_failed_start_says_why_and_has_no_media() {
        let text = text(start_failed(&subject(), "no such bucket"));
        assert!(text.ends_with(
            r#""recording_status":"RECORDING_START_FAILED","recording_status_message":"no such bucket"}"#
        ));
        assert!(!text.contains("started_at") && !text.contains("media\":"));
    }
}
