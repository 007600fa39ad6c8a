//! Messages as bytes.

use bytes::{Buf as _, Bytes};
use serde::{Deserialize, Serialize};

use super::{
    FRAME_BYTES_MAX, FromChild, Health, INPUTS_MAX, Person, RENDITIONS_MAX, Setup, ShownTile,
    ToChild, VideoCodec,
};

/// Bytes of a frame's length.
pub const LENGTH_BYTES: usize = 4;
/// Most tiles of one rendition.
const TILES_MAX: usize = INPUTS_MAX;

const SETUP: u8 = 1;
const SCENE: u8 = 2;
const PICTURE: u8 = 3;
const SOUND: u8 = 4;
const KEY_FRAME: u8 = 5;
const STOP: u8 = 6;

const READY: u8 = 65;
const NO_SANDBOX: u8 = 66;
const COMPOSED: u8 = 67;
const OPUS: u8 = 68;
const AAC: u8 = 69;
const SHOWN: u8 = 70;
const NEED_KEY_FRAME: u8 = 71;
const CANNOT_SHOW: u8 = 72;
const HEALTH: u8 = 73;

const IS_KEY: u8 = 1;
const IS_VP8: u8 = 2;
const TURNS_SHIFT: u8 = 2;

#[derive(Serialize, Deserialize)]
struct ShownText {
    rendition: u8,
    tiles: Vec<ShownTile>,
}

#[derive(Serialize, Deserialize)]
struct RefusedText {
    input: u32,
    reason: String,
}

impl ToChild {
    /// The frame with its length; `None` if it is longer than [`FRAME_BYTES_MAX`].
    pub fn encode(&self) -> Option<Vec<u8>> {
        match self {
            Self::Setup(setup) => json(SETUP, setup),
            Self::Scene { persons } => json(SCENE, persons),
            Self::Picture {
                input,
                at_us,
                codec,
                is_key,
                quarter_turns,
                bytes,
            } => {
                let codec = match codec {
                    VideoCodec::H264 => 0,
                    VideoCodec::Vp8 => IS_VP8,
                };
                let flags = u8::from(*is_key) | codec | ((quarter_turns % 4) << TURNS_SHIFT);
                let head = [&input.to_be_bytes()[..], &at_us.to_be_bytes(), &[flags]];
                frame(PICTURE, &head, bytes)
            }
            Self::Sound {
                input,
                at_us,
                timestamp,
                bytes,
            } => {
                let head = [
                    &input.to_be_bytes()[..],
                    &at_us.to_be_bytes(),
                    &timestamp.to_be_bytes(),
                ];
                frame(SOUND, &head, bytes)
            }
            Self::KeyFrame { rendition } => frame(KEY_FRAME, &[&[*rendition]], &[]),
            Self::Stop => frame(STOP, &[], &[]),
        }
    }

    /// Reads a frame without its length. `None` if it is none.
    pub fn parse(mut frame: Bytes) -> Option<Self> {
        let kind = frame.try_get_u8().ok()?;
        Some(match kind {
            SETUP => {
                let setup: Setup = serde_json::from_slice(&frame).ok()?;
                let count = setup.renditions.len();
                (1..=RENDITIONS_MAX).contains(&count).then_some(())?;
                Self::Setup(setup)
            }
            SCENE => {
                let persons: Vec<Person> = serde_json::from_slice(&frame).ok()?;
                (persons.len() <= INPUTS_MAX).then_some(Self::Scene { persons })?
            }
            PICTURE => {
                let input = frame.try_get_u32().ok()?;
                let at_us = frame.try_get_u64().ok()?;
                let flags = frame.try_get_u8().ok()?;
                Self::Picture {
                    input,
                    at_us,
                    codec: match flags & IS_VP8 {
                        0 => VideoCodec::H264,
                        _ => VideoCodec::Vp8,
                    },
                    is_key: flags & IS_KEY != 0,
                    quarter_turns: (flags >> TURNS_SHIFT) & 3,
                    bytes: frame,
                }
            }
            SOUND => Self::Sound {
                input: frame.try_get_u32().ok()?,
                at_us: frame.try_get_u64().ok()?,
                timestamp: frame.try_get_u64().ok()?,
                bytes: frame,
            },
            KEY_FRAME => Self::KeyFrame {
                rendition: frame.try_get_u8().ok()?,
            },
            STOP => Self::Stop,
            _ => return None,
        })
    }
}

impl FromChild {
    /// The frame with its length; `None` if it is longer than [`FRAME_BYTES_MAX`].
    pub fn encode(&self) -> Option<Vec<u8>> {
        match self {
            Self::Ready => frame(READY, &[], &[]),
            Self::NoSandbox { part } => frame(NO_SANDBOX, &[], part.as_bytes()),
            Self::Picture {
                rendition,
                at_us,
                is_key,
                bytes,
            } => {
                let head = [&[*rendition, u8::from(*is_key)][..], &at_us.to_be_bytes()];
                frame(COMPOSED, &head, bytes)
            }
            Self::Opus { at_us, bytes } => frame(OPUS, &[&at_us.to_be_bytes()], bytes),
            Self::Aac { at_us, bytes } => frame(AAC, &[&at_us.to_be_bytes()], bytes),
            Self::Shown { rendition, tiles } => json(
                SHOWN,
                &ShownText {
                    rendition: *rendition,
                    tiles: tiles.clone(),
                },
            ),
            Self::NeedKeyFrame { input } => frame(NEED_KEY_FRAME, &[&input.to_be_bytes()], &[]),
            Self::CannotShow { input, reason } => json(
                CANNOT_SHOW,
                &RefusedText {
                    input: *input,
                    reason: reason.clone(),
                },
            ),
            Self::Health(health) => json(HEALTH, health),
        }
    }

    /// Reads a frame without its length. `None` if it is none: the server believes nothing else that a child says.
    pub fn parse(mut frame: Bytes) -> Option<Self> {
        let kind = frame.try_get_u8().ok()?;
        Some(match kind {
            READY => Self::Ready,
            NO_SANDBOX => Self::NoSandbox {
                part: String::from_utf8(frame.to_vec()).ok()?,
            },
            COMPOSED => Self::Picture {
                rendition: frame.try_get_u8().ok()?,
                is_key: frame.try_get_u8().ok()? != 0,
                at_us: frame.try_get_u64().ok()?,
                bytes: frame,
            },
            OPUS => Self::Opus {
                at_us: frame.try_get_u64().ok()?,
                bytes: frame,
            },
            AAC => Self::Aac {
                at_us: frame.try_get_u64().ok()?,
                bytes: frame,
            },
            SHOWN => {
                let ShownText { rendition, tiles } = serde_json::from_slice(&frame).ok()?;
                (tiles.len() <= TILES_MAX).then_some(Self::Shown { rendition, tiles })?
            }
            NEED_KEY_FRAME => Self::NeedKeyFrame {
                input: frame.try_get_u32().ok()?,
            },
            CANNOT_SHOW => {
                let RefusedText { input, reason } = serde_json::from_slice(&frame).ok()?;
                Self::CannotShow { input, reason }
            }
            HEALTH => Self::Health(serde_json::from_slice::<Health>(&frame).ok()?),
            _ => return None,
        })
    }
}

fn json(kind: u8, value: &impl Serialize) -> Option<Vec<u8>> {
    frame(kind, &[], &serde_json::to_vec(value).ok()?)
}

fn frame(kind: u8, head: &[&[u8]], rest: &[u8]) -> Option<Vec<u8>> {
    let head_bytes: usize = head.iter().map(|part| part.len()).sum();
    let length = 1 + head_bytes + rest.len();
    let number = u32::try_from(length)
        .ok()
        .filter(|_| length <= FRAME_BYTES_MAX)?;
    let mut bytes = Vec::with_capacity(LENGTH_BYTES + length);
    bytes.extend_from_slice(&number.to_be_bytes());
    bytes.push(kind);
    head.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes.extend_from_slice(rest);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Rendition, Showing, SoundFormats};
    use super::*;
    use crate::layout::Layout;

    fn to_child() -> Vec<ToChild> {
        vec![
            ToChild::Setup(Setup {
                now_us: 7,
                layout: Layout::default(),
                renditions: vec![Rendition {
                    width: 1280,
                    height: 720,
                    framerate_milli: 29_970,
                    bitrate: 2_500_000,
                }],
                sound: SoundFormats {
                    opus: true,
                    aac: false,
                },
            }),
            ToChild::Scene {
                persons: vec![Person {
                    input: 3,
                    name: "Ann \u{1f600}".into(),
                    order: Some(-1),
                    ..Person::default()
                }],
            },
            ToChild::Picture {
                input: 9,
                at_us: u64::MAX,
                codec: VideoCodec::Vp8,
                is_key: true,
                quarter_turns: 3,
                bytes: Bytes::from_static(b"picture"),
            },
            ToChild::Sound {
                input: 9,
                at_us: 1,
                timestamp: 2,
                bytes: Bytes::from_static(b"sound"),
            },
            ToChild::KeyFrame { rendition: 1 },
            ToChild::Stop,
        ]
    }

    fn from_child() -> Vec<FromChild> {
        let bytes = Bytes::from_static(b"media");
        vec![
            FromChild::Ready,
            FromChild::NoSandbox {
                part: "seccomp".into(),
            },
            FromChild::Picture {
                rendition: 1,
                at_us: 5,
                is_key: true,
                bytes: bytes.clone(),
            },
            FromChild::Opus {
                at_us: 6,
                bytes: bytes.clone(),
            },
            FromChild::Aac { at_us: 7, bytes },
            FromChild::Shown {
                rendition: 0,
                tiles: vec![ShownTile {
                    input: 1,
                    x: 2,
                    y: 4,
                    width: 6,
                    height: 8,
                    z: 1,
                    showing: Showing::Placeholder,
                    source_width: 0,
                    source_height: 0,
                }],
            },
            FromChild::NeedKeyFrame { input: 1 },
            FromChild::CannotShow {
                input: 1,
                reason: "why".into(),
            },
            FromChild::Health(Health {
                ticks: 1,
                ..Health::default()
            }),
        ]
    }

    fn body(encoded: &[u8]) -> Bytes {
        let (length, rest) = encoded.split_first_chunk::<LENGTH_BYTES>().unwrap();
        assert_eq!(u32::from_be_bytes(*length) as usize, rest.len());
        Bytes::copy_from_slice(rest)
    }

    #[test]
    fn messages_are_read_as_they_were_written() {
        for message in to_child() {
            let encoded = message.encode().unwrap();
            assert_eq!(ToChild::parse(body(&encoded)), Some(message));
        }
        for message in from_child() {
            let encoded = message.encode().unwrap();
            assert_eq!(FromChild::parse(body(&encoded)), Some(message));
        }
    }

    #[test]
    fn messages_have_bounds() {
        let sound = |length| ToChild::Sound {
            input: 0,
            at_us: 0,
            timestamp: 0,
            bytes: Bytes::from(vec![0; length]),
        };
        assert!(sound(FRAME_BYTES_MAX).encode().is_none());
        assert!(sound(FRAME_BYTES_MAX - 21).encode().is_some());
        let persons = vec![Person::default(); INPUTS_MAX + 1];
        let many = ToChild::Scene { persons }.encode().unwrap();
        assert_eq!(ToChild::parse(body(&many)), None);
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..64), kind in 0..80_u8) {
            let bytes = Bytes::from([&[kind][..], &bytes].concat());
            let _ = (ToChild::parse(bytes.clone()), FromChild::parse(bytes));
        }
    }
}
