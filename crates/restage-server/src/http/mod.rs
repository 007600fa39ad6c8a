//! The HTTP listener: API, WHIP and WHEP, events, console, health.

mod address;
mod answer_cache;
mod api;
mod bearer;
mod composition;
mod connection;
mod console;
mod content;
mod dispatch;
mod door;
mod events;
#[doc(hidden)]
pub mod fuzzing;
mod handler;
mod ice_servers;
mod if_match;
mod listener;
mod metrics;
mod muting;
mod playback;
mod receive;
mod recording;
mod refusal;
mod secure;
mod socket;
mod socket_message;
mod socket_place;
mod statistics;
mod throttle;
mod token_check;
mod view;
mod whip;
mod wishes;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Router};
use http::{StatusCode, Uri};
use restage_api::{ApiError, PageTokens};
use restage_node::composition::Compositions;
use restage_node::control::Control;
use restage_node::recording::Recordings;
use restage_node::token::{Endpoints, IngestEndpoints};
use restage_storage::RecordingReader;
use tokio::sync::Semaphore;

use crate::address_watch::AddressWatch;
use crate::config::Config;
use crate::keys::KeyRing;
use crate::metrics::Metrics;
use crate::tls::Standing;

pub use answer_cache::Answers;
pub use console::{ConsoleKey, PathChecks};
pub(crate) use dispatch::Front;
pub use door::{Door, DoorSettings};
pub use ice_servers::IceServers;
pub(crate) use listener::{Shared, listen, serve};
pub use playback::{RecordingLinks, RecordingSeats};
pub use secure::Secure;
pub use throttle::Throttle;

/// Time limit of a request, including the arrival of its body. An events socket is answered before it is served.
const REQUEST_MAX: Duration = Duration::from_secs(30);

/// The state that all requests share.
pub struct AppState {
    /// Executes commands.
    pub control: Control,
    /// Encrypts and decrypts page tokens.
    pub pages: PageTokens,
    /// The keys by which API requests are signed; `None` accepts every request.
    pub keys: Option<KeyRing>,
    /// The account of unsigned requests, and of the console.
    pub account: String,
    /// What the server was started with.
    pub config: Arc<Config>,
    /// The answer cache.
    pub answers: Answers,
    /// The rates of operations.
    pub throttle: Throttle,
    /// The URLs in stages and tokens.
    pub endpoints: Endpoints,
    /// The URLs of encoders in stages.
    pub ingest_endpoints: IngestEndpoints,
    /// The path of the public URL, without a slash at its end. A proxy in front removes it.
    pub base_path: String,
    /// The console's key.
    pub console_key: ConsoleKey,
    /// The console's checks of the network that are in progress.
    pub path_checks: PathChecks,
    /// Whether the addresses that are offered for media are still this machine's.
    pub address_watch: Arc<AddressWatch>,
    /// Records what is published.
    pub recordings: Recordings,
    /// Composes stages.
    pub compositions: Compositions,
    /// Reads recordings.
    pub reader: RecordingReader,
    /// The links to recordings.
    pub links: RecordingLinks,
    /// Who reads recordings.
    pub seats: Arc<RecordingSeats>,
    /// The metrics.
    pub metrics: Metrics,
    /// Whether `/metrics` is on this listener.
    pub shows_metrics: bool,
    /// The URLs of the relay, if there is one.
    pub ice_servers: IceServers,
    /// The limits for unauthenticated clients.
    pub door: Arc<Door>,
    /// The TLS of the listeners, if they serve it.
    pub secure: Option<Secure>,
    /// One permit for each events socket and each socket of a connection token.
    pub sockets: Arc<Semaphore>,
}

pub(crate) type App = Arc<AppState>;

/// The permits for events sockets.
pub fn socket_room(door: &Door) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(door.sockets_max(socket_place::SOCKETS_MAX)))
}

/// The routes of the console and of health checks. Unknown paths get UnknownOperationException.
fn router(app: App) -> Router {
    let metrics = if app.shows_metrics {
        let own = from_fn_with_state(Arc::clone(&app), console::under_own_name);
        metrics::routes().route_layer(own)
    } else {
        Router::new()
    };
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .merge(console::routes(&app))
        .merge(playback::routes(&app))
        .merge(metrics)
        .merge(secure::routes())
        .fallback(nothing)
        .layer(from_fn_with_state(Arc::clone(&app), metrics::count))
        .with_state(app)
}

/// The routes for participants: WHIP, WHEP, the events socket and that of connection tokens.
fn media_router(app: App) -> Router {
    whip::routes()
        .merge(events::routes())
        .merge(connection::routes())
        .fallback(nothing)
        .layer(from_fn_with_state(Arc::clone(&app), metrics::count))
        .layer(whip::cors())
        .layer(from_fn_with_state(Arc::clone(&app), whip::advertise))
        .with_state(app)
}

/// The answer for a path without a resource, in the form of its kind of path; it names a misconfigured proxy if that
/// is the reason.
async fn nothing(
    State(app): State<App>,
    Extension(id): Extension<metrics::RequestId>,
    uri: Uri,
) -> Response {
    let path = uri.path();
    let beyond = address::beyond(&app.base_path, path);
    let seen = beyond.unwrap_or(path);
    let is_console = seen == "/console" || seen.starts_with("/console/");
    let is_of_recording = address::is_of_recording(seen);
    let is_of_api = !is_console && !is_of_recording && !address::is_media(seen);
    let by_proxy = beyond.map(|_| {
        format!(
            "the path begins with {}, the path of public-url, which the proxy in front must take off before it \
             passes a request on",
            app.base_path
        )
    });
    if is_of_api {
        return match by_proxy {
            Some(message) => api::refuse(&app, &id, ApiError::unknown_operation(message)).await,
            None => api::unknown(&app, &id).await,
        };
    }
    let message = by_proxy.unwrap_or_else(|| {
        if is_of_recording {
            return "the path must go on with that of an object, such as media/hls/multivariant.m3u8".to_owned();
        }
        "there is nothing at this path: publish by POST to /whip, watch by POST to /whep/<participant id>, listen at \
         /events/<stage id>"
            .to_owned()
    });
    refusal::Refusal::new(StatusCode::NOT_FOUND, "NOT_FOUND", message).into_response()
}

/// A router with only `/metrics`, for a separate listener at this address. On loopback it answers only under loopback's
/// names; elsewhere under any name, because the collector may use a name of its own.
pub fn metrics_router(app: Arc<AppState>, address: IpAddr) -> Router {
    let routes = metrics::routes().with_state(app);
    if !address.is_loopback() {
        return routes;
    }
    let hosts = Arc::new(door::Hosts::new(&[address], ""));
    routes.layer(from_fn(
        move |request: axum::extract::Request, next: axum::middleware::Next| {
            let hosts = Arc::clone(&hosts);
            async move {
                match hosts.are_meant(request.headers()) {
                    true => next.run(request).await,
                    false => refusal::Refusal::elsewhere().into_response(),
                }
            }
        },
    ))
}

/// Whether changes can be made durable, all media workers run, and there is a certificate if there should be one: what is
/// to be known all the same, or why not. No sentence contains the place of the database, because everybody may ask.
pub(in crate::http) async fn readiness(app: &App) -> Result<Vec<String>, String> {
    if !app.control.media().is_alive() {
        return Err("a media worker is gone for good; restart the server".to_owned());
    }
    if !app.control.media().is_moving() {
        return Err(
            "a media worker stands still; look at what holds the process, or restart the server"
                .to_owned(),
        );
    }
    let standing = app.secure.as_ref().map(Secure::standing);
    if let Some(Standing::Bad(sentence)) = standing {
        return Err(sentence);
    }
    if let Err(error) = app.control.store().can_write().await {
        return Err(error.cause().sentence().to_owned());
    }
    let ageing = match standing {
        Some(Standing::Ageing(sentence)) => Some(sentence),
        _ => None,
    };
    // Everything but recordings works.
    let missing = app.recordings.missing_spool();
    let sentences = ageing
        .into_iter()
        .chain(app.address_watch.fault())
        .chain(missing.map(|missing| missing.sentence()));
    Ok(sentences.collect())
}

/// Answers whether the server is ready.
async fn ready(State(app): State<App>) -> Response {
    match readiness(&app).await {
        Err(sentence) => {
            refusal::Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "NOT_READY", sentence)
                .into_response()
        }
        Ok(sentences) => {
            let lines: String = sentences
                .into_iter()
                .map(|sentence| sentence + "\n")
                .collect();
            format!("ready\n{lines}").into_response()
        }
    }
}
