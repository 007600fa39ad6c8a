//! Servers that refuse, vanish, or take nothing.

use std::time::Duration;

use restage_rtmp::{Event, Refusal};
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};

use super::server::{Manner, Server};
use super::{
    DEADLINE, KEY, PushState, QUICK, SPS, annex_b, delta, failed, format, gone, key_frame,
    publishing, push_to, state,
};
use crate::push::limits::Times;
use crate::push::tls::Trust;
use crate::push::{Push, PushFailure, PushTarget, open_with};

/// Time after which a push without a connection has failed.
const SHORT: Duration = Duration::from_millis(300);

fn assert_failed(state: &PushState, expected: PushFailure, words: &str) {
    let PushState::Failed { cause, reason } = state else {
        panic!("{state:?}");
    };
    assert_eq!(*cause, expected, "{reason}");
    assert!(reason.contains(words) && !reason.contains(KEY), "{reason}");
}

#[tokio::test]
async fn a_first_refusal_is_final_and_says_why() {
    for (refusal, cause, words) in [
        (Refusal::ReuseOfStreamKey, PushFailure::Busy, "in use"),
        (Refusal::InvalidStreamKey, PushFailure::Refused, "not valid"),
        (Refusal::InvalidProtocol, PushFailure::Refused, "rtmps"),
    ] {
        let server = Server::start(&[Manner::Refuses(refusal)]).await;
        // The pauses are those of a server: they are not waited for.
        let mut push = push_to(&server.url("127.0.0.1"), Times::OF_A_SERVER);
        assert_failed(&state(&mut push).await, cause, words);
        assert_eq!(push.figures().lost_connections, 1);
        gone(push).await;
    }
}

#[tokio::test]
async fn the_connection_of_an_earlier_process_is_waited_for() {
    let busy = Manner::Refuses(Refusal::ReuseOfStreamKey);
    let server = Server::start(&[busy, Manner::Takes]).await;
    let target = PushTarget::parse(&server.url("127.0.0.1"), KEY).unwrap();
    let mut push = open_with(target, true, format(), QUICK, Trust::System);
    let PushState::Reconnecting { reason } = state(&mut push).await else {
        panic!("the refusal was final");
    };
    assert!(reason.contains("in use"), "{reason}");
    publishing(&mut push).await;
}

#[tokio::test]
async fn a_broken_stream_goes_on_with_headers_and_a_key_frame() {
    let busy = Manner::Refuses(Refusal::ReuseOfStreamKey);
    let mut server = Server::start(&[Manner::ClosesAfter(2), busy, Manner::Takes]).await;
    let mut push = push_to(&server.url("127.0.0.1"), QUICK);
    publishing(&mut push).await;
    push.picture(0, true, key_frame());
    push.picture(40_000, false, delta());
    let PushState::Reconnecting { reason } = state(&mut push).await else {
        panic!("it was not lost");
    };
    assert!(
        reason.contains("closed") || reason.contains("broke"),
        "{reason}"
    );
    // The server still holds the first stream for a moment: the second attempt is refused, and the third one is not.
    publishing(&mut push).await;
    assert!(push.needs_key_frame());
    push.sound(100_000, vec![0x21].into());
    push.picture(100_000, false, delta());
    assert!(push.needs_key_frame());
    push.picture(120_000, true, key_frame());
    push.sound(121_000, vec![0x22].into());
    push.picture(160_000, false, delta());
    let mut kinds = Vec::new();
    while kinds.iter().filter(|kind| **kind == "picture").count() < 2 {
        let kind = server.until(|connection, event| match event {
            _ if connection < 2 => None,
            Event::Publish(_) => Some("publish"),
            Event::Metadata(_) => Some("metadata"),
            Event::AudioConfig(_) => Some("audio configuration"),
            Event::VideoConfig(_) => Some("video configuration"),
            Event::Video(frame) if frame.is_key => Some("key frame"),
            Event::Video(_) => Some("picture"),
            Event::Audio(_) => Some("sound"),
            other => panic!("{other:?}"),
        });
        kinds.push(kind.await);
        if kinds.len() == 7 {
            break;
        }
    }
    let (before, after) = kinds.split_at(3);
    assert_eq!(before, ["publish", "metadata", "audio configuration"]);
    assert_eq!(
        after,
        ["video configuration", "key frame", "sound", "picture"]
    );
    assert_eq!(push.figures().lost_connections, 2);
    gone(push).await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_given_up_after_a_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("rtmp://{}/app", listener.local_addr().unwrap());
    drop(listener);
    let times = Times {
        reconnect: SHORT,
        ..QUICK
    };
    let begun = Instant::now();
    let mut push = push_to(&url, times);
    push.picture(0, true, key_frame());
    assert!(!push.needs_key_frame(), "nobody needs one");
    assert_failed(
        &failed(&mut push).await,
        PushFailure::Unreachable,
        "no connection",
    );
    assert!(begun.elapsed() >= SHORT - QUICK.pause_max);
    assert!(push.figures().lost_connections >= 3, "{:?}", push.figures());
    assert_eq!(push.figures().dropped_pictures, 1);
    gone(push).await;
}

#[tokio::test]
async fn a_server_that_never_answers_is_left() {
    let server = Server::start(&[Manner::IsSilent]).await;
    let times = Times {
        answer: SHORT,
        reconnect: Duration::ZERO,
        ..QUICK
    };
    let mut push = push_to(&server.url("127.0.0.1"), times);
    assert_failed(
        &failed(&mut push).await,
        PushFailure::Unreachable,
        "in time",
    );
    gone(push).await;
}

#[tokio::test]
async fn what_is_no_server_of_rtmp_is_left() {
    let server = Server::start(&[Manner::Says(b"HTTP/1.1 400 Bad Request\r\n\r\n")]).await;
    let times = Times {
        reconnect: SHORT,
        ..QUICK
    };
    let mut push = push_to(&server.url("127.0.0.1"), times);
    assert_failed(
        &failed(&mut push).await,
        PushFailure::Other,
        "breaks the protocol",
    );
    gone(push).await;
}

/// Hands over large pictures until this many are dropped; none of them may wait.
async fn fill(push: &Push, dropped: u64) {
    let large = [vec![0x65, 0x88, 0x84], vec![0x55; 60_000]].concat();
    let large = annex_b(&[SPS, super::PPS, &large]);
    timeout(DEADLINE, async {
        let mut at_us = 1_000_000;
        while push.figures().dropped_pictures < dropped {
            push.picture(at_us, true, large.clone());
            at_us += 40_000;
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("pictures are dropped");
}

#[tokio::test]
async fn a_server_that_stops_reading_is_left_and_what_waits_is_bounded() {
    let server = Server::start(&[Manner::StopsReadingAfter(1), Manner::Takes]).await;
    let times = Times {
        stall: Duration::from_millis(500),
        ..QUICK
    };
    let mut push = push_to(&server.url("127.0.0.1"), times);
    publishing(&mut push).await;
    push.picture(0, true, key_frame());
    fill(&push, 3).await;
    assert!(
        push.figures().queued_bytes <= 1 << 20,
        "{:?}",
        push.figures()
    );
    let reason = loop {
        if let PushState::Reconnecting { reason } = state(&mut push).await {
            break reason;
        }
    };
    assert!(reason.contains("taken nothing"), "{reason}");
    publishing(&mut push).await;
    assert!(push.needs_key_frame());
    gone(push).await;
}

#[tokio::test]
async fn short_streams_do_not_go_on_for_ever() {
    let server = Server::start(&[Manner::ClosesAfter(1)]).await;
    let times = Times {
        reconnect: SHORT,
        ..QUICK
    };
    let mut push = push_to(&server.url("127.0.0.1"), times);
    let state = timeout(DEADLINE, async {
        loop {
            tokio::select! {
                state = push.changed() => if matches!(state, PushState::Failed { .. }) {
                    return state;
                },
                () = tokio::task::yield_now() => {}
            }
            if push.needs_key_frame() {
                push.picture(0, true, key_frame());
            }
        }
    });
    assert_failed(
        &state.await.expect("it fails"),
        PushFailure::Unreachable,
        "",
    );
    gone(push).await;
}

#[tokio::test]
async fn a_push_can_be_dropped_at_any_time() {
    // While it waits for an answer, during a pause, and with a server that reads nothing.
    let silent = Server::start(&[Manner::IsSilent]).await;
    gone(push_to(&silent.url("127.0.0.1"), Times::OF_A_SERVER)).await;
    let closing = Server::start(&[Manner::Says(b"no")]).await;
    let mut push = push_to(&closing.url("127.0.0.1"), Times::OF_A_SERVER);
    state(&mut push).await;
    gone(push).await;
    let deaf = Server::start(&[Manner::StopsReadingAfter(1)]).await;
    let mut push = push_to(
        &deaf.url("127.0.0.1"),
        Times {
            finish: SHORT,
            ..QUICK
        },
    );
    publishing(&mut push).await;
    push.picture(0, true, key_frame());
    fill(&push, 1).await;
    let dropped_at = Instant::now();
    gone(push).await;
    assert!(
        dropped_at.elapsed() < QUICK.stall,
        "it waits for a server that reads nothing"
    );
}
