//! What the child answers.

use bytes::Bytes;
use restage_picture::sandbox::Part;
use serde::{Deserialize, Serialize};

use super::ProtocolError;
use super::messages::{Payload, json, write};
use crate::limits::{REASON_BYTES_MAX, TILES_MAX};

const READY: u8 = 65;
const NO_SANDBOX: u8 = 66;
const PICTURE: u8 = 67;
const OPUS: u8 = 68;
const AAC: u8 = 69;
const SHOWN: u8 = 70;
const NEED_KEY_FRAME: u8 = 71;
const CANNOT_SHOW: u8 = 72;
const HEALTH: u8 = 73;

/// A message of the child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromChild {
    /// The sandbox holds and the setup has been taken; ticks begin.
    Ready,
    /// Nothing is made, because this part of the sandbox is not there.
    NoSandbox {
        /// Which.
        part: Part,
    },
    /// A picture of the composition.
    Picture {
        /// Place in [`Setup::renditions`](super::Setup::renditions).
        rendition: u8,
        /// When it is to be shown, in microseconds of the server's clock. It rises.
        at_us: u64,
        /// A player can start with it.
        is_key: bool,
        /// H.264 with start codes (Annex B), and parameter sets in a key frame.
        bytes: Bytes,
    },
    /// 20 ms of sound.
    Opus {
        /// When its first sample is to be heard, in microseconds of the server's clock.
        at_us: u64,
        /// RFC 6716, stereo.
        bytes: Bytes,
    },
    /// 1,024 samples of sound.
    Aac {
        /// When its first sample is to be heard, in microseconds of the server's clock.
        at_us: u64,
        /// AAC-LC without a container, stereo, 48 kHz.
        bytes: Bytes,
    },
    /// What a picture shows has changed.
    Shown {
        /// Place in [`Setup::renditions`](super::Setup::renditions).
        rendition: u8,
        /// From the lowest to the highest.
        tiles: Vec<ShownTile>,
    },
    /// Nothing can be decoded of this input before a key frame.
    NeedKeyFrame {
        /// Which.
        input: u32,
    },
    /// The pictures of this input cannot be shown.
    CannotShow {
        /// Which.
        input: u32,
        /// Why, in a few words.
        reason: String,
    },
    /// What the last second was like.
    Health(Health),
}

/// Where a person is shown, and what is seen there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownTile {
    /// Whose.
    pub input: u32,
    /// Pixels from the left.
    pub x: u32,
    /// Rows from the top.
    pub y: u32,
    /// Pixels of a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Tiles with higher numbers are above.
    pub z: u8,
    /// What is seen.
    pub picture: Showing,
    /// Width of what the person sends, as it is shown; 0 while it is not known.
    pub source_width: u32,
    /// Height of what the person sends, as it is shown; 0 while it is not known.
    pub source_height: u32,
}

/// What is seen in a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Showing {
    /// The person's picture.
    Picture,
    /// The person's name.
    Placeholder,
}

/// Figures of the time since the last ones, about a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Health {
    /// Pictures that were due, of all renditions.
    pub ticks: u64,
    /// Those that began later than the next was due.
    pub late_ticks: u64,
    /// Pictures that were not made because there was no time.
    pub skipped_pictures: u64,
    /// Pictures of inputs that were decoded.
    pub decoded_pictures: u64,
    /// Pictures of inputs that could not be decoded.
    pub damaged_pictures: u64,
    /// 20 ms of an input's sound that had to be made up.
    pub concealed_sounds: u64,
    /// Microseconds of decoding pictures.
    pub decode_us: u64,
    /// Microseconds of scaling and drawing.
    pub compose_us: u64,
    /// Microseconds of encoding pictures.
    pub encode_us: u64,
    /// Microseconds of decoding, mixing and encoding sound.
    pub mix_us: u64,
    /// Inputs of the scene.
    pub inputs: u64,
    /// Only every second picture is made, because there was no time for all.
    pub is_slowed: bool,
}

#[derive(Serialize, Deserialize)]
struct CannotShow {
    input: u32,
    reason: String,
}

#[derive(Serialize, Deserialize)]
struct Shown {
    rendition: u8,
    tiles: Vec<ShownTile>,
}

impl FromChild {
    /// Appends the message to `out`.
    ///
    /// # Errors
    ///
    /// It is beyond a bound. Nothing is appended then.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), ProtocolError> {
        match self {
            Self::Ready => write(out, READY, |_| Ok(())),
            Self::NoSandbox { part } => write(out, NO_SANDBOX, |out| {
                out.extend_from_slice(part.name().as_bytes());
                Ok(())
            }),
            Self::Picture {
                rendition,
                at_us,
                is_key,
                bytes,
            } => write(out, PICTURE, |out| {
                out.push(*rendition);
                out.extend_from_slice(&at_us.to_be_bytes());
                out.push(u8::from(*is_key));
                out.extend_from_slice(bytes);
                Ok(())
            }),
            Self::Opus { at_us, bytes } => write(out, OPUS, |out| sound(out, *at_us, bytes)),
            Self::Aac { at_us, bytes } => write(out, AAC, |out| sound(out, *at_us, bytes)),
            Self::Shown { rendition, tiles } => write(out, SHOWN, |out| {
                let shown = Shown {
                    rendition: *rendition,
                    tiles: tiles.clone(),
                };
                json(out, &shown)
            }),
            Self::NeedKeyFrame { input } => write(out, NEED_KEY_FRAME, |out| {
                out.extend_from_slice(&input.to_be_bytes());
                Ok(())
            }),
            Self::CannotShow { input, reason } => write(out, CANNOT_SHOW, |out| {
                let reason = reason[..reason.floor_char_boundary(REASON_BYTES_MAX)].to_owned();
                let input = *input;
                json(out, &CannotShow { input, reason })
            }),
            Self::Health(health) => write(out, HEALTH, |out| json(out, health)),
        }
    }

    /// Reads a message that [`Messages`](super::Messages) has cut out. It comes from a process that a stranger may have taken over.
    ///
    /// # Errors
    ///
    /// It is no message of a child, or beyond a bound.
    pub fn parse(message: &Bytes) -> Result<Self, ProtocolError> {
        let mut payload = Payload(message.clone());
        let kind = payload.u8().ok_or(ProtocolError::Length(0))?;
        match kind {
            SHOWN => {
                let Shown { rendition, tiles } = serde_json::from_slice(&payload.0)?;
                match tiles.len() <= TILES_MAX {
                    true => Ok(Self::Shown { rendition, tiles }),
                    false => Err(ProtocolError::Bound("tiles")),
                }
            }
            CANNOT_SHOW => {
                let CannotShow { input, reason } = serde_json::from_slice(&payload.0)?;
                match reason.len() <= REASON_BYTES_MAX {
                    true => Ok(Self::CannotShow { input, reason }),
                    false => Err(ProtocolError::Bound("the reason")),
                }
            }
            HEALTH => Ok(Self::Health(serde_json::from_slice(&payload.0)?)),
            READY..=AAC | NEED_KEY_FRAME => {
                Self::short(kind, payload).ok_or(ProtocolError::Payload(kind))
            }
            other => Err(ProtocolError::Kind(other)),
        }
    }

    fn short(kind: u8, mut payload: Payload) -> Option<Self> {
        match kind {
            READY => payload.0.is_empty().then_some(Self::Ready),
            NO_SANDBOX => {
                let is_it = |part: &Part| part.name().as_bytes() == payload.0;
                let part = Part::ALL.into_iter().find(is_it)?;
                Some(Self::NoSandbox { part })
            }
            PICTURE => Some(Self::Picture {
                rendition: payload.u8()?,
                at_us: payload.u64()?,
                is_key: payload.flag()?,
                bytes: payload.0,
            }),
            OPUS => Some(Self::Opus {
                at_us: payload.u64()?,
                bytes: payload.0,
            }),
            AAC => Some(Self::Aac {
                at_us: payload.u64()?,
                bytes: payload.0,
            }),
            NEED_KEY_FRAME => {
                let input = payload.u32()?;
                payload.0.is_empty().then_some(Self::NeedKeyFrame { input })
            }
            _ => None,
        }
    }
}

fn sound(out: &mut Vec<u8>, at_us: u64, bytes: &[u8]) -> Result<(), ProtocolError> {
    out.extend_from_slice(&at_us.to_be_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}
