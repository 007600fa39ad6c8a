//! How peers end, and that nothing of them remains.

use std::time::Duration;

use restage_media::{
    Config, ConnectFailure, Control, GoneReason, Input, OfferErrorKind, PeerId, Protocol,
    PublicationId, limits,
};
use str0m::format::Codec;

use crate::support::client::Client;
use crate::support::{News, World, config};

fn gone_at(world: &mut World, key: u64, limit: Duration) -> (Duration, GoneReason) {
    let start = world.now;
    world.wait("the peer is gone", limit, |world| world.gone(key).is_some());
    (world.now - start, world.gone(key).unwrap().clone())
}

fn assert_empty(world: &World) {
    let stats = world.sfu.stats();
    assert_eq!(
        (stats.peers, stats.publications, stats.addresses),
        (0, 0, 0)
    );
    assert_eq!(world.sfu.poll_timeout(), None, "nothing left to wait for");
}

#[test]
fn a_vanished_client_is_noticed_within_ten_seconds() {
    for publishes in [true, false] {
        let mut world = World::new();
        let index = if publishes {
            world.publisher(1, 1)
        } else {
            world.subscriber(1, 1)
        };
        world.connect();
        let now = world.now;
        if publishes {
            world.clients[index].start(now, Codec::H264);
        }
        world.run_ms(3_000);
        world.clients[index].is_offline = true;
        let (after, reason) = gone_at(&mut world, 1, Duration::from_secs(10));
        assert_eq!(reason, GoneReason::Silent);
        assert!(after > Duration::from_secs(5), "{after:?}");
        assert_empty(&world);
    }
}

#[test]
fn a_viewer_without_consent_checks_stays_as_long_as_its_reports_come() {
    let mut world = World::new();
    let publisher = world.publisher(1, 1);
    let viewer = world.subscriber(2, 1);
    world.connect();
    let now = world.now;
    world.clients[publisher].start(now, Codec::H264);
    world.run_ms(500);
    world.clients[viewer].reports_every = Some(Duration::from_millis(7_400));
    world.run_ms(20_000);
    // Then one of its reports is lost.
    world.clients[viewer].reports_every = Some(Duration::from_millis(14_800));
    world.run_ms(40_000);
    assert!(world.gone(2).is_none(), "{:?}", world.gone(2));
    world.clients[viewer].is_offline = true;
    let (_, reason) = gone_at(&mut world, 2, limits::PEER_SILENCE_UNCHECKED_MAX);
    assert_eq!(reason, GoneReason::Silent);
}

#[test]
fn datagrams_in_its_name_do_not_keep_a_vanished_client() {
    // Datagrams that look like RTP, RTCP and DTLS.
    for first_bytes in [[0x80, 96], [0x80, 200], [23, 254]] {
        let mut world = World::new();
        let index = world.publisher(1, 1);
        world.connect();
        let now = world.now;
        world.clients[index].start(now, Codec::H264);
        world.run_ms(1_000);
        world.clients[index].is_offline = true;
        let mut garbage = world.rng.bytes(200);
        garbage[..2].copy_from_slice(&first_bytes);
        let deadline = world.now + Duration::from_secs(10);
        while world.gone(1).is_none() {
            assert!(world.now < deadline, "{first_bytes:?}");
            // Closer together than the time by which a timer may be delayed.
            world.run(Duration::from_micros(500));
            let input = Input::Datagram {
                protocol: Protocol::Udp,
                source: world.clients[index].address,
                destination: world.sfu_address,
                payload: &garbage,
            };
            world.sfu.handle_input(world.now, input);
            world.drain_sfu();
        }
        assert_eq!(world.gone(1), Some(&GoneReason::Silent));
    }
}

#[test]
fn a_quiet_but_living_client_stays() {
    let mut world = World::new();
    world.subscriber(1, 1);
    world.connect();
    world.run_ms(60_000);
    assert!(world.gone(1).is_none());
}

#[test]
fn a_client_that_never_connects_is_given_up() {
    let mut world = World::new();
    let index = world.subscriber(1, 1);
    world.clients[index].is_offline = true;
    let (after, reason) = gone_at(&mut world, 1, Duration::from_secs(20));
    assert_eq!(reason, GoneReason::NeverConnected(ConnectFailure::NoStun));
    assert!(
        after.abs_diff(limits::CONNECT_MAX) < Duration::from_millis(100),
        "{after:?}"
    );
    assert_empty(&world);
}

#[test]
fn a_client_that_closes_is_gone_at_once() {
    let mut world = World::new();
    let index = world.publisher(1, 1);
    world.connect();
    world.run_ms(500);
    world.clients[index].close();
    world.drain_client(index);
    let (after, reason) = gone_at(&mut world, 1, Duration::from_millis(100));
    assert_eq!(reason, GoneReason::ClosedByRemote);
    assert!(after < Duration::from_millis(50));
    assert_empty(&world);
}

#[test]
fn closing_a_peer_tells_its_client_and_nobody_else() {
    let mut world = World::new();
    let index = world.subscriber(1, 1);
    world.connect();
    world.control(Control::Close { peer: PeerId(1) });
    assert_empty(&world);
    world.wait("the client knows", Duration::from_millis(100), |world| {
        world.clients[index].is_closed
    });
    world.run_ms(20_000);
    assert!(
        world.gone(1).is_none(),
        "whoever closes needs no news of it"
    );
}

#[test]
fn a_key_is_free_again_after_its_peer_ended() {
    let mut world = World::new();
    for _ in 0..30 {
        let publisher = world.publisher(1, 1);
        let subscriber = world.subscriber(2, 1);
        world.connect();
        let now = world.now;
        world.clients[publisher].start(now, Codec::Vp8);
        world.run_ms(200);
        assert!(world.clients[subscriber].video_got().next().is_some());
        for (index, key) in [(publisher, 1), (subscriber, 2)] {
            world.clients[index].is_offline = true;
            world.control(Control::Close { peer: PeerId(key) });
        }
        world.news.clear();
        assert_empty(&world);
    }
}

#[test]
fn tables_have_ends() {
    let mut world = World::with(Config {
        peers_max: 3,
        publications_max: 2,
        subscribers_per_publication_max: 1,
        ..config()
    });
    for key in 1..=3 {
        let client = Client::subscriber(world.now, key, key as usize);
        world.open(client, false);
    }
    let offer = Client::subscriber(world.now, 4, 4).take_offer();
    world.control(Control::OpenSubscriber {
        peer: PeerId(4),
        offer: offer.to_owned(),
        download: None,
        wish: Default::default(),
    });
    assert_eq!(
        world.refusal(PeerId(4)).unwrap().kind(),
        OfferErrorKind::Full
    );

    let subscribe = |world: &mut World, peer, publication| {
        world.control(Control::Subscribe {
            peer: PeerId(peer),
            publication: PublicationId(publication),
        });
        world.sfu.stats().routes_ignored
    };
    assert_eq!(subscribe(&mut world, 1, 1), 0);
    assert_eq!(
        subscribe(&mut world, 2, 1),
        1,
        "the publication has its subscriber"
    );
    assert_eq!(subscribe(&mut world, 2, 2), 1);
    assert_eq!(subscribe(&mut world, 3, 3), 2, "there are two publications");
    assert_eq!(subscribe(&mut world, 9, 1), 3, "there is no such peer");
    world.control(Control::Publish {
        peer: PeerId(1),
        publication: PublicationId(1),
    });
    assert_eq!(
        world.sfu.stats().routes_ignored,
        4,
        "a subscriber does not publish"
    );
    assert_eq!(world.sfu.stats().publications, 2);
}

#[test]
fn a_key_in_use_is_refused_and_its_peer_goes_on() {
    let mut world = World::new();
    world.subscriber(1, 1);
    world.connect();
    let offer = Client::subscriber(world.now, 1, 7).take_offer();
    world.control(Control::OpenSubscriber {
        peer: PeerId(1),
        offer: offer.to_owned(),
        download: None,
        wish: Default::default(),
    });
    assert_eq!(
        world.refusal(PeerId(1)).unwrap().kind(),
        OfferErrorKind::PeerExists
    );
    world.run_ms(10_000);
    assert!(world.gone(1).is_none());
}

#[test]
fn connecting_takes_a_few_round_trips() {
    let mut world = World::new();
    world.subscriber(1, 1);
    let start = world.now;
    world.connect();
    // Check, hello, two flights of DTLS, and 50 ms before a full agent's first check.
    assert!(
        world.now - start < Duration::from_millis(150),
        "{:?}",
        world.now - start
    );
}

#[test]
fn moving_to_another_publication_leaves_the_first() {
    let mut world = World::new();
    let (a, b) = (world.publisher(1, 1), world.publisher(2, 2));
    let subscriber = world.subscriber(3, 1);
    world.connect();
    let now = world.now;
    world.clients[a].start(now, Codec::Vp8);
    world.clients[b].start(now, Codec::Vp8);
    world.run_ms(500);
    world.control(Control::Subscribe {
        peer: PeerId(3),
        publication: PublicationId(2),
    });
    world.run_ms(300);
    world.clients[subscriber].got.clear();
    world.run_ms(500);
    let second = world.clients[b].video_sources[0].frame;
    let client = &world.clients[subscriber];
    assert!(client.video_got().count() > 30);
    let frame =
        |got: &crate::support::client::Got| crate::support::source::identity(&got.payload).0;
    assert!(
        client
            .video_got()
            .all(|got| frame(got).abs_diff(second) < 100)
    );
    assert!(!world.news.iter().any(|news| matches!(news, News::Gone(..))));
}
