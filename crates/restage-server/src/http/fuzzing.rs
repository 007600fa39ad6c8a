//! Entries for fuzz targets (dev/fuzz): what strangers send, at readers that have no other way in from outside. Nothing of the server calls
//! them.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use http::Request;
use restage_core::row::RecordingId;

use super::bearer::InUrl;
use super::listener::opening::{OPENING_LEN_MAX, Opening};
use super::listener::proxy;
use super::playback::RecordingLinks;
use super::receive::read;
use super::wishes::{WishesInUrl, wish_of};
use super::{address, socket_message};

/// The beginning of a connection: what it opens with is told once, and a PROXY header takes what it says and no more.
pub fn beginning(bytes: &[u8]) {
    let whole = &bytes[..bytes.len().min(OPENING_LEN_MAX)];
    let told = Opening::of(whole);
    assert!(told.is_some() || whole.len() < OPENING_LEN_MAX);
    for length in 0..whole.len() {
        let early = Opening::of(&whole[..length]);
        assert!(
            early.is_none() || early == told,
            "more bytes change nothing"
        );
    }
    let mut left = bytes;
    let read = pin!(proxy::begin(&mut left)).poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(read) = read else {
        panic!("bytes that are there are waited for");
    };
    if let Ok(beginning) = read {
        let is_header = beginning.read.is_empty() && !bytes.is_empty();
        assert!(is_header || beginning.source.is_none());
        if !is_header {
            assert_eq!([&beginning.read, left].concat(), bytes, "nothing is lost");
        }
    }
}

/// A message of a client at a socket, and what its payload could mean.
pub fn socket_message(text: &str) {
    let Ok(message) = socket_message::understand(text) else {
        return;
    };
    let answer = socket_message::unknown_type(&message.r#type, "nothing");
    assert!(answer.to_string().len() < 1_024, "an answer is short");
    let payload = &message.payload;
    let _ = (read::connection_id(payload), read::answer(payload));
    if let Ok(wants) = read::wants(payload, "") {
        assert!(wants.len() <= 48, "{} wants", wants.len());
    }
    if let Ok(wants) = read::viewer_wants(payload) {
        assert!(wants.len() <= 16 * 48, "{} wants", wants.len());
    }
    let _ = wish_of(payload);
}

/// The URL of a request: no secret stays in it.
pub fn url(text: &str) {
    let Ok(mut request) = Request::get(text).body(()) else {
        return;
    };
    let query = request.uri().query().unwrap_or_default().to_owned();
    let _ = (InUrl::of(&query), WishesInUrl::of(&query));
    let path = request.uri().path().to_owned();
    address::tidy(&mut request);
    assert_eq!(request.uri().query(), None, "the query is gone");
    let _ = address::beyond("/base", &path);
    let is_media = address::is_media(&path);
    assert_eq!(is_media, address::is_media(request.uri().path()));
    if address::is_of_recording(request.uri().path()) {
        address::conceal(&mut request);
    }
}

/// A link to a recording: only ours opens, for its recording, and until it ends.
pub fn recording_link(offered: &str) {
    const NOW_S: i64 = 1_800_000_000;
    let links = RecordingLinks::new(&[7; 32], "https://example.org");
    assert!(links.open(offered, NOW_S).is_err(), "nobody has signed it");
    let recording = RecordingId::new("aB3dEf6hXy7zAb3dEf6hXy");
    let url = links.url(&recording, NOW_S + 60);
    let ours = url
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or_default();
    assert!(
        links
            .open(ours, NOW_S)
            .is_ok_and(|opened| opened == recording)
    );
    assert!(links.open(ours, NOW_S + 60).is_err());
    let changed = format!("{offered}{ours}");
    assert!(links.open(&changed, NOW_S).is_err() || changed == ours);
}
