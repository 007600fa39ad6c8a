//! Decoders of what participants send. It is written by strangers; the process in which they run has nothing to lose.

use openh264::decoder::Decoder as H264;
use openh264::formats::YUVSource as _;
use oxideav_vp8::Vp8DecoderState as Vp8;
use restage_codec::h264::annexb;
use restage_codec::vp8;

use crate::picture::Yuv;
use crate::protocol::VideoCodec;

/// Pictures that are larger than 1080p, standing or lying, are not shown (IVS user guide, "Server-Side Composition").
const LONG_SIDE_MAX: u32 = 1_920;
const SHORT_SIDE_MAX: u32 = 1_080;
/// What coding rounds the sides up to.
const MACROBLOCK: u32 = 16;

/// Why a picture is not shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum DecodeError {
    /// It cannot be decoded, nor what follows up to the next key frame.
    Damaged,
    /// It is too large.
    TooLarge(u32, u32),
}

/// The decoder of one participant's pictures.
pub(crate) struct Decoder {
    way: Way,
    awaits_key_frame: bool,
}

enum Way {
    H264(Box<H264>),
    Vp8(Box<Vp8>),
}

impl Decoder {
    /// `None`: the library cannot make one.
    pub(crate) fn new(codec: VideoCodec) -> Option<Self> {
        let way = match codec {
            VideoCodec::H264 => Way::H264(Box::new(H264::new().ok()?)),
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
            Way::H264(decoder) => h264(decoder, bytes),
            Way::Vp8(decoder) => vp8_frame(decoder, bytes),
        };
        self.awaits_key_frame = decoded.is_err();
        decoded
    }
}

fn h264(decoder: &mut H264, bytes: &[u8]) -> Result<Option<Yuv>, DecodeError> {
    if let Some(size) = annexb::picture_size(bytes) {
        check(size.width, size.height)?;
    }
    let decoded = decoder.decode(bytes).map_err(|_| DecodeError::Damaged)?;
    let Some(picture) = decoded else {
        return Ok(None);
    };
    let (width, height) = picture.dimensions();
    let (width, height) = (width as u32, height as u32);
    check(width, height)?;
    let (y, u, v) = picture.strides();
    let samples = [picture.y(), picture.u(), picture.v()];
    let taken = Yuv::of((width, height), samples, [y, u, v]);
    taken.map(Some).ok_or(DecodeError::Damaged)
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
        false => Err(DecodeError::TooLarge(width, height)),
    }
}
