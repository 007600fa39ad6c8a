//! `/metrics`, and the counting of every request.

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use tracing::Instrument as _;

use super::{App, REQUEST_MAX};
use crate::metrics;

/// The route of requests that no route matched: the API's.
const API_ROUTE: &str = "api";

/// Serves metrics. There is nothing secret in them, but they say how much a server is used: the caller
/// puts this route where only the operator reaches it.
pub(super) fn routes() -> Router<App> {
    Router::new().route("/metrics", get(render))
}

async fn render(State(app): State<App>) -> Response {
    let text = app.metrics.render(&app.control).await;
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response()
}

/// Counts the request by the pattern of its route, and ends it if it takes too long.
pub(super) async fn count(State(app): State<App>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or(API_ROUTE, MatchedPath::as_str);
    let span = tracing::debug_span!("http", route, %method);
    // Looks at the clock only if the answer is not there at once, as it is more often than not.
    let answered = tokio::time::timeout(REQUEST_MAX, next.run(request).instrument(span)).await;
    let response = answered.unwrap_or_else(|_| StatusCode::REQUEST_TIMEOUT.into_response());
    app.metrics.http_request(route, &method, response.status());
    response
}
