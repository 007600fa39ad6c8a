//! Reading a participant token.
//!
//! A participant token is a JWT (RFC 7519). Its payload contains the URLs for publishing and for
//! events, and the stage. A client reads these without verifying the signature, which only
//! the server can verify. Claim names follow the Amazon IVS Real-Time user guide, "Create participant
//! tokens".

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

/// Longest token read; those of IVS are around one to three kilobytes.
pub const TOKEN_LENGTH_MAX: usize = 16 * 1024;

/// Base64url, with or without padding, because both kinds of tokens exist.
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Why a participant token cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenError {
    /// Longer than [`TOKEN_LENGTH_MAX`].
    #[error("the participant token is {0} characters long; the most read is {TOKEN_LENGTH_MAX}")]
    TooLong(usize),
    /// Not three parts joined by dots.
    #[error("the participant token has {0} dot-separated parts; a JWT has 3")]
    Parts(usize),
    /// The middle part is not base64url.
    #[error("the payload of the participant token is not base64url")]
    Base64,
    /// The payload is not the JSON object a participant token carries.
    #[error("the payload of the participant token cannot be read: {0}")]
    Payload(String),
    /// The payload lacks a claim that is needed.
    #[error("the participant token has no {0:?} claim")]
    Missing(&'static str),
}

/// The permissions of a token. An absent claim means no.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Capabilities {
    /// May publish (`allow_publish`).
    #[serde(default)]
    pub allow_publish: bool,
    /// May subscribe (`allow_subscribe`).
    #[serde(default)]
    pub allow_subscribe: bool,
}

#[derive(Deserialize)]
struct Claims {
    #[serde(default)]
    jti: Option<String>,
    #[serde(default)]
    resource: Option<String>,
    #[serde(default)]
    topic: Option<String>,
    #[serde(default)]
    whip_url: Option<String>,
    #[serde(default)]
    events_url: Option<String>,
    #[serde(default)]
    exp: Option<NumericDate>,
    #[serde(default)]
    iat: Option<NumericDate>,
    #[serde(default)]
    user_id: Option<String>,
    #[serde(default)]
    attributes: Option<BTreeMap<String, String>>,
    #[serde(default)]
    capabilities: Capabilities,
}

/// Seconds since 1970 (RFC 7519 §2): the number need not be whole.
#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum NumericDate {
    Whole(i64),
    Broken(f64),
}

/// A participant token with its payload read but not verified.
///
/// ```
/// use restage_client::ParticipantToken;
///
/// // {"alg":"ES384"} . {"jti":"q7Rk2ZpLw0Xe","topic":"hT5vN1cGy8Ud",
/// //                    "whip_url":"http://127.0.0.1:4080/whip"} . signature
/// let text = "eyJhbGciOiJFUzM4NCJ9.eyJqdGkiOiJxN1JrMlpwTHcwWGUiLCJ0b3BpYyI6ImhUNXZOMWNHeThVZCIsIn\
///             doaXBfdXJsIjoiaHR0cDovLzEyNy4wLjAuMTo0MDgwL3doaXAifQ.c2ln";
/// let token = ParticipantToken::decode(text)?;
/// assert_eq!(token.participant_id(), Some("q7Rk2ZpLw0Xe"));
/// assert_eq!(token.subscribe_url("Ab3dEf6hIj9k")?,
///            "http://127.0.0.1:4080/whip/subscribe/Ab3dEf6hIj9k");
/// # Ok::<(), restage_client::TokenError>(())
/// ```
#[derive(Clone)]
pub struct ParticipantToken {
    text: String,
    claims: std::sync::Arc<Claims>,
}

impl ParticipantToken {
    /// Reads the payload of `text`. The signature is not checked.
    ///
    /// # Errors
    /// A [`TokenError`] when the text is not a JWT or its payload is not a JSON object with claims
    /// of the documented types.
    pub fn decode(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        if text.len() > TOKEN_LENGTH_MAX {
            return Err(TokenError::TooLong(text.len()));
        }
        let parts: Vec<&str> = text.split('.').collect();
        let [_, payload, _] = parts.as_slice() else {
            return Err(TokenError::Parts(parts.len()));
        };
        let payload = BASE64_URL.decode(payload).map_err(|_| TokenError::Base64)?;
        // Through a map: a struct alone would take a JSON array as its members in order.
        let claims: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(&payload)
                .map_err(|error| TokenError::Payload(error.to_string()))?;
        let claims: Claims = serde_json::from_value(claims.into())
            .map_err(|error| TokenError::Payload(error.to_string()))?;
        Ok(Self {
            text: text.to_owned(),
            claims: std::sync::Arc::new(claims),
        })
    }

    /// The token as given, for an `Authorization: Bearer` header. It is a secret.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// `jti`: the id of the participant.
    #[must_use]
    pub fn participant_id(&self) -> Option<&str> {
        self.claims.jti.as_deref()
    }

    /// `resource`: ARN of the stage.
    #[must_use]
    pub fn stage_arn(&self) -> Option<&str> {
        self.claims.resource.as_deref()
    }

    /// `topic`: id of the stage, the last part of its ARN.
    #[must_use]
    pub fn topic(&self) -> Option<&str> {
        self.claims.topic.as_deref()
    }

    /// `user_id`: the label that the token's issuer chose.
    #[must_use]
    pub fn user_id(&self) -> Option<&str> {
        self.claims.user_id.as_deref()
    }

    /// `attributes`: visible to other participants; empty if there are none.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.claims
            .attributes
            .iter()
            .flatten()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// `capabilities`: the permissions of the token.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        self.claims.capabilities
    }

    /// `exp`: the time until which the token admits a participant.
    #[must_use]
    pub fn expires_at(&self) -> Option<SystemTime> {
        unix_time(self.claims.exp?)
    }

    /// `iat`: the time when the token was issued.
    #[must_use]
    pub fn issued_at(&self) -> Option<SystemTime> {
        unix_time(self.claims.iat?)
    }

    /// Whether `now` is at or past `exp`. A token without `exp` does not expire.
    #[must_use]
    pub fn is_expired(&self, now: SystemTime) -> bool {
        self.expires_at()
            .is_some_and(|expires_at| now >= expires_at)
    }

    /// `whip_url`: the URL to publish to (WHIP, RFC 9725).
    ///
    /// # Errors
    /// [`TokenError::Missing`] if the token has no `whip_url`.
    pub fn whip_url(&self) -> Result<&str, TokenError> {
        self.claims
            .whip_url
            .as_deref()
            .ok_or(TokenError::Missing("whip_url"))
    }

    /// The URL to subscribe to one publisher: `<whip_url>/subscribe/<participant id>`.
    ///
    /// # Errors
    /// [`TokenError::Missing`] if the token has no `whip_url`.
    pub fn subscribe_url(&self, participant_id: &str) -> Result<String, TokenError> {
        Ok(format!(
            "{}/subscribe/{participant_id}",
            self.whip_url()?.trim_end_matches('/')
        ))
    }

    /// The events socket of the stage: `<events_url>/<topic>`.
    ///
    /// # Errors
    /// [`TokenError::Missing`] if the token has no `events_url` or no `topic`.
    pub fn events_url(&self) -> Result<String, TokenError> {
        let base = self
            .claims
            .events_url
            .as_deref()
            .ok_or(TokenError::Missing("events_url"))?;
        let topic = self.topic().ok_or(TokenError::Missing("topic"))?;
        Ok(format!("{}/{topic}", base.trim_end_matches('/')))
    }
}

/// Shows the claims, but never the token itself.
impl fmt::Debug for ParticipantToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParticipantToken")
            .field("participant_id", &self.participant_id())
            .field("topic", &self.topic())
            .field("whip_url", &self.claims.whip_url)
            .field("events_url", &self.claims.events_url)
            .field("capabilities", &self.capabilities())
            .finish_non_exhaustive()
    }
}

fn unix_time(date: NumericDate) -> Option<SystemTime> {
    let (is_before, magnitude) = match date {
        NumericDate::Whole(seconds) => (seconds < 0, Duration::from_secs(seconds.unsigned_abs())),
        NumericDate::Broken(seconds) => {
            let magnitude = Duration::try_from_secs_f64(seconds.abs()).ok()?;
            (seconds < 0.0, magnitude)
        }
    };
    if is_before {
        SystemTime::UNIX_EPOCH.checked_sub(magnitude)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(magnitude)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(payload: &str) -> String {
        format!(
            "e30.{}.c2ln",
            base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(payload)
        )
    }

    #[test]
    fn every_claim_is_read() {
        let text = token(
            r#"{"iat":1790000000,"exp":1790043200,"jti":"q7Rk2ZpLw0Xe",
            "resource":"arn:aws:ivs:eu-west-1:111122223333:stage/hT5vN1cGy8Ud","topic":"hT5vN1cGy8Ud",
            "events_url":"wss://events.example.test/","whip_url":"https://0a1b2c.whip.example.test/",
            "capabilities":{"allow_publish":true},"user_id":"ann","attributes":{"order":"1"},
            "version":"1.0"}"#,
        );
        let token = ParticipantToken::decode(&format!(" {text}\n")).unwrap();
        assert_eq!(token.as_str(), text);
        assert_eq!(token.participant_id(), Some("q7Rk2ZpLw0Xe"));
        assert_eq!(
            token.stage_arn(),
            Some("arn:aws:ivs:eu-west-1:111122223333:stage/hT5vN1cGy8Ud")
        );
        assert_eq!(token.user_id(), Some("ann"));
        assert_eq!(token.attributes().collect::<Vec<_>>(), [("order", "1")]);
        assert_eq!(
            token.capabilities(),
            Capabilities {
                allow_publish: true,
                allow_subscribe: false
            }
        );
        assert_eq!(
            token.events_url().unwrap(),
            "wss://events.example.test/hT5vN1cGy8Ud"
        );
        assert_eq!(
            token.subscribe_url("Ab3dEf6hIj9k").unwrap(),
            "https://0a1b2c.whip.example.test/subscribe/Ab3dEf6hIj9k"
        );
        let expires_at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_043_200);
        assert_eq!(token.expires_at(), Some(expires_at));
        assert!(token.is_expired(expires_at));
        assert!(!token.is_expired(expires_at - Duration::from_secs(1)));
        let shown = format!("{token:?}");
        assert!(!shown.contains(&text) && !shown.contains("c2ln"), "{shown}");
    }

    #[test]
    fn refusals_name_the_rule() {
        let cases = [
            ("a.b".to_owned(), TokenError::Parts(2)),
            ("".to_owned(), TokenError::Parts(1)),
            ("a.b.c.d".to_owned(), TokenError::Parts(4)),
            ("a.*.c".to_owned(), TokenError::Base64),
            (
                "x".repeat(TOKEN_LENGTH_MAX + 1),
                TokenError::TooLong(TOKEN_LENGTH_MAX + 1),
            ),
        ];
        for (text, error) in cases {
            assert_eq!(ParticipantToken::decode(&text).unwrap_err(), error);
        }
        for payload in ["[]", "7", "{\"jti\":7}", "{\"exp\":\"soon\"}", "\u{0}"] {
            let error = ParticipantToken::decode(&token(payload)).unwrap_err();
            assert!(
                matches!(error, TokenError::Payload(_)),
                "{payload}: {error}"
            );
        }
        let bare = ParticipantToken::decode(&token("{}")).unwrap();
        assert_eq!(
            bare.whip_url().unwrap_err(),
            TokenError::Missing("whip_url")
        );
        assert_eq!(
            bare.events_url().unwrap_err(),
            TokenError::Missing("events_url")
        );
        assert!(!bare.is_expired(SystemTime::now()));
    }

    #[test]
    fn an_expiry_outside_time_is_no_panic() {
        for exp in [
            "-9223372036854775808",
            "-1",
            "9223372036854775807",
            "18446744073709551615",
            "-1e300",
            "1e300",
            "-0.5",
        ] {
            let token = ParticipantToken::decode(&token(&format!("{{\"exp\":{exp}}}"))).unwrap();
            let _ = token.is_expired(SystemTime::now());
        }
    }

    #[test]
    fn times_are_numbers_of_any_form() {
        for (exp, expected_ms) in [
            ("1790043200", 1_790_043_200_000),
            ("1790043200.0", 1_790_043_200_000),
            ("1.7900432e9", 1_790_043_200_000),
            ("1790043200.25", 1_790_043_200_250),
        ] {
            let token = ParticipantToken::decode(&token(&format!("{{\"exp\":{exp}}}"))).unwrap();
            let expected = SystemTime::UNIX_EPOCH + Duration::from_millis(expected_ms);
            assert_eq!(token.expires_at(), Some(expected), "{exp}");
        }
    }
}
