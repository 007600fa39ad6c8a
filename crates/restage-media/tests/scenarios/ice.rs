//! Trickled candidates, ICE restarts and addresses that change.

use std::time::Duration;

use restage_media::{Control, Input, OfferErrorKind, PeerId, Protocol, limits, local_ice_ufrag};
use str0m::change::SdpAnswer;
use str0m::format::Codec;

use crate::support::client::Client;
use crate::support::{News, World};

const CANDIDATE: &str = "a=candidate:1 1 udp 2130706431 10.0.0.9 5000 typ host\r\n";

fn patched(world: &World) -> Option<String> {
    world.news.iter().rev().find_map(|news| match news {
        News::Patched(_, fragment) => Some(fragment.clone()),
        _ => None,
    })?
}

fn value<'a>(sdp: &'a str, attribute: &str) -> &'a str {
    sdp.lines()
        .find_map(|line| line.strip_prefix(attribute))
        .expect(attribute)
}

#[test]
fn candidates_are_taken_up_to_a_bound() {
    let mut world = World::new();
    world.subscriber(1, 1);
    world.control(Control::Patch {
        peer: PeerId(1),
        fragment: CANDIDATE.to_owned(),
    });
    assert!(matches!(
        world.news.last(),
        Some(News::Patched(PeerId(1), None))
    ));
    let many = CANDIDATE.repeat(limits::TRICKLED_CANDIDATES_MAX as usize);
    world.control(Control::Patch {
        peer: PeerId(1),
        fragment: many,
    });
    assert_eq!(
        world.refusal(PeerId(1)).unwrap().kind(),
        OfferErrorKind::TooMany
    );
    world.connect();
}

#[test]
fn fragments_for_nobody_and_fragments_that_are_none_are_refused() {
    let mut world = World::new();
    world.subscriber(1, 1);
    world.control(Control::Patch {
        peer: PeerId(2),
        fragment: CANDIDATE.to_owned(),
    });
    assert_eq!(
        world.refusal(PeerId(2)).unwrap().kind(),
        OfferErrorKind::UnknownPeer
    );
    world.control(Control::Patch {
        peer: PeerId(1),
        fragment: "hello".to_owned(),
    });
    assert_eq!(
        world.refusal(PeerId(1)).unwrap().kind(),
        OfferErrorKind::NotFragment
    );
    world.connect();
}

/// The client moves to another network, behind another address, and restarts ICE.
pub fn restart(world: &mut World, client: usize) {
    let key = world.clients[client].key;
    let former = world.answer(key).unwrap();
    let mut api = world.clients[client].peer.rtc.sdp_api();
    api.ice_restart(true);
    let (offer, pending) = api.apply().unwrap();
    let offer = offer.to_sdp_string();
    let fragment = format!(
        "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n{CANDIDATE}",
        value(&offer, "a=ice-ufrag:"),
        value(&offer, "a=ice-pwd:")
    );
    world.clients[client].nat = Some(format!("203.0.113.{}:40000", client + 1).parse().unwrap());
    world.control(Control::Patch {
        peer: key,
        fragment: fragment.clone(),
    });
    let reply = patched(world).expect("our credentials");
    let ufrag = local_ice_ufrag(&reply).unwrap();
    assert_ne!(Some(ufrag), local_ice_ufrag(&former), "a new ICE session");
    let answer = former
        .replace(value(&former, "a=ice-ufrag:"), ufrag)
        .replace(value(&former, "a=ice-pwd:"), value(&reply, "a=ice-pwd:"));
    let answer = SdpAnswer::from_sdp_string(&answer).unwrap();
    world.clients[client]
        .peer
        .rtc
        .sdp_api()
        .accept_answer(pending, answer)
        .unwrap();
    world.clients[client].drain();
    world.drain_client(client);
}

#[test]
fn an_ice_restart_moves_the_connection_without_interrupting_it() {
    let mut world = World::new();
    let publisher = world.publisher(1, 1);
    let subscriber = world.subscriber(2, 1);
    world.connect();
    let now = world.now;
    world.clients[publisher].start(now, Codec::H264);
    world.run_ms(1_000);

    for client in [publisher, subscriber] {
        restart(&mut world, client);
        world.run_ms(1_000);
        world.clients[subscriber].got.clear();
        world.run_ms(1_000);
        assert!(
            world.clients[subscriber].video_got().count() > 60,
            "media goes on"
        );
    }
    world.run_ms(20_000);
    assert!(world.gone(1).is_none() && world.gone(2).is_none());
}

#[test]
fn a_publisher_whose_nat_changes_its_port_goes_on() {
    let mut world = World::new();
    let publisher = world.publisher(1, 1);
    let subscriber = world.subscriber(2, 1);
    world.connect();
    let now = world.now;
    world.clients[publisher].start(now, Codec::H264);
    world.run_ms(2_000);
    world.clients[publisher].nat = Some("203.0.113.7:7777".parse().unwrap());
    // The first check from the new address lets its media through.
    world.run_ms(5_000);
    world.clients[subscriber].got.clear();
    world.run_ms(1_000);
    assert!(world.clients[subscriber].video_got().count() > 60);
    world.wait(
        "the address table does not grow",
        Duration::from_secs(1),
        |world| world.sfu.stats().addresses <= 3,
    );
}

#[test]
fn addresses_per_peer_are_bounded() {
    let mut world = World::new();
    let publisher = world.publisher(1, 1);
    world.connect();
    let now = world.now;
    world.clients[publisher].start(now, Codec::H264);
    for port in 0..60 {
        world.clients[publisher].nat =
            Some(format!("203.0.113.7:{}", 10_000 + port).parse().unwrap());
        world.run_ms(3_000);
        assert!(world.sfu.stats().addresses <= limits::ADDRESSES_PER_PEER_MAX as u64);
    }
}

#[test]
fn a_server_behind_a_nat_answers_from_where_it_was_asked() {
    let mut world = World::new();
    world.sfu_private = Some("10.0.0.1:4081".parse().unwrap());
    let publisher = world.publisher(1, 1);
    let subscriber = world.subscriber(2, 1);
    world.connect();
    let now = world.now;
    world.clients[publisher].start(now, Codec::H264);
    world.run_ms(1_000);
    assert!(world.clients[subscriber].video_got().count() > 60);
}

#[test]
fn a_client_that_comes_back_from_the_same_port_is_a_new_peer() {
    let mut world = World::new();
    let first = world.subscriber(1, 1);
    world.connect();
    let address = world.clients[first].address;
    world.clients[first].is_offline = true;
    let mut client = Client::subscriber(world.now, 2, 9);
    client.nat = Some(address);
    world.open(client, false);
    // The silence of the first is not noticed yet. Its address is now proven to be the second one's.
    world.wait("the second is connected", Duration::from_secs(5), |world| {
        world.is_connected(2)
    });
    world.wait("the first is missed", Duration::from_secs(10), |world| {
        world.gone(1).is_some()
    });
    world.run_ms(20_000);
    assert!(
        world.gone(2).is_none(),
        "forgetting the first left the second its address"
    );
}

#[test]
fn media_does_not_go_to_an_address_that_became_anothers() {
    let mut world = World::new();
    let publisher = world.publisher(3, 1);
    let first = world.subscriber(1, 1);
    world.connect();
    let now = world.now;
    world.clients[publisher].start(now, Codec::H264);
    world.run_ms(500);
    let address = world.clients[first].address;
    world.clients[first].is_offline = true;
    let mut client = Client::subscriber(world.now, 2, 9);
    client.nat = Some(address);
    world.open(client, false);
    world.wait("the second is connected", Duration::from_secs(5), |world| {
        world.is_connected(2)
    });
    // The silence of the first is not noticed yet, and the second has no subscription.
    assert!(world.gone(1).is_none());
    world.recording = Some(Vec::new());
    world.run_ms(1_000);
    let sent = world.recording.take().unwrap();
    let is_rtp =
        |bytes: &[u8]| matches!(bytes, [128..=191, kind, ..] if !(192..=223).contains(kind));
    let media = sent
        .iter()
        .filter(|flight| flight.to == address && is_rtp(&flight.bytes));
    assert_eq!(media.count(), 0);
}

#[test]
fn a_client_that_wants_to_be_the_dtls_server_is_one() {
    let mut world = World::new();
    let mut client = Client::publisher(world.now, 1, 0);
    let offer = client
        .take_offer()
        .replace("a=setup:actpass", "a=setup:passive");
    world.control(Control::OpenPublisher {
        peer: PeerId(1),
        offer: offer.to_owned(),
    });
    let answer = world.answer(PeerId(1)).unwrap();
    assert!(answer.contains("a=setup:active"));
    client.take_answer(&answer);
    world.clients.push(client);
    world.connect();
}

/// FFmpeg sends one check, takes the first hello as the begin of DTLS, and waits for the next one.
#[test]
fn a_dtls_server_that_drops_the_first_hello_and_checks_once_connects() {
    let mut world = World::new();
    let sfu = world.sfu_address;
    let (mut checks, mut hellos) = (0, 0);
    world.loses = Some(Box::new(move |flight| match flight.bytes[..] {
        [0, 1, ..] if flight.to == sfu => {
            checks += 1;
            checks > 1
        }
        [22, ..] if flight.from == sfu && hellos < 2 => {
            hellos += 1;
            true
        }
        _ => false,
    }));
    let mut client = Client::publisher(world.now, 1, 0);
    let offer = client
        .take_offer()
        .replace("a=setup:actpass", "a=setup:passive");
    world.control(Control::OpenPublisher {
        peer: PeerId(1),
        offer: offer.to_owned(),
    });
    let answer = world.answer(PeerId(1)).unwrap();
    client.take_answer(&answer);
    world.clients.push(client);
    world.connect();
}

#[test]
fn checks_with_a_wrong_password_change_nothing() {
    let mut world = World::new();
    world.recording = Some(Vec::new());
    world.subscriber(1, 1);
    world.connect();
    let recorded = world.recording.take().unwrap();
    let check = recorded
        .iter()
        .find(|flight| flight.to == world.sfu_address && flight.bytes[0] == 0)
        .unwrap();
    let stranger = "203.0.113.66:6".parse().unwrap();
    let addresses = world.sfu.stats().addresses;
    let mut forged = check.bytes.clone();
    // The transaction id is covered by the integrity.
    forged[12] ^= 1;
    world.input(Input::Datagram {
        protocol: Protocol::Udp,
        source: stranger,
        destination: world.sfu_address,
        payload: &forged,
    });
    assert_eq!(world.sfu.stats().addresses, addresses);
    assert_eq!(world.sfu.stats().datagrams_unknown, 1);
}

#[test]
fn a_viewer_whose_nat_changes_its_port_is_sent_media_there_within_two_seconds() {
    let mut world = World::new();
    let publisher = world.publisher(1, 1);
    let subscriber = world.subscriber(2, 1);
    world.connect();
    let now = world.now;
    world.clients[publisher].start(now, Codec::H264);
    world.run_ms(3_000);
    let moved: std::net::SocketAddr = "203.0.113.7:7777".parse().unwrap();
    world.clients[subscriber].nat = Some(moved);
    let before = world.clients[subscriber].video_got().count();
    // The client checks its path every one or two seconds; what it sends until then is lost.
    world.wait(
        "media at the new address",
        Duration::from_secs(4),
        |world| world.clients[subscriber].video_got().count() > before + 25,
    );
    world.run_ms(20_000);
    assert!(world.gone(2).is_none());
    world.clients[subscriber].got.clear();
    world.run_ms(1_000);
    assert!(world.clients[subscriber].video_got().count() > 60);
}

#[test]
fn media_does_not_go_where_a_check_only_says_it_came_from() {
    let mut world = World::new();
    let publisher = world.publisher(1, 1);
    let subscriber = world.subscriber(2, 1);
    world.recording = Some(Vec::new());
    world.connect();
    let now = world.now;
    world.clients[publisher].start(now, Codec::H264);
    world.run_ms(6_000);
    let own = world.clients[subscriber].address;
    let is_check =
        |flight: &&crate::support::Flight| flight.from == own && flight.bytes.starts_with(&[0, 1]);
    let recorded = world.recording.take().unwrap();
    let check = recorded.iter().rev().find(is_check).unwrap().clone();
    // The client's own check, as if it came from another address that has requested nothing.
    let victim: std::net::SocketAddr = "203.0.113.66:9".parse().unwrap();
    world.recording = Some(Vec::new());
    world.clients[subscriber].got.clear();
    let noise = [vec![22, 0xfe, 0xfd], vec![7; 1_200]].concat();
    let (mut thrown, mut count) = (0, 0);
    while count < 20 {
        // The check again, and random bytes that look like DTLS.
        for payload in [&check.bytes, &noise] {
            world.input(Input::Datagram {
                protocol: Protocol::Udp,
                source: victim,
                destination: world.sfu_address,
                payload,
            });
        }
        thrown += check.bytes.len();
        count += 1;
        world.run_ms(500);
    }
    let kept = world.clients[subscriber].video_got().count();
    assert!(kept > 700, "the viewer loses nothing: {kept}");
    let sent = world.recording.take().unwrap();
    let to_victim = sent.iter().filter(|flight| flight.to == victim);
    let bytes: usize = to_victim.map(|flight| flight.bytes.len()).sum();
    assert!(
        bytes <= thrown * limits::AMPLIFICATION_MAX,
        "{bytes} for {thrown}"
    );
    world.clients[subscriber].got.clear();
    world.run_ms(1_000);
    assert!(
        world.clients[subscriber].video_got().count() > 60,
        "the viewer goes on watching"
    );
}

#[test]
fn a_publishers_address_is_not_taken_by_a_check_that_says_it_came_from_there() {
    let mut world = World::new();
    let publisher = world.publisher(1, 1);
    let subscriber = world.subscriber(2, 1);
    let attacker = world.subscriber(3, 1);
    world.recording = Some(Vec::new());
    world.connect();
    let now = world.now;
    world.clients[publisher].start(now, Codec::H264);
    world.run_ms(3_000);
    let (own, theirs) = (
        world.clients[attacker].address,
        world.clients[publisher].address,
    );
    let recorded = world.recording.take().unwrap();
    let check = recorded
        .iter()
        .rev()
        .find(|flight| flight.from == own && flight.bytes.starts_with(&[0, 1]))
        .unwrap()
        .clone();
    world.clients[subscriber].got.clear();
    for _ in 0..20 {
        world.input(Input::Datagram {
            protocol: Protocol::Udp,
            source: theirs,
            destination: world.sfu_address,
            payload: &check.bytes,
        });
        world.run_ms(100);
    }
    assert!(world.clients[subscriber].video_got().count() > 120);
    assert!(world.sfu.stats().addresses_contested >= 20);
    assert!(world.gone(1).is_none());
}
