//! What a recording becomes when formats, numbers and timestamps change, and when packets are lost.

mod rig;

use std::sync::Arc;

use restage_codec::Codec;
use restage_record::{DropReason, EncodingId, Output, Packet, Recorder};
use rig::card::{self, Card};
use rig::checks::check;
use rig::reader::Recording;
use rig::run::{BEGIN_US, config};

/// Pushes a picture as its packets; every packet is changed before.
fn push(recorder: &mut Recorder, at_us: u64, packets: Vec<Packet>, change: impl Fn(&mut Packet)) {
    for mut packet in packets {
        packet.arrived_us = BEGIN_US + at_us;
        change(&mut packet);
        recorder.push(BEGIN_US + at_us, packet);
    }
}

/// Twelve seconds of pictures, a key frame every second, whose packets are changed by the number of the picture.
fn pictures(change: impl Fn(u64, &mut Packet)) -> Recording {
    let (card, mut sequence) = (Card::default(), 0);
    let (mut recorder, mut recording) = (Recorder::new(config()), Recording::default());
    for number in 0..360 {
        let packets = card.video(number, number % 30 == 0, &mut sequence);
        push(&mut recorder, Card::video_us(number), packets, |packet| {
            change(number, packet)
        });
        recording.take(&mut recorder);
    }
    recorder.finish(BEGIN_US + 12_100_000);
    recording.take(&mut recorder);
    check(&recording);
    recording
}

#[test]
fn another_size_of_pictures_is_another_init() {
    let other = card::larger_sets();
    let recording = pictures(|number, packet| {
        if (120..240).contains(&number) {
            packet.encoding = EncodingId(2);
            if packet.payload[0] == 0x78 {
                packet.payload = card::aggregate(other);
            }
        }
    });
    let widths: Vec<u32> = recording
        .inits()
        .map(|init| init.entry.picture.unwrap().width)
        .collect();
    assert_eq!(widths, [320, 640, 320]);
    assert_eq!(recording.video.len(), 360, "every picture is there");
    assert_eq!(recording.discontinuities(), 2);
}

#[test]
fn turned_pictures_are_another_init() {
    let recording = pictures(|number, packet| {
        packet.rotation_degrees = if number < 120 { 0 } else { 90 };
    });
    let sizes: Vec<_> = recording
        .inits()
        .map(|init| init.entry.picture.unwrap())
        .collect();
    assert_eq!((sizes[0].width, sizes[0].height), (320, 192));
    assert_eq!((sizes[1].width, sizes[1].height), (192, 320));
}

#[test]
fn timestamps_that_start_again_are_a_discontinuity() {
    let recording = pictures(|number, packet| {
        if number >= 150 {
            packet.timestamp -= 500_000_000;
        }
    });
    assert_eq!(recording.discontinuities(), 1);
    assert!(
        recording.video.len() >= 360 - 30,
        "{}",
        recording.video.len()
    );
    let length: f64 = recording.lengths().iter().sum();
    assert!((11.0..12.1).contains(&length), "{length}");
}

#[test]
fn vp8_is_refused_and_the_sound_recorded() {
    let card = Card::default();
    let (mut recorder, mut recording) = (Recorder::new(config()), Recording::default());
    for number in 0..400 {
        let at = number * 20_000;
        let mut packet = card.audio(number, number);
        packet.arrived_us = BEGIN_US + at;
        recorder.push(BEGIN_US + at, packet.clone());
        packet.codec = Codec::Vp8;
        recorder.push(BEGIN_US + at, packet);
        recording.take(&mut recorder);
    }
    recorder.finish(BEGIN_US + 8_000_000);
    recording.take(&mut recorder);
    check(&recording);
    let refused = |output: &&Output| {
        matches!(
            output,
            Output::Refused {
                codec: Codec::Vp8,
                ..
            }
        )
    };
    assert_eq!(recording.outputs.iter().filter(refused).count(), 1);
    assert_eq!(recording.codecs(), [["opus"]]);
}

#[test]
fn silence_that_is_not_sent_is_filled_and_redundant_sound_is_taken_apart() {
    let card = Card::default();
    let (mut recorder, mut recording) = (Recorder::new(config()), Recording::default());
    let mut sequence = 0;
    for number in 0..600 {
        // From the fourth second on, a packet comes only every 400 ms.
        if number >= 200 && number % 20 != 0 {
            continue;
        }
        let at = number * 20_000;
        let mut packet = card.audio(number, sequence);
        sequence += 1;
        packet.arrived_us = BEGIN_US + at;
        if number < 100 {
            packet.codec = Codec::Red;
            let block = [
                &[0x80 | 111, 0x0f, 0, 3, 111, 1, 2, 3][..],
                &*packet.payload,
            ]
            .concat();
            packet.payload = Arc::from(block);
        }
        recorder.push(BEGIN_US + at, packet);
        recording.take(&mut recorder);
    }
    recorder.finish(BEGIN_US + 12_000_000);
    recording.take(&mut recorder);
    check(&recording);
    assert_eq!(recording.discontinuities(), 0);
    let sound: f64 = recording
        .audio
        .iter()
        .map(|sample| sample.duration_us)
        .sum();
    // The last packet that was sent is number 580.
    assert_eq!(sound, 581.0 * 20_000.0);
    let beeps = recording
        .audio
        .iter()
        .filter(|sample| card::beep_of(&sample.data).is_some());
    assert_eq!(beeps.count(), 4 + 4, "every second, then every other one");
}

#[test]
fn a_loss_is_told_and_ends_with_a_key_frame() {
    let card = Card::default();
    let mut sequence = 0;
    let (mut recorder, mut recording) = (Recorder::new(config()), Recording::default());
    let mut asked_at = None;
    for number in 0..240 {
        let at = Card::video_us(number);
        let is_key = number == 0 || asked_at.is_some_and(|asked| number == asked + 3);
        let packets = card.video(number, is_key, &mut sequence);
        push(
            &mut recorder,
            at,
            if number == 100 {
                packets[1..].to_vec()
            } else {
                packets
            },
            |_| {},
        );
        if recording.take(&mut recorder) && number > 100 && asked_at.is_none() {
            asked_at = Some(number);
        }
    }
    recorder.finish(BEGIN_US + 8_000_000);
    recording.take(&mut recorder);
    check(&recording);
    // 0.4 s after the packet behind the hole, so that the key frame is there when the hole is final.
    assert_eq!(asked_at, Some(112));
    let numbers = recording
        .video
        .iter()
        .filter_map(|sample| card::number_of(&sample.data));
    let numbers: Vec<u64> = numbers.collect();
    let expected: Vec<u64> = (0..100).chain(115..240).collect();
    assert_eq!(numbers, expected);
    let longest = recording
        .video
        .iter()
        .map(|sample| sample.duration_us)
        .fold(0.0, f64::max);
    assert!((longest - 16.0 * 1e6 / 30.0).abs() < 100.0, "{longest}");
    assert_eq!(recording.discontinuities(), 0);
    let lost = recording.outputs.iter().filter_map(|output| match output {
        Output::Dropped(dropped) if dropped.reason == DropReason::Lost => Some(dropped.count),
        _ => None,
    });
    assert_eq!(lost.sum::<u64>(), 1);
}
