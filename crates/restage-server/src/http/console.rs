//! The console: a plain page, and the two calls it makes.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use restage_core::StageArn;
use restage_core::command::{Command, NewToken};
use restage_core::row::{Attributes, Capabilities, Participant, Replication};
use serde::{Deserialize, Serialize};

use super::App;
use super::refusal::Refusal;
use crate::control::{Control, Failure};
use crate::token::Grant;
use crate::{clock, ids};

/// A watcher's token lives this long; it matters only when joining.
const WATCH_TOKEN_S: u32 = 300;
/// Stages shown. More than this is not for looking at.
const STAGES_SHOWN_MAX: u32 = 200;
/// Participants shown per stage.
const PARTICIPANTS_SHOWN_MAX: u32 = 100;
/// The user id of people watching in the console.
const WATCHER: &str = "console";

/// What the page sends as bearer token; printed once at start.
#[derive(Clone)]
pub struct ConsoleKey(String);

impl ConsoleKey {
    /// A fresh key.
    pub fn fresh() -> Self {
        Self(ids::secret(24))
    }

    /// For the URL the server prints.
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

/// The files of the page: name under `/console/`, type, text.
const FILES: [(&str, &str, &str); 10] = [
    (
        "",
        "text/html; charset=utf-8",
        include_str!("../../console/index.html"),
    ),
    (
        "style.css",
        "text/css; charset=utf-8",
        include_str!("../../console/style.css"),
    ),
    (
        "icon.svg",
        "image/svg+xml",
        include_str!("../../console/icon.svg"),
    ),
    ("main.js", SCRIPT, include_str!("../../console/main.js")),
    ("api.js", SCRIPT, include_str!("../../console/api.js")),
    ("stages.js", SCRIPT, include_str!("../../console/stages.js")),
    ("wall.js", SCRIPT, include_str!("../../console/wall.js")),
    (
        "publish.js",
        SCRIPT,
        include_str!("../../console/publish.js"),
    ),
    (
        "client.js",
        SCRIPT,
        include_str!("../../../../js/client/src/client.js"),
    ),
    (
        "stats.js",
        SCRIPT,
        include_str!("../../../../js/client/src/stats.js"),
    ),
];
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Routes of the console.
pub(super) fn routes() -> Router<App> {
    let pages = FILES
        .iter()
        .fold(Router::new(), |router, (name, kind, text)| {
            router.route(
                &format!("/console/{name}"),
                get(move |State(app): State<App>| async move { page(&app, kind, text) }),
            )
        });
    pages
        .route("/console", get(at_root))
        .route("/console/api/state", get(state))
        .route("/console/api/watch", post(watch))
}

/// Leads to the console, by the path that browsers see.
pub(super) async fn at_root(State(app): State<App>) -> Redirect {
    Redirect::temporary(&format!("{}/console/", app.base_path))
}

/// Nothing is fetched from elsewhere but the URLs that tokens carry, which may have another host name
/// than the console was opened by.
fn page(app: &App, kind: &'static str, text: &'static str) -> Response {
    let policy = format!(
        "default-src 'self'; connect-src 'self' {whip} {whip}/; \
         media-src 'self' blob: mediastream:; frame-ancestors 'none'",
        whip = app.endpoints.whip
    );
    let headers = [
        (CONTENT_TYPE, kind.to_owned()),
        (CONTENT_SECURITY_POLICY, policy),
        (CACHE_CONTROL, "no-cache".to_owned()),
    ];
    (headers, text).into_response()
}

#[derive(Serialize)]
struct StateBody {
    stages: Vec<StageBody>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StageBody {
    arn: String,
    name: String,
    active_session_id: Option<String>,
    participants: Vec<ParticipantBody>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ParticipantBody {
    participant_id: String,
    user_id: String,
    attributes: Attributes,
    state: &'static str,
    publishing: bool,
    replication_type: &'static str,
    replication_state: Option<&'static str>,
    source_stage_arn: Option<String>,
}

async fn state(State(app): State<App>, headers: HeaderMap) -> Result<Json<StateBody>, Refusal> {
    authorize(&app, &headers)?;
    let store = app.control.store();
    let stages = store
        .list_live_stages(&app.account, STAGES_SHOWN_MAX)
        .await
        .map_err(|error| failed(error.into()))?;
    let mut bodies = Vec::with_capacity(stages.len());
    for stage in stages {
        let arn = |id: &restage_core::id::StageId| {
            StageArn {
                region: stage.region.clone(),
                account: stage.account.clone(),
                id: id.clone(),
            }
            .to_string()
        };
        let participants = match &stage.active_session {
            None => Vec::new(),
            Some(session) => {
                store
                    .list_participants(
                        session,
                        &crate::store::ParticipantFilter::Connected(true),
                        None,
                        PARTICIPANTS_SHOWN_MAX,
                    )
                    .await
                    .map_err(|error| failed(error.into()))?
                    .rows
            }
        };
        bodies.push(StageBody {
            arn: arn(&stage.id),
            name: stage.name.clone(),
            active_session_id: stage.active_session.as_ref().map(ToString::to_string),
            participants: participants
                .iter()
                .map(|one| participant(one, &arn))
                .collect(),
        });
    }
    Ok(Json(StateBody { stages: bodies }))
}

fn participant(
    row: &Participant,
    arn: &impl Fn(&restage_core::id::StageId) -> String,
) -> ParticipantBody {
    let state_of = |active: bool| Some(if active { "ACTIVE" } else { "STOPPED" });
    let (replication_type, replication_state, source_stage_arn) = match &row.replication {
        Replication::None => ("NONE", None, None),
        Replication::Source { active } => ("SOURCE", state_of(*active), None),
        Replication::Replica {
            active,
            source_stage,
            ..
        } => ("REPLICA", state_of(*active), Some(arn(source_stage))),
    };
    ParticipantBody {
        participant_id: row.id.to_string(),
        user_id: row.user_id.clone(),
        attributes: row.attributes.clone(),
        state: if row.connected {
            "CONNECTED"
        } else {
            "DISCONNECTED"
        },
        publishing: row.publishing,
        replication_type,
        replication_state,
        source_stage_arn,
    }
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
}

async fn watch(
    State(app): State<App>,
    headers: HeaderMap,
    request: Result<Json<WatchRequest>, JsonRejection>,
) -> Result<Json<WatchReply>, Refusal> {
    authorize(&app, &headers)?;
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
    let whep_url = format!("{}/whep", app.base_path);
    Ok(Json(WatchReply { token, whep_url }))
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

fn authorize(app: &App, headers: &HeaderMap) -> Result<(), Refusal> {
    if app.console_key.opens(headers) {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::UNAUTHORIZED,
        "CONSOLE_KEY",
        "open the console by the address the server printed when it started",
    ))
}

fn failed(error: Failure) -> Refusal {
    crate::control::JoinError::Control(error).into()
}
