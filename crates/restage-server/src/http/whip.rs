//! WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): publishing and subscribing over HTTP.

use axum::extract::{Extension, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, body::Bytes};
use http::header::{
    ACCEPT, ACCESS_CONTROL_EXPOSE_HEADERS, ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, ETAG,
    IF_MATCH, LINK, LOCATION, REFERRER_POLICY, RETRY_AFTER, USER_AGENT, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use restage_core::id::{ConnectionId, ParticipantId};
use restage_core::row::ConnectionKind;
use restage_core::{ConnectionTokenFault, Fault};
use restage_media::{OfferErrorKind, Wish};
use restage_node::control::{Failure, JoinError, MediaJoin, client_of, code_of};
use restage_node::media::MediaError;
use restage_store::StoreError;
use tower_http::cors::{Any, CorsLayer};

use super::App;
use super::address::Id;
use super::bearer;
use super::bearer::{Bearer, SESSIONS, Token};
use super::content::Content;
use super::ice_servers::Told;
use super::if_match::if_match;
use super::metrics::{REQUEST_ID, RequestId};
use super::refusal::Refusal;
use super::wishes::WishOfUrl;
use super::{api, console};

pub(super) const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
const JSON: &str = "application/json";
/// Content types of a session's PATCH: trickled candidates and ICE restarts, or a new token.
const PATCHES: &str = "application/trickle-ice-sdpfrag, application/json";
const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");
/// The header of a resumption secret: in the answer to a new connection, and in requests for later ones.
pub(super) const RESUMPTION: HeaderName = HeaderName::from_static("restage-resumption");
/// The header of the connection token that a new connection carries beside its participant token.
pub(super) const CONNECTION_TOKEN: HeaderName = HeaderName::from_static("restage-connection");
const AMZ_TARGET: HeaderName = HeaderName::from_static("x-amz-target");
/// Request headers that CORS permits: names for browsers that do not know the star, and the star for headers of
/// other libraries. The star does not include `Authorization` (Fetch standard, CORS protocol).
const REQUEST_HEADERS: [HeaderName; 10] = [
    AUTHORIZATION,
    CONTENT_TYPE,
    IF_MATCH,
    ACCEPT,
    RESUMPTION,
    CONNECTION_TOKEN,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("x-requested-with"),
    HeaderName::from_static("*"),
];
/// Response headers that a page may read.
const RESPONSE_HEADERS: [HeaderName; 10] = [
    LOCATION,
    ETAG,
    LINK,
    ALLOW,
    RETRY_AFTER,
    WWW_AUTHENTICATE,
    ACCEPT_PATCH,
    ACCEPT_POST,
    RESUMPTION,
    REQUEST_ID,
];
/// How long a browser may cache a preflight answer.
const PREFLIGHT_AGE: std::time::Duration = std::time::Duration::from_secs(3600);
/// The methods of a session.
const SESSION_METHODS: &str = "PATCH, DELETE, OPTIONS";
/// Paths of the events sockets, and of the sockets of connection tokens.
const SOCKETS: [&str; 2] = ["/events", "/connection"];

/// Routes of the media sessions. AWS's WHIP endpoints are hosts without a path, so the root is a WHIP endpoint too.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(console::at_root).post(publish_at_root))
        .route("/whip", post(publish))
        .route("/whip/publish/{participant}", post(publish_as))
        .route("/whip/subscribe/{participant}", post(subscribe))
        .route("/publish/{participant}", post(publish_as))
        .route("/subscribe/{participant}", post(subscribe))
        .route("/whep/{participant}", post(subscribe))
        .route(
            "/whip/sessions/{connection}",
            axum::routing::patch(patch).delete(leave).get(look),
        )
}

/// Permits pages of any origin to use the endpoints for participants, because the token alone carries the permission.
pub(super) fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods(Any)
        .allow_headers(REQUEST_HEADERS)
        .expose_headers(RESPONSE_HEADERS)
        .max_age(PREFLIGHT_AGE)
}

/// Adds headers: on OPTIONS, the types that may be posted or patched (RFC 9725 §4.2), and the relay for a client that
/// sends its token, because some must know it before they make their offer (§4.6); on every answer, that it must not be
/// cached and that its URL, which may contain a token, must not be sent as referrer (RFC 6750 §2.3, §5.3). The
/// CORS layer answers every OPTIONS itself, so this layer is outside of it.
pub(super) async fn advertise(State(app): State<App>, request: Request, next: Next) -> Response {
    let is_options = request.method() == Method::OPTIONS;
    let token = match is_options && app.control.media().has_relay() {
        true => bearer::of_header(request.headers()).map(str::to_owned),
        false => None,
    };
    let path = request.uri().path();
    let taken = if path.starts_with(SESSIONS) {
        Some((ACCEPT_PATCH, PATCHES))
    } else if SOCKETS.iter().any(|socket| path.starts_with(socket)) {
        None
    } else {
        Some((ACCEPT_POST, SDP))
    };
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if let Some((name, types)) = taken.filter(|_| is_options) {
        headers.insert(name, HeaderValue::from_static(types));
        let credential = match &token {
            Some(token) => app.control.relay_credential(token).await,
            None => Ok(None),
        };
        // A token that is not good is refused when it is used.
        if let Ok(Some(credential)) = credential {
            app.ice_servers.tell(Told::Before, &credential, headers);
            // The CORS layer takes it for the question whether one may ask, whose answer no page reads.
            headers.insert(
                ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static("link"),
            );
        }
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// WHIP at the root. A request for the API at the root, where it has no operation, gets an error in the API's form.
async fn publish_at_root(
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    bearer: Bearer,
    headers: HeaderMap,
    content: Result<Content, Refusal>,
) -> Response {
    let is_signed =
        header(&headers, &AUTHORIZATION).is_some_and(|value| value.starts_with("AWS4-"));
    if is_signed || headers.contains_key(AMZ_TARGET) {
        return api::unknown(&app, &id).await;
    }
    match content {
        Ok(content) => publish(State(app), bearer, headers, content)
            .await
            .into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn publish(
    State(app): State<App>,
    Bearer(token): Bearer,
    headers: HeaderMap,
    Content(body): Content,
) -> Result<Response, Refusal> {
    join(
        &app,
        token?,
        &headers,
        &body.bytes,
        ConnectionKind::Publish,
        None,
        Wish::default(),
    )
    .await
}

async fn publish_as(
    State(app): State<App>,
    Id(participant): Id,
    Bearer(token): Bearer,
    headers: HeaderMap,
    Content(body): Content,
) -> Result<Response, Refusal> {
    let expected = Some(ParticipantId::new(participant));
    let kind = ConnectionKind::Publish;
    let wish = Wish::default();
    join(&app, token?, &headers, &body.bytes, kind, expected, wish).await
}

async fn subscribe(
    State(app): State<App>,
    Id(publisher): Id,
    Bearer(token): Bearer,
    WishOfUrl(wish): WishOfUrl,
    headers: HeaderMap,
    Content(body): Content,
) -> Result<Response, Refusal> {
    let kind = ConnectionKind::Subscribe {
        publisher: ParticipantId::new(publisher),
    };
    let (token, wish) = (token?, wish?);
    join(&app, token, &headers, &body.bytes, kind, None, wish).await
}

async fn join(
    app: &App,
    token: Token,
    headers: &HeaderMap,
    body: &Bytes,
    kind: ConnectionKind,
    expected: Option<ParticipantId>,
    wish: Wish,
) -> Result<Response, Refusal> {
    require_content_type(headers, SDP)?;
    let offer = text(body)?;
    let client = client_of(header(headers, &USER_AGENT).unwrap_or_default());
    // A client that has its token only in a URL needs it in the session's URL too, to end the session.
    let query = match token.is_in_url {
        true => token.query(),
        false => String::new(),
    };
    let connection_token = match bearer::connection_token(headers)? {
        Some(token) => Some(app.control.verify_connection_token(token).await?),
        None => None,
    };
    let join = MediaJoin {
        token: token.text,
        resumption: header(headers, &RESUMPTION).map(str::to_owned),
        kind,
        expected,
        offer,
        client,
        wish,
        connection_token,
    };
    let joined = app.control.join_media(join).await?;
    let location = format!("{}{SESSIONS}{}{query}", app.base_path, joined.connection);
    let mut response = (
        StatusCode::CREATED,
        [
            (CONTENT_TYPE, SDP.to_owned()),
            (LOCATION, location),
            (ETAG, joined.entity_tag),
            (ACCEPT_PATCH, PATCHES.to_owned()),
            (RESUMPTION, joined.resumption),
        ],
        joined.answer,
    )
        .into_response();
    if let Some(credential) = &joined.relay {
        let headers = response.headers_mut();
        app.ice_servers.tell(Told::WithAnswer, credential, headers);
    }
    Ok(response)
}

async fn patch(
    State(app): State<App>,
    Id(connection): Id,
    Bearer(token): Bearer,
    headers: HeaderMap,
    Content(body): Content,
) -> Result<Response, Refusal> {
    let token = token?.text;
    let connection = ConnectionId::new(connection);
    let if_match = if_match(&headers)?;
    if is_exchange(&headers, &body.bytes)? {
        let exchanged = app
            .control
            .exchange_media(&token, &connection, if_match.as_ref())
            .await?;
        let secret = exchanged.resumption.map(|secret| [(RESUMPTION, secret)]);
        return Ok(match secret {
            Some(header) => (StatusCode::NO_CONTENT, header).into_response(),
            None => StatusCode::NO_CONTENT.into_response(),
        });
    }
    require_content_type(&headers, FRAGMENT)?;
    let Some(if_match) = if_match else {
        return Err(Refusal::new(
            StatusCode::PRECONDITION_REQUIRED,
            "PRECONDITION_REQUIRED",
            "send If-Match with the session's entity tag, or * for an ICE restart",
        ));
    };
    let patched = app
        .control
        .patch_media(&token, &connection, &if_match, text(&body.bytes)?)
        .await?;
    Ok(match patched.restart {
        None => StatusCode::NO_CONTENT.into_response(),
        Some((fragment, tag)) => {
            let headers = [(CONTENT_TYPE, FRAGMENT.to_owned()), (ETAG, tag)];
            (StatusCode::OK, headers, fragment).into_response()
        }
    })
}

/// Whether a PATCH is a token exchange: its bearer is the new token, and it has no content (whatever content type the
/// client's library adds to that) or a JSON object, whose members are ignored.
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
    Id(connection): Id,
    Bearer(token): Bearer,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let token = token?.text;
    let connection = ConnectionId::new(connection);
    let if_match = if_match(&headers)?;
    let left = app
        .control
        .leave_media(&token, &connection, if_match.as_ref())
        .await?;
    Ok(match left {
        // Media was never connected; the client gets the reason here.
        Some(trouble) => (StatusCode::OK, axum::Json(trouble)).into_response(),
        None => StatusCode::OK.into_response(),
    })
}

/// Answers a GET. An open session has no representation (RFC 9725 §4.2); one that has ended has its reason.
async fn look(
    State(app): State<App>,
    Id(connection): Id,
    Bearer(token): Bearer,
) -> Result<Response, Refusal> {
    let token = token?.text;
    let connection = ConnectionId::new(connection);
    app.control.look_at_media(&token, &connection).await?;
    Err(Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "METHOD_NOT_ALLOWED",
        "the session is open; send PATCH to change it or DELETE to end it",
    )
    .with(ALLOW, SESSION_METHODS))
}

impl From<JoinError> for Refusal {
    /// Maps errors to codes; they have the error names of the service's broadcast SDK guide where it has one.
    fn from(error: JoinError) -> Self {
        let message = error.to_string();
        let (status, code) = match &error {
            JoinError::Token(_) => (StatusCode::UNAUTHORIZED, "TOKEN_MALFORMED"),
            JoinError::TooOften(_) | JoinError::RestartsTooOften => {
                (StatusCode::TOO_MANY_REQUESTS, "TOO_OFTEN")
            }
            JoinError::AtCapacity => (StatusCode::SERVICE_UNAVAILABLE, "STAGE_AT_CAPACITY"),
            JoinError::Mismatch(_) => (StatusCode::UNPROCESSABLE_ENTITY, "CODEC_MISMATCH"),
            JoinError::NoSession | JoinError::Ended(_) => (StatusCode::NOT_FOUND, "NO_SESSION"),
            JoinError::EntityTag => (StatusCode::PRECONDITION_FAILED, "ENTITY_TAG"),
            JoinError::Restarting => (StatusCode::SERVICE_UNAVAILABLE, "SERVER_RESTART"),
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
                Some(Fault::ConnectionToken(fault)) => (status_of(fault), code_of(fault)),
                Some(Fault::MissingCapability) => (StatusCode::FORBIDDEN, "TOKEN_NOT_ALLOWED"),
                Some(Fault::Denied) => (StatusCode::FORBIDDEN, "TOKEN_NOT_ALLOWED"),
                Some(Fault::NotFound) => (StatusCode::NOT_FOUND, "NOT_FOUND"),
                Some(Fault::Conflict) => (StatusCode::CONFLICT, "CONFLICT"),
                Some(Fault::Invalid) => (StatusCode::BAD_REQUEST, "INVALID"),
                Some(Fault::LimitExceeded) => {
                    (StatusCode::SERVICE_UNAVAILABLE, "STAGE_AT_CAPACITY")
                }
                None if matches!(
                    &error,
                    JoinError::Control(Failure::Store(StoreError::Late { .. }))
                ) =>
                {
                    (StatusCode::SERVICE_UNAVAILABLE, "BUSY")
                }
                None => {
                    tracing::error!(%error, "a join could not be written");
                    let message = "the server could not write the join; try again";
                    return Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", message);
                }
            },
        };
        let refusal = Self::new(status, code, message);
        match error {
            JoinError::Ended(ending) => refusal.of_ended(ending),
            _ => refusal,
        }
    }
}

/// The status of the refusal of a connection token.
const fn status_of(fault: ConnectionTokenFault) -> StatusCode {
    match fault {
        ConnectionTokenFault::Malformed | ConnectionTokenFault::Expired => StatusCode::UNAUTHORIZED,
        ConnectionTokenFault::NotAllowed | ConnectionTokenFault::Revoked => StatusCode::FORBIDDEN,
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

pub(super) fn require_content_type(
    headers: &HeaderMap,
    wanted: &'static str,
) -> Result<(), Refusal> {
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
