//! Operations that the service does not have: `POST /restage/<name>`, signed, permitted and answered like the service's.

use std::fmt;

use serde::Serialize;

use crate::error::ApiError;
use crate::generated::constraint::{PAGINATION_TOKEN, STAGE_ARN};
use crate::operation::Operation;
use crate::read::{Body, Pattern, Range, Text};
use crate::time::Timestamp;

/// Where the extensions are.
const PATH: &str = "/restage/";
/// Any participant id: those of self-signed tokens have hyphens and underscores, too.
const PARTICIPANT: Text = Text::new(1, 64, Pattern::Word);
/// The id of a recording.
const RECORDING: Text = Text::new(1, 64, Pattern::Word);
/// Recordings of a page.
const MAX_RECORDING_RESULTS: Range = Range::new(1, 100);

/// An operation that only restage has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Extension {
    /// Lists recordings, newest first.
    ListRecordings,
    /// One recording.
    GetRecording,
    /// Captures nothing until the recording is resumed.
    PauseRecording,
    /// Captures again.
    ResumeRecording,
}

impl Extension {
    /// Every extension.
    pub const ALL: &'static [Self] = &[
        Self::ListRecordings,
        Self::GetRecording,
        Self::PauseRecording,
        Self::ResumeRecording,
    ];

    /// Its name, which is also the last part of its path.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ListRecordings => "ListRecordings",
            Self::GetRecording => "GetRecording",
            Self::PauseRecording => "PauseRecording",
            Self::ResumeRecording => "ResumeRecording",
        }
    }

    /// The extension of a request line. `path` is the path without a query.
    pub fn resolve(method: &str, path: &str) -> Option<Self> {
        let name = path.strip_prefix(PATH).filter(|_| method == "POST")?;
        Self::ALL.iter().copied().find(|one| one.name() == name)
    }
}

/// What a signed request calls.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Call {
    /// An operation of the service.
    Operation(Operation),
    /// An operation that only restage has.
    Extension(Extension),
}

impl Call {
    /// What a request line calls; `None` if nothing that is implemented.
    pub fn resolve(method: &str, path: &str) -> Option<Self> {
        let operation = Operation::resolve(method, path).map(Self::Operation);
        operation.or_else(|| Extension::resolve(method, path).map(Self::Extension))
    }

    /// Everything that can be called.
    pub fn all() -> impl Iterator<Item = Self> {
        let operations = Operation::BUILT.iter().copied().map(Self::Operation);
        operations.chain(Extension::ALL.iter().copied().map(Self::Extension))
    }

    /// The name of the operation.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operation(operation) => operation.name(),
            Self::Extension(extension) => extension.name(),
        }
    }
}

impl From<Operation> for Call {
    fn from(operation: Operation) -> Self {
        Self::Operation(operation)
    }
}

impl From<Extension> for Call {
    fn from(extension: Extension) -> Self {
        Self::Extension(extension)
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Input of ListRecordings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListRecordingsRequest {
    /// `stageArn`: only recordings of this stage, which may have been deleted.
    pub stage_arn: Option<String>,
    /// `participantId`: only recordings of this participant, 1–64 of `[A-Za-z0-9_-]`.
    pub participant_id: Option<String>,
    /// `nextToken`: `None` for the first page.
    pub next_token: Option<String>,
    /// `maxResults`: 1–100, 50 unless given.
    pub max_results: u32,
}

impl ListRecordingsRequest {
    /// Parses a body.
    ///
    /// # Errors
    /// As [`Request::parse`](crate::Request::parse).
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            stage_arn: members.text("stageArn", &STAGE_ARN)?,
            participant_id: members.text("participantId", &PARTICIPANT)?,
            next_token: members.page_token(&PAGINATION_TOKEN)?,
            max_results: members.max_results(50, MAX_RECORDING_RESULTS)?,
        })
    }

    /// The members that a page token of this request is bound to, besides account and Region.
    pub fn filters(&self) -> Vec<(&'static str, &str)> {
        let stage = self.stage_arn.as_deref().map(|arn| ("stageArn", arn));
        let participant = self.participant_id.as_deref();
        let participant = participant.map(|id| ("participantId", id));
        stage.into_iter().chain(participant).collect()
    }
}

/// Input of GetRecording, PauseRecording and ResumeRecording.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordingRequest {
    /// `recordingId`: 1–64 of `[A-Za-z0-9_-]`.
    pub recording_id: String,
}

impl RecordingRequest {
    /// Parses a body.
    ///
    /// # Errors
    /// As [`Request::parse`](crate::Request::parse).
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        Ok(Self {
            recording_id: body.members().required_text("recordingId", &RECORDING)?,
        })
    }
}

/// Output of ListRecordings.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct ListRecordingsResponse {
    pub recordings: Vec<RecordingShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// Output of GetRecording, PauseRecording and ResumeRecording.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct RecordingResponse {
    pub recording: RecordingShape,
}

/// A recording. Times that are not known yet are left out, as is what is empty.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordingShape {
    /// The id.
    pub recording_id: String,
    /// The stage in which it was made.
    pub stage_arn: String,
    /// The stage session in which it began.
    pub session_id: String,
    /// The participant that is recorded.
    pub participant_id: String,
    /// Of a replica, the stage that the participant joined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_stage_arn: Option<String>,
    /// STARTING, ACTIVE, STOPPING, STOPPED or FAILED.
    pub state: &'static str,
    /// Whether it is paused.
    pub paused: bool,
    /// The storage configuration.
    pub storage_configuration_arn: String,
    /// The bucket.
    pub bucket_name: String,
    /// The beginning of the keys of its objects.
    pub prefix: String,
    /// AUDIO_VIDEO, AUDIO_ONLY or NONE.
    pub media_type: &'static str,
    /// When it was asked for.
    pub creation_time: Timestamp,
    /// When the capture began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Timestamp>,
    /// When the capture ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Timestamp>,
    /// The length in milliseconds, when everything is in the bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// Remarks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_message: Option<String>,
    /// The kind of failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<&'static str>,
    /// The reason of the failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_called_by_post_alone() {
        for &one in Extension::ALL {
            let path = format!("/restage/{}", one.name());
            assert_eq!(Call::resolve("POST", &path), Some(one.into()));
            assert_eq!(Call::resolve("GET", &path), None);
            assert_eq!(Call::resolve("POST", &format!("/{}", one.name())), None);
        }
        assert_eq!(Call::resolve("POST", "/restage/"), None);
        assert_eq!(Call::resolve("POST", "/restage/GetStage"), None);
        let stage = Call::Operation(Operation::GetStage);
        assert_eq!(Call::resolve("POST", "/GetStage"), Some(stage));
    }

    #[test]
    fn what_is_asked_of_recordings_keeps_rules() {
        let all = ListRecordingsRequest::parse(b"").unwrap();
        assert_eq!((all.max_results, all.filters().len()), (50, 0));
        let body = br#"{"stageArn":"arn:aws:ivs:eu-west-1:111122223333:stage/hT5vN1cGy8Ud","participantId":"own_1","maxResults":100}"#;
        assert_eq!(
            ListRecordingsRequest::parse(body).unwrap().filters().len(),
            2
        );
        for bad in [
            r#"{"stageArn":"x"}"#,
            r#"{"participantId":""}"#,
            r#"{"maxResults":101}"#,
        ] {
            assert!(
                ListRecordingsRequest::parse(bad.as_bytes()).is_err(),
                "{bad}"
            );
        }
        for bad in ["{}", r#"{"recordingId":""}"#, r#"{"recordingId":"../x"}"#] {
            let error = RecordingRequest::parse(bad.as_bytes()).unwrap_err();
            assert!(error.message.starts_with("recordingId"), "{error:?}");
        }
    }
}
