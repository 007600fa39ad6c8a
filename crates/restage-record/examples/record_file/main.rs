//! Records an encoded file with a tone, as if a publisher sent them, so that players can be tried on the result:
//!
//! ```sh
//! ffmpeg -f lavfi -i testsrc2=s=640x360:r=30:d=20 -c:v libx264 -bf 0 -g 60 -bsf:v h264_mp4toannexb card.h264
//! cargo run -p restage-record --example record_file -- card.h264 out
//! ffmpeg -v warning -i out/media/hls/multivariant.m3u8 -f null -
//! ```
//!
//! Files are byte streams (`.h264`, `.h265`) at 30 pictures a second, or IVF (`.ivf`, VP9 or AV1). After the folder may come what happens
//! on the way, in seconds: `loss` (1 % of the packets), `pause=FROM-TO`, `off=FROM-TO` (no pictures are sent), `mute=FROM-TO` (no sound),
//! `then=FILE@FROM` (another encoding of the pictures, as when the simulcast layer changes), `segments=SECONDS`, `length=SECONDS` (the file is
//! played again and again), `back=FROM-TO` (the publisher is away, and comes back by another publication). The publisher may send both kinds;
//! `sound-only-agreed` and `pictures-only-agreed` say that the other kind was not agreed, before `back`.

mod packets;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use packets::{Pictures, is_key, packetise, read};
use restage_codec::{Codec, MediaKind};
use restage_record::journal::{Journal, Line};
use restage_record::playlist::{self, PlaylistKind};
use restage_record::{Anchor, EncodingId, MediaTypes, Output, Packet, Recorder, RecorderConfig};

const FRAME_US: u64 = 33_333;
const AUDIO_US: u64 = 20_000;
const SECOND_US: f64 = 1_000_000.0;
/// When the first packet is sent, by a steady clock.
const BEGIN_US: u64 = 1_000_000_000;
const PATH_US: u64 = 30_000;
/// How often the recorder does what is due.
const TICK_US: u64 = 100_000;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let usage = "usage: record_file FILE FOLDER [EVENT…]";
    let (file, folder) = (args.next().ok_or(usage)?, args.next().ok_or(usage)?);
    let events = Events::parse(args)?;
    let (codec, pictures) = read(Path::new(&file))?;
    let mut encodings = vec![Pass {
        codec,
        pictures,
        from_us: 0,
    }];
    for (file, from_us) in &events.then {
        let (codec, pictures) = read(Path::new(file))?;
        encodings.push(Pass {
            codec,
            pictures,
            from_us: *from_us,
        });
    }
    let length = encodings[0].pictures.len() as u64 * FRAME_US;
    let end_us = events.length_us.unwrap_or(length);
    let mut writer = Writer::new(Path::new(&folder))?;
    let mut recorder = Recorder::new(RecorderConfig {
        media_types: MediaTypes::AudioVideo,
        segment_seconds: events.segments.unwrap_or(6),
        anchor: Anchor {
            steady_us: BEGIN_US,
            utc_us: 1_790_932_360_000_000,
        },
        resumed: None,
        may_return: events.back.is_some(),
    });
    recorder.expect(match events.agreed_alone {
        Some(MediaKind::Audio) => vec![Codec::Opus],
        Some(MediaKind::Video) => vec![codec],
        None => vec![Codec::Opus, codec],
    });
    let back = events.back;
    let last = encodings.last().map_or(codec, |pass| pass.codec);
    let mut sender = Sender::new(events, encodings)?;
    let mut ticked_us = 0;
    let mut at_us = 0;
    while at_us < end_us {
        if let Some(change) = sender.pauses(at_us) {
            match change {
                true => recorder.pause(BEGIN_US + at_us),
                false => recorder.resume(BEGIN_US + at_us),
            }
        }
        if back.is_some_and(|(_, to)| to == at_us) {
            recorder.expect([Codec::Opus, last]);
        }
        for packet in sender.packets(at_us)? {
            recorder.push(packet.arrived_us, packet);
            writer.take(&mut recorder)?;
        }
        if back.is_some_and(|(from, _)| from == at_us) {
            recorder.source_gone(BEGIN_US + at_us + PATH_US);
            writer.take(&mut recorder)?;
        }
        if at_us >= ticked_us + TICK_US {
            ticked_us = at_us;
            recorder.tick(BEGIN_US + at_us + PATH_US);
            writer.take(&mut recorder)?;
        }
        at_us += 1_000;
    }
    recorder.finish(BEGIN_US + end_us + PATH_US);
    writer.take(&mut recorder)?;
    writer.finish(Path::new(&folder))
}

/// A piece of time: from, to.
type Piece = (u64, u64);

/// What happens on the way. Times are in microseconds.
#[derive(Debug, Default)]
struct Events {
    is_lossy: bool,
    agreed_alone: Option<MediaKind>,
    back: Option<Piece>,
    pauses: Vec<Piece>,
    off: Vec<Piece>,
    mute: Vec<Piece>,
    then: Vec<(String, u64)>,
    segments: Option<u32>,
    length_us: Option<u64>,
}

impl Events {
    fn parse(words: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut events = Self::default();
        for word in words {
            let (name, value) = word.split_once('=').unwrap_or((&word, ""));
            match name {
                "loss" => events.is_lossy = true,
                "sound-only-agreed" => events.agreed_alone = Some(MediaKind::Audio),
                "pictures-only-agreed" => events.agreed_alone = Some(MediaKind::Video),
                "back" => events.back = Some(piece(value)?),
                "pause" => events.pauses.push(piece(value)?),
                "off" => events.off.push(piece(value)?),
                "mute" => events.mute.push(piece(value)?),
                "then" => {
                    let (file, from) = value.split_once('@').ok_or("then=FILE@FROM")?;
                    events.then.push((file.to_owned(), time_us(from)?));
                }
                "segments" => events.segments = Some(value.parse()?),
                "length" => events.length_us = Some(time_us(value)?),
                _ => return Err(format!("there is no event '{name}'").into()),
            }
        }
        Ok(events)
    }
}

fn time_us(seconds: &str) -> Result<u64, Failure> {
    Ok((seconds.parse::<f64>()? * SECOND_US) as u64)
}

fn piece(value: &str) -> Result<Piece, Failure> {
    let (from, to) = value.split_once('-').ok_or("a piece of time is FROM-TO")?;
    Ok((time_us(from)?, time_us(to)?))
}

fn is_in(pieces: &[Piece], at_us: u64) -> bool {
    pieces
        .iter()
        .any(|(from, to)| (*from..*to).contains(&at_us))
}

struct Writer {
    folder: std::path::PathBuf,
    journal: Journal,
}

impl Writer {
    fn new(folder: &Path) -> Result<Self, Failure> {
        let folder = folder.join(playlist::HLS_PATH).join(playlist::RENDITION);
        fs::create_dir_all(&folder)?;
        Ok(Self {
            folder,
            journal: Journal::default(),
        })
    }

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
                Output::WantKeyFrame => {}
                other => println!("{other:?}"),
            }
        }
        Ok(())
    }

    fn finish(&self, folder: &Path) -> Result<(), Failure> {
        let segments: Vec<_> = self.journal.segments().collect();
        let media = playlist::media(PlaylistKind::Vod, 1, segments);
        fs::write(self.folder.join(playlist::MEDIA_NAME), media)?;
        let multivariant = playlist::multivariant(&self.journal, playlist::RENDITION)
            .ok_or("nothing was recorded")?;
        let name = folder
            .join(playlist::HLS_PATH)
            .join(playlist::MULTIVARIANT_NAME);
        fs::write(name, multivariant)?;
        Ok(())
    }
}

/// An encoding of the pictures that is sent from a time on.
struct Pass {
    codec: Codec,
    pictures: Pictures,
    from_us: u64,
}

struct Sender {
    events: Events,
    passes: Vec<Pass>,
    tone: Tone,
    sequence: u64,
    audio_number: u64,
    video_number: u64,
    is_paused: bool,
    /// A camera begins with a key frame.
    awaits_key: bool,
}

impl Sender {
    fn new(events: Events, passes: Vec<Pass>) -> Result<Self, opus::Error> {
        Ok(Self {
            events,
            passes,
            tone: Tone::new()?,
            sequence: 0,
            audio_number: 0,
            video_number: 0,
            is_paused: false,
            awaits_key: true,
        })
    }

    /// Whether the recording is paused or resumed by now.
    fn pauses(&mut self, at_us: u64) -> Option<bool> {
        let wanted = is_in(&self.events.pauses, at_us);
        (std::mem::replace(&mut self.is_paused, wanted) != wanted).then_some(wanted)
    }

    /// What is sent by now.
    fn packets(&mut self, at_us: u64) -> Result<Vec<Packet>, opus::Error> {
        let mut packets = Vec::new();
        while self.audio_number * AUDIO_US <= at_us {
            let (number, time_us) = (self.audio_number, self.audio_number * AUDIO_US);
            self.audio_number += 1;
            let payload = self.tone.packet(number)?;
            if self.sends(MediaKind::Audio, time_us) {
                let encoding = self.encoding(0, time_us);
                packets.push(packet(
                    Codec::Opus,
                    encoding,
                    number,
                    number * 960,
                    time_us,
                    payload,
                ));
            }
        }
        while self.video_number * FRAME_US <= at_us {
            let time_us = self.video_number * FRAME_US;
            packets.extend(self.picture(time_us));
            self.video_number += 1;
        }
        let is_lossy = self.events.is_lossy;
        packets.retain(|packet| !(is_lossy && packet.sequence % 100 == 77));
        Ok(packets)
    }

    /// Whether something of this kind is sent at this time.
    fn sends(&self, kind: MediaKind, at_us: u64) -> bool {
        let events = &self.events;
        let (stopped, other) = match kind {
            MediaKind::Audio => (&events.mute, MediaKind::Video),
            MediaKind::Video => (&events.off, MediaKind::Audio),
        };
        let is_first = events.back.is_none_or(|(from, _)| at_us < from);
        let is_away = is_in(events.back.as_slice(), at_us);
        let is_agreed = !is_first || events.agreed_alone != Some(other);
        is_agreed && !is_away && !is_in(stopped, at_us)
    }

    /// Those of another publication are others.
    fn encoding(&self, number: u64, at_us: u64) -> EncodingId {
        let is_back = self.events.back.is_some_and(|(from, _)| at_us >= from);
        EncodingId(number + if is_back { 100 } else { 0 })
    }

    fn picture(&mut self, at_us: u64) -> Vec<Packet> {
        let running = self.passes.iter().rposition(|pass| pass.from_us <= at_us);
        let place = running.unwrap_or_default();
        let pass = &self.passes[place];
        let number = (at_us - pass.from_us) / FRAME_US;
        let picture = &pass.pictures[number as usize % pass.pictures.len()];
        let key = is_key(pass.codec, picture);
        if !self.sends(MediaKind::Video, at_us) {
            self.awaits_key = true;
            return Vec::new();
        }
        if self.awaits_key && !key {
            return Vec::new();
        }
        self.awaits_key = false;
        let payloads = packetise(pass.codec, picture);
        let count = payloads.len();
        let encoding = self.encoding(1 + place as u64, at_us);
        let mut packets = Vec::new();
        for (place, payload) in payloads.into_iter().enumerate() {
            self.sequence += 1;
            let time = at_us * 9 / 100;
            let mut packet = packet(pass.codec, encoding, self.sequence, time, at_us, payload);
            packet.marker = place + 1 == count;
            packet.starts_key_frame = key && place == 0;
            packets.push(packet);
        }
        packets
    }
}

fn packet(
    codec: Codec,
    encoding: EncodingId,
    sequence: u64,
    timestamp: u64,
    at_us: u64,
    payload: Vec<u8>,
) -> Packet {
    Packet {
        encoding,
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
