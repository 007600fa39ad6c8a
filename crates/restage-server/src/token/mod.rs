//! Participant tokens: ES384 JWTs with the claim names of the IVS user guide ("Distribute participant
//! tokens"), so that clients that decode them find what they look for. This server signs those of
//! CreateParticipantToken and CreateStage; the owners of imported public keys sign their own.

mod claims;
mod jws;
mod self_signed;
#[cfg(test)]
mod tests;

use restage_core::id::{ParticipantId, Time};
use restage_core::row::{Attributes, Capabilities};
use restage_core::{Claims, PublicKeyArn, Signer, StageArn};
use serde_json::Value;

use crate::http::Endpoints;

pub use claims::LIFE_MAX_S;
pub use self_signed::{Signing, Unverified};

use claims::Reader;
use jws::{Jws, SigningKey};

/// The `kid` of tokens this server signs itself.
const SERVICE_KEY_ID: &str = "restage-service";

/// Why a token is refused before the rules see it.
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

/// Signs this server's participant tokens, and reads anybody's.
pub struct Tokens {
    key: SigningKey,
    endpoints: Endpoints,
}

/// What a new token shall say.
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

/// A token that has been read.
pub enum Presented<'a> {
    /// One of this server's, verified.
    Service(Box<Claims>),
    /// A self-signed one. Its claims keep to the rules; its signature is to be verified.
    SelfSigned(Box<Unverified<'a>>),
}

impl Tokens {
    /// `pem` is a P-384 private key; the endpoints are what tokens carry.
    pub fn new(pem: &str, endpoints: Endpoints) -> Result<Self, TokenKeyError> {
        let key = SigningKey::from_pem(pem)?;
        Ok(Self { key, endpoints })
    }

    /// Makes the token text.
    pub fn sign(&self, grant: &Grant<'_>) -> Result<String, TokenKeyError> {
        self_signed::sign(&self.key, SERVICE_KEY_ID, grant, &self.endpoints)
    }

    /// Checks form and claims, and of this server's own tokens the signature. Expiry is the rules' business:
    /// it matters only when joining.
    ///
    /// # Errors
    /// [`TokenError`], the first thing that is wrong.
    pub fn read<'a>(&self, token: &'a str) -> Result<Presented<'a>, TokenError> {
        let jws = Jws::parse(token)?;
        if !names_service(&jws) {
            let unverified = Unverified::read(jws, Some(&self.endpoints))?;
            let checked = unverified.check()?;
            return Ok(Presented::SelfSigned(Box::new(checked)));
        }
        if jws.header.get("alg").and_then(Value::as_str) != Some(self_signed::ALGORITHM) {
            return Err(TokenError::Signature);
        }
        jws.verify(self.key.point())?;
        let claims = Reader::new(&jws.payload).read(Signer::Service, None);
        let claims = claims.map(Box::new).map(Presented::Service);
        claims.map_err(|problems| {
            let first = problems.into_iter().next();
            first.unwrap_or(TokenError::Signature)
        })
    }
}

/// Whether a token says that this server made it.
pub fn is_of_service(token: &str) -> bool {
    Jws::parse(token).is_ok_and(|jws| names_service(&jws))
}

fn names_service(jws: &Jws<'_>) -> bool {
    jws.header.get("kid").and_then(Value::as_str) == Some(SERVICE_KEY_ID)
}

/// A private key cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "this is not an unencrypted P-384 private key in PEM (openssl ecparam -name secp384r1 -genkey makes one)"
)]
pub struct TokenKeyError;
