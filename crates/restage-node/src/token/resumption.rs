//! Resumption secrets: with one, a client that was admitted to a stage session reconnects after its token has expired.
//!
//! A secret is the session's id and a MAC over stage, session, participant and the signer of the token. The server
//! stores nothing, so a secret is valid exactly as long as its session. Core checks whether the session continues,
//! and whether token and key are still valid.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use restage_core::id::StageSessionId;
use restage_core::{Claims, Signer};

use super::jws::SECRET_LEN;

/// Separates the key of resumption secrets from the key of tokens.
const LABEL: &[u8] = b"restage resumption 1";
/// Longest secret: the id of a session, a dot, and the MAC in base64url.
const SECRET_CHARS_MAX: usize = 128;

/// Issues and verifies resumption secrets.
pub(super) struct Resumption(hmac::Key);

impl Resumption {
    /// Derives the key from the token secret.
    pub(super) fn new(secret: &[u8; SECRET_LEN]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let derived = hmac::sign(&key, LABEL);
        Self(hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()))
    }

    pub(super) fn secret(&self, claims: &Claims, session: &StageSessionId) -> String {
        let mac = hmac::sign(&self.0, &message(claims, session));
        format!("{session}.{}", URL_SAFE_NO_PAD.encode(mac))
    }

    /// The session of a secret, if it was issued to the bearer of this token. Compares in constant time.
    pub(super) fn session(&self, claims: &Claims, secret: &str) -> Option<StageSessionId> {
        if secret.len() > SECRET_CHARS_MAX {
            return None;
        }
        let (session, mac) = secret.rsplit_once('.')?;
        let session = StageSessionId::new(session);
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        hmac::verify(&self.0, &message(claims, &session), &mac).ok()?;
        Some(session)
    }
}

/// The text that the MAC covers: every field with its length before it, so that different fields give different texts.
fn message(claims: &Claims, session: &StageSessionId) -> Vec<u8> {
    let stage = claims.stage.to_string();
    let signer = match &claims.signer {
        Signer::Service => String::new(),
        Signer::PublicKey(key) => key.to_string(),
    };
    let fields = [
        stage.as_str(),
        session.as_str(),
        claims.participant.as_str(),
        signer.as_str(),
    ];
    let mut message = Vec::with_capacity(256);
    for field in fields {
        message.extend((field.len() as u64).to_be_bytes());
        message.extend(field.as_bytes());
    }
    message
}

#[cfg(test)]
mod tests {
    use restage_core::id::{ParticipantId, PublicKeyId, StageId, Time};
    use restage_core::row::{Attributes, Capabilities};
    use restage_core::{PublicKeyArn, StageArn};

    use super::*;

    fn claims(stage: &str, participant: &str, key: Option<&str>) -> Claims {
        let (region, account) = ("eu-west-1".to_owned(), "111122223333".to_owned());
        Claims {
            participant: ParticipantId::new(participant),
            stage: StageArn {
                region: region.clone(),
                account: account.clone(),
                id: StageId::new(stage),
            },
            user_id: String::new(),
            attributes: Attributes::new(),
            capabilities: Capabilities {
                publish: true,
                subscribe: true,
            },
            issued_at: Time(0),
            expires_at: Time(1),
            signer: key.map_or(Signer::Service, |key| {
                Signer::PublicKey(PublicKeyArn {
                    region,
                    account,
                    id: PublicKeyId::new(key),
                })
            }),
        }
    }

    #[test]
    fn a_secret_is_good_for_one_participant_of_one_session_and_signer() {
        let resumption = Resumption::new(&[7; SECRET_LEN]);
        let session = StageSessionId::new("st-abc");
        let ann = claims("A", "ann", None);
        let secret = resumption.secret(&ann, &session);
        assert!(secret.len() <= SECRET_CHARS_MAX);
        assert_eq!(resumption.session(&ann, &secret), Some(session.clone()));
        // A newer token of the same participant may have other claims.
        let newer = Claims {
            user_id: "Ann".to_owned(),
            expires_at: Time(9),
            ..ann.clone()
        };
        assert_eq!(resumption.session(&newer, &secret), Some(session.clone()));
        for other in [
            claims("B", "ann", None),
            claims("A", "bob", None),
            claims("A", "ann", Some("K")),
        ] {
            assert_eq!(resumption.session(&other, &secret), None, "{other:?}");
        }
        let elsewhere = Resumption::new(&[8; SECRET_LEN]);
        assert_eq!(elsewhere.session(&ann, &secret), None);
        let mac = secret.split_once('.').unwrap().1;
        for forged in [
            format!("st-abd.{mac}"),
            format!("st-abc.{}", mac.to_lowercase()),
            format!("st-abc.{}", &mac[1..]),
            "st-abc.".to_owned(),
            "st-abc".to_owned(),
            String::new(),
            ".".to_owned(),
            format!("{secret}."),
            "x".repeat(10_000),
            format!("{}.{mac}", "x".repeat(10_000)),
        ] {
            assert_eq!(resumption.session(&ann, &forged), None, "{forged:.99}");
        }
    }

    #[test]
    fn fields_that_run_into_each_other_are_other_messages() {
        let session = StageSessionId::new("s");
        let one = message(&claims("A", "ann", None), &session);
        let other = message(&claims("A", "an", None), &StageSessionId::new("sn"));
        assert_ne!(one, other);
    }
}
