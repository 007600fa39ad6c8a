//! Recordings: ListRecordings, GetRecording, PauseRecording, ResumeRecording and GetRecordingUrl, which are restage's own.

use restage_api::shape::{
    ByRecordingRequest, GetRecordingUrlResponse, ListRecordingsRequest, ListRecordingsResponse,
    RecordingResponse, RecordingShape, RecordingUrl,
};
use restage_api::{ApiError, Extension, Timestamp};
use restage_core::command::Command;
use restage_core::id::{ParticipantId, StageId, Time};
use restage_core::row::{RecordedMedia, Recording, RecordingId};
use restage_core::{Arn, Reply, StageArn};
use restage_node::recording::of_recording;
use restage_storage::playlist_path;
use restage_store::system::clock;
use restage_store::{NamedRecording, Recorded, RecordingFilter};

use super::super::App;
use super::super::api::Caller;
use super::super::playback::LINK_S;
use super::super::playback::composite::{self, Composite};
use super::super::recording;
use super::{Missing, Paging, answer, arn, check_owner, execute, own_region, store_failed};

/// Runs one of restage's own operations.
pub(super) async fn call(
    app: &App,
    caller: &Caller,
    extension: Extension,
    body: &[u8],
) -> Result<String, ApiError> {
    match extension {
        Extension::ListRecordings => list(app, caller, body).await,
        Extension::GetRecording => get(app, caller, body).await,
        Extension::PauseRecording => pause(app, caller, body, true).await,
        Extension::ResumeRecording => pause(app, caller, body, false).await,
        Extension::GetRecordingUrl => url(app, caller, body).await,
    }
}

async fn list(app: &App, caller: &Caller, body: &[u8]) -> Result<String, ApiError> {
    let request = ListRecordingsRequest::parse(body)?;
    let stage = request.stage_arn.as_deref();
    let stage = stage.map(|text| stage_id(caller, text)).transpose()?;
    let filter = RecordingFilter {
        stage,
        of: match (&request.participant_id, &request.user_id) {
            (Some(id), _) => Recorded::Participant(ParticipantId::new(id.as_str())),
            (None, Some(id)) => Recorded::User(id.clone()),
            (None, None) => Recorded::All,
        },
    };
    let filters = request.filters();
    let paging = Paging::new(app, caller, Extension::ListRecordings, &filters);
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
    let last = page
        .rows
        .last()
        .map(|named| (named.row.created_at, named.row.id.as_str()));
    let next_token = paging.next(page.more, last);
    answer(&ListRecordingsResponse {
        recordings: page.rows.iter().map(shape).collect(),
        next_token,
    })
}

/// The stage of the filter. Whether it is there does not matter, because recordings outlive their stages.
fn stage_id(caller: &Caller, text: &str) -> Result<StageId, ApiError> {
    let stage: StageArn = arn("stageArn", text)?;
    check_owner(caller, "stageArn", &stage.account)?;
    own_region(caller, "stageArn", stage.clone())?;
    Ok(stage.id)
}

async fn get(app: &App, caller: &Caller, body: &[u8]) -> Result<String, ApiError> {
    let request = ByRecordingRequest::parse(body)?;
    let named = own(app, caller, &request).await?;
    answer(&RecordingResponse {
        recording: shape(&named),
    })
}

async fn pause(
    app: &App,
    caller: &Caller,
    body: &[u8],
    is_paused: bool,
) -> Result<String, ApiError> {
    let request = ByRecordingRequest::parse(body)?;
    let recording = RecordingId::new(request.recording_id.as_str());
    let region = caller.region.clone();
    let command = match is_paused {
        true => Command::PauseRecording { recording, region },
        false => Command::ResumeRecording { recording, region },
    };
    match execute(app, caller, command).await? {
        Reply::Recording(row) => {
            let names = own(app, caller, &request).await?;
            let named = NamedRecording { row: *row, ..names };
            answer(&RecordingResponse {
                recording: shape(&named),
            })
        }
        _ => Err(ApiError::internal_server(
            "the rules gave no recording for its pause",
        )),
    }
}

async fn url(app: &App, caller: &Caller, body: &[u8]) -> Result<String, ApiError> {
    let request = ByRecordingRequest::parse(body)?;
    let id = RecordingId::new(request.recording_id.as_str());
    let has_playlist = match of_recording(id.as_str()) {
        Some(_) => own_composite(app, caller, &id).await?.may_have_playlist(),
        None => may_have_playlist(&own(app, caller, &request).await?.row),
    };
    let ends_at_s = clock::now().0 / 1_000_000 + LINK_S;
    let url = app.links.url(&id, ends_at_s);
    let playlist_url = has_playlist.then(|| format!("{url}{}", playlist_path()));
    answer(&GetRecordingUrlResponse {
        recording_url: RecordingUrl {
            url,
            playlist_url,
            expiration_time: Timestamp::from_unix_seconds(ends_at_s),
        },
    })
}

/// Whether there is a playlist, or may be one later. None is made where nothing was recorded.
fn may_have_playlist(row: &Recording) -> bool {
    let is_empty = row.state.is_final() && row.duration_ms.is_none_or(|length| length == 0);
    row.settings.media != RecordedMedia::None && !is_empty
}

/// The caller's recording.
async fn own(
    app: &App,
    caller: &Caller,
    request: &ByRecordingRequest,
) -> Result<NamedRecording, ApiError> {
    let id = RecordingId::new(request.recording_id.as_str());
    let found = app.control.store().get_named_recording(&id).await;
    let found = found.map_err(store_failed)?;
    let is_own = |named: &NamedRecording| {
        named.row.account == caller.account && named.row.region == caller.region
    };
    found.filter(is_own).ok_or_else(|| not_found(caller, &id))
}

/// The recording of a destination of one of the caller's compositions.
async fn own_composite(
    app: &App,
    caller: &Caller,
    id: &RecordingId,
) -> Result<Composite, ApiError> {
    let found = composite::find(app, id).await.map_err(store_failed)?;
    let is_own = |found: &Composite| {
        let row = &found.composition;
        row.account == caller.account && row.region == caller.region
    };
    found.filter(is_own).ok_or_else(|| not_found(caller, id))
}

fn not_found(caller: &Caller, id: &RecordingId) -> ApiError {
    let what = format!("recordingId: recording {id} in Region {}", caller.region);
    Missing::NotFound.error(&what)
}

fn shape(named: &NamedRecording) -> RecordingShape {
    let NamedRecording {
        row,
        user_id,
        stage_name,
    } = named;
    let name = |name: &Option<String>| name.clone().filter(|name| !name.is_empty());
    let stage = |id: &StageId| {
        StageArn {
            region: row.region.clone(),
            account: row.account.clone(),
            id: id.clone(),
        }
        .to_string()
    };
    let storage = Arn {
        region: row.region.clone(),
        account: row.account.clone(),
        id: row.storage_configuration().clone(),
    };
    let thumbnails = row.settings.has_thumbnails();
    let time = |time: Time| Timestamp(time.0);
    RecordingShape {
        recording_id: row.id.to_string(),
        stage_arn: stage(&row.stage),
        stage_name: name(stage_name),
        session_id: row.session.to_string(),
        participant_id: row.participant.to_string(),
        user_id: name(user_id),
        source_stage_arn: row.source.as_ref().map(stage),
        storage_configuration_arn: storage.to_string(),
        recording_s3_bucket_name: row.storage.bucket.clone(),
        recording_s3_prefix: row.prefix.clone(),
        recording_state: recording::state(row.state),
        paused: row.paused,
        media_types: vec![recording::media_type(row.settings.media)],
        thumbnail_storage: match thumbnails {
            true => recording::thumbnail_storage(&row.settings.thumbnails),
            false => Vec::new(),
        },
        creation_time: time(row.created_at),
        start_time: row.started_at.map(time),
        end_time: row.ended_at.map(time),
        duration_ms: row.duration_ms,
        status_message: row.message.clone(),
        error_code: row.failure.as_ref().map(|failure| failure.code.word()),
        error_message: row.failure.as_ref().map(|failure| failure.reason.clone()),
    }
}
