//! Refusals of everything except the API's operations: a status, and JSON with a code and a message, the same form for
//! every layer that refuses.

use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use restage_node::control::Ending;

use super::door::Unfit;

/// Retry-After for 503 and 429.
const RETRY_AFTER_S: &str = "1";

/// A refused request.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    headers: Vec<(HeaderName, &'static str)>,
    ended: Option<Box<Ending>>,
}

/// Marks an answer that already has the form of its path, so that it is not changed again.
#[derive(Clone, Copy)]
pub(super) struct InForm;

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            headers: Vec::new(),
            ended: None,
        }
    }

    /// A refusal for a session that has ended, with the reason.
    pub(super) fn of_ended(mut self, ending: Ending) -> Self {
        self.ended = Some(Box::new(ending));
        self
    }

    /// Adds a header.
    pub(super) fn with(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(super) fn to_json(&self) -> serde_json::Value {
        let mut told = serde_json::json!({ "code": self.code, "message": self.message });
        if let Some(ended) = &self.ended {
            told["ended"] = serde_json::to_value(ended).unwrap_or_default();
        }
        told
    }

    /// The request did not arrive completely, or was not answered, in time.
    pub(super) fn late(limit_s: u64) -> Self {
        let message = format!("the request took longer than {limit_s} seconds; send it again");
        Self::new(StatusCode::REQUEST_TIMEOUT, "TIMEOUT", message)
    }

    /// The resource is answered only under this server's own names, and the request used another.
    pub(super) fn elsewhere() -> Self {
        Self::new(
            StatusCode::MISDIRECTED_REQUEST,
            "HOST_UNKNOWN",
            "this is answered only under this server's own names: a loopback name or address, the address it listens at, \
             the host of public-url; use one of these, or set public-url to the URL you use",
        )
    }

    /// The request comes from a page of another origin.
    pub(super) fn foreign() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "ORIGIN_FOREIGN",
            "this is for this server's own pages, and the Origin header names another",
        )
    }

    /// The refusal for a status without further information.
    fn of_status(status: StatusCode, headers: &HeaderMap) -> Self {
        let allowed = headers.get(ALLOW).and_then(|value| value.to_str().ok());
        let (code, message) = match status {
            StatusCode::NOT_FOUND => ("NOT_FOUND", "there is nothing at this path".to_owned()),
            StatusCode::METHOD_NOT_ALLOWED => {
                let message = match allowed {
                    Some(takes) => format!("this path does not take that method; it takes {takes}"),
                    // The router adds the header after this.
                    None => "this path does not take that method; Allow says which".to_owned(),
                };
                ("METHOD_NOT_ALLOWED", message)
            }
            StatusCode::PAYLOAD_TOO_LARGE => ("TOO_LARGE", "the body is too large".to_owned()),
            _ => {
                let reason = status.canonical_reason().unwrap_or("no reason");
                let code = match status.is_server_error() {
                    true => "INTERNAL",
                    false => "INVALID",
                };
                (code, format!("the request was refused: {reason}"))
            }
        };
        Self::new(status, code, message)
    }

    /// The `error` parameter of the challenge for a token (RFC 6750 §3).
    fn challenge(&self) -> Option<&'static str> {
        Some(match (self.status, self.code) {
            (StatusCode::UNAUTHORIZED, "TOKEN_MISSING" | "CONSOLE_KEY") => {
                "Bearer realm=\"restage\""
            }
            (StatusCode::UNAUTHORIZED, _) => "Bearer realm=\"restage\", error=\"invalid_token\"",
            (StatusCode::FORBIDDEN, "TOKEN_NOT_ALLOWED") => {
                "Bearer realm=\"restage\", error=\"insufficient_scope\""
            }
            (StatusCode::BAD_REQUEST, "TOKEN_AMBIGUOUS") => {
                "Bearer realm=\"restage\", error=\"invalid_request\""
            }
            _ => return None,
        })
    }
}

impl From<Unfit> for Refusal {
    fn from(unfit: Unfit) -> Self {
        let (status, code) = match unfit {
            Unfit::Host(_) => (StatusCode::BAD_REQUEST, "INVALID_HOST"),
            Unfit::TooMany => (StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_CONNECTIONS"),
        };
        Self::new(status, code, unfit.message())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, axum::Json(self.to_json())).into_response();
        response.extensions_mut().insert(InForm);
        let challenge = self.challenge();
        let headers = response.headers_mut();
        for (name, value) in self.headers {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if let Some(challenge) = challenge {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
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

/// Puts the refusal of a layer that does not know the form into it, keeping the headers; other answers are unchanged.
pub(super) fn in_form(response: Response) -> Response {
    let status = response.status();
    let is_refusal = status.is_client_error() || status.is_server_error();
    if !is_refusal || response.extensions().get::<InForm>().is_some() {
        return response;
    }
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(CONTENT_TYPE);
    parts.headers.remove(CONTENT_LENGTH);
    let mut formed = Refusal::of_status(status, &parts.headers).into_response();
    formed.headers_mut().extend(parts.headers);
    formed
}

#[cfg(test)]
mod tests {
    use axum::body::HttpBody as _;

    use super::*;

    fn said(response: &Response) -> Option<&str> {
        response.headers().get(CONTENT_TYPE)?.to_str().ok()
    }

    #[test]
    fn what_other_layers_refuse_is_put_into_the_form() {
        for status in [400, 404, 405, 408, 411, 413, 415, 422, 426, 431, 500, 503] {
            let status = StatusCode::from_u16(status).unwrap();
            let bare = (status, [(ALLOW, "GET,HEAD")], "words of a layer").into_response();
            let formed = in_form(bare);
            assert_eq!(formed.status(), status);
            assert_eq!(said(&formed), Some("application/json"), "{status}");
            assert_eq!(formed.headers()[ALLOW], "GET,HEAD");
            assert!(!formed.headers().contains_key(CONTENT_LENGTH));
            assert!(formed.body().size_hint().lower() > 30, "{status}");
        }
        let good = in_form("pong".into_response());
        assert_eq!(said(&good), Some("text/plain; charset=utf-8"));
    }

    #[test]
    fn what_is_in_the_form_stays_as_it_is() {
        let refusal = Refusal::new(StatusCode::NOT_FOUND, "NO_SESSION", "there is none");
        let length = refusal.to_json().to_string().len() as u64;
        let formed = in_form(refusal.into_response());
        assert_eq!(formed.body().size_hint().exact(), Some(length));
    }

    #[test]
    fn a_client_hears_what_is_wrong_with_its_token() {
        let challenge = |status, code| {
            let response = Refusal::new(status, code, "").into_response();
            let value = response.headers().get(WWW_AUTHENTICATE).cloned();
            value.map(|value| value.to_str().unwrap().to_owned())
        };
        let missing = challenge(StatusCode::UNAUTHORIZED, "TOKEN_MISSING").unwrap();
        assert!(missing.starts_with("Bearer") && !missing.contains("error"));
        for (status, code, error) in [
            (401, "TOKEN_EXPIRED", "invalid_token"),
            (403, "TOKEN_NOT_ALLOWED", "insufficient_scope"),
            (400, "TOKEN_AMBIGUOUS", "invalid_request"),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let told = challenge(status, code).unwrap();
            assert!(told.contains(&format!("error=\"{error}\"")), "{told}");
        }
        assert_eq!(challenge(StatusCode::BAD_REQUEST, "INVALID_SDP"), None);
    }
}
