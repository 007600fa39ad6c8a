//! Segments whose journal is lost say by themselves how long they are and which of them share an init.

mod rig;

use restage_codec::Codec;
use restage_record::journal::SegmentEntry;
use restage_record::playlist::{
    ListEnd, PlaylistKind, Unlisted, broken_rules, close_with, entries, media, playlists_of,
};
use restage_record::{RecorderConfig, Segment, SegmentTimes};
use rig::reader::Recording;
use rig::run::{Player, Scene, config};

const BOTH: [Codec; 2] = [Codec::Opus, Codec::H264];
/// How far a length may be off: sound and pictures end one after the other.
const OFF_US: u64 = 30_000;

fn player(target_s: u32) -> Player {
    let short = RecorderConfig {
        segment_seconds: target_s,
        ..config()
    };
    let mut player = Player::new(Scene::default(), short);
    player.recorder.expect(BOTH);
    player
}

/// Recordings with one run and with several.
fn recordings() -> Vec<Recording> {
    let mut whole = player(2);
    whole.play_to(15.0);
    let mut camera = player(2);
    for round in 1..=5 {
        camera.mute_video = round % 2 == 0;
        camera.play_to(f64::from(round) * 5.3);
    }
    let mut pauses = player(3);
    for round in 1..=4 {
        pauses.play_to(f64::from(round) * 7.0 - 1.5);
        pauses.recorder.pause(pauses.now_us());
        pauses.play_to(f64::from(round) * 7.0);
        pauses.recorder.resume(pauses.now_us());
    }
    [whole, camera, pauses].map(Player::finish).into()
}

fn unlisted(segment: &Segment) -> Unlisted {
    Unlisted {
        number: segment.entry.number,
        bytes: segment.entry.bytes,
        times: SegmentTimes::read(&segment.bytes).expect("it is a segment"),
    }
}

/// What counts of an entry, and its length.
fn of(entry: &SegmentEntry) -> ((u64, u64, bool, u64), u64) {
    let said = (entry.number, entry.init, entry.discontinuity, entry.bytes);
    (said, entry.duration_us)
}

fn assert_alike(found: &[SegmentEntry], expected: &[&SegmentEntry]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        let ((found, length), (expected, right)) = (of(found), of(expected));
        assert_eq!(found, expected);
        assert!(
            length.abs_diff(right) < OFF_US,
            "{found:?}: {length}, not {right}"
        );
    }
}

#[test]
fn segments_are_listed_from_wherever_the_playlist_ends() {
    for recording in recordings() {
        let all: Vec<&Segment> = recording.segments().collect();
        let truth: Vec<&SegmentEntry> = all.iter().map(|segment| &segment.entry).collect();
        let runs = recording.inits().count() as u64;
        assert!(all.len() > 4);
        for listed in 0..=all.len() {
            let text = media(PlaylistKind::Event, 10, truth[..listed].iter().copied());
            let end = match listed {
                0 => ListEnd {
                    date_us: truth[0].program_date_time_us,
                    ..ListEnd::default()
                },
                _ => ListEnd::read(&text),
            };
            let rest: Vec<Unlisted> = all[listed..].iter().map(|one| unlisted(one)).collect();
            let found = entries(end, &rest);
            assert_alike(&found, &truth[listed..]);
            if listed > 0 {
                let closed = close_with(&text, &found).unwrap();
                assert_eq!(broken_rules(&closed.text), [], "{}", closed.text);
                let right: u64 = truth.iter().map(|entry| entry.duration_us).sum();
                assert!(closed.duration_us.abs_diff(right) < OFF_US * runs);
                assert_eq!(close_with(&closed.text, &[]), Some(closed));
            }
        }
    }
}

#[test]
fn a_hole_is_a_discontinuity() {
    let recording = recordings().remove(1);
    let all: Vec<&Segment> = recording.segments().collect();
    let mut rest: Vec<Unlisted> = all.iter().map(|one| unlisted(one)).collect();
    rest.remove(1);
    let found = entries(ListEnd::default(), &rest);
    let said = |entry: &SegmentEntry| (entry.number, entry.init, entry.discontinuity);
    assert_eq!(said(&found[0]), (0, 0, false));
    assert_eq!(said(&found[1]), (2, all[2].entry.init, true));
    let (_, multivariant) = playlists_of(&found, "high").unwrap();
    assert!(multivariant.contains("BANDWIDTH=") && !multivariant.contains("CODECS"));
}
