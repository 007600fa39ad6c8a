//! Signatures of AWS's own signers are accepted, and no others.

use std::borrow::Cow;
use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use proptest::prelude::*;
use restage_api::sigv4::{
    Header, Identity, KeyScope, SignedRequest, SigningKey, VerifiedHead, verify, verify_head,
};
use restage_api::{ApiError, ErrorCode, Timestamp};

use crate::common::cases;

pub(crate) const KEY: &str = "AKIDRESTAGE";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+secret";
pub(crate) const NOW: i64 = 1_790_000_000;

/// A request as it arrives.
#[derive(Clone, Debug)]
pub(crate) struct Arrived {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) path_prefix: &'static str,
    pub(crate) query: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Arrived {
    pub(crate) fn new(path: &str, body: &str) -> Self {
        Self {
            method: "POST".into(),
            path: path.into(),
            path_prefix: "",
            query: String::new(),
            headers: vec![("host".into(), "127.0.0.1:4080".into())],
            body: body.into(),
        }
    }

    /// The result of the head alone.
    fn with_head<T>(&self, then: impl FnOnce(Result<VerifiedHead<'_>, ApiError>) -> T) -> T {
        self.with_head_at(NOW, then)
    }

    fn with_head_at<T>(
        &self,
        now: i64,
        then: impl FnOnce(Result<VerifiedHead<'_>, ApiError>) -> T,
    ) -> T {
        let headers: Vec<Header<'_>> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), Cow::from(value)))
            .collect();
        let request = SignedRequest {
            method: &self.method,
            path: &self.path,
            path_prefix: self.path_prefix,
            query: &self.query,
            headers: &headers,
        };
        then(verify_head(&request, now, |scope| {
            let key = || SigningKey::derive(SECRET, scope.day, scope.region);
            (scope.access_key == KEY).then(key)
        }))
    }

    /// The result at a given time.
    pub(crate) fn verify_at(&self, now: i64) -> Result<Identity, ApiError> {
        self.with_head_at(now, |head| head?.verify_body(&self.body))
    }

    pub(crate) fn verify(&self) -> Result<Identity, ApiError> {
        self.verify_at(NOW)
    }

    pub(crate) fn header_mut(&mut self, name: &str) -> &mut String {
        let found = self.headers.iter_mut().find(|(given, _)| given == name);
        &mut found.expect("there").1
    }
}

/// How a request is signed.
#[derive(Clone, Copy)]
pub(crate) struct Signer<'a> {
    pub(crate) key: &'a str,
    pub(crate) secret: &'a str,
    pub(crate) session_token: Option<&'a str>,
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
    pub(crate) at: i64,
    pub(crate) content_hash: bool,
}

impl Default for Signer<'_> {
    fn default() -> Self {
        Self {
            key: KEY,
            secret: SECRET,
            session_token: None,
            region: "eu-west-1",
            service: "ivs",
            at: NOW,
            content_hash: false,
        }
    }
}

impl Signer<'_> {
    /// Signs with AWS's crate, which gets the request as it will arrive, and adds the crate's headers.
    pub(crate) fn sign(&self, mut request: Arrived) -> Arrived {
        let token = self.session_token.map(str::to_owned);
        let identity = Credentials::new(self.key, self.secret, token, None, "test").into();
        let mut settings = SigningSettings::default();
        if self.content_hash {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        let at = Duration::from_secs(u64::try_from(self.at).expect("after 1970"));
        let params = SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name(self.service)
            .time(UNIX_EPOCH + at)
            .settings(settings)
            .build()
            .expect("all given")
            .into();
        let mut uri = format!("http://127.0.0.1:4080{}", request.path);
        if !request.query.is_empty() {
            uri = format!("{uri}?{}", request.query);
        }
        let headers = request
            .headers
            .iter()
            .map(|(name, value)| (&**name, &**value));
        let body = SignableBody::Bytes(&request.body);
        let signable = SignableRequest::new(&request.method, uri, headers, body).expect("signable");
        let (instructions, _) = sign(signable, &params).expect("signs").into_parts();
        let added = instructions
            .headers()
            .map(|(name, value)| (name.to_lowercase(), value.into()));
        request
            .headers
            .extend(added.collect::<Vec<(String, String)>>());
        request
    }
}

pub(crate) fn signed() -> Arrived {
    Signer::default().sign(Arrived::new("/ListStages", r#"{"maxResults":5}"#))
}

#[test]
fn the_signer_is_known_afterwards() {
    let identity = signed().verify().expect("verifies");
    assert_eq!(
        identity,
        Identity {
            access_key: KEY.into(),
            region: "eu-west-1".into(),
            signed_at: Timestamp::from_unix_seconds(NOW),
        }
    );
}

#[test]
fn all_usual_variants_verify() {
    let plain = Signer::default();
    for signer in [
        Signer {
            region: "xx-nowhere-99",
            ..plain
        },
        Signer {
            session_token: Some("a session token"),
            ..plain
        },
        Signer {
            content_hash: true,
            ..plain
        },
        Signer {
            at: NOW - 300,
            ..plain
        },
        Signer {
            at: NOW + 300,
            ..plain
        },
    ] {
        let request = signer.sign(Arrived::new("/CreateStage", "{}"));
        let identity = request.verify().expect("verifies");
        assert_eq!(identity.region, signer.region);
    }
}

/// Signed by botocore 1.44.5.
#[test]
fn signatures_of_another_client_verify() {
    let authorization = |signed_headers: &str, signature: &str| {
        format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/eu-west-1/ivs/aws4_request, \
             SignedHeaders={signed_headers}, Signature={signature}"
        )
    };
    let at = 1_767_323_045;
    let secret = |scope: &KeyScope<'_>| {
        let key = || SigningKey::derive("wJalrXUtnFEMI/secret", scope.day, scope.region);
        (scope.access_key == "AKIDEXAMPLE").then(key)
    };
    fn header(name: &'static str, value: &str) -> Header<'static> {
        (name, Cow::from(value.to_owned()))
    }
    let list = [
        header("host", "127.0.0.1:4080"),
        header("content-type", "application/json"),
        header("x-odd", "  a   b  "),
        header("x-amz-date", "20260102T030405Z"),
        header(
            "authorization",
            &authorization(
                "content-type;host;x-amz-date;x-odd",
                "c014ad30b6d31f0cb63f4096af58bf677e42e63385529ff3f7e2a286a2a6585e",
            ),
        ),
    ];
    let request = SignedRequest {
        method: "POST",
        path: "/ListStages",
        path_prefix: "",
        query: "",
        headers: &list,
    };
    verify(&request, br#"{"maxResults":5}"#, at, secret).expect("verifies");

    let tags = [
        header("host", "ivs.example"),
        header("x-amz-date", "20260102T030405Z"),
        header(
            "authorization",
            &authorization(
                "host;x-amz-date",
                "a0c74975f2f1008bf3be3301bb26e549c065ddb766bab495eedabb2a0c88cf2a",
            ),
        ),
    ];
    let request = SignedRequest {
        path: "/tags/arn%3Aaws%3Aivs",
        query: "tagKeys=b%20c&tagKeys=a&x=a%2Bb~",
        headers: &tags,
        ..request
    };
    verify(&request, b"", at, secret).expect("verifies");
}

/// A proxy in front removes a prefix from the path that the client signed.
#[test]
fn a_path_is_signed_as_the_client_saw_it() {
    for (prefix, signed, arrived) in [
        ("/video", "/video/ListStages", "/ListStages"),
        ("/a/b", "/a/b/tags/arn%3Aaws", "/tags/arn%3Aaws"),
        ("/v%C3%BC", "/v%C3%BC/ListStages", "/ListStages"),
        ("/video", "/video/tags/a", "/tags/x/../a"),
    ] {
        let mut request = Signer::default().sign(Arrived::new(signed, "{}"));
        assert!(request.verify().is_ok(), "{signed} as it is");
        request.path = arrived.to_owned();
        assert!(request.verify().is_err(), "{arrived} without the prefix");
        request.path_prefix = prefix;
        assert!(request.verify().is_ok(), "{arrived} behind {prefix}");
        request.path_prefix = "/other";
        assert!(request.verify().is_err(), "{arrived} behind another");
        // A client that does not use the proxy signs the path that arrives.
        let mut direct = Signer::default().sign(Arrived::new(arrived, "{}"));
        direct.path_prefix = prefix;
        assert!(direct.verify().is_ok(), "{arrived} itself");
    }
    for (signed, arrived) in [
        ("/video/ListStages", "/DeleteStage"),
        ("/ListStages", "/video/ListStages"),
        ("/video", "/ListStages"),
        ("/tags/a", "/../tags/b"),
        ("/video/video/ListStages", "/ListStages"),
    ] {
        let mut request = Signer::default().sign(Arrived::new(signed, "{}"));
        request.path = arrived.to_owned();
        request.path_prefix = "/video";
        assert!(request.verify().is_err(), "{signed} is not {arrived}");
    }
}

/// Paths with everything that is normalised or encoded on the way.
fn paths() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        4 => "[a-zA-Z0-9._~-]{0,12}",
        2 => "([a-z]|%[0-9A-Fa-f]{2}|%C3%BC|[!$&'()*+,;=:@]){0,8}",
        1 => Just(".".to_owned()),
        1 => Just("..".to_owned()),
        1 => Just(String::new()),
    ];
    prop::collection::vec(segment, 0..5).prop_map(|segments| format!("/{}", segments.join("/")))
}

fn queries() -> impl Strategy<Value = String> {
    let text = "([a-zA-Z0-9._~!$'()*+,;:@/?-]|%20|%2B|%26|%C3%BC|%e2%82%ac){0,8}";
    let pair = prop_oneof![
        6 => (text, text).prop_map(|(name, value)| format!("{name}={value}")),
        1 => text.prop_map(|name| name),
        1 => (text, text).prop_map(|(name, value)| format!("{name}={value}=")),
    ];
    prop::collection::vec(pair, 0..6).prop_map(|pairs| pairs.join("&"))
}

/// Headers of our own, some given more than once, with odd spaces.
fn headers() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop_oneof![
        "x-[a-c]{1,2}",
        Just("content-type".to_owned()),
        Just("x-amz-target".to_owned())
    ];
    let value = "([ ]{0,3}[a-z][a-zA-Z0-9\"',;=/_-]{0,6}[\t]?[a-z]){0,4}[ ]{0,3}";
    prop::collection::vec((name, value), 0..6)
}

proptest! {
    #![proptest_config(cases(3_000))]

    #[test]
    fn agrees_with_the_signer_of_the_sdk(
        method in prop_oneof![Just("POST"), Just("GET"), Just("DELETE")],
        path in paths(),
        query in queries(),
        headers in headers(),
        body in prop::collection::vec(any::<u8>(), 0..200),
        region in "[a-z0-9-]{1,20}",
        content_hash: bool,
        at in NOW - 300..=NOW + 300,
    ) {
        let mut request = Arrived { method: method.into(), query, body, ..Arrived::new(&path, "") };
        request.headers.extend(headers);
        let request = Signer { region: &region, content_hash, at, ..Signer::default() }.sign(request);
        let identity = request.verify();
        prop_assert!(identity.is_ok(), "{:?}", identity);

        // A server may trim values, as HTTP allows, and reorder headers.
        let mut trimmed = request.clone();
        for (_, value) in &mut trimmed.headers {
            *value = value.trim_matches([' ', '\t']).to_owned();
        }
        trimmed.headers.sort_by(|(one, _), (other, _)| one.cmp(other));
        prop_assert_eq!(trimmed.verify(), identity);
    }

    /// One byte of something that is signed is replaced by another.
    #[test]
    fn no_changed_request_verifies(
        name in "[A-Za-z]{1,20}",
        query in "[a-z]{1,4}=[a-z]{1,4}&[a-z]{1,4}=[a-z]{1,4}",
        value in "[a-zA-Z0-9/]{1,20}",
        body in prop::collection::vec(any::<u8>(), 1..60),
        place in 0usize..6,
        at: prop::sample::Index,
        replacement in prop::char::range('!', '~'),
        xor in 1u8..,
    ) {
        let mut request = Arrived { query, body, ..Arrived::new(&format!("/{name}"), "") };
        request.headers.push(("x-note".into(), value));
        let request = Signer::default().sign(request);
        prop_assert!(request.verify().is_ok());

        let mut changed = request.clone();
        let text = match place {
            0 => {
                let at = at.index(changed.body.len());
                changed.body[at] ^= xor;
                prop_assert!(changed.verify().is_err());
                return Ok(());
            }
            1 => &mut changed.method,
            2 => &mut changed.path,
            3 => &mut changed.query,
            _ => {
                let count = changed.headers.len();
                let (name, value) = &mut changed.headers[at.index(count)];
                if place == 4 { value } else { name }
            }
        };
        let at = at.index(text.len());
        let same = text[at..].starts_with(replacement);
        text.replace_range(at..=at, replacement.encode_utf8(&mut [0; 4]));
        prop_assert_eq!(changed.verify().is_ok(), same, "{:?}", changed);
    }
}

/// A fault of the head is reported before the body has arrived, and so is the signer, if the head has the body's hash.
#[test]
fn a_head_is_judged_before_its_body() {
    let with_hash = Signer {
        content_hash: true,
        ..Signer::default()
    };
    let body = r#"{"maxResults":5}"#;
    for (signer, is_proven) in [(Signer::default(), false), (with_hash, true)] {
        let request = signer.sign(Arrived::new("/ListStages", body));
        let head = |request: &Arrived| request.with_head(|head| head.map(|head| head.is_proven()));
        assert_eq!(head(&request), Ok(is_proven));
        // The body is not awaited if the signature cannot be valid.
        let mut forged = request.clone();
        let signature = forged.header_mut("authorization");
        let last = if signature.ends_with('0') { "1" } else { "0" };
        signature.replace_range(signature.len() - 1.., last);
        assert_eq!(head(&forged).is_err(), is_proven);
        assert!(forged.verify().is_err());
        let finish = |body: &[u8]| request.with_head(|head| head?.verify_body(body));
        assert!(finish(body.as_bytes()).is_ok());
        let error = finish(br#"{"maxResults":6}"#).expect_err("another body");
        assert_eq!(error.code, ErrorCode::InvalidSignature);
    }
    for (name, value) in [
        ("authorization", "Bearer x".to_owned()),
        ("x-amz-date", "20200101T000000Z".to_owned()),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD".to_owned()),
        ("x-amz-content-sha256", "0".repeat(63)),
        ("x-amz-content-sha256", "0".repeat(64)),
    ] {
        let mut request = with_hash.sign(Arrived::new("/ListStages", body));
        *request.header_mut(name) = value;
        let refused = request.with_head(|head| head.map(drop));
        assert!(refused.is_err(), "{name}");
    }
}

/// The same request signed by AWS's crate and by ours.
#[test]
fn our_own_signature_is_the_one_of_awss_signer() {
    use restage_api::sigv4::{Signer as OwnSigner, UnsignedRequest, sign as sign_own};
    for (path, body, session_token) in [
        ("/ListStages", "{}", None),
        ("/behind/a%20proxy//ListStages", "", None),
        ("/GetStage", r#"{"arn":"é"}"#, Some("a session+token/=")),
    ] {
        let signer = Signer {
            session_token,
            content_hash: true,
            ..Signer::default()
        };
        let theirs = signer.sign(Arrived::new(path, body));
        let unsigned = UnsignedRequest {
            method: "POST",
            host: "127.0.0.1:4080",
            path,
            body: body.as_bytes(),
        };
        let own = OwnSigner {
            access_key: KEY,
            secret: SECRET,
            session_token,
            region: "eu-west-1",
        };
        let mut ours = Arrived::new(path, body);
        let added = sign_own(&unsigned, &own, NOW);
        let added = added
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        ours.headers.extend(added);
        let mut expected = theirs.headers.clone();
        expected.sort();
        ours.headers.sort();
        assert_eq!(ours.headers, expected, "{path}");
        assert_eq!(ours.verify().unwrap().region, "eu-west-1", "{path}");
        assert!(!format!("{own:?}").contains(SECRET));
    }
}
