//! Several publications on one connection, whose offers the `Sfu` makes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use restage_media::{
    Control, Download, GoneReason, MediaKind, OfferErrorKind, OfferedStream, PeerId, Priority,
    PublicationId, Wish, limits,
};
use str0m::format::Codec;

use crate::support::client::{Client, Got};
use crate::support::source::identity;
use crate::support::{Flight, Link, News, Rng, World};

/// The key of the connection. Those of carried peers are above, those of publishers below.
const CARRIER: u64 = 1_000;
const SECONDS: Duration = Duration::from_secs(5);

fn carried(publication: u64) -> u64 {
    CARRIER + publication
}

/// Publications 1 to `count`, each sent by the client at the place before, and a client that receives by one connection.
fn streaming(count: u64) -> (World, usize) {
    let mut world = World::new();
    for key in 1..=count {
        world.publisher(key, key);
    }
    world.connect();
    for client in &mut world.clients {
        client.start(world.now, Codec::Vp8);
    }
    let receiver = open(&mut world, CARRIER);
    (world, receiver)
}

fn open(world: &mut World, key: u64) -> usize {
    let download = Arc::new(Download::unlimited());
    let peer = PeerId(key);
    world.control(Control::OpenCarrier { peer, download });
    let client = Client::receiver(world.now, key, world.clients.len());
    world.clients.push(client);
    world.clients.len() - 1
}

fn carry_with(world: &mut World, publication: u64, has_video: bool, wish: Wish) {
    let peer = PeerId(carried(publication));
    world.control(Control::Carry {
        peer,
        carrier: PeerId(CARRIER),
        label: format!("participant-{publication}"),
        has_video,
        wish,
    });
    let publication = PublicationId(publication);
    world.control(Control::Subscribe { peer, publication });
}

fn carry(world: &mut World, publication: u64) {
    carry_with(world, publication, true, Wish::default());
}

/// Makes an offer, and returns it with its streams.
fn offer(world: &mut World, restarts: bool) -> (String, Vec<OfferedStream>) {
    let carrier = PeerId(CARRIER);
    world.control(Control::Offer { carrier, restarts });
    let offered = world.news.iter().rev().find_map(|news| match news {
        News::Offer(of, sdp, streams) if *of == carrier => Some((sdp.clone(), streams.clone())),
        _ => None,
    });
    offered.expect("an offer")
}

fn answer(world: &mut World, answer: String) -> Result<(), OfferErrorKind> {
    let before = world.news.len();
    let carrier = PeerId(CARRIER);
    world.control(Control::Answer { carrier, answer });
    let mut news = world.news[before..].iter();
    news.find_map(|news| match news {
        News::Answered(of) if *of == carrier => Some(Ok(())),
        News::Refused(_, error) => Some(Err(error.kind())),
        _ => None,
    })
    .expect("an outcome")
}

/// Offers what is carried now, and lets the client answer.
fn negotiate(world: &mut World, receiver: usize) -> Vec<OfferedStream> {
    let (sdp, streams) = offer(world, false);
    let text = world.clients[receiver].answer(&sdp);
    assert_eq!(answer(world, text), Ok(()));
    world.drain_client(receiver);
    streams
}

fn mid_of(streams: &[OfferedStream], publication: u64) -> String {
    let stream = streams
        .iter()
        .find(|one| one.peer.0 == carried(publication));
    stream.and_then(|stream| stream.video.clone()).unwrap()
}

/// The pictures that came in a section.
fn pictures<'a>(world: &'a World, receiver: usize, mid: &str) -> Vec<&'a Got> {
    let got = world.clients[receiver].video_got();
    got.filter(|got| got.mid.as_deref() == Some(mid)).collect()
}

/// Whether what has come in a section since `after` packets is of this publication, and something has.
fn shows(world: &World, receiver: usize, mid: &str, publication: u64, after: usize) -> bool {
    let sent = &world.clients[publication as usize - 1].sent;
    let sent: BTreeSet<&[u8]> = sent.iter().map(|(_, payload)| &payload[..]).collect();
    // The numbers of pictures are the subscriber's own.
    let own = |payload: &[u8]| {
        sent.iter()
            .any(|one| one[one.len() - 8..] == payload[payload.len() - 8..])
    };
    let got = pictures(world, receiver, mid);
    let new = got.get(after..).unwrap_or_default();
    !new.is_empty() && new.iter().all(|got| own(&got.payload))
}

#[test]
fn two_publications_come_by_one_connection() {
    let (mut world, receiver) = streaming(2);
    carry(&mut world, 1);
    carry(&mut world, 2);
    let streams = negotiate(&mut world, receiver);
    world.connect();
    world.run_ms(1_000);
    assert!(world.is_connected(carried(1)) && world.is_connected(carried(2)));
    for publication in [1, 2] {
        let mid = mid_of(&streams, publication);
        assert!(shows(&world, receiver, &mid, publication, 0), "{mid}");
        let sources: BTreeSet<u32> = pictures(&world, receiver, &mid)
            .iter()
            .map(|got| got.ssrc)
            .collect();
        assert_eq!(sources.len(), 1);
    }
    let audio = world.clients[receiver].audio_got();
    let sections: BTreeSet<_> = audio.filter_map(|got| got.mid.clone()).collect();
    assert_eq!(sections.len(), 2);
    let stats = world.sfu.peer_stats(PeerId(carried(1))).unwrap();
    assert_eq!(stats.tracks.len(), 2);
    assert!(stats.tracks.iter().all(|track| track.packets > 0));
    assert!(stats.round_trip.is_some() && stats.protocol.is_some());
}

#[test]
fn twelve_publications_come_by_one_connection_and_can_be_joined_one_by_one() {
    let (mut world, receiver) = streaming(12);
    let mut streams = Vec::new();
    for publication in 1..=12 {
        carry(&mut world, publication);
        streams = negotiate(&mut world, receiver);
        world.run_ms(200);
    }
    world.run_ms(1_500);
    assert_eq!(streams.len(), 12);
    for publication in 1..=12 {
        let mid = mid_of(&streams, publication);
        assert!(shows(&world, receiver, &mid, publication, 0), "{mid}");
    }
    assert_eq!(world.sfu.stats().addresses, 13, "one for each client");
}

#[test]
fn who_leaves_gives_its_sections_to_the_next_one_with_other_ssrcs() {
    let (mut world, receiver) = streaming(3);
    carry(&mut world, 1);
    carry(&mut world, 2);
    let first = negotiate(&mut world, receiver);
    world.connect();
    world.run_ms(500);
    let mid = mid_of(&first, 1);
    let former = pictures(&world, receiver, &mid)[0].ssrc;
    let peer = PeerId(carried(1));
    world.control(Control::Close { peer });
    let streams = negotiate(&mut world, receiver);
    assert_eq!(streams.len(), 1);
    world.run_ms(300);
    let count = pictures(&world, receiver, &mid).len();
    world.run_ms(300);
    assert_eq!(
        pictures(&world, receiver, &mid).len(),
        count,
        "nothing comes"
    );
    carry(&mut world, 3);
    let streams = negotiate(&mut world, receiver);
    assert_eq!(mid_of(&streams, 3), mid, "the same section");
    world.run_ms(1_000);
    assert!(shows(&world, receiver, &mid, 3, count));
    let newest = pictures(&world, receiver, &mid);
    assert_ne!(newest.last().unwrap().ssrc, former);
    let other = mid_of(&first, 2);
    assert!(shows(&world, receiver, &other, 2, 0), "the other goes on");
}

#[test]
fn sound_alone_takes_no_section_for_pictures_until_they_are_wanted() {
    let (mut world, receiver) = streaming(1);
    carry_with(&mut world, 1, false, Wish::default());
    let streams = negotiate(&mut world, receiver);
    assert_eq!(streams[0].video, None);
    world.connect();
    world.run_ms(500);
    assert_eq!(world.clients[receiver].video_got().count(), 0);
    assert!(world.clients[receiver].audio_got().count() > 10);
    let peer = PeerId(carried(1));
    world.control(Control::Take {
        peer,
        has_video: true,
    });
    let streams = negotiate(&mut world, receiver);
    world.run_ms(1_000);
    let mid = mid_of(&streams, 1);
    assert!(shows(&world, receiver, &mid, 1, 0));
    world.control(Control::Take {
        peer,
        has_video: false,
    });
    let streams = negotiate(&mut world, receiver);
    assert_eq!(streams[0].video, None);
    world.run_ms(200);
    let count = world.clients[receiver].video_got().count();
    let heard = world.clients[receiver].audio_got().count();
    world.run_ms(500);
    assert_eq!(world.clients[receiver].video_got().count(), count);
    assert!(world.clients[receiver].audio_got().count() > heard + 10);
}

#[test]
fn lost_packets_of_each_stream_are_sent_again() {
    let (mut world, receiver) = streaming(2);
    carry(&mut world, 1);
    carry(&mut world, 2);
    let streams = negotiate(&mut world, receiver);
    world.connect();
    world.run_ms(1_000);
    let first = [0, 1].map(|client| world.clients[client].video_sources[0].frame);
    world.loss_out = 6;
    world.run_ms(5_000);
    let last = [0, 1].map(|client| world.clients[client].video_sources[0].frame);
    world.loss_out = 0;
    world.run_ms(1_000);
    for (place, publication) in [1, 2].into_iter().enumerate() {
        let mid = mid_of(&streams, publication);
        let got = pictures(&world, receiver, &mid);
        let got: BTreeSet<_> = got.iter().map(|got| identity(&got.payload)).collect();
        let frames = first[place]..last[place];
        let all = frames.flat_map(|frame| (0..3).map(move |index| (frame, index)));
        let missing = all.filter(|one| !got.contains(one)).count();
        assert_eq!(missing, 0, "of publication {publication}");
    }
    assert!(world.sfu.stats().packets_resent > 20);
}

#[test]
fn a_key_frame_is_asked_of_the_publisher_whose_stream_it_is() {
    let (mut world, receiver) = streaming(2);
    carry(&mut world, 1);
    carry(&mut world, 2);
    let streams = negotiate(&mut world, receiver);
    world.connect();
    world.run_ms(3_000);
    let before = [0, 1].map(|client| world.clients[client].keyframe_requests.len());
    let mid = mid_of(&streams, 2);
    world.clients[receiver].request_keyframe_at(&mid);
    world.clients[receiver].on_time(world.now);
    world.drain_client(receiver);
    world.wait("the request", SECONDS, |world| {
        world.clients[1].keyframe_requests.len() > before[1]
    });
    assert_eq!(world.clients[0].keyframe_requests.len(), before[0]);
}

#[test]
fn ice_restarts_from_this_end_and_media_goes_on() {
    let (mut world, receiver) = streaming(1);
    carry(&mut world, 1);
    let (first, _) = offer(&mut world, false);
    let text = world.clients[receiver].answer(&first);
    assert_eq!(answer(&mut world, text), Ok(()));
    world.drain_client(receiver);
    world.connect();
    world.run_ms(500);
    let (second, streams) = offer(&mut world, true);
    let ufrag = |sdp: &str| restage_media::local_ice_ufrag(sdp).unwrap().to_owned();
    assert_ne!(ufrag(&first), ufrag(&second));
    let text = world.clients[receiver].answer(&second);
    assert_eq!(answer(&mut world, text), Ok(()));
    world.drain_client(receiver);
    let mid = mid_of(&streams, 1);
    let before = pictures(&world, receiver, &mid).len();
    // Longer than any silence that a connection survives.
    world.run(limits::PEER_SILENCE_UNCHECKED_MAX * 2);
    assert_eq!(world.gone(CARRIER), None);
    let after = pictures(&world, receiver, &mid).len();
    assert!(after > before + 25 * 3 * 25, "{before} {after}");
}

/// Every RTP packet of one direction, by its nonce: SSRC and the sequence number with its rollovers.
#[test]
fn no_nonce_is_used_twice_whoever_comes_and_goes() {
    let (mut world, receiver) = streaming(3);
    world.recording = Some(Vec::new());
    world.loss_out = 5;
    for round in 0..30 {
        let publication = 1 + round % 3;
        let peer = PeerId(carried(publication));
        world.control(Control::Close { peer });
        carry(&mut world, publication);
        negotiate(&mut world, receiver);
        world.run_ms(250);
    }
    let to = world.clients[receiver].public_address();
    let sent = world.recording.take().unwrap();
    let mut used = std::collections::HashMap::new();
    let is_rtp = |flight: &&Flight| {
        flight.to == to
            && matches!(flight.bytes[..], [128..=191, pt, ..] if !(192..=223).contains(&pt))
    };
    let mut count = 0;
    for flight in sent.iter().filter(is_rtp) {
        // No stream here sends so many packets that its numbers begin anew.
        let nonce: [u8; 10] = [&flight.bytes[2..4], &flight.bytes[4..12]]
            .concat()
            .try_into()
            .unwrap();
        let (seq, ssrc) = (
            [nonce[0], nonce[1]],
            [nonce[6], nonce[7], nonce[8], nonce[9]],
        );
        let before = used.insert((ssrc, seq), &flight.bytes);
        assert!(
            before.is_none_or(|before| *before == flight.bytes),
            "{ssrc:?} {seq:?}"
        );
        count += 1;
    }
    assert!(count > 2_000, "{count}");
}

#[test]
fn a_connection_that_ends_ends_all_that_it_carries() {
    let (mut world, receiver) = streaming(2);
    carry(&mut world, 1);
    carry(&mut world, 2);
    negotiate(&mut world, receiver);
    world.connect();
    world.clients[receiver].is_offline = true;
    world.run(limits::PEER_SILENCE_UNCHECKED_MAX * 2);
    for key in [CARRIER, carried(1), carried(2)] {
        assert_eq!(world.gone(key), Some(&GoneReason::Silent), "{key}");
    }
    assert_eq!(world.sfu.stats().peers, 2);
    assert_eq!(world.sfu.stats().addresses, 2);
}

#[test]
fn closing_it_tells_nothing_of_those_that_it_carries() {
    let (mut world, receiver) = streaming(1);
    carry(&mut world, 1);
    negotiate(&mut world, receiver);
    world.connect();
    let peer = PeerId(CARRIER);
    world.control(Control::Close { peer });
    world.run_ms(500);
    assert_eq!((world.gone(CARRIER), world.gone(carried(1))), (None, None));
    assert_eq!(world.sfu.stats().peers, 1);
    assert!(world.clients[receiver].is_closed);
}

#[test]
fn answers_that_do_not_fit_are_refused_and_a_good_one_may_follow() {
    let (mut world, receiver) = streaming(2);
    let carrier = PeerId(CARRIER);
    world.control(Control::Offer {
        carrier,
        restarts: false,
    });
    assert_eq!(
        world.refusal(carrier).unwrap().kind(),
        OfferErrorKind::NoMedia
    );
    assert_eq!(
        answer(&mut world, String::new()),
        Err(OfferErrorKind::NoOffer)
    );
    carry(&mut world, 1);
    let (sdp, _) = offer(&mut world, false);
    let good = world.clients[receiver].answer(&sdp);
    let replaced = |from: &str, to: &str| {
        let text = good.replace(from, to);
        assert_ne!(text, good, "{from}");
        text
    };
    for (text, kind) in [
        (replaced("m=video", "m=audio"), OfferErrorKind::WrongAnswer),
        (replaced("a=mid:1", "a=mid:7"), OfferErrorKind::WrongAnswer),
        (
            replaced("VP8/90000", "VP9/90000"),
            OfferErrorKind::WrongAnswer,
        ),
        (
            replaced("a=setup:passive", "a=setup:actpass"),
            OfferErrorKind::NoDtls,
        ),
        (sdp.clone(), OfferErrorKind::IceLite),
        ("v=0\r\n".to_owned(), OfferErrorKind::WrongAnswer),
        ("\u{0}".repeat(9), OfferErrorKind::NotSdp),
        (
            "a".repeat(limits::ANSWER_BYTES_MAX + 1),
            OfferErrorKind::TooLarge,
        ),
    ] {
        assert_eq!(answer(&mut world, text), Err(kind));
    }
    assert_eq!(answer(&mut world, good), Ok(()));
    world.drain_client(receiver);
    world.connect();
    carry(&mut world, 2);
    let (sdp, _) = offer(&mut world, false);
    let good = world.clients[receiver].answer(&sdp);
    let line = |name: &str| {
        let mut lines = good.lines();
        lines
            .find(|line| line.starts_with(name))
            .unwrap()
            .to_owned()
    };
    let other_ice = good.replace(&line("a=ice-pwd:"), "a=ice-pwd:0123456789012345678901");
    assert_eq!(
        answer(&mut world, other_ice),
        Err(OfferErrorKind::OtherClient)
    );
    let fingerprint = line("a=fingerprint:");
    let other = format!("{}:00", fingerprint.rsplit_once(':').unwrap().0);
    let other_client = good.replace(&fingerprint, &other);
    assert_eq!(
        answer(&mut world, other_client),
        Err(OfferErrorKind::OtherClient)
    );
    let other_role = good.replace("a=setup:passive", "a=setup:active");
    assert_ne!(other_role, good);
    assert_eq!(
        answer(&mut world, other_role),
        Err(OfferErrorKind::OtherClient)
    );
    assert_eq!(answer(&mut world, good), Ok(()));
    world.run_ms(500);
    assert!(world.is_connected(carried(2)));
}

#[test]
fn damaged_answers_harm_nobody() {
    let (mut world, receiver) = streaming(1);
    carry(&mut world, 1);
    let (sdp, _) = offer(&mut world, false);
    let good = world.clients[receiver].answer(&sdp).into_bytes();
    let mut rng = Rng(3);
    let mut refused = 0;
    for _ in 0..1_000 {
        let mut bytes = good.clone();
        for _ in 0..1 + rng.below(8) {
            let place = rng.below(bytes.len());
            bytes[place] = rng.next() as u8;
        }
        bytes.truncate(rng.below(8 * bytes.len()));
        let text = String::from_utf8_lossy(&bytes).into_owned();
        refused += usize::from(answer(&mut world, text).is_err());
        // One that was taken all the same closes the offer.
        offer(&mut world, rng.below(2) == 0);
        assert_eq!(world.sfu.stats().peer_panics, 0);
    }
    assert!(refused > 300, "{refused}");
    world.run_ms(500);
    assert!(world.clients[0].video_sources[0].frame > 0);
}

#[test]
fn no_more_are_carried_than_may_be_and_labels_are_tokens() {
    let (mut world, _) = streaming(1);
    for number in 1..=limits::CARRIED_MAX as u64 {
        carry(&mut world, number);
        assert!(world.refusal(PeerId(carried(number))).is_none());
    }
    let one_more = limits::CARRIED_MAX as u64 + 1;
    carry(&mut world, one_more);
    let refused = world.refusal(PeerId(carried(one_more))).unwrap();
    assert_eq!(refused.kind(), OfferErrorKind::TooMany);
    let peer = PeerId(carried(3));
    world.control(Control::Close { peer });
    for label in [
        "",
        "a b",
        "a\r\nb",
        "é",
        &"a".repeat(limits::LABEL_BYTES_MAX + 1),
    ] {
        world.control(Control::Carry {
            peer,
            carrier: PeerId(CARRIER),
            label: label.to_owned(),
            has_video: true,
            wish: Wish::default(),
        });
        let refused = world.refusal(peer).unwrap();
        assert_eq!(refused.kind(), OfferErrorKind::NotAccepted, "{label:?}");
    }
    let (sdp, streams) = offer(&mut world, false);
    assert_eq!(streams.len(), limits::CARRIED_MAX - 1);
    assert_eq!(sdp.matches("\r\na=sendonly").count(), 2 * streams.len());
}

/// Simulcast publishers, and a client that receives them by one connection through a link.
fn narrow(count: u64, kbit: u64, wishes: &[Wish]) -> (World, usize, Vec<OfferedStream>) {
    let mut world = World::new();
    for key in 1..=count {
        let client = Client::simulcast(world.now, key, world.clients.len(), &["q", "h", "f"]);
        world.open(client, true);
        world.control(Control::Publish {
            peer: PeerId(key),
            publication: PublicationId(key),
        });
    }
    world.connect();
    for client in &mut world.clients {
        // 134, 268 and 536 kbit/s.
        for (rid, packets) in [("q", 1), ("h", 2), ("f", 4)] {
            client.start_video(world.now, Codec::Vp8, Some(rid), packets);
        }
    }
    let receiver = open(&mut world, CARRIER);
    let to = vec![world.clients[receiver].public_address()];
    world.links.push(Link::new(to, kbit * 1_000));
    for (publication, wish) in (1..=count).zip(wishes) {
        carry_with(&mut world, publication, true, wish.clone());
    }
    let streams = negotiate(&mut world, receiver);
    (world, receiver, streams)
}

fn selected(world: &World, publication: u64) -> Option<usize> {
    let peer = PeerId(carried(publication));
    let mut all = world.streams.iter().rev();
    all.find(|(of, _)| *of == peer)?.1.selected
}

#[test]
fn the_one_estimate_is_shared_by_all_that_come_by_the_connection() {
    let wish = Wish::default();
    let (mut world, receiver, streams) = narrow(3, 800, &[wish.clone(), wish.clone(), wish]);
    world.run(Duration::from_secs(25));
    let estimate = world.sfu.estimate(PeerId(CARRIER)).unwrap();
    assert!((400_000..1_400_000).contains(&estimate), "{estimate}");
    assert_eq!(world.sfu.estimate(PeerId(carried(2))), Some(estimate));
    let dropped = world.links[0].dropped;
    let before: Vec<usize> = [1, 2, 3]
        .map(|one| pictures(&world, receiver, &mid_of(&streams, one)).len())
        .into();
    world.run(Duration::from_secs(10));
    for (publication, before) in (1..=3).zip(before) {
        let after = pictures(&world, receiver, &mid_of(&streams, publication)).len();
        assert!(
            after > before + 200,
            "everybody has a picture: {publication}"
        );
        assert_ne!(selected(&world, publication), Some(2), "{publication}");
    }
    let lost = world.links[0].dropped - dropped;
    assert!(lost < 60, "{lost}");
}

#[test]
fn a_higher_priority_has_the_larger_layer_and_all_have_it_where_it_fits() {
    let first = Wish {
        priority: Priority::new(9).unwrap(),
        ..Wish::default()
    };
    let wishes = [Wish::default(), first, Wish::default()];
    let (mut world, ..) = narrow(3, 1_250, &wishes);
    world.wait("the layer", Duration::from_secs(60), |world| {
        selected(world, 2) == Some(2)
    });
    world.links[0].bits_per_s = 6_000_000;
    world.wait("all layers", Duration::from_secs(60), |world| {
        (1..=3).all(|publication| selected(world, publication) == Some(2))
    });
}

#[test]
fn a_client_that_can_decode_nothing_of_one_publication_goes_on_with_the_others() {
    let (mut world, receiver) = streaming(1);
    world.codecs = vec![Codec::Vp9];
    let other = world.publisher(2, 2);
    world.wait("the publisher", SECONDS, |world| world.is_connected(2));
    let now = world.now;
    world.clients[other].start(now, Codec::Vp9);
    carry(&mut world, 1);
    carry(&mut world, 2);
    let streams = negotiate(&mut world, receiver);
    world.wait("the connection", SECONDS, |world| {
        world.is_connected(CARRIER)
    });
    world.run_ms(1_000);
    let told = world.undecodable(carried(2));
    assert!(
        told.iter().any(|(kind, _)| *kind == MediaKind::Video),
        "{told:?}"
    );
    assert!(shows(&world, receiver, &mid_of(&streams, 1), 1, 0));
    assert_eq!(pictures(&world, receiver, &mid_of(&streams, 2)).len(), 0);
}
