//! Tests of connection tokens, and of every fault they can have.

use restage_core::limits::CONNECTION_TOKEN_LIFE_MAX_S;
use restage_core::row::ConnectionTokenId;
use serde_json::{Value, json};

use super::tests::{ISSUED, KEY, STAGE, endpoints, header, pair, tokens, with};
use super::*;

fn payload() -> Value {
    json!({
        "exp": ISSUED + 60,
        "iat": ISSUED,
        "jti": "c9Xk2ZpLw0Xe",
        "account_id": "000000000000",
        "region": "eu-west-1",
        "events_url": "ws://127.0.0.1:4080/events",
        "version": "1.0",
    })
}

/// All faults of such a token, one sentence each.
fn problems(header_changes: Value, payload_changes: Value) -> Vec<String> {
    let (signing, key) = pair();
    let (header, payload) = (
        with(header(), header_changes),
        with(payload(), payload_changes),
    );
    let token = key.sign(&header, &payload).unwrap();
    let endpoints = endpoints();
    let unverified = match Unverified::parse_connection(&token, Some(&endpoints)) {
        Err(error) => return vec![error.to_string()],
        Ok(unverified) => unverified,
    };
    let problems = unverified.problems().iter().map(ToString::to_string);
    let problems: Vec<String> = problems.collect();
    assert_eq!(
        unverified.verify(&signing.point()).is_ok(),
        problems.is_empty()
    );
    // A server reports the first of them.
    let met = tokens().read_connection(&token).err();
    assert_eq!(
        met.map(|error| error.to_string()).as_ref(),
        problems.first()
    );
    problems
}

#[test]
fn a_connection_token_is_what_its_key_signed() {
    let (signing, _) = pair();
    let kid = PublicKeyArn::parse(KEY).unwrap();
    let grant = ConnectionGrant {
        id: &ConnectionTokenId::new("host-1_A"),
        issued_at: Time(ISSUED * 1_000_000),
        expires_at: Time((ISSUED + CONNECTION_TOKEN_LIFE_MAX_S) * 1_000_000),
    };
    let token = signing.sign_connection(&kid, &grant, &endpoints()).unwrap();
    let tokens = tokens();
    let verify = |point: &str| {
        let unverified = tokens.read_connection(&token).unwrap();
        assert_eq!(unverified.key, kid);
        unverified.verify(point)
    };
    let claims = verify(&signing.point()).unwrap();
    assert_eq!((&claims.id, &claims.signer), (grant.id, &kid));
    assert_eq!(
        (claims.issued_at, claims.expires_at),
        (grant.issued_at, grant.expires_at)
    );
    let (other, _) = pair();
    for point in [other.point(), String::new(), "04".to_owned()] {
        assert_eq!(verify(&point), Err(TokenError::Signature));
    }
    // Its signature is verified once, by the cache that participant tokens have too.
    assert!(tokens.is_unproven(&token));
    let unverified = tokens.read_connection(&token).unwrap();
    tokens
        .verify(&token, unverified, &other.point())
        .unwrap_err();
    assert!(tokens.is_known_wrong(&token));
}

#[test]
fn every_claim_is_there_and_has_its_rule() {
    let mut cases: Vec<(&str, Value, &str)> = payload()
        .as_object()
        .unwrap()
        .keys()
        .map(|claim| match claim.as_str() {
            "exp" => "exp",
            "iat" => "iat",
            "jti" => "jti",
            "account_id" => "account_id",
            "region" => "region",
            "events_url" => "events_url",
            "version" => "version",
            other => panic!("{other}"),
        })
        .map(|claim| (claim, Value::Null, "is required"))
        .collect();
    let time = "must be a number: seconds since 1970";
    let jti = "must be 1 to 64 ASCII letters, digits, - or _";
    cases.extend([
        ("exp", json!("soon"), time),
        ("iat", json!(-1), time),
        (
            "exp",
            json!(ISSUED + CONNECTION_TOKEN_LIFE_MAX_S + 1),
            "must be at most 4 weeks after iat",
        ),
        ("jti", json!(""), jti),
        ("jti", json!("a".repeat(65)), jti),
        ("jti", json!("a.b"), jti),
        ("jti", json!(7), "must be a string"),
        (
            "account_id",
            json!("111122223333"),
            "must be the account of the key, 000000000000",
        ),
        ("account_id", json!(0), "must be a string"),
        (
            "region",
            json!("us-east-1"),
            "must be the Region of the key, eu-west-1",
        ),
        (
            "events_url",
            json!("wss://global.events.live-video.net"),
            "must be the stage's endpoints.events, ws://127.0.0.1:4080/events",
        ),
        ("version", json!("2.0"), "must be \"1.0\""),
        (
            "resource",
            json!("arn:aws:ivs:eu-west-1:000000000000:stage/AbCdEfGhIjKl"),
            "must be absent: a connection token is for no stage",
        ),
    ]);
    for (claim, value, rule) in cases {
        let expected = format!("the token's claim {claim} {rule}");
        let found = problems(json!({}), json!({claim: value.clone()}));
        assert_eq!(found, [expected], "{claim}: {value}");
    }
    for good in [
        json!({}),
        json!({"exp": ISSUED + CONNECTION_TOKEN_LIFE_MAX_S}),
        json!({"jti": "a".repeat(64)}),
        json!({"anything": ["else"]}),
    ] {
        assert_eq!(problems(json!({}), good.clone()), [""; 0], "{good}");
    }
}

#[test]
fn its_header_is_that_of_a_self_signed_token() {
    for (name, value, rule) in [
        ("alg", json!("none"), "alg must be \"ES384\" in the header"),
        ("alg", json!("HS256"), "alg must be \"ES384\" in the header"),
        ("typ", json!("JOSE"), "typ must be \"JWT\" in the header"),
        (
            "kid",
            json!(SERVICE_KEY_ID),
            "kid must be the ARN of an imported public key in the header",
        ),
        (
            "kid",
            json!(STAGE),
            "kid must be the ARN of an imported public key in the header",
        ),
    ] {
        let found = problems(json!({name: value}), json!({}));
        assert_eq!(found, [format!("the token's claim {rule}")], "{name}");
    }
    // The account and Region are those of the key, whichever it is.
    let elsewhere = json!({"kid": KEY.replace("eu-west-1", "us-east-1")});
    assert_eq!(
        problems(elsewhere.clone(), json!({"region": "us-east-1"})),
        [""; 0]
    );
    assert_eq!(problems(elsewhere, json!({})).len(), 1);
}

#[test]
fn neither_kind_of_token_is_taken_for_the_other() {
    let (_, key) = pair();
    let connection = key.sign(&header(), &payload()).unwrap();
    let Err(error) = tokens().read(&connection) else {
        panic!("a connection token is no participant token");
    };
    assert_eq!(error.to_string(), "the token's claim resource is required");
    assert!(is_connection_token(&connection));
    let participant = json!({
        "exp": ISSUED + 60, "iat": ISSUED, "jti": "ann", "resource": STAGE, "topic": "hT5vN1cGy8Ud",
        "events_url": "ws://127.0.0.1:4080/events", "whip_url": "http://127.0.0.1:4080/whip",
        "capabilities": {}, "version": "1.0",
    });
    let participant = key.sign(&header(), &participant).unwrap();
    assert!(!is_connection_token(&participant) && !is_connection_token("a.b.c"));
    let Err(error) = tokens().read_connection(&participant) else {
        panic!("a participant token is no connection token");
    };
    assert_eq!(
        error.to_string(),
        "the token's claim account_id is required"
    );
    for text in ["", "a.b.c", "e30.e30.AA", &"a.".repeat(9_000)] {
        assert!(tokens().read_connection(text).is_err(), "{text:.20}");
    }
}
