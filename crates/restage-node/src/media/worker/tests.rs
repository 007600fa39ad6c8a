//! Tests of workers that fail.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use restage_media::{GoneReason, Wish};
use tokio::sync::mpsc;

use super::care::RESTARTS_MAX;
use super::*;
use crate::media::MediaPlaces;
use crate::media::{Media, MediaSettings, Role};

/// The way in which a worker fails.
pub(in super::super) enum Fault {
    Panic,
    /// It does nothing until the other end of the queue is dropped.
    Stall(Receiver<()>),
    /// As when waiting for its socket fails.
    Error,
}

impl Fault {
    /// A stall, and what ends it when it is dropped.
    pub(in super::super) fn stall() -> (Self, std::sync::mpsc::Sender<()>) {
        let (release, released) = std::sync::mpsc::channel();
        (Self::Stall(released), release)
    }

    pub(super) fn strike(self) -> Result<(), String> {
        match self {
            Self::Panic => std::panic::panic_any("a fault for a test"),
            Self::Stall(released) => {
                released.recv().ok();
                Ok(())
            }
            Self::Error => Err("a fault for a test".to_owned()),
        }
    }
}

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
    a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=setup:actpass\r\n\
    a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=recvonly\r\na=rtcp-mux\r\n\
    a=rtpmap:111 opus/48000/2\r\n";

/// Time limit of every step.
const LIMIT: Duration = Duration::from_secs(30);

fn start(workers: u16) -> (Media, mpsc::Receiver<MediaEvent>) {
    let places = MediaPlaces::open(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]);
    let settings = MediaSettings {
        workers,
        ..MediaSettings::new(places)
    };
    Media::start(settings).unwrap()
}

async fn open(media: &Media) -> PeerId {
    let opened = media
        .open(Role::Subscriber, OFFER.to_owned(), None, Wish::default())
        .await;
    opened.unwrap().0
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(LIMIT, future).await;
    done.unwrap_or_else(|_| panic!("{what} within {LIMIT:?}"))
}

#[tokio::test]
async fn a_worker_that_panics_begins_anew_and_its_peers_are_told() {
    let (media, mut events) = start(1);
    for times in 1..=RESTARTS_MAX as u64 {
        let peer = open(&media).await;
        media.fail(0, Fault::Panic).await;
        let event = within("the peer is told", events.recv()).await;
        assert_eq!(event, Some(MediaEvent::Gone(peer, GoneReason::Panicked)));
        // The worker works, and nothing is left of the peer.
        let next = open(&media).await;
        media.control(next, Control::Close { peer: next }).await;
        within("the counters", async {
            while media.stats().restarts < times || media.stats().peers > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert!(media.is_alive());
    }
    media.stop().await;
}

#[tokio::test]
async fn a_worker_that_panics_again_and_again_is_gone_for_good() {
    let (media, _events) = start(1);
    for _ in 0..=RESTARTS_MAX {
        assert!(media.is_alive());
        media.fail(0, Fault::Panic).await;
    }
    let why = within("the failure is told", media.failed()).await;
    assert!(
        why.contains("media worker 0") && why.contains("within 60 seconds"),
        "{why}"
    );
    assert!(!media.is_alive() && !media.has_room());
    let refused = media
        .open(Role::Subscriber, OFFER.to_owned(), None, Wish::default())
        .await;
    assert!(matches!(refused, Err(MediaError::Busy)));
    media.stop().await;
}

#[tokio::test]
async fn who_joins_is_placed_on_a_worker_that_lives() {
    let (media, _events) = start(2);
    media.fail(1, Fault::Error).await;
    let why = within("the failure is told", media.failed()).await;
    assert!(why.contains("media worker 1"), "{why}");
    assert!(!media.is_alive(), "one is missing");
    assert!(media.has_room(), "the other takes them all");
    for _ in 0..10 {
        open(&media).await;
    }
    media.stop().await;
}

#[tokio::test]
async fn a_worker_that_is_told_to_stop_has_not_failed() {
    let (media, _events) = start(2);
    media.stop().await;
    let told = tokio::time::timeout(Duration::from_millis(50), media.failed()).await;
    assert!(told.is_err(), "{told:?}");
    assert!(media.is_alive());
}
