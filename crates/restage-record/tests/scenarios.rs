//! What a recording becomes when tracks, formats and publishers come and go.

mod rig;

use restage_codec::Codec;
use restage_record::{MediaTypes, Output, RecorderConfig, Resumed};
use rig::card::{self, Card};
use rig::checks::check;
use rig::path::Path;
use rig::reader::Recording;
use rig::run::{Player, Reports, Scene, config, differences};

/// A path without jitter, so that times are exact.
fn straight() -> Scene {
    Scene {
        path: Path {
            jitter_us: 0,
            ..Path::default()
        },
        ..Scene::default()
    }
}

fn with_card(card: Card) -> Scene {
    Scene { card, ..straight() }
}

fn play(scene: Scene, config: RecorderConfig, seconds: f64) -> Recording {
    let mut player = Player::new(scene, config);
    player.play_to(seconds);
    let recording = player.finish();
    check(&recording);
    recording
}

const H264: &str = "avc1.42c00b";
/// What stands where no pictures come.
const BLACK: &str = "avc1.42c01e";

#[test]
fn segments_begin_with_key_frames_that_are_asked_for_when_the_target_is_reached() {
    let recording = play(straight(), config(), 20.0);
    assert_eq!(recording.codecs(), [[H264, "opus"]]);
    let lengths = recording.lengths();
    assert_eq!(lengths.len(), 4, "{lengths:?}");
    assert!(
        lengths[..3]
            .iter()
            .all(|length| (6.0..6.4).contains(length)),
        "{lengths:?}"
    );
    assert!(
        recording
            .segments()
            .all(|segment| segment.entry.independent)
    );
    assert_eq!(recording.video.len(), 599, "every picture is there");
    let first = recording
        .segments()
        .next()
        .unwrap()
        .entry
        .program_date_time_us
        .unwrap();
    // Captured at 0, sent 20 ms later, 40 ms on the way.
    assert_eq!(first, 1_790_932_360_060_000);
}

#[test]
fn regular_key_frames_are_used() {
    let card = Card {
        key_every: 60,
        ..Card::default()
    };
    let recording = play(with_card(card), config(), 20.0);
    assert_eq!(recording.lengths(), [6.0, 6.0, 6.0, 2.0]);
    let asked = recording
        .outputs
        .iter()
        .filter(|output| **output == Output::WantKeyFrame)
        .count();
    assert!(asked <= 1, "{asked}");
}

#[test]
fn sound_alone_is_cut_by_time() {
    let card = Card {
        has_video: false,
        ..Card::default()
    };
    let recording = play(with_card(card), config(), 20.0);
    assert_eq!(recording.codecs(), [["opus"]]);
    // The last 40 ms are on their way.
    assert_eq!(recording.lengths(), [6.0, 6.0, 6.0, 1.9]);
}

#[test]
fn pictures_alone_are_recorded_as_long_as_they_were_shown() {
    let card = Card {
        has_audio: false,
        ..Card::default()
    };
    let recording = play(with_card(card), config(), 20.0);
    assert_eq!(recording.codecs(), [[H264]]);
    let length: f64 = recording.lengths().iter().sum();
    assert!((19.9..20.0).contains(&length), "{length}");
}

#[test]
fn sound_can_be_recorded_without_the_pictures() {
    let audio_only = RecorderConfig {
        media_types: MediaTypes::AudioOnly,
        ..config()
    };
    let recording = play(straight(), audio_only, 13.0);
    assert_eq!(recording.codecs(), [["opus"]]);
    assert!(!recording.outputs.contains(&Output::WantKeyFrame));
}

#[test]
fn thumbnails_need_no_segments() {
    let none = RecorderConfig {
        media_types: MediaTypes::None,
        ..config()
    };
    let mut player = Player::new(straight(), none);
    player.play_to(3.0);
    player.recorder.want_picture(player.now_us());
    player.collect();
    player.play_to(5.0);
    let recording = player.finish();
    assert_eq!(
        (recording.inits().count(), recording.segments().count()),
        (0, 0)
    );
    let pictures = recording.outputs.iter().filter_map(|output| match output {
        Output::Picture(picture) => Some(picture),
        _ => None,
    });
    let pictures: Vec<_> = pictures.collect();
    assert_eq!(pictures.len(), 1);
    assert!(recording.outputs.contains(&Output::WantKeyFrame));
    assert!(
        pictures[0].bytes.starts_with(&[0, 0, 0, 1, 0x67]),
        "parameter sets first"
    );
    assert_eq!(pictures[0].codec, Codec::H264);
}

#[test]
fn pictures_that_come_later_begin_another_init() {
    let mut player = Player::new(straight(), config());
    player.mute_video = true;
    player.play_to(8.0);
    player.mute_video = false;
    player.play_to(16.0);
    let recording = player.finish();
    check(&recording);
    assert_eq!(recording.codecs(), [vec!["opus"], vec![H264, "opus"]]);
    assert_eq!(recording.discontinuities(), 1);
    let silent = recording
        .audio
        .iter()
        .filter(|sample| sample.data[1..] == [0xff, 0xfe]);
    assert_eq!(recording.audio.len(), 800, "16 s without a hole");
    assert!(
        silent.count() <= 3,
        "no more than what comes after its pictures is lost"
    );
    assert!(
        differences(&recording)
            .iter()
            .all(|difference| difference.abs() < 22.0)
    );
}

#[test]
fn sound_that_comes_later_begins_another_init_at_a_key_frame() {
    let mut player = Player::new(straight(), config());
    player.mute_audio = true;
    player.play_to(8.0);
    player.mute_audio = false;
    player.play_to(16.0);
    let recording = player.finish();
    check(&recording);
    assert_eq!(recording.codecs(), [vec![H264], vec![H264, "opus"]]);
    assert_eq!(recording.video.len(), 479, "no picture is lost");
    let length: f64 = recording.lengths().iter().sum();
    assert!((15.9..16.1).contains(&length), "{length}");
}

#[test]
fn a_camera_that_is_off_leaves_the_sound_with_black_pictures() {
    let mut player = Player::new(straight(), config());
    player.play_to(4.0);
    player.mute_video = true;
    player.play_to(10.0);
    player.mute_video = false;
    player.play_to(14.0);
    let recording = player.finish();
    check(&recording);
    assert_eq!(
        recording.codecs(),
        [[H264, "opus"], [BLACK, "opus"], [H264, "opus"]]
    );
    let shown: Vec<bool> = recording
        .inits()
        .map(|init| init.entry.picture.is_some())
        .collect();
    assert_eq!(shown, [true, false, true]);
    let length: f64 = recording.lengths().iter().sum();
    assert!((13.9..14.1).contains(&length), "{length}");
    let beeps = recording
        .audio
        .iter()
        .filter(|sample| card::beep_of(&sample.data).is_some());
    assert!(beeps.count() >= 13);
}

#[test]
fn a_microphone_that_is_off_leaves_silence_of_the_same_length() {
    let mut player = Player::new(straight(), config());
    player.play_to(4.0);
    player.mute_audio = true;
    player.play_to(11.0);
    player.mute_audio = false;
    player.play_to(16.0);
    let recording = player.finish();
    check(&recording);
    assert_eq!(
        (recording.inits().count(), recording.discontinuities()),
        (1, 0)
    );
    let sound: f64 = recording
        .audio
        .iter()
        .map(|sample| sample.duration_us)
        .sum();
    assert!((15.9e6..16.05e6).contains(&sound), "{sound}");
    assert!(
        differences(&recording)
            .iter()
            .all(|difference| difference.abs() < 3.0)
    );
}

#[test]
fn a_short_outage_is_bridged_and_a_long_one_is_a_discontinuity() {
    for (seconds, discontinuities) in [(1.0, 0), (5.0, 1)] {
        let mut player = Player::new(straight(), config());
        player.play_to(4.0);
        (player.mute_audio, player.mute_video) = (true, true);
        player.play_to(4.0 + seconds);
        (player.mute_audio, player.mute_video) = (false, false);
        player.play_to(14.0);
        let recording = player.finish();
        check(&recording);
        assert_eq!(recording.discontinuities(), discontinuities, "{seconds} s");
        assert!(
            differences(&recording)
                .iter()
                .all(|difference| difference.abs() < 22.0)
        );
        check_dates(&recording);
    }
}

#[test]
fn a_publisher_that_freezes_leaves_a_segment() {
    let mut player = Player::new(straight(), config());
    player.play_to(4.0);
    (player.mute_audio, player.mute_video) = (true, true);
    player.play_to(6.9);
    assert_eq!(player.recording.segments().count(), 0);
    player.play_to(7.4);
    assert_eq!(player.recording.segments().count(), 1);
    assert_eq!(player.recorder.buffered_bytes(), 0);
}

/// Every beep is at the time at which it was, by the date of its run. In a run, beeps keep their distance.
fn check_dates(recording: &Recording) {
    for sample in &recording.audio {
        let Some((second, offset)) = card::beep_of(&sample.data) else {
            continue;
        };
        let run = recording.segments().filter(|segment| {
            segment.entry.number <= sample.segment && segment.entry.program_date_time_us.is_some()
        });
        let run = run.last().unwrap();
        let of_run = |other: &&rig::reader::Sample| other.segment == run.entry.number;
        let all = recording
            .video
            .iter()
            .chain(&recording.audio)
            .filter(of_run);
        let begin = all.map(|sample| sample.at_us).fold(f64::MAX, f64::min);
        let at = sample.at_us + offset as f64 * 1e6 / 48_000.0 - begin;
        let utc = run.entry.program_date_time_us.unwrap() as f64 + at;
        let expected = (1_790_932_360_060_000 + second * 1_000_000) as f64;
        let error = (utc - expected) / 1_000.0;
        assert!(error.abs() < 25.0, "second {second} is {error} ms off");
    }
}

#[test]
fn a_pause_is_a_discontinuity_and_its_media_is_left_out() {
    let mut player = Player::new(straight(), config());
    player.play_to(4.0);
    player.recorder.pause(player.now_us());
    player.play_to(9.5);
    player.recorder.resume(player.now_us());
    player.play_to(14.0);
    let recording = player.finish();
    check(&recording);
    assert_eq!(recording.discontinuities(), 1);
    let seconds = recording
        .audio
        .iter()
        .filter_map(|sample| Some(card::beep_of(&sample.data)?.0));
    let seconds: Vec<u64> = seconds.collect();
    assert!(
        seconds.iter().all(|second| *second <= 4 || *second >= 9),
        "{seconds:?}"
    );
    let length: f64 = recording.lengths().iter().sum();
    assert!((8.0..8.7).contains(&length), "{length}");
    check_dates(&recording);
}

#[test]
fn numbers_and_times_go_on_after_a_restart() {
    let resumed = Resumed {
        next_segment: 7,
        next_init: 2,
        duration_us: 40_000_000,
        ..Resumed::default()
    };
    let going_on = RecorderConfig {
        resumed: Some(resumed),
        ..config()
    };
    let mut player = Player::new(straight(), going_on);
    player.play_to(8.0);
    let duration = {
        player.recorder.finish(player.now_us());
        player.recorder.duration_us()
    };
    let recording = player.finish();
    check(&recording);
    let first = &recording.segments().next().unwrap().entry;
    assert_eq!(
        (first.number, first.init, first.discontinuity),
        (7, 2, true)
    );
    assert!((recording.audio[0].at_us - 40e6).abs() < 25_000.0);
    assert!((47_800_000..48_000_000).contains(&duration), "{duration}");
}

#[test]
fn what_goes_on_is_dated_no_earlier_than_the_end_of_what_was_there() {
    let date_after = |end_us| {
        let resumed = Resumed {
            next_segment: 1,
            next_init: 1,
            duration_us: 6_000_000,
            end_us,
            ..Resumed::default()
        };
        let going_on = RecorderConfig {
            resumed: Some(resumed),
            ..config()
        };
        let mut player = Player::new(straight(), going_on);
        player.play_to(8.0);
        let recording = player.finish();
        let first = recording.segments().next().unwrap();
        first.entry.program_date_time_us.unwrap()
    };
    let own = date_after(None);
    assert_eq!(date_after(Some(own - 400_000)), own);
    assert_eq!(date_after(Some(own + 31_000)), own + 31_000);
}

#[test]
fn another_publication_goes_on_behind_a_discontinuity() {
    let mut player = Player::new(straight(), config());
    player.play_to(4.0);
    player.recorder.source_gone(player.now_us());
    player.collect();
    player.play_to(8.0);
    let recording = player.finish();
    check(&recording);
    assert_eq!(recording.discontinuities(), 1);
}

#[test]
fn without_key_frames_segments_end_at_twice_the_target() {
    // Requests take longer than the scene.
    let mut player = Player::new(straight(), config());
    player.play_to(5.0);
    player.is_deaf = true;
    player.play_to(32.0);
    let recording = player.finish();
    check(&recording);
    let lengths = recording.lengths();
    assert_eq!(lengths[..2], [12.0, 12.0], "{lengths:?}");
    let independent = recording
        .segments()
        .map(|segment| segment.entry.independent);
    assert_eq!(independent.collect::<Vec<_>>(), [true, false, false]);
    let asked = recording
        .outputs
        .iter()
        .filter(|output| **output == Output::WantKeyFrame)
        .count();
    assert!((12..=22).contains(&asked), "once a second: {asked}");
}

#[test]
fn people_are_told_of_reports_that_lack_or_lie() {
    let notes = |reports| {
        let scene = Scene {
            reports,
            ..straight()
        };
        let recording = play(scene, config(), 25.0);
        recording.notes().join(" ")
    };
    assert_eq!(notes(Reports::True), "");
    assert!(notes(Reports::Missing).contains("no sender reports"));
    assert!(notes(Reports::VideoOff(300_000)).contains("contradict the arrival"));
    // An encoder has sent no reports, and is not blamed for any.
    assert_eq!(notes(Reports::VideoOffInIngest(0)), "");
    let of_ingest = notes(Reports::VideoOffInIngest(300_000));
    assert!(
        of_ingest.contains("170 ms apart") && !of_ingest.contains("eports"),
        "{of_ingest}"
    );
}

#[test]
fn little_is_held_in_memory() {
    let mut player = Player::new(Scene::default(), config());
    let mut most = 0;
    for step in 1..200 {
        player.play_to(f64::from(step) / 10.0);
        most = most.max(player.recorder.buffered_bytes());
    }
    // 30 pictures of 2.5 kB in a second, for 6 s and what waits.
    assert!(most < 1_000_000, "{most}");
}
