//! The API: from an HTTP request to its operation, and back to the answer (rest-json).

use std::borrow::Cow;
use std::cell::OnceCell;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use axum::BoxError;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Body;
use restage_api::sigv4::{self, Header, KeyScope, SignedRequest, VerifiedHead};
use restage_api::{Action, ApiError, ErrorCode, Operation, RESPONSE_HEADERS};
use restage_store::system::{clock, ids};
use tracing::Instrument as _;
use tracing::field::Empty;

use super::answer_cache::Asked;
use super::content;
use super::door::{Slot, Unfit};
use super::metrics::RequestId;
use super::refusal::InForm;
use super::{App, handler};
use crate::keys::{Holder, KeyRing, Known, Permission};

/// Largest body of operations with large requests: a CreateStage with 12 full tokens and 50 full tags is the largest.
const BODY_LEN_MAX: usize = restage_api::shape::MAX_BODY_BYTES;
/// Requests without tags have no more than a page of text.
const PLAIN_BODY_LEN_MAX: usize = 128 * 1024;
/// Message for a browser that sent the request under a foreign host name.
const HOST_UNKNOWN: &str = "API signatures are not verified here, so requests are taken only under this server's own names: a loopback \
     name or address, the address it listens at, the host of public-url. Use one of these, or set public-url to the URL you use.";
/// Message for a request from a page of another origin.
const ORIGIN_FOREIGN: &str = "API signatures are not verified here, so requests of pages are taken only from this server's own: the \
     Origin header names another.";
/// The Region of requests that name none (only with `--auth none`).
const DEFAULT_REGION: &str = "us-east-1";

/// Retry-After for 429, because rates are per second, and for 503.
const RETRY_AFTER_S: &str = "1";

/// The caller: account, Region and key.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) account: String,
    pub(super) region: String,
}

/// Serves a request of an operation.
pub(super) async fn serve<B>(
    app: &App,
    action: Action,
    request: Request<B>,
    looked: Result<Option<Slot>, Unfit>,
) -> Response<Full<Bytes>>
where
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    let outcome = async {
        let _place = looked?;
        call(app, action, request).await
    };
    answer(app, Some(action), &ids::request(), outcome).await
}

impl From<Unfit> for ApiError {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Host(_) => Self::validation(unfit.message()),
            Unfit::TooMany => Self::throttling(unfit.message()),
        }
    }
}

/// The answer to a request that matches neither a route nor an operation.
pub(super) async fn unknown(app: &App, request_id: &RequestId) -> Response<axum::body::Body> {
    refuse(app, request_id, Operation::unknown()).await
}

/// Refuses a request that belongs to no operation.
pub(super) async fn refuse(
    app: &App,
    request_id: &RequestId,
    error: ApiError,
) -> Response<axum::body::Body> {
    let refused = answer(app, None, &request_id.0, async { Err(error) }).await;
    let mut response = refused.map(axum::body::Body::new);
    response.extensions_mut().insert(InForm);
    response
}

/// Counts, times and traces a call, and puts its outcome into the API's form.
pub(super) async fn answer(
    app: &App,
    action: Option<Action>,
    request_id: &str,
    outcome: impl Future<Output = Result<Bytes, ApiError>>,
) -> Response<Full<Bytes>> {
    let began = Instant::now();
    let name = action.map(Action::name);
    let span = tracing::info_span!("api", %request_id, operation = name, error = Empty);
    let outcome = guarded(outcome).instrument(span.clone()).await;
    let code = outcome.as_ref().err().map(|error| error.code.name());
    span.record("error", code);
    app.metrics.api_request(action, code, began.elapsed());
    let _entered = span.enter();
    if let Err(error) = &outcome
        && error.code == ErrorCode::InternalServer
    {
        tracing::error!(%error, "failed");
    }
    tracing::debug!("answered");
    respond(outcome, request_id)
}

/// The outcome of a call. A panic in it is the server's fault, and an answer as any other; the log says where it was.
async fn guarded<T>(call: impl Future<Output = Result<T, ApiError>>) -> Result<T, ApiError> {
    let outcome = AssertUnwindSafe(call).catch_unwind().await;
    outcome.unwrap_or_else(|_| {
        let message = "the server has failed at this request, and its log says where: report it";
        Err(ApiError::internal_server(message))
    })
}

async fn call<B>(app: &App, action: Action, request: Request<B>) -> Result<Bytes, ApiError>
where
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    let (parts, body) = request.into_parts();
    let len_max = body_len_max(action);
    content::check_len(&body, len_max)?;
    let headers: Vec<Header<'_>> = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), text(value)))
        .collect();
    // Whatever the head shows to be wrong is refused before the body is read.
    let signature = match &app.keys {
        Some(keys) => Some(Signature::of_head(app, keys, &parts, &headers)?),
        None => {
            from_here(app, &parts)?;
            None
        }
    };
    let held = app.door.bodies().read(body, len_max).await?;
    let body = &held.bytes;
    let caller = match signature {
        Some(signature) => signature.caller(action, body)?,
        None => Caller {
            account: app.account.clone(),
            region: scope_region(&headers).unwrap_or_else(|| DEFAULT_REGION.to_owned()),
        },
    };
    app.throttle.admit(&caller, action, clock::steady())?;
    let input = handler::Input {
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        body,
    };
    let asked = Asked {
        caller: &caller,
        action,
        body,
    };
    let store = app.control.store();
    if let Some(answer) = app.answers.get(asked, |watch| store.holds(watch)) {
        app.metrics.answered_again();
        return Ok(answer.body);
    }
    // On the heap, because the future is as large as that of the largest operation and is moved more often than polled.
    let answer = Box::pin(handler::call(app, &caller, action, input)).await?;
    app.answers.put(asked, &answer);
    Ok(answer.body)
}

/// Longest body of an operation's request, in bytes.
fn body_len_max(action: Action) -> usize {
    let Action::Operation(operation) = action else {
        return PLAIN_BODY_LEN_MAX;
    };
    match operation {
        Operation::CreateEncoderConfiguration
        | Operation::CreateIngestConfiguration
        | Operation::CreateStage
        | Operation::CreateStorageConfiguration
        | Operation::ImportPublicKey
        | Operation::StartComposition
        | Operation::TagResource => BODY_LEN_MAX,
        _ => PLAIN_BODY_LEN_MAX,
    }
}

/// Checks an unsigned request: it must use one of this server's own names and come from no page but its own, because
/// any page can make a browser send requests.
fn from_here(app: &App, parts: &http::request::Parts) -> Result<(), ApiError> {
    let hosts = app.door.hosts();
    if !hosts.are_meant(&parts.headers) {
        return Err(ApiError::access_denied(HOST_UNKNOWN));
    }
    if !hosts.are_asking(&parts.headers) {
        return Err(ApiError::access_denied(ORIGIN_FOREIGN));
    }
    Ok(())
}

/// The signature of a request whose head was verified.
pub(super) struct Signature<'a> {
    head: VerifiedHead<'a>,
    known: Arc<Known>,
}

impl<'a> Signature<'a> {
    /// Verifies the head of a request.
    ///
    /// # Errors
    /// The signature is missing, malformed, of another time, or by an unknown key.
    pub(super) fn of_head(
        app: &'a App,
        keys: &KeyRing,
        parts: &'a http::request::Parts,
        headers: &'a [Header<'a>],
    ) -> Result<Self, ApiError> {
        let signed = SignedRequest {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            path_prefix: &app.base_path,
            query: parts.uri.query().unwrap_or_default(),
            headers,
        };
        let now_s = clock::now().0 / 1_000_000;
        let known = OnceCell::new();
        let lookup = |scope: &KeyScope<'_>| {
            let found = keys.find(scope.access_key, now_s)?;
            let key = found.signing_key(scope.day, scope.region);
            known.set(found).ok()?;
            Some(key)
        };
        let head = sigv4::verify_head(&signed, now_s, lookup)?;
        // The head was verified with a known key.
        let known = known
            .into_inner()
            .ok_or_else(|| ApiError::internal_server("no key"))?;
        Ok(Self { head, known })
    }

    /// The caller, if the signature covers this body and the key permits this operation.
    fn caller(self, action: Action, body: &[u8]) -> Result<Caller, ApiError> {
        let (caller, permit) = self.whose(body)?;
        permit.check(action)?;
        Ok(caller)
    }

    /// The caller, if the signature covers this body, and what its key permits.
    ///
    /// # Errors
    /// The signature is of another body.
    pub(super) fn whose(self, body: &[u8]) -> Result<(Caller, Permit), ApiError> {
        let identity = self.head.verify_body(body)?;
        let caller = Caller {
            account: self.known.holder.account.clone(),
            region: identity.region,
        };
        let permit = Permit {
            key: identity.access_key,
            known: self.known,
        };
        Ok((caller, permit))
    }
}

/// What an access key permits.
#[derive(Clone)]
pub(super) struct Permit {
    key: String,
    known: Arc<Known>,
}

impl Permit {
    /// Refuses an action that the key does not permit.
    ///
    /// # Errors
    /// AccessDeniedException, which says what it may do.
    pub(super) fn check(&self, action: Action) -> Result<(), ApiError> {
        permit(&self.key, &self.known.holder, action)
    }
}

/// A header's value; bytes that are not UTF-8 are replaced.
pub(super) fn text(value: &HeaderValue) -> Cow<'_, str> {
    match str::from_utf8(value.as_bytes()) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(value.as_bytes()),
    }
}

fn permit(key: &str, holder: &Holder, action: Action) -> Result<(), ApiError> {
    if holder.permission.allows(action) {
        return Ok(());
    }
    let may = match &holder.permission {
        Permission::Only(_) => format!("it may call {}", holder.permission),
        Permission::Full | Permission::ReadOnly => format!("it is {}", holder.permission),
    };
    Err(ApiError::access_denied(format!(
        "The access key {key} may not call {action}: {may}."
    )))
}

/// The Region of the credential scope, not verified.
pub(super) fn scope_region(headers: &[Header<'_>]) -> Option<String> {
    let (_, value) = headers.iter().find(|(name, _)| *name == "authorization")?;
    let (_, rest) = value.split_once("Credential=")?;
    let region = rest.split('/').nth(2)?;
    let plain = region
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    (plain && !region.is_empty() && region.len() <= 32).then(|| region.to_owned())
}

/// The headers of every answer.
static HEADERS: LazyLock<HeaderMap> = LazyLock::new(|| {
    let named = RESPONSE_HEADERS.iter().filter_map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        Some((name, HeaderValue::from_static(value)))
    });
    let content_type = HeaderValue::from_static("application/json");
    named.chain([(CONTENT_TYPE, content_type)]).collect()
});

fn respond(outcome: Result<Bytes, ApiError>, request_id: &str) -> Response<Full<Bytes>> {
    let (status, body, error) = match outcome {
        Ok(body) => (StatusCode::OK, body, None),
        Err(error) => {
            let status = StatusCode::from_u16(error.code.status())
                .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, error.to_json().into(), Some(error.code.name()))
        }
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.clone_from(&HEADERS);
    if matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    ) {
        headers.insert(RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S));
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
    fn every_answer_has_the_headers() {
        let failed = Err(ApiError::throttling("slower"));
        for outcome in [Ok(Bytes::from_static(b"{}")), failed] {
            let is_error = outcome.is_err();
            let response = respond(outcome, "id");
            let headers = response.headers();
            for (name, value) in RESPONSE_HEADERS {
                assert_eq!(headers[*name], *value);
            }
            assert_eq!(headers[CONTENT_TYPE], "application/json");
            assert_eq!(headers["x-amzn-requestid"], "id");
            assert_eq!(headers.contains_key(RETRY_AFTER), is_error);
            assert_eq!(headers.contains_key("x-amzn-errortype"), is_error);
        }
    }

    #[tokio::test]
    async fn a_panic_is_an_answer() {
        let error = guarded::<()>(async { panic!("within a call") })
            .await
            .unwrap_err();
        assert_eq!(error.code, ErrorCode::InternalServer);
        assert!(!error.message.contains("within"), "{error:?}");
        assert_eq!(guarded(async { Ok(1) }).await.ok(), Some(1));
    }

    #[test]
    fn the_scope_names_the_region() {
        let header = |value: &'static str| vec![("authorization", Cow::from(value))];
        let text = "AWS4-HMAC-SHA256 Credential=AK/20261123/eu-west-1/ivs/aws4_request, Sig";
        assert_eq!(scope_region(&header(text)).as_deref(), Some("eu-west-1"));
        assert_eq!(scope_region(&header("Bearer x")), None);
        assert_eq!(scope_region(&header("Credential=a/b/../c")), None);
        assert_eq!(scope_region(&[]), None);
    }
}
