//! The claims of a participant token, with the rules of the IVS user guide ("Distribute participant tokens").

use restage_core::StageArn;
use restage_core::id::{ParticipantId, Time};
use restage_core::limits::TOKEN_LIFE_MAX_S;
use restage_core::row::{Attributes, Capabilities};
use restage_core::{ATTRIBUTES_BYTES_MAX, Claims, Signer};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Endpoints, Grant, TokenError};

/// The only version of a payload.
pub(super) const VERSION: &str = "1.0";
/// Most characters of a token's identity.
const IDENTITY_LEN_MAX: usize = 64;
/// Most characters of a user id.
const USER_ID_LEN_MAX: usize = 128;
/// The last second of the year 9999, after which times have no common text form.
const SECONDS_MAX: i64 = 253_402_300_799;

/// A payload to be written.
#[derive(Serialize)]
pub(super) struct Payload<'a> {
    exp: i64,
    iat: i64,
    jti: &'a str,
    resource: String,
    topic: &'a str,
    events_url: &'a str,
    whip_url: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    user_id: &'a str,
    #[serde(skip_serializing_if = "Attributes::is_empty")]
    attributes: &'a Attributes,
    capabilities: PayloadCapabilities,
    version: &'a str,
}

#[derive(Clone, Copy, Serialize)]
struct PayloadCapabilities {
    allow_publish: bool,
    allow_subscribe: bool,
}

impl<'a> Payload<'a> {
    pub(super) fn of(grant: &Grant<'a>, endpoints: &'a Endpoints) -> Self {
        Self {
            exp: grant.expires_at.0.div_euclid(1_000_000),
            iat: grant.issued_at.0.div_euclid(1_000_000),
            jti: grant.participant.as_str(),
            resource: grant.stage.to_string(),
            topic: grant.stage.id.as_str(),
            events_url: &endpoints.events,
            whip_url: &endpoints.whip,
            user_id: grant.user_id,
            attributes: grant.attributes,
            capabilities: PayloadCapabilities {
                allow_publish: grant.capabilities.publish,
                allow_subscribe: grant.capabilities.subscribe,
            },
            version: VERSION,
        }
    }
}

/// Parses a payload and collects all faults.
pub(super) struct Reader<'a> {
    payload: &'a Map<String, Value>,
    pub(super) problems: Vec<TokenError>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(payload: &'a Map<String, Value>) -> Self {
        Self {
            payload,
            problems: Vec::new(),
        }
    }

    /// The claims of a payload, or all its faults. `endpoints` are the URLs that the token must contain;
    /// `None` for a token of this server, which may be older than its present URL.
    pub(super) fn read(
        mut self,
        signer: Signer,
        endpoints: Option<&Endpoints>,
    ) -> Result<Claims, Vec<TokenError>> {
        let (issued_at, expires_at) = self.times(TOKEN_LIFE_MAX_S, "14 days");
        let participant = self.identity().map(ParticipantId::new);
        let stage = self.stage();
        if let Signer::PublicKey(key) = &signer
            && let Some(stage) = &stage
            && (&key.account, &key.region) != (&stage.account, &stage.region)
        {
            self.wrong(
                "kid",
                "must name a key of the account and Region of the stage in resource",
            );
        }
        self.url("events_url", endpoints.map(|to| to.events.as_str()));
        self.url("whip_url", endpoints.map(|to| to.whip.as_str()));
        let capabilities = self.capabilities();
        self.version();
        let user_id = self.user_id();
        let attributes = self.attributes();
        match (issued_at, expires_at, participant, stage, capabilities) {
            (
                Some(issued_at),
                Some(expires_at),
                Some(participant),
                Some(stage),
                Some(capabilities),
            ) if self.problems.is_empty() => Ok(Claims {
                participant,
                stage,
                user_id,
                attributes,
                capabilities,
                issued_at,
                expires_at,
                signer,
            }),
            _ => Err(self.problems),
        }
    }

    pub(super) fn wrong(&mut self, claim: &'static str, rule: &str) {
        self.problems.push(TokenError::Claim {
            claim,
            rule: rule.to_owned(),
        });
    }

    /// A required claim.
    fn required(&mut self, claim: &'static str) -> Option<&'a Value> {
        let value = self.payload.get(claim);
        if value.is_none() {
            self.wrong(claim, "is required");
        }
        value
    }

    pub(super) fn text(&mut self, claim: &'static str) -> Option<&'a str> {
        let text = self.required(claim)?.as_str();
        if text.is_none() {
            self.wrong(claim, "must be a string");
        }
        text
    }

    /// A NumericDate (RFC 7519 §2): a number of seconds, in any form of JSON number, possibly with a fraction.
    fn time(&mut self, claim: &'static str) -> Option<Time> {
        let value = self.required(claim)?;
        let micros = match value.as_i64() {
            Some(seconds) => (0..=SECONDS_MAX)
                .contains(&seconds)
                .then(|| seconds * 1_000_000),
            None => value
                .as_f64()
                .filter(|seconds| (0.0..=SECONDS_MAX as f64).contains(seconds))
                .map(|seconds| (seconds * 1e6).round() as i64),
        };
        if micros.is_none() {
            self.wrong(claim, "must be a number: seconds since 1970");
        }
        micros.map(Time)
    }

    /// `iat` and `exp`, which may be this many seconds apart: `most` says it in words.
    pub(super) fn times(&mut self, life_s: i64, most: &str) -> (Option<Time>, Option<Time>) {
        let (issued_at, expires_at) = (self.time("iat"), self.time("exp"));
        if let (Some(issued_at), Some(expires_at)) = (issued_at, expires_at)
            && expires_at.0 - issued_at.0 > life_s * 1_000_000
        {
            self.wrong("exp", &format!("must be at most {most} after iat"));
        }
        (issued_at, expires_at)
    }

    /// Whether the payload has this claim.
    pub(super) fn has(&self, claim: &str) -> bool {
        self.payload.contains_key(claim)
    }

    /// `jti`.
    pub(super) fn identity(&mut self) -> Option<&'a str> {
        let id = self.text("jti")?;
        let sound = (1..=IDENTITY_LEN_MAX).contains(&id.len())
            && id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !sound {
            self.wrong("jti", "must be 1 to 64 ASCII letters, digits, - or _");
        }
        sound.then_some(id)
    }

    pub(super) fn version(&mut self) {
        if self.text("version").is_some_and(|text| text != VERSION) {
            self.wrong("version", &format!("must be \"{VERSION}\""));
        }
    }

    /// `resource` and `topic`.
    fn stage(&mut self) -> Option<StageArn> {
        let stage = self.text("resource").map(StageArn::parse);
        if matches!(stage, Some(None)) {
            self.wrong("resource", "must be the ARN of a stage");
        }
        let stage = stage.flatten();
        let topic = self.text("topic");
        if let (Some(stage), Some(topic)) = (&stage, topic)
            && stage.id.as_str() != topic
        {
            self.wrong(
                "topic",
                "must be the id of the stage in resource, the last part of its ARN",
            );
        }
        stage
    }

    pub(super) fn url(&mut self, claim: &'static str, expected: Option<&str>) {
        let given = self.text(claim);
        if let (Some(given), Some(expected)) = (given, expected)
            && given != expected
        {
            let endpoint = claim.trim_end_matches("_url");
            self.wrong(
                claim,
                &format!("must be the stage's endpoints.{endpoint}, {expected}"),
            );
        }
    }

    fn capabilities(&mut self) -> Option<Capabilities> {
        let given = self.required("capabilities")?.as_object();
        let Some(given) = given else {
            self.wrong("capabilities", "must be an object");
            return None;
        };
        let mut flag = |name: &str| match given.get(name) {
            None => Some(false),
            Some(Value::Bool(allowed)) => Some(*allowed),
            Some(_) => {
                self.wrong(
                    "capabilities",
                    &format!("must have true or false as {name}"),
                );
                None
            }
        };
        let (publish, subscribe) = (flag("allow_publish"), flag("allow_subscribe"));
        Some(Capabilities {
            publish: publish?,
            subscribe: subscribe?,
        })
    }

    fn user_id(&mut self) -> String {
        if !self.payload.contains_key("user_id") {
            return String::new();
        }
        let text = self.text("user_id").unwrap_or_default();
        if text.chars().count() > USER_ID_LEN_MAX {
            self.wrong("user_id", "must have at most 128 characters");
        }
        if text.contains('\0') {
            self.wrong("user_id", "may not contain the character U+0000");
        }
        text.to_owned()
    }

    fn attributes(&mut self) -> Attributes {
        let Some(value) = self.payload.get("attributes") else {
            return Attributes::new();
        };
        let entries = value.as_object().and_then(|entries| {
            entries
                .iter()
                .map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
                .collect::<Option<Attributes>>()
        });
        let Some(attributes) = entries else {
            self.wrong("attributes", "must be an object of strings");
            return Attributes::new();
        };
        let bytes: usize = attributes
            .iter()
            .map(|(key, value)| key.len() + value.len())
            .sum();
        if bytes > ATTRIBUTES_BYTES_MAX {
            self.wrong(
                "attributes",
                &format!(
                    "may have at most {ATTRIBUTES_BYTES_MAX} bytes of UTF-8, all keys and values \
                     together (it has {bytes})"
                ),
            );
        }
        attributes
    }
}
