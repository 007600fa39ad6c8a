//! The service's rules, each with its code.

use std::time::Duration;

use restage_rtmp::{Refusal, RuleLimits, Rules};

use crate::publisher::*;

/// The first refusal of a stream whose messages `send` brings.
fn refusal(limits: RuleLimits, send: impl FnOnce(&mut Rig)) -> Option<Refusal> {
    let mut rig = Rig::publishing();
    let mut rules = Rules::new(rig.now, limits);
    send(&mut rig);
    let events = rig.take_events();
    events
        .iter()
        .find_map(|event| rules.check(rig.now, event).err())
}

fn code(limits: RuleLimits, send: impl FnOnce(&mut Rig)) -> Option<&'static str> {
    refusal(limits, send)?.code()
}

/// A sequence parameter set: profile 100, this chroma format and bits, so many macroblocks.
fn high_sps(chroma_format: u32, bits: u32, across: u32, down: u32) -> Vec<u8> {
    let mut text = String::new();
    let code = |value: u32| {
        let length = (value + 1).ilog2() as usize;
        format!("{}{:b}", "0".repeat(length), value + 1)
    };
    text += &code(0);
    text += &code(chroma_format);
    if chroma_format == 3 {
        text += "0";
    }
    text += &code(bits - 8);
    text += &code(bits - 8);
    // No lossless transform, no scaling matrix; frame numbers of 4 bits, order type 2, one reference, no gaps.
    text += "00";
    text += &[
        code(0),
        code(2),
        code(1),
        "0".into(),
        code(across - 1),
        code(down - 1),
    ]
    .concat();
    // Frames only, direct 8x8 inference, no crop, no annex E; the stop bit.
    text += "11001";
    while !text.len().is_multiple_of(8) {
        text += "0";
    }
    let body = text
        .as_bytes()
        .chunks(8)
        .map(|byte| byte.iter().fold(0, |byte, bit| byte << 1 | (bit - b'0')));
    [0x67, 100, 0, 40].into_iter().chain(body).collect()
}

#[test]
fn h264_only() {
    let aws = RuleLimits::AWS;
    let config = |sps: Vec<u8>| move |rig: &mut Rig| rig.video(0, &video_config(&sps));
    assert_eq!(refusal(aws, config(high_sps(1, 8, 80, 45))), None);
    for sps in [
        high_sps(1, 10, 80, 45),
        high_sps(2, 8, 80, 45),
        high_sps(3, 8, 80, 45),
    ] {
        assert_eq!(code(aws, config(sps)), Some("INVALID_VIDEO_CODEC"));
    }
    let other = refusal(RuleLimits::OPEN, |rig| rig.video(0, b"\x90hvc1"));
    let other = other.unwrap();
    assert_eq!(other.code(), Some("INVALID_VIDEO_CODEC"));
    assert!(
        other
            .to_string()
            .starts_with("the video is H.265; the only video codec is H.264")
    );
    assert_eq!(
        code(aws, |rig| rig.video(0, &[0x12, 0, 0])),
        Some("INVALID_VIDEO_CODEC")
    );
}

#[test]
fn aac_lc_only() {
    let code = |tag: &'static [u8]| code(RuleLimits::OPEN, |rig| rig.audio(0, tag));
    for fine in [&[0xaf, 0, 0x12, 0x10], &[0xaf, 0, 0x11, 0x88]] {
        assert_eq!(code(fine), None);
    }
    for codec in [
        &[0x2f, 1][..],
        b"\x90Opus",
        &[0xaf, 0, 0x2b, 0x11, 0x88, 0],
        &[0xaf, 0, 0x0a, 0x10],
    ] {
        assert_eq!(code(codec), Some("INVALID_AUDIO_CODEC"), "{codec:?}");
    }
    // 32 kHz, 5.1, no channels said, and frames of 960 samples.
    for input in [
        [0xaf, 0, 0x12, 0x90],
        [0xaf, 0, 0x11, 0xb0],
        [0xaf, 0, 0x11, 0x80],
        [0xaf, 0, 0x11, 0x94],
    ] {
        assert_eq!(
            code(Box::leak(Box::new(input))),
            Some("INVALID_INPUT"),
            "{input:?}"
        );
    }
}

#[test]
fn b_frames_show_by_their_order_and_by_their_slices() {
    let pictures = |pictures: &'static [(&[u8], i32)]| {
        refusal(RuleLimits::OPEN, move |rig| {
            rig.video(0, &video_config(SPS));
            for (time, (unit, composition)) in (0..).zip(pictures) {
                rig.video(time * 33, &picture(unit, *composition));
            }
        })
    };
    assert_eq!(pictures(&[(IDR, 0), (DELTA, 0), (DELTA, 0)]), None);
    // A delay that is the same for all, but for rounding.
    assert_eq!(pictures(&[(IDR, 66), (DELTA, 67), (DELTA, 66)]), None);
    assert_eq!(
        pictures(&[(IDR, 66), (DELTA, 133)]),
        Some(Refusal::BFramePresent)
    );
    assert_eq!(
        pictures(&[(IDR, 33), (DELTA, 0)]),
        Some(Refusal::BFramePresent)
    );
    assert_eq!(
        pictures(&[(IDR, 0), (BIDIRECTIONAL, 0)]),
        Some(Refusal::BFramePresent)
    );
}

#[test]
fn pictures_may_be_turned_and_not_larger() {
    let size = |limits, across, down| {
        code(limits, |rig: &mut Rig| {
            rig.video(0, &video_config(&high_sps(1, 8, across, down)));
        })
    };
    assert_eq!(size(RuleLimits::AWS, 80, 45), None);
    assert_eq!(size(RuleLimits::AWS, 45, 80), None);
    assert_eq!(size(RuleLimits::AWS, 80, 46), Some("RESOLUTION_EXCEEDED"));
    assert_eq!(size(RuleLimits::OPEN, 240, 135), None);
    // A stream that becomes larger by a parameter set of its own.
    let within = refusal(RuleLimits::AWS, |rig| {
        rig.set_chunk_bytes(1_000);
        rig.video(0, &video_config(SPS));
        let units = units(&[&high_sps(1, 8, 120, 68), PPS, IDR]);
        rig.video(0, &[&[0x17, 1, 0, 0, 0][..], &units].concat());
    });
    let words = within.unwrap().to_string();
    assert!(
        words.starts_with("the picture has 1920x1088 pixels; the most is 921600"),
        "{words}"
    );
}

#[test]
fn the_bitrate_of_all_tracks_counts() {
    let stream = |limits, bytes: usize| {
        refusal(limits, |rig: &mut Rig| {
            rig.set_chunk_bytes(60_000);
            rig.video(0, &video_config(SPS));
            rig.video(0, &[&b"\x96\x00avc1\x01"[..], &record(SPS)].concat());
            let unit = [DELTA, &vec![7; bytes]].concat();
            for time in (0..20_000).step_by(40) {
                rig.wait(Duration::from_millis(40));
                rig.video(time, &picture(&unit, 0));
                rig.video(time, &[&b"\x96\x03avc1\x01"[..], &units(&[&unit])].concat());
            }
        })
    };
    // 25 pictures a second of two tracks: 8 and 16 Mbit/s.
    assert_eq!(stream(RuleLimits::AWS, 20_000), None);
    let excess = stream(RuleLimits::AWS, 40_000);
    assert!(
        matches!(
            excess,
            Some(Refusal::BitrateExceeded {
                most: 8_500_000,
                ..
            })
        ),
        "{excess:?}"
    );
    assert_eq!(stream(RuleLimits::OPEN, 40_000), None);
}

#[test]
fn a_stream_has_sound_and_pictures_and_lasts_no_longer_than_a_day() {
    let mut rig = Rig::publishing();
    let mut rules = Rules::new(rig.now, RuleLimits::AWS);
    let begin = rig.now;
    rig.video(0, &video_config(SPS));
    rig.video(0, &picture(IDR, 0));
    take(&mut rig, &mut rules);
    let deadline = rules.next_deadline();
    assert_eq!(deadline, begin + Duration::from_secs(10));
    rig.wait(Duration::from_secs(9));
    rig.video(9_000, &picture(DELTA, 0));
    take(&mut rig, &mut rules);
    assert_eq!(
        rules.handle_time(deadline - Duration::from_millis(1)),
        Ok(())
    );
    let missing = rules.handle_time(deadline).unwrap_err();
    assert_eq!(missing.code(), Some("INVALID_INPUT"));
    assert!(
        missing.to_string().contains("there is no audio"),
        "{missing}"
    );
    rig.audio(9_000, AUDIO_CONFIG);
    rig.audio(9_000, SOUND);
    take(&mut rig, &mut rules);
    assert_eq!(rules.handle_time(deadline), Ok(()));
    // Messages that are no media keep the connection, not the stream.
    let silence = rules.next_deadline();
    assert_eq!(silence, rig.now + Duration::from_secs(10));
    let silent = rules.handle_time(silence).unwrap_err();
    assert_eq!(silent.code(), Some("INVALID_INPUT"));
    assert!(
        silent.to_string().contains("neither audio nor video"),
        "{silent}"
    );
    // Whatever comes.
    rig.now = begin + Duration::from_hours(24) - Duration::from_secs(1);
    rig.audio(86_399_000, SOUND);
    take(&mut rig, &mut rules);
    let day = begin + Duration::from_hours(24);
    assert_eq!(rules.next_deadline(), day);
    let over = rules.handle_time(day).unwrap_err();
    assert_eq!(over, Refusal::StreamDurationExceeded { seconds: 86_400 });
}

#[test]
fn a_stream_begins_with_a_key_frame() {
    let mut rig = Rig::publishing();
    let mut rules = Rules::new(rig.now, RuleLimits::OPEN);
    rig.video(0, &video_config(SPS));
    rig.audio(0, AUDIO_CONFIG);
    for second in 0..10 {
        rig.video(second * 1_000, &picture(DELTA, 0));
        rig.audio(second * 1_000, SOUND);
        rig.wait(Duration::from_secs(1));
    }
    take(&mut rig, &mut rules);
    let missing = rules.handle_time(rules.next_deadline()).unwrap_err();
    assert_eq!(missing.code(), Some("INVALID_INPUT"));
    assert!(
        missing.to_string().contains("no key frame came"),
        "{missing}"
    );
}

#[test]
fn a_stream_whose_pictures_are_damaged_ends() {
    let damaged = |rig: &mut Rig, from: u32, count: u32| {
        for number in from..from + count {
            let mut tag = picture(DELTA, 0);
            tag.pop();
            rig.video(number * 33, &tag);
        }
    };
    let outcome = refusal(RuleLimits::OPEN, |rig| {
        rig.video(0, &video_config(SPS));
        rig.video(0, &picture(IDR, 0));
        damaged(rig, 1, 59);
        rig.video(2_000, &picture(DELTA, 0));
        damaged(rig, 70, 59);
    });
    assert_eq!(outcome, None, "as long as some are whole");
    let outcome = refusal(RuleLimits::OPEN, |rig| {
        rig.video(0, &video_config(SPS));
        rig.video(0, &picture(IDR, 0));
        damaged(rig, 1, 60);
    });
    assert!(outcome.unwrap().to_string().contains("damaged"));
}

fn take(rig: &mut Rig, rules: &mut Rules) {
    for event in rig.take_events() {
        rules.check(rig.now, &event).unwrap();
    }
}
