//! ListParticipants, GetParticipant, ListParticipantEvents, DisconnectParticipant.

use restage_api::shape::{
    DisconnectParticipantRequest, GetParticipantRequest, GetParticipantResponse,
    ListParticipantEventsRequest, ListParticipantEventsResponse, ListParticipantsRequest,
    ListParticipantsResponse, ParticipantFilter as WireFilter, ParticipantState,
};
use restage_api::{ApiError, Operation, Request as _};
use restage_core::command::Command;
use restage_core::id::{ParticipantId, Time};
use restage_store::ParticipantFilter;

use super::super::App;
use super::super::api::Caller;
use super::super::{recording, view};
use super::session::session_of;
use super::{Missing, Paging, answer, arn, empty, execute, own_region, stage_of, store_failed};

pub(super) async fn list(app: &App, caller: &Caller, body: &[u8]) -> Result<String, ApiError> {
    let request = ListParticipantsRequest::parse(body)?;
    let missing = Missing::Invalid("stageArn");
    let stage = stage_of(app, caller, "stageArn", &request.stage_arn, missing).await?;
    let missing = Missing::Invalid("sessionId");
    let session = session_of(app, &stage, &request.session_id, missing).await?;
    let filter = match request.filter.clone() {
        None => ParticipantFilter::None,
        Some(WireFilter::UserId(user_id)) => ParticipantFilter::UserId(user_id),
        Some(WireFilter::Published(published)) => ParticipantFilter::Published(published),
        Some(WireFilter::State(state)) => {
            ParticipantFilter::Connected(state == ParticipantState::Connected)
        }
        Some(WireFilter::RecordingState(state)) => {
            ParticipantFilter::RecordingState(recording::filtered(state))
        }
    };
    let filters = request.filters();
    let paging = Paging::new(app, caller, Operation::ListParticipants, &filters);
    let after = paging.start(request.next_token.as_deref())?;
    let page = app
        .control
        .store()
        .list_participants(&session.id, &filter, after, request.max_results)
        .await
        .map_err(store_failed)?;
    let last = page
        .rows
        .last()
        .map(|found| (found.row.first_joined_at, found.row.id.as_str()));
    let next_token = paging.next(page.more, last);
    let participants = page
        .rows
        .iter()
        .map(|row| view::participant_summary(&stage, row))
        .collect();
    answer(&ListParticipantsResponse {
        participants,
        next_token,
    })
}

pub(super) async fn get(app: &App, caller: &Caller, body: &[u8]) -> Result<String, ApiError> {
    let request = GetParticipantRequest::parse(body)?;
    let stage = stage_of(
        app,
        caller,
        "stageArn",
        &request.stage_arn,
        Missing::NotFound,
    )
    .await?;
    let session = session_of(app, &stage, &request.session_id, Missing::NotFound).await?;
    let participant = app
        .control
        .store()
        .get_participant(
            &session.id,
            &ParticipantId::new(request.participant_id.as_str()),
        )
        .await
        .map_err(store_failed)?
        .ok_or_else(|| {
            Missing::NotFound.error(&format!(
                "participant {} of this session",
                request.participant_id
            ))
        })?;
    answer(&GetParticipantResponse {
        participant: view::participant(&stage, &participant),
    })
}

pub(super) async fn events(app: &App, caller: &Caller, body: &[u8]) -> Result<String, ApiError> {
    let request = ListParticipantEventsRequest::parse(body)?;
    let missing = Missing::Invalid("stageArn");
    let stage = stage_of(app, caller, "stageArn", &request.stage_arn, missing).await?;
    let missing = Missing::Invalid("sessionId");
    let session = session_of(app, &stage, &request.session_id, missing).await?;
    let filters = request.filters();
    let paging = Paging::new(app, caller, Operation::ListParticipantEvents, &filters);
    // A history is ordered by its sequence number alone.
    let after = paging.start::<Unused>(request.next_token.as_deref())?;
    let after = after.map_or(0, |(sequence, _)| sequence.0);
    let participant = ParticipantId::new(request.participant_id.as_str());
    let page = app
        .control
        .store()
        .list_events(&session.id, &participant, after, request.max_results)
        .await
        .map_err(store_failed)?;
    let last = page.rows.last().map(|row| (Time(row.seq), ""));
    let next_token = paging.next(page.more, last);
    let events = page
        .rows
        .iter()
        .map(|row| view::event(&stage, &row.event))
        .collect();
    answer(&ListParticipantEventsResponse { events, next_token })
}

pub(super) async fn disconnect(
    app: &App,
    caller: &Caller,
    body: &[u8],
) -> Result<String, ApiError> {
    let request = DisconnectParticipantRequest::parse(body)?;
    let stage = arn("stageArn", &request.stage_arn)?;
    own_region(caller, "stageArn", stage.clone())?;
    if let Some(reason) = &request.reason {
        tracing::info!(
            participant = request.participant_id,
            reason,
            "disconnecting"
        );
    }
    let participant = ParticipantId::new(request.participant_id);
    execute(
        app,
        caller,
        Command::DisconnectParticipant { stage, participant },
    )
    .await?;
    empty()
}

/// The id part of a position that has none.
struct Unused;

impl From<&str> for Unused {
    fn from(_: &str) -> Self {
        Self
    }
}
