//! Publishers whose parameters, encoders or timestamps change again and again: a recording has few files of them, and says why.

mod rig;

use restage_codec::Codec;
use restage_record::limits::{CHANGES_MAX, CHANGES_WINDOW_US};
use restage_record::{MediaTypes, Output, RecorderConfig, Resumed, Tracks};
use rig::checks::check;
use rig::path::Path;
use rig::reader::Recording;
use rig::run::{Player, Reports, Scene, config};

const H264: &str = "avc1.42c00b";
const BOTH: [Codec; 2] = [Codec::Opus, Codec::H264];

fn player_of(config: RecorderConfig, reports: Reports) -> Player {
    let path = Path {
        jitter_us: 0,
        ..Path::default()
    };
    let scene = Scene {
        path,
        reports,
        ..Scene::default()
    };
    let mut player = Player::new(scene, config);
    player.recorder.expect(BOTH);
    player
}

fn player() -> Player {
    player_of(config(), Reports::True)
}

fn finish(player: Player) -> Recording {
    let recording = player.finish();
    check(&recording);
    recording
}

/// Seconds of sound that was sent.
fn sound(recording: &Recording) -> f64 {
    let samples = recording.audio.iter();
    let sent = samples.filter(|sample| sample.data[1..] != [0xff, 0xfe]);
    sent.map(|sample| sample.duration_us / 1e6).sum()
}

fn last_is_shown(recording: &Recording) -> bool {
    let last = recording.inits().last();
    last.is_some_and(|init| init.entry.picture.is_some())
}

#[test]
fn pictures_whose_parameters_change_all_the_time_are_left_out_until_they_stay() {
    let mut player = player();
    player.changes_size = true;
    player.play_to(14.0);
    let inits = player.recording.inits().count();
    assert!(inits <= CHANGES_MAX + 2, "{inits} inits");
    player.changes_size = false;
    player.play_to(30.0);
    let recording = finish(player);
    let notes = recording.notes().join(" ");
    assert!(notes.contains("parameters"), "{notes}");
    let inits = recording.inits().count();
    assert!(inits <= CHANGES_MAX + 3, "{inits} inits");
    assert!(last_is_shown(&recording), "they are recorded again");
    let shown = recording.inits().last().unwrap().entry.number;
    let length: u64 = recording
        .segments()
        .filter(|segment| segment.entry.init == shown)
        .map(|segment| segment.entry.duration_us)
        .sum();
    assert!(
        length > 9_000_000,
        "from five seconds after the last change on: {length}"
    );
    assert!(sound(&recording) > 29.5, "{}", sound(&recording));
}

#[test]
fn pictures_without_sound_whose_parameters_change_are_bounded_as_well() {
    let mut player = player();
    player.mute_audio = true;
    player.changes_size = true;
    player.play_to(20.0);
    player.changes_size = false;
    player.play_to(35.0);
    let recording = finish(player);
    let inits = recording.inits().count();
    assert!(inits <= CHANGES_MAX + 2, "{inits} inits");
    assert!(last_is_shown(&recording));
}

#[test]
fn some_changes_are_followed() {
    let mut player = player();
    for step in 1..=8 {
        player.changes_size = step % 2 == 1;
        // One picture, then more than a second without a change.
        let seconds = f64::from(step / 2) * 1.5 + if step % 2 == 1 { 0.034 } else { 0.0 };
        player.play_to(seconds);
    }
    player.play_to(12.0);
    let recording = finish(player);
    assert!(recording.notes().is_empty(), "{:?}", recording.notes());
}

#[test]
fn sound_of_another_encoder_in_each_packet_is_left_out_until_it_stays() {
    let mut player = player();
    player.changes_encoder = true;
    player.play_to(14.0);
    player.changes_encoder = false;
    player.play_to(30.0);
    let recording = finish(player);
    let inits = recording.inits().count();
    assert!(inits <= CHANGES_MAX + 4, "{inits} inits");
    assert!(sound(&recording) > 9.0, "{}", sound(&recording));
    let notes = recording.notes().join(" ");
    assert!(notes.contains("sound"), "{notes}");
}

#[test]
fn timestamps_that_are_anything_are_what_people_are_told_of() {
    let mut player = player();
    player.play_to(6.0);
    player.has_random_sound = true;
    player.play_to(30.0);
    let recording = finish(player);
    let notes = recording.notes().join(" ");
    assert!(notes.contains("Timestamps of the sound"), "{notes}");
    assert!(!notes.contains("sender reports"), "{notes}");
}

#[test]
fn a_clock_that_begins_again_does_not_make_sender_reports_missing() {
    let mut player = player();
    player.play_to(20.0);
    player.audio_encoding += 1;
    player.play_to(24.0);
    let recording = finish(player);
    assert!(recording.notes().is_empty(), "{:?}", recording.notes());
}

#[test]
fn reports_are_awaited_from_the_first_packet_of_each_kind_on() {
    let mut player = player();
    player.mute_video = true;
    player.play_to(18.0);
    player.mute_video = false;
    player.play_to(24.0);
    let recording = finish(player);
    assert!(recording.notes().is_empty(), "{:?}", recording.notes());
}

/// The publisher leaves, and comes back with pictures of another codec.
fn come_back_with_vp9(player: &mut Player, at: f64) {
    player.recorder.source_gone(player.now_us());
    player.collect();
    (player.mute_audio, player.mute_video) = (true, true);
    player.play_to(at);
    player.recorder.expect([Codec::Opus, Codec::Vp9]);
    (player.mute_audio, player.mute_video) = (false, false);
    player.audio_encoding += 1;
    player.video_codec = Codec::Vp9;
}

#[test]
fn pictures_of_another_codec_than_the_first_are_left_out() {
    let mut player = player();
    player.play_to(8.0);
    come_back_with_vp9(&mut player, 10.0);
    player.play_to(20.0);
    let recording = finish(player);
    let codecs = recording.codecs();
    assert!(
        codecs.iter().all(|names| names[0].starts_with("avc1")),
        "{codecs:?}"
    );
    assert_eq!(codecs[0], [H264, "opus"]);
    assert!(sound(&recording) > 17.5, "{}", sound(&recording));
    let told = |output: &&Output| {
        let (codec, began_with) = (Codec::Vp9, Some(Codec::H264));
        **output == Output::Refused { codec, began_with }
    };
    assert_eq!(recording.outputs.iter().filter(told).count(), 1);
}

#[test]
fn a_recording_that_goes_on_knows_the_codec_it_began_with() {
    let resumed = Resumed {
        next_segment: 3,
        next_init: 1,
        duration_us: 18_000_000,
        tracks: Tracks {
            sound: true,
            pictures: Some(Codec::Vp9),
        },
        shown: Some(Codec::Vp9),
        ..Resumed::default()
    };
    let going_on = RecorderConfig {
        resumed: Some(resumed),
        ..config()
    };
    let mut player = player_of(going_on, Reports::True);
    player.play_to(14.0);
    let recording = finish(player);
    assert!(recording.inits().all(|init| init.entry.picture.is_none()));
    assert!(
        recording
            .inits()
            .all(|init| init.entry.codecs[0].starts_with("vp09"))
    );
    assert!(sound(&recording) > 13.5);
}

#[test]
fn where_only_black_was_recorded_the_first_pictures_decide() {
    let mut player = player();
    player.mute_video = true;
    player.play_to(8.0);
    player.video_codec = Codec::Vp9;
    player.mute_video = false;
    player.play_to(10.0);
    let refused = |output: &Output| matches!(output, Output::Refused { .. });
    let recording = finish(player);
    assert!(!recording.outputs.iter().any(refused));
}

#[test]
fn thumbnails_alone_know_no_first_codec() {
    let thumbnails = RecorderConfig {
        media_types: MediaTypes::None,
        ..config()
    };
    let mut player = player_of(thumbnails, Reports::True);
    player.play_to(4.0);
    player.video_codec = Codec::H265;
    player.play_to(8.0);
    let refused = |output: &Output| matches!(output, Output::Refused { .. });
    assert!(!player.recording.outputs.iter().any(refused));
}

const _: () = assert!(CHANGES_WINDOW_US >= 1_000_000);
