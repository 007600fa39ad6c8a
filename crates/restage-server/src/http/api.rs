//! The API: a request's way from the socket to its operation and back (rest-json).

use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, StatusCode};
use restage_api::sigv4::{self, SignedRequest};
use restage_api::{ApiError, ErrorCode, Operation, RESPONSE_HEADERS};
use tracing::Instrument as _;
use tracing::field::Empty;

use super::{App, handler};
use crate::{clock, ids};

/// The largest request the model allows is a CreateStage with 12 full tokens and 50 full tags.
const BODY_LEN_MAX: usize = restage_api::shape::MAX_BODY_BYTES;
/// The region of requests that name none (only with `--auth none`).
const DEFAULT_REGION: &str = "us-east-1";

/// Who asks, and where.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) account: String,
    pub(super) region: String,
}

/// Serves every request no other route knows.
pub(super) async fn serve(State(app): State<App>, request: Request) -> Response {
    let began = Instant::now();
    let request_id = ids::request();
    let operation = Operation::resolve(request.method().as_str(), request.uri().path());
    let name = operation.map(Operation::name);
    let span = tracing::info_span!("api", %request_id, operation = name, error = Empty);
    let outcome = match operation {
        Some(operation) => {
            call(&app, operation, request)
                .instrument(span.clone())
                .await
        }
        None => Err(Operation::unknown()),
    };
    let code = outcome.as_ref().err().map(|error| error.code.name());
    span.record("error", code);
    app.metrics.api_request(name, code, began.elapsed());
    let _entered = span.enter();
    if let Err(error) = &outcome
        && error.code == ErrorCode::InternalServer
    {
        tracing::error!(%error, "failed");
    }
    tracing::debug!("answered");
    respond(outcome, &request_id)
}

async fn call(app: &App, operation: Operation, request: Request) -> Result<String, ApiError> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, BODY_LEN_MAX)
        .await
        .map_err(|_| {
            ApiError::request_entity_too_large(format!(
                "the request body must be at most {BODY_LEN_MAX} bytes"
            ))
        })?;
    let caller = authenticate(app, &parts, &body)?;
    handler::call(app, &caller, operation, &body).await
}

fn authenticate(app: &App, parts: &http::request::Parts, body: &[u8]) -> Result<Caller, ApiError> {
    let headers: Vec<(String, String)> = parts
        .headers
        .iter()
        .map(|(name, value)| {
            (
                name.as_str().to_owned(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect();
    let region = match &app.credentials {
        None => scope_region(&headers).unwrap_or_else(|| DEFAULT_REGION.to_owned()),
        Some(credentials) => {
            let signed = SignedRequest {
                method: parts.method.as_str(),
                path: parts.uri.path(),
                query: parts.uri.query().unwrap_or_default(),
                headers: &headers,
                body,
            };
            let now_s = clock::now().0 / 1_000_000;
            let lookup =
                |key: &str| (key == credentials.access_key).then(|| credentials.secret_key.clone());
            sigv4::verify(&signed, now_s, lookup)?.region
        }
    };
    Ok(Caller {
        account: app.account.clone(),
        region,
    })
}

/// The region of a credential scope, unverified.
fn scope_region(headers: &[(String, String)]) -> Option<String> {
    let (_, value) = headers.iter().find(|(name, _)| name == "authorization")?;
    let (_, rest) = value.split_once("Credential=")?;
    let region = rest.split('/').nth(2)?;
    let plain = region
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    (plain && !region.is_empty() && region.len() <= 32).then(|| region.to_owned())
}

fn respond(outcome: Result<String, ApiError>, request_id: &str) -> Response {
    let (status, body, error) = match outcome {
        Ok(body) => (StatusCode::OK, body, None),
        Err(error) => {
            let status = StatusCode::from_u16(error.code.status())
                .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, error.to_json(), Some(error.code.name()))
        }
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in RESPONSE_HEADERS {
        if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    if let Some(code) = error {
        headers.insert("x-amzn-errortype", HeaderValue::from_static(code));
    }
    if let Ok(value) = HeaderValue::from_str(request_id) {
        headers.insert("x-amzn-requestid", value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scope_names_the_region() {
        let header = |value: &str| vec![("authorization".to_owned(), value.to_owned())];
        let text = "AWS4-HMAC-SHA256 Credential=AK/20261123/eu-west-1/ivs/aws4_request, Sig";
        assert_eq!(scope_region(&header(text)).as_deref(), Some("eu-west-1"));
        assert_eq!(scope_region(&header("Bearer x")), None);
        assert_eq!(scope_region(&header("Credential=a/b/../c")), None);
        assert_eq!(scope_region(&[]), None);
    }
}
