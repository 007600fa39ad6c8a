//! What the server says.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::ProtocolError;
use super::messages::{Payload, json, write};
use crate::layout::{Layout, Person};
use crate::limits::{
    BITRATE_MAX, BITRATE_MIN, FRAMERATE_MILLI_MAX, FRAMERATE_MILLI_MIN, INPUTS_MAX, NAME_BYTES_MAX,
    OPUS_BYTES_MAX, REASON_BYTES_MAX, RENDITION_PIXELS_MAX, RENDITION_SIDE_MAX, RENDITION_SIDE_MIN,
    RENDITIONS_MAX,
};

const SETUP: u8 = 1;
const SCENE: u8 = 2;
const PICTURE: u8 = 3;
const SOUND: u8 = 4;
const KEY_FRAME: u8 = 5;
const STOP: u8 = 6;

/// A message of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToChild {
    /// What is to be made. The first message, once.
    Setup(Setup),
    /// Who publishes. An input that is not in it is forgotten.
    Scene {
        /// At most [`INPUTS_MAX`], each with an input of its own. Longer names and reasons are cut when they are written.
        persons: Vec<Person>,
    },
    /// A picture of an input: a whole access unit.
    Picture {
        /// Whose.
        input: u32,
        /// When it is to be shown, in microseconds of the server's clock.
        at_us: u64,
        /// How it is encoded.
        codec: Codec,
        /// A decoder can start with it.
        is_key: bool,
        /// How far to turn it clockwise, in quarters of a circle.
        quarter_turns: u8,
        /// H.264 with start codes (Annex B) and, in a key frame, parameter sets; or a VP8 frame.
        bytes: Bytes,
    },
    /// An Opus packet of an input.
    Sound {
        /// Whose.
        input: u32,
        /// When it is to be heard, in microseconds of the server's clock.
        at_us: u64,
        /// RTP time of the first sample, at 48 kHz, extended to 64 bits. Gaps show in it.
        timestamp: u64,
        /// RFC 6716.
        bytes: Bytes,
    },
    /// A key frame is wanted.
    KeyFrame {
        /// Place in [`Setup::renditions`].
        rendition: u8,
    },
    /// Everything that is under way is given out, and the child ends.
    Stop,
}

/// What a composition makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// The server's clock at this moment, in microseconds. All `at_us` are of it.
    pub now_us: u64,
    /// Where persons are shown.
    pub layout: Layout,
    /// The pictures that are made, 1 to [`RENDITIONS_MAX`].
    pub renditions: Vec<Rendition>,
    /// The sound that is made.
    pub sound: SoundFormats,
}

/// A picture that is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rendition {
    /// Pixels of a row: even, 16 to 1,920.
    pub width: u32,
    /// Rows: even, 16 to 1,920. At most 2,073,600 pixels in all.
    pub height: u32,
    /// Thousandths of pictures per second, 1,000 to 60,000.
    pub framerate_milli: u32,
    /// Bits per second, at most 8,500,000.
    pub bitrate: u32,
}

/// The sound that is made: 48 kHz, stereo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SoundFormats {
    /// Opus, for recordings.
    pub opus: bool,
    /// AAC-LC, for RTMP.
    pub aac: bool,
}

/// A codec that the child decodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// ITU-T H.264
    H264,
    /// RFC 6386
    Vp8,
}

#[derive(Serialize)]
struct SceneRef<'a> {
    persons: &'a [Person],
}

#[derive(Deserialize)]
struct Scene {
    persons: Vec<Person>,
}

impl Setup {
    /// Checks all bounds.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::Bound`] names the member.
    pub fn check(&self) -> Result<(), ProtocolError> {
        let bound = |is_kept: bool, what| is_kept.then_some(()).ok_or(ProtocolError::Bound(what));
        bound(
            (1..=RENDITIONS_MAX).contains(&self.renditions.len()),
            "renditions",
        )?;
        for rendition in &self.renditions {
            let sides = RENDITION_SIDE_MIN..=RENDITION_SIDE_MAX;
            let is_side = |side: u32| sides.contains(&side) && side.is_multiple_of(2);
            bound(is_side(rendition.width), "width")?;
            bound(is_side(rendition.height), "height")?;
            let pixels = rendition.width * rendition.height;
            bound(pixels <= RENDITION_PIXELS_MAX, "width times height")?;
            let rates = FRAMERATE_MILLI_MIN..=FRAMERATE_MILLI_MAX;
            bound(rates.contains(&rendition.framerate_milli), "framerate")?;
            bound(
                (BITRATE_MIN..=BITRATE_MAX).contains(&rendition.bitrate),
                "bitrate",
            )?;
        }
        Ok(())
    }
}

impl ToChild {
    /// Appends the message to `out`.
    ///
    /// # Errors
    ///
    /// It is beyond a bound. Nothing is appended then.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), ProtocolError> {
        match self {
            Self::Setup(setup) => {
                setup.check()?;
                write(out, SETUP, |out| json(out, setup))
            }
            Self::Scene { persons } => write(out, SCENE, |out| {
                let persons: Vec<Person> = persons.iter().map(with_short_texts).collect();
                check_persons(&persons)?;
                json(out, &SceneRef { persons: &persons })
            }),
            Self::Picture {
                input,
                at_us,
                codec,
                is_key,
                quarter_turns,
                bytes,
            } => write(out, PICTURE, |out| {
                out.extend_from_slice(&input.to_be_bytes());
                out.extend_from_slice(&at_us.to_be_bytes());
                out.extend([codec.code(), u8::from(*is_key), quarter_turns % 4]);
                out.extend_from_slice(bytes);
                Ok(())
            }),
            Self::Sound {
                input,
                at_us,
                timestamp,
                bytes,
            } => write(out, SOUND, |out| {
                if bytes.len() > OPUS_BYTES_MAX {
                    return Err(ProtocolError::Bound("sound"));
                }
                out.extend_from_slice(&input.to_be_bytes());
                out.extend_from_slice(&at_us.to_be_bytes());
                out.extend_from_slice(&timestamp.to_be_bytes());
                out.extend_from_slice(bytes);
                Ok(())
            }),
            Self::KeyFrame { rendition } => write(out, KEY_FRAME, |out| {
                out.push(*rendition);
                Ok(())
            }),
            Self::Stop => write(out, STOP, |_| Ok(())),
        }
    }

    /// Reads a message that [`Messages`](super::Messages) has cut out.
    ///
    /// # Errors
    ///
    /// It is no message of the server, or beyond a bound.
    pub fn parse(message: &Bytes) -> Result<Self, ProtocolError> {
        let mut payload = Payload(message.clone());
        let kind = payload.u8().ok_or(ProtocolError::Length(0))?;
        match kind {
            SETUP => {
                let setup: Setup = serde_json::from_slice(&payload.0)?;
                setup.check()?;
                Ok(Self::Setup(setup))
            }
            SCENE => {
                let Scene { persons } = serde_json::from_slice(&payload.0)?;
                check_persons(&persons)?;
                Ok(Self::Scene { persons })
            }
            PICTURE | SOUND | KEY_FRAME => {
                Self::media(kind, payload).ok_or(ProtocolError::Payload(kind))
            }
            STOP if payload.0.is_empty() => Ok(Self::Stop),
            STOP => Err(ProtocolError::Payload(kind)),
            other => Err(ProtocolError::Kind(other)),
        }
    }

    fn media(kind: u8, mut payload: Payload) -> Option<Self> {
        if kind == KEY_FRAME {
            let rendition = payload.u8()?;
            return payload.0.is_empty().then_some(Self::KeyFrame { rendition });
        }
        let (input, at_us) = (payload.u32()?, payload.u64()?);
        if kind == SOUND {
            let timestamp = payload.u64()?;
            return (payload.0.len() <= OPUS_BYTES_MAX).then_some(Self::Sound {
                input,
                at_us,
                timestamp,
                bytes: payload.0,
            });
        }
        Some(Self::Picture {
            input,
            at_us,
            codec: Codec::of_code(payload.u8()?)?,
            is_key: payload.flag()?,
            quarter_turns: payload.u8().filter(|turns| *turns < 4)?,
            bytes: payload.0,
        })
    }
}

impl Codec {
    fn code(self) -> u8 {
        match self {
            Self::H264 => 0,
            Self::Vp8 => 1,
        }
    }

    fn of_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::H264),
            1 => Some(Self::Vp8),
            _ => None,
        }
    }
}

fn with_short_texts(person: &Person) -> Person {
    let short = |text: &str, most: usize| text[..text.floor_char_boundary(most)].to_owned();
    Person {
        name: short(&person.name, NAME_BYTES_MAX),
        why_no_picture: person
            .why_no_picture
            .as_deref()
            .map(|why| short(why, REASON_BYTES_MAX)),
        ..person.clone()
    }
}

fn check_persons(persons: &[Person]) -> Result<(), ProtocolError> {
    if persons.len() > INPUTS_MAX {
        return Err(ProtocolError::Bound("persons"));
    }
    let inputs: BTreeSet<u32> = persons.iter().map(|person| person.input).collect();
    if inputs.len() < persons.len() {
        return Err(ProtocolError::Bound("inputs"));
    }
    let is_long = |person: &Person| {
        let why = person.why_no_picture.as_ref().map_or(0, String::len);
        person.name.len() > NAME_BYTES_MAX || why > REASON_BYTES_MAX
    };
    match persons.iter().any(is_long) {
        true => Err(ProtocolError::Bound("a text")),
        false => Ok(()),
    }
}
