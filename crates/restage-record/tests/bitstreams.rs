//! Real pictures, encoded, sent, recorded, and decoded from the files again.

mod rig;

use std::sync::Arc;

use mp4_atom::{Any, Avcc, Codec as Entry, DecodeMaybe};
use openh264::OpenH264API;
use openh264::decoder::Decoder;
use openh264::encoder::{Encoder, EncoderConfig, RateControlMode};
use openh264::formats::{YUVBuffer, YUVSource};
use restage_codec::{Codec, h264};
use restage_record::{EncodingId, MediaTypes, Output, Packet, Picture, Recorder, RecorderConfig};
use rig::checks::check;
use rig::reader::Recording;
use rig::run::{BEGIN_US, config};

const WIDTH: usize = 320;
const HEIGHT: usize = 192;
const START_CODE: [u8; 4] = [0, 0, 0, 1];
/// Payload bytes of a packet: small, so that pictures are fragmented.
const PACKET_BYTES: usize = 300;
const FRAMES: u64 = 250;
const KEY_EVERY: u64 = 50;

/// How bright the picture of a number is.
fn brightness(number: u64) -> u8 {
    (40 + number * 37 % 160) as u8
}

/// A picture of one brightness with some texture, so that it has more than one packet.
fn frame(number: u64) -> YUVBuffer {
    let light = brightness(number);
    let mut bytes = vec![128; WIDTH * HEIGHT * 3 / 2];
    for (place, sample) in bytes[..WIDTH * HEIGHT].iter_mut().enumerate() {
        let texture = (place as u64 * 2_654_435_761 + number * 97) >> 7 & 0x0f;
        *sample = light + texture as u8;
    }
    YUVBuffer::from_vec(bytes, WIDTH, HEIGHT)
}

/// The packets of a coded picture.
fn packets(stream: &[u8], number: u64, sequence: &mut u64) -> Vec<Packet> {
    let mut payloads: Vec<Vec<u8>> = Vec::new();
    let mut is_key = false;
    for unit in h264::annexb::units(stream) {
        is_key |= h264::UnitType::of(unit) == h264::UnitType::IDR_SLICE;
        if unit.len() <= PACKET_BYTES {
            payloads.push(unit.to_vec());
            continue;
        }
        let chunks: Vec<&[u8]> = unit[1..].chunks(PACKET_BYTES).collect();
        for (place, chunk) in chunks.iter().enumerate() {
            let first = u8::from(place == 0) << 7;
            let last = u8::from(place + 1 == chunks.len()) << 6;
            let head = [unit[0] & 0xe0 | 28, first | last | unit[0] & 0x1f];
            payloads.push([&head, *chunk].concat());
        }
    }
    let count = payloads.len();
    let packet = |(place, payload): (usize, Vec<u8>)| {
        *sequence += 1;
        Packet {
            encoding: EncodingId(1),
            codec: Codec::H264,
            sequence: *sequence,
            timestamp: number * 3_000,
            arrived_us: BEGIN_US + number * 1_000_000 / 30,
            report: None,
            marker: place + 1 == count,
            starts_key_frame: is_key && place == 0,
            parameter_sets: None,
            rotation_degrees: 0,
            payload: Arc::from(payload),
        }
    };
    payloads.into_iter().enumerate().map(packet).collect()
}

fn record(config: RecorderConfig, wants_pictures: bool) -> Recording {
    // Every picture is encoded, and none but those that are asked for is a key frame.
    let encoding = EncoderConfig::new()
        .skip_frames(false)
        .scene_change_detect(false)
        .rate_control_mode(RateControlMode::Off);
    let mut encoder = Encoder::with_api_config(OpenH264API::from_source(), encoding).unwrap();
    let (mut recorder, mut recording) = (Recorder::new(config), Recording::default());
    let mut sequence = 0;
    for number in 0..FRAMES {
        if number.is_multiple_of(KEY_EVERY) {
            encoder.force_intra_frame();
        }
        let stream = encoder.encode(&frame(number)).unwrap().to_vec();
        for packet in packets(&stream, number, &mut sequence) {
            let now = packet.arrived_us;
            if wants_pictures {
                recorder.want_picture(now);
            }
            recorder.push(now, packet);
            recording.take(&mut recorder);
        }
    }
    recorder.finish(BEGIN_US + 9_000_000);
    recording.take(&mut recorder);
    check(&recording);
    recording
}

fn avcc(init: &[u8]) -> Avcc {
    let mut rest = init;
    while let Some(atom) = Any::decode_maybe(&mut rest).unwrap() {
        if let Any::Moov(moov) = atom {
            match moov.trak[0].mdia.minf.stbl.stsd.codecs[0].clone() {
                Entry::Avc1(entry) => return entry.avcc,
                other => panic!("{other:?}"),
            }
        }
    }
    panic!("no moov");
}

/// A byte stream of units behind their lengths.
fn stream_of(sample: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    let mut rest = sample;
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (unit, after) = after.split_at(u32::from_be_bytes(*length) as usize);
        stream.extend_from_slice(&START_CODE);
        stream.extend_from_slice(unit);
        rest = after;
    }
    stream
}

/// The number whose brightness a decoded picture has.
fn light_of(picture: &impl YUVSource) -> u8 {
    let row = &picture.y()[WIDTH / 2..WIDTH / 2 + 64];
    let sum: u32 = row.iter().map(|sample| u32::from(*sample)).sum();
    (sum / 64) as u8
}

#[test]
fn what_is_recorded_decodes_to_the_pictures_that_were_sent() {
    let recording = record(config(), false);
    assert_eq!(recording.inits().count(), 1);
    let init = recording.inits().next().unwrap();
    let avcc = avcc(&init.bytes);
    let mut decoder = Decoder::new().unwrap();
    let sets = avcc
        .sequence_parameter_sets
        .iter()
        .chain(&avcc.picture_parameter_sets);
    let head: Vec<u8> = sets
        .flat_map(|set| [&START_CODE, &set[..]].concat())
        .collect();
    assert_eq!(recording.video.len() as u64, FRAMES);
    for (number, sample) in (0..).zip(&recording.video) {
        let mut stream = if number == 0 {
            head.clone()
        } else {
            Vec::new()
        };
        stream.extend(stream_of(&sample.data));
        let picture = decoder.decode(&stream).unwrap().expect("a picture");
        let expected = brightness(number) + 8;
        assert!(
            light_of(&picture).abs_diff(expected) < 12,
            "picture {number}"
        );
        let at = number as f64 * 1e6 / 30.0;
        assert!(
            (sample.at_us - at).abs() < 50.0,
            "picture {number} at {}",
            sample.at_us
        );
        assert_eq!(sample.is_sync, number.is_multiple_of(KEY_EVERY));
    }
}

#[test]
fn every_picture_for_a_thumbnail_decodes_by_itself() {
    for media_types in [MediaTypes::None, MediaTypes::AudioVideo] {
        let recording = record(
            RecorderConfig {
                media_types,
                ..config()
            },
            true,
        );
        let pictures = recording.outputs.iter().filter_map(|output| match output {
            Output::Picture(picture) => Some(picture),
            _ => None,
        });
        let pictures: Vec<&Picture> = pictures.collect();
        assert_eq!(pictures.len() as u64, FRAMES / KEY_EVERY);
        for (place, picture) in (0..).zip(pictures) {
            let mut decoder = Decoder::new().unwrap();
            let decoded = decoder.decode(&picture.bytes).unwrap().expect("a picture");
            assert_eq!(decoded.dimensions(), (WIDTH, HEIGHT));
            let expected = brightness(place * KEY_EVERY) + 8;
            assert!(
                light_of(&decoded).abs_diff(expected) < 12,
                "picture {place}"
            );
        }
    }
}

#[test]
fn a_sequence_parameter_set_that_cannot_be_read_is_said_once() {
    for is_damaged in [true, false] {
        let mut recorder = Recorder::new(config());
        let mut encoder = Encoder::new().unwrap();
        let (mut sequence, mut notes, mut segments) = (0, Vec::new(), 0);
        for number in 0..120 {
            if number % 30 == 0 {
                encoder.force_intra_frame();
            }
            let stream = encoder.encode(&frame(number)).unwrap().to_vec();
            for mut packet in packets(&stream, number, &mut sequence) {
                let is_sps = h264::UnitType::of(&packet.payload) == h264::UnitType::SPS;
                if is_sps && is_damaged {
                    packet.payload = Arc::from(&packet.payload[..3]);
                }
                recorder.push(packet.arrived_us, packet);
            }
        }
        recorder.finish(BEGIN_US + 4_000_000);
        while let Some(output) = recorder.poll() {
            match output {
                Output::Note(note) => notes.push(note),
                Output::Segment(_) => segments += 1,
                _ => {}
            }
        }
        assert_eq!(segments > 0, !is_damaged);
        assert_eq!(notes.len(), usize::from(is_damaged), "{notes:?}");
        assert!(notes.iter().all(|note| note.contains("SPS")));
    }
}
