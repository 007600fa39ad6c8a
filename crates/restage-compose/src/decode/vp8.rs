//! VP8, by a decoder that is written without `unsafe`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use oxideav_vp8::state::Vp8DecoderState;
use restage_codec::vp8;

use super::{DecodeError, check_size};
use crate::layout::Size;
use crate::limits::SOURCE_PIXELS_MAX;
use crate::picture::{Frame, PlaneRef};

/// A decoder of one stream, which begins with a key frame.
#[derive(Debug)]
pub(super) struct Decoder {
    state: Vp8DecoderState,
}

impl Default for Decoder {
    fn default() -> Self {
        let state = Vp8DecoderState::new().with_max_pixels_per_frame(SOURCE_PIXELS_MAX);
        Self { state }
    }
}

impl Decoder {
    pub(super) fn decode(
        &mut self,
        frame: &[u8],
        picture: &mut Frame,
    ) -> Result<bool, DecodeError> {
        if vp8::is_key_frame(frame) {
            let size = vp8::picture_size(frame).ok_or(DecodeError::NeedKeyFrame)?;
            check_size(Size {
                width: size.width,
                height: size.height,
            })?;
        }
        // A damaged frame must not end the process, wherever the decoder looks for what is not there. The state is given up afterwards.
        let decoded = catch_unwind(AssertUnwindSafe(|| self.state.decode_frame(frame)));
        let decoded = decoded.ok().and_then(Result::ok);
        let decoded = decoded.ok_or(DecodeError::NeedKeyFrame)?;
        if self.state.last_frame_shown() != Some(true) {
            return Ok(false);
        }
        let size = Size {
            width: decoded.width,
            height: decoded.height,
        };
        check_size(size)?;
        let (stride, half) = (size.width as usize, size.width.div_ceil(2) as usize);
        let plane = |samples, stride| PlaneRef { samples, stride };
        let planes = [
            plane(decoded.y.as_slice(), stride),
            plane(decoded.u.as_slice(), half),
            plane(decoded.v.as_slice(), half),
        ];
        match picture.copy_from(size, planes) {
            true => Ok(true),
            false => Err(DecodeError::NeedKeyFrame),
        }
    }
}
