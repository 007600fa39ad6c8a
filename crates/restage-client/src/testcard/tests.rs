use openh264::decoder::Decoder;
use openh264::formats::YUVSource as _;

use super::*;

fn card(config: TestCardConfig) -> TestCard {
    TestCard::new(
        config,
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000),
    )
    .unwrap()
}

fn counters(card: &mut TestCard, pictures: usize) -> Vec<(u64, bool)> {
    let mut decoder = Decoder::new().unwrap();
    let mut seen = Vec::new();
    while seen.len() < pictures {
        let frame = card.next_frame().unwrap();
        if frame.codec == Codec::H264 {
            let decoded = decoder.decode(&frame.data).unwrap().unwrap();
            let counter =
                read_frame_counter(card.size(), decoded.y(), decoded.strides().0).unwrap();
            seen.push((counter, frame.is_key_frame));
        }
    }
    seen
}

#[test]
fn every_decoded_picture_shows_its_number_and_key_frames_come_every_two_seconds() {
    let seen = counters(&mut card(TestCardConfig::default()), 130);
    for (index, (counter, is_key_frame)) in seen.into_iter().enumerate() {
        assert_eq!(counter, index as u64);
        assert_eq!(is_key_frame, index % 60 == 0, "picture {index}");
    }
}

#[test]
fn a_key_frame_comes_when_it_is_asked_for() {
    let mut card = card(TestCardConfig {
        has_audio: false,
        ..Default::default()
    });
    card.request_key_frame();
    assert!(card.next_frame().unwrap().is_key_frame);
    assert!(!card.next_frame().unwrap().is_key_frame);
    card.request_key_frame();
    assert!(card.next_frame().unwrap().is_key_frame);
    assert!(!card.next_frame().unwrap().is_key_frame);
}

#[test]
fn frames_come_in_order_of_time_at_their_rates() {
    let mut card = card(TestCardConfig {
        frame_rate: 25,
        ..Default::default()
    });
    let (mut last, mut pictures, mut sounds) = (Duration::ZERO, 0, 0);
    while card.next_time() < Duration::from_secs(2) {
        let expected = card.next_time();
        let frame = card.next_frame().unwrap();
        assert_eq!(frame.time, expected);
        assert!(frame.time >= last);
        last = frame.time;
        match frame.codec {
            Codec::H264 => pictures += 1,
            _ => sounds += 1,
        }
    }
    assert_eq!((pictures, sounds), (50, 100));
}

#[test]
fn pictures_can_be_left_out() {
    let mut card = card(TestCardConfig {
        has_audio: false,
        ..Default::default()
    });
    card.next_frame().unwrap();
    card.skip_pictures(Duration::from_secs(3));
    assert_eq!(card.next_frame().unwrap().time, Duration::from_secs(3));
    card.skip_pictures(Duration::from_secs(1));
    assert!(card.next_time() > Duration::from_secs(3), "never backwards");
}

#[test]
fn the_bit_rate_is_kept() {
    let config = TestCardConfig {
        size: CardSize::P720,
        video_bps: Some(600_000),
        has_audio: false,
        ..Default::default()
    };
    let mut card = card(config);
    let mut bytes = 0;
    while card.next_time() < Duration::from_secs(4) {
        bytes += card.next_frame().unwrap().data.len();
    }
    let bps = bytes * 8 / 4;
    assert!((300_000..900_000).contains(&bps), "{bps}");
}

#[test]
fn settings_out_of_range_are_refused() {
    for frame_rate in [0, 61] {
        let config = TestCardConfig {
            frame_rate,
            ..Default::default()
        };
        let refusal = TestCard::new(config, SystemTime::now()).err().unwrap();
        assert!(matches!(refusal, TestCardError::Config(_)));
    }
    for bps in [1, VIDEO_BPS_MAX + 1, u32::MAX] {
        let config = TestCardConfig {
            video_bps: Some(bps),
            ..Default::default()
        };
        assert!(TestCard::new(config, SystemTime::now()).is_err(), "{bps}");
    }
}
