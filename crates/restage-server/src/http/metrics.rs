//! `/metrics`, and the counting of every request.

use std::borrow::Cow;
use std::future::Future;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};
use tracing::Instrument as _;

use super::{App, REQUEST_MAX};
use crate::metrics;

/// The route of requests that no other route matches: the API's.
pub(super) const API_ROUTE: &str = "api";

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
    let route = route.map_or(Cow::Borrowed(API_ROUTE), |route| {
        Cow::Owned(route.as_str().to_owned())
    });
    counted(&app, route, &method, next.run(request)).await
}

/// The same of a route that is known.
pub(super) async fn counted<B: Default>(
    app: &App,
    route: Cow<'static, str>,
    method: &Method,
    answer: impl Future<Output = http::Response<B>>,
) -> http::Response<B> {
    let span = tracing::debug_span!("http", %route, %method);
    // Looks at the clock only if the answer is not there at once, as it is more often than not.
    let answered = tokio::time::timeout(REQUEST_MAX, answer.instrument(span)).await;
    let response = answered.unwrap_or_else(|_| {
        let mut late = http::Response::default();
        *late.status_mut() = StatusCode::REQUEST_TIMEOUT;
        late
    });
    app.metrics.http_request(route, method, response.status());
    response
}
