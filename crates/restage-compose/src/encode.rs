//! The picture of a composition becomes H.264, by OpenH264.

use std::fmt;

use bytes::Bytes;
use openh264::OpenH264API;
use openh264::encoder::{
    BitRate, ColorPrimaries, Complexity, Encoder, EncoderConfig, FrameRate, FrameType, Profile,
    RateControlMode, TransferCharacteristics, UsageType, VuiConfig,
};
use openh264::formats::YUVSlices;
use openh264::{Error, Timestamp};

use crate::picture::Frame;
use crate::protocol::Rendition;

/// Bits per second below which the encoder does not work.
const BITRATE_MIN: u32 = 10_000;

/// Encodes one rendition, in the time of one thread.
pub struct VideoEncoder {
    encoder: Encoder,
    has_begun: bool,
}

impl fmt::Debug for VideoEncoder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("VideoEncoder")
            .finish_non_exhaustive()
    }
}

/// A picture that is encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedPicture {
    /// A player can start with it.
    pub is_key: bool,
    /// Annex B.
    pub bytes: Bytes,
}

impl VideoEncoder {
    /// Constrained baseline or main without pictures that refer to later ones, one slice a picture. Rate control works on the bitrate and leaves
    /// out no picture: a player expects one at each tick.
    ///
    /// # Errors
    ///
    /// The library has no memory.
    pub fn new(rendition: &Rendition) -> Result<Self, Error> {
        let bt601 = VuiConfig::bt601()
            .color_primaries(ColorPrimaries::Bt709)
            .transfer_characteristics(TransferCharacteristics::Bt709);
        let config = EncoderConfig::new()
            .bitrate(BitRate::from_bps(rendition.bitrate.max(BITRATE_MIN)))
            .max_frame_rate(FrameRate::from_hz(
                rendition.framerate_milli as f32 / 1_000.0,
            ))
            .rate_control_mode(RateControlMode::Bitrate)
            .usage_type(UsageType::CameraVideoRealTime)
            .profile(Profile::Main)
            .complexity(Complexity::Low)
            .skip_frames(false)
            // Key frames come when they are asked for.
            .scene_change_detect(false)
            .adaptive_quantization(false)
            .background_detection(true)
            .num_threads(1)
            .vui(bt601);
        Ok(Self {
            encoder: Encoder::with_api_config(OpenH264API::from_source(), config)?,
            has_begun: false,
        })
    }

    /// Encodes a picture, whose size is always the same. `None` if the encoder has left it out.
    ///
    /// # Errors
    ///
    /// The library has failed.
    pub fn encode(
        &mut self,
        picture: &Frame,
        at_us: u64,
        is_key: bool,
    ) -> Result<Option<EncodedPicture>, Error> {
        // The first one is a key frame anyway, and before it the encoder cannot be asked.
        if is_key && self.has_begun {
            self.encoder.force_intra_frame();
        }
        let size = picture.size();
        let (width, height) = (size.width as usize, size.height as usize);
        let planes = (picture.plane(0), picture.plane(1), picture.plane(2));
        let source = YUVSlices::new(planes, (width, height), (width, width / 2, width / 2));
        let at = Timestamp::from_millis(at_us / 1_000);
        let encoded = self.encoder.encode_at(&source, at)?;
        self.has_begun = true;
        let kind = encoded.frame_type();
        let bytes = encoded.to_vec();
        let is_key = matches!(kind, FrameType::IDR);
        let is_empty = bytes.is_empty() || matches!(kind, FrameType::Skip);
        Ok((!is_empty).then(|| EncodedPicture {
            is_key,
            bytes: Bytes::from(bytes),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::VideoDecoder;
    use crate::layout::{Rect, Size};
    use crate::protocol::Codec;

    fn rendition(width: u32, height: u32, bitrate: u32) -> Rendition {
        Rendition {
            width,
            height,
            framerate_milli: 30_000,
            bitrate,
        }
    }

    /// Blocks whose light depends on where and when.
    fn moving(size: Size, number: u32) -> Frame {
        let mut frame = Frame::new(size);
        let width = size.width as usize;
        for (place, sample) in frame.plane_mut(0).iter_mut().enumerate() {
            let (x, y) = ((place % width) as u32 + number * 3, (place / width) as u32);
            *sample = (32 + (x / 8 * 37 + y / 8 * 61) % 180) as u8;
        }
        frame
    }

    #[test]
    fn key_frames_come_when_they_are_asked_for_and_the_bitrate_is_kept() {
        let rendition = rendition(640, 360, 800_000);
        let mut encoder = VideoEncoder::new(&rendition).unwrap();
        let mut decoder = VideoDecoder::default();
        let size = Size {
            width: 640,
            height: 360,
        };
        let mut bytes = 0;
        for number in 0..150 {
            let is_key = number % 60 == 0;
            let at_us = u64::from(number) * 33_333;
            let picture = moving(size, number);
            let encoded = encoder.encode(&picture, at_us, is_key).unwrap().unwrap();
            assert_eq!(encoded.is_key, is_key, "{number}");
            bytes += encoded.bytes.len();
            let decoded = decoder.decode(Codec::H264, is_key, 0, &encoded.bytes);
            assert_eq!(decoded, Ok(true), "{number}");
            assert_eq!(decoder.picture().unwrap().size(), size);
        }
        let rate = bytes as u32 * 8 / 5;
        assert!((400_000..1_200_000).contains(&rate), "{rate}");
    }

    #[test]
    fn the_smallest_and_the_largest() {
        for (width, height) in [(16, 16), (18, 34), (1_920, 1_080), (1_080, 1_920)] {
            let mut encoder = VideoEncoder::new(&rendition(width, height, 8_500_000)).unwrap();
            let mut picture = Frame::new(Size { width, height });
            let whole = Rect {
                x: 0,
                y: 0,
                width,
                height,
            };
            picture.fill(whole, [150, 100, 160]);
            let encoded = encoder.encode(&picture, 0, false);
            let Ok(Some(encoded)) = encoded else {
                panic!("{width}x{height}: {:?}", encoded.err());
            };
            let mut decoder = VideoDecoder::default();
            assert_eq!(
                decoder.decode(Codec::H264, true, 0, &encoded.bytes),
                Ok(true)
            );
            let decoded = decoder.picture().unwrap();
            assert_eq!(decoded.size(), picture.size());
            assert!(decoded.plane(0)[0].abs_diff(150) < 6);
        }
    }
}
