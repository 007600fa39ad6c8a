//! Whether a participant token would be accepted, as far as that is seen from the token, its signature and its row. Its expiry
//! is the caller's to judge, who sees it in the claims.

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::{Extension, Json};
use http::StatusCode;
use restage_api::Operation;
use restage_node::control::Failure;
use serde::{Deserialize, Serialize};

use super::{Admitted, failed};
use crate::http::App;
use crate::http::refusal::Refusal;

/// Longest text that is looked at, in bytes. Tokens are shorter.
const TOKEN_LEN_MAX: usize = 16 * 1024;

#[derive(Deserialize)]
pub(super) struct InspectRequest {
    token: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InspectReply {
    /// Reasons why it would be refused; empty if none was found.
    refused_because: Vec<String>,
}

pub(super) async fn inspect(
    State(app): State<App>,
    Extension(admitted): Extension<Admitted>,
    request: Result<Json<InspectRequest>, JsonRejection>,
) -> Result<Json<InspectReply>, Refusal> {
    admitted.permit(&[Operation::GetStage, Operation::GetParticipant])?;
    let Json(InspectRequest { token }) = request
        .map_err(|rejected| Refusal::new(rejected.status(), "INVALID", rejected.body_text()))?;
    if token.len() > TOKEN_LEN_MAX {
        let message = format!("a token has at most {TOKEN_LEN_MAX} bytes");
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "INVALID", message));
    }
    let claims = match app.control.verify(token.trim()).await {
        Ok(claims) => claims,
        Err(error) => {
            let message = Refusal::from(error).to_json()["message"].take();
            let message = message.as_str().unwrap_or_default().to_owned();
            return Ok(Json(InspectReply {
                refused_because: vec![message],
            }));
        }
    };
    // What is of other accounts is not told.
    if claims.stage.account != admitted.account() {
        return Ok(Json(InspectReply {
            refused_because: vec!["its stage is of another account".to_owned()],
        }));
    }
    let store = app.control.store();
    let stage = store.get_stage(&claims.stage.id).await;
    let row = store
        .get_token(&claims.stage.id, &claims.participant)
        .await
        .map_err(|error| failed(Failure::from(error)))?;
    let mut refused_because = Vec::new();
    match stage.map_err(|error| failed(Failure::from(error)))? {
        None => refused_because.push("its stage was deleted, or never existed".to_owned()),
        Some(_) if row.is_some_and(|row| row.revoked_at.is_some()) => {
            refused_because.push("DisconnectParticipant has revoked it".to_owned());
        }
        Some(_) => {}
    }
    Ok(Json(InspectReply { refused_because }))
}
