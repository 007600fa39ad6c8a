//! Who may use the console's calls: whoever has the console's key, or signs the request with an access key of this server.

use std::borrow::Cow;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use restage_api::shape::MAX_BODY_BYTES;
use restage_api::sigv4::Header;
use restage_api::{Action, ApiError, Operation};

use crate::http::api::{self, Caller, Permit, Signature};
use crate::http::content::Incomplete;
use crate::http::metrics::RequestId;
use crate::http::refusal::Refusal;
use crate::http::{App, content};

use super::region;

/// How the `Authorization` header of a signed request begins.
const SIGNED: &str = "AWS4-HMAC-SHA256";

/// The console's key: the page sends it as bearer token, and the address that is printed at start contains it.
#[derive(Clone)]
pub struct ConsoleKey(String);

impl ConsoleKey {
    /// Wraps the key.
    pub fn new(key: String) -> Self {
        Self(key)
    }

    /// The key, for the URL that the server prints.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    fn opens(&self, headers: &HeaderMap) -> bool {
        let header = authorization(headers);
        let given = header.strip_prefix("Bearer ").unwrap_or_default();
        aws_lc_rs::constant_time::verify_slices_are_equal(given.as_bytes(), self.0.as_bytes())
            .is_ok()
    }
}

/// The caller of the console's own calls.
#[derive(Clone)]
pub(in crate::http) struct Admitted {
    account: String,
    /// The Region of the signature; the console's key is for all of them.
    region: Option<String>,
    /// What the access key permits; the console's key has no limits beyond those of the console.
    permit: Option<Permit>,
}

impl Admitted {
    /// The account whose resources it sees.
    pub(in crate::http) fn account(&self) -> &str {
        &self.account
    }

    /// The caller in a Region: that of the signature, or the one that the request names.
    ///
    /// # Errors
    /// The name has not the form of a Region's.
    pub(super) fn caller(&self, named: String) -> Result<Caller, ApiError> {
        let region = match &self.region {
            Some(region) => region.clone(),
            None => region(named)?,
        };
        Ok(Caller {
            account: self.account.clone(),
            region,
        })
    }

    /// Refuses an action that the access key does not permit.
    pub(super) fn may(&self, action: Action) -> Result<(), ApiError> {
        match &self.permit {
            Some(permit) => permit.check(action),
            None => Ok(()),
        }
    }

    /// Refuses what is made of these operations, if the access key does not permit one of them.
    pub(in crate::http) fn permit(&self, operations: &[Operation]) -> Result<(), Refusal> {
        for operation in operations {
            self.may((*operation).into()).map_err(|error| {
                Refusal::new(StatusCode::FORBIDDEN, "ACCESS_DENIED", error.message)
            })?;
        }
        Ok(())
    }
}

/// Checks the console's key or the signature, and reads the body of the call.
pub(super) async fn admit(
    State(app): State<App>,
    Extension(request_id): Extension<RequestId>,
    request: Request,
    next: Next,
) -> Response {
    if !app.door.hosts().are_asking(request.headers()) {
        return Refusal::foreign().into_response();
    }
    let (mut parts, body) = request.into_parts();
    match admitted(&app, &parts, body).await {
        Ok((admitted, body)) => {
            parts.extensions.insert(admitted);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(Refused::Key) => no_key().into_response(),
        Err(Refused::Api(error)) => api::refuse(&app, &request_id, error).await,
    }
}

/// Why a call is not admitted.
enum Refused {
    /// It has neither the console's key nor a signature.
    Key,
    /// The signature or the body is not as it should be.
    Api(ApiError),
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl From<Incomplete> for Refused {
    fn from(incomplete: Incomplete) -> Self {
        Self::Api(incomplete.into())
    }
}

async fn admitted(app: &App, parts: &Parts, body: Body) -> Result<(Admitted, Body), Refused> {
    let is_signed = authorization(&parts.headers).starts_with(SIGNED);
    if !is_signed && !app.console_key.opens(&parts.headers) {
        return Err(Refused::Key);
    }
    let headers: Vec<Header<'_>> = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), api::text(value)))
        .collect();
    // Whatever the head shows to be wrong is refused before the body is read.
    let signature = match &app.keys {
        Some(keys) if is_signed => Some(Signature::of_head(app, keys, parts, &headers)?),
        _ => None,
    };
    content::check_len(&body, MAX_BODY_BYTES)?;
    let held = app.door.bodies().read(body, MAX_BODY_BYTES).await?;
    let admitted = match signature {
        Some(signature) => {
            let (caller, permit) = signature.whose(&held.bytes)?;
            Admitted {
                account: caller.account,
                region: Some(caller.region),
                permit: Some(permit),
            }
        }
        // With `auth = "none"` nothing is verified here either.
        None => Admitted {
            account: app.account.clone(),
            region: is_signed.then(|| api::scope_region(&headers)).flatten(),
            permit: None,
        },
    };
    Ok((admitted, Body::from(held.bytes.clone())))
}

fn no_key() -> Refusal {
    Refusal::new(
        StatusCode::UNAUTHORIZED,
        "CONSOLE_KEY",
        "open the console by the address the server printed when it started, give it the key from console.key in the \
         server's data directory, or sign in with an access key",
    )
}

fn authorization(headers: &HeaderMap) -> Cow<'_, str> {
    headers
        .get(AUTHORIZATION)
        .map_or(Cow::Borrowed(""), api::text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_key_opens_the_console() {
        let key = ConsoleKey::new("k3y".to_owned());
        let headers = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, http::HeaderValue::from_static(value));
            headers
        };
        assert!(key.opens(&headers("Bearer k3y")));
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer k3",
            "Bearer k3yy",
            "k3y",
            "Basic k3y",
        ] {
            assert!(!key.opens(&headers(wrong)), "{wrong:?}");
        }
        assert!(!key.opens(&HeaderMap::new()));
    }
}
