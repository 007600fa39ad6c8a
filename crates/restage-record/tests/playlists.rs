//! Playlists, read by a foreign reader and checked rule by rule.

mod rig;

use restage_record::Output;
use restage_record::journal::{InitEntry, Journal, Line, PictureEntry, SegmentEntry};
use restage_record::playlist::{
    PlaylistKind, broken_rules, event_target_seconds, media, multivariant,
};
use rig::run::{Player, Scene, config};

/// The journal of a recording with a pause in it.
fn journal() -> Journal {
    let mut player = Player::new(Scene::default(), config());
    player.play_to(15.0);
    player.recorder.pause(player.now_us());
    player.recorder.resume(player.now_us());
    player.play_to(28.0);
    let lines = player
        .finish()
        .outputs
        .into_iter()
        .filter_map(|output| match output {
            Output::Init(init) => Some(Line::Init(init.entry)),
            Output::Segment(segment) => Some(Line::Segment(segment.entry)),
            _ => None,
        });
    Journal {
        lines: lines.collect(),
        ..Journal::default()
    }
}

#[test]
fn the_layout_is_that_of_the_service() {
    let segment = |number, init, duration_us, time: Option<i64>| SegmentEntry {
        number,
        init,
        discontinuity: number > 0 && time.is_some(),
        program_date_time_us: time,
        duration_us,
        bytes: 1_000,
        independent: true,
        pictures: 150,
        crc32: None,
    };
    let segments = [
        segment(0, 0, 6_006_129, Some(1_790_932_360_118_000)),
        segment(1, 1, 7_200_000, Some(1_790_932_411_902_999)),
    ];
    let expected = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:8\n#EXT-X-PLAYLIST-TYPE:VOD\n\
        #EXT-X-MAP:URI=\"init-0.mp4\"\n#EXT-X-PROGRAM-DATE-TIME:2026-10-02T09:12:40.118Z\n#EXTINF:6.00612,\n0.mp4\n\
        #EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"init-1.mp4\"\n#EXT-X-PROGRAM-DATE-TIME:2026-10-02T09:13:31.902Z\n\
        #EXTINF:7.20000,\n1.mp4\n#EXT-X-ENDLIST\n";
    assert_eq!(media(PlaylistKind::Vod, 1, &segments), expected);
    assert_eq!(broken_rules(expected), []);
    let init = |number, level: &str, width| {
        Line::Init(InitEntry {
            number,
            bytes: 700,
            codecs: vec![format!("avc1.42e0{level}"), "opus".into()],
            picture: Some(PictureEntry {
                width,
                height: width / 2,
            }),
            crc32: None,
        })
    };
    let mut lines = vec![
        init(0, "1f", 1_280),
        init(1, "15", 640),
        init(2, "33", 1_920),
    ];
    lines.extend(segments.map(Line::Segment));
    let journal = Journal {
        lines,
        ..Journal::default()
    };
    let expected = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n\
        #EXT-X-STREAM-INF:BANDWIDTH=1332,AVERAGE-BANDWIDTH=1212,CODECS=\"avc1.42e01f,opus\",RESOLUTION=1280x640,\
        FRAME-RATE=22.717\nhigh/playlist.m3u8\n";
    assert_eq!(multivariant(&journal, "high").unwrap(), expected);
    assert_eq!(multivariant(&Journal::default(), "high"), None);
}

#[test]
fn every_state_of_a_recording_has_a_good_playlist() {
    let journal = journal();
    let all: Vec<_> = journal.segments().collect();
    assert!(all.len() >= 5);
    for count in 1..=all.len() {
        for kind in [PlaylistKind::Event, PlaylistKind::Vod] {
            let text = media(kind, event_target_seconds(6), all[..count].iter().copied());
            assert_eq!(broken_rules(&text), [], "{text}");
        }
    }
    let empty = media(PlaylistKind::Vod, 1, []);
    assert_eq!(broken_rules(&empty), []);
}

#[test]
fn a_foreign_reader_reads_what_was_recorded() {
    let journal = journal();
    let text = media(PlaylistKind::Vod, 1, journal.segments().collect::<Vec<_>>());
    let read = m3u8_rs::parse_media_playlist_res(text.as_bytes()).unwrap();
    assert_eq!(read.version, Some(7));
    assert!(read.end_list);
    assert_eq!(read.playlist_type, Some(m3u8_rs::MediaPlaylistType::Vod));
    assert_eq!(read.segments.len(), journal.segments().count());
    for (found, entry) in read.segments.iter().zip(journal.segments()) {
        assert_eq!(found.uri, format!("{}.mp4", entry.number));
        assert!((f64::from(found.duration) - entry.duration_us as f64 / 1e6).abs() < 1e-4);
        assert_eq!(found.discontinuity, entry.discontinuity);
        let time = found.program_date_time.map(|time| time.timestamp_millis());
        assert_eq!(time, entry.program_date_time_us.map(|us| us / 1_000));
        assert_eq!(found.map.is_some(), entry.program_date_time_us.is_some());
        assert!(found.duration.ceil() <= read.target_duration as f32);
    }
    let text = multivariant(&journal, "high").unwrap();
    let read = m3u8_rs::parse_master_playlist_res(text.as_bytes()).unwrap();
    let variant = &read.variants[0];
    assert_eq!(variant.uri, "high/playlist.m3u8");
    assert_eq!(variant.codecs.as_deref(), Some("avc1.42c00b,opus"));
    assert_eq!(
        variant.resolution.map(|size| (size.width, size.height)),
        Some((320, 192))
    );
    let rate = variant.frame_rate.unwrap();
    assert!((29.0..30.1).contains(&rate), "{rate}");
    assert!(variant.average_bandwidth.unwrap() <= variant.bandwidth);
    assert!(
        (500_000..1_000_000).contains(&variant.bandwidth),
        "{}",
        variant.bandwidth
    );
}
