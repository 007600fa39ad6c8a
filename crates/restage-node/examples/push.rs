//! Pushes a file to a server in real time, once or for so many seconds, and prints how it goes:
//!
//! ```text
//! ffmpeg -i any.mp4 -c:v libx264 -bf 0 -g 60 -c:a aac -ar 48000 -ac 2 file.flv
//! ffmpeg -listen 1 -i rtmp://127.0.0.1:1935/live/key -f null -
//! cargo run -p restage-node --example push -- file.flv rtmp://127.0.0.1:1935/live key [SECONDS]
//! ```
//!
//! The file has H.264 without B frames, and AAC. The key is on the command line because this is for tests; a server reads it from its settings.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use restage_node::push::{self, PushFormat, PushState, PushTarget};
use restage_rtmp::AvcConfig;
use tokio::time::{Instant, interval, sleep_until};

/// Tags of FLV (Flash Video File Format 10.1, annex E.4).
const AUDIO: u8 = 8;
const VIDEO: u8 = 9;
/// Bytes of the file's header, and of the length behind each tag.
const HEADER: usize = 9;
const POINTER: usize = 4;
/// Microseconds from the end of the file to its beginning, where it is sent again.
const PAUSE_US: u64 = 33_000;

/// A picture or sound of the file.
struct Unit {
    at_us: u64,
    kind: Kind,
    bytes: Bytes,
}

#[derive(PartialEq, Clone, Copy)]
enum Kind {
    Key,
    Delta,
    Sound,
}

struct File {
    units: Vec<Unit>,
    audio_config: Vec<u8>,
    width: u32,
    height: u32,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, url, key, rest @ ..] = &arguments[..] else {
        return Err("usage: push FILE.flv rtmp://HOST/APP KEY [SECONDS]".into());
    };
    let file = read(&std::fs::read(path)?).ok_or("the file has no H.264 and AAC")?;
    let seconds: Option<u64> = rest.first().map(|text| text.parse()).transpose()?;
    let format = PushFormat {
        width: file.width,
        height: file.height,
        framerate: 30.0,
        video_bitrate: 2_500_000,
        audio_bitrate: 160_000,
        audio_sample_rate: 48_000,
        audio_channels: 2,
        audio_config: file.audio_config,
    };
    let mut push = push::open(PushTarget::parse(url, key)?, false, format);
    let state = push.changed().await;
    println!("{state:?}");
    if state != PushState::Publishing {
        return Err("it is not published".into());
    }
    let begun = Instant::now();
    let length = file.units.last().map_or(0, |unit| unit.at_us) + PAUSE_US;
    let rounds = seconds.map_or(1, |seconds| seconds * 1_000_000 / length + 1);
    let mut reports = interval(Duration::from_secs(5));
    for round in 0..rounds {
        for unit in &file.units {
            let at_us = round * length + unit.at_us;
            if seconds.is_some_and(|seconds| at_us > seconds * 1_000_000) {
                break;
            }
            let at = sleep_until(begun + Duration::from_micros(at_us));
            tokio::pin!(at);
            loop {
                tokio::select! {
                    () = &mut at => break,
                    state = push.changed() => println!("{state:?}"),
                    _ = reports.tick() => println!("{:?}", push.figures()),
                }
            }
            match unit.kind {
                Kind::Sound => push.sound(at_us, unit.bytes.clone()),
                kind => push.picture(at_us, kind == Kind::Key, unit.bytes.clone()),
            }
        }
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    while push.figures().queued_bytes > 0 && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("{:?}", push.figures());
    drop(push);
    // The task says that the stream is over.
    tokio::time::sleep(Duration::from_secs(2)).await;
    Ok(())
}

fn read(mut bytes: &[u8]) -> Option<File> {
    bytes = bytes.get(HEADER + POINTER..)?;
    let mut file = File {
        units: Vec::new(),
        audio_config: Vec::new(),
        width: 0,
        height: 0,
    };
    let mut config: Option<AvcConfig> = None;
    while let Some((tag, rest)) = bytes.split_first_chunk::<11>() {
        let length = u32::from_be_bytes([0, tag[1], tag[2], tag[3]]) as usize;
        let at_ms = u32::from_be_bytes([tag[7], tag[4], tag[5], tag[6]]);
        let body = rest.get(..length)?;
        bytes = rest.get(length + POINTER..)?;
        let at_us = u64::from(at_ms) * 1_000;
        match (tag[0], body) {
            (AUDIO, [_, 0, record @ ..]) => file.audio_config = record.to_vec(),
            (AUDIO, [_, 1, sound @ ..]) => {
                let bytes = Bytes::copy_from_slice(sound);
                file.units.push(Unit {
                    at_us,
                    kind: Kind::Sound,
                    bytes,
                });
            }
            (VIDEO, [_, 0, _, _, _, record @ ..]) => {
                let parsed = AvcConfig::parse(record).ok()?;
                (file.width, file.height) = (parsed.size.width, parsed.size.height);
                config = Some(parsed);
            }
            (VIDEO, [frame, 1, _, _, _, units @ ..]) => {
                let kind = if frame >> 4 == 1 {
                    Kind::Key
                } else {
                    Kind::Delta
                };
                let sets = config.as_ref().filter(|_| kind == Kind::Key);
                let sets = sets.into_iter().flat_map(AvcConfig::sets);
                let stream = sets
                    .chain(Units(units))
                    .flat_map(with_start_code)
                    .collect::<Vec<u8>>();
                file.units.push(Unit {
                    at_us,
                    kind,
                    bytes: stream.into(),
                });
            }
            _ => {}
        }
    }
    (config.is_some() && !file.audio_config.is_empty()).then_some(file)
}

fn with_start_code(unit: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 1], unit].concat()
}

/// NAL units behind lengths of four bytes.
struct Units<'a>(&'a [u8]);

impl<'a> Iterator for Units<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        let (unit, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        self.0 = rest;
        Some(unit)
    }
}
