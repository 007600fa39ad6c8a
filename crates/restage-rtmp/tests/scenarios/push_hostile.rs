//! Servers that are none, or that want to do harm.

use std::time::Instant;

use proptest::prelude::*;
use restage_rtmp::limits::{OUTPUT_BYTES_MAX, WORDS_CHARS_MAX};
use restage_rtmp::{Fault, HANDSHAKE_RANDOM_BYTES, PushEnd, PushEvent, PushSession};

use crate::push::{KEY, name};

#[allow(clippy::disallowed_methods)]
fn client() -> PushSession {
    PushSession::new(Instant::now(), name(), &[5; HANDSHAKE_RANDOM_BYTES])
}

/// After the handshake.
fn shaken() -> PushSession {
    let mut client = client();
    let parts = [&[3][..], &[0; 1_536], &[0; 1_536]].concat();
    assert_eq!(receive(&mut client, &parts), []);
    client.take_output();
    client
}

fn receive(client: &mut PushSession, bytes: &[u8]) -> Vec<PushEvent> {
    let mut input = bytes;
    let mut events = Vec::new();
    while let Some(event) = client.receive(&mut input) {
        events.push(event);
    }
    assert!(input.is_empty());
    events
}

/// A message in one chunk, which is within the 128 bytes until a server says otherwise.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32).to_be_bytes();
    let head = [
        3, 0, 0, 0, length[1], length[2], length[3], kind, 0, 0, 0, 0,
    ];
    let mut out = head.to_vec();
    for (place, chunk) in body.chunks(128).enumerate() {
        if place > 0 {
            out.push(0xc3);
        }
        out.extend(chunk);
    }
    out
}

fn text(text: &str) -> Vec<u8> {
    let length = (text.len() as u16).to_be_bytes();
    [&[2][..], &length, text.as_bytes()].concat()
}

fn number(number: f64) -> Vec<u8> {
    [&[0][..], &number.to_be_bytes()].concat()
}

fn object(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = vec![3];
    for (name, value) in members {
        out.extend(&text(name)[1..]);
        out.extend(*value);
    }
    [&out[..], &[0, 0, 9]].concat()
}

fn command(parts: &[Vec<u8>]) -> Vec<u8> {
    message(20, &parts.concat())
}

/// A client that asks to publish on stream 1.
fn asking() -> PushSession {
    let mut client = shaken();
    receive(
        &mut client,
        &command(&[text("_result"), number(1.0), object(&[])]),
    );
    receive(
        &mut client,
        &command(&[text("_result"), number(4.0), vec![5], number(1.0)]),
    );
    client.take_output();
    client
}

#[test]
fn another_protocol_is_known_by_its_first_byte() {
    let events = receive(&mut client(), b"HTTP/1.1 400 Bad Request\r\n");
    let fault = Fault::Version { version: b'H' };
    assert_eq!(events, [PushEvent::End(PushEnd::Fault(fault))]);
}

#[test]
fn words_of_a_server_are_cut_and_show_no_key() {
    let mut client = asking();
    let long = format!("\u{1b}[31m{KEY} {}", "x".repeat(5_000));
    let information = object(&[
        ("level", &text("error")),
        ("code", &text("NetStream.Publish.Denied")),
        ("description", &text(&long)),
    ]);
    let events = receive(
        &mut client,
        &command(&[text("onStatus"), number(0.0), vec![5], information]),
    );
    let [PushEvent::End(PushEnd::Refused { words })] = &events[..] else {
        panic!("{events:?}");
    };
    assert!(!words.contains(KEY) && !words.contains('\u{1b}'), "{words}");
    assert_eq!(words.chars().count(), WORDS_CHARS_MAX);
}

#[test]
fn a_redirection_is_not_followed() {
    let mut client = shaken();
    let ex = object(&[
        ("code", &number(302.0)),
        ("redirect", &text("rtmp://elsewhere/app")),
    ]);
    let information = object(&[
        ("level", &text("error")),
        ("code", &text("NetConnection.Connect.Rejected")),
        ("description", &text("moved")),
        ("ex", &ex),
    ]);
    let events = receive(
        &mut client,
        &command(&[text("_error"), number(1.0), vec![5], information]),
    );
    assert!(
        matches!(&events[..], [PushEvent::End(PushEnd::Redirected { .. })]),
        "{events:?}"
    );
}

#[test]
fn a_server_that_asks_and_does_not_read_is_left() {
    let mut client = asking();
    let ping = message(4, &[0, 6, 0, 0, 0, 1]);
    let events = receive(&mut client, &ping.repeat(OUTPUT_BYTES_MAX / 4));
    assert_eq!(events, [PushEvent::End(PushEnd::Fault(Fault::Unread))]);
    assert!(client.take_output().len() <= OUTPUT_BYTES_MAX + 64);
}

#[test]
fn answers_at_the_wrong_time_are_ignored() {
    let start = object(&[("code", &text("NetStream.Publish.Start"))]);
    let start = command(&[text("onStatus"), number(0.0), vec![5], start]);
    let mut client = shaken();
    assert_eq!(receive(&mut client, &start), []);
    assert_eq!(
        receive(
            &mut client,
            &command(&[text("_result"), number(4.0), vec![5], number(1.0)])
        ),
        []
    );
    assert!(!client.is_publishing());
    let mut client = asking();
    assert_eq!(
        receive(&mut client, &start.repeat(3)),
        [PushEvent::Publishing]
    );
}

#[test]
fn a_stream_number_that_is_none_ends_the_session() {
    for value in [
        number(f64::NAN),
        number(-1.0),
        number(1e300),
        vec![5],
        text("1"),
    ] {
        let mut client = shaken();
        receive(
            &mut client,
            &command(&[text("_result"), number(1.0), object(&[])]),
        );
        let events = receive(
            &mut client,
            &command(&[text("_result"), number(4.0), vec![5], value]),
        );
        assert!(
            matches!(&events[..], [PushEvent::End(PushEnd::Refused { .. })]),
            "{events:?}"
        );
    }
}

#[test]
fn a_message_that_is_too_long_ends_the_session_before_it_has_come() {
    let mut client = asking();
    let head = [3, 0, 0, 0, 0xff, 0xff, 0xff, 20, 0, 0, 0, 0];
    let events = receive(&mut client, &head);
    assert!(matches!(
        &events[..],
        [PushEvent::End(PushEnd::Fault(Fault::MessageLength { .. }))]
    ));
    let events = receive(&mut shaken(), &message(1, &[0, 0, 0, 0]));
    assert!(matches!(
        &events[..],
        [PushEvent::End(PushEnd::Fault(Fault::ChunkSize {
            bytes: 0
        }))]
    ));
    // A size that encoders may not choose does no harm.
    assert_eq!(
        receive(&mut shaken(), &message(1, &[0x7f, 0xff, 0xff, 0xff])),
        []
    );
}

proptest! {
    #[test]
    fn any_bytes_are_taken(
        is_shaken: bool,
        bytes in prop::collection::vec(prop_oneof![0..32_u8, any::<u8>()], 0..4_000),
        step in 1..500_usize,
    ) {
        let mut client = if is_shaken { asking() } else { client() };
        let mut ends = 0;
        for piece in bytes.chunks(step) {
            let events = receive(&mut client, piece);
            ends += events.iter().filter(|event| matches!(event, PushEvent::End(_))).count();
            prop_assert!(client.take_output().len() <= OUTPUT_BYTES_MAX + 4_096);
        }
        prop_assert_eq!(ends, usize::from(client.is_over()));
    }
}
