//! Publishes, watches and saves through a real server, and checks the saved files.

use std::io::Cursor;
use std::path::Path;

use openh264::decoder::Decoder;
use openh264::formats::YUVSource as _;
use restage_client::testcard::{CardSize, read_frame_counter};
use serde_json::Value;

use crate::support::{Program, Server, read, text};

/// The contents of an `.h264` file: the size of the pictures, and the readable frame counters.
fn pictures(path: &Path) -> ((usize, usize), Vec<u64>) {
    let bytes = read(path);
    let mut decoder = Decoder::new().unwrap();
    let mut size = (0, 0);
    let mut counters = Vec::new();
    for nal in openh264::nal_units(&bytes) {
        if let Ok(Some(picture)) = decoder.decode(nal) {
            size = picture.dimensions();
            counters.extend(read_frame_counter(
                CardSize::P360,
                picture.y(),
                picture.strides().0,
            ));
        }
    }
    (size, counters)
}

/// The contents of an `.ogg` file: seconds of audio, and the loudest sample.
fn sound(path: &Path) -> (f64, f32) {
    let mut packets = ogg::PacketReader::new(Cursor::new(read(path)));
    let mut decoder = opus::Decoder::new(48_000, opus::Channels::Mono).unwrap();
    let (mut samples, mut loudest) = (0, 0.0_f32);
    let mut count = 0;
    while let Some(packet) = packets.read_packet().unwrap() {
        count += 1;
        match count {
            1 => assert!(packet.data.starts_with(b"OpusHead")),
            2 => assert!(packet.data.starts_with(b"OpusTags")),
            _ => {
                let mut pcm = [0.0; 5_760];
                let decoded = decoder.decode_float(&packet.data, &mut pcm, false).unwrap();
                samples += decoded;
                loudest = pcm[..decoded]
                    .iter()
                    .fold(loudest, |max, sample| max.max(sample.abs()));
            }
        }
    }
    (samples as f64 / 48_000.0, loudest)
}

fn is_rising(counters: &[u64]) -> bool {
    counters.windows(2).all(|pair| pair[0] < pair[1])
}

/// Watches for some seconds and saves. Returns the printed figures.
fn watch(server: &Server, stage: &str, name: &str, seconds: &str) -> Vec<Value> {
    let arguments = [
        "watch",
        "--stage-arn",
        stage,
        "--save",
        name,
        "--stop-after",
        seconds,
    ];
    let output = server.run(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("a JSON line"))
        .collect()
}

#[test]
fn a_test_card_is_watched_saved_and_published_again() {
    let server = Server::start();
    let stage = server.stage("card");
    let (mut card, participant) = server.publish(&["--stage-arn", &stage, "--fps", "15"]);
    let lines = watch(&server, &stage, "seen", "6");
    let (saved, figures) = lines.split_last().unwrap();
    assert_eq!(saved["saved"], serde_json::json!(["seen.h264", "seen.ogg"]));
    let first = figures.first().expect("figures every second");
    // Without the burst that a new subscriber gets, and without the time until it was connected.
    if let Some(rate) = first["tracks"][0]["framesPerSecond"].as_f64() {
        assert!(rate < 25.0, "{first}");
    }
    assert!(first["seconds"].as_f64().unwrap() < 3.0, "{first}");
    let last = figures.last().expect("figures every second");
    assert_eq!(last["participantId"], *participant);
    let video = &last["tracks"][0];
    assert_eq!(
        (&video["codec"], &video["width"], &video["height"]),
        (&"H.264".into(), &640.into(), &360.into())
    );
    assert!(video["frames"].as_u64().unwrap() >= 15, "{last}");

    let (size, counters) = pictures(&server.path("seen.h264"));
    assert_eq!(size, (640, 360));
    assert!(counters.len() >= 15 && is_rising(&counters), "{counters:?}");
    let (seconds, loudest) = sound(&server.path("seen.ogg"));
    assert!((1.0..8.0).contains(&seconds), "{seconds} s");
    assert!(loudest > 0.1, "a beep at {loudest}");

    // Ctrl-C ends a publisher with success.
    card.signal("INT");
    assert_eq!(card.code(), Some(0), "{:?}", card.seen());

    // Saved files can be published, and arrive unchanged.
    let again = server.stage("again");
    let (mut files, _) = server.publish(&[
        "--stage-arn",
        &again,
        "--loop",
        "--fps",
        "15",
        "seen.h264",
        "seen.ogg",
    ]);
    watch(&server, &again, "again", "6");
    let (size, repeated) = pictures(&server.path("again.h264"));
    assert_eq!(size, (640, 360));
    assert!(
        !repeated.is_empty() && repeated.iter().all(|counter| counters.contains(counter)),
        "{repeated:?}"
    );
    assert!(sound(&server.path("again.ogg")).1 > 0.1);
    // Existing files are not overwritten without a flag.
    let output = server.run(&["watch", "--stage-arn", &again, "--save", "again"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(text(&output.stderr).contains("is there already"));
    files.signal("TERM");
    assert_eq!(files.code(), Some(0), "{:?}", files.seen());
}

/// The header of a VP8 key frame of 640 by 360.
const VP8_KEY: [u8; 10] = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 2, 0x68, 1];
/// The same of VP9.
const VP9_KEY: [u8; 9] = [0x82, 0x49, 0x83, 0x42, 0x20, 0x27, 0xf0, 0x16, 0x70];
/// A temporal delimiter, a sequence header of 640 by 360, and the header of a key frame, in AV1. The key frame has 3,002 bytes.
const AV1_KEY: [u8; 14] = [
    0x12, 0, 0x0a, 5, 0x19, 0x66, 0x27, 0xfb, 0x38, 0x32, 0xba, 0x17, 0x10, 0,
];

/// IVF with VP8 key frames.
pub(crate) fn vp8_file(path: &Path, frames: u8) {
    ivf_file(path, b"VP80", &VP8_KEY, frames);
}

/// IVF of this codec with headers of key frames, and bytes that identify the frames.
fn ivf_file(path: &Path, codec: &[u8; 4], key: &[u8], frames: u8) {
    let mut file = b"DKIF\0\0\x20\0".to_vec();
    file.extend(codec);
    file.extend([640_u16, 360].iter().flat_map(|side| side.to_le_bytes()));
    file.extend(
        [30_u32, 1, 0, 0]
            .iter()
            .flat_map(|number| number.to_le_bytes()),
    );
    for count in 0..frames {
        let mut frame = key.to_vec();
        frame.extend(std::iter::repeat_n(count, 3_000));
        file.extend((frame.len() as u32).to_le_bytes());
        file.extend(u64::from(count).to_le_bytes());
        file.extend(frame);
    }
    std::fs::write(path, file).unwrap();
}

fn frames(path: &Path) -> Vec<Vec<u8>> {
    let file = read(path);
    let mut rest = &file[32..];
    let mut frames = Vec::new();
    while let Some((head, tail)) = rest.split_at_checked(12) {
        let size = u32::from_le_bytes(head[..4].try_into().unwrap()) as usize;
        frames.push(tail[..size].to_vec());
        rest = &tail[size..];
    }
    frames
}

#[test]
fn every_codec_of_ivf_goes_through_byte_for_byte() {
    let server = Server::start();
    let codecs: [(&[u8; 4], &[u8]); 3] = [
        (b"VP80", &VP8_KEY),
        (b"VP90", &VP9_KEY),
        (b"AV01", &AV1_KEY),
    ];
    for (codec, key) in codecs {
        let name = String::from_utf8_lossy(codec).to_lowercase();
        let stage = server.stage(&name);
        let (file, saved) = (format!("{name}.ivf"), format!("seen-{name}.ivf"));
        ivf_file(&server.path(&file), codec, key, 60);
        let (_publisher, _) = server.publish(&["--stage-arn", &stage, "--loop", &file]);
        watch(&server, &stage, &saved, "3");
        let (made, seen) = (frames(&server.path(&file)), frames(&server.path(&saved)));
        assert!(seen.len() >= 30, "{name}: {} frames", seen.len());
        assert!(seen.iter().all(|frame| made.contains(frame)), "{name}");
        let header = &read(&server.path(&saved))[..32];
        assert_eq!(header[8..12], codec[..]);
        assert_eq!(header[12..16], [0x80, 2, 0x68, 1], "{name}: 640 by 360");
        assert_eq!(
            header[24..28],
            (seen.len() as u32).to_le_bytes(),
            "it counts the frames"
        );
        assert!(!server.path("seen.ogg").exists(), "there was no sound");
    }
}

#[test]
fn a_file_that_is_played_once_is_the_end() {
    let server = Server::start();
    let stage = server.stage("once");
    vp8_file(&server.path("made.ivf"), 30);
    let (mut publisher, participant) = server.publish(&["--stage-arn", &stage, "made.ivf"]);
    assert_eq!(publisher.code(), Some(0), "{:?}", publisher.seen());
    // Nobody publishes now. Watching the participant that left is refused, and waiting for another can be ended.
    let output = server.run(&[
        "watch",
        "--stage-arn",
        &stage,
        &participant,
        "--stop-after",
        "2",
    ]);
    assert!(matches!(output.status.code(), Some(3 | 4)), "{output:?}");
    let output = server.run(&["watch", "--stage-arn", &stage, "--stop-after", "1"]);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(
        text(&output.stderr).contains("nobody published"),
        "{output:?}"
    );
}

#[test]
fn several_publishers_have_to_be_told_apart() {
    let server = Server::start();
    let stage = server.stage("several");
    let (_ann, first) = server.publish(&["--stage-arn", &stage, "--user-id", "ann", "--mute"]);
    let (_ben, second) = server.publish(&["--stage-arn", &stage, "--user-id", "ben", "--mute"]);
    server.sees(&stage, &first);
    server.sees(&stage, &second);
    let output = server.run(&["watch", "--stage-arn", &stage]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("2 participants publish") && said.contains(&first) && said.contains("ben"),
        "{said}"
    );
}

/// The server crashes in between: both ends report it, reconnect and continue.
#[test]
fn a_lost_connection_is_said_and_made_again() {
    let mut server = Server::start();
    let stage = server.stage("crashed");
    let token = server.ok(&["token", "create", "--stage-arn", &stage]);
    let (mut publisher, participant) = server.publish(&["--token", token.trim(), "--fps", "10"]);
    let viewer = server.command(&[
        "watch",
        "--stage-arn",
        &stage,
        &participant,
        "--output",
        "text",
    ]);
    server.sees(&stage, &participant);
    let mut viewer = Program::start(viewer).unwrap();
    viewer.line("frames");
    server.crash();
    publisher.line("lost: ");
    viewer.line("lost: ");
    server.begin();
    publisher.line("back after");
    viewer.line("back after");
    viewer.line("frames");
    for running in [&mut publisher, &mut viewer] {
        running.signal("INT");
        assert_eq!(running.code(), Some(0), "{:?}", running.seen());
    }
}
