//! Subscribers that cannot decode what is published are notified.

use restage_media::{
    Config, Control, GoneReason, H264ProfileMatch, Input, MediaKind, OfferErrorKind, PeerId,
    PublicationId, Published, WorkerId,
};
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind as Kind};

use crate::support::client::Client;
use crate::support::source::is_key_start;
use crate::support::{AUDIO_AND_VIDEO, News, World, config};

/// Keeps one H.264 format in an offer, with this profile.
fn with_profile(id: &'static str) -> impl Fn(&str) -> String {
    move |offer| {
        let is_kept =
            |fmtp: &str| fmtp.contains("packetization-mode=1") && fmtp.contains("=42e01f");
        let kept = offer.lines().find_map(|line| {
            let (pt, fmtp) = line.strip_prefix("a=fmtp:")?.split_once(' ')?;
            is_kept(fmtp).then(|| format!("a=rtpmap:{pt} "))
        });
        let kept = kept.expect("constrained baseline is offered");
        let lines = offer.lines().map(|line| {
            if line.starts_with("a=rtpmap:") && !line.starts_with(&kept) {
                line.replace(" H264/", " XYZ/")
            } else {
                line.replace("=42e01f", &format!("={id}"))
            }
        });
        lines.map(|line| line + "\r\n").collect()
    }
}

/// Renames the codecs of an offer to unknown names.
fn without(names: &'static [&'static str]) -> impl Fn(&str) -> String {
    move |offer| {
        let mut offer = offer.to_owned();
        for name in names {
            offer = offer.replace(&format!(" {name}/"), " XYZ/");
        }
        offer
    }
}

fn publisher(world: &mut World, key: u64, edit: impl Fn(&str) -> String) -> usize {
    let mut client = Client::publisher(world.now, key, world.clients.len());
    client.edit_offer(edit);
    let index = world.open(client, true);
    world.control(Control::Publish {
        peer: PeerId(key),
        publication: PublicationId(1),
    });
    index
}

fn subscriber(world: &mut World, key: u64, kinds: &[Kind], edit: impl Fn(&str) -> String) -> usize {
    let number = world.clients.len();
    let mut client = Client::new(world.now, key, number, Direction::RecvOnly, kinds, &[]);
    client.edit_offer(edit);
    let index = world.open(client, false);
    world.control(Control::Subscribe {
        peer: PeerId(key),
        publication: PublicationId(1),
    });
    index
}

fn mismatch(published: &str) -> GoneReason {
    GoneReason::CodecMismatch {
        kind: MediaKind::Video,
        published: published.into(),
    }
}

fn strict() -> World {
    World::with(Config {
        h264_profile_match: H264ProfileMatch::Strict,
        ..config()
    })
}

#[test]
fn a_publisher_is_answered_with_the_codecs_that_may_be_published() {
    let only_h264 = || {
        World::with(Config {
            refused_codecs: vec![
                restage_media::Codec::Vp8,
                restage_media::Codec::Vp9,
                restage_media::Codec::Av1,
                restage_media::Codec::H265,
            ],
            ..config()
        })
    };
    let offered = |edit: &dyn Fn(&str) -> String| {
        let mut world = only_h264();
        let mut client = Client::publisher(world.now, 1, 0);
        client.edit_offer(edit);
        world.control(Control::OpenPublisher {
            peer: PeerId(1),
            offer: client.take_offer(),
        });
        world.news.pop().unwrap()
    };
    let News::Answer(_, sdp) = offered(&str::to_owned) else {
        panic!("no answer");
    };
    assert!(sdp.contains(" H264/90000") && sdp.contains(" opus/48000"));
    assert!(!sdp.contains(" VP8/90000"), "{sdp}");
    let News::Refused(_, error) = offered(&without(&["H264"])) else {
        panic!("no refusal");
    };
    assert_eq!(
        error.kind(),
        OfferErrorKind::NoUsableCodec(MediaKind::Video)
    );
    let words = ["video section", "H.264 is needed", "limit-publish-codecs"];
    assert!(
        words.iter().all(|word| error.message().contains(word)),
        "{error}"
    );
    // A subscriber may take anything; what is published decides.
    let mut world = only_h264();
    subscriber(&mut world, 2, &AUDIO_AND_VIDEO, without(&["H264"]));
    assert!(world.refusal(PeerId(2)).is_none());
}

#[test]
fn who_gets_only_sound_is_told_as_soon_as_it_is_known() {
    let mut world = World::new();
    publisher(&mut world, 1, without(&["H264"]));
    world.connect();
    subscriber(&mut world, 2, &AUDIO_AND_VIDEO, without(&["VP8"]));
    world.connect();
    assert_eq!(world.undecodable(2), [(MediaKind::Video, "VP8")]);
    assert!(world.gone(2).is_none());
    assert_eq!(world.sfu.stats().undecodable, 1);
}

#[test]
fn who_lacks_a_newer_codec_is_told_its_name_in_any_worker() {
    for (codec, name) in [
        (Codec::Vp9, "VP9"),
        (Codec::Av1, "AV1"),
        (Codec::H265, "H265"),
    ] {
        let mut near = World::carrying(codec);
        let source = near.publisher(1, 1);
        near.connect();
        let viewer = near.subscriber(2, 1);
        near.codecs = vec![Codec::Vp8];
        near.subscriber(3, 1);
        subscriber(&mut near, 4, &[Kind::Video], str::to_owned);
        near.connect();
        assert!(near.undecodable(3).is_empty(), "others are offered too");
        near.control(Control::Relay {
            publication: PublicationId(1),
            to: vec![WorkerId(1)],
        });
        let now = near.now;
        near.clients[source].start(now, codec);
        near.run_ms(300);
        assert_eq!(near.undecodable(3), [(MediaKind::Video, name)]);
        assert_eq!(near.gone(4), Some(&mismatch(name)));
        assert!(
            near.clients[viewer]
                .video_got()
                .all(|got| got.codec == codec)
        );
        assert!(near.clients[viewer].video_got().count() > 10);

        let mut far = World::carrying(codec);
        let viewer = far.subscriber(5, 1);
        far.codecs = Vec::new();
        far.subscriber(6, 1);
        far.connect();
        for (publication, _, burst) in near.relayed.drain(..) {
            far.input(Input::Relayed {
                publication,
                burst: &burst,
            });
        }
        far.run_ms(100);
        assert_eq!(far.undecodable(6), [(MediaKind::Video, name)]);
        let got: Vec<_> = far.clients[viewer].video_got().collect();
        assert!(got.len() > 10 && is_key_start(codec, &got[0].payload));
    }
}

#[test]
fn who_has_no_codec_for_a_kind_at_all_is_told_too() {
    let mut world = World::new();
    publisher(&mut world, 1, str::to_owned);
    let mut client = Client::new(world.now, 2, 1, Direction::RecvOnly, &[Kind::Audio], &[]);
    let offer = client.take_offer();
    let lines = offer
        .lines()
        .map(|line| match line.starts_with("a=group:BUNDLE") {
            true => format!("{line} pictures\r\n"),
            false => format!("{line}\r\n"),
        });
    let offer = lines.collect::<String>()
        + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:pictures\r\na=recvonly\r\na=rtcp-mux\r\n\
           a=rtpmap:96 H266/90000\r\n";
    world.control(Control::OpenSubscriber {
        peer: PeerId(2),
        offer: offer.to_owned(),
        download: None,
        wish: Default::default(),
    });
    let answer = world.answer(PeerId(2)).unwrap();
    // Its engine knows nothing of the second section.
    client.take_answer(&answer[..answer.find("m=video").unwrap()]);
    world.clients.push(client);
    world.control(Control::Subscribe {
        peer: PeerId(2),
        publication: PublicationId(1),
    });
    world.connect();
    let told = [(MediaKind::Video, "H264 profile-level-id 42e01f")];
    assert_eq!(world.undecodable(2), told);
    assert!(world.gone(2).is_none());
}

#[test]
fn who_can_decode_nothing_is_ended_with_the_reason() {
    let mut world = World::new();
    publisher(&mut world, 1, without(&["H264"]));
    world.connect();
    subscriber(&mut world, 2, &[Kind::Video], without(&["VP8"]));
    world.wait("the end", std::time::Duration::from_secs(2), |world| {
        world.gone(2).is_some()
    });
    assert_eq!(world.gone(2), Some(&mismatch("VP8")));
    assert!(world.undecodable(2).is_empty());
    assert_eq!(world.sfu.stats().peers, 1);
}

#[test]
fn what_flows_decides_where_the_offer_leaves_it_open() {
    let mut world = World::new();
    let source = publisher(&mut world, 1, str::to_owned);
    let viewer = subscriber(&mut world, 2, &AUDIO_AND_VIDEO, without(&["VP8"]));
    let other = subscriber(&mut world, 3, &[Kind::Video], without(&["VP8"]));
    world.connect();
    assert!(world.undecodable(2).is_empty(), "H.264 may come");
    let now = world.now;
    world.clients[source].start(now, Codec::Vp8);
    world.run_ms(500);
    assert_eq!(world.undecodable(2), [(MediaKind::Video, "VP8")], "once");
    assert!(world.clients[viewer].audio_got().count() > 10);
    assert_eq!(world.gone(3), Some(&mismatch("VP8")));
    assert!(world.clients[other].video_got().next().is_none());
}

#[test]
fn who_waits_is_told_when_another_publisher_takes_over() {
    let mut world = World::new();
    subscriber(&mut world, 2, &AUDIO_AND_VIDEO, without(&["VP8"]));
    world.connect();
    assert!(world.undecodable(2).is_empty(), "nothing is published");
    publisher(&mut world, 1, without(&["VP8"]));
    assert!(world.undecodable(2).is_empty());
    publisher(&mut world, 3, without(&["H264"]));
    assert_eq!(world.undecodable(2), [(MediaKind::Video, "VP8")]);
    publisher(&mut world, 4, without(&["H264"]));
    assert_eq!(world.undecodable(2).len(), 1, "it knows");
}

#[test]
fn who_wants_nothing_that_is_published_is_left_alone() {
    let mut world = World::new();
    let client = Client::new(world.now, 1, 0, Direction::SendOnly, &[Kind::Video], &[]);
    world.open(client, true);
    world.control(Control::Publish {
        peer: PeerId(1),
        publication: PublicationId(1),
    });
    subscriber(&mut world, 2, &[Kind::Audio], str::to_owned);
    world.connect();
    world.run_ms(500);
    assert!(world.gone(2).is_none() && world.undecodable(2).is_empty());
}

#[test]
fn a_higher_profile_is_tried_unless_profiles_must_match() {
    let high = |offer: &str| with_profile("640028")(&without(&["VP8"])(offer));
    let play = |mut world: World| {
        publisher(&mut world, 1, high);
        subscriber(&mut world, 2, &AUDIO_AND_VIDEO, with_profile("42e01f"));
        world.connect();
        world
    };
    let world = play(World::new());
    assert!(world.undecodable(2).is_empty());
    let world = play(strict());
    let told = [(MediaKind::Video, "H264 profile-level-id 640028")];
    assert_eq!(world.undecodable(2), told);
}

#[test]
fn who_is_on_another_worker_is_told_what_its_publisher_offered() {
    let mut near = World::new();
    let source = publisher(&mut near, 1, without(&["H264"]));
    near.connect();
    near.control(Control::Relay {
        publication: PublicationId(1),
        to: vec![WorkerId(1)],
    });
    let now = near.now;
    near.clients[source].start_video(now, Codec::Vp8, None, 1);
    near.run_ms(200);
    let mut far = World::with(Config {
        worker: WorkerId(1),
        ..config()
    });
    subscriber(&mut far, 2, &AUDIO_AND_VIDEO, without(&["VP8"]));
    subscriber(&mut far, 3, &[Kind::Video], without(&["VP8"]));
    far.connect();
    assert!(far.undecodable(2).is_empty());
    for (publication, _, burst) in near.relayed.drain(..) {
        far.input(Input::Relayed {
            publication,
            burst: &burst,
        });
    }
    assert_eq!(far.undecodable(2), [(MediaKind::Video, "VP8")]);
    assert_eq!(far.gone(3), Some(&mismatch("VP8")));
}

#[test]
fn two_offers_are_compared_before_anything_is_opened() {
    let world = World::new();
    let offer = |direction, kinds: &[Kind], edit: &dyn Fn(&str) -> String| {
        let mut client = Client::new(world.now, 1, 0, direction, kinds, &[]);
        client.edit_offer(edit);
        client.take_offer()
    };
    let vp8 = offer(Direction::SendOnly, &AUDIO_AND_VIDEO, &without(&["H264"]));
    let published = Published::of(&vp8).unwrap();
    let lenient = H264ProfileMatch::Lenient;
    let no_vp8 = without(&["VP8"]);
    let pictures = offer(Direction::RecvOnly, &[Kind::Video], &no_vp8);
    assert_eq!(
        published.undecodable_by(&pictures, lenient),
        Some((MediaKind::Video, "VP8".into()))
    );
    let both = offer(Direction::RecvOnly, &AUDIO_AND_VIDEO, &no_vp8);
    assert_eq!(
        published.undecodable_by(&both, lenient),
        None,
        "sound is left"
    );
    assert_eq!(published.undecodable_by("nonsense", lenient), None);
    let high = offer(Direction::SendOnly, &[Kind::Video], &|offer| {
        with_profile("640028")(&no_vp8(offer))
    });
    let high = Published::of(&high).unwrap();
    let baseline = offer(Direction::RecvOnly, &[Kind::Video], &with_profile("42e01f"));
    assert_eq!(high.undecodable_by(&baseline, lenient), None);
    let told = high.undecodable_by(&baseline, H264ProfileMatch::Strict);
    assert_eq!(told.unwrap().1, "H264 profile-level-id 640028");
    assert!(Published::of("nonsense").is_none());
}
