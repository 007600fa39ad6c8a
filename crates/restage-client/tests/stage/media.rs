use std::sync::Arc;
use std::time::{Duration, SystemTime};

use openh264::decoder::Decoder as H264Decoder;
use openh264::formats::YUVSource as _;
use restage_client::beep::{FRAME_SAMPLES, SAMPLE_RATE};
use restage_client::rtp::{PACKET_BYTES_MAX, RtpPacket, RtpPublisher};
use restage_client::testcard::{CardSize, TestCard, TestCardConfig, read_frame_counter};
use restage_client::{
    CloseReason, Codec, ConnectionState, EncodedFrame, Error, PublishConfig, Publisher,
    ReceivedFrame, SubscribeConfig, Subscriber, TrackKind,
};
use tokio::task::JoinHandle;

use crate::server::{Order, Server, TOKEN};
use crate::within;

async fn publisher(server: &Server) -> Publisher {
    let url = server.url("/whip");
    let connect = Publisher::connect(&url, TOKEN, PublishConfig::default());
    within("publish", connect).await.unwrap()
}

async fn subscriber(server: &Server) -> Subscriber {
    let url = server.url("/whip/subscribe/Ab3dEf6hIj9k");
    let connect = Subscriber::connect(&url, TOKEN, SubscribeConfig::default());
    within("subscribe", connect).await.unwrap()
}

fn play(mut publisher: Publisher, size: CardSize) -> JoinHandle<Result<(), Error>> {
    let mut config = TestCardConfig::default();
    config.size = size;
    let card = TestCard::new(config, SystemTime::now()).unwrap();
    tokio::spawn(async move { card.play(&mut publisher).await })
}

async fn next(subscriber: &mut Subscriber) -> ReceivedFrame {
    within("frame", subscriber.frame()).await.expect("a frame")
}

/// Decodes what arrives until there are `pictures` pictures and a beep. Returns the counters.
async fn watch(subscriber: &mut Subscriber, size: CardSize, pictures: usize) -> Vec<u64> {
    let mut video = H264Decoder::new().unwrap();
    let mut audio = opus::Decoder::new(SAMPLE_RATE, opus::Channels::Mono).unwrap();
    let (mut counters, mut loudest) = (Vec::new(), 0.0_f32);
    while counters.len() < pictures || loudest < 0.1 {
        let received = next(subscriber).await;
        match received.frame.codec {
            Codec::H264 => {
                let decoded = video
                    .decode(&received.frame.data)
                    .unwrap()
                    .expect("a picture");
                let (luma, stride) = (decoded.y(), decoded.strides().0);
                counters.push(read_frame_counter(size, luma, stride).expect("a counter"));
            }
            Codec::Opus => {
                let mut pcm = [0.0; FRAME_SAMPLES];
                audio
                    .decode_float(&received.frame.data, &mut pcm, false)
                    .unwrap();
                loudest = pcm
                    .iter()
                    .fold(loudest, |loudest, sample| loudest.max(sample.abs()));
            }
            other => panic!("{other}"),
        }
    }
    counters
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_test_card_arrives_with_picture_and_sound() {
    for size in [CardSize::P360, CardSize::P720] {
        let server = Server::start().await;
        let playing = play(publisher(&server).await, size);
        let mut subscriber = subscriber(&server).await;
        let counters = watch(&mut subscriber, size, 45).await;
        assert!(
            counters.is_sorted_by(|one, next| one < next),
            "{counters:?}"
        );
        assert!(subscriber.codecs().contains(&Codec::H264));
        within("close", subscriber.close()).await.unwrap();
        playing.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn video_starts_with_a_key_frame_that_was_asked_for() {
    let server = Server::start().await;
    let mut publisher = publisher(&server).await;
    assert!(!publisher.take_key_frame_request());
    server.tell(|| Order::AskKeyFrame);
    let mut card = TestCard::new(TestCardConfig::default(), SystemTime::now()).unwrap();
    // The server cannot request a key frame before it has received a packet of the track.
    let mut asked = false;
    while !asked {
        server.tell(|| Order::AskKeyFrame);
        publisher.write(card.next_frame().unwrap()).await.unwrap();
        let wait = Duration::from_millis(20);
        asked = tokio::time::timeout(wait, publisher.key_frame_requested())
            .await
            .is_ok();
    }
    drop(publisher);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_subscriber_gets_a_key_frame_without_waiting_for_the_next_one_due() {
    let server = Server::start().await;
    let playing = play(publisher(&server).await, CardSize::P360);
    let mut early = subscriber(&server).await;
    assert!(watch(&mut early, CardSize::P360, 20).await.len() >= 20);
    let mut late = subscriber(&server).await;
    let mut first = next(&mut late).await;
    while first.frame.codec.kind() == TrackKind::Audio {
        first = next(&mut late).await;
    }
    assert!(first.frame.is_key_frame);
    playing.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vp8_and_opus_bytes_arrive_as_they_were_sent() {
    let server = Server::start().await;
    let mut config = PublishConfig::default();
    config.video = Some(Codec::Vp8);
    let url = server.url("/whip");
    let connect = Publisher::connect(&url, TOKEN, config);
    let publisher = within("publish", connect).await.unwrap();
    let mut subscriber = subscriber(&server).await;
    let frame = |codec, number: u64, data: Vec<u8>| EncodedFrame {
        codec,
        time: Duration::from_millis(20 * number),
        is_key_frame: true,
        data: data.into(),
    };
    // A VP8 key frame begins with a cleared low bit (RFC 6386 §9.1); the rest is any bytes.
    let picture = |number: u64| {
        let mut data = vec![number as u8; 3_000];
        data[..10].copy_from_slice(&[0x10, 2, 0, 0x9d, 0x01, 0x2a, 64, 0, 64, 0]);
        data
    };
    let sound = |number: u64| vec![0xfc, number as u8, 1, 2, 3];
    let sending = tokio::spawn(async move {
        let mut pace = tokio::time::interval(Duration::from_millis(5));
        for number in 0_u64.. {
            pace.tick().await;
            publisher
                .write(frame(Codec::Vp8, number, picture(number)))
                .await
                .unwrap();
            publisher
                .write(frame(Codec::Opus, number, sound(number)))
                .await
                .unwrap();
        }
    });
    let (mut pictures, mut sounds) = (0, 0);
    while pictures < 20 || sounds < 20 {
        let received = next(&mut subscriber).await.frame;
        match received.codec {
            Codec::Vp8 => {
                assert_eq!(received.data[..], picture(u64::from(received.data[2_999])));
                pictures += 1;
            }
            Codec::Opus => {
                assert_eq!(received.data[..], sound(u64::from(received.data[1])));
                sounds += 1;
            }
            other => panic!("{other}"),
        }
    }
    sending.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loss_is_mended_by_retransmission() {
    let server = Server::start().await;
    let playing = play(publisher(&server).await, CardSize::P360);
    let mut subscriber = subscriber(&server).await;
    server.tell(|| Order::Lose(20));
    let counters = watch(&mut subscriber, CardSize::P360, 60).await;
    assert!(
        counters.is_sorted_by(|one, next| one < next),
        "{counters:?}"
    );
    playing.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stats_count_what_flows() {
    let server = Server::start().await;
    let playing = play(publisher(&server).await, CardSize::P360);
    let mut subscriber = subscriber(&server).await;
    loop {
        next(&mut subscriber).await;
        let stats = subscriber.stats();
        let flows = |kind| {
            stats.tracks.iter().any(|track| {
                track.kind == kind
                    && track.frames > 20
                    && track.packets >= track.frames
                    && track.key_frames > 0
            })
        };
        if flows(TrackKind::Audio) && flows(TrackKind::Video) && stats.rtt.is_some() {
            assert!(stats.bytes_received > stats.bytes_sent);
            break;
        }
    }
    playing.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_by_the_server_is_told_to_both_sides() {
    let server = Server::start().await;
    let playing = play(publisher(&server).await, CardSize::P360);
    let mut subscriber = subscriber(&server).await;
    next(&mut subscriber).await;
    let mut state = subscriber.state_watch();
    assert_eq!(*state.borrow(), ConnectionState::Connected);
    server.tell(|| Order::Hang);
    let is_closed = |state: &ConnectionState| matches!(state, ConnectionState::Closed(_));
    let closed = within("closed", state.wait_for(is_closed))
        .await
        .unwrap()
        .clone();
    assert_eq!(closed, ConnectionState::Closed(CloseReason::Remote));
    while within("drained", subscriber.frame()).await.is_some() {}
    let ended = within("play", playing).await.unwrap().unwrap_err();
    assert!(
        matches!(ended, Error::Closed(CloseReason::Remote)),
        "{ended}"
    );
    let refused = subscriber.request_key_frame().await.unwrap_err();
    assert!(
        matches!(refused, Error::Closed(CloseReason::Remote)),
        "{refused}"
    );
    within("close", subscriber.close()).await.unwrap();
}

/// How a subscriber's connection ends after `order`, if the server reports this about the session.
async fn ending(order: fn() -> Order, status: u16, body: &'static str) -> CloseReason {
    let server = Server::start().await;
    let playing = play(publisher(&server).await, CardSize::P360);
    let mut subscriber = subscriber(&server).await;
    next(&mut subscriber).await;
    server.answer_looks_with(status, body);
    server.tell(order);
    while within("drained", subscriber.frame()).await.is_some() {}
    let ConnectionState::Closed(reason) = subscriber.state() else {
        panic!("{:?}", subscriber.state())
    };
    playing.abort();
    reason
}

const FORGOTTEN: &str = r#"{"code":"NO_SESSION","message":"there is no such session"}"#;
const REMOVED: &str = r#"{"code":"NO_SESSION","message":"this session has ended",
    "ended":{"code":"PARTICIPANT_DISCONNECTED","reason":"disconnected","message":"sent away"}}"#;
const RESTARTS: &str = r#"{"code":"NO_SESSION","message":"this session has ended",
    "ended":{"code":"SERVER_RESTART","reason":"server-restart","message":"the server restarts"}}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_is_told_with_the_servers_reason() {
    for order in [|| Order::Hang, || Order::Vanish] {
        let reason = ending(order, 404, REMOVED).await;
        let removed = CloseReason::Ended {
            code: "PARTICIPANT_DISCONNECTED".to_owned(),
            message: "sent away".to_owned(),
        };
        assert_eq!(reason, removed);
        assert!(!reason.is_passing());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_is_told_from_a_removal_whether_it_was_announced_or_not() {
    for (order, body) in [
        ((|| Order::Hang) as fn() -> Order, RESTARTS),
        (|| Order::Hang, FORGOTTEN),
        (|| Order::Vanish, FORGOTTEN),
    ] {
        let reason = ending(order, 404, body).await;
        assert_eq!(reason, CloseReason::Restarted);
        assert!(reason.is_passing());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_without_its_server_is_a_connection_that_is_lost() {
    let reason = ending(|| Order::Vanish, 502, "<html>").await;
    assert_eq!(reason, CloseReason::Lost);
}

#[tokio::test]
async fn the_relays_of_the_answer_are_told() {
    let server = Server::start().await;
    let publisher = publisher(&server).await;
    let [relay] = publisher.ice_servers() else {
        panic!("{:?}", publisher.ice_servers());
    };
    assert_eq!(relay.url, "turns:relay.example:443?transport=tcp");
    assert_eq!((&*relay.username, &*relay.credential), ("7:ann", "p=="));
}

#[tokio::test]
async fn a_codec_that_was_not_offered_is_refused() {
    let server = Server::start().await;
    let publisher = publisher(&server).await;
    let frame = EncodedFrame {
        codec: Codec::Vp8,
        time: Duration::ZERO,
        is_key_frame: true,
        data: vec![0].into(),
    };
    let error = publisher.write(frame).await.unwrap_err();
    assert!(matches!(error, Error::NotNegotiated(Codec::Vp8)), "{error}");
    assert_eq!(publisher.codecs(), [Codec::Opus, Codec::H264]);
}

/// A VP8 key frame's first bytes (RFC 6386 §9.1).
const VP8_KEY_FRAME: [u8; 10] = [0x10, 2, 0, 0x9d, 0x01, 0x2a, 64, 0, 64, 0];
/// Bytes of each half of a picture; the first half fills a packet to the last byte.
const HALF: usize = PACKET_BYTES_MAX - 1 - VP8_KEY_FRAME.len();

/// The packets of one moment: a picture in two halves, and audio. The sequence numbers wrap around in between.
fn packets(moment: u16) -> [RtpPacket; 3] {
    let packet = |codec, number: u16, ticks, is_marker, payload: Vec<u8>| RtpPacket {
        codec,
        sequence: 65_500_u16.wrapping_add(number),
        timestamp: u32::from(moment) * ticks,
        is_marker,
        payload: payload.into(),
    };
    // The first byte is VP8's descriptor (RFC 7741 §4.2).
    let first = [&[0x10], &VP8_KEY_FRAME[..], &[moment as u8; HALF]].concat();
    let second = [&[0x00], &[moment as u8; HALF][..]].concat();
    [
        packet(Codec::Vp8, moment * 2, 3_000, false, first),
        packet(Codec::Vp8, moment * 2 + 1, 3_000, true, second),
        packet(Codec::Opus, moment, 960, false, vec![0xfc, moment as u8]),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rtp_packets_arrive_as_frames_and_again_when_lost() {
    let server = Server::start().await;
    let mut config = PublishConfig::default();
    config.video = Some(Codec::Vp8);
    let url = server.url("/whip");
    let connect = RtpPublisher::connect(&url, TOKEN, config);
    let publisher = Arc::new(within("publish", connect).await.unwrap());
    let refused = RtpPacket::parse(Codec::H264, &[0x80; 20]).unwrap();
    let error = publisher.write(refused).await.unwrap_err();
    assert!(
        matches!(error, Error::NotNegotiated(Codec::H264)),
        "{error}"
    );
    let mut long = packets(0)[2].clone();
    long.payload = vec![0; PACKET_BYTES_MAX + 1].into();
    let error = publisher.write(long).await.unwrap_err();
    assert!(matches!(error, Error::Rtp(_)), "{error}");

    let mut subscriber = subscriber(&server).await;
    let writer = Arc::clone(&publisher);
    let sending = tokio::spawn(async move {
        let mut pace = tokio::time::interval(Duration::from_millis(5));
        for moment in 0_u16.. {
            pace.tick().await;
            for packet in packets(moment) {
                writer.write(packet.clone()).await.unwrap();
                // A duplicate is removed.
                writer.write(packet).await.unwrap();
            }
        }
    });
    let (mut pictures, mut sounds, mut nacks) = (0, 0, 0);
    while pictures < 60 || sounds < 60 || nacks == 0 {
        let received = next(&mut subscriber).await.frame;
        match received.codec {
            Codec::Vp8 => {
                let picture = &received.data[..];
                let content = [*picture.last().unwrap(); 2 * HALF];
                assert_eq!(picture, [&VP8_KEY_FRAME[..], &content].concat());
                pictures += 1;
            }
            Codec::Opus => {
                assert_eq!(received.data.len(), 2);
                sounds += 1;
            }
            other => panic!("{other}"),
        }
        if pictures == 30 {
            server.tell(|| Order::Lose(20));
        }
        nacks = publisher.stats().tracks.iter().map(|one| one.nacks).sum();
    }
    sending.abort();
}
