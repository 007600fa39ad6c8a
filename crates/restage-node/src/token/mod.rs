//! Participant tokens: JWTs with the claim names of the IVS user guide ("Distribute participant
//! tokens"), so that clients that decode them find what they look for. The owners of imported public keys sign their
//! own (ES384). Those of CreateParticipantToken and CreateStage are made and checked by this server alone, so a secret
//! does (HS256), at a hundredth of the cost.

mod claims;
mod endpoints;
mod jws;
mod resumption;
mod self_signed;
#[cfg(test)]
mod tests;
mod verdicts;

use restage_core::id::{ParticipantId, StageSessionId, Time};
use restage_core::row::{Attributes, Capabilities};
use restage_core::{Claims, PublicKeyArn, Signer, StageArn};
use serde_json::Value;

pub use endpoints::Endpoints;
pub use jws::SECRET_LEN;
pub use self_signed::{Signing, Unverified};

use claims::{Payload, Reader};
use jws::{Jws, Secret};
use resumption::Resumption;
use self_signed::Header;
use verdicts::Verdicts;

/// The `kid` of tokens this server makes itself.
const SERVICE_KEY_ID: &str = "restage-service";
/// Their `alg`. No other is looked at under that `kid`.
const SERVICE_ALGORITHM: &str = "HS256";

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
    secret: Secret,
    resumption: Resumption,
    endpoints: Endpoints,
    verdicts: Verdicts,
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
    /// The secret makes tokens and knows them again; the endpoints are what tokens carry.
    pub fn new(secret: &[u8; SECRET_LEN], endpoints: Endpoints) -> Self {
        Self {
            resumption: Resumption::new(secret),
            secret: Secret::new(secret),
            endpoints,
            verdicts: Verdicts::default(),
        }
    }

    /// What the bearer of a token, who was let into this session, comes back with after the token's end.
    pub fn resumption_secret(&self, claims: &Claims, session: &StageSessionId) -> String {
        self.resumption.secret(claims, session)
    }

    /// The session that a resumption secret is for, if it was given to the bearer of this token.
    pub fn resumed_session(&self, claims: &Claims, secret: &str) -> Option<StageSessionId> {
        self.resumption.session(claims, secret)
    }

    /// Makes the token text.
    ///
    /// # Errors
    /// [`TokenKeyError`] if it cannot be written.
    pub fn sign(&self, grant: &Grant<'_>) -> Result<String, TokenKeyError> {
        let header = Header {
            alg: SERVICE_ALGORITHM,
            typ: self_signed::TYPE,
            kid: SERVICE_KEY_ID,
        };
        let payload = Payload::of(grant, &self.endpoints);
        self.secret.sign(&header, &payload)
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

    /// Whether the token's signature was found wrong before.
    pub fn is_known_wrong(&self, token: &str) -> bool {
        self.verdicts.of(token) == Some(false)
    }

    /// Whether it would have to be found out whether the token's signature is right, at a cost. This server's own cost
    /// little.
    pub fn is_unproven(&self, token: &str) -> bool {
        self.verdicts.of(token).is_none() && !is_of_service(token)
    }

    /// Checks the signature of a token that was [read](Self::read) against its key's point (uncompressed, hexadecimal),
    /// once for each token.
    ///
    /// # Errors
    /// [`TokenError::Signature`].
    pub fn verify(
        &self,
        token: &str,
        unverified: Unverified<'_>,
        point: &str,
    ) -> Result<Claims, TokenError> {
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
