//! Participant tokens: ES384 JWTs with the claim names of the IVS user guide ("Distribute
//! participant tokens"), so that clients that decode them find what they look for.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use restage_core::StageArn;
use restage_core::command::Claims;
use restage_core::id::{ParticipantId, Time};
use restage_core::row::{Attributes, Capabilities};
use serde::{Deserialize, Serialize};

/// The `kid` of tokens this server signs itself.
const SERVICE_KEY_ID: &str = "restage-service";
/// A token longer than this is refused unread. Attributes are at most 1 KB, URLs some hundred bytes.
const TOKEN_LEN_MAX: usize = 8 * 1024;

/// What the payload holds, by the service's names.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Payload {
    exp: i64,
    iat: i64,
    jti: String,
    resource: String,
    topic: String,
    events_url: String,
    whip_url: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    user_id: String,
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    attributes: Attributes,
    capabilities: PayloadCapabilities,
    version: String,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct PayloadCapabilities {
    #[serde(default)]
    allow_publish: bool,
    #[serde(default)]
    allow_subscribe: bool,
}

/// Why a token is refused before the rules see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum TokenError {
    #[error("the token is not a signed JWT of this server")]
    Malformed,
    #[error("the token's signature is not this server's")]
    Signature,
    #[error("the token's resource and topic do not name one stage")]
    Stage,
    #[error("the token's jti is not a participant id (1 to 64 letters, digits, - or _)")]
    Participant,
}

/// Signs and verifies participant tokens.
pub struct Tokens {
    signing: EncodingKey,
    verifying: DecodingKey,
    whip_url: String,
    events_url: String,
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

impl Tokens {
    /// `pem` is a PKCS #8 P-384 key; the URLs are the stage endpoints'.
    pub fn new(pem: &str, whip_url: &str, events_url: &str) -> Result<Self, TokenKeyError> {
        use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
        use base64::Engine as _;
        let text: String = pem
            .lines()
            .filter(|line| !line.starts_with("-----"))
            .collect();
        let der = base64::engine::general_purpose::STANDARD
            .decode(text.trim())
            .map_err(|_| TokenKeyError)?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &der)
            .map_err(|_| TokenKeyError)?;
        Ok(Self {
            signing: EncodingKey::from_ec_der(&der),
            verifying: DecodingKey::from_ec_der(pair.public_key().as_ref()),
            whip_url: whip_url.to_owned(),
            events_url: events_url.to_owned(),
        })
    }

    /// Makes the token text.
    pub fn sign(&self, grant: &Grant<'_>) -> Result<String, TokenKeyError> {
        let payload = Payload {
            exp: grant.expires_at.0 / 1_000_000,
            iat: grant.issued_at.0 / 1_000_000,
            jti: grant.participant.to_string(),
            resource: grant.stage.to_string(),
            topic: grant.stage.id.to_string(),
            events_url: self.events_url.clone(),
            whip_url: self.whip_url.clone(),
            user_id: grant.user_id.to_owned(),
            attributes: grant.attributes.clone(),
            capabilities: PayloadCapabilities {
                allow_publish: grant.capabilities.publish,
                allow_subscribe: grant.capabilities.subscribe,
            },
            version: "1.0".to_owned(),
        };
        let header = Header {
            kid: Some(SERVICE_KEY_ID.to_owned()),
            ..Header::new(Algorithm::ES384)
        };
        jsonwebtoken::encode(&header, &payload, &self.signing).map_err(|_| TokenKeyError)
    }

    /// Checks form and signature. Expiry is the rules' business: it matters only when joining.
    pub fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        if token.len() > TOKEN_LEN_MAX {
            return Err(TokenError::Malformed);
        }
        let mut validation = Validation::new(Algorithm::ES384);
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let payload = jsonwebtoken::decode::<Payload>(token, &self.verifying, &validation)
            .map_err(|error| match error.kind() {
                jsonwebtoken::errors::ErrorKind::InvalidSignature => TokenError::Signature,
                _ => TokenError::Malformed,
            })?
            .claims;
        payload.try_into()
    }
}

impl TryFrom<Payload> for Claims {
    type Error = TokenError;

    fn try_from(payload: Payload) -> Result<Self, TokenError> {
        let stage = StageArn::parse(&payload.resource).ok_or(TokenError::Stage)?;
        if stage.id.as_str() != payload.topic {
            return Err(TokenError::Stage);
        }
        let jti_ok = (1..=64).contains(&payload.jti.len())
            && payload
                .jti
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !jti_ok {
            return Err(TokenError::Participant);
        }
        Ok(Self {
            participant: ParticipantId::new(payload.jti),
            stage,
            user_id: payload.user_id,
            attributes: payload.attributes,
            capabilities: Capabilities {
                publish: payload.capabilities.allow_publish,
                subscribe: payload.capabilities.allow_subscribe,
            },
            expires_at: Time(payload.exp.saturating_mul(1_000_000)),
        })
    }
}

/// `token-key.pem` cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "token-key.pem is not a PKCS #8 P-384 private key; restore it, or delete it to make a new one (every token issued so far dies)"
)]
pub struct TokenKeyError;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_dir::DataDir;

    fn tokens() -> Tokens {
        let dir = tempfile::tempdir().unwrap();
        let pem = DataDir::open(dir.path()).unwrap().token_key_pem().unwrap();
        Tokens::new(
            &pem,
            "http://127.0.0.1:4080/whip",
            "ws://127.0.0.1:4080/events",
        )
        .unwrap()
    }

    fn sample(tokens: &Tokens) -> String {
        let stage =
            StageArn::parse("arn:aws:ivs:eu-west-1:000000000000:stage/hT5vN1cGy8Ud").unwrap();
        let attributes = Attributes::from([("order".to_owned(), "1".to_owned())]);
        tokens
            .sign(&Grant {
                participant: &ParticipantId::new("q7Rk2ZpLw0Xe"),
                stage: &stage,
                user_id: "ann",
                attributes: &attributes,
                capabilities: Capabilities {
                    publish: true,
                    subscribe: false,
                },
                issued_at: Time(1_790_000_000_000_000),
                expires_at: Time(1_790_000_060_000_000),
            })
            .unwrap()
    }

    #[test]
    fn a_token_says_what_it_was_given() {
        let tokens = tokens();
        let claims = tokens.verify(&sample(&tokens)).unwrap();
        assert_eq!(claims.participant.as_str(), "q7Rk2ZpLw0Xe");
        assert_eq!(claims.user_id, "ann");
        assert_eq!(claims.attributes["order"], "1");
        assert_eq!(
            claims.capabilities,
            Capabilities {
                publish: true,
                subscribe: false
            }
        );
        assert_eq!(claims.expires_at, Time(1_790_000_060_000_000));
    }

    #[test]
    fn another_servers_token_is_refused() {
        let ours = tokens();
        assert_eq!(
            ours.verify(&sample(&tokens())).unwrap_err(),
            TokenError::Signature
        );
    }

    #[test]
    fn no_mutation_of_a_token_verifies_or_panics() {
        let tokens = tokens();
        let good = sample(&tokens);
        for at in 0..good.len() {
            let mut bytes = good.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let text = String::from_utf8(bytes).unwrap();
            // The last character of a base64url part may carry unused bits; the decoder refuses those.
            assert!(
                tokens.verify(&text).is_err(),
                "mutation at {at} was accepted"
            );
        }
        assert_eq!(tokens.verify("").unwrap_err(), TokenError::Malformed);
        assert_eq!(
            tokens.verify(&"a.".repeat(9_000)).unwrap_err(),
            TokenError::Malformed
        );
    }
}
