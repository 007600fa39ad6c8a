//! H.264, by OpenH264.

use std::fmt;

use openh264::decoder::Decoder as OpenH264;
use openh264::formats::YUVSource as _;
use restage_codec::h264::{SequenceParameters, UnitType, annexb};

use super::{DecodeError, check_size};
use crate::layout::Size;
use crate::picture::{Conversion, Frame, PlaneRef};

const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// A decoder of one stream, which begins with a key frame.
pub(super) struct Decoder {
    decoder: OpenH264,
    conversion: Option<Conversion>,
    has_parameters: bool,
    /// What the decoder is given; kept for its memory.
    stream: Vec<u8>,
}

impl fmt::Debug for Decoder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Decoder").finish_non_exhaustive()
    }
}

impl Decoder {
    pub(super) fn new() -> Result<Self, DecodeError> {
        // One thread: with more, the decoder is not safe.
        let decoder = OpenH264::new().map_err(|_| DecodeError::NeedKeyFrame)?;
        Ok(Self {
            decoder,
            conversion: None,
            has_parameters: false,
            stream: Vec::new(),
        })
    }

    pub(super) fn decode(
        &mut self,
        access_unit: &[u8],
        picture: &mut Frame,
    ) -> Result<bool, DecodeError> {
        self.take(access_unit)?;
        if !self.has_parameters {
            return Err(DecodeError::NeedKeyFrame);
        }
        if self.stream.is_empty() {
            return Ok(false);
        }
        let decoded = self.decoder.decode(&self.stream);
        let Some(decoded) = decoded.map_err(|_| DecodeError::NeedKeyFrame)? else {
            return Ok(false);
        };
        let (width, height) = decoded.dimensions();
        let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
        let size = Size {
            width: side(width),
            height: side(height),
        };
        check_size(size)?;
        let (luma, blue, red) = decoded.strides();
        let plane = |samples, stride| PlaneRef { samples, stride };
        let planes = [
            plane(decoded.y(), luma),
            plane(decoded.u(), blue),
            plane(decoded.v(), red),
        ];
        if !picture.copy_from(size, planes) {
            return Err(DecodeError::NeedKeyFrame);
        }
        if let Some(conversion) = &self.conversion {
            conversion.apply(picture);
        }
        Ok(true)
    }

    /// Keeps parameter sets and slices. Extensions (SVC, MVC) and messages (SEI) are left out, because nobody needs them and each is more code
    /// that strangers reach. What takes much memory or cannot be decoded is refused before the decoder sees it.
    fn take(&mut self, access_unit: &[u8]) -> Result<(), DecodeError> {
        self.stream.clear();
        for unit in annexb::units(access_unit) {
            match UnitType::of(unit) {
                UnitType::SPS => {
                    let read = SequenceParameters::parse(unit).ok_or(DecodeError::NeedKeyFrame)?;
                    check(&read)?;
                    self.conversion = Conversion::of(read.colour);
                    self.has_parameters = true;
                }
                UnitType::PPS | UnitType::SLICE | UnitType::IDR_SLICE => {}
                _ => continue,
            }
            self.stream.extend_from_slice(&START_CODE);
            self.stream.extend_from_slice(unit);
        }
        Ok(())
    }
}

fn check(parameters: &SequenceParameters) -> Result<(), DecodeError> {
    check_size(Size {
        width: parameters.size.width,
        height: parameters.size.height,
    })?;
    let formats = (
        parameters.chroma_format,
        parameters.luma_bits,
        parameters.chroma_bits,
    );
    match formats {
        (1, 8, 8) => Ok(()),
        _ => Err(DecodeError::CannotShow(
            "H.264 that is not 4:2:0 with 8 bits".to_owned(),
        )),
    }
}
