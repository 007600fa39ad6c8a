//! A hostile server: nothing that it sends may make the client panic, stall or use unlimited memory.

use std::time::SystemTime;

use restage_client::testcard::{TestCard, TestCardConfig};
use restage_client::{
    ConnectionState, Error, EventStream, PublishConfig, Publisher, SubscribeConfig, Subscriber,
};

use crate::server::{Order, Server, TOKEN};
use crate::within;

/// Bytes that look random and are the same in every run.
struct Noise(u64);

impl Noise {
    fn byte(&mut self) -> u8 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 56) as u8
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.byte()).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn datagrams_of_any_kind_leave_the_media_flowing() {
    let server = Server::start().await;
    let url = server.url("/whip");
    let connect = Publisher::connect(&url, TOKEN, PublishConfig::default());
    let mut publisher = within("publish", connect).await.unwrap();
    let card = TestCard::new(TestCardConfig::default(), SystemTime::now()).unwrap();
    let playing = tokio::spawn(async move { card.play(&mut publisher).await });
    let url = server.url("/whip/subscribe/Ab3dEf6hIj9k");
    let connect = Subscriber::connect(&url, TOKEN, SubscribeConfig::default());
    let mut subscriber = within("subscribe", connect).await.unwrap();
    within("a frame", subscriber.frame()).await.unwrap();

    let mut noise = Noise(1);
    // First bytes of STUN, DTLS, RTP, RTCP and of no protocol (RFC 9443 §3).
    let first_bytes = [
        0, 1, 20, 22, 23, 25, 63, 64, 80, 128, 129, 144, 191, 192, 255,
    ];
    for length in (0..64).chain([100, 500, 1200, 1472, 1999, 2048, 9000]) {
        for first in first_bytes {
            let mut datagram = noise.bytes(length);
            if let Some(byte) = datagram.first_mut() {
                *byte = first;
            }
            // RTCP's packet types, half of the time.
            if let (Some(byte), true) = (datagram.get_mut(1), length % 2 == 0) {
                *byte = 200 + first % 8;
            }
            server.tell(|| Order::Send(datagram.clone()));
        }
    }
    for _ in 0..100 {
        within("a frame after the noise", subscriber.frame())
            .await
            .unwrap();
    }
    assert_eq!(subscriber.state(), ConnectionState::Connected);
    assert!(!playing.is_finished());
    playing.abort();
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let server = Server::start().await;
    let url = server.url("/endless");
    let connect = Publisher::connect(&url, TOKEN, PublishConfig::default());
    let error = within("connect", connect).await.err().unwrap();
    assert!(matches!(error, Error::Http { .. }), "{error}");
    assert!(error.to_string().contains("longer than"), "{error}");
}

#[tokio::test]
async fn what_is_no_sdp_is_no_answer() {
    let server = Server::start().await;
    let url = server.url("/nonsense");
    let connect = Publisher::connect(&url, TOKEN, PublishConfig::default());
    let error = within("connect", connect).await.err().unwrap();
    assert!(matches!(error, Error::Answer(_)), "{error}");
}

#[tokio::test]
async fn events_that_are_none_end_the_stream_with_an_error() {
    let server = Server::start().await;
    for kind in [
        "text",
        "number",
        "no-type",
        "state-without-payload",
        "huge",
        "cut-short",
    ] {
        let url = format!("ws://{}/events-junk/{kind}", server.address);
        let mut events = within("open", EventStream::connect(&url, TOKEN))
            .await
            .unwrap();
        let error = within(kind, events.next()).await.unwrap_err();
        assert!(matches!(error, Error::Events(_)), "{kind}: {error}");
    }
}
