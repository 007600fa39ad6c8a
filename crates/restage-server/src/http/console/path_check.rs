//! The stage in which the console's page tries the paths of media, from the browser it runs in.
//!
//! A path is tried by publishing over it, so each check has a stage of its own with a token. The page ends it; a stage
//! whose page does not, such as one that was closed, ends by time.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::StatusCode;
use restage_api::{ApiError, Operation};
use restage_store::system::clock;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{Admitted, Where};
use crate::http::api::{self, Caller};
use crate::http::metrics::RequestId;
use crate::http::{App, handler};

/// Checks at a time.
const CHECKS_MAX: usize = 8;
/// How long a check may take; then its stage is deleted.
const CHECK_MAX: Duration = Duration::from_secs(180);
/// A check that has taken this long was most probably given up with its page: if there is no room for another one, it ends.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(30);
/// The name of such a stage.
const NAME: &str = "restage-path-check";
/// The tag of such a stage. It tells it from a stage that somebody else has given this name.
const TAG: &str = "restage:path-check";
/// Most pages of stages that are looked at for those which a server that ended has left.
const PAGES_MAX: usize = 20;
/// Stages of a page: the most that ListStages gives.
const PAGE_STAGES: u32 = 100;
/// Life of the token, in minutes. It matters only when joining.
const TOKEN_MIN: u32 = 5;

/// The checks in progress.
#[derive(Default)]
pub struct PathChecks {
    /// The ARNs of their stages and when they began, the oldest first.
    stages: Mutex<Vec<(String, Instant)>>,
    /// Held while one begins, since another one would take its stage for one that was left.
    begins: tokio::sync::Mutex<()>,
}

impl PathChecks {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(String, Instant)>> {
        self.stages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes room for one more: the oldest check ends if it was given up, and its stage is returned. The caller holds `begins` until the
    /// new one has begun.
    ///
    /// # Errors
    /// As many as there may be are in progress, and none of them is old enough.
    fn admit(&self, now: Instant) -> Result<Option<String>, ApiError> {
        let mut stages = self.lock();
        if stages.len() < CHECKS_MAX {
            return Ok(None);
        }
        let age = now.saturating_duration_since(stages[0].1);
        if age >= GIVEN_UP_AFTER {
            return Ok(Some(stages.remove(0).0));
        }
        Err(ApiError::throttling(format!(
            "{CHECKS_MAX} checks of the network run already; try again in {} seconds",
            (GIVEN_UP_AFTER - age).as_secs() + 1
        )))
    }

    fn begin(&self, now: Instant, arn: &str) {
        self.lock().push((arn.to_owned(), now));
    }

    /// Whether the check was in progress.
    fn end(&self, arn: &str) -> bool {
        let mut stages = self.lock();
        let before = stages.len();
        stages.retain(|(stage, _)| stage != arn);
        stages.len() < before
    }

    fn has(&self, arn: &str) -> bool {
        self.lock().iter().any(|(stage, _)| stage == arn)
    }
}

/// What the page needs for a check.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Check {
    stage_arn: String,
    /// A participant token with the capability PUBLISH.
    token: String,
    /// The path of WHIP on the page's origin.
    whip_url: String,
    /// The server's clock, in milliseconds since 1970.
    now_ms: i64,
    /// Whether this server's listeners serve TLS.
    has_tls: bool,
}

/// Begins a check: makes its stage and its token.
pub(super) async fn begin(
    State(app): State<App>,
    Extension(admitted): Extension<Admitted>,
    Extension(request_id): Extension<RequestId>,
    place: Result<Query<Where>, QueryRejection>,
) -> Response {
    let outcome = async {
        let place = place.map_or_else(|_| Where::default(), |Query(place)| place);
        let caller = admitted.caller(place.region)?;
        admitted.may(Operation::CreateStage.into())?;
        app.throttle
            .admit(&caller, Operation::CreateStage, clock::steady())?;
        let _begins = app.path_checks.begins.lock().await;
        if let Some(given_up) = app.path_checks.admit(Instant::now())? {
            let region = restage_core::StageArn::parse(&given_up).map(|stage| stage.region);
            let region = region.unwrap_or_else(|| caller.region.clone());
            delete(
                &app,
                &Caller {
                    region,
                    ..caller.clone()
                },
                &given_up,
            )
            .await?;
        }
        remove_left(&app, &caller).await?;
        create(&app, &caller).await
    };
    match outcome.await {
        Ok(check) => Json(check).into_response(),
        Err(error) => api::refuse(&app, &request_id, error).await,
    }
}

/// The parts of CreateStage's answer that are read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    stage: CreatedStage,
    participant_tokens: Vec<CreatedToken>,
}

#[derive(Deserialize)]
struct CreatedStage {
    arn: String,
}

#[derive(Deserialize)]
struct CreatedToken {
    token: String,
}

async fn create(app: &App, caller: &Caller) -> Result<Check, ApiError> {
    let wished = serde_json::json!({
        "name": NAME,
        "tags": { TAG: "deleted when the check ends" },
        "participantTokenConfigurations": [
            { "userId": NAME, "capabilities": ["PUBLISH"], "duration": TOKEN_MIN },
        ],
    });
    let created: Created = operate(app, caller, Operation::CreateStage, &wished).await?;
    let arn = created.stage.arn;
    app.path_checks.begin(Instant::now(), &arn);
    end_by_time(app.clone(), caller.clone(), arn.clone());
    let [token] = <[CreatedToken; 1]>::try_from(created.participant_tokens)
        .map_err(|_| ApiError::internal_server("the stage was created without its token"))?;
    Ok(Check {
        stage_arn: arn,
        token: token.token,
        whip_url: format!("{}/whip", app.base_path),
        now_ms: clock::now().0 / 1000,
        has_tls: app.secure.is_some(),
    })
}

fn end_by_time(app: App, caller: Caller, arn: String) {
    tokio::spawn(async move {
        tokio::time::sleep(CHECK_MAX).await;
        if app.path_checks.end(&arn)
            && let Err(error) = delete(&app, &caller, &arn).await
        {
            tracing::warn!(%arn, %error, "the stage of a check of the network could not be deleted");
        }
    });
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ending {
    stage_arn: String,
}

/// Ends a check: deletes its stage.
pub(super) async fn end(
    State(app): State<App>,
    Extension(admitted): Extension<Admitted>,
    Extension(request_id): Extension<RequestId>,
    body: Bytes,
) -> Response {
    let outcome = async {
        let Ending { stage_arn } = serde_json::from_slice(&body)
            .map_err(|_| ApiError::validation("stageArn must be the ARN of a check's stage"))?;
        let stage = restage_core::StageArn::parse(&stage_arn)
            .filter(|stage| stage.account == admitted.account())
            .filter(|_| app.path_checks.end(&stage_arn))
            .ok_or_else(|| ApiError::resource_not_found("no such check is in progress"))?;
        let caller = Caller {
            account: stage.account,
            region: stage.region,
        };
        delete(&app, &caller, &stage_arn).await
    };
    match outcome.await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => api::refuse(&app, &request_id, error).await,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    stages: Vec<ListedStage>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
struct ListedStage {
    arn: String,
    #[serde(default)]
    tags: std::collections::BTreeMap<String, String>,
}

/// Deletes the stages of checks that a server which ended has left.
async fn remove_left(app: &App, caller: &Caller) -> Result<(), ApiError> {
    let mut left = Vec::new();
    let mut next_token = None;
    for _ in 0..PAGES_MAX {
        let mut wished = serde_json::json!({ "maxResults": PAGE_STAGES });
        if let Some(token) = next_token {
            wished["nextToken"] = token;
        }
        let listed: Listed = operate(app, caller, Operation::ListStages, &wished).await?;
        let of_checks = listed.stages.into_iter();
        left.extend(of_checks.filter(|stage| stage.tags.contains_key(TAG)));
        next_token = listed.next_token.map(serde_json::Value::String);
        if next_token.is_none() {
            break;
        }
    }
    for stage in left {
        if !app.path_checks.has(&stage.arn) {
            delete(app, caller, &stage.arn).await?;
        }
    }
    Ok(())
}

async fn delete(app: &App, caller: &Caller, arn: &str) -> Result<(), ApiError> {
    let wished = serde_json::json!({ "arn": arn });
    let _: serde_json::Value = operate(app, caller, Operation::DeleteStage, &wished).await?;
    Ok(())
}

/// Runs an operation of the API with its own checks, and reads its answer.
async fn operate<T: for<'de> Deserialize<'de>>(
    app: &App,
    caller: &Caller,
    operation: Operation,
    wished: &serde_json::Value,
) -> Result<T, ApiError> {
    let body = wished.to_string();
    let input = handler::Input {
        path: "",
        query: "",
        body: body.as_bytes(),
    };
    let answer = Box::pin(handler::call(app, caller, operation.into(), input)).await?;
    serde_json::from_slice(&answer.body)
        .map_err(|error| ApiError::internal_server(format!("{}: {error}", operation.name())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_that_was_given_up_makes_room_and_one_in_progress_does_not() {
        let checks = PathChecks::default();
        let begun = Instant::now();
        for place in 0..CHECKS_MAX {
            assert_eq!(checks.admit(begun).unwrap(), None);
            checks.begin(begun, &format!("stage {place}"));
        }
        let soon = begun + Duration::from_secs(12);
        let refused = checks.admit(soon).unwrap_err();
        assert!(
            refused.message.ends_with("try again in 19 seconds"),
            "{refused:?}"
        );
        let later = begun + GIVEN_UP_AFTER;
        assert_eq!(checks.admit(later).unwrap().as_deref(), Some("stage 0"));
        assert!(!checks.end("stage 0") && checks.end("stage 1"));
        assert_eq!(checks.admit(later).unwrap(), None);
    }
}
