//! What cannot be provoked from outside: a transport with a bug.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::Sfu;
use crate::util::test::epoch;
use crate::{Config, Control, GoneReason, Input, Output, PeerId, PublicationId};

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
    a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=setup:actpass\r\n\
    a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=recvonly\r\na=rtcp-mux\r\n\
    a=rtpmap:111 opus/48000/2\r\n";

fn drain(sfu: &mut Sfu) -> Vec<Output> {
    std::iter::from_fn(|| sfu.poll_output()).collect()
}

/// Two subscribers of a publication that nobody feeds.
fn two(now: Instant) -> Sfu {
    let mut sfu = Sfu::new(Config {
        candidates: vec!["127.0.0.1:4081".parse().unwrap()],
        ..Config::default()
    });
    for key in 1..=2 {
        sfu.control(
            now,
            Control::OpenSubscriber {
                peer: PeerId(key),
                offer: OFFER.to_owned(),
                download: None,
                wish: Default::default(),
            },
        );
        let publication = PublicationId(7);
        sfu.control(
            now,
            Control::Subscribe {
                peer: PeerId(key),
                publication,
            },
        );
    }
    assert!(matches!(
        drain(&mut sfu)[..],
        [Output::Answer { .. }, Output::Answer { .. }]
    ));
    sfu
}

#[test]
fn a_panic_that_no_guard_catches_ends_the_peer_that_was_served_and_no_other() {
    let mut now = epoch();
    let mut sfu = two(now);
    let index = sfu.peer_keys[&PeerId(1)];
    sfu.peers
        .get_mut(index)
        .unwrap()
        .transport
        .as_mut()
        .unwrap()
        .is_unguarded = true;
    now += Duration::from_secs(10);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        sfu.handle_input(now, Input::Timeout);
    }));
    assert!(panicked.is_err());
    assert!(sfu.after_panic(), "it is known whose fault it was");
    let [Output::Gone { peer, reason }] = &drain(&mut sfu)[..] else {
        panic!("one peer is gone")
    };
    assert_eq!((*peer, reason), (PeerId(1), &GoneReason::Panicked));
    assert_eq!((sfu.stats().peers, sfu.stats().peer_panics), (1, 1));
    sfu.handle_input(now, Input::Timeout);
    assert!(sfu.poll_timeout().is_some_and(|at| at > now));
    // Outside of any peer's turn nobody can be blamed.
    assert!(!sfu.after_panic());
}

#[test]
fn a_panic_of_an_engine_ends_its_peer_and_no_other() {
    let mut now = epoch();
    let mut sfu = two(now);
    let index = sfu.peer_keys[&PeerId(1)];
    sfu.peers
        .get_mut(index)
        .unwrap()
        .transport
        .as_mut()
        .unwrap()
        .is_faulty = true;
    now += Duration::from_secs(10);
    sfu.handle_input(now, Input::Timeout);
    let [Output::Gone { peer, reason }] = &drain(&mut sfu)[..] else {
        panic!("one peer is gone")
    };
    assert_eq!((*peer, reason), (PeerId(1), &GoneReason::Panicked));
    let stats = sfu.stats();
    assert_eq!(
        (stats.peers, stats.peer_panics, stats.publications),
        (1, 1, 1)
    );
    assert!(
        sfu.poll_timeout().is_some_and(|at| at > now),
        "the other one lives"
    );
    // The key is free again.
    sfu.control(
        now,
        Control::OpenSubscriber {
            peer: PeerId(1),
            offer: OFFER.to_owned(),
            download: None,
            wish: Default::default(),
        },
    );
    assert!(matches!(drain(&mut sfu)[..], [Output::Answer { .. }]));
}

#[test]
fn where_numbers_start_follows_from_the_seed() {
    let start = |seed| {
        let mut sfu = Sfu::new(Config {
            seed,
            ..Config::default()
        });
        sfu.control(
            epoch(),
            Control::OpenSubscriber {
                peer: PeerId(1),
                offer: OFFER.to_owned(),
                download: None,
                wish: Default::default(),
            },
        );
        sfu.rng.next_u64()
    };
    assert_eq!(start(5), start(5));
    assert_ne!(start(5), start(6));
}
