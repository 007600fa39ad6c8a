//! Values of header extensions (RFC 8285) that are passed on or name a stream.

use restage_codec::dependency::{Descriptor, NewDescriptor};

/// The name of a simulcast encoding (RFC 8852). Longer names are not negotiated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RidName {
    bytes: [u8; Self::LENGTH_MAX],
    length: u8,
}

impl RidName {
    /// Bytes that an element of a one-byte header extension holds (RFC 8285 §4.2).
    pub(crate) const LENGTH_MAX: usize = 16;

    pub(crate) fn new(name: &str) -> Option<Self> {
        let mut bytes = [0; Self::LENGTH_MAX];
        bytes
            .get_mut(..name.len())?
            .copy_from_slice(name.as_bytes());
        Some(Self {
            bytes,
            length: name.len() as u8,
        })
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }
}

/// Header extensions with the same meaning for every receiver.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Extensions {
    /// The audio level of RFC 6464, in −dBov.
    pub(crate) audio_level: Option<i8>,
    pub(crate) voice_activity: Option<bool>,
    /// Clockwise quarter turns to apply (3GPP TS 26.114).
    pub(crate) rotation: Option<Rotation>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rotation {
    None,
    Quarter,
    Half,
    ThreeQuarters,
}

impl Rotation {
    /// Degrees, clockwise.
    pub(crate) fn degrees(self) -> u16 {
        match self {
            Self::None => 0,
            Self::Quarter => 90,
            Self::Half => 180,
            Self::ThreeQuarters => 270,
        }
    }
}

/// A dependency descriptor (RTP Payload Format For AV1, appendix A) as one subscriber is sent it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Described<'a> {
    pub(crate) came: &'a Descriptor,
    /// What it says instead.
    pub(crate) new: NewDescriptor,
}
