//! Checks a request's participant token, and its connection token if it has one, before any of its body is read.

use std::future::Future;

use http::request::Parts;
use http::{Extensions, StatusCode};
use restage_core::id::ConnectionId;
use restage_core::{Claims, ConnectionTokenClaims};
use restage_node::control::JoinError;

use super::App;
use super::bearer::{self, SESSIONS};
use super::door::Client;
use super::refusal::Refusal;

/// Why a token is not accepted.
#[derive(Debug)]
pub(super) enum TokenRefused {
    /// The client has presented too many tokens with a wrong signature.
    TooOften,
    /// The token is invalid, or the store failed.
    Token(JoinError),
    /// The request has several connection tokens.
    Ambiguous(Refusal),
}

impl From<TokenRefused> for Refusal {
    fn from(unvouched: TokenRefused) -> Self {
        match unvouched {
            TokenRefused::TooOften => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "TOO_OFTEN",
                "this address has presented too many tokens whose signature is wrong; wait a while",
            ),
            TokenRefused::Token(error) => error.into(),
            TokenRefused::Ambiguous(refusal) => refusal,
        }
    }
}

/// Checks that a WHIP or WHEP request has a correctly signed token, or the one to which its session belongs.
/// The token's permissions are checked later, with the requested action.
pub(super) async fn for_request(app: &App, parts: &Parts, token: &str) -> Result<(), TokenRefused> {
    if let Some(connection) = parts.uri.path().strip_prefix(SESSIONS)
        && app.control.goes_by(&ConnectionId::new(connection), token)
    {
        return Ok(());
    }
    let connection_token = bearer::connection_token(&parts.headers);
    if let Some(token) = connection_token.map_err(TokenRefused::Ambiguous)? {
        connection_claims(app, &parts.extensions, token).await?;
    }
    claims(app, &parts.extensions, token).await.map(drop)
}

/// The claims of a token, if its signature is correct. Verifying a wrong signature costs half a millisecond, once per
/// token; a client that presents many such tokens is refused.
pub(super) async fn claims(
    app: &App,
    extensions: &Extensions,
    token: &str,
) -> Result<Claims, TokenRefused> {
    counted(app, extensions, token, app.control.verify(token)).await
}

/// As [`claims`], for a connection token.
pub(super) async fn connection_claims(
    app: &App,
    extensions: &Extensions,
    token: &str,
) -> Result<ConnectionTokenClaims, TokenRefused> {
    let verifying = app.control.verify_connection_token(token);
    counted(app, extensions, token, verifying).await
}

async fn counted<C>(
    app: &App,
    extensions: &Extensions,
    token: &str,
    verifying: impl Future<Output = Result<C, JoinError>>,
) -> Result<C, TokenRefused> {
    let client = extensions.get::<Client>().copied();
    let is_new = app.control.tokens().is_unproven(token);
    if is_new && !app.door.may_try_signature(client) {
        return Err(TokenRefused::TooOften);
    }
    let outcome = verifying.await;
    if is_new && outcome.is_err() && !app.control.tokens().is_unproven(token) {
        app.door.note_wrong_signature(client);
    }
    outcome.map_err(TokenRefused::Token)
}
