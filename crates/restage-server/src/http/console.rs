//! The console: its pages and the calls they make: listing participants, tokens for watching, and the operations of the
//! API that its key permits. For operators: what is counted of media connections, and what compositions show.

mod admission;
mod compositions;
mod files;
mod health;
mod path_check;
mod state;
mod token;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Extension, Json, Router};
use http::StatusCode;
use restage_api::{Action, ApiError, Extension as Own, Operation};
use restage_core::StageArn;
use restage_core::command::{Command, NewToken};
use restage_core::row::Capabilities;
use restage_node::control::{Control, Failure};
use restage_node::token::Grant;
use restage_store::system::{clock, ids};
use serde::{Deserialize, Serialize};

use super::api;
use super::metrics::RequestId;
use super::refusal::{InForm, Refusal};
use super::statistics;
use super::{App, handler};

pub(super) use admission::Admitted;
pub use admission::ConsoleKey;
use files::{files, page};
pub use path_check::PathChecks;

/// Life of a watcher's token, in seconds; it matters only when joining.
const WATCH_TOKEN_S: u32 = 300;
/// Region for a new stage while no stage exists: the default of AWS's tools.
const DEFAULT_REGION: &str = "us-east-1";
/// Longest name of a Region, in characters.
pub(super) const REGION_LEN_MAX: usize = 32;
/// The operations that the console's key permits: those for which there are pages.
const ACTIONS: [Action; 36] = [
    Action::Operation(Operation::ListStages),
    Action::Operation(Operation::GetStage),
    Action::Operation(Operation::CreateStage),
    Action::Operation(Operation::UpdateStage),
    Action::Operation(Operation::DeleteStage),
    Action::Operation(Operation::CreateParticipantToken),
    Action::Operation(Operation::DisconnectParticipant),
    Action::Operation(Operation::ListStageSessions),
    Action::Operation(Operation::GetStageSession),
    Action::Operation(Operation::ListParticipants),
    Action::Operation(Operation::GetParticipant),
    Action::Operation(Operation::ListParticipantEvents),
    Action::Operation(Operation::StartParticipantReplication),
    Action::Operation(Operation::StopParticipantReplication),
    Action::Operation(Operation::ListParticipantReplicas),
    Action::Operation(Operation::ListCompositions),
    Action::Operation(Operation::GetComposition),
    Action::Operation(Operation::StartComposition),
    Action::Operation(Operation::StopComposition),
    Action::Operation(Operation::ListStorageConfigurations),
    Action::Operation(Operation::ListEncoderConfigurations),
    Action::Operation(Operation::ListIngestConfigurations),
    Action::Operation(Operation::GetIngestConfiguration),
    Action::Operation(Operation::CreateIngestConfiguration),
    Action::Operation(Operation::UpdateIngestConfiguration),
    Action::Operation(Operation::DeleteIngestConfiguration),
    Action::Operation(Operation::ListPublicKeys),
    Action::Operation(Operation::GetPublicKey),
    Action::Operation(Operation::ImportPublicKey),
    Action::Operation(Operation::DeletePublicKey),
    Action::Operation(Operation::RevokeConnectionToken),
    Action::Extension(Own::ListRecordings),
    Action::Extension(Own::GetRecording),
    Action::Extension(Own::PauseRecording),
    Action::Extension(Own::ResumeRecording),
    Action::Extension(Own::GetRecordingUrl),
];
/// The user id of viewers in the console.
const WATCHER: &str = "console";

/// Routes of the console.
pub(super) fn routes(app: &App) -> Router<App> {
    let pages = files().into_iter().fold(Router::new(), |router, file| {
        router.route(
            &format!("/console/{}", file.path),
            get(move |State(app): State<App>| async move { page(&app, file) }),
        )
    });
    let admitted = |route: MethodRouter<App>| {
        route.route_layer(from_fn_with_state(Arc::clone(app), admission::admit))
    };
    pages
        .route("/console", get(at_root))
        .route("/console/api/state", admitted(get(state::state)))
        .route(
            "/console/api/connections",
            admitted(get(statistics::connections)),
        )
        .route(
            "/console/api/compositions",
            admitted(get(compositions::list)),
        )
        .route("/console/api/health", admitted(get(health::health)))
        .route("/console/api/doctor", admitted(get(health::doctor)))
        .route("/console/api/token", admitted(post(token::inspect)))
        .route("/console/api/watch", admitted(post(watch)))
        .route("/console/api/path-check", admitted(post(path_check::begin)))
        .route(
            "/console/api/path-check/end",
            admitted(post(path_check::end)),
        )
        .route("/console/api/call/{operation}", admitted(post(call)))
        .layer(DefaultBodyLimit::disable())
        .route_layer(from_fn_with_state(Arc::clone(app), under_own_name))
}

/// Answers requests only under this server's own names.
pub(super) async fn under_own_name(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Response {
    match app.door.hosts().are_meant(request.headers()) {
        true => next.run(request).await,
        false => Refusal::elsewhere().into_response(),
    }
}

/// Redirects to the console, with the path that browsers see.
pub(super) async fn at_root(State(app): State<App>) -> Redirect {
    Redirect::temporary(&format!("{}/console/", app.base_path))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WatchRequest {
    stage_arn: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WatchReply {
    token: String,
    whep_url: String,
    events_url: String,
}

async fn watch(
    State(app): State<App>,
    Extension(admitted): Extension<Admitted>,
    request: Result<Json<WatchRequest>, JsonRejection>,
) -> Result<Json<WatchReply>, Refusal> {
    admitted.permit(&[Operation::CreateParticipantToken])?;
    let Json(request) = request
        .map_err(|rejected| Refusal::new(rejected.status(), "INVALID", rejected.body_text()))?;
    let stage = StageArn::parse(&request.stage_arn).ok_or_else(|| {
        Refusal::new(
            StatusCode::BAD_REQUEST,
            "INVALID",
            "stageArn must be a stage ARN",
        )
    })?;
    let token = watch_token(&app.control, admitted.account(), &stage)
        .await
        .map_err(failed)?;
    Ok(Json(WatchReply {
        token,
        whep_url: format!("{}/whep", app.base_path),
        events_url: format!("{}/events/{}", app.base_path, stage.id),
    }))
}

async fn watch_token(
    control: &Control,
    account: &str,
    stage: &StageArn,
) -> Result<String, Failure> {
    let participant = ids::participant();
    let now = clock::now();
    let expires_at = now.plus_seconds(WATCH_TOKEN_S);
    let token = NewToken {
        participant: participant.clone(),
        expires_at,
    };
    let command = Command::CreateParticipantToken {
        stage: stage.clone(),
        token,
    };
    control.execute(account, command).await?;
    let grant = Grant {
        participant: &participant,
        stage,
        user_id: WATCHER,
        attributes: &BTreeMap::new(),
        capabilities: Capabilities {
            publish: false,
            subscribe: true,
        },
        issued_at: now,
        expires_at,
    };
    control.tokens().sign(&grant).map_err(|error| {
        Failure::Refused(restage_core::Error::new(
            restage_core::Fault::Conflict,
            error.to_string(),
        ))
    })
}

#[derive(Default, Deserialize)]
struct Where {
    #[serde(default)]
    region: String,
}

/// Calls an operation of the API in the caller's account, with the operation's own body, answer and refusals.
async fn call(
    State(app): State<App>,
    Extension(admitted): Extension<Admitted>,
    Extension(request_id): Extension<RequestId>,
    Path(name): Path<String>,
    place: Result<Query<Where>, QueryRejection>,
    body: Bytes,
) -> Response {
    let action = ACTIONS.into_iter().find(|action| action.name() == name);
    let outcome = async {
        let action = action.ok_or_else(not_the_consoles)?;
        let place = place.map_or_else(|_| Where::default(), |Query(place)| place);
        let caller = admitted.caller(place.region)?;
        admitted.may(action)?;
        app.throttle.admit(&caller, action, clock::steady())?;
        let input = handler::Input {
            path: "",
            query: "",
            body: &body,
        };
        let answer = Box::pin(handler::call(&app, &caller, action, input)).await?;
        Ok(answer.body)
    };
    let response = api::answer(&app, action, &request_id.0, outcome).await;
    let mut response = response.map(axum::body::Body::new);
    response.extensions_mut().insert(InForm);
    response
}

fn not_the_consoles() -> ApiError {
    let names = ACTIONS.map(Action::name).join(", ");
    ApiError::access_denied(format!(
        "The console may call {names} and no other operation."
    ))
}

/// Whether a name has the form of a Region's.
pub(super) fn is_region(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=REGION_LEN_MAX).contains(&name.len()) && name.bytes().all(plain)
}

fn region(name: String) -> Result<String, ApiError> {
    if is_region(&name) {
        return Ok(name);
    }
    Err(ApiError::validation(format!(
        "region must be 1 to {REGION_LEN_MAX} lower-case letters, digits and hyphens, such as {DEFAULT_REGION}"
    )))
}

fn failed(error: Failure) -> Refusal {
    restage_node::control::JoinError::Control(error).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_plain_names() {
        for good in ["eu-west-1", "us-east-1", "x"] {
            assert_eq!(region(good.to_owned()).unwrap(), good);
        }
        let long = "x".repeat(REGION_LEN_MAX + 1);
        for bad in ["", "EU", "eu_west", "a/b", "\u{e9}", &long] {
            let message = region(bad.to_owned()).unwrap_err().message;
            assert!(message.starts_with("region must be"), "{bad:?}: {message}");
        }
    }
}
