//! Tests of the contents of tokens, and of every fault they can have.

use aws_lc_rs::encoding::{AsDer as _, EcPrivateKeyRfc5915Der};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use restage_core::limits::TOKEN_LIFE_MAX_S;
use serde_json::{Map, json};

use super::jws::SigningKey;
use super::*;

pub(super) const STAGE: &str = "arn:aws:ivs:eu-west-1:000000000000:stage/hT5vN1cGy8Ud";
pub(super) const KEY: &str = "arn:aws:ivs:eu-west-1:000000000000:public-key/Vw2xYz5aBc8D";
pub(super) const ISSUED: i64 = 1_790_000_000;

pub(super) fn endpoints() -> Endpoints {
    Endpoints::of("http://127.0.0.1:4080")
}

pub(super) fn tokens() -> Tokens {
    Tokens::new(&rand::random(), endpoints())
}

fn read(tokens: &Tokens, token: &str) -> Result<Claims, TokenError> {
    match tokens.read(token)? {
        Presented::Service(claims) => Ok(*claims),
        Presented::SelfSigned(_) => panic!("a token of this server"),
    }
}

fn sample(tokens: &Tokens) -> String {
    let attributes = Attributes::from([("order".to_owned(), "1".to_owned())]);
    tokens
        .sign(&Grant {
            participant: &ParticipantId::new("q7Rk2ZpLw0Xe"),
            stage: &StageArn::parse(STAGE).unwrap(),
            user_id: "ann",
            attributes: &attributes,
            capabilities: Capabilities {
                publish: true,
                subscribe: false,
            },
            issued_at: Time(ISSUED * 1_000_000),
            expires_at: Time((ISSUED + 60) * 1_000_000),
        })
        .unwrap()
}

#[test]
fn a_token_says_what_it_was_given() {
    let tokens = tokens();
    let claims = read(&tokens, &sample(&tokens)).unwrap();
    let expected = Claims {
        participant: ParticipantId::new("q7Rk2ZpLw0Xe"),
        stage: StageArn::parse(STAGE).unwrap(),
        user_id: "ann".to_owned(),
        attributes: Attributes::from([("order".to_owned(), "1".to_owned())]),
        capabilities: Capabilities {
            publish: true,
            subscribe: false,
        },
        issued_at: Time(ISSUED * 1_000_000),
        expires_at: Time((ISSUED + 60) * 1_000_000),
        signer: Signer::Service,
    };
    assert_eq!(claims, expected);
}

#[test]
fn a_token_of_this_server_outlives_a_change_of_its_url() {
    let secret = rand::random();
    let before = Tokens::new(&secret, Endpoints::of("http://old.example.org"));
    let now = Tokens::new(&secret, endpoints());
    read(&now, &sample(&before)).unwrap();
}

#[test]
fn another_servers_token_is_refused() {
    let ours = tokens();
    assert_eq!(
        read(&ours, &sample(&tokens())).unwrap_err(),
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
        // The last character of a base64url part may contain unused bits; the decoder refuses those.
        assert!(tokens.read(&text).is_err(), "mutation at {at} was accepted");
        assert!(tokens.read(&good[..at]).is_err(), "cut at {at}");
    }
    for text in [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "e30.e30.",
        "e30.e30.AA",
        "\u{e9}.\u{e9}.\u{e9}",
    ] {
        assert!(tokens.read(text).is_err(), "{text:?}");
    }
    assert!(matches!(
        tokens.read(&"a.".repeat(9_000)).err(),
        Some(TokenError::Length(_))
    ));
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

/// A customer's P-384 key pair.
pub(super) fn pair() -> (Signing, SigningKey) {
    let pkcs8 = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING)
        .and_then(|pair| pair.to_pkcs8v1())
        .unwrap();
    let pem = pem("PRIVATE KEY", pkcs8.as_ref());
    (
        Signing::from_pem(&pem).unwrap(),
        SigningKey::from_pem(&pem).unwrap(),
    )
}

pub(super) fn header() -> Value {
    json!({"alg": "ES384", "typ": "JWT", "kid": KEY})
}

fn payload() -> Value {
    json!({
        "exp": ISSUED + 60,
        "iat": ISSUED,
        "jti": "q7Rk2ZpLw0Xe",
        "resource": STAGE,
        "topic": "hT5vN1cGy8Ud",
        "events_url": "ws://127.0.0.1:4080/events",
        "whip_url": "http://127.0.0.1:4080/whip",
        "capabilities": {"allow_publish": true, "allow_subscribe": true},
        "user_id": "ann",
        "attributes": {"order": "1"},
        "version": "1.0",
    })
}

/// `base` with members replaced, or removed where the change is null.
pub(super) fn with(base: Value, changes: Value) -> Map<String, Value> {
    let (Value::Object(mut base), Value::Object(changes)) = (base, changes) else {
        panic!("both must be objects");
    };
    for (name, value) in changes {
        match value {
            Value::Null => base.remove(&name),
            value => base.insert(name, value),
        };
    }
    base
}

/// All faults of the claims of such a token, one sentence each.
fn problems(header_changes: Value, payload_changes: Value) -> Vec<String> {
    let (signing, key) = pair();
    let token = key
        .sign(
            &with(header(), header_changes),
            &with(payload(), payload_changes),
        )
        .unwrap();
    let endpoints = endpoints();
    match Unverified::parse(&token, Some(&endpoints)) {
        Err(error) => vec![error.to_string()],
        Ok(unverified) => {
            let problems: Vec<String> = unverified
                .problems()
                .iter()
                .map(ToString::to_string)
                .collect();
            let point = signing.point();
            assert_eq!(unverified.verify(&point).is_ok(), problems.is_empty());
            // A server reports the first of them.
            let met = tokens().read(&token).err().map(|error| error.to_string());
            assert_eq!(met.as_ref(), problems.first());
            problems
        }
    }
}

#[test]
fn a_self_signed_token_is_what_its_key_signed() {
    let (signing, _) = pair();
    let attributes = Attributes::from([("order".to_owned(), "1".to_owned())]);
    let stage = StageArn::parse(STAGE).unwrap();
    let kid = PublicKeyArn::parse(KEY).unwrap();
    let grant = Grant {
        participant: &ParticipantId::new("host-1_A"),
        stage: &stage,
        user_id: "",
        attributes: &attributes,
        capabilities: Capabilities {
            publish: false,
            subscribe: true,
        },
        issued_at: Time(ISSUED * 1_000_000),
        expires_at: Time((ISSUED + TOKEN_LIFE_MAX_S) * 1_000_000),
    };
    let token = signing.sign(&kid, &grant, &endpoints()).unwrap();
    let Ok(Presented::SelfSigned(unverified)) = tokens().read(&token) else {
        panic!("self-signed");
    };
    assert_eq!(unverified.key, kid);
    let claims = unverified.verify(&signing.point()).unwrap();
    assert_eq!(claims.signer, Signer::PublicKey(kid));
    assert_eq!(
        (claims.participant.as_str(), &claims.stage),
        ("host-1_A", &stage)
    );
    assert_eq!(
        (claims.user_id.as_str(), &claims.attributes),
        ("", &attributes)
    );
    assert_eq!(
        (claims.issued_at, claims.expires_at),
        (grant.issued_at, grant.expires_at)
    );
    assert_eq!(claims.capabilities, grant.capabilities);

    let (other, _) = pair();
    let endpoints = endpoints();
    for point in [
        other.point(),
        String::new(),
        "04".to_owned(),
        "zz".to_owned(),
    ] {
        let unverified = Unverified::parse(&token, Some(&endpoints)).unwrap();
        assert_eq!(unverified.verify(&point), Err(TokenError::Signature));
    }
}

#[test]
fn what_need_not_be_there_need_not_be_there() {
    for changes in [
        json!({}),
        json!({"user_id": null, "attributes": null}),
        json!({"capabilities": {}}),
        json!({"capabilities": {"allow_subscribe": true, "allow_more": 1}}),
        json!({"user_id": "\u{e9}".repeat(128)}),
        json!({"attributes": {"k": "v".repeat(1_023)}}),
        json!({"attributes": {}}),
        json!({"jti": "a".repeat(64)}),
        json!({"exp": ISSUED + TOKEN_LIFE_MAX_S}),
        json!({"exp": 0, "iat": 0}),
        json!({"anything": ["else"]}),
    ] {
        assert_eq!(problems(json!({}), changes.clone()), [""; 0], "{changes}");
    }
    assert_eq!(problems(json!({"x5t": "abc"}), json!({})), [""; 0]);
}

/// RFC 7519 §2, NumericDate: the number may have a fraction or an exponent.
#[test]
fn times_are_numbers_of_any_form() {
    let (_, key) = pair();
    let claims = |exp: &str, iat: &str| {
        let mut rest = with(payload(), json!({"exp": null, "iat": null}));
        for (name, value) in [("exp", exp), ("iat", iat)] {
            rest.insert(name.to_owned(), serde_json::from_str(value).unwrap());
        }
        let token = key.sign(&header(), &rest).unwrap();
        let unverified = Unverified::parse(&token, None).unwrap();
        let read = unverified
            .claims()
            .map(|claims| (claims.issued_at.0, claims.expires_at.0));
        read.unwrap_or_else(|| panic!("{exp} {iat}: {:?}", unverified.problems()))
    };
    let (issued, expires) = (1_790_000_000_000_000, 1_790_000_060_000_000);
    for (exp, iat, expected) in [
        ("1790000060.0", "1790000000.0", (issued, expires)),
        ("1.79000006e9", "1.79e9", (issued, expires)),
        ("179000006E+1", "17900000000e-1", (issued, expires)),
        ("1790000060.25", "1790000000", (issued, expires + 250_000)),
        ("1790000060", "1789999999.75", (issued - 250_000, expires)),
        ("0.0", "-0.0", (0, 0)),
    ] {
        assert_eq!(claims(exp, iat), expected, "{exp} {iat}");
    }
}

#[test]
fn every_claim_has_its_rule() {
    let time = "must be a number: seconds since 1970";
    let jti = "must be 1 to 64 ASCII letters, digits, - or _";
    let resource = "must be the ARN of a stage";
    let cases = [
        ("exp", json!(null), "is required"),
        ("iat", json!(null), "is required"),
        ("jti", json!(null), "is required"),
        ("resource", json!(null), "is required"),
        ("topic", json!(null), "is required"),
        ("events_url", json!(null), "is required"),
        ("whip_url", json!(null), "is required"),
        ("capabilities", json!(null), "is required"),
        ("version", json!(null), "is required"),
        ("exp", json!("1790000060"), time),
        ("exp", json!(-1), time),
        ("exp", json!(-0.5), time),
        ("exp", json!(253_402_300_799.5), time),
        ("exp", json!(u64::MAX), time),
        ("exp", json!(i64::MAX), time),
        (
            "exp",
            json!(ISSUED + TOKEN_LIFE_MAX_S + 1),
            "must be at most 14 days after iat",
        ),
        (
            "exp",
            json!((ISSUED + TOKEN_LIFE_MAX_S) as f64 + 0.25),
            "must be at most 14 days after iat",
        ),
        ("iat", json!(true), time),
        ("iat", json!(1e30), time),
        ("jti", json!(""), jti),
        ("jti", json!("a".repeat(65)), jti),
        ("jti", json!("a b"), jti),
        ("jti", json!("\u{e9}"), jti),
        ("jti", json!(7), "must be a string"),
        ("resource", json!("hT5vN1cGy8Ud"), resource),
        ("resource", json!(KEY), resource),
        ("resource", json!([STAGE]), "must be a string"),
        (
            "topic",
            json!("another"),
            "must be the id of the stage in resource, the last part of its ARN",
        ),
        ("topic", json!(1), "must be a string"),
        (
            "events_url",
            json!("ws://127.0.0.1:4080/events/"),
            "must be the stage's endpoints.events, ws://127.0.0.1:4080/events",
        ),
        (
            "whip_url",
            json!("https://127.0.0.1:4080/whip"),
            "must be the stage's endpoints.whip, http://127.0.0.1:4080/whip",
        ),
        ("whip_url", json!(false), "must be a string"),
        ("capabilities", json!(["PUBLISH"]), "must be an object"),
        (
            "capabilities",
            json!({"allow_publish": "true"}),
            "must have true or false as allow_publish",
        ),
        (
            "capabilities",
            json!({"allow_subscribe": 1}),
            "must have true or false as allow_subscribe",
        ),
        ("version", json!("1"), "must be \"1.0\""),
        ("version", json!(1.0), "must be a string"),
        ("user_id", json!(7), "must be a string"),
        (
            "user_id",
            json!("a".repeat(129)),
            "must have at most 128 characters",
        ),
        (
            "attributes",
            json!({"k": 1}),
            "must be an object of strings",
        ),
        ("attributes", json!("k=v"), "must be an object of strings"),
        (
            "attributes",
            json!({"\u{e9}": "v".repeat(1_023)}),
            "may have at most 1024 bytes of UTF-8, all keys and values together (it has 1025)",
        ),
    ];
    for (claim, value, rule) in cases {
        let expected = format!("the token's claim {claim} {rule}");
        let found = problems(json!({}), json!({claim: value.clone()}));
        assert_eq!(found, [expected], "{claim}: {value}");
    }
    // A claim that is null is present, and not a string.
    let (_, key) = pair();
    let mut claims = with(payload(), json!({}));
    claims.insert("user_id".to_owned(), Value::Null);
    let token = key.sign(&header(), &claims).unwrap();
    assert!(Unverified::parse(&token, None).unwrap().claims().is_none());
}

#[test]
fn the_key_is_of_the_stages_account_and_region() {
    let rule =
        "the token's claim kid must name a key of the account and Region of the stage in resource";
    for kid in [
        KEY.replace("eu-west-1", "us-east-1"),
        KEY.replace("000000000000", "111122223333"),
    ] {
        assert_eq!(problems(json!({"kid": kid}), json!({})), [rule]);
    }
}

#[test]
fn the_header_has_its_rules_too() {
    let kid = "kid must be the ARN of an imported public key in the header";
    for (name, value, rule) in [
        ("alg", json!(null), "alg must be \"ES384\" in the header"),
        ("alg", json!("none"), "alg must be \"ES384\" in the header"),
        ("alg", json!("ES256"), "alg must be \"ES384\" in the header"),
        ("alg", json!("HS384"), "alg must be \"ES384\" in the header"),
        ("typ", json!(null), "typ must be \"JWT\" in the header"),
        ("typ", json!("JOSE"), "typ must be \"JWT\" in the header"),
        ("kid", json!(null), kid),
        ("kid", json!(7), kid),
        ("kid", json!("Vw2xYz5aBc8D"), kid),
        ("kid", json!(STAGE), kid),
        (
            "crit",
            json!(["exp"]),
            "crit must not be in the header: no extension is known here",
        ),
    ] {
        let expected = format!("the token's claim {rule}");
        assert_eq!(
            problems(json!({name: value}), json!({})),
            [expected],
            "{name}"
        );
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let found = problems(
        json!({}),
        json!({"exp": null, "topic": "x", "version": "2"}),
    );
    assert_eq!(found.len(), 3, "{found:?}");
}

/// A customer's token is never accepted as one of this server, whatever its header says.
#[test]
fn the_servers_own_key_id_does_not_make_it_the_servers() {
    let (_, key) = pair();
    for alg in ["ES384", "none", SERVICE_ALGORITHM] {
        let header = json!({"alg": alg, "typ": "JWT", "kid": SERVICE_KEY_ID});
        let token = key.sign(&header, &payload()).unwrap();
        assert!(
            matches!(tokens().read(&token).err(), Some(TokenError::Signature)),
            "{alg}"
        );
    }
}

/// HS256 as Python's `hmac` computes it over the same text.
#[test]
fn the_servers_own_are_hs256() {
    let token = sample(&Tokens::new(&[7; SECRET_LEN], endpoints()));
    let (_, signature) = token.rsplit_once('.').unwrap();
    assert_eq!(signature, "Uc3z-QZJg07JmQfoYQRy9NAYbS_zlpEDVQ2Q5HNkuXE");
    let header = Jws::parse(&token).unwrap().header;
    let expected = json!({"alg": "HS256", "typ": "JWT", "kid": "restage-service"});
    assert_eq!(Value::Object(header), expected);
}

#[test]
fn private_keys_in_both_forms_and_nothing_else() {
    let der = |algorithm| {
        let pair = EcdsaKeyPair::generate(algorithm).unwrap();
        let sec1: EcPrivateKeyRfc5915Der<'_> = pair.private_key().as_der().unwrap();
        (
            sec1.as_ref().to_vec(),
            pair.to_pkcs8v1().unwrap().as_ref().to_vec(),
        )
    };
    let (sec1, pkcs8) = der(&ECDSA_P384_SHA384_FIXED_SIGNING);
    let sec1 = pem("EC PRIVATE KEY", &sec1);
    let pkcs8 = pem("PRIVATE KEY", &pkcs8);
    let with_parameters = format!("{}{sec1}", pem("EC PARAMETERS", &[0]));
    let point = Signing::from_pem(&sec1).unwrap().point();
    for pem in [&pkcs8, &with_parameters] {
        assert_eq!(Signing::from_pem(pem).unwrap().point(), point);
    }
    // RFC 7468 §2: white space does not matter.
    let each_line = |change: &dyn Fn(&str) -> String| pkcs8.lines().map(change).collect::<String>();
    for pem in [
        pkcs8.trim_end().to_owned(),
        format!("\u{feff}\n \n{pkcs8}\n\n"),
        each_line(&|line| format!("  {line} \t\r\n")),
        each_line(&|line| format!("\t{line}\r")),
        each_line(&|line| format!("{line}\n\n")),
        each_line(&|line| format!("\u{a0}{line}\u{feff}\n")),
    ] {
        assert_eq!(Signing::from_pem(&pem).unwrap().point(), point, "{pem:?}");
    }
    let p256 = pem("PRIVATE KEY", &der(&ECDSA_P256_SHA256_FIXED_SIGNING).1);
    let encrypted = pkcs8.replace("PRIVATE", "ENCRYPTED PRIVATE");
    let public = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
    let twice = format!("{sec1}{pkcs8}");
    for pem in ["", "x", &p256, &encrypted, public, &twice, &sec1[..100]] {
        assert_eq!(Signing::from_pem(pem).err(), Some(TokenKeyError), "{pem}");
    }
}

/// A wrong signature is verified only once.
#[test]
fn what_was_found_out_about_a_signature_is_remembered() {
    let (tokens, (signing, key)) = (tokens(), pair());
    let right = key
        .sign(&with(header(), json!({})), &with(payload(), json!({})))
        .unwrap();
    let (signed, signature) = right.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { "B" } else { "A" };
    let wrong = format!("{signed}.{first}{}", &signature[1..]);
    let verify = |token: &str, point: &str| match tokens.read(token).unwrap() {
        Presented::SelfSigned(unverified) => tokens.verify(token, *unverified, point),
        Presented::Service(_) => panic!("a self-signed token"),
    };
    for token in [&right, &wrong] {
        assert!(tokens.is_unproven(token) && !tokens.is_known_wrong(token));
    }
    let claims = verify(&right, &signing.point()).unwrap();
    assert_eq!(verify(&wrong, &signing.point()), Err(TokenError::Signature));
    assert!(!tokens.is_unproven(&right) && !tokens.is_known_wrong(&right));
    assert!(!tokens.is_unproven(&wrong) && tokens.is_known_wrong(&wrong));
    // The point is not used again.
    assert_eq!(verify(&right, "").unwrap(), claims);
    assert_eq!(verify(&wrong, &signing.point()), Err(TokenError::Signature));
    // This server's own tokens are verified each time, which is cheap.
    assert!(!tokens.is_unproven(&sample(&tokens)));
}
