//! How the server does, for the operator: whether it is ready, its metrics, and what `restage doctor` finds of a running server.

use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use restage_api::Operation;
use restage_store::system::clock;
use serde::Serialize;

use super::Admitted;
use crate::doctor::{Finding, examine_running};
use crate::http::refusal::Refusal;
use crate::http::{App, readiness};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HealthBody {
    is_ready: bool,
    /// Why it is not ready, or what is to be known although it is.
    sentences: Vec<String>,
    /// The server's clock, in milliseconds since 1970.
    now_ms: i64,
    /// As `/metrics` has them: OpenMetrics text.
    metrics: String,
}

#[derive(Serialize)]
pub(super) struct DoctorBody {
    findings: Vec<Finding>,
}

pub(super) async fn health(
    State(app): State<App>,
    Extension(admitted): Extension<Admitted>,
) -> Result<Json<HealthBody>, Refusal> {
    permit(&app, &admitted)?;
    let (is_ready, sentences) = match readiness(&app).await {
        Ok(sentences) => (true, sentences),
        Err(sentence) => (false, vec![sentence]),
    };
    Ok(Json(HealthBody {
        is_ready,
        sentences,
        now_ms: clock::now().0 / 1_000,
        metrics: app.metrics.render(&app.control).await,
    }))
}

pub(super) async fn doctor(
    State(app): State<App>,
    Extension(admitted): Extension<Admitted>,
) -> Result<Json<DoctorBody>, Refusal> {
    permit(&app, &admitted)?;
    let config = app.config.clone();
    // It reads files and folders.
    let findings = tokio::task::spawn_blocking(move || examine_running(&config));
    let findings = findings.await.map_err(|_| {
        Refusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL",
            "the checks have failed; the server's log says why",
        )
    })?;
    Ok(Json(DoctorBody { findings }))
}

/// The figures are of the whole server, so only who acts for its own account sees them.
fn permit(app: &App, admitted: &Admitted) -> Result<(), Refusal> {
    admitted.permit(&[Operation::ListStages])?;
    match admitted.account() == app.account {
        true => Ok(()),
        false => Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "ACCESS_DENIED",
            "the health of the server is shown to its own account only, and to who has the console's key",
        )),
    }
}
