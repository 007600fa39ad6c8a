//! What a receiver hears, and when, of the AAC that an encoder sends.

use crate::support::{CLICKS, PRIMING, Played, TONES, UNIT, access_units, transcoder, us_of};
use restage_audio::{AudioError, OpusPacket, Transcoder};

/// A millisecond, in samples of 48 kHz.
const MS: i64 = 48;
/// What the filter from 44.1 to 48 kHz and Opus delay, in samples of 48 kHz.
const DELAY: i64 = 240 + 312;

/// When the click of this number is to be heard, in samples of 48 kHz from the first access unit on.
fn click_at(number: i64, rate_hz: u32) -> i64 {
    let rate = i64::from(rate_hz);
    let sample = rate / 4 + number * rate / 2 + PRIMING;
    sample * 48_000 / rate
}

/// Sends access units with timestamps of `times`, in order.
fn send(
    transcoder: &mut Transcoder,
    units: &[&[u8]],
    times: impl IntoIterator<Item = i64>,
) -> Vec<OpusPacket> {
    let mut packets = Vec::new();
    for (unit, at_us) in units.iter().zip(times) {
        transcoder.push(at_us, unit, &mut packets).unwrap();
    }
    transcoder.finish(&mut packets).unwrap();
    packets
}

fn assert_near(heard: &[i64], expected: &[i64], tolerance: i64) {
    assert_eq!(heard.len(), expected.len(), "{heard:?} of {expected:?}");
    for (heard, expected) in heard.iter().zip(expected) {
        let off = heard - expected;
        assert!(
            off.abs() <= tolerance,
            "{off} samples off: {heard} instead of {expected}"
        );
    }
}

#[test]
fn a_click_is_heard_when_it_was_made() {
    for (rate_hz, channels, file) in CLICKS {
        let units = access_units(file);
        let begun_us = 7_654_321;
        let times = (0..).map(|unit| begun_us + us_of(unit, rate_hz));
        let packets = send(&mut transcoder(rate_hz, channels), &units, times);
        let begun = begun_us * 48 / 1_000;
        let expected: Vec<i64> = (0..4)
            .map(|click| begun + click_at(click, rate_hz))
            .collect();
        assert_near(&Played::new(&packets, channels).clicks(), &expected, MS / 2);
        for pair in packets.windows(2) {
            assert_eq!(pair[1].timestamp - pair[0].timestamp, 960);
        }
    }
}

#[test]
fn whole_milliseconds_do_not_move_it() {
    let (rate_hz, channels, file) = CLICKS[1];
    let units = access_units(file);
    for round in [i64::div_euclid as fn(i64, i64) -> i64, |us, ms| {
        (us + 500).div_euclid(ms)
    }] {
        let times = (0..).map(|unit| round(us_of(unit, rate_hz), 1_000) * 1_000);
        let packets = send(&mut transcoder(rate_hz, channels), &units, times);
        let expected: Vec<i64> = (0..4).map(|click| click_at(click, rate_hz)).collect();
        assert_near(&Played::new(&packets, channels).clicks(), &expected, MS);
    }
}

#[test]
fn channels_and_levels_are_kept() {
    let units = access_units(TONES);
    let packets = send(
        &mut transcoder(44_100, 2),
        &units,
        (0..).map(|unit| us_of(unit, 44_100)),
    );
    let mut decoder = opus::Decoder::new(48_000, opus::Channels::Stereo).unwrap();
    let mut pcm = vec![0.0; 1_920];
    for packet in &packets[..20] {
        decoder
            .decode_float(&packet.payload, &mut pcm, false)
            .unwrap();
    }
    let rms = |channel: usize| {
        let samples = pcm.iter().skip(channel).step_by(2);
        (samples.map(|sample| sample * sample).sum::<f32>() / 960.0).sqrt()
    };
    let (left, right) = (rms(0), rms(1));
    assert!((left - 0.283).abs() < 0.02, "{left}");
    assert!((right - 0.141).abs() < 0.02, "{right}");
    // The mean square of both channels is 0.05: −13 dBov.
    let steady = &packets[10..40];
    let levels: Vec<i8> = steady.iter().map(|packet| packet.level).collect();
    assert!(
        levels.iter().all(|level| (-14..=-12).contains(level)),
        "{levels:?}"
    );
    let bytes: usize = steady.iter().map(|packet| packet.payload.len()).sum();
    let bits_per_s = bytes * 8 * 50 / steady.len();
    assert!((40_000..=110_000).contains(&bits_per_s), "{bits_per_s}");
}

#[test]
fn a_gap_is_silence_and_what_follows_is_in_time() {
    let (rate_hz, channels, file) = CLICKS[1];
    let units = access_units(file);
    for gap_ms in [23, 100, 1_990] {
        // It begins between the second and the third click.
        let gap_at = 50;
        let times =
            (0..).map(|unit| us_of(unit, rate_hz) + i64::from(unit >= gap_at) * gap_ms * 1_000);
        // The timestamps are believed within less than one access unit only after a while.
        let mut used = transcoder(rate_hz, channels);
        let mut before = Vec::new();
        for round in 0..600 {
            let at_us = us_of(round - 600, rate_hz);
            used.push(at_us, units[20], &mut before).unwrap();
        }
        let mut packets = Vec::new();
        for (unit, at_us) in units.iter().zip(times) {
            used.push(at_us, unit, &mut packets).unwrap();
        }
        used.finish(&mut packets).unwrap();
        let late = |click| i64::from(click >= 2) * gap_ms * MS;
        let expected: Vec<i64> = (0..4)
            .map(|click| click_at(click, rate_hz) + late(click))
            .collect();
        assert_near(&Played::new(&packets, channels).clicks(), &expected, MS);
        for pair in packets.windows(2) {
            assert_eq!(
                pair[1].timestamp - pair[0].timestamp,
                960,
                "silence fills it"
            );
        }
    }
}

#[test]
fn a_gap_of_more_than_two_seconds_stays_one() {
    let (rate_hz, channels, file) = CLICKS[3];
    let units = access_units(file);
    let times = (0..).map(|unit| us_of(unit, rate_hz) + i64::from(unit >= 50) * 10_000_000);
    let packets = send(&mut transcoder(rate_hz, channels), &units, times);
    let late = |click| i64::from(click >= 2) * 10_000 * MS;
    let expected: Vec<i64> = (0..4)
        .map(|click| click_at(click, rate_hz) + late(click))
        .collect();
    assert_near(&Played::new(&packets, channels).clicks(), &expected, MS);
    let gaps: Vec<i64> = packets
        .windows(2)
        .map(|pair| pair[1].timestamp - pair[0].timestamp)
        .filter(|step| *step != 960)
        .collect();
    assert!(
        matches!(gaps[..], [gap] if (470_000..490_000).contains(&gap)),
        "{gaps:?}"
    );
}

#[test]
fn what_overlaps_is_left_out() {
    let (rate_hz, channels, file) = CLICKS[3];
    let units = access_units(file);
    let unit_us = us_of(1, rate_hz);
    let mut transcoder = transcoder(rate_hz, channels);
    let mut packets = Vec::new();
    let mut at_us = 0;
    for _ in 0..400 {
        transcoder.push(at_us, units[1], &mut packets).unwrap();
        at_us += unit_us;
    }
    let before = packets.len();
    // 20 access units once more, as an encoder does that has connected again and repeats what it had not been sure of.
    let again_us = at_us - 20 * unit_us;
    for unit in 0..40 {
        transcoder
            .push(again_us + unit * unit_us, units[1], &mut packets)
            .unwrap();
    }
    let came = (packets.len() - before) as i64;
    let expected = 20 * UNIT / 960;
    assert!(
        (came - expected).abs() <= 1,
        "{came} packets instead of {expected}"
    );
    for pair in packets.windows(2) {
        assert_eq!(pair[1].timestamp - pair[0].timestamp, 960);
    }
}

#[test]
fn timestamps_that_go_far_back_end_it() {
    let (rate_hz, channels, file) = CLICKS[3];
    let units = access_units(file);
    let mut transcoder = transcoder(rate_hz, channels);
    let mut packets = Vec::new();
    transcoder.push(10_000_000, units[0], &mut packets).unwrap();
    let error = transcoder
        .push(1_000_000, units[1], &mut packets)
        .unwrap_err();
    assert!(
        matches!(error, AudioError::Back { back_us } if back_us > 9_000_000),
        "{error}"
    );
}

/// An encoder whose samples are 150 ppm slower or faster than its timestamps say, for ten minutes.
#[test]
fn samples_that_are_not_as_many_as_the_clock_says_are_brought_into_step() {
    let (rate_hz, channels, file) = CLICKS[0];
    let units = access_units(file);
    for ppm in [-150_i64, 150] {
        let mut transcoder = transcoder(rate_hz, channels);
        let mut packets = Vec::new();
        for unit in 0..25_800_i64 {
            let at_us = us_of(unit, rate_hz) * (1_000_000 + ppm) / 1_000_000;
            let silent = units[4 + unit as usize % 4];
            packets.clear();
            transcoder
                .push(at_us / 1_000 * 1_000, silent, &mut packets)
                .unwrap();
            let Some(packet) = packets.last() else {
                continue;
            };
            // Up to a packet waits, and the filters have their delay. The count may be wrong by 5 ms until it is corrected.
            let lag = (at_us + us_of(1, rate_hz)) * 48 / 1_000 - packet.timestamp - 960;
            let off = lag - DELAY;
            assert!(
                (-6 * MS..960 + 6 * MS).contains(&off),
                "{ppm} ppm, unit {unit}: {off}"
            );
        }
    }
}

/// An hour at 44.1 kHz: as many packets as there are 20 ms in it, and the last click is heard as exactly as the first.
#[test]
fn an_hour_does_not_drift() {
    let (rate_hz, channels, file) = CLICKS[0];
    let units = access_units(file);
    let mut transcoder = transcoder(rate_hz, channels);
    let count = 3_600 * i64::from(rate_hz) / UNIT;
    let tail = units.len() as i64;
    let (mut packets, mut timestamp) = (Vec::new(), None);
    for unit in 0..count - tail {
        packets.clear();
        let at_us = us_of(unit, rate_hz) / 1_000 * 1_000;
        transcoder
            .push(at_us, units[4 + unit as usize % 4], &mut packets)
            .unwrap();
        for packet in &packets {
            let expected = timestamp.map_or(packet.timestamp, |before: i64| before + 960);
            assert_eq!(packet.timestamp, expected);
            timestamp = Some(packet.timestamp);
        }
    }
    packets.clear();
    for (unit, bytes) in (count - tail..count).zip(&units) {
        transcoder
            .push(us_of(unit, rate_hz), bytes, &mut packets)
            .unwrap();
    }
    transcoder.finish(&mut packets).unwrap();
    let begun = us_of(count - tail, rate_hz) * 48 / 1_000;
    let expected: Vec<i64> = (0..4)
        .map(|click| begun + click_at(click, rate_hz))
        .collect();
    assert_near(&Played::new(&packets, channels).clicks(), &expected, MS);
}
