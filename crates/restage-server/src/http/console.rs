//! The console: plain pages and the calls they make: listing participants, tokens for watching, and the few
//! operations of the API that its key permits. For operators: what is counted of media connections, and what compositions show.

mod compositions;
mod files;
mod path_check;
mod state;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use restage_api::shape::MAX_BODY_BYTES;
use restage_api::{Action, ApiError, Extension as Own, Operation};
use restage_core::StageArn;
use restage_core::command::{Command, NewToken};
use restage_core::row::Capabilities;
use restage_node::control::{Control, Failure};
use restage_node::token::Grant;
use restage_store::system::{clock, ids};
use serde::{Deserialize, Serialize};

use super::api::{self, Caller};
use super::metrics::RequestId;
use super::refusal::{InForm, Refusal};
use super::statistics;
use super::{App, handler};

use files::{FILES, page};
pub use path_check::PathChecks;

/// Life of a watcher's token, in seconds; it matters only when joining.
const WATCH_TOKEN_S: u32 = 300;
/// Region for a new stage while no stage exists: the default of AWS's tools.
const DEFAULT_REGION: &str = "us-east-1";
/// Longest name of a Region, in characters.
pub(super) const REGION_LEN_MAX: usize = 32;
/// The operations that the console's key permits.
const ACTIONS: [Action; 16] = [
    Action::Operation(Operation::ListStages),
    Action::Operation(Operation::CreateStage),
    Action::Operation(Operation::CreateParticipantToken),
    Action::Operation(Operation::StartParticipantReplication),
    Action::Operation(Operation::StopParticipantReplication),
    Action::Operation(Operation::DisconnectParticipant),
    Action::Operation(Operation::ListCompositions),
    Action::Operation(Operation::GetComposition),
    Action::Operation(Operation::StartComposition),
    Action::Operation(Operation::StopComposition),
    Action::Operation(Operation::ListStorageConfigurations),
    Action::Operation(Operation::ListEncoderConfigurations),
    Action::Extension(Own::ListRecordings),
    Action::Extension(Own::PauseRecording),
    Action::Extension(Own::ResumeRecording),
    Action::Extension(Own::GetRecordingUrl),
];
/// The user id of viewers in the console.
const WATCHER: &str = "console";

/// The console's key: the page sends it as bearer token, and the address that is printed at start contains it.
#[derive(Clone)]
pub struct ConsoleKey(String);

impl ConsoleKey {
    /// Wraps the key.
    pub fn new(key: String) -> Self {
        Self(key)
    }

    /// The key, for the URL that the server prints.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    fn opens(&self, headers: &HeaderMap) -> bool {
        let given = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "))
            .unwrap_or_default();
        aws_lc_rs::constant_time::verify_slices_are_equal(given.as_bytes(), self.0.as_bytes())
            .is_ok()
    }
}

/// Routes of the console.
pub(super) fn routes(app: &App) -> Router<App> {
    let pages = FILES
        .iter()
        .fold(Router::new(), |router, (name, kind, text)| {
            router.route(
                &format!("/console/{name}"),
                get(move |State(app): State<App>| async move { page(&app, kind, text) }),
            )
        });
    let admitted = from_fn_with_state(Arc::clone(app), admit);
    let state = get(state::state).route_layer(admitted.clone());
    let connections = get(statistics::connections).route_layer(admitted.clone());
    let compositions = get(compositions::list).route_layer(admitted.clone());
    let watch = post(watch).route_layer(admitted.clone());
    let begin_check = post(path_check::begin).route_layer(admitted.clone());
    let end_check = post(path_check::end).route_layer(admitted.clone());
    let call = post(call).route_layer(admitted);
    pages
        .route("/console", get(at_root))
        .route("/console/api/state", state)
        .route("/console/api/connections", connections)
        .route("/console/api/compositions", compositions)
        .route("/console/api/watch", watch)
        .route("/console/api/path-check", begin_check)
        .route("/console/api/path-check/end", end_check)
        .route("/console/api/call/{operation}", call)
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

/// Checks the console's key, and reads the body of the call.
async fn admit(
    State(app): State<App>,
    Extension(request_id): Extension<RequestId>,
    request: Request,
    next: Next,
) -> Response {
    if !app.door.hosts().are_asking(request.headers()) {
        return Refusal::foreign().into_response();
    }
    if let Err(refusal) = authorize(&app, request.headers()) {
        return refusal.into_response();
    }
    let (parts, body) = request.into_parts();
    match app.door.bodies().read(body, MAX_BODY_BYTES).await {
        Ok(held) => {
            let body = axum::body::Body::from(held.bytes.clone());
            next.run(Request::from_parts(parts, body)).await
        }
        Err(incomplete) => api::refuse(&app, &request_id, incomplete.into()).await,
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
    request: Result<Json<WatchRequest>, JsonRejection>,
) -> Result<Json<WatchReply>, Refusal> {
    let Json(request) = request
        .map_err(|rejected| Refusal::new(rejected.status(), "INVALID", rejected.body_text()))?;
    let stage = StageArn::parse(&request.stage_arn).ok_or_else(|| {
        Refusal::new(
            StatusCode::BAD_REQUEST,
            "INVALID",
            "stageArn must be a stage ARN",
        )
    })?;
    let token = watch_token(&app.control, &app.account, &stage)
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

/// Calls an operation of the API in a Region of the console's account, with the operation's own body, answer and
/// refusals.
async fn call(
    State(app): State<App>,
    Extension(request_id): Extension<RequestId>,
    Path(name): Path<String>,
    place: Result<Query<Where>, QueryRejection>,
    body: Bytes,
) -> Response {
    let action = ACTIONS.into_iter().find(|action| action.name() == name);
    let outcome = async {
        let action = action.ok_or_else(not_the_consoles)?;
        let place = place.map_or_else(|_| Where::default(), |Query(place)| place);
        let caller = Caller {
            account: app.account.clone(),
            region: region(place.region)?,
        };
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
        "The console's key may call {names} and no other operation."
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

fn authorize(app: &App, headers: &HeaderMap) -> Result<(), Refusal> {
    if app.console_key.opens(headers) {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::UNAUTHORIZED,
        "CONSOLE_KEY",
        "open the console by the address the server printed when it started, or give it the key from \
         console.key in the server's data directory",
    ))
}

fn failed(error: Failure) -> Refusal {
    restage_node::control::JoinError::Control(error).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_key_opens_the_console() {
        let key = ConsoleKey::new("k3y".to_owned());
        let headers = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, http::HeaderValue::from_static(value));
            headers
        };
        assert!(key.opens(&headers("Bearer k3y")));
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer k3",
            "Bearer k3yy",
            "k3y",
            "Basic k3y",
        ] {
            assert!(!key.opens(&headers(wrong)), "{wrong:?}");
        }
        assert!(!key.opens(&HeaderMap::new()));
    }

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
