//! Participant tokens: JWTs with the claim names of the IVS user guide ("Distribute participant tokens"), so that
//! clients that decode them find the expected claims. The owners of imported public keys sign their own tokens
//! (ES384), and connection tokens, which say that several connections are one client's. Tokens of CreateParticipantToken and CreateStage are issued and verified by this server alone, so a
//! shared secret suffices (HS256), at a hundredth of the cost.

mod claims;
mod connection;
#[cfg(test)]
mod connection_tests;
mod endpoints;
mod jws;
mod resumption;
mod self_signed;
#[cfg(test)]
mod tests;
mod verdicts;

use restage_core::id::{ParticipantId, StageSessionId, Time};
use restage_core::row::{Attributes, Capabilities};
use restage_core::{Claims, ConnectionTokenClaims, PublicKeyArn, Signer, StageArn};
use serde_json::Value;

pub use connection::{ConnectionGrant, is_connection_token};
pub use endpoints::{Endpoints, IngestEndpoints};
pub use jws::SECRET_LEN;
pub use self_signed::{Signing, Unverified};

use claims::{Payload, Reader};
use jws::{Jws, Secret};
use resumption::Resumption;
use self_signed::Header;
use verdicts::Verdicts;

/// The `kid` of this server's own tokens.
const SERVICE_KEY_ID: &str = "restage-service";
/// Their `alg`. With that `kid`, no other algorithm is accepted.
const SERVICE_ALGORITHM: &str = "HS256";

/// Why a token is refused before the rules of core apply.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum TokenError {
    #[error("the token is longer than {0} bytes")]
    Length(usize),
    #[error("the token is not a signed JWT: {0}")]
    Malformed(&'static str),
    #[error("the token's signature is not that of its key")]
    Signature,
    #[error("the token's claim {claim} {rule}")]
    Claim { claim: &'static str, rule: String },
    #[error("kid: there is no public key {0}; it was never imported, or it was deleted")]
    UnknownKey(PublicKeyArn),
}

/// Signs this server's participant tokens, and reads all participant tokens.
pub struct Tokens {
    secret: Secret,
    resumption: Resumption,
    endpoints: Endpoints,
    verdicts: Verdicts,
}

/// The contents of a new token.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Grant<'a> {
    pub participant: &'a ParticipantId,
    pub stage: &'a StageArn,
    pub user_id: &'a str,
    pub attributes: &'a Attributes,
    pub capabilities: Capabilities,
    pub issued_at: Time,
    pub expires_at: Time,
}

/// A parsed token.
pub enum Presented<'a> {
    /// A token of this server, verified.
    Service(Box<Claims>),
    /// A self-signed token. Its claims are valid; its signature is not verified yet.
    SelfSigned(Box<Unverified<'a>>),
}

impl Tokens {
    /// `secret` signs and verifies this server's tokens; `endpoints` are the URLs that tokens contain.
    pub fn new(secret: &[u8; SECRET_LEN], endpoints: Endpoints) -> Self {
        Self {
            resumption: Resumption::new(secret),
            secret: Secret::new(secret),
            endpoints,
            verdicts: Verdicts::default(),
        }
    }

    /// The resumption secret for the bearer of a token who was admitted to this session.
    pub fn resumption_secret(&self, claims: &Claims, session: &StageSessionId) -> String {
        self.resumption.secret(claims, session)
    }

    /// The session of a resumption secret, if the secret was issued to the bearer of this token.
    pub fn resumed_session(&self, claims: &Claims, secret: &str) -> Option<StageSessionId> {
        self.resumption.session(claims, secret)
    }

    /// Signs a token.
    ///
    /// # Errors
    /// [`TokenKeyError`] if it cannot be signed.
    pub fn sign(&self, grant: &Grant<'_>) -> Result<String, TokenKeyError> {
        let header = Header {
            alg: SERVICE_ALGORITHM,
            typ: self_signed::TYPE,
            kid: SERVICE_KEY_ID,
        };
        let payload = Payload::of(grant, &self.endpoints);
        self.secret.sign(&header, &payload)
    }

    /// Checks form and claims, and for this server's own tokens the signature. Core checks the expiry, because
    /// it matters only when joining.
    ///
    /// # Errors
    /// [`TokenError`] with the first fault.
    pub fn read<'a>(&self, token: &'a str) -> Result<Presented<'a>, TokenError> {
        let jws = Jws::parse(token)?;
        if !names_service(&jws) {
            let unverified = Unverified::read(jws, Some(&self.endpoints))?;
            let checked = unverified.check()?;
            return Ok(Presented::SelfSigned(Box::new(checked)));
        }
        if jws.header.get("alg").and_then(Value::as_str) != Some(SERVICE_ALGORITHM) {
            return Err(TokenError::Signature);
        }
        jws.verify_own(&self.secret)?;
        let claims = Reader::new(&jws.payload).read(Signer::Service, None);
        let claims = claims.map(Box::new).map(Presented::Service);
        claims.map_err(|problems| {
            let first = problems.into_iter().next();
            first.unwrap_or(TokenError::Signature)
        })
    }

    /// Checks form and claims of a connection token. Its signature is not verified yet, and neither its expiry nor its
    /// revocation is looked at.
    ///
    /// # Errors
    /// [`TokenError`] with the first fault.
    pub fn read_connection<'a>(
        &self,
        token: &'a str,
    ) -> Result<Unverified<'a, ConnectionTokenClaims>, TokenError> {
        Unverified::parse_connection(token, Some(&self.endpoints))?.check()
    }

    /// Whether the token's signature was found to be wrong before.
    pub fn is_known_wrong(&self, token: &str) -> bool {
        self.verdicts.of(token) == Some(false)
    }

    /// Whether verifying the token's signature would be expensive: it is self-signed, and its signature was not
    /// verified before.
    pub fn is_unproven(&self, token: &str) -> bool {
        self.verdicts.of(token).is_none() && !is_of_service(token)
    }

    /// Verifies the signature of a token that was [read](Self::read), with its key's point (uncompressed, hexadecimal).
    /// The result is cached per token.
    ///
    /// # Errors
    /// [`TokenError::Signature`].
    pub fn verify<C>(
        &self,
        token: &str,
        unverified: Unverified<'_, C>,
        point: &str,
    ) -> Result<C, TokenError> {
        match self.verdicts.of(token) {
            Some(true) => return unverified.trust(),
            Some(false) => return Err(TokenError::Signature),
            None => {}
        }
        let outcome = unverified.verify(point);
        if matches!(outcome, Ok(_) | Err(TokenError::Signature)) {
            self.verdicts.put(token, outcome.is_ok());
        }
        outcome
    }
}

/// Whether a token claims to be issued by this server.
pub fn is_of_service(token: &str) -> bool {
    Jws::parse(token).is_ok_and(|jws| names_service(&jws))
}

fn names_service(jws: &Jws<'_>) -> bool {
    jws.header.get("kid").and_then(Value::as_str) == Some(SERVICE_KEY_ID)
}

/// A private key that cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "this is not an unencrypted P-384 private key in PEM (openssl ecparam -name secp384r1 -genkey makes one)"
)]
pub struct TokenKeyError;
