//! Checks that this machine can compose: a process enters the sandbox, tries what it must not be able to do, and composes one picture with sound.

use std::io::{self, Write as _};
use std::process::ExitCode;

use bytes::Bytes;
use opus::{Application, Channels};
use restage_picture::sandbox;

use super::NEEDS;
use crate::decode::Decoder;
use crate::encode::Encoder;
use crate::engine::{DELAY_US, Engine};
use crate::layout::{Layout, Person};
use crate::picture::Yuv;
use crate::protocol::{FromChild, Rendition, Setup, SoundFormats, ToChild, VideoCodec};

/// The participant.
const INPUT: u32 = 1;
/// When it begins.
const BEGIN_US: u64 = 1_000_000;
/// Time for which the participant speaks, and its picture is shown: the delay, and time for two pictures and some frames of AAC.
const LASTS_US: u64 = DELAY_US + 200_000;
/// The participant's picture: one colour.
const SIZE: (u32, u32) = (160, 90);
const COLOUR: [u8; 3] = [180, 110, 140];
/// Greatest distance of a colour from it, as two encoders are in between.
const COLOUR_ERROR: u8 = 6;
/// The encoding that is made.
const RENDITION: Rendition = Rendition {
    width: 320,
    height: 180,
    framerate_milli: 30_000,
    bitrate: 500_000,
};
/// Samples of a packet: 20 ms.
const PACKET: usize = 960;
const PACKET_US: u64 = 20_000;
/// Loudness of the participant, and the least that must be heard of it.
const LEVEL: f32 = 0.5;
const HEARD: f32 = 0.1;

/// Prints what came of each trial. The exit code says whether the sandbox holds and a picture was composed.
pub(super) fn run() -> ExitCode {
    let trials = match sandbox::check::run(&NEEDS) {
        Ok(trials) => trials,
        Err(missing) => return print(&format!("FAIL {missing}\n"), false),
    };
    let mut lines: String = trials.iter().map(|trial| format!("{trial}\n")).collect();
    let composed = compose();
    lines.push_str(&match &composed {
        Ok(made) => format!("made {made}\n"),
        Err(missing) => format!("FAIL {missing}\n"),
    });
    let holds = trials.iter().all(|trial| trial.is_held);
    print(&lines, holds && composed.is_ok())
}

fn print(lines: &str, is_well: bool) -> ExitCode {
    let mut stdout = io::stdout();
    let printed = stdout
        .write_all(lines.as_bytes())
        .and_then(|()| stdout.flush());
    match printed.is_ok() && is_well {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// The picture and the sound of the participant, as they came out.
#[derive(Default)]
struct Seen {
    picture: Option<Yuv>,
    opus: f32,
    aac_frames: u32,
}

/// Composes a picture of a coded one, with sound, and looks at it. The error says what is missing.
fn compose() -> Result<String, &'static str> {
    let setup = Setup {
        now_us: BEGIN_US,
        layout: Layout::default(),
        renditions: vec![RENDITION],
        sound: SoundFormats {
            opus: true,
            aac: true,
        },
    };
    let aac = crate::aac_encoder().ok_or("sound: the encoder of AAC does not start")?;
    let engine = Engine::new(setup, BEGIN_US, Some(aac));
    let mut engine = engine.ok_or("picture: the encoders do not start")?;
    let person = Person {
        input: INPUT,
        ..Person::default()
    };
    let persons = vec![person];
    engine.take(ToChild::Scene { persons }, &mut || BEGIN_US);
    engine.take(picture()?, &mut || BEGIN_US);
    let mut packets = packets()?.into_iter();
    let mut seen = Seen::default();
    let mut ears = opus::Decoder::new(48_000, Channels::Stereo);
    let mut eyes = Decoder::new(VideoCodec::H264);
    while engine.due_us() < BEGIN_US + LASTS_US {
        let now_us = engine.due_us();
        if let Some(message) = packets.next() {
            engine.take(message, &mut || now_us);
        }
        engine.advance(&mut || now_us);
        while let Some(said) = engine.poll() {
            match said {
                FromChild::Picture { is_key, bytes, .. } => {
                    let decoded = eyes.as_mut().map(|eyes| eyes.decode(is_key, &bytes));
                    if let Some(Ok(Some(picture))) = decoded {
                        seen.picture = Some(picture);
                    }
                }
                FromChild::Opus { bytes, .. } => {
                    let mut samples = [0.0; PACKET * 2];
                    if let Ok(ears) = &mut ears
                        && ears.decode_float(&bytes, &mut samples, false).is_ok()
                    {
                        seen.opus = samples
                            .iter()
                            .fold(seen.opus, |most, at| most.max(at.abs()));
                    }
                }
                FromChild::Aac { .. } => seen.aac_frames += 1,
                _ => {}
            }
        }
    }
    seen.judge()
}

impl Seen {
    fn judge(&self) -> Result<String, &'static str> {
        let picture = self.picture.as_ref().ok_or("picture: none came")?;
        let is_shown = picture.planes.iter().zip(COLOUR).all(|(plane, wanted)| {
            let middle = plane.width * (plane.height / 2) + plane.width / 2;
            let found = plane.samples.get(middle);
            found.is_some_and(|found| found.abs_diff(wanted) <= COLOUR_ERROR)
        });
        if !is_shown {
            return Err("picture: the participant is not in it");
        }
        if self.opus < HEARD {
            return Err("sound: the participant is not heard");
        }
        if self.aac_frames == 0 {
            return Err("sound: no frame of AAC came");
        }
        let (width, height) = (picture.width, picture.height);
        Ok(format!(
            "a picture of {width}x{height} with Opus and AAC, of H.264 with Opus"
        ))
    }
}

fn picture() -> Result<ToChild, &'static str> {
    let rendition = Rendition {
        width: SIZE.0,
        height: SIZE.1,
        ..RENDITION
    };
    let encoder = Encoder::new(&rendition);
    let mut encoder = encoder.ok_or("picture: the encoder of H.264 does not start")?;
    let encoded = encoder.encode(&Yuv::filled(SIZE.0, SIZE.1, COLOUR));
    let encoded = encoded.ok_or("picture: the encoder of H.264 gives nothing")?;
    Ok(ToChild::Picture {
        input: INPUT,
        at_us: BEGIN_US,
        codec: VideoCodec::H264,
        is_key: encoded.is_key,
        quarter_turns: 0,
        bytes: encoded.bytes,
    })
}

/// A tone of 500 Hz.
fn packets() -> Result<Vec<ToChild>, &'static str> {
    let encoder = opus::Encoder::new(48_000, Channels::Stereo, Application::Audio);
    let mut encoder = encoder.map_err(|_| "sound: the encoder of Opus does not start")?;
    let samples: Vec<f32> = (0..PACKET)
        .flat_map(|at| [(at as f32 * std::f32::consts::TAU / 96.0).sin() * LEVEL; 2])
        .collect();
    (0..LASTS_US / PACKET_US)
        .map(|number| {
            let packet = encoder.encode_vec_float(&samples, 1_275);
            let packet = packet.map_err(|_| "sound: the encoder of Opus gives nothing")?;
            Ok(ToChild::Sound {
                input: INPUT,
                at_us: BEGIN_US + number * PACKET_US,
                timestamp: number * PACKET as u64,
                bytes: Bytes::from(packet),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_composed_and_what_is_missing_is_said() {
        compose().unwrap();
        let nothing = Seen::default();
        assert_eq!(nothing.judge(), Err("picture: none came"));
        let black = Seen {
            picture: Some(Yuv::black(320, 180)),
            ..Seen::default()
        };
        assert_eq!(black.judge(), Err("picture: the participant is not in it"));
        let shown = || Some(Yuv::filled(320, 180, COLOUR));
        let silent = Seen {
            picture: shown(),
            ..Seen::default()
        };
        assert_eq!(silent.judge(), Err("sound: the participant is not heard"));
        let without_aac = Seen {
            picture: shown(),
            opus: LEVEL,
            aac_frames: 0,
        };
        assert_eq!(without_aac.judge(), Err("sound: no frame of AAC came"));
    }
}
