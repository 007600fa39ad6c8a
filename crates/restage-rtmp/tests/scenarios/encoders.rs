//! What real encoders have sent: each file has all bytes of a connection, of one second of a test card of 10 pictures a second.
//!
//! They were recorded by `examples/listen.rs`. FFmpeg 5.1 and 9.0: H.264 by x264 without SEI, AAC-LC by FFmpeg. GStreamer 1.22 with its
//! own client (`rtmp2sink`) and with librtmp (`rtmpsink`), from which OBS has its client: H.264 by OpenH264, AAC-LC by vo-aacenc.

use restage_rtmp::{AudioCodec, End, Event, Refusal, RuleLimits, Rules, VideoCodec};

use crate::publisher::Rig;

/// All events of a recording, up to what the rules refuse.
fn replay(bytes: &[u8], step: usize) -> (Vec<Event>, Option<Refusal>) {
    let mut rig = Rig::new();
    let mut rules = Rules::new(rig.now, RuleLimits::AWS);
    let mut events = Vec::new();
    for mut piece in bytes.chunks(step) {
        while let Some(event) = rig.session.receive(rig.now, &mut piece) {
            if let Err(refusal) = rules.check(rig.now, &event) {
                return (events, Some(refusal));
            }
            if matches!(event, Event::Publish(_)) {
                rig.session.accept(rig.now);
            }
            events.push(event);
        }
        assert!(piece.is_empty());
    }
    (events, None)
}

/// Pictures of each layer, and units of sound.
fn counts(events: &[Event]) -> (Vec<usize>, usize) {
    let mut pictures = Vec::new();
    let mut sound = 0;
    for event in events {
        match event {
            Event::Video(frame) => {
                let layer = usize::from(frame.layer);
                pictures.resize(pictures.len().max(layer + 1), 0);
                pictures[layer] += 1;
            }
            Event::Audio(_) => sound += 1,
            _ => {}
        }
    }
    (pictures, sound)
}

#[test]
fn ffmpeg_publishes() {
    for bytes in [
        &include_bytes!("../encoders/ffmpeg5.rtmp")[..],
        include_bytes!("../encoders/ffmpeg9.rtmp"),
    ] {
        let (events, refusal) = replay(bytes, 1_000);
        assert_eq!((&events, refusal), (&replay(bytes, 7).0, None));
        let Some(Event::Publish(publish)) = events.first() else {
            panic!("{events:?}");
        };
        assert_eq!(
            (publish.app.as_str(), publish.key.expose()),
            ("app", "rt_000000000000_eu_key")
        );
        let Some(Event::Metadata(metadata)) = events.get(1) else {
            panic!("{events:?}");
        };
        assert_eq!((metadata.width, metadata.height), (Some(128.0), Some(96.0)));
        let configs = events.iter().filter_map(|event| match event {
            Event::VideoConfig(config) => match &config.codec {
                VideoCodec::H264(avc) => Some((avc.size.width, avc.size.height)),
                VideoCodec::Other(_) => None,
            },
            Event::AudioConfig(config) => match &config.codec {
                AudioCodec::Aac(aac) => Some((aac.rate_hz, u32::from(aac.channels))),
                AudioCodec::Other(_) => None,
            },
            _ => None,
        });
        assert_eq!(configs.collect::<Vec<_>>(), [(128, 96), (48_000, 2)]);
        // A unit of sound has 1,024 samples; the encoder begins one early.
        assert_eq!(counts(&events), (vec![10], 48));
        let times = events.iter().filter_map(|event| match event {
            Event::Video(frame) => Some((frame.timestamp_us / 1_000, frame.is_key)),
            _ => None,
        });
        let times: Vec<_> = times.collect();
        let first = times[0].0;
        let expected = (0..10).map(|picture| (first + picture * 100, picture == 0));
        assert_eq!(times, expected.collect::<Vec<_>>());
        assert_eq!(events.last(), Some(&Event::End(End::Finished)));
    }
}

#[test]
fn gstreamer_and_librtmp_publish() {
    for bytes in [
        &include_bytes!("../encoders/gstreamer.rtmp")[..],
        include_bytes!("../encoders/librtmp.rtmp"),
    ] {
        let (events, refusal) = replay(bytes, 1_000);
        assert_eq!((&events, refusal), (&replay(bytes, 7).0, None));
        let Some(Event::Publish(publish)) = events.first() else {
            panic!("{events:?}");
        };
        assert_eq!((publish.app.as_str(), publish.key.expose()), ("app", "key"));
        let (pictures, sound) = counts(&events);
        assert_eq!(pictures, [10]);
        assert!((40..=46).contains(&sound), "{sound}");
        assert_eq!(events.last(), Some(&Event::End(End::Finished)));
    }
}

#[test]
fn tracks_of_ffmpeg_become_layers() {
    let (events, refusal) = replay(include_bytes!("../encoders/ffmpeg9-multitrack.rtmp"), 500);
    assert_eq!(refusal, None);
    let sizes = events.iter().filter_map(|event| match event {
        Event::VideoConfig(config) => match &config.codec {
            VideoCodec::H264(avc) => Some((config.layer, avc.size.width, avc.size.height)),
            VideoCodec::Other(_) => None,
        },
        _ => None,
    });
    assert_eq!(sizes.collect::<Vec<_>>(), [(0, 128, 96), (1, 64, 48)]);
    assert_eq!(counts(&events), (vec![10, 10], 45));
}

#[test]
fn b_frames_of_x264_are_refused() {
    let (events, refusal) = replay(include_bytes!("../encoders/ffmpeg9-bframes.rtmp"), 500);
    assert_eq!(refusal, Some(Refusal::BFramePresent));
    assert!(
        counts(&events).0[0] <= 2,
        "the second or third picture shows them"
    );
}
