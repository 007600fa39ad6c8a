//! What a subscriber wishes to be shown, as it is written in a WHEP URL and in messages of the events socket.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::StatusCode;
use http::request::Parts;
use restage_core::id::ParticipantId;
use restage_media::limits::LAYER_NAME_BYTES_MAX;
use restage_media::{FirstLayer, PreferredLayer, Priority, Wish};
use restage_node::control::{EventsSocket, WishError};
use serde_json::{Map, Value, json};

use super::App;
use super::refusal::Refusal;
use super::statistics::whole;

/// Highest `maxHeight`, in lines. No encoder makes larger pictures.
const HEIGHT_MAX: u64 = 16_384;

const FIRST: &str = "initialLayerPreference";
const PREFERRED: &str = "preferredLayer";
const HEIGHT: &str = "maxHeight";
const AUDIO_ONLY: &str = "audioOnly";
const PAUSED: &str = "paused";
const PRIORITY: &str = "priority";
/// The members that name a wish, in a message and in a URL.
const MEMBERS: [&str; 6] = [FIRST, PREFERRED, HEIGHT, AUDIO_ONLY, PAUSED, PRIORITY];

/// A member that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Invalid {
    pub(super) member: &'static str,
    pub(super) rule: String,
}

/// The parameters of a URL that name wishes: at most one of each.
#[derive(Clone, Debug, Default)]
pub(super) struct WishesInUrl(Vec<(&'static str, Value)>);

impl WishesInUrl {
    /// The wishes of a query. The last of several of one name counts. `None` if there are none.
    pub(super) fn of(query: &str) -> Option<Self> {
        let mut wishes: Vec<(&'static str, Value)> = Vec::new();
        for (name, text) in form_urlencoded::parse(query.as_bytes()) {
            let Some(member) = MEMBERS.into_iter().find(|member| *member == name) else {
                continue;
            };
            wishes.retain(|(known, _)| *known != member);
            wishes.push((member, value_of(&text)));
        }
        (!wishes.is_empty()).then_some(Self(wishes))
    }
}

/// The value that a parameter's text means: a number, true, false, or the text.
fn value_of(text: &str) -> Value {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match (text, text.parse::<u64>()) {
        ("true", _) => Value::Bool(true),
        ("false", _) => Value::Bool(false),
        (_, Ok(number)) if is_number => Value::from(number),
        _ => Value::from(text),
    }
}

/// The wish in the URL of a WHEP request, or why it is not one. It is extracted after the body was read, because a
/// client that is refused while it sends its body may not receive the answer.
pub(super) struct WishOfUrl(pub(super) Result<Wish, Refusal>);

impl<S: Sync> FromRequestParts<S> for WishOfUrl {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let mut wish = Wish::default();
        let wishes = parts.extensions.get::<WishesInUrl>();
        for (member, value) in wishes.map_or(&[][..], |wishes| &wishes.0) {
            if let Err(invalid) = set(&mut wish, member, value) {
                let message = format!("{} in the URL {}", invalid.member, invalid.rule);
                let refusal = Refusal::new(StatusCode::BAD_REQUEST, "INVALID", message);
                return Ok(Self(Err(refusal)));
            }
        }
        Ok(Self(Ok(wish)))
    }
}

/// Sets one member of a wish; null takes it back.
fn set(wish: &mut Wish, member: &'static str, value: &Value) -> Result<(), Invalid> {
    let nothing = Wish::default();
    let rule = |rule: String| Invalid { member, rule };
    match member {
        FIRST => {
            wish.first = match value.as_str() {
                _ if value.is_null() => nothing.first,
                Some("LOWEST_QUALITY") => Some(FirstLayer::Lowest),
                Some("HIGHEST_QUALITY") => Some(FirstLayer::Highest),
                _ => {
                    return Err(rule(
                        "must be \"LOWEST_QUALITY\" or \"HIGHEST_QUALITY\"".to_owned(),
                    ));
                }
            }
        }
        PREFERRED => {
            let named = value.as_str().and_then(PreferredLayer::named);
            let index = whole(value).and_then(|index| u8::try_from(index).ok());
            let preferred = named.or_else(|| index.map(PreferredLayer::Index));
            if preferred.is_none() && !value.is_null() {
                return Err(rule(format!(
                    "must be \"hi\", \"mid\" or \"low\", a rid of 1 to {LAYER_NAME_BYTES_MAX} bytes, or an index from 0 to 255"
                )));
            }
            wish.preferred = preferred;
        }
        HEIGHT => {
            let height = whole(value).filter(|height| (1..=HEIGHT_MAX).contains(height));
            if height.is_none() && !value.is_null() {
                return Err(rule(format!("must be an integer from 1 to {HEIGHT_MAX}")));
            }
            wish.height_max = height.and_then(|height| u32::try_from(height).ok());
        }
        PRIORITY => {
            let priority = whole(value).and_then(|value| u8::try_from(value).ok());
            let priority = priority.and_then(Priority::new);
            if priority.is_none() && !value.is_null() {
                return Err(rule(format!(
                    "must be an integer from 0 to {}",
                    Priority::MAX
                )));
            }
            wish.priority = priority.unwrap_or_default();
        }
        _ => {
            let is_set = match value {
                Value::Null => false,
                Value::Bool(is_set) => *is_set,
                _ => return Err(rule("must be true or false".to_owned())),
            };
            match member {
                AUDIO_ONLY => wish.is_audio_only = is_set,
                _ => wish.is_paused = is_set,
            }
        }
    }
    Ok(())
}

/// The wish in an object, without the member that says whether pictures are wanted at all.
pub(super) fn wish_of(object: &Value) -> Result<Wish, Invalid> {
    let mut wish = Wish::default();
    for member in MEMBERS.into_iter().filter(|member| *member != AUDIO_ONLY) {
        if let Some(value) = object.get(member) {
            set(&mut wish, member, value)?;
        }
    }
    Ok(wish)
}

/// All members of a wish.
fn members_of(wish: &Wish) -> Value {
    let first = wish.first.map(|first| match first {
        FirstLayer::Lowest => "LOWEST_QUALITY",
        FirstLayer::Highest => "HIGHEST_QUALITY",
    });
    let preferred = wish.preferred.as_ref().map(|preferred| match preferred {
        PreferredLayer::Index(index) => Value::from(*index),
        named => Value::from(named.to_string()),
    });
    json!({
        FIRST: first,
        PREFERRED: preferred,
        HEIGHT: wish.height_max,
        AUDIO_ONLY: wish.is_audio_only,
        PAUSED: wish.is_paused,
        PRIORITY: wish.priority.get(),
    })
}

/// The payload of a SUBSCRIBE_CONFIGURE, read.
#[derive(Debug)]
struct Configuration {
    publisher: ParticipantId,
    wishes: Vec<(&'static str, Value)>,
}

impl Configuration {
    fn read(payload: &Value) -> Result<Self, Invalid> {
        let publisher = payload.get("remoteParticipantId").and_then(Value::as_str);
        let publisher = publisher.filter(|publisher| !publisher.is_empty());
        let Some(publisher) = publisher else {
            return Err(Invalid {
                member: "remoteParticipantId",
                rule: "must be the id of a participant that is subscribed to".to_owned(),
            });
        };
        let nothing = Map::new();
        let payload = payload.as_object().unwrap_or(&nothing);
        let given = MEMBERS.map(|member| Some((member, payload.get(member)?.clone())));
        let wishes: Vec<_> = given.into_iter().flatten().collect();
        // Everything is checked before anything is changed.
        let mut probe = Wish::default();
        for (member, value) in &wishes {
            set(&mut probe, member, value)?;
        }
        Ok(Self {
            publisher: ParticipantId::new(publisher),
            wishes,
        })
    }

    fn apply(&self, wish: &mut Wish) {
        for (member, value) in &self.wishes {
            // It was checked when it was read.
            set(wish, member, value).ok();
        }
    }
}

/// Answers a SUBSCRIBE_CONFIGURE of an events socket: the type and the payload of the answer. Members that are absent stay as they
/// are, and null takes a wish back.
pub(super) async fn configure(
    app: &App,
    socket: &EventsSocket,
    payload: &Value,
) -> (&'static str, Value) {
    let configuration = match Configuration::read(payload) {
        Ok(configuration) => configuration,
        Err(Invalid { member, rule }) => {
            let message = format!("payload.{member} {rule}");
            return refused("INVALID", Some(member), &message, payload);
        }
    };
    let publisher = &configuration.publisher;
    let outcome = app
        .control
        .wish(socket, publisher, |wish| configuration.apply(wish));
    match outcome.await {
        Ok(wished) => {
            let mut told = members_of(&wished.wish);
            told["remoteParticipantId"] = publisher.as_str().into();
            told["session"] = wished.session.as_str().into();
            ("SUBSCRIBE_CONFIGURED", told)
        }
        Err(error) => {
            let (code, member) = match &error {
                WishError::NoSubscription(_) => ("NO_SUBSCRIPTION", Some("remoteParticipantId")),
                WishError::TooOften(_) => ("TOO_OFTEN", None),
            };
            refused(code, member, &error.to_string(), payload)
        }
    }
}

fn refused(
    code: &str,
    member: Option<&str>,
    message: &str,
    payload: &Value,
) -> (&'static str, Value) {
    let mut told = json!({ "code": code, "message": message });
    if let Some(member) = member {
        told["member"] = member.into();
    }
    if let Some(whose) = payload
        .get("remoteParticipantId")
        .filter(|id| id.is_string())
    {
        told["remoteParticipantId"] = whose.clone();
    }
    ("SUBSCRIBE_CONFIGURE_ERROR", told)
}

#[cfg(test)]
mod tests {
    use restage_media::LayerLabel;

    use super::*;

    /// The wish in a query, or the refusal's message.
    async fn of_url(query: &str) -> Result<Wish, String> {
        let mut parts = http::Request::new(()).into_parts().0;
        if let Some(wishes) = WishesInUrl::of(query) {
            parts.extensions.insert(wishes);
        }
        let Ok(WishOfUrl(wish)) = WishOfUrl::from_request_parts(&mut parts, &()).await;
        wish.map_err(|refusal| refusal.to_json()["message"].as_str().unwrap().to_owned())
    }

    #[tokio::test]
    async fn a_url_names_wishes() {
        assert_eq!(of_url("").await, Ok(Wish::default()));
        assert_eq!(of_url("token=a&MaxHeight=1").await, Ok(Wish::default()));
        let wish = of_url(
            "initialLayerPreference=HIGHEST_QUALITY&preferredLayer=mid&token=x&maxHeight=360\
             &audioOnly=true&paused=false&priority=10",
        );
        let expected = Wish {
            first: Some(FirstLayer::Highest),
            preferred: Some(PreferredLayer::Label(LayerLabel::Mid)),
            height_max: Some(360),
            is_audio_only: true,
            is_paused: false,
            priority: Priority::new(10).unwrap(),
        };
        assert_eq!(wish.await, Ok(expected));
        let preferred = async |query| of_url(query).await.unwrap().preferred;
        let rid = || Some(PreferredLayer::Rid("f".to_owned()));
        assert_eq!(preferred("preferredLayer=f").await, rid());
        let index = Some(PreferredLayer::Index(1));
        assert_eq!(preferred("preferredLayer=1").await, index);
        assert_eq!(preferred("preferredLayer=1&preferredLayer=f").await, rid());
    }

    #[tokio::test]
    async fn a_wrong_wish_in_a_url_is_named_with_its_rule() {
        let long = format!("preferredLayer={}", "x".repeat(LAYER_NAME_BYTES_MAX + 1));
        for (query, message) in [
            (
                "initialLayerPreference=BEST",
                "initialLayerPreference in the URL must be \"LOWEST_QUALITY\" or \"HIGHEST_QUALITY\"",
            ),
            ("preferredLayer=", "preferredLayer in the URL must be"),
            ("preferredLayer=256", "preferredLayer in the URL must be"),
            (&long, "preferredLayer in the URL must be"),
            (
                "maxHeight=0",
                "maxHeight in the URL must be an integer from 1 to 16384",
            ),
            ("maxHeight=16385", "maxHeight in the URL must be"),
            ("maxHeight=-1", "maxHeight in the URL must be"),
            (
                "maxHeight=99999999999999999999999",
                "maxHeight in the URL must be",
            ),
            (
                "priority=11",
                "priority in the URL must be an integer from 0 to 10",
            ),
            ("priority=high", "priority in the URL must be"),
            ("paused=1", "paused in the URL must be true or false"),
            ("audioOnly=", "audioOnly in the URL must be true or false"),
        ] {
            let told = of_url(query).await.unwrap_err();
            assert!(told.starts_with(message), "{query}: {told}");
        }
    }

    #[test]
    fn hostile_queries_are_bounded() {
        let many = "priority=1&paused=true&x=1&".repeat(4_000);
        assert_eq!(WishesInUrl::of(&many).unwrap().0.len(), 2);
        for query in ["%", "%%%=%", "priority", "&&==&", "maxHeight=%ff%00"] {
            let wishes = WishesInUrl::of(query);
            assert!(wishes.is_none_or(|wishes| wishes.0.len() <= 1), "{query}");
        }
    }

    #[test]
    fn a_message_changes_what_it_names_and_nothing_else() {
        let mut wish = Wish {
            height_max: Some(360),
            is_paused: true,
            ..Wish::default()
        };
        let payload = json!({
            "remoteParticipantId": "bob", "preferredLayer": "low", "paused": null, "later": [1], "priority": 0
        });
        let configuration = Configuration::read(&payload).unwrap();
        configuration.apply(&mut wish);
        assert_eq!(configuration.publisher.as_str(), "bob");
        assert_eq!(
            members_of(&wish),
            json!({
                "initialLayerPreference": null,
                "preferredLayer": "low",
                "maxHeight": 360,
                "audioOnly": false,
                "paused": false,
                "priority": 0,
            })
        );
        let payload = json!({
            "remoteParticipantId": "bob", "preferredLayer": 2, "maxHeight": null, "priority": null,
            "initialLayerPreference": "LOWEST_QUALITY"
        });
        Configuration::read(&payload).unwrap().apply(&mut wish);
        let told = members_of(&wish);
        assert_eq!(told["preferredLayer"], 2);
        assert_eq!(told["maxHeight"], Value::Null);
        // Languages without integers may write 360.0.
        let payload = json!({
            "remoteParticipantId": "bob", "preferredLayer": 1.0, "maxHeight": 360.0, "priority": 5.0
        });
        Configuration::read(&payload).unwrap().apply(&mut wish);
        let told = members_of(&wish);
        assert_eq!(
            (
                &told["preferredLayer"],
                &told["maxHeight"],
                &told["priority"]
            ),
            (&json!(1), &json!(360), &json!(5))
        );
        let payload = json!({ "remoteParticipantId": "bob", "maxHeight": 360.5 });
        assert_eq!(
            Configuration::read(&payload).unwrap_err().member,
            "maxHeight"
        );
        assert_eq!(told["priority"], 5);
        assert_eq!(told["initialLayerPreference"], "LOWEST_QUALITY");
    }

    #[test]
    fn a_message_that_is_wrong_in_one_member_changes_nothing() {
        for (payload, member) in [
            (json!(null), "remoteParticipantId"),
            (json!([]), "remoteParticipantId"),
            (json!({ "remoteParticipantId": 1 }), "remoteParticipantId"),
            (json!({ "remoteParticipantId": "" }), "remoteParticipantId"),
            (
                json!({ "remoteParticipantId": "b", "maxHeight": "360" }),
                "maxHeight",
            ),
            (
                json!({ "remoteParticipantId": "b", "maxHeight": 1.5 }),
                "maxHeight",
            ),
            (
                json!({ "remoteParticipantId": "b", "maxHeight": {} }),
                "maxHeight",
            ),
            (
                json!({ "remoteParticipantId": "b", "priority": -1 }),
                "priority",
            ),
            (json!({ "remoteParticipantId": "b", "paused": 1 }), "paused"),
            (
                json!({ "remoteParticipantId": "b", "audioOnly": "true" }),
                "audioOnly",
            ),
            (
                json!({ "remoteParticipantId": "b", "preferredLayer": true }),
                "preferredLayer",
            ),
            (
                json!({ "remoteParticipantId": "b", "preferredLayer": -1 }),
                "preferredLayer",
            ),
            (
                json!({ "remoteParticipantId": "b", "paused": true, "initialLayerPreference": 7 }),
                "initialLayerPreference",
            ),
        ] {
            let invalid = Configuration::read(&payload).unwrap_err();
            assert_eq!(invalid.member, member, "{payload}");
            assert!(!invalid.rule.is_empty());
        }
        let payload = json!({ "remoteParticipantId": "b" });
        let (kind, told) = refused(
            "INVALID",
            Some("paused"),
            "payload.paused must be",
            &payload,
        );
        assert_eq!(kind, "SUBSCRIBE_CONFIGURE_ERROR");
        assert_eq!(
            told,
            json!({
                "code": "INVALID", "member": "paused", "message": "payload.paused must be", "remoteParticipantId": "b"
            })
        );
    }
}
