//! Offers of many clients, answered or refused with a reason.

use std::collections::BTreeSet;

use restage_media::{Control, MediaKind, OfferErrorKind, PeerId, limits};

use crate::support::{News, Rng, World, offers, sfu_address};

fn publish(offer: &str) -> Result<String, OfferErrorKind> {
    answer(offer, true)
}

fn subscribe(offer: &str) -> Result<String, OfferErrorKind> {
    answer(offer, false)
}

fn answer(offer: &str, publishes: bool) -> Result<String, OfferErrorKind> {
    let mut world = World::new();
    let peer = PeerId(1);
    if publishes {
        world.control(Control::OpenPublisher {
            peer,
            offer: offer.to_owned(),
        });
    } else {
        world.control(Control::OpenSubscriber {
            peer,
            offer: offer.to_owned(),
            download: None,
            wish: Default::default(),
        });
    }
    match world.news.pop().expect("an answer or a refusal") {
        News::Answer(_, sdp) => Ok(sdp),
        News::Refused(_, error) => {
            assert!(error.message().ends_with('.'), "a sentence: {error}");
            Err(error.kind())
        }
        other => panic!("{other:?}"),
    }
}

fn sections(sdp: &str) -> Vec<Vec<&str>> {
    let mut sections: Vec<Vec<&str>> = Vec::new();
    for line in sdp.lines() {
        if line.starts_with("m=") {
            sections.push(Vec::new());
        }
        if let Some(section) = sections.last_mut() {
            section.push(line);
        }
    }
    sections
}

fn has(section: &[&str], line: &str) -> bool {
    section.contains(&line)
}

fn value<'a>(lines: &[&'a str], attribute: &str) -> Option<&'a str> {
    lines.iter().find_map(|line| line.strip_prefix(attribute))
}

/// What must be true of every answer to every offer.
fn check(name: &str, offer: &str, answer: &str, direction: &str) {
    let (offered, answered) = (sections(offer), sections(answer));
    assert_eq!(offered.len(), answered.len(), "{name}");
    assert!(answer.lines().any(|line| line == "a=ice-lite"), "{name}");
    for (offered, answered) in offered.iter().zip(&answered) {
        let kind = |section: &[&str]| section[0].split(' ').next().unwrap().to_owned();
        assert_eq!(kind(offered), kind(answered), "{name}");
        assert_eq!(
            value(offered, "a=mid:"),
            value(answered, "a=mid:"),
            "{name}"
        );
        assert!(
            has(answered, &format!("a={direction}")),
            "{name}: {answered:?}"
        );
        let candidate = value(answered, "a=candidate:").expect("a candidate in every section");
        assert!(candidate.contains(&format!(
            " {} {} typ host",
            sfu_address().ip(),
            sfu_address().port()
        )));
        assert!(has(answered, "a=end-of-candidates"), "{name}");
        assert!(has(answered, "a=rtcp-mux"), "{name}");
        assert!(
            value(answered, "a=fingerprint:")
                .unwrap()
                .starts_with("sha-256 ")
        );
        let setup = value(answered, "a=setup:").unwrap();
        let expected = if offer.contains("a=setup:passive") {
            "active"
        } else {
            "passive"
        };
        assert_eq!(setup, expected, "{name}");
        for line in answered
            .iter()
            .filter(|line| line.starts_with("a=rtcp-fb:"))
        {
            assert!(has(offered, line), "{name}: {line} was not offered");
        }
        // Payload types keep their meaning.
        for line in answered
            .iter()
            .filter_map(|line| line.strip_prefix("a=rtpmap:"))
        {
            let (pt, map) = line.split_once(' ').unwrap();
            let offered = value(offered, &format!("a=rtpmap:{pt} "))
                .unwrap_or_else(|| panic!("{name}: {line}"));
            assert!(
                offered.eq_ignore_ascii_case(map),
                "{name}: {offered} became {map}"
            );
        }
        for line in answered
            .iter()
            .filter_map(|line| line.strip_prefix("a=extmap:"))
        {
            assert!(
                offered
                    .iter()
                    .any(|o| o.strip_prefix("a=extmap:") == Some(line)),
                "{name}: {line}"
            );
        }
    }
}

#[test]
fn the_dependency_descriptor_is_negotiated_with_publishers_and_with_subscribers_that_take_av1() {
    let uri =
        "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";
    let rotation = "a=extmap:13 urn:3gpp:video-orientation\r\n";
    let with = |offer: String| offer.replace(rotation, &format!("{rotation}a=extmap:12 {uri}\r\n"));
    let mixed = "a=extmap-allow-mixed";
    let answered = publish(&with(offers::chromium("sendonly"))).unwrap();
    assert!(answered.contains(&format!("a=extmap:12 {uri}")) && answered.contains(mixed));
    let unmixed = with(offers::chromium("sendonly")).replace("a=extmap-allow-mixed\r\n", "");
    assert!(
        !publish(&unmixed).unwrap().contains(mixed),
        "it was not offered"
    );
    let offer = with(offers::chromium("recvonly"));
    let av1 = offer
        .replace("98 VP9/90000", "98 AV1/90000")
        .replace("a=fmtp:98 profile-id=0", "a=fmtp:98 profile=0");
    let answered = subscribe(&av1).unwrap();
    assert!(answered.contains(&format!("a=extmap:12 {uri}")) && answered.contains(mixed));
    for (without, why) in [
        (offer, "no AV1"),
        (
            av1.replace("a=extmap-allow-mixed\r\n", ""),
            "long and short extensions side by side",
        ),
    ] {
        let answered = subscribe(&without).unwrap();
        assert!(
            !answered.contains(uri) && !answered.contains(mixed),
            "{why}"
        );
    }
}

#[test]
fn publishers_of_every_make_are_answered() {
    for (name, offer) in offers::publishers() {
        let answer = publish(&offer).unwrap_or_else(|kind| panic!("{name}: {kind:?}"));
        check(name, &offer, &answer, "recvonly");
    }
}

#[test]
fn subscribers_of_every_make_are_answered() {
    for (name, offer) in offers::subscribers() {
        let answer = subscribe(&offer).unwrap_or_else(|kind| panic!("{name}: {kind:?}"));
        check(name, &offer, &answer, "sendonly");
        for section in sections(&answer) {
            assert!(
                value(&section, "a=ssrc:").is_some(),
                "{name} learns what it will receive"
            );
        }
    }
}

#[test]
fn h264_in_its_most_common_form_comes_first_and_newer_codecs_last() {
    let answer = publish(&offers::chromium("sendonly")).unwrap();
    let sections = sections(&answer);
    assert_eq!(sections[0][0], "m=audio 9 UDP/TLS/RTP/SAVPF 111 63");
    assert!(has(&sections[0], "a=fmtp:111 minptime=10;useinbandfec=1"));
    assert!(has(&sections[0], "a=rtpmap:63 red/48000/2"));
    assert!(has(&sections[0], "a=fmtp:63 111/111"));
    let formats: Vec<_> = sections[1][0].split(' ').skip(3).collect();
    assert_eq!(
        &formats[..2],
        ["106", "107"],
        "constrained baseline in mode 1 and its RTX"
    );
    assert!(formats.contains(&"96"), "VP8 too");
    assert_eq!(formats[formats.len() - 2..], ["98", "99"], "VP9 last");
    assert!(has(&sections[1], "a=fmtp:98 profile-id=0"));
    assert!(!answer.contains("goog-remb") && !answer.contains("red/90000"));
}

/// The payload types of a section in an answer.
fn formats_of<'a>(answer: &'a str, kind: &str) -> Vec<&'a str> {
    let line = answer
        .lines()
        .find(|line| line.starts_with(&format!("m={kind} ")));
    line.unwrap().split(' ').skip(3).collect()
}

#[test]
fn a_newer_codec_that_the_offer_puts_first_is_answered_first() {
    let offer = offers::chromium("sendonly");
    let first = offer.replace("SAVPF 96 97 102", "SAVPF 98 99 96 97 102");
    let first = first.replace(" 98 99 112 113", " 112 113");
    let answer = publish(&first).unwrap();
    let formats = formats_of(&answer, "video");
    assert_eq!(
        formats[..4],
        ["98", "99", "106", "107"],
        "then H.264 as ever"
    );
    // VP8 first is what browsers offer anyway.
    let formats = publish(&offer).unwrap();
    assert_eq!(formats_of(&formats, "video")[..2], ["106", "107"]);
    for (name, fmtp) in [
        ("AV1", "level-idx=5;profile=0;tier=0"),
        ("H265", "level-id=93;profile-id=1;tier-flag=0;tx-mode=SRST"),
    ] {
        let alone = first.replace("98 VP9/90000", &format!("98 {name}/90000"));
        let alone = alone.replace("a=fmtp:98 profile-id=0", &format!("a=fmtp:98 {fmtp}"));
        let answer = publish(&alone).unwrap();
        assert_eq!(formats_of(&answer, "video")[0], "98", "{name}");
        assert!(answer.contains(&format!("a=rtpmap:98 {name}/90000\r\n")));
        assert!(answer.contains(&format!("a=fmtp:98 {fmtp}\r\n")));
    }
    let interleaved = first.replace("98 VP9/90000", "98 H265/90000");
    let interleaved = interleaved.replace("profile-id=0", "sprop-max-don-diff=2");
    let answer = publish(&interleaved).unwrap();
    assert!(!formats_of(&answer, "video").contains(&"98"));
}

#[test]
fn redundant_audio_keeps_its_place_and_needs_opus() {
    let offer = offers::chromium("sendonly");
    let first = offer.replace("SAVPF 111 63", "SAVPF 63 111");
    let answer = publish(&first).unwrap();
    assert_eq!(
        formats_of(&answer, "audio"),
        ["63", "111"],
        "the sender's wish"
    );
    let answer = subscribe(&offers::chromium("recvonly")).unwrap();
    assert_eq!(formats_of(&answer, "audio"), ["111", "63"]);
    for blocks in [
        "a=fmtp:63 9/9",
        "a=fmtp:63 111/9",
        "a=fmtp:63 111/999",
        "a=x",
    ] {
        let answer = publish(&offer.replace("a=fmtp:63 111/111", blocks)).unwrap();
        assert_eq!(formats_of(&answer, "audio"), ["111"], "{blocks}");
    }
    let alone = offer.replace("opus/48000/2", "X/48000/2");
    assert_eq!(
        publish(&alone),
        Err(OfferErrorKind::NoUsableCodec(MediaKind::Audio))
    );
}

#[test]
fn congestion_control_is_negotiated_both_ways() {
    const TWCC: &str = "transport-wide-cc-extensions-01";
    let answers = [
        publish(&offers::chromium("sendonly")).unwrap(),
        subscribe(&offers::chromium("recvonly")).unwrap(),
    ];
    for answer in answers {
        assert!(answer.contains(TWCC));
        assert!(answer.contains(" transport-cc\r\n"));
        assert!(!answer.contains("goog-remb"));
    }
}

#[test]
fn a_subscriber_gives_transport_wide_feedback_or_remb() {
    let offer = offers::chromium("recvonly");
    assert!(offer.contains("goog-remb") && offer.contains("transport-cc"));
    // Without numbers there is nothing to give feedback about, and the other way round.
    let without_numbers: String = offer
        .split_inclusive("\r\n")
        .filter(|line| !line.contains("transport-wide-cc"))
        .collect();
    let without_feedback = offer.replace(" transport-cc", " other");
    for offer in [without_numbers, without_feedback] {
        let answer = subscribe(&offer).unwrap();
        assert!(!answer.contains("transport-wide-cc") && !answer.contains(" transport-cc"));
        assert!(answer.contains(" goog-remb\r\n"));
    }
}

#[test]
fn simulcast_is_taken_from_publishers() {
    let offer = offers::chromium("sendonly")
        + "a=rid:q send\r\na=rid:h send\r\na=rid:f send\r\na=simulcast:send q;h;~f\r\n";
    let answer = publish(&offer).unwrap();
    let video = &sections(&answer)[1];
    for line in [
        "a=rid:q recv",
        "a=rid:h recv",
        "a=rid:f recv",
        "a=simulcast:recv q;h;f",
    ] {
        assert!(has(video, line), "{line} in {video:?}");
    }
    // Names that are too long are treated as if they were not offered.
    let offer = offers::chromium("sendonly")
        + "a=rid:farbeyondsixteen1 send\r\na=simulcast:send farbeyondsixteen1\r\n";
    assert!(!publish(&offer).unwrap().contains("simulcast"));
}

#[test]
fn surplus_and_foreign_sections_are_refused_one_by_one() {
    let chromium = offers::chromium("sendonly").replace("BUNDLE 0 1", "BUNDLE 0 1 2 3 4");
    let video = sections(&chromium)[1].join("\r\n");
    let second = video.replace("a=mid:1", "a=mid:2");
    let data = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:3\r\na=sctp-port:5000";
    let text = "m=text 9 UDP/TLS/RTP/SAVPF 98\r\na=mid:4";
    let offer = format!("{chromium}{second}\r\n{data}\r\n{text}\r\n");
    let answer = publish(&offer).unwrap();
    let answered = sections(&answer);
    assert_eq!(answered.len(), 5);
    assert!(
        answer.contains("a=group:BUNDLE 0 1\r\n"),
        "only what is accepted is bundled"
    );
    for (section, start) in answered[2..].iter().zip([
        "m=video 0 UDP/TLS/RTP/SAVPF ",
        "m=application 0 UDP/DTLS/SCTP webrtc-datachannel",
        "m=text 0 UDP/TLS/RTP/SAVPF 98",
    ]) {
        assert!(section[0].starts_with(start), "{}", section[0]);
        assert!(has(section, "a=inactive"));
    }
}

#[test]
fn a_data_channel_before_the_media_does_not_shift_it() {
    let offer = offers::chromium("sendonly").replace("BUNDLE 0 1", "BUNDLE d 0 1").replace(
        "m=audio",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:d\r\na=sctp-port:5000\r\nm=audio",
    );
    let answer = publish(&offer).unwrap();
    let answered = sections(&answer);
    assert!(answered[0][0].starts_with("m=application 0 "));
    assert!(has(&answered[1], "a=mid:0") && has(&answered[2], "a=mid:1"));
}

#[test]
fn one_section_needs_no_bundle() {
    let offer = offers::ffmpeg().replace("a=group:BUNDLE 0 1\r\n", "");
    assert_eq!(publish(&offer), Err(OfferErrorKind::NoBundle));
    let alone = &offer[..offer.find("m=video").unwrap()];
    let answer = publish(alone).unwrap();
    assert!(!answer.contains("a=group:"));
    let nameless = alone.replace("a=mid:0\r\n", "");
    let answer = publish(&nameless).unwrap();
    assert!(!answer.contains("a=mid:"));
}

#[test]
fn the_wrong_direction_is_no_media() {
    assert_eq!(
        publish(&offers::chromium("recvonly")),
        Err(OfferErrorKind::NoMedia)
    );
    assert_eq!(
        publish(&offers::chromium("inactive")),
        Err(OfferErrorKind::NoMedia)
    );
    assert_eq!(subscribe(&offers::obs()), Err(OfferErrorKind::NoMedia));
}

#[test]
fn what_is_missing_is_named() {
    let offer = offers::ffmpeg();
    let without = |line: &str| {
        offer
            .lines()
            .filter(|l| !l.starts_with(line))
            .collect::<Vec<_>>()
            .join("\r\n")
    };
    assert_eq!(publish(""), Err(OfferErrorKind::NotSdp));
    assert_eq!(publish("{\"sdp\":\"v=0\"}"), Err(OfferErrorKind::NotSdp));
    assert_eq!(publish(&without("v=")), Err(OfferErrorKind::NotSdp));
    assert_eq!(publish(&without("m=")), Err(OfferErrorKind::NoMedia));
    assert_eq!(publish(&without("a=ice-ufrag")), Err(OfferErrorKind::NoIce));
    assert_eq!(
        publish(&offer.replace("a=ice-pwd:abc", "a=ice-pwd:abc def")),
        Err(OfferErrorKind::NoIce)
    );
    assert_eq!(
        publish(&without("a=fingerprint")),
        Err(OfferErrorKind::NoDtls)
    );
    assert_eq!(
        publish(&offer.replace("sha-256 10:", "sha-256 1:")),
        Err(OfferErrorKind::NoDtls)
    );
    assert_eq!(
        publish(&offer.replace("a=group:BUNDLE 0 1", "a=ice-lite\r\na=group:BUNDLE 0 1")),
        Err(OfferErrorKind::IceLite)
    );
    assert_eq!(
        publish(&offer.replace("H264/", "H266/")),
        Err(OfferErrorKind::NoUsableCodec(MediaKind::Video))
    );
    assert_eq!(
        publish(&offer.replace("OPUS/48000/2", "MPA/90000")),
        Err(OfferErrorKind::NoUsableCodec(MediaKind::Audio))
    );
    assert_eq!(
        publish(&offer.replace("106", "111")),
        Err(OfferErrorKind::NotSdp),
        "one number, two meanings"
    );
    assert_eq!(
        publish(&offer.replace("a=mid:1", "a=mid:0")),
        Err(OfferErrorKind::NotSdp)
    );
    let long = offer.clone() + &"a=x:y\r\n".repeat(10_000);
    assert_eq!(publish(&long), Err(OfferErrorKind::TooLarge));
    let many = offer + &"m=text 0 x 0\r\n".repeat(100);
    assert_eq!(publish(&many), Err(OfferErrorKind::TooLarge));
}

#[test]
fn a_subscriber_is_given_what_it_can_take() {
    let offer = offers::chromium("recvonly");
    let mut without_video = offer.clone();
    for codec in ["H264/", "VP8/", "VP9/"] {
        without_video = without_video.replace(codec, "X/");
    }
    let answer = subscribe(&without_video).unwrap();
    assert!(sections(&answer)[1][0].starts_with("m=video 0 "));
    assert!(sections(&answer)[0][0].starts_with("m=audio 9 "));
}

#[test]
fn offers_cut_or_changed_anywhere_are_answered_or_refused() {
    let mut world = World::new();
    let mut rng = Rng(21);
    let mut key = 0;
    let mut answered = 0;
    let all: Vec<String> = offers::publishers()
        .into_iter()
        .chain(offers::subscribers())
        .map(|(_, offer)| offer)
        .collect();
    let mut try_one = |world: &mut World, offer: &str, publishes: bool| {
        key += 1;
        let peer = PeerId(key);
        if publishes {
            world.control(Control::OpenPublisher {
                peer,
                offer: offer.to_owned(),
            });
        } else {
            world.control(Control::OpenSubscriber {
                peer,
                offer: offer.to_owned(),
                download: None,
                wish: Default::default(),
            });
        }
        match world.news.pop() {
            Some(News::Answer(..)) => answered += 1,
            Some(News::Refused(..)) => {}
            other => panic!("{other:?}"),
        }
        world.control(Control::Close { peer });
        world.news.clear();
    };
    for offer in &all {
        let mut end = 0;
        while end < offer.len() {
            try_one(&mut world, &offer[..end], true);
            end += 1 + rng.below(60);
        }
        for _ in 0..150 {
            let mut lines: Vec<String> = offer.lines().map(Into::into).collect();
            for _ in 0..=rng.below(3) {
                mutate(&mut lines, &mut rng);
            }
            let publishes = rng.below(2) == 0;
            try_one(&mut world, &lines.join("\r\n"), publishes);
        }
    }
    assert!(answered > 100, "{answered} were still good");
    assert_eq!(world.sfu.stats().peer_panics, 0);
    assert_eq!(world.sfu.stats().peers, 0);
}

/// Drops, repeats, swaps or damages a line.
fn mutate(lines: &mut Vec<String>, rng: &mut Rng) {
    let at = rng.below(lines.len());
    match rng.below(6) {
        0 => {
            lines.remove(at);
        }
        1 => lines.insert(at, lines[at].clone()),
        2 => {
            let other = rng.below(lines.len());
            lines.swap(at, other);
        }
        3 => {
            let end = rng.below(lines[at].len() + 1);
            lines[at].truncate(end);
        }
        4 => {
            let digit = char::from(b'0' + rng.below(10) as u8);
            lines[at] = lines[at].replace(char::is_numeric, &digit.to_string());
        }
        _ => {
            let byte = char::from(32 + rng.below(95) as u8);
            let place = rng.below(lines[at].len() + 1);
            lines[at].insert(place, byte);
        }
    }
    if lines.is_empty() {
        lines.push(String::new());
    }
}

#[test]
fn an_offer_built_to_be_slow_is_not() {
    let ffmpeg = offers::ffmpeg();
    let fill = |line: &str, count: usize| line.repeat(count);
    let at_most = |text: String| {
        text.chars()
            .take(limits::OFFER_BYTES_MAX)
            .collect::<String>()
    };
    let many_types = ffmpeg.replace("SAVPF 106", &format!("SAVPF 106{}", " 97".repeat(15_000)));
    let offers = [
        at_most(ffmpeg.clone() + &fill("a=fmtp:97 apt=106\r\n", 4_000)),
        at_most(many_types + &fill("a=rtpmap:97 rtx/90000\r\n", 2_000)),
        at_most(
            ffmpeg.clone()
                + "a=simulcast:send "
                + &fill("x;", 20_000)
                + "\r\n"
                + &fill("a=rid:y send\r\n", 500),
        ),
        at_most(ffmpeg.clone() + &fill("a=extmap:1 x\r\n", 5_000)),
        at_most(ffmpeg.replace("BUNDLE 0 1", &format!("BUNDLE 0 1{}", fill(" 0", 20_000)))),
        at_most(ffmpeg + &fill("a=rtcp-fb:* nack\r\n", 4_000)),
    ];
    let start = crate::support::epoch();
    for offer in &offers {
        let _ = publish(offer);
    }
    // A generous limit. Searching all lines for each payload type or encoding would take minutes.
    assert!(start.elapsed() < std::time::Duration::from_secs(5));
}

#[test]
fn fragments_cut_or_changed_anywhere_are_taken_or_refused() {
    let mut world = World::new();
    world.subscriber(1, 1);
    let fragment = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n\
                    a=candidate:1 1 udp 2130706431 10.0.0.9 5000 typ host\r\na=end-of-candidates\r\n";
    let mut rng = Rng(22);
    for end in 0..fragment.len() {
        world.control(Control::Patch {
            peer: PeerId(1),
            fragment: fragment[..end].to_owned(),
        });
    }
    for _ in 0..1_500 {
        let mut lines: Vec<String> = fragment.lines().map(Into::into).collect();
        for _ in 0..=rng.below(3) {
            mutate(&mut lines, &mut rng);
        }
        world.control(Control::Patch {
            peer: PeerId(1),
            fragment: lines.join("\r\n"),
        });
    }
    assert_eq!(world.sfu.stats().peers, 1);
    assert_eq!(world.sfu.stats().peer_panics, 0);
    assert!(
        world
            .news
            .iter()
            .all(|news| !matches!(news, News::Gone(..)))
    );
}

#[test]
fn a_section_that_is_not_taken_carries_what_strict_stacks_look_for_in_every_section() {
    let chromium = offers::chromium("sendonly").replace("BUNDLE 0 1", "BUNDLE 0 1 2 3");
    let second = sections(&chromium)[1]
        .join("\r\n")
        .replace("a=mid:1", "a=mid:2");
    let data = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:3\r\na=sctp-port:5000";
    let answer = publish(&format!("{chromium}{second}\r\n{data}\r\n")).unwrap();
    let answered = sections(&answer);
    for section in &answered[2..] {
        assert!(section[0].contains(" 0 "), "{}", section[0]);
        for attribute in [
            "c=IN",
            "a=ice-ufrag:",
            "a=ice-pwd:",
            "a=fingerprint:",
            "a=setup:",
        ] {
            let living = value(&answered[0], attribute);
            assert!(
                living.is_some() && value(section, attribute) == living,
                "{attribute}"
            );
        }
        assert!(value(section, "a=mid:").is_some());
        assert!(value(section, "a=candidate:").is_none());
        assert!(has(section, "a=end-of-candidates"));
    }
    assert!(has(&answered[2], "a=rtcp-mux") && has(&answered[2], "a=rtpmap:96 VP8/90000"));
    assert!(has(&answered[3], "a=sctp-port:5000"));
}

/// RFC 9143 §7.3.3: the first section of a bundle represents its transport, so refusing it refuses all.
#[test]
fn the_section_that_a_bundle_hangs_on_is_idle_and_not_refused() {
    let offer = offers::chromium("recvonly").replace("opus/48000/2", "X/48000/2");
    let answer = subscribe(&offer).unwrap();
    let answered = sections(&answer);
    assert!(answer.contains("a=group:BUNDLE 0 1\r\n"));
    assert!(answered[0][0].starts_with("m=audio 9 UDP/TLS/RTP/SAVPF 111"));
    assert!(has(&answered[0], "a=inactive"));
    assert!(value(&answered[0], "a=candidate:").is_some());
    assert!(has(&answered[1], "a=sendonly"));
}

#[test]
fn names_and_credentials_are_taken_as_clients_write_them() {
    let chromium = offers::chromium("sendonly");
    let long = "5e5c8e6c-42a3-4f2b-9d0c-2f4f7f6f1a11";
    let renamed = chromium
        .replace("BUNDLE 0 1", &format!("BUNDLE {long} 1"))
        .replace("a=mid:0", &format!("a=mid:{long}"));
    let answer = publish(&renamed).unwrap();
    assert!(answer.contains(&format!("a=mid:{long}\r\n")));
    for ufrag in ["abcd", "a-b_c=", "Ab+/", "0123456789abcdef0123456789abcdef"] {
        let offer = chromium.replace("Uf9+", ufrag);
        assert!(publish(&offer).is_ok(), "{ufrag}");
    }
    let fingerprint = value(&sections(&chromium)[0], "a=fingerprint:sha-256 ").unwrap();
    for other in [fingerprint.to_lowercase(), format!(" {fingerprint} ")] {
        let offer = chromium.replace(
            &format!("sha-256 {fingerprint}"),
            &format!("SHA-256 {other}"),
        );
        assert!(publish(&offer).is_ok(), "{other}");
    }
    for rids in [
        ["low-res", "high_res"],
        ["0", "1"],
        ["abcdefghijklmno1", "abcdefghijklmno2"],
    ] {
        let offer = format!(
            "{chromium}a=rid:{0} send\r\na=rid:{1} send\r\na=simulcast:send {0};{1}\r\n",
            rids[0], rids[1]
        );
        let answer = publish(&offer).unwrap();
        assert!(answer.contains(&format!("a=simulcast:recv {};{}\r\n", rids[0], rids[1])));
    }
    let early = format!("{chromium}a=rid:a send\r\na=rid:b send\r\na=simulcast: send rid=a;b\r\n");
    assert!(
        publish(&early)
            .unwrap()
            .contains("a=simulcast:recv a;b\r\n")
    );
}

#[test]
fn one_payload_type_twice_is_answered_once() {
    let offer = offers::ffmpeg().replace("SAVPF 106", "SAVPF 106 106");
    let answer = publish(&offer).unwrap();
    assert_eq!(sections(&answer)[1][0], "m=video 9 UDP/TLS/RTP/SAVPF 106");
}

#[test]
fn one_payload_type_twice_in_any_place_is_answered_or_refused() {
    let ffmpeg = offers::ffmpeg();
    let said_twice = |line: &str| {
        let found = ffmpeg
            .lines()
            .find(|found| found.starts_with(line))
            .unwrap();
        ffmpeg.replace(found, &format!("{found}\r\n{found}"))
    };
    let offers = [
        said_twice("a=rtpmap:106"),
        said_twice("a=fmtp:106"),
        // Audio and video with the same payload type.
        ffmpeg.replace("106", "111").replace(" 97", " 111"),
        ffmpeg.replace("SAVPF 106", &format!("SAVPF{}", " 106".repeat(200))),
    ];
    for offer in offers {
        for answer in [
            publish(&offer),
            subscribe(&offer.replace("sendonly", "recvonly")),
        ] {
            let Ok(answer) = answer else { continue };
            for section in sections(&answer) {
                let types: Vec<_> = section[0].split(' ').skip(3).collect();
                let once: BTreeSet<_> = types.iter().collect();
                assert_eq!(types.len(), once.len(), "{answer}");
            }
        }
    }
}
