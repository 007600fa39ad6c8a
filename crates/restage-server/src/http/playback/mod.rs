//! Recordings for players: `GET /recordings/<link>/<path>`, where the path is that of an object below the recording's prefix.

pub(in crate::http) mod composite;
mod link;
mod range;
mod seats;

use axum::extract::{Path, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use http::header::{
    ACCEPT_RANGES, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL,
    CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ORIGIN, REFERRER_POLICY,
    VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use restage_core::row::RecordingId;
use restage_node::control::{Failure, JoinError};
use restage_node::recording::of_recording;
use restage_storage::bucket::{Asked, ContentType, Object};
use restage_storage::{BucketError, RecordingPlace};
use restage_store::StoreError;
use restage_store::system::clock;

use super::App;
use super::address::LinkInUrl;
use super::door::Client;
use super::refusal::Refusal;
use link::LinkError;
use seats::{Busy, Pace, Seat};

pub use link::RecordingLinks;
pub(in crate::http) use link::{LINK_S, RECORDINGS};
pub use seats::RecordingSeats;

/// The routes. The link is not in the path any more: [`address::conceal`](super::address::conceal) has taken it out.
pub(super) fn routes(app: &App) -> Router<App> {
    Router::new()
        .route("/recordings/{*path}", get(serve))
        .route_layer(from_fn_with_state(App::clone(app), guard))
}

/// Headers of every answer: what is recorded is a stranger's, so that a browser takes it for nothing but what it is, shows it to
/// pages of this server only, keeps it nowhere and tells its address to nobody.
async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(ORIGIN).cloned();
    let origin = origin.filter(|_| app.door.hosts().are_asking(request.headers()));
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "private, no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
        (VARY, "Origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        let exposed = HeaderValue::from_static("Content-Range, Content-Length, Accept-Ranges");
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
    response
}

async fn serve(
    State(app): State<App>,
    link: Option<Extension<LinkInUrl>>,
    client: Option<Extension<Client>>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let link = link.map(|Extension(link)| link).unwrap_or_default();
    let (recording, place) = recording_of(&app, &link).await?;
    let reader = client.and_then(|Extension(client)| client.key);
    let seat = app.seats.take(&recording, reader).map_err(|busy| {
        let message = match busy {
            Busy::Client => {
                "your address reads as many objects of recordings as one may; ask again"
            }
            Busy::Recording => {
                "as many objects of this recording are being read as may be; ask again"
            }
        };
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "BUSY", message)
    })?;
    let asked = range::asked(&headers);
    match app.reader.read(&place, &path, asked).await {
        Ok(object) => Ok(answer(object, &path, asked, seat)),
        Err(error) => Err(
            match unsatisfied(&app, &place, &path, asked, &error).await {
                Some(size) => return Ok(out_of_range(size)),
                None => refused(error),
            },
        ),
    }
}

/// The recording of a link, and where it is.
async fn recording_of(
    app: &App,
    link: &LinkInUrl,
) -> Result<(RecordingId, RecordingPlace), Refusal> {
    let now_s = clock::now().0 / 1_000_000;
    let forbidden = |code, message| Err(Refusal::new(StatusCode::FORBIDDEN, code, message));
    let id = match app.links.open(link.reveal(), now_s) {
        Ok(id) => id,
        Err(LinkError::Invalid) => {
            return forbidden(
                "LINK_INVALID",
                "this is not a link to a recording of this server; ask GetRecordingUrl for one",
            );
        }
        Err(LinkError::Expired) => {
            return forbidden(
                "LINK_EXPIRED",
                "this link to a recording has ended; ask GetRecordingUrl for a new one",
            );
        }
    };
    let place = place_of(app, &id).await;
    let place = place.map_err(|error| Refusal::from(JoinError::Control(Failure::from(error))))?;
    let place = place.ok_or_else(|| {
        let message = "the recording of this link is not known any more";
        Refusal::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)
    })?;
    Ok((id, place))
}

/// Where the recording of a participant, or of a destination of a composition, is.
async fn place_of(app: &App, id: &RecordingId) -> Result<Option<RecordingPlace>, StoreError> {
    if of_recording(id.as_str()).is_some() {
        let found = composite::find(app, id).await?;
        return Ok(found.map(|found| found.place()));
    }
    let found = app.control.store().get_recording(id).await?;
    Ok(found.map(|recording| RecordingPlace {
        recording: recording.id.to_string(),
        account: recording.account,
        region: recording.region,
        bucket: recording.storage.bucket,
        prefix: recording.prefix,
    }))
}

fn answer(object: Object, path: &str, asked: Asked, seat: Seat) -> Response {
    let Object { size, range, bytes } = object;
    let kind = HeaderValue::from_static(ContentType::of_key(path).as_str());
    let mut response = Response::new(seats::body(bytes, seat, Pace::default()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CONTENT_LENGTH, (range.end - range.start).into());
    if asked != Asked::Whole {
        let last = range.end.saturating_sub(1);
        let text = format!("bytes {}-{last}/{size}", range.start);
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(CONTENT_RANGE, value);
        }
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    response
}

/// The size of an object that has none of the bytes that are asked for; `None` if that is not why it could not be read.
async fn unsatisfied(
    app: &App,
    place: &RecordingPlace,
    path: &str,
    asked: Asked,
    error: &BucketError,
) -> Option<u64> {
    let is_likely = matches!(error, BucketError::Invalid(_) | BucketError::Rejected(_));
    if asked == Asked::Whole || !is_likely {
        return None;
    }
    let whole = app.reader.read(place, path, Asked::Whole).await.ok()?;
    asked.of(whole.size).is_err().then_some(whole.size)
}

fn out_of_range(size: u64) -> Response {
    let message = format!("the object has {size} bytes, and none of those that Range names");
    let refusal = Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, "RANGE", message);
    let mut response = refusal.into_response();
    if let Ok(value) = HeaderValue::try_from(format!("bytes */{size}")) {
        response.headers_mut().insert(CONTENT_RANGE, value);
    }
    response
}

/// The refusal for an object that could not be read. The bucket's own words are for the log, because whoever has a link need not
/// know where buckets are.
fn refused(error: BucketError) -> Refusal {
    let (status, code, message) = match &error {
        BucketError::NoObject(_) | BucketError::Invalid(_) => (
            StatusCode::NOT_FOUND,
            "NOT_FOUND",
            "the recording has no object at this path; one that it had was removed, or its bucket is in another place now",
        ),
        BucketError::NotFound(_)
        | BucketError::Denied(_)
        | BucketError::Unauthenticated(_)
        | BucketError::Rejected(_) => (
            StatusCode::BAD_GATEWAY,
            "BUCKET",
            "the bucket of this recording cannot be read; the server's log says why",
        ),
        BucketError::Unavailable(_) | BucketError::Full(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "UNAVAILABLE",
            "the bucket of this recording does not answer, or too many recordings are being read; ask again",
        ),
    };
    if status.is_server_error() {
        tracing::warn!(%error, "an object of a recording cannot be read");
    }
    Refusal::new(status, code, message)
}
