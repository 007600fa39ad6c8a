//! Records an encoded file with a tone, as if a publisher sent them, so that players can be tried on the result:
//!
//! ```sh
//! ffmpeg -f lavfi -i testsrc2=s=640x360:r=30:d=20 -c:v libx264 -bf 0 -g 60 -bsf:v h264_mp4toannexb card.h264
//! cargo run -p restage-record --example record_file -- card.h264 out
//! ffmpeg -v warning -i out/media/hls/multivariant.m3u8 -f null -
//! ```
//!
//! Files are byte streams (`.h264`, `.h265`) at 30 pictures a second, or IVF (`.ivf`, VP9 or AV1). After the folder may come what happens
//! on the way: `loss` (1 % of the packets), `pause` (two seconds in the middle).

use std::fs;
use std::path::Path;
use std::sync::Arc;

use restage_codec::{Codec, av1, h264, h265, vp9};
use restage_record::journal::{Journal, Line};
use restage_record::playlist::{self, PlaylistKind};
use restage_record::{Anchor, EncodingId, MediaTypes, Output, Packet, Recorder, RecorderConfig};

const FRAME_US: u64 = 33_333;
const PAYLOAD_BYTES: usize = 1_100;
/// When the first packet is sent, by a steady clock.
const BEGIN_US: u64 = 1_000_000_000;
const PATH_US: u64 = 30_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let usage = "usage: record_file FILE FOLDER [loss|pause]";
    let (file, folder) = (args.next().ok_or(usage)?, args.next().ok_or(usage)?);
    let event = args.next().unwrap_or_default();
    let (codec, pictures) = read(Path::new(&file))?;
    let rendition = Path::new(&folder)
        .join(playlist::HLS_PATH)
        .join(playlist::RENDITION);
    fs::create_dir_all(&rendition)?;
    let mut writer = Writer {
        folder: rendition,
        journal: Journal::default(),
    };
    let mut recorder = Recorder::new(RecorderConfig {
        media_types: MediaTypes::AudioVideo,
        segment_seconds: 6,
        anchor: Anchor {
            steady_us: BEGIN_US,
            utc_us: 1_790_932_360_000_000,
        },
        resumed: None,
    });
    let mut sender = Sender::new(codec, event == "loss")?;
    let half = pictures.len() / 2;
    for (number, picture) in pictures.iter().enumerate() {
        let at_us = number as u64 * FRAME_US;
        if event == "pause" && number == half {
            recorder.pause(BEGIN_US + at_us);
        } else if event == "pause" && number == half + 60 {
            recorder.resume(BEGIN_US + at_us);
        }
        for packet in sender.packets(at_us, picture)? {
            recorder.push(packet.arrived_us, packet);
            writer.take(&mut recorder)?;
        }
    }
    let end = BEGIN_US + pictures.len() as u64 * FRAME_US + PATH_US;
    recorder.finish(end);
    writer.take(&mut recorder)?;
    writer.finish(Path::new(&folder))?;
    Ok(())
}

struct Writer {
    folder: std::path::PathBuf,
    journal: Journal,
}

impl Writer {
    fn take(&mut self, recorder: &mut Recorder) -> std::io::Result<()> {
        while let Some(output) = recorder.poll() {
            match output {
                Output::Init(init) => {
                    let name = playlist::init_name(init.entry.number);
                    fs::write(self.folder.join(name), init.bytes)?;
                    self.journal.lines.push(Line::Init(init.entry));
                }
                Output::Segment(segment) => {
                    let name = playlist::segment_name(segment.entry.number);
                    fs::write(self.folder.join(name), segment.bytes)?;
                    self.journal.lines.push(Line::Segment(segment.entry));
                }
                other => println!("{other:?}"),
            }
        }
        Ok(())
    }

    fn finish(&self, folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
        let segments: Vec<_> = self.journal.segments().collect();
        let media = playlist::media(PlaylistKind::Vod, 1, segments);
        fs::write(self.folder.join(playlist::MEDIA_NAME), media)?;
        let multivariant = playlist::multivariant(&self.journal).ok_or("nothing was recorded")?;
        let name = folder
            .join(playlist::HLS_PATH)
            .join(playlist::MULTIVARIANT_NAME);
        fs::write(name, multivariant)?;
        Ok(())
    }
}

struct Sender {
    codec: Codec,
    tone: Tone,
    is_lossy: bool,
    sequence: u64,
    audio_number: u64,
}

impl Sender {
    fn new(codec: Codec, is_lossy: bool) -> Result<Self, opus::Error> {
        Ok(Self {
            codec,
            tone: Tone::new()?,
            is_lossy,
            sequence: 0,
            audio_number: 0,
        })
    }

    /// A picture and the sound up to its time.
    fn packets(&mut self, at_us: u64, picture: &[u8]) -> Result<Vec<Packet>, opus::Error> {
        let mut packets = Vec::new();
        while self.audio_number * 20_000 <= at_us {
            let number = self.audio_number;
            self.audio_number += 1;
            let payload = self.tone.packet(number)?;
            packets.push(packet(
                Codec::Opus,
                number,
                number * 960,
                number * 20_000,
                payload,
            ));
        }
        let payloads = packetise(self.codec, picture);
        let is_key = is_key(self.codec, picture);
        let count = payloads.len();
        for (place, payload) in payloads.into_iter().enumerate() {
            self.sequence += 1;
            let mut packet = packet(self.codec, self.sequence, at_us * 9 / 100, at_us, payload);
            packet.marker = place + 1 == count;
            packet.starts_key_frame = is_key && place == 0;
            packets.push(packet);
        }
        let is_lossy = self.is_lossy;
        packets.retain(|packet| !(is_lossy && packet.sequence % 100 == 77));
        Ok(packets)
    }
}

fn packet(codec: Codec, sequence: u64, timestamp: u64, at_us: u64, payload: Vec<u8>) -> Packet {
    Packet {
        encoding: EncodingId(1),
        codec,
        sequence,
        timestamp,
        arrived_us: BEGIN_US + at_us + PATH_US,
        report: None,
        marker: false,
        starts_key_frame: false,
        parameter_sets: None,
        rotation_degrees: 0,
        payload: Arc::from(payload),
    }
}

/// A beep of 100 ms on every second.
struct Tone(opus::Encoder);

impl Tone {
    fn new() -> Result<Self, opus::Error> {
        let application = opus::Application::Audio;
        Ok(Self(opus::Encoder::new(
            48_000,
            opus::Channels::Stereo,
            application,
        )?))
    }

    fn packet(&mut self, number: u64) -> Result<Vec<u8>, opus::Error> {
        let is_on = number % 50 < 5;
        let sample = |place: u64| {
            let phase = (number * 960 + place) as f32 * 440.0 * std::f32::consts::TAU / 48_000.0;
            if is_on { phase.sin() * 0.3 } else { 0.0 }
        };
        let samples: Vec<f32> = (0..960).flat_map(|place| [sample(place); 2]).collect();
        self.0.encode_vec_float(&samples, 1_200)
    }
}

type Pictures = Vec<Vec<u8>>;

fn read(path: &Path) -> Result<(Codec, Pictures), Box<dyn std::error::Error>> {
    let bytes = fs::read(path)?;
    let name = path.extension().and_then(|name| name.to_str());
    match name {
        Some("h264") => Ok((
            Codec::H264,
            access_units(&bytes, |unit| h264::UnitType::of(unit).is_slice()),
        )),
        Some("h265") => Ok((Codec::H265, access_units(&bytes, |unit| unit[0] >> 1 < 32))),
        Some("ivf") => {
            let codec = match bytes.get(8..12) {
                Some(b"VP90") => Codec::Vp9,
                Some(b"AV01") => Codec::Av1,
                _ => return Err("IVF files have VP9 or AV1".into()),
            };
            Ok((codec, frames(bytes.get(32..).unwrap_or_default())))
        }
        _ => Err("a name ends with .h264, .h265 or .ivf".into()),
    }
}

/// Byte streams whose pictures have one slice each.
fn access_units(bytes: &[u8], is_slice: impl Fn(&[u8]) -> bool) -> Pictures {
    let mut pictures = vec![Vec::new()];
    for unit in h264::annexb::units(bytes) {
        let current = pictures.last_mut().expect("there is one");
        current.extend_from_slice(&[0, 0, 0, 1]);
        current.extend_from_slice(unit);
        if is_slice(unit) {
            pictures.push(Vec::new());
        }
    }
    pictures.pop();
    pictures
}

fn frames(mut bytes: &[u8]) -> Pictures {
    let mut pictures = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<12>() {
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        pictures.push(rest[..length].to_vec());
        bytes = &rest[length..];
    }
    pictures
}

fn is_key(codec: Codec, picture: &[u8]) -> bool {
    match codec {
        Codec::H264 => h264::annexb::units(picture).any(|unit| unit[0] & 0x1f == 7),
        Codec::H265 => h264::annexb::units(picture)
            .any(|unit| h265::UnitType(unit[0] >> 1 & 0x3f) == h265::UnitType::SPS),
        Codec::Vp9 => vp9::is_key_frame(picture),
        _ => av1::is_key_frame(picture),
    }
}

fn packetise(codec: Codec, picture: &[u8]) -> Pictures {
    match codec {
        Codec::H264 => h264::annexb::units(picture)
            .flat_map(h264_payloads)
            .collect(),
        Codec::H265 => h264::annexb::units(picture)
            .flat_map(h265_payloads)
            .collect(),
        Codec::Vp9 => vp9_payloads(picture),
        _ => av1_payloads(picture),
    }
}

/// Where a chunk stands among those of its unit: first, last.
fn ends(place: usize, count: usize) -> (bool, bool) {
    (place == 0, place + 1 == count)
}

fn h264_payloads(unit: &[u8]) -> Pictures {
    if unit.len() <= PAYLOAD_BYTES {
        return vec![unit.to_vec()];
    }
    let chunks: Vec<&[u8]> = unit[1..].chunks(PAYLOAD_BYTES).collect();
    let fragment = |(place, chunk): (usize, &&[u8])| {
        let (first, last) = ends(place, chunks.len());
        let head = u8::from(first) << 7 | u8::from(last) << 6 | unit[0] & 0x1f;
        [&[unit[0] & 0xe0 | 28, head], *chunk].concat()
    };
    chunks.iter().enumerate().map(fragment).collect()
}

fn h265_payloads(unit: &[u8]) -> Pictures {
    if unit.len() <= PAYLOAD_BYTES {
        return vec![unit.to_vec()];
    }
    let chunks: Vec<&[u8]> = unit[2..].chunks(PAYLOAD_BYTES).collect();
    let fragment = |(place, chunk): (usize, &&[u8])| {
        let (first, last) = ends(place, chunks.len());
        let head = u8::from(first) << 7 | u8::from(last) << 6 | unit[0] >> 1 & 0x3f;
        [&[unit[0] & 0x81 | 49 << 1, unit[1], head], *chunk].concat()
    };
    chunks.iter().enumerate().map(fragment).collect()
}

fn vp9_payloads(picture: &[u8]) -> Pictures {
    let predicted = u8::from(!vp9::is_key_frame(picture)) << 6;
    let chunks: Vec<&[u8]> = picture.chunks(PAYLOAD_BYTES).collect();
    let payload = |(place, chunk): (usize, &&[u8])| {
        let (first, last) = ends(place, chunks.len());
        [
            &[predicted | u8::from(first) << 3 | u8::from(last) << 2],
            *chunk,
        ]
        .concat()
    };
    chunks.iter().enumerate().map(payload).collect()
}

/// Packets of one element each.
fn av1_payloads(picture: &[u8]) -> Pictures {
    let mut payloads = Vec::new();
    let mut rest = picture;
    while let [header, after @ ..] = rest {
        let (mut size, mut length) = (0, 0);
        for byte in after {
            size |= usize::from(byte & 0x7f) << (7 * length);
            length += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let (unit, next) = rest.split_at(1 + length + size);
        rest = next;
        if header >> 3 & 0x0f == 2 {
            continue;
        }
        let chunks: Vec<&[u8]> = unit.chunks(PAYLOAD_BYTES).collect();
        for (place, chunk) in chunks.iter().enumerate() {
            let (first, last) = ends(place, chunks.len());
            let head = u8::from(!first) << 7 | u8::from(!last) << 6 | 0x10;
            payloads.push([&[head], *chunk].concat());
        }
    }
    payloads
}
