//! The one HTTP listener: API, WHIP and WHEP, events, console, health.

mod answers;
mod api;
mod console;
mod events;
mod front;
mod handler;
mod listener;
mod metrics;
mod throttle;
mod view;
mod whip;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::StatusCode;
use restage_api::PageTokens;
use tokio::sync::Semaphore;

use crate::control::Control;
use crate::keys::KeyRing;
use crate::metrics::Metrics;

pub use answers::Answers;
pub use console::ConsoleKey;
pub(crate) use front::Front;
pub(crate) use listener::serve;
pub use throttle::Throttle;

/// How long a request may take, its body's arrival included. An events socket is answered before it is served.
const REQUEST_MAX: Duration = Duration::from_secs(30);

/// Everything a request may need.
pub struct AppState {
    /// The way to change anything.
    pub control: Control,
    /// Seals page tokens.
    pub pages: PageTokens,
    /// The keys API requests are signed with; `None` accepts any request.
    pub keys: Option<KeyRing>,
    /// The account of requests nobody signed, and of the console.
    pub account: String,
    /// Answers that may be given again.
    pub answers: Answers,
    /// How often operations may be called.
    pub throttle: Throttle,
    /// What stages say of where clients connect.
    pub endpoints: Endpoints,
    /// The path part of the public URL, for `Location`.
    pub base_path: String,
    /// Opens the console.
    pub console_key: ConsoleKey,
    /// What is counted.
    pub metrics: Metrics,
    /// Whether `/metrics` is on the same listener as everything else.
    pub shows_metrics: bool,
    /// Room for events sockets.
    pub sockets: Arc<Semaphore>,
}

/// The URLs stages and tokens carry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Endpoints {
    pub whip: String,
    pub events: String,
}

impl Endpoints {
    /// From the public URL, without a trailing slash.
    pub fn of(public_url: &str) -> Self {
        let socket = public_url.replacen("http", "ws", 1);
        Self {
            whip: format!("{public_url}/whip"),
            events: format!("{socket}/events"),
        }
    }
}

pub(crate) type App = Arc<AppState>;

/// Room for all the events sockets there may be.
pub fn socket_room() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(events::EVENTS_SOCKETS_MAX))
}

/// All routes but the API's operations. What none of them knows is an operation that is not there.
fn router(app: App) -> Router {
    let metrics = if app.shows_metrics {
        metrics::routes()
    } else {
        Router::new()
    };
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .merge(whip::routes())
        .merge(console::routes())
        .merge(metrics)
        .fallback(api::unknown)
        .merge(events::routes())
        .layer(axum::middleware::from_fn_with_state(
            Arc::clone(&app),
            metrics::count,
        ))
        .with_state(app)
}

/// `/metrics` and nothing else, for a listener of its own.
pub fn metrics_router(app: Arc<AppState>) -> Router {
    metrics::routes().with_state(app)
}

/// Ready means: the store answers.
async fn ready(State(app): State<App>) -> (StatusCode, &'static str) {
    let probe = restage_core::id::StageId::new("probe");
    match app.control.store().get_stage(&probe).await {
        Ok(_) => (StatusCode::OK, "ready\n"),
        Err(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the store does not answer\n",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_follow_the_public_url() {
        let endpoints = Endpoints::of("https://video.example.org");
        assert_eq!(endpoints.whip, "https://video.example.org/whip");
        assert_eq!(endpoints.events, "wss://video.example.org/events");
    }
}
