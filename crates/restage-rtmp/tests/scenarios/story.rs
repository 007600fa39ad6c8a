//! The course of a session, from the handshake to the end.

use std::time::Duration;

use restage_rtmp::limits::TIMESTAMP_FIRST_US;
use restage_rtmp::{AudioCodec, End, Event, Fault, Refusal, VideoCodec};

use crate::publisher::*;

#[test]
fn a_stream_is_published_and_ends() {
    let mut rig = Rig::shaken();
    assert_eq!(rig.answers.len(), 1 + 2 * 1_536);
    rig.connect();
    for words in [
        "_result",
        "NetConnection.Connect.Success",
        "videoFourCcInfoMap",
        "capsEx",
    ] {
        assert!(rig.has_said(words), "{words}");
    }
    rig.publish("rt_1_key");
    let [Event::Publish(publish)] = &rig.take_events()[..] else {
        panic!("no publish");
    };
    assert_eq!(
        (publish.app.as_str(), publish.key.expose()),
        ("app", "rt_1_key")
    );
    assert_eq!(
        format!("{publish:?}"),
        r#"Publish { app: "app", key: StreamKey(8 bytes) }"#
    );
    assert!(!rig.has_said("NetStream.Publish.Start") && !rig.has_said("rt_1_key"));
    let shown = r#"Session { stage: "asked", app: "app", .. }"#;
    assert_eq!(format!("{:?}", rig.session), shown);
    rig.session.accept(rig.now);
    rig.send(&[]);
    assert!(rig.has_said("NetStream.Publish.Start"));

    rig.video(1_000, &video_config(SPS));
    rig.audio(1_000, AUDIO_CONFIG);
    rig.audio(1_000, SOUND);
    rig.video(1_010, &picture(IDR, 0));
    rig.video(1_043, &picture(DELTA, 0));
    let events = rig.take_events();
    let [
        Event::VideoConfig(video),
        Event::AudioConfig(audio),
        Event::Audio(sound),
        Event::Video(key),
        Event::Video(delta),
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    let VideoCodec::H264(avc) = &video.codec else {
        panic!("{video:?}");
    };
    assert_eq!((avc.size.width, avc.size.height), (128, 96));
    let AudioCodec::Aac(aac) = &audio.codec else {
        panic!("{audio:?}");
    };
    assert_eq!((aac.rate_hz, aac.channels), (48_000, 2));
    assert_eq!(
        (sound.timestamp_us, &sound.data[..]),
        (TIMESTAMP_FIRST_US, &SOUND[2..])
    );
    assert_eq!(
        (key.timestamp_us - TIMESTAMP_FIRST_US, key.is_key, key.layer),
        (10_000, true, 0)
    );
    assert_eq!(key.units.iter().collect::<Vec<_>>(), [IDR]);
    assert_eq!(
        (delta.timestamp_us - TIMESTAMP_FIRST_US, delta.is_key),
        (43_000, false)
    );

    let goodbye = [
        text("deleteStream"),
        number(4.0),
        NULL.to_vec(),
        number(1.0),
    ]
    .concat();
    rig.message(3, 0, COMMAND, &goodbye);
    assert_eq!(rig.take_events(), [Event::End(End::Finished)]);
    assert!(rig.session.is_over() && rig.session.next_deadline().is_none());
    rig.send(&[0; 100]);
    assert_eq!(rig.take_events(), []);
}

#[test]
fn the_caller_answers_before_anything_else_is_read() {
    let mut rig = Rig::shaken();
    rig.connect();
    let mut bytes = chunks(
        3,
        0,
        COMMAND,
        &[text("publish"), number(3.0), NULL.to_vec(), text("k")].concat(),
        128,
    );
    bytes.extend(chunks(6, 0, VIDEO, &video_config(SPS), 128));
    let mut input = &bytes[..];
    rig.feed(&mut input);
    assert!(matches!(rig.take_events()[..], [Event::Publish(_)]));
    let left = input.len();
    assert!(left > 0);
    rig.feed(&mut input);
    assert_eq!((input.len(), rig.session.next_deadline()), (left, None));
    // However long it takes.
    rig.wait(Duration::from_secs(60));
    rig.session.accept(rig.now);
    rig.feed(&mut input);
    assert!(matches!(rig.take_events()[..], [Event::VideoConfig(_)]));
    assert!(input.is_empty());
}

#[test]
fn a_refusal_tells_the_encoder_why() {
    for (refusal, code, words) in [
        (
            Refusal::InvalidStreamKey,
            "NetStream.Publish.BadName",
            "INVALID_STREAM_KEY: the stream key is not valid",
        ),
        (
            Refusal::ReuseOfStreamKey,
            "NetStream.Publish.BadName",
            "REUSE_OF_STREAM_KEY: ",
        ),
        (
            Refusal::InvalidProtocol,
            "NetStream.Publish.Denied",
            "INVALID_PROTOCOL: this stream key is for rtmps://",
        ),
    ] {
        let mut rig = Rig::shaken();
        rig.connect();
        rig.publish("secret");
        rig.take_events();
        rig.refuse(&refusal);
        assert_eq!(rig.take_events(), [Event::End(End::Refused)]);
        assert!(rig.has_said(code) && rig.has_said(words) && rig.has_said("error"));
        assert!(!rig.has_said("secret") && !rig.has_said("NetStream.Publish.Start"));
    }
    let mut rig = Rig::publishing();
    rig.refuse(&Refusal::BFramePresent);
    assert!(
        rig.has_said("NetStream.Publish.Rejected") && rig.has_said("B_FRAME_PRESENT: B frames")
    );
    // What comes afterwards is of no interest.
    rig.video(0, &video_config(SPS));
    assert_eq!(rig.take_events(), [Event::End(End::Refused)]);
}

#[test]
fn commands_that_encoders_send_besides_are_answered() {
    let mut rig = Rig::shaken();
    rig.connect();
    for (transaction, name) in [(2.0, "releaseStream"), (3.0, "FCPublish")] {
        let command = [text(name), number(transaction), NULL.to_vec(), text("key")].concat();
        rig.answers.clear();
        rig.message(3, 0, COMMAND, &command);
        assert!(rig.has_said("_result"), "{name}");
    }
    assert!(rig.has_said("onFCPublish") && !rig.has_said("key"));
    rig.answers.clear();
    rig.message(3, 0, COMMAND, &[text("getSomething"), number(9.0)].concat());
    rig.message(3, 0, COMMAND, &[0xff, 1, 2]);
    rig.message(3, 0, 77, b"?");
    assert!(rig.answers.is_empty());
    // User control: a ping and its answer.
    rig.message(2, 0, 4, &[0, 6, 1, 2, 3, 4]);
    assert!(rig.answers.ends_with(&[0, 7, 1, 2, 3, 4]));
    rig.publish("key");
    assert!(matches!(rig.take_events()[..], [Event::Publish(_)]));
}

#[test]
fn the_name_of_the_application_is_cleaned() {
    for (written, expected) in [("app/", "app"), ("/live/x/", "live/x"), ("app?a=b", "app")] {
        let mut rig = Rig::shaken();
        let connect = [
            text("connect"),
            number(1.0),
            object(&[member("app", &text(written))]),
        ];
        rig.message(3, 0, COMMAND, &connect.concat());
        rig.publish("key");
        let Some(Event::Publish(publish)) = rig.take_events().pop() else {
            panic!("{written}");
        };
        assert_eq!(publish.app, expected);
    }
}

#[test]
fn what_cannot_be_played_is_said() {
    let mut rig = Rig::shaken();
    rig.connect();
    rig.message(
        3,
        0,
        COMMAND,
        &[text("play"), number(2.0), NULL.to_vec(), text("key")].concat(),
    );
    assert_eq!(rig.take_events(), [Event::End(End::Fault(Fault::Play))]);
    assert!(rig.has_said("streams can only be published here"));
}

#[test]
fn what_is_out_of_order_is_said() {
    let mut rig = Rig::shaken();
    rig.publish("key");
    assert_eq!(
        rig.take_events(),
        [Event::End(End::Fault(Fault::NotConnected))]
    );
    assert!(rig.has_said("publish came before connect"));
    let mut rig = Rig::publishing();
    rig.publish("another");
    assert!(rig.has_said("this connection publishes already"));
    rig.audio(0, AUDIO_CONFIG);
    assert_eq!(rig.take_events().len(), 1, "the first stream goes on");
}

#[test]
fn arrival_is_acknowledged() {
    let mut rig = Rig::publishing();
    rig.message(2, 0, 5, &100_000_u32.to_be_bytes());
    rig.set_chunk_bytes(60_000);
    rig.answers.clear();
    rig.audio(0, &[SOUND, &[0; 60_000]].concat());
    assert!(rig.answers.is_empty());
    rig.audio(0, &[SOUND, &[0; 60_000]].concat());
    assert_eq!(
        rig.answers.len(),
        16,
        "an acknowledgement has a header and four bytes"
    );
    assert_eq!(rig.answers[7], 3);
}

#[test]
fn configurations_that_repeat_are_told_once() {
    let mut rig = Rig::publishing();
    for _ in 0..3 {
        rig.video(0, &video_config(SPS));
        rig.audio(0, AUDIO_CONFIG);
    }
    assert_eq!(rig.take_events().len(), 2);
    rig.audio(0, &[0xaf, 0, 0x12, 0x10]);
    assert!(matches!(rig.take_events()[..], [Event::AudioConfig(_)]));
    // An empty one says nothing, and pictures before the first one are of no use.
    rig.video(0, &[0x17, 0, 0, 0, 0]);
    assert_eq!(rig.take_events(), []);
    let mut rig = Rig::publishing();
    rig.video(0, &picture(IDR, 0));
    rig.audio(0, SOUND);
    assert_eq!(rig.take_events(), []);
}

#[test]
fn aggregates_are_taken_apart() {
    let mut rig = Rig::publishing();
    rig.set_chunk_bytes(1_000);
    let part = |kind: u8, time: u8, body: &[u8]| {
        let length = body.len() as u8;
        let header = [kind, 0, 0, length, 0, 0, time, 0, 0, 0, 0];
        [&header[..], body, &[0, 0, 0, 11 + length]].concat()
    };
    let body = [
        part(VIDEO, 10, &video_config(SPS)),
        part(AUDIO, 10, AUDIO_CONFIG),
        part(VIDEO, 10, &picture(IDR, 0)),
        part(AUDIO, 30, SOUND),
    ];
    rig.message(5, 9_000, 22, &body.concat());
    let events = rig.take_events();
    let times = events.iter().filter_map(|event| match event {
        Event::Video(frame) => Some(frame.timestamp_us),
        Event::Audio(frame) => Some(frame.timestamp_us),
        _ => None,
    });
    assert_eq!(
        times.collect::<Vec<_>>(),
        [TIMESTAMP_FIRST_US, TIMESTAMP_FIRST_US + 20_000]
    );
    assert_eq!(events.len(), 4);
}

#[test]
fn tracks_of_enhanced_rtmp_are_layers() {
    let mut rig = Rig::publishing();
    let config = |track: u8| [&b"\x96\x00avc1"[..], &[track], &record(SPS)].concat();
    rig.video(0, &[&b"\x90avc1"[..], &record(SPS)].concat());
    rig.video(0, &config(7));
    rig.video(0, &config(2));
    // Two tracks in one message; track 9 has no configuration yet.
    let unit = units(&[IDR]);
    let part = |track: u8| [&[track, 0, 0, unit.len() as u8][..], &unit].concat();
    rig.video(
        40,
        &[&b"\x96\x13avc1"[..], &part(2), &part(7), &part(9)].concat(),
    );
    let events = rig.take_events();
    let told: Vec<_> = events
        .iter()
        .map(|event| match event {
            Event::VideoConfig(config) => ("config", config.track, config.layer),
            Event::Video(frame) => ("frame", frame.track, frame.layer),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [
        ("config", 0, 0),
        ("config", 7, 1),
        ("config", 2, 2),
        ("frame", 2, 2),
        ("frame", 7, 1),
    ];
    assert_eq!(told, expected);
    // The fourth track was 9; there is no fifth.
    rig.video(80, &config(1));
    assert_eq!(
        rig.take_events(),
        [Event::End(End::Fault(Fault::Tracks { track: 1 }))]
    );
}

#[test]
fn metadata_is_told() {
    let mut rig = Rig::publishing();
    let members = object(&[
        member("width", &number(128.0)),
        member("encoder", &text("x")),
    ]);
    let body = [text("@setDataFrame"), text("onMetaData"), members].concat();
    rig.message(4, 0, 18, &body);
    let Some(Event::Metadata(metadata)) = rig.take_events().pop() else {
        panic!("no metadata");
    };
    assert_eq!(
        (metadata.width, metadata.encoder.as_deref()),
        (Some(128.0), Some("x"))
    );
}
