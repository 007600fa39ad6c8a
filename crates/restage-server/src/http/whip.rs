//! WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): publishing and subscribing over HTTP.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::header::{
    ACCEPT, ALLOW, AUTHORIZATION, CONTENT_TYPE, ETAG, IF_MATCH, LOCATION, RETRY_AFTER, USER_AGENT,
    WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use restage_core::Fault;
use restage_core::id::{ConnectionId, ParticipantId};
use restage_core::row::ConnectionKind;
use restage_media::OfferErrorKind;
use tower_http::cors::{Any, CorsLayer};

use super::App;
use crate::control::{Ending, JoinError, MediaJoin, client_of};
use crate::media::MediaError;

/// An SDP offer or fragment is some kilobytes; simulcast and many codecs make tens.
const SDP_LEN_MAX: usize = 128 * 1024;
const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
const JSON: &str = "application/json";
/// What a session takes by PATCH: trickled candidates and ICE restarts, or a new token.
const PATCHES: &str = "application/trickle-ice-sdpfrag, application/json";
const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");
/// What a session takes.
const SESSION_METHODS: &str = "PATCH, DELETE, OPTIONS";
/// Where the HTTP sessions are.
const SESSIONS: &str = "/whip/sessions/";
/// Said with 503 and 429.
const RETRY_AFTER_S: &str = "1";

/// Routes of the media sessions.
pub(super) fn routes() -> Router<App> {
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods(Any)
        .allow_headers([AUTHORIZATION, CONTENT_TYPE, IF_MATCH, ACCEPT])
        .expose_headers([LOCATION, ETAG, ACCEPT_PATCH])
        .max_age(std::time::Duration::from_secs(3600));
    Router::new()
        .route("/whip", post(publish))
        .route("/whip/publish/{participant}", post(publish_as))
        .route("/whip/subscribe/{participant}", post(subscribe))
        .route("/whep/{participant}", post(subscribe))
        .route(
            "/whip/sessions/{connection}",
            axum::routing::patch(patch).delete(leave).get(look),
        )
        .route_layer(middleware::from_fn(refuse_nul))
        .layer(DefaultBodyLimit::max(SDP_LEN_MAX))
        .layer(cors)
        .layer(middleware::from_fn(advertise))
}

/// No id has the character U+0000, and PostgreSQL cannot be asked about one that has.
pub(super) async fn refuse_nul(request: Request, next: Next) -> Response {
    if request.uri().path().contains("%00") {
        let message = "the path may not contain the character U+0000";
        let body = serde_json::json!({"code": "INVALID_PATH", "message": message});
        return (StatusCode::BAD_REQUEST, axum::Json(body)).into_response();
    }
    next.run(request).await
}

/// Says on OPTIONS what may be posted or patched (RFC 9725 §4.2). The CORS layer answers every OPTIONS
/// by itself, so this stands outside of it.
async fn advertise(request: Request, next: Next) -> Response {
    let is_options = request.method() == Method::OPTIONS;
    let is_session = request.uri().path().starts_with(SESSIONS);
    let mut response = next.run(request).await;
    if is_options {
        let (name, value) = if is_session {
            (ACCEPT_PATCH, PATCHES)
        } else {
            (ACCEPT_POST, SDP)
        };
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn publish(
    State(app): State<App>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    join(&app, &headers, &body, ConnectionKind::Publish, None).await
}

async fn publish_as(
    State(app): State<App>,
    Path(participant): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let expected = Some(ParticipantId::new(participant));
    join(&app, &headers, &body, ConnectionKind::Publish, expected).await
}

async fn subscribe(
    State(app): State<App>,
    Path(publisher): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let kind = ConnectionKind::Subscribe {
        publisher: ParticipantId::new(publisher),
    };
    join(&app, &headers, &body, kind, None).await
}

async fn join(
    app: &App,
    headers: &HeaderMap,
    body: &Bytes,
    kind: ConnectionKind,
    expected: Option<ParticipantId>,
) -> Result<Response, Refusal> {
    let token = bearer(headers)?;
    require_content_type(headers, SDP)?;
    let offer = text(body)?;
    let client = client_of(header(headers, &USER_AGENT).unwrap_or_default());
    let join = MediaJoin {
        token,
        kind,
        expected,
        offer,
        client,
    };
    let joined = app.control.join_media(join).await?;
    let location = format!("{}/whip/sessions/{}", app.base_path, joined.connection);
    Ok((
        StatusCode::CREATED,
        [
            (CONTENT_TYPE, SDP.to_owned()),
            (LOCATION, location),
            (ETAG, joined.entity_tag),
            (ACCEPT_PATCH, PATCHES.to_owned()),
        ],
        joined.answer,
    )
        .into_response())
}

async fn patch(
    State(app): State<App>,
    Path(connection): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let token = bearer(&headers)?;
    if is_exchange(&headers, &body)? {
        let connection = ConnectionId::new(connection);
        let if_match = header(&headers, &IF_MATCH);
        app.control
            .exchange_media(&token, &connection, if_match)
            .await?;
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    require_content_type(&headers, FRAGMENT)?;
    let Some(if_match) = header(&headers, &IF_MATCH) else {
        return Err(Refusal::new(
            StatusCode::PRECONDITION_REQUIRED,
            "PRECONDITION_REQUIRED",
            "send If-Match with the session's entity tag, or * for an ICE restart",
        ));
    };
    let connection = ConnectionId::new(connection);
    let patched = app
        .control
        .patch_media(&token, &connection, if_match, text(&body)?)
        .await?;
    Ok(match patched.restart {
        None => StatusCode::NO_CONTENT.into_response(),
        Some((fragment, tag)) => {
            let headers = [(CONTENT_TYPE, FRAGMENT.to_owned()), (ETAG, tag)];
            (StatusCode::OK, headers, fragment).into_response()
        }
    })
}

/// Whether a PATCH brings a new token, as its bearer, and nothing else: it has no content (whatever type the
/// client's library makes up for that), or a JSON object in which nothing is looked for.
fn is_exchange(headers: &HeaderMap, body: &Bytes) -> Result<bool, Refusal> {
    let kind = header(headers, &CONTENT_TYPE).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if body.is_empty() {
        return Ok(!essence.eq_ignore_ascii_case(FRAGMENT));
    }
    if !essence.eq_ignore_ascii_case(JSON) {
        return Ok(false);
    }
    match serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(body) {
        Ok(_) => Ok(true),
        Err(_) => Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "INVALID",
            "the body must be empty or a JSON object: the new token is the bearer token",
        )),
    }
}

async fn leave(
    State(app): State<App>,
    Path(connection): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let token = bearer(&headers)?;
    let left = app
        .control
        .leave_media(&token, &ConnectionId::new(connection))
        .await?;
    Ok(match left {
        // Media was never up: the client reads here how far it came.
        Some(trouble) => (StatusCode::OK, axum::Json(trouble)).into_response(),
        None => StatusCode::OK.into_response(),
    })
}

/// A session that goes on has nothing to be read (RFC 9725 §4.2); one that has ended says why.
async fn look(
    State(app): State<App>,
    Path(connection): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let token = bearer(&headers)?;
    let connection = ConnectionId::new(connection);
    app.control.look_at_media(&token, &connection).await?;
    let refusal = Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "METHOD_NOT_ALLOWED",
        "the session is open; send PATCH to change it or DELETE to end it",
    );
    Ok(([(ALLOW, SESSION_METHODS)], refusal).into_response())
}

/// A refused request: a status, a code and a sentence.
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    ended: Option<Ending>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            ended: None,
        }
    }
}

impl Refusal {
    pub(super) fn to_json(&self) -> serde_json::Value {
        let mut told = serde_json::json!({ "code": self.code, "message": self.message });
        if let Some(ended) = &self.ended {
            told["ended"] = serde_json::to_value(ended).unwrap_or_default();
        }
        told
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, axum::Json(self.to_json())).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if matches!(
            self.status,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
        ) {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S));
        }
        response
    }
}

impl From<JoinError> for Refusal {
    /// Codes follow the error names of the service's broadcast SDK guide where it has one.
    fn from(error: JoinError) -> Self {
        let message = error.to_string();
        let (status, code) = match &error {
            JoinError::Token(_) => (StatusCode::UNAUTHORIZED, "TOKEN_MALFORMED"),
            JoinError::TooOften(_) => (StatusCode::TOO_MANY_REQUESTS, "TOO_OFTEN"),
            JoinError::Mismatch(_) => (StatusCode::UNPROCESSABLE_ENTITY, "CODEC_MISMATCH"),
            JoinError::NoSession | JoinError::Ended(_) => (StatusCode::NOT_FOUND, "NO_SESSION"),
            JoinError::EntityTag => (StatusCode::PRECONDITION_FAILED, "ENTITY_TAG"),
            JoinError::Media(MediaError::Offer(offer)) => match offer.kind() {
                OfferErrorKind::NoUsableCodec(_) => {
                    (StatusCode::UNPROCESSABLE_ENTITY, "CODEC_MISMATCH")
                }
                OfferErrorKind::Full => (StatusCode::SERVICE_UNAVAILABLE, "BUSY"),
                OfferErrorKind::UnknownPeer => (StatusCode::NOT_FOUND, "NO_SESSION"),
                OfferErrorKind::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "INVALID_SDP"),
                _ => (StatusCode::BAD_REQUEST, "INVALID_SDP"),
            },
            JoinError::Media(MediaError::Busy) => (StatusCode::SERVICE_UNAVAILABLE, "BUSY"),
            JoinError::Control(_) => match error.fault() {
                Some(Fault::TokenRevoked) => (StatusCode::FORBIDDEN, "PARTICIPANT_DISCONNECTED"),
                Some(Fault::TokenInvalid) => (StatusCode::UNAUTHORIZED, "TOKEN_MALFORMED"),
                Some(Fault::TokenExpired) => (StatusCode::UNAUTHORIZED, "TOKEN_EXPIRED"),
                Some(Fault::MissingCapability) => (StatusCode::FORBIDDEN, "TOKEN_NOT_ALLOWED"),
                Some(Fault::Denied) => (StatusCode::FORBIDDEN, "TOKEN_NOT_ALLOWED"),
                Some(Fault::NotFound) => (StatusCode::NOT_FOUND, "NOT_FOUND"),
                Some(Fault::Conflict) => (StatusCode::CONFLICT, "CONFLICT"),
                Some(Fault::Invalid) => (StatusCode::BAD_REQUEST, "INVALID"),
                Some(Fault::LimitExceeded) => {
                    (StatusCode::SERVICE_UNAVAILABLE, "STAGE_AT_CAPACITY")
                }
                None => {
                    tracing::error!(%error, "a join could not be written");
                    let message = "the server could not write the join; try again";
                    return Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", message);
                }
            },
        };
        Self {
            status,
            code,
            message,
            ended: match error {
                JoinError::Ended(ending) => Some(ending),
                _ => None,
            },
        }
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn bearer(headers: &HeaderMap) -> Result<String, Refusal> {
    header(headers, &AUTHORIZATION)
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim().to_owned())
        .filter(|token| !token.is_empty())
        .ok_or_else(|| {
            Refusal::new(
                StatusCode::UNAUTHORIZED,
                "TOKEN_MISSING",
                "send the participant token as Authorization: Bearer <token>",
            )
        })
}

fn require_content_type(headers: &HeaderMap, wanted: &'static str) -> Result<(), Refusal> {
    let given = header(headers, &CONTENT_TYPE).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(wanted) {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "CONTENT_TYPE",
        format!("Content-Type must be {wanted}"),
    ))
}

fn text(body: &Bytes) -> Result<String, Refusal> {
    String::from_utf8(body.to_vec()).map_err(|_| {
        Refusal::new(
            StatusCode::BAD_REQUEST,
            "INVALID_SDP",
            "the body is not UTF-8 text",
        )
    })
}
