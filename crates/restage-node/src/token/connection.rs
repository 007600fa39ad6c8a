//! Connection tokens, with the rules of the IVS user guide ("Distribute connection tokens"): JWTs that only the owners of imported
//! public keys sign. Their header is that of self-signed participant tokens.

use restage_core::id::Time;
use restage_core::limits::CONNECTION_TOKEN_LIFE_MAX_S;
use restage_core::row::ConnectionTokenId;
use restage_core::{ConnectionTokenClaims, PublicKeyArn};
use serde::Serialize;

use super::claims::{Reader, VERSION};
use super::jws::Jws;
use super::self_signed::Unverified;
use super::{Endpoints, Signing, TokenError, TokenKeyError};

/// A payload to be written.
#[derive(Serialize)]
struct Payload<'a> {
    exp: i64,
    iat: i64,
    jti: &'a str,
    account_id: &'a str,
    region: &'a str,
    events_url: &'a str,
    version: &'a str,
}

/// The contents of a new connection token. Its account and Region are those of its key.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct ConnectionGrant<'a> {
    pub id: &'a ConnectionTokenId,
    pub issued_at: Time,
    pub expires_at: Time,
}

impl Signing {
    /// Signs a connection token. The grant is not checked; to check it, read the token back.
    ///
    /// # Errors
    /// [`TokenKeyError`] if signing fails.
    pub fn sign_connection(
        &self,
        kid: &PublicKeyArn,
        grant: &ConnectionGrant<'_>,
        endpoints: &Endpoints,
    ) -> Result<String, TokenKeyError> {
        let payload = Payload {
            exp: grant.expires_at.0.div_euclid(1_000_000),
            iat: grant.issued_at.0.div_euclid(1_000_000),
            jti: grant.id.as_str(),
            account_id: &kid.account,
            region: &kid.region,
            events_url: &endpoints.events,
            version: VERSION,
        };
        self.sign_payload(kid, &payload)
    }
}

impl<'a> Unverified<'a, ConnectionTokenClaims> {
    /// Parses a connection token. Without `endpoints` only the form of its URL is checked.
    ///
    /// # Errors
    /// [`TokenError`] for a text that is not a self-signed token. Faults of its claims are among its problems.
    pub fn parse_connection(
        token: &'a str,
        endpoints: Option<&Endpoints>,
    ) -> Result<Self, TokenError> {
        let jws = Jws::parse(token)?;
        Self::read_with(jws, |reader, key| reader.connection(key, endpoints))
    }
}

/// Whether a text is the form of a connection token: its payload names an account, and no stage.
pub fn is_connection_token(token: &str) -> bool {
    Jws::parse(token).is_ok_and(|jws| {
        jws.payload.contains_key("account_id") && !jws.payload.contains_key("resource")
    })
}

impl Reader<'_> {
    /// The claims of a connection token, or all their faults.
    fn connection(
        mut self,
        key: &PublicKeyArn,
        endpoints: Option<&Endpoints>,
    ) -> Result<ConnectionTokenClaims, Vec<TokenError>> {
        let (issued_at, expires_at) = self.times(CONNECTION_TOKEN_LIFE_MAX_S, "4 weeks");
        let id = self.identity().map(ConnectionTokenId::new);
        for (claim, of_key, what) in [
            ("account_id", &key.account, "the account"),
            ("region", &key.region, "the Region"),
        ] {
            if self.text(claim).is_some_and(|text| text != &**of_key) {
                self.wrong(claim, &format!("must be {what} of the key, {of_key}"));
            }
        }
        // What is a participant token is no connection token, whatever else it says.
        if self.has("resource") {
            self.wrong(
                "resource",
                "must be absent: a connection token is for no stage",
            );
        }
        self.url("events_url", endpoints.map(|to| to.events.as_str()));
        self.version();
        match (issued_at, expires_at, id) {
            (Some(issued_at), Some(expires_at), Some(id)) if self.problems.is_empty() => {
                Ok(ConnectionTokenClaims {
                    id,
                    signer: key.clone(),
                    issued_at,
                    expires_at,
                })
            }
            _ => Err(self.problems),
        }
    }
}
