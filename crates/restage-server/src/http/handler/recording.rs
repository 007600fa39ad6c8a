//! ListRecordings, GetRecording, PauseRecording, ResumeRecording, which the service does not have.

use restage_api::extension::{
    Extension, ListRecordingsRequest, ListRecordingsResponse, RecordingRequest, RecordingResponse,
};
use restage_api::{ApiError, Call};
use restage_core::row::{Recording, RecordingId};
use restage_core::{Command, Reply, StageArn};
use restage_store::RecordingFilter;

use super::super::App;
use super::super::api::Caller;
use super::super::view;
use super::{Missing, Paging, answer, arn, check_owner, execute, store_failed};

pub(super) async fn call(
    app: &App,
    caller: &Caller,
    extension: Extension,
    body: &[u8],
) -> Result<String, ApiError> {
    match extension {
        Extension::ListRecordings => list(app, caller, body).await,
        Extension::GetRecording => get(app, caller, body).await,
        Extension::PauseRecording | Extension::ResumeRecording => {
            let pauses = extension == Extension::PauseRecording;
            pause(app, caller, body, pauses).await
        }
    }
}

async fn list(app: &App, caller: &Caller, body: &[u8]) -> Result<String, ApiError> {
    let request = ListRecordingsRequest::parse(body)?;
    let stage = match &request.stage_arn {
        Some(text) => {
            let stage: StageArn = arn("stageArn", text)?;
            check_owner(caller, "stageArn", &stage.account)?;
            Some(stage.id)
        }
        None => None,
    };
    let filter = RecordingFilter {
        stage,
        participant: request.participant_id.as_deref().map(Into::into),
    };
    let filters = request.filters();
    let call = Call::Extension(Extension::ListRecordings);
    let paging = Paging::new(app, caller, call, &filters);
    let before = paging.start(request.next_token.as_deref())?;
    let page = app
        .control
        .store()
        .list_recordings(
            &caller.account,
            &caller.region,
            &filter,
            before,
            request.max_results,
        )
        .await
        .map_err(store_failed)?;
    let last = page.rows.last();
    let last = last.map(|row| (row.created_at, row.id.as_str()));
    let next_token = paging.next(page.more, last);
    answer(&ListRecordingsResponse {
        recordings: page.rows.iter().map(view::recording).collect(),
        next_token,
    })
}

async fn get(app: &App, caller: &Caller, body: &[u8]) -> Result<String, ApiError> {
    let request = RecordingRequest::parse(body)?;
    let id = RecordingId::new(request.recording_id);
    let row = app.control.store().get_recording(&id).await;
    let is_own = |row: &Recording| row.account == caller.account && row.region == caller.region;
    let row = row.map_err(store_failed)?.filter(is_own).ok_or_else(|| {
        Missing::NotFound.error(&format!("recording {id} in region {}", caller.region))
    })?;
    answer(&RecordingResponse {
        recording: view::recording(&row),
    })
}

async fn pause(app: &App, caller: &Caller, body: &[u8], pauses: bool) -> Result<String, ApiError> {
    let request = RecordingRequest::parse(body)?;
    let recording = RecordingId::new(request.recording_id);
    let region = caller.region.clone();
    let command = match pauses {
        true => Command::PauseRecording { recording, region },
        false => Command::ResumeRecording { recording, region },
    };
    match execute(app, caller, command).await? {
        Reply::Recording(row) => answer(&RecordingResponse {
            recording: view::recording(&row),
        }),
        _ => Err(ApiError::internal_server(
            "the rules gave no recording for an operation on one",
        )),
    }
}
