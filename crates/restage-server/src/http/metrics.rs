//! The endpoint `/metrics`, and the counting of every request.

use std::borrow::Cow;
use std::future::Future;
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method};
use restage_store::system::ids;
use tracing::Instrument as _;
use tracing::field::display;

use super::door::{Client, Unfit};
use super::refusal::{self, Refusal};
use super::{App, REQUEST_MAX, address, api};
use crate::metrics;

/// The route of requests that no other route matches: the API's.
pub(super) const API_ROUTE: &str = "api";
/// The route of requests that are sent to the public URL, because they came without TLS.
const REDIRECTED_ROUTE: &str = "redirect";
/// The header with the request's id, on every answer; SDKs show it as `RequestId`.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// The id of a request, for its sender and for the log.
#[derive(Clone)]
pub(super) struct RequestId(pub(super) String);

/// Serves metrics. They contain no secrets but show how much a server is used, so the caller
/// puts this route where only the operator can reach it.
pub(super) fn routes() -> Router<App> {
    Router::new().route("/metrics", get(render))
}

async fn render(State(app): State<App>) -> Response {
    let text = app.metrics.render(&app.control).await;
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response()
}

/// Gives the request its id, counts it by its route's pattern, ends it after its time limit, and formats refusals.
pub(super) async fn count(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let path = request.uri().path();
    let is_of_api = route.is_none() && !address::is_media(path) && !address::is_of_recording(path);
    let route = route.map_or(Cow::Borrowed(API_ROUTE), |route| {
        Cow::Owned(route.as_str().to_owned())
    });
    let request_id = ids::request();
    request
        .extensions_mut()
        .insert(RequestId(request_id.clone()));
    let client = request.extensions().get::<Client>();
    let client = client.map(|client| display(client.address));
    let span = tracing::info_span!("http", %route, %method, %request_id, client);
    let late = || Refusal::late(REQUEST_MAX.as_secs()).into_response();
    let unfit = request.extensions().get::<Unfit>().copied();
    let answer = async {
        let answered = match unfit {
            None => within(REQUEST_MAX, next.run(request), late).await,
            Some(unfit) if is_of_api => {
                api::refuse(&app, &RequestId(request_id.clone()), unfit.into()).await
            }
            Some(unfit) => Refusal::from(unfit).into_response(),
        };
        let response = refusal::in_form(answered);
        let status = response.status();
        if status.is_client_error() || status.is_server_error() {
            tracing::debug!(status = status.as_u16(), "refused");
        }
        response
    };
    let mut response = answer.instrument(span).await;
    app.metrics.http_request(route, &method, response.status());
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// Counts a request of the API. It has no time limit as a whole: each step has its own, so that no command is abandoned
/// without knowing whether it takes effect.
pub(super) async fn counted<B>(
    app: &App,
    method: &Method,
    client: Option<Client>,
    answer: impl Future<Output = http::Response<B>>,
) -> http::Response<B> {
    let route = Cow::Borrowed(API_ROUTE);
    let client = client.map(|client| display(client.address));
    let span = tracing::debug_span!("http", %route, %method, client);
    let response = answer.instrument(span).await;
    app.metrics.http_request(route, method, response.status());
    response
}

/// Counts a request that is sent elsewhere, and gives the answer its id.
pub(super) fn redirected(app: &App, method: &Method, mut answer: Response) -> Response {
    let route = Cow::Borrowed(REDIRECTED_ROUTE);
    app.metrics.http_request(route, method, answer.status());
    if let Ok(id) = HeaderValue::from_str(&ids::request()) {
        answer.headers_mut().insert(REQUEST_ID, id);
    }
    answer
}

/// Runs a future with a time limit; sets the timer only if the answer is not available at once, which it usually is.
async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = T>,
    late: impl FnOnce() -> T,
) -> T {
    let answered = tokio::time::timeout(limit, answer).await;
    answered.unwrap_or_else(|_| late())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_takes_too_long_is_answered_all_the_same() {
        let limit = Duration::from_millis(1);
        let late = || Refusal::late(REQUEST_MAX.as_secs()).into_response();
        let response = within(limit, std::future::pending(), late).await;
        assert_eq!(response.status(), http::StatusCode::REQUEST_TIMEOUT);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
        assert_eq!(within(limit, async { 7 }, || 8).await, 7);
    }
}
