//! Self-signed participant tokens: their header, and how they are signed.

use restage_core::{Claims, PublicKeyArn, Signer, StageArn};
use serde::Serialize;
use serde_json::{Map, Value};

use super::claims::{Payload, Reader};
use super::jws::{Jws, SigningKey};
use super::{Endpoints, Grant, TokenError, TokenKeyError};

/// Their only algorithm.
const ALGORITHM: &str = "ES384";
/// The `typ` of the header.
pub(super) const TYPE: &str = "JWT";

/// A header to be written.
#[derive(Serialize)]
pub(super) struct Header<'a> {
    pub(super) alg: &'a str,
    pub(super) typ: &'a str,
    pub(super) kid: &'a str,
}

/// A token whose signature is not verified, because its key has not been looked up yet. `C` is what it claims: a participant
/// token or a connection token.
pub struct Unverified<'a, C = Claims> {
    /// The key that it claims to be signed with.
    pub key: PublicKeyArn,
    claims: Result<C, Vec<TokenError>>,
    jws: Jws<'a>,
}

impl<'a> Unverified<'a> {
    pub(super) fn read(jws: Jws<'a>, endpoints: Option<&Endpoints>) -> Result<Self, TokenError> {
        Self::read_with(jws, |reader, key| {
            reader.read(Signer::PublicKey(key.clone()), endpoints)
        })
    }

    /// Parses a token to explain it; of its URLs only the form is checked.
    ///
    /// # Errors
    /// [`TokenError`] for a text that is not a self-signed token.
    pub fn parse(token: &'a str, endpoints: Option<&Endpoints>) -> Result<Self, TokenError> {
        Self::read(Jws::parse(token)?, endpoints)
    }

    /// The stage in `resource`, whatever the other claims are.
    pub fn stage(&self) -> Option<StageArn> {
        StageArn::parse(self.jws.payload.get("resource")?.as_str()?)
    }
}

impl<'a, C> Unverified<'a, C> {
    pub(super) fn read_with(
        jws: Jws<'a>,
        read: impl FnOnce(Reader<'_>, &PublicKeyArn) -> Result<C, Vec<TokenError>>,
    ) -> Result<Self, TokenError> {
        let key = check_header(&jws.header)?;
        let claims = read(Reader::new(&jws.payload), &key);
        Ok(Self { key, claims, jws })
    }

    /// All faults of its claims.
    pub fn problems(&self) -> &[TokenError] {
        self.claims.as_ref().err().map_or(&[], Vec::as_slice)
    }

    /// The claims, if all of them are valid.
    pub fn claims(&self) -> Option<&C> {
        self.claims.as_ref().ok()
    }

    /// The token, or the first fault of its claims.
    pub(super) fn check(self) -> Result<Self, TokenError> {
        match self.problems().first() {
            Some(problem) => Err(problem.clone()),
            None => Ok(self),
        }
    }

    /// Verifies the signature with the key's point (uncompressed, hexadecimal).
    ///
    /// # Errors
    /// [`TokenError::Signature`], or a fault of its claims.
    pub fn verify(self, point: &str) -> Result<C, TokenError> {
        let point = hex::decode(point).map_err(|_| TokenError::Signature)?;
        self.jws.verify(&point)?;
        self.trust()
    }

    /// The claims, for a caller that has verified the signature.
    pub(super) fn trust(self) -> Result<C, TokenError> {
        self.claims.map_err(|problems| {
            let first = problems.into_iter().next();
            first.unwrap_or(TokenError::Signature)
        })
    }
}

/// Checks a header and returns the key it names.
fn check_header(header: &Map<String, Value>) -> Result<PublicKeyArn, TokenError> {
    let wrong = |claim, rule: &str| {
        Err(TokenError::Claim {
            claim,
            rule: rule.to_owned(),
        })
    };
    let text = |name| header.get(name).and_then(Value::as_str);
    if text("alg") != Some(ALGORITHM) {
        return wrong("alg", "must be \"ES384\" in the header");
    }
    if text("typ") != Some(TYPE) {
        return wrong("typ", "must be \"JWT\" in the header");
    }
    if header.contains_key("crit") {
        return wrong(
            "crit",
            "must not be in the header: no extension is known here",
        );
    }
    match text("kid").and_then(PublicKeyArn::parse) {
        Some(key) => Ok(key),
        None => wrong(
            "kid",
            "must be the ARN of an imported public key in the header",
        ),
    }
}

/// Signs self-signed tokens.
pub struct Signing {
    key: SigningKey,
}

impl Signing {
    /// Reads a P-384 private key in PEM (PKCS #8, or SEC 1 as `openssl ecparam -genkey` writes it).
    ///
    /// # Errors
    /// [`TokenKeyError`] for anything else.
    pub fn from_pem(pem: &str) -> Result<Self, TokenKeyError> {
        SigningKey::from_pem(pem).map(|key| Self { key })
    }

    /// The public key: the uncompressed point, hexadecimal.
    pub fn point(&self) -> String {
        hex::encode(self.key.point())
    }

    /// Signs a token. The grant is not checked; to check it, read the token back.
    ///
    /// # Errors
    /// [`TokenKeyError`] if signing fails.
    pub fn sign(
        &self,
        kid: &PublicKeyArn,
        grant: &Grant<'_>,
        endpoints: &Endpoints,
    ) -> Result<String, TokenKeyError> {
        self.sign_payload(kid, &Payload::of(grant, endpoints))
    }

    pub(super) fn sign_payload(
        &self,
        kid: &PublicKeyArn,
        payload: &impl Serialize,
    ) -> Result<String, TokenKeyError> {
        let header = Header {
            alg: ALGORITHM,
            typ: TYPE,
            kid: &kid.to_string(),
        };
        self.key.sign(&header, payload)
    }
}
