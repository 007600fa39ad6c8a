//! The tracks of a recording are there from its beginning, whatever the publisher sends first: players take them from the first init.

mod rig;

use restage_codec::Codec;
use restage_record::limits::RECORDER_BYTES_MAX;
use restage_record::{Recorder, RecorderConfig, Resumed, Tracks};
use rig::checks::check;
use rig::path::Path;
use rig::reader::Recording;
use rig::run::{Player, Scene, config, differences};

const H264: &str = "avc1.42c00b";
/// Black pictures.
const BLACK: &str = "avc1.42c01e";
const BOTH: [Codec; 4] = [Codec::Opus, Codec::Vp8, Codec::H264, Codec::Vp9];

/// A publisher who may send both kinds, on a path without jitter.
fn player() -> Player {
    let path = Path {
        jitter_us: 0,
        ..Path::default()
    };
    let mut player = Player::new(
        Scene {
            path,
            ..Scene::default()
        },
        config(),
    );
    player.recorder.expect(BOTH);
    player
}

fn finish(player: Player) -> Recording {
    let recording = player.finish();
    check(&recording);
    recording
}

/// Seconds of sound, and of silence that stands for sound.
fn sound_and_silence(recording: &Recording) -> (f64, f64) {
    let seconds = |is_silent: bool| -> f64 {
        let samples = recording.audio.iter();
        let of_kind = samples.filter(|sample| (sample.data[1..] == [0xff, 0xfe]) == is_silent);
        of_kind.map(|sample| sample.duration_us / 1e6).sum()
    };
    (seconds(false), seconds(true))
}

fn shown(recording: &Recording) -> Vec<bool> {
    recording
        .inits()
        .map(|init| init.entry.picture.is_some())
        .collect()
}

#[test]
fn pictures_that_come_soon_are_waited_for_and_no_sound_is_lost() {
    for seconds in [0.3, 1.0, 4.0] {
        let mut player = player();
        player.mute_video = true;
        player.play_to(seconds);
        player.mute_video = false;
        player.play_to(16.0);
        let recording = finish(player);
        assert_eq!(recording.codecs(), [[H264, "opus"]], "{seconds}");
        let (sound, silence) = sound_and_silence(&recording);
        assert!(
            sound > 15.85 && silence < 0.05,
            "{seconds}: {sound} {silence}"
        );
        let (first, second) = (&recording.video[0], &recording.video[1]);
        assert_eq!(first.at_us, 0.0, "it is shown from the beginning");
        assert!((second.at_us / 1e6 - seconds).abs() < 0.1, "{seconds}");
        assert!(
            differences(&recording)
                .iter()
                .all(|difference| difference.abs() < 22.0)
        );
        assert!(
            recording
                .segments()
                .all(|segment| segment.entry.independent)
        );
    }
}

#[test]
fn segments_keep_their_length_while_pictures_are_waited_for() {
    let short = RecorderConfig {
        segment_seconds: 2,
        ..config()
    };
    let mut player = Player::new(Scene::default(), short);
    player.recorder.expect(BOTH);
    player.mute_video = true;
    player.play_to(4.5);
    player.mute_video = false;
    player.play_to(12.0);
    let recording = finish(player);
    assert_eq!(recording.codecs(), [[H264, "opus"]]);
    let lengths = recording.lengths();
    assert!(lengths.iter().all(|length| *length < 4.1), "{lengths:?}");
    assert!(
        recording
            .segments()
            .all(|segment| segment.entry.independent)
    );
}

#[test]
fn pictures_that_come_late_follow_black_ones() {
    let mut player = player();
    player.mute_video = true;
    player.play_to(20.0);
    player.mute_video = false;
    player.play_to(30.0);
    let recording = finish(player);
    assert_eq!(recording.codecs(), [[BLACK, "opus"], [H264, "opus"]]);
    assert_eq!(shown(&recording), [false, true]);
    let (sound, silence) = sound_and_silence(&recording);
    assert!(sound > 29.8 && silence < 0.1, "{sound} {silence}");
    let lengths = recording.lengths();
    assert_eq!(lengths[..3], [6.0, 6.0, 6.0], "{lengths:?}");
    assert!(
        recording
            .segments()
            .all(|segment| segment.entry.independent)
    );
    let black = recording
        .segments()
        .take(3)
        .map(|segment| segment.entry.pictures);
    assert!(
        black.eq([0, 0, 0]),
        "no picture of the publisher is in them"
    );
    let gap = recording.video[0].at_us.max(recording.audio[0].at_us);
    assert_eq!(gap, 0.0, "both tracks begin at once");
}

#[test]
fn a_camera_goes_off_and_on_again_and_again() {
    let mut player = player();
    for round in 1..=4 {
        player.mute_video = round % 2 == 0;
        player.play_to(f64::from(round) * 7.0);
    }
    let recording = finish(player);
    assert_eq!(shown(&recording), [true, false, true, false]);
    let (sound, silence) = sound_and_silence(&recording);
    assert!(sound > 27.8 && silence < 0.2, "{sound} {silence}");
}

#[test]
fn sound_that_may_come_later_is_silent_until_then() {
    let mut player = player();
    player.mute_audio = true;
    player.play_to(8.0);
    player.mute_audio = false;
    player.play_to(16.0);
    let recording = finish(player);
    assert_eq!(recording.codecs(), [[H264, "opus"]]);
    assert_eq!(recording.video.len(), 479, "no picture is lost");
    let (sound, silence) = sound_and_silence(&recording);
    assert!(sound > 7.8, "{sound}");
    assert!(
        (15.8..16.1).contains(&(sound + silence)),
        "{sound} {silence}"
    );
    assert!(
        differences(&recording)
            .iter()
            .all(|difference| difference.abs() < 22.0)
    );
}

#[test]
fn sound_that_never_comes_is_silence_up_to_the_end() {
    let mut player = player();
    player.mute_audio = true;
    player.play_to(9.0);
    let recording = finish(player);
    let (sound, silence) = sound_and_silence(&recording);
    let length: f64 = recording.lengths().iter().sum();
    assert_eq!(sound, 0.0);
    assert!((silence - length).abs() < 0.15, "{silence} of {length}");
}

#[test]
fn a_recording_that_goes_on_keeps_its_tracks() {
    let resumed = Resumed {
        next_segment: 3,
        next_init: 1,
        duration_us: 18_000_000,
        tracks: Tracks {
            sound: true,
            pictures: Some(Codec::H264),
        },
        ..Resumed::default()
    };
    let going_on = RecorderConfig {
        resumed: Some(resumed),
        ..config()
    };
    let mut player = Player::new(Scene::default(), going_on);
    player.recorder.expect([Codec::Opus]);
    player.mute_video = true;
    player.play_to(14.0);
    let recording = finish(player);
    assert_eq!(recording.codecs(), [[BLACK, "opus"]]);
    let (sound, _) = sound_and_silence(&recording);
    assert!(sound > 13.8, "{sound}");
}

/// A recording that another publication may continue, in which this one sends these kinds first.
fn may_return(first: [Codec; 1]) -> Player {
    let joined = RecorderConfig {
        may_return: true,
        ..config()
    };
    let mut player = Player::new(Scene::default(), joined);
    player.recorder.expect(first);
    player.mute_video = first == [Codec::Opus];
    player.mute_audio = !player.mute_video;
    player
}

/// The publisher is away for two seconds, and comes back with both kinds.
fn come_back(player: &mut Player, codecs: [Codec; 2]) {
    (player.mute_audio, player.mute_video) = (true, true);
    let at = |player: &Player| player.at_us as f64 / 1e6;
    // Nothing is on its way any more.
    player.play_to(at(player) + 1.0);
    player.recorder.source_gone(player.now_us());
    player.collect();
    player.play_to(at(player) + 1.0);
    player.recorder.expect(codecs);
    (player.mute_audio, player.mute_video) = (false, false);
    player.audio_encoding += 1;
}

#[test]
fn who_comes_back_with_pictures_finds_a_track_for_them() {
    let mut player = may_return([Codec::Opus]);
    player.play_to(8.0);
    assert!(
        player.recording.segments().count() > 0,
        "no picture is waited for, as none is offered"
    );
    come_back(&mut player, [Codec::Opus, Codec::H264]);
    player.play_to(20.0);
    let recording = finish(player);
    assert_eq!(recording.codecs(), [[BLACK, "opus"], [H264, "opus"]]);
    assert_eq!(shown(&recording), [false, true]);
    let (sound, silence) = sound_and_silence(&recording);
    assert!(sound > 17.5 && silence < 0.2, "{sound} {silence}");
    let gaps: Vec<f64> = differences(&recording);
    assert!(
        gaps.len() > 5 && gaps.iter().all(|gap| gap.abs() < 22.0),
        "{gaps:?}"
    );
}

#[test]
fn who_comes_back_with_sound_finds_a_track_for_it() {
    let mut player = may_return([Codec::H264]);
    player.play_to(8.0);
    come_back(&mut player, [Codec::Opus, Codec::H264]);
    player.play_to(20.0);
    let recording = finish(player);
    assert_eq!(recording.codecs(), [[H264, "opus"], [H264, "opus"]]);
    let (sound, silence) = sound_and_silence(&recording);
    assert!(sound > 9.5 && silence > 7.5, "{sound} {silence}");
}

#[test]
fn tracks_are_added_to_no_recording_that_has_begun_without_them() {
    for (next_init, codecs) in [(1, vec!["opus"]), (0, vec![BLACK, "opus"])] {
        let going_on = RecorderConfig {
            may_return: true,
            resumed: Some(Resumed {
                next_segment: next_init,
                next_init,
                tracks: Tracks {
                    sound: next_init > 0,
                    pictures: None,
                },
                ..Resumed::default()
            }),
            ..config()
        };
        let mut player = Player::new(Scene::default(), going_on);
        player.recorder.expect([Codec::Opus]);
        player.mute_video = true;
        player.play_to(8.0);
        assert_eq!(finish(player).codecs(), [codecs], "{next_init}");
    }
}

#[test]
fn sound_on_another_clock_waits_for_pictures_and_a_scrap_of_it_is_left_out() {
    for (rest, parts) in [(0.2, 1), (8.0, 2)] {
        let mut player = player();
        player.play_to(8.0);
        player.audio_encoding = 9;
        player.mute_video = rest < 1.0;
        player.play_to(8.0 + rest);
        let recording = finish(player);
        assert_eq!(recording.inits().count(), parts, "{rest}");
        assert!(shown(&recording).iter().all(|is_shown| *is_shown), "{rest}");
        let (sound, silence) = sound_and_silence(&recording);
        assert!(
            sound > 7.8 + rest.floor() && silence < 0.1,
            "{rest}: {sound} {silence}"
        );
    }
}

#[test]
fn what_waits_for_pictures_is_bounded() {
    let mut recorder = Recorder::new(config());
    recorder.expect(BOTH);
    let mut most = 0;
    // 400 packets a second of 20 kB each, for four seconds: more than may wait.
    for number in 0..1_600_u64 {
        let at_us = 1_000_000 + number * 2_500;
        let mut packet = rig::card::Card::default().audio(number, number);
        packet.timestamp = number * 120;
        packet.arrived_us = at_us;
        let mut payload = vec![0x55; 20_000];
        // 2.5 ms (RFC 6716, configuration 28).
        payload[0] = 0xe0;
        packet.payload = payload.into();
        recorder.push(at_us, packet);
        most = most.max(recorder.buffered_bytes());
        while recorder.poll().is_some() {}
    }
    assert!(most > 8 << 20 && most < RECORDER_BYTES_MAX, "{most}");
    recorder.finish(6_000_000);
    let mut recording = Recording::default();
    recording.take(&mut recorder);
    assert!(
        recorder.duration_us() > 3_900_000,
        "{}",
        recorder.duration_us()
    );
}
