//! The server and its runtime: tokens, heads of requests, messages of sockets, settings, keys, frames of TCP.

use std::collections::BTreeMap;

use restage_core::StageArn;
use restage_core::id::{ParticipantId, Time};
use restage_core::row::{Attributes, Capabilities};
use restage_node::control::IfMatch;
use restage_node::push::PushTarget;
use restage_node::token::{Endpoints, Grant, Presented, Tokens, Unverified, is_connection_token};
use restage_server::config::Settings;
use restage_server::http::fuzzing;
use restage_server::keys::Permission;
use restage_server::public_key::PublicKey;

use crate::input::{Input, cut, pieces, text};
use crate::target::Target;

/// The targets of this room.
pub(crate) const TARGETS: &[Target] = &[
    Target::new("tokens", tokens, "participant and connection tokens: forged ones are refused, ours are read as they were signed").from(token_seeds),
    Target::new("http_beginning", fuzzing::beginning, "what a connection begins with: TLS, STUN, HTTP, a PROXY header").from(beginning_seeds),
    Target::new("socket", socket, "messages of clients over the events socket").from(socket_seeds),
    Target::new("urls", urls, "URLs of requests, links to recordings, If-Match, targets of pushes").from(url_seeds),
    Target::new("keys", keys, "public keys in PEM and base64, permissions of access keys").from(key_seeds),
    Target::new("settings", settings, "restage.toml").from(settings_seeds),
    Target::new("tcp_frames", tcp_frames, "frames of ICE over TCP (RFC 4571), cut anywhere").from(tcp_seeds),
];

const STAGE: &str = "arn:aws:ivs:us-east-1:123456789012:stage/AbCdEfGh1234";

fn signer() -> Tokens {
    Tokens::new(&[7; 32], Endpoints::of("https://example.org"))
}

fn tokens(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let user = String::from_utf8_lossy(input.piece()).into_owned();
    let (name, value) = (
        String::from_utf8_lossy(input.piece()).into_owned(),
        String::from_utf8_lossy(input.piece()).into_owned(),
    );
    let capabilities = input.byte();
    let offered = text(input.rest()).unwrap_or_default();
    let tokens = signer();
    assert!(
        !matches!(tokens.read(offered), Ok(Presented::Service(_))),
        "nobody has signed it"
    );
    assert!(!(tokens.is_known_wrong(offered) && tokens.is_unproven(offered)));
    let _ = is_connection_token(offered);
    if let Ok(unverified) = Unverified::parse(offered, None) {
        let _ = (unverified.stage(), unverified.problems().len());
        assert_eq!(
            unverified.claims().is_some(),
            unverified.problems().is_empty()
        );
        assert!(unverified.verify("").is_err(), "no key has this point");
    }
    let attributes: Attributes = BTreeMap::from([(name, value)]);
    let (participant, stage) = (
        ParticipantId::new("AbCdEfGh1234"),
        StageArn::parse(STAGE).expect("an ARN"),
    );
    let grant = Grant {
        participant: &participant,
        stage: &stage,
        user_id: &user,
        attributes: &attributes,
        capabilities: Capabilities {
            publish: capabilities & 1 == 0,
            subscribe: capabilities & 2 == 0,
        },
        issued_at: Time(1_800_000_000_000_000),
        expires_at: Time(1_800_000_600_000_000),
    };
    let ours = tokens.sign(&grant).expect("it can be signed");
    if let Ok(Presented::Service(claims)) = tokens.read(&ours) {
        assert_eq!(
            (&claims.participant, &claims.stage, claims.capabilities),
            (&participant, &stage, grant.capabilities)
        );
        assert_eq!((&claims.user_id, &claims.attributes), (&user, &attributes));
    }
    let other = Tokens::new(&[8; 32], Endpoints::of("https://example.org"));
    assert!(
        !matches!(other.read(&ours), Ok(Presented::Service(_))),
        "it is of another server"
    );
    let mut changed = ours.into_bytes();
    let at = usize::from(capabilities) * 3 % changed.len();
    changed[at] ^= 1;
    if let Some(changed) = text(&changed) {
        assert!(
            !matches!(tokens.read(changed), Ok(Presented::Service(_))),
            "byte {at} counts"
        );
    }
}

fn socket(bytes: &[u8]) {
    if let Some(text) = text(bytes) {
        fuzzing::socket_message(text);
    }
}

fn urls(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (key, url) = (input.piece(), input.rest());
    let (Some(key), Some(url)) = (text(key), text(url)) else {
        return;
    };
    fuzzing::url(url);
    fuzzing::recording_link(key);
    if let Some(IfMatch::Tags(tags)) = IfMatch::parse(key) {
        let list = tags.join(", ");
        assert!(
            tags.iter()
                .all(|tag| tag.len() >= 2 && tag.starts_with('"') && tag.ends_with('"'))
        );
        if !tags.is_empty() && list != "\"*\"" {
            assert_eq!(
                IfMatch::parse(&list),
                Some(IfMatch::Tags(tags)),
                "a list of tags is read again"
            );
        }
    }
    if let Err(reason) = PushTarget::parse(url, key) {
        assert!(
            key.len() < 8 || !reason.contains(key),
            "a refusal does not repeat the key"
        );
    }
}

fn keys(bytes: &[u8]) {
    let Some(text) = text(bytes) else {
        return;
    };
    let _ = (
        PublicKey::from_pem(text).is_ok(),
        PublicKey::from_base64(text).is_ok(),
    );
    if let Ok(permission) = Permission::parse(text) {
        assert_eq!(
            Permission::parse(&permission.to_string()).as_ref(),
            Ok(&permission),
            "it is read as it is written"
        );
    }
}

fn settings(bytes: &[u8]) {
    let Some(text) = text(bytes) else {
        return;
    };
    if let Ok(settings) = toml::from_str::<Settings>(text) {
        let _ = settings.clone().or(settings);
    }
}

fn tcp_frames(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (places, stream) = cut(&mut input);
    let whole = restage_node::media::fuzzing::tcp_frames(&[stream.len()], stream);
    let parts = restage_node::media::fuzzing::tcp_frames(&places, stream);
    assert_eq!(parts, whole, "where it is cut makes no difference");
}

fn token_seeds() -> Vec<Vec<u8>> {
    let mut seed = pieces(&[b"user", b"name", b"value"]);
    seed.push(1);
    seed.extend(b"eyJhbGciOiJFUzM4NCIsInR5cCI6IkpXVCIsImtpZCI6ImFybjphd3M6aXZzOnVzLWVhc3QtMToxMjM0NTY3ODkwMTI6cHVibGljLWtleS9BYkNkRWZHaDEyMzQifQ.");
    seed.extend(b"eyJleHAiOjE4MDAwMDAwMDAsImlhdCI6MTc5OTk5OTAwMCwianRpIjoiQWJDZEVmR2gxMjM0IiwicmVzb3VyY2UiOiJhcm46YXdzOml2czp1cy1lYXN0LTE6MTIzNDU2Nzg5MDEyOnN0YWdlL0FiQ2RFZkdoMTIzNCIsInZlcnNpb24iOiIxLjAifQ.AAAA");
    let mut own = pieces(&[b"u", b"a", b"b"]);
    own.push(0);
    own.extend(b"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6InJlc3RhZ2Utc2VydmljZSJ9.e30.AAAA");
    vec![seed, own]
}

fn beginning_seeds() -> Vec<Vec<u8>> {
    let proxied = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x07\x0a\0\0\x01\x12\x34\0\x50GET / HTTP/1.1\r\n";
    vec![
        proxied.to_vec(),
        vec![0x16, 3, 1, 2, 0],
        vec![0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42, 0, 0],
        vec![0, 40, 0, 1, 0, 20, 0x21, 0x12, 0xa4, 0x42],
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
    ]
}

fn socket_seeds() -> Vec<Vec<u8>> {
    [
        r#"{"type":"PING"}"#,
        r#"{"type":"TOKEN_EXCHANGE","payload":{"token":"a.b.c"}}"#,
        r#"{"type":"RECEIVE_CONFIGURE","payload":{"connectionId":"c","receive":[{"participantId":"AbCdEfGh1234","video":true,"layer":"hi","maxHeight":720,"priority":3}]}}"#,
        r#"{"type":"RECEIVE_ANSWER","payload":{"connectionId":"c","revision":1,"sdp":"v=0\r\n"}}"#,
        r#"{"type":"RECEIVE_CONFIGURE","payload":{"stages":[{"stageId":"s","participantId":"p","receive":[]}]}}"#,
        r#"{"type":"SUBSCRIPTION_CONFIGURE","payload":{"initialLayerPreference":"LOWEST_QUALITY","preferredLayer":2,"audioOnly":true,"paused":false}}"#,
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

fn url_seeds() -> Vec<Vec<u8>> {
    let seed = |key: &[u8], url: &[u8]| [&pieces(&[key]), url].concat();
    vec![
        seed(
            b"W/\"a\", \"b\" ,\"c\"",
            b"/whep/AbCdEfGh1234?token=a.b.c&layer=hi&maxHeight=720",
        ),
        seed(
            b"aB3dEf6hXy7zAb3dEf6hXy.1800000060.AAAA",
            b"/recordings/x.1.y/media/hls/playlist.m3u8?a=b",
        ),
        seed(b"stream-key", b"rtmps://user@example.org:443/app/inst?x=1"),
    ]
}

fn key_seeds() -> Vec<Vec<u8>> {
    let pem = "-----BEGIN PUBLIC KEY-----\nMHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\nAAAA\n-----END PUBLIC KEY-----\n";
    vec![
        pem.as_bytes().to_vec(),
        b"MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE".to_vec(),
        b"read-only".to_vec(),
        b"GetStage, ListStages".to_vec(),
    ]
}

fn settings_seeds() -> Vec<Vec<u8>> {
    vec![
        include_bytes!("../../../restage.toml").to_vec(),
        b"http = [\"127.0.0.1:3000\"]\nmedia-port = 4081\n[limits]\nstages = 5\n".to_vec(),
    ]
}

fn tcp_seeds() -> Vec<Vec<u8>> {
    vec![vec![2, 0, 3, 0, 9, 0, 3, 1, 2, 3, 0, 0, 0, 4, 0, 1, 0, 0]]
}
