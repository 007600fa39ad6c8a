//! The API: signatures, page tokens, bodies of operations, ARNs, times.

use std::borrow::Cow;

use restage_api::shape::*;
use restage_api::sigv4::{
    Header, KeyScope, SERVICE, SignedRequest, Signer, SigningKey, UnsignedRequest, sign, verify,
};
use restage_api::{Action, Operation, PageScope, PageTokens, Request, page};
use restage_core::{Arn, ChannelArn, CompositionArn, PublicKeyArn, ResourceArn, StageArn};

use crate::input::{Input, text};
use crate::target::Target;

/// The targets of this room.
pub(crate) const TARGETS: &[Target] = &[
    Target::new(
        "sigv4",
        sigv4,
        "signed requests: forged ones are refused, ours are accepted, changed ones are refused",
    )
    .from(sigv4_seeds),
    Target::new(
        "page_tokens",
        page_tokens,
        "page tokens: only ours open, and only in their scope",
    )
    .from(token_seeds),
    Target::new("bodies", bodies, "JSON bodies of all operations").from(body_seeds),
    Target::new(
        "arns",
        arns,
        "ARNs, paths of operations, tags in paths and queries",
    )
    .from(arn_seeds),
];

const NOW: i64 = 1_800_000_000;
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG";

fn lookup(scope: &KeyScope<'_>) -> Option<SigningKey> {
    (scope.access_key == "AKIDEXAMPLE").then(|| SigningKey::derive(SECRET, scope.day, scope.region))
}

/// Header fields out of lines `name: value`.
fn headers(lines: &str) -> Vec<Header<'_>> {
    let fields = lines.lines().filter_map(|line| line.split_once(':'));
    fields
        .filter(|(name, _)| !name.bytes().any(|byte| byte.is_ascii_uppercase()))
        .map(|(name, value)| (name, Cow::Borrowed(value.trim())))
        .collect()
}

fn sigv4(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let kind = input.byte();
    let (path, query, body) = (input.piece(), input.piece(), input.piece());
    let (Some(path), Some(query), Some(lines)) = (text(path), text(query), text(input.rest()))
    else {
        return;
    };
    let forged = SignedRequest {
        method: "POST",
        path,
        path_prefix: if kind & 1 == 0 { "" } else { "/prefix" },
        query,
        headers: &headers(lines),
    };
    assert!(
        verify(&forged, body, NOW, lookup).is_err(),
        "nobody has signed it"
    );

    let is_path = path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_path {
        return;
    }
    let unsigned = UnsignedRequest {
        method: "POST",
        host: "localhost",
        path,
        body,
    };
    let signer = Signer {
        access_key: "AKIDEXAMPLE",
        secret: SECRET,
        session_token: (kind & 2 != 0).then_some("token"),
        region: "us-east-1",
    };
    let mut fields: Vec<Header<'_>> = vec![("host", Cow::from("localhost"))];
    fields.extend(
        sign(&unsigned, &signer, NOW)
            .into_iter()
            .map(|(name, value)| (name, Cow::from(value))),
    );
    let ours = SignedRequest {
        headers: &fields,
        query: "",
        path_prefix: "",
        ..forged
    };
    match verify(&ours, body, NOW, lookup) {
        Ok(identity) => assert_eq!(identity.access_key, "AKIDEXAMPLE"),
        Err(error) => assert!(
            path.len() > restage_api::sigv4::MAX_TARGET_BYTES,
            "ours is refused: {error:?}"
        ),
    }
    let other = [body, b"x"].concat();
    assert!(verify(&ours, &other, NOW, lookup).is_err(), "another body");
    assert!(verify(&ours, body, NOW + 3_600, lookup).is_err(), "too old");
    let longer = format!("{path}x");
    let moved = SignedRequest {
        path: &longer,
        ..ours
    };
    assert!(verify(&moved, body, NOW, lookup).is_err(), "another path");
    let _ = SERVICE;
}

fn page_tokens(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let tokens = PageTokens::new(&[7; 32]);
    let region = text(input.piece()).unwrap_or("us-east-1");
    let filters = [("filterByState", "ACTIVE")];
    let scope = PageScope {
        operation: Action::from(Operation::ListStages),
        account: "123456789012",
        region,
        filters: &filters,
    };
    let position = input.piece();
    let offered = text(input.rest()).unwrap_or_default();
    if position.len() > page::MAX_POSITION {
        return;
    }
    let token = tokens.seal(&scope, position);
    assert_eq!(tokens.open(&scope, &token).as_deref(), Ok(position));
    if let Ok(opened) = tokens.open(&scope, offered) {
        assert_eq!(
            tokens.seal(&scope, &opened),
            offered,
            "only what we have made opens"
        );
        assert_eq!(
            (opened.as_slice(), offered),
            (position, token.as_str()),
            "nobody knows another one"
        );
    }
    let other = PageScope {
        filters: &[],
        ..scope
    };
    assert!(
        tokens.open(&other, &token).is_err(),
        "it is for another scope"
    );
    assert!(
        PageTokens::new(&[8; 32]).open(&scope, &token).is_err(),
        "it is of another key"
    );
}

/// A parser of a body: whether it takes it.
type Parser = fn(&[u8]) -> bool;

fn takes<R: Request>(body: &[u8]) -> bool {
    R::parse(body).is_ok()
}

const PARSERS: &[Parser] = &[
    takes::<CreateStageRequest>,
    takes::<UpdateStageRequest>,
    takes::<ListStagesRequest>,
    takes::<CreateParticipantTokenRequest>,
    takes::<DisconnectParticipantRequest>,
    takes::<ListParticipantsRequest>,
    takes::<ListParticipantEventsRequest>,
    takes::<StartParticipantReplicationRequest>,
    takes::<StopParticipantReplicationRequest>,
    takes::<ListParticipantReplicasRequest>,
    takes::<ImportPublicKeyRequest>,
    takes::<CreateEncoderConfigurationRequest>,
    takes::<CreateStorageConfigurationRequest>,
    takes::<CreateIngestConfigurationRequest>,
    takes::<UpdateIngestConfigurationRequest>,
    takes::<StartCompositionRequest>,
    takes::<ListCompositionsRequest>,
];

fn bodies(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let parser = input.pick(PARSERS);
    let body = input.rest();
    let is_taken = parser(body);
    assert!(
        !is_taken || body.iter().all(u8::is_ascii_whitespace) || std::str::from_utf8(body).is_ok(),
        "JSON is UTF-8"
    );
    // Space around JSON changes nothing.
    let spaced = [b" \n", body, b"\t "].concat();
    if !body.is_empty() {
        assert_eq!(parser(&spaced), is_taken);
    }
}

fn arns(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (path, query) = (input.piece(), input.piece());
    let rest = input.rest();
    if let (Some(path), Some(query)) = (text(path), text(query)) {
        let _ = (
            Action::resolve("POST", path),
            TagResourceRequest::parse(path, rest).is_ok(),
            UntagResourceRequest::parse(path, query).is_ok(),
        );
        let _ = ListTagsForResourceRequest::parse(path).is_ok();
    }
    let Some(text) = text(rest) else {
        return;
    };
    let same = |again: Option<String>| {
        assert!(
            again.is_none_or(|again| again == text),
            "an ARN has one spelling"
        )
    };
    same(StageArn::parse(text).map(|arn| arn.to_string()));
    same(PublicKeyArn::parse(text).map(|arn| arn.to_string()));
    same(CompositionArn::parse(text).map(|arn| arn.to_string()));
    same(ChannelArn::parse(text).map(|arn| arn.to_string()));
    same(ResourceArn::parse(text).map(|arn| arn.to_string()));
    let _ = restage_api::time::parse_amz_date(text);
    let _: Option<Arn<restage_core::id::StageId>> = Arn::parse(text);
}

fn sigv4_seeds() -> Vec<Vec<u8>> {
    let lines = "host:localhost\nx-amz-date:20270115T080000Z\nx-amz-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n\
        authorization:AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20270115/us-east-1/ivs/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, \
        Signature=0000000000000000000000000000000000000000000000000000000000000000";
    let mut seed = vec![0];
    seed.extend(crate::input::pieces(&[
        b"/CreateStage",
        b"a=b&c=%20",
        b"{}",
    ]));
    seed.extend(lines.bytes());
    vec![seed]
}

fn token_seeds() -> Vec<Vec<u8>> {
    let mut seed = crate::input::pieces(&[b"eu-west-1", b"a position"]);
    seed.extend(b"p00112233445566778899aabbccddeeff0011");
    vec![seed]
}

fn body_seeds() -> Vec<Vec<u8>> {
    const STAGE: &str = "arn:aws:ivs:us-east-1:123456789012:stage/AbCdEfGh1234";
    let bodies = [
        r#"{"name":"a","tags":{"k":"v"},"participantTokenConfigurations":[{"duration":60,"userId":"u","capabilities":["PUBLISH"],"attributes":{"a":"b"}}]}"#.to_owned(),
        format!(r#"{{"arn":"{STAGE}","name":"b","autoParticipantRecordingConfiguration":{{"storageConfigurationArn":"","mediaTypes":["AUDIO_VIDEO"]}}}}"#),
        r#"{"maxResults":5,"nextToken":"p00"}"#.to_owned(),
        format!(r#"{{"stageArn":"{STAGE}","duration":720,"capabilities":["SUBSCRIBE","PUBLISH"]}}"#),
        format!(r#"{{"stageArn":"{STAGE}","participantId":"AbCdEfGh1234","reason":"x"}}"#),
        format!(r#"{{"stageArn":"{STAGE}","sessionId":"st-AbCdEfGh1234","filterByState":"CONNECTED"}}"#),
        format!(r#"{{"stageArn":"{STAGE}","sessionId":"st-AbCdEfGh1234","participantId":"AbCdEfGh1234"}}"#),
        format!(r#"{{"sourceStageArn":"{STAGE}","destinationStageArn":"{STAGE}2","participantId":"AbCdEfGh1234","reconnectWindowSeconds":5,"attributes":{{}}}}"#),
    ];
    let count = bodies.len();
    let numbered = bodies
        .into_iter()
        .enumerate()
        .map(|(place, body)| [&[place as u8][..], body.as_bytes()].concat());
    let mut all: Vec<Vec<u8>> = numbered.collect();
    for (place, body) in [
        (
            count + 2,
            r#"{"publicKeyMaterial":"-----BEGIN PUBLIC KEY-----","name":"k"}"#,
        ),
        (
            count + 3,
            r#"{"name":"e","video":{"width":1280,"height":720,"framerate":30.0,"bitrate":2500000}}"#,
        ),
        (count + 4, r#"{"name":"s","s3":{"bucketName":"bucket"}}"#),
        (
            count + 5,
            r#"{"name":"i","ingestProtocol":"RTMPS","insecureIngest":false,"redundantIngest":true}"#,
        ),
        (
            count + 7,
            r#"{"stageArn":"arn:aws:ivs:us-east-1:123456789012:stage/AbCdEfGh1234","destinations":[{"s3":{"storageConfigurationArn":"arn:aws:ivs:us-east-1:123456789012:storage-configuration/a","encoderConfigurationArns":[]}}],"layout":{"grid":{"gridGap":2}}}"#,
        ),
    ] {
        all.push([&[place as u8][..], body.as_bytes()].concat());
    }
    all
}

fn arn_seeds() -> Vec<Vec<u8>> {
    let paths = crate::input::pieces(&[
        b"/tags/arn%3Aaws%3Aivs%3Aus-east-1%3A123456789012%3Astage%2FAbCdEfGh1234",
        b"tagKeys=a&tagKeys=b%20c",
    ]);
    let rests: [&[u8]; 4] = [
        b"arn:aws:ivs:us-east-1:123456789012:stage/AbCdEfGh1234",
        b"arn:aws:ivs:us-east-1:123456789012:public-key/AbCdEfGh1234",
        br#"{"tags":{"a":"b"}}"#,
        b"20270115T080000Z",
    ];
    rests
        .into_iter()
        .map(|rest| [&paths, rest].concat())
        .collect()
}
