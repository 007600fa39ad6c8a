//! Decoders of what participants send. It is written by strangers; the process in which they run has nothing to lose.

use openh264::decoder::Decoder as H264;
use openh264::formats::YUVSource as _;
use oxideav_vp8::Vp8DecoderState as Vp8;
use restage_codec::h264::{SequenceParameters, UnitType, annexb};
use restage_codec::vp8;

use crate::picture::{Conversion, Yuv};
use crate::protocol::VideoCodec;

/// Pictures that are larger than 1080p, standing or lying, are not shown (IVS user guide, "Server-Side Composition").
const LONG_SIDE_MAX: u32 = 1_920;
const SHORT_SIDE_MAX: u32 = 1_080;
/// What coding rounds the sides up to.
const MACROBLOCK: u32 = 16;
/// What is before each NAL unit of a byte stream (ITU-T H.264 Annex B).
const START_CODE: [u8; 4] = [0, 0, 0, 1];
/// `chroma_format_idc` and bits of light and colour that OpenH264 decodes: 4:2:0 with 8 bits.
const SAMPLES: (u8, u8, u8) = (1, 8, 8);

/// Why a picture is not shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum DecodeError {
    /// It cannot be decoded, nor what follows up to the next key frame.
    Damaged,
    /// It is none that is shown, and the reason for people.
    CannotShow(String),
}

/// The decoder of one participant's pictures.
pub(crate) struct Decoder {
    way: Way,
    awaits_key_frame: bool,
}

enum Way {
    H264(Box<H264Stream>),
    Vp8(Box<Vp8>),
}

impl Decoder {
    /// `None`: the library cannot make one.
    pub(crate) fn new(codec: VideoCodec) -> Option<Self> {
        let way = match codec {
            VideoCodec::H264 => Way::H264(Box::new(H264Stream {
                // One thread: the process may have no more.
                decoder: H264::new().ok()?,
                conversion: None,
                units: Vec::new(),
            })),
            VideoCodec::Vp8 => {
                let most =
                    u64::from(LONG_SIDE_MAX + MACROBLOCK) * u64::from(SHORT_SIDE_MAX + MACROBLOCK);
                Way::Vp8(Box::new(Vp8::new().with_max_pixels_per_frame(most)))
            }
        };
        Some(Self {
            way,
            awaits_key_frame: true,
        })
    }

    pub(crate) fn is_for(&self, codec: VideoCodec) -> bool {
        matches!(
            (&self.way, codec),
            (Way::H264(_), VideoCodec::H264) | (Way::Vp8(_), VideoCodec::Vp8)
        )
    }

    /// Whether nothing can be decoded before the next key frame.
    pub(crate) fn awaits_key_frame(&self) -> bool {
        self.awaits_key_frame
    }

    /// Decodes a picture. `None`: it is not to be shown.
    pub(crate) fn decode(
        &mut self,
        is_key: bool,
        bytes: &[u8],
    ) -> Result<Option<Yuv>, DecodeError> {
        if self.awaits_key_frame && !is_key {
            return Ok(None);
        }
        let decoded = match &mut self.way {
            Way::H264(stream) => stream.decode(bytes),
            Way::Vp8(decoder) => vp8_frame(decoder, bytes),
        };
        self.awaits_key_frame = decoded.is_err();
        decoded
    }
}

struct H264Stream {
    decoder: H264,
    /// What is to be done to the colours that the newest parameter set names.
    conversion: Option<Conversion>,
    /// What the decoder is given; kept for its memory.
    units: Vec<u8>,
}

impl H264Stream {
    fn decode(&mut self, bytes: &[u8]) -> Result<Option<Yuv>, DecodeError> {
        self.take(bytes)?;
        let decoded = self.decoder.decode(&self.units);
        let Some(picture) = decoded.map_err(|_| DecodeError::Damaged)? else {
            return Ok(None);
        };
        let (width, height) = picture.dimensions();
        let size = (width as u32, height as u32);
        check(size.0, size.1)?;
        let (y, u, v) = picture.strides();
        let samples = [picture.y(), picture.u(), picture.v()];
        let mut taken = Yuv::of(size, samples, [y, u, v]).ok_or(DecodeError::Damaged)?;
        if let Some(conversion) = &self.conversion {
            conversion.apply(&mut taken);
        }
        Ok(Some(taken))
    }

    /// Keeps parameter sets and slices. Extensions (SVC, MVC) and messages (SEI) are left out, because nobody needs them and each is more
    /// code that strangers reach. Pictures that take much memory, or cannot be decoded, are refused before the decoder sees them.
    fn take(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        self.units.clear();
        for unit in annexb::units(bytes) {
            match UnitType::of(unit) {
                UnitType::SPS => {
                    let said = SequenceParameters::parse(unit).ok_or(DecodeError::Damaged)?;
                    check(said.size.width, said.size.height)?;
                    if (said.chroma_format, said.luma_bits, said.chroma_bits) != SAMPLES {
                        let reason = "H.264 that is not 4:2:0 with 8 bits cannot be shown";
                        return Err(DecodeError::CannotShow(reason.to_owned()));
                    }
                    self.conversion = Conversion::of(said.colour);
                }
                UnitType::PPS | UnitType::SLICE | UnitType::IDR_SLICE => {}
                _ => continue,
            }
            self.units.extend_from_slice(&START_CODE);
            self.units.extend_from_slice(unit);
        }
        match self.units.is_empty() {
            true => Err(DecodeError::Damaged),
            false => Ok(()),
        }
    }
}

fn vp8_frame(decoder: &mut Vp8, bytes: &[u8]) -> Result<Option<Yuv>, DecodeError> {
    if let Some(size) = vp8::picture_size(bytes) {
        check(size.width, size.height)?;
    }
    let frame = decoder
        .decode_frame(bytes)
        .map_err(|_| DecodeError::Damaged)?;
    if decoder.last_frame_shown() == Some(false) {
        return Ok(None);
    }
    let colour = frame.width.div_ceil(2) as usize;
    let strides = [frame.width as usize, colour, colour];
    let taken = Yuv::of(
        (frame.width, frame.height),
        [&frame.y, &frame.u, &frame.v],
        strides,
    );
    taken.map(Some).ok_or(DecodeError::Damaged)
}

fn check(width: u32, height: u32) -> Result<(), DecodeError> {
    let (long, short) = (width.max(height), width.min(height));
    match long <= LONG_SIDE_MAX && short <= SHORT_SIDE_MAX {
        true => Ok(()),
        false => Err(DecodeError::CannotShow(format!(
            "{width}x{height} is more than 1080p"
        ))),
    }
}

#[cfg(test)]
mod tests;
