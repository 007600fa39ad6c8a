//! Recordings: the requests and answers of restage's own operations, which the service's model does not have.

use serde::Serialize;

use super::{MediaType, RecordingState, ThumbnailStorage};
use crate::error::ApiError;
use crate::generated::constraint::{PAGINATION_TOKEN, PARTICIPANT_ID, STAGE_ARN, USER_ID};
use crate::read::{Body, Pattern, Range, Text};
use crate::time::Timestamp;

const RECORDING_ID: Text = Text::new(1, 64, Pattern::Word);
const RESULTS: Range = Range::new(1, 100);
const RESULTS_DEFAULT: u32 = 50;

/// Input of ListRecordings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListRecordingsRequest {
    /// `stageArn`: only recordings of this stage, which may have been deleted.
    pub stage_arn: Option<String>,
    /// `participantId`: only recordings of this participant, 1–64 characters.
    pub participant_id: Option<String>,
    /// `userId`: only recordings of participants with this user id, 1–128 characters. Not with `participantId`.
    pub user_id: Option<String>,
    /// `nextToken`: `None` for the first page.
    pub next_token: Option<String>,
    /// `maxResults`: 1–100, 50 unless given.
    pub max_results: u32,
}

impl ListRecordingsRequest {
    /// Parses a body.
    ///
    /// # Errors
    /// As [`Request::parse`](super::Request::parse).
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        let participant_id = members.text("participantId", &PARTICIPANT_ID)?;
        let participant_id = participant_id.filter(|id| !id.is_empty());
        let user_id = members.text("userId", &USER_ID)?;
        let user_id = user_id.filter(|id| !id.is_empty());
        if participant_id.is_some() && user_id.is_some() {
            return Err(ApiError::validation(
                "userId must not be there together with participantId",
            ));
        }
        Ok(Self {
            stage_arn: members.text("stageArn", &STAGE_ARN)?,
            participant_id,
            user_id,
            next_token: members.page_token(&PAGINATION_TOKEN)?,
            max_results: members.max_results(RESULTS_DEFAULT, RESULTS)?,
        })
    }

    /// The members that a page token of this request is bound to, besides account and Region.
    pub fn filters(&self) -> [(&'static str, &str); 3] {
        [
            ("stageArn", self.stage_arn.as_deref().unwrap_or_default()),
            (
                "participantId",
                self.participant_id.as_deref().unwrap_or_default(),
            ),
            ("userId", self.user_id.as_deref().unwrap_or_default()),
        ]
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

/// Input of GetRecording, PauseRecording, ResumeRecording and GetRecordingUrl.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ByRecordingRequest {
    /// `recordingId`: 1–64 characters.
    pub recording_id: String,
}

impl ByRecordingRequest {
    /// Parses a body.
    ///
    /// # Errors
    /// As [`Request::parse`](super::Request::parse).
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let recording_id = body.members().required_text("recordingId", &RECORDING_ID)?;
        Ok(Self { recording_id })
    }
}

/// Output of GetRecording, PauseRecording and ResumeRecording.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[allow(missing_docs)]
pub struct RecordingResponse {
    pub recording: RecordingShape,
}

/// A recording.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordingShape {
    /// Its id: 22 alphanumerics.
    pub recording_id: String,
    /// The stage in which the participant was recorded. It may have been deleted.
    pub stage_arn: String,
    /// Its name, if it has one and was not deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage_name: Option<String>,
    /// The stage session in which the recording began.
    pub session_id: String,
    /// The participant.
    pub participant_id: String,
    /// The participant's user id, if it has one and the participant is still known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// For a replica, the stage that the participant joined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_stage_arn: Option<String>,
    /// Where it goes. It may have been deleted since the recording ended.
    pub storage_configuration_arn: String,
    /// The bucket.
    pub recording_s3_bucket_name: String,
    /// The beginning of the keys of all objects, without a slash at its end.
    pub recording_s3_prefix: String,
    /// The progress; never DISABLED.
    pub recording_state: RecordingState,
    /// Nothing is captured until the recording is resumed.
    pub paused: bool,
    /// Sound and pictures, sound alone, or nothing but thumbnails (`mediaTypes` of the stage).
    pub media_types: Vec<MediaType>,
    /// The ways in which thumbnails are stored; empty if there are none.
    pub thumbnail_storage: Vec<ThumbnailStorage>,
    /// When it was asked for.
    pub creation_time: Timestamp,
    /// When the capture began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Timestamp>,
    /// When the capture ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Timestamp>,
    /// The length of what was recorded, in milliseconds; there when everything is in the bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// A remark for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_message: Option<String>,
    /// The kind of failure, if it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<&'static str>,
    /// Why it failed, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
}

/// Output of GetRecordingUrl.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct GetRecordingUrlResponse {
    pub recording_url: RecordingUrl,
}

/// URLs under which the objects of a recording can be read. Whoever has one needs no signature.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordingUrl {
    /// The URL to which the path of an object below the prefix is appended; it ends in a slash.
    pub url: String,
    /// The playlist for players; absent if neither sound nor picture is recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub playlist_url: Option<String>,
    /// When the URLs stop working.
    pub expiration_time: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    #[test]
    fn a_list_has_filters_and_pages() {
        let plain = ListRecordingsRequest::parse(b"").unwrap();
        assert_eq!((plain.max_results, plain.stage_arn), (50, None));
        let arn = "arn:aws:ivs:eu-west-1:111122223333:stage/hT5vN1cGy8Ud";
        let body = format!(
            r#"{{"stageArn":"{arn}","participantId":"Xy7zAb3dEf6h","maxResults":7,"nextToken":"p00"}}"#
        );
        let full = ListRecordingsRequest::parse(body.as_bytes()).unwrap();
        assert_eq!(
            full.filters(),
            [
                ("stageArn", arn),
                ("participantId", "Xy7zAb3dEf6h"),
                ("userId", "")
            ]
        );
        let of_user = ListRecordingsRequest::parse(br#"{"userId":"ann b"}"#).unwrap();
        assert_eq!(of_user.filters()[2], ("userId", "ann b"));
        assert_eq!(full.next_token.as_deref(), Some("p00"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, member) in [
            (r#"{"stageArn":"lobby"}"#, "stageArn"),
            (r#"{"stageArn":""}"#, "stageArn"),
            (r#"{"participantId":"a b"}"#, "participantId"),
            (r#"{"participantId":"a","userId":"b"}"#, "userId"),
            (r#"{"maxResults":0}"#, "maxResults"),
            (r#"{"maxResults":101}"#, "maxResults"),
            (r#"{"nextToken":"a b"}"#, "nextToken"),
        ] {
            let error = ListRecordingsRequest::parse(body.as_bytes()).unwrap_err();
            assert_eq!(error.code, ErrorCode::Validation, "{body}");
            assert!(error.message.starts_with(member), "{body}: {error:?}");
        }
        for body in [
            "",
            "{}",
            r#"{"recordingId":""}"#,
            r#"{"recordingId":"../x"}"#,
        ] {
            let error = ByRecordingRequest::parse(body.as_bytes()).unwrap_err();
            assert!(
                error.message.starts_with("recordingId"),
                "{body}: {error:?}"
            );
        }
    }
}
