//! JWS Compact Serialization (RFC 7515 §7.1) with the two algorithms used here. ES384 (RFC 7518 §3.4) is ECDSA on
//! P-384 with SHA-384, the signature being r and s in sequence, for tokens that customers sign. HS256 (§3.2) is
//! HMAC with SHA-256, for this server's own tokens.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_FIXED, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use restage_api::shape::pem_space;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{TokenError, TokenKeyError};

/// A longer token is refused unread. Attributes have at most 1 KB, URLs some hundred bytes.
const TOKEN_LEN_MAX: usize = 8 * 1024;
/// Length of the HS256 secret: that of the hash, the minimum of RFC 7518 §3.2.
pub const SECRET_LEN: usize = 32;

/// A token split into its parts. Its contents must not be trusted before [`Jws::verify`].
pub(super) struct Jws<'a> {
    pub(super) header: Map<String, Value>,
    pub(super) payload: Map<String, Value>,
    signed: &'a [u8],
    signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    pub(super) fn parse(token: &'a str) -> Result<Self, TokenError> {
        if token.len() > TOKEN_LEN_MAX {
            return Err(TokenError::Length(TOKEN_LEN_MAX));
        }
        let malformed = TokenError::Malformed;
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed("it must have three parts with dots between them"));
        };
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
        let object = |part: &str| -> Option<Map<String, Value>> {
            serde_json::from_slice(&decode(part)?).ok()
        };
        Ok(Self {
            header: object(header)
                .ok_or_else(|| malformed("its header must be a JSON object in base64url"))?,
            payload: object(payload)
                .ok_or_else(|| malformed("its payload must be a JSON object in base64url"))?,
            signed: &token.as_bytes()[..header.len() + 1 + payload.len()],
            signature: decode(signature)
                .ok_or_else(|| malformed("its signature must be base64url"))?,
        })
    }

    /// Verifies that the token was made with this secret.
    pub(super) fn verify_own(&self, secret: &Secret) -> Result<(), TokenError> {
        hmac::verify(&secret.0, self.signed, &self.signature).map_err(|_| TokenError::Signature)
    }

    /// Verifies that the owner of this point (uncompressed) signed the token.
    pub(super) fn verify(&self, point: &[u8]) -> Result<(), TokenError> {
        UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point)
            .verify(self.signed, &self.signature)
            .map_err(|_| TokenError::Signature)
    }
}

/// A P-384 key pair.
pub(super) struct SigningKey(EcdsaKeyPair);

impl SigningKey {
    /// Reads a PEM text with one private key, in PKCS #8 or SEC 1 form. Other blocks are ignored, such as the curve's
    /// parameters that openssl writes before the key.
    pub(super) fn from_pem(pem: &str) -> Result<Self, TokenKeyError> {
        const END: &str = " PRIVATE KEY-----";
        let begin = [
            "-----BEGIN PRIVATE KEY-----",
            "-----BEGIN EC PRIVATE KEY-----",
        ]
        .into_iter()
        .find_map(|begin| pem.split_once(begin))
        .ok_or(TokenKeyError)?;
        let (body, _) = begin.1.split_once("-----END").ok_or(TokenKeyError)?;
        if pem.matches(END).count() > 2 {
            return Err(TokenKeyError);
        }
        let body: String = body.split(pem_space).collect();
        let der = STANDARD.decode(body).map_err(|_| TokenKeyError)?;
        EcdsaKeyPair::from_private_key_der(&ECDSA_P384_SHA384_FIXED_SIGNING, &der)
            .map(Self)
            .map_err(|_| TokenKeyError)
    }

    /// The public key: an uncompressed point.
    pub(super) fn point(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    pub(super) fn sign<H: Serialize, P: Serialize>(
        &self,
        header: &H,
        payload: &P,
    ) -> Result<String, TokenKeyError> {
        compact(header, payload, |text| {
            let signature = self.0.sign(&SystemRandom::new(), text).ok()?;
            Some(signature.as_ref().to_vec())
        })
        .ok_or(TokenKeyError)
    }
}

/// The secret that signs and verifies this server's own tokens.
pub(super) struct Secret(hmac::Key);

impl Secret {
    pub(super) fn new(secret: &[u8; SECRET_LEN]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    pub(super) fn sign<H: Serialize, P: Serialize>(
        &self,
        header: &H,
        payload: &P,
    ) -> Result<String, TokenKeyError> {
        compact(header, payload, |text| {
            Some(hmac::sign(&self.0, text).as_ref().to_vec())
        })
        .ok_or(TokenKeyError)
    }
}

fn compact(
    header: &impl Serialize,
    payload: &impl Serialize,
    sign: impl FnOnce(&[u8]) -> Option<Vec<u8>>,
) -> Option<String> {
    let mut token = URL_SAFE_NO_PAD.encode(serde_json::to_vec(header).ok()?);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(payload).ok()?, &mut token);
    let signature = sign(token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Some(token)
}
