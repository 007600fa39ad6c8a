//! The encoder of one rendition.

use bytes::Bytes;
use openh264::OpenH264API;
use openh264::encoder::{
    BitRate, Complexity, Encoder as H264, EncoderConfig, FrameRate, FrameType, IntraFramePeriod,
    RateControlMode, UsageType, VuiConfig,
};

use crate::picture::Yuv;
use crate::protocol::Rendition;

/// Time from one key frame to the next, in seconds: segments of recordings begin with one.
pub(crate) const KEY_FRAME_SECONDS: u64 = 2;

/// Bits per second, at least: with less than one bit for each picture the encoder makes none.
const BITRATE_MIN: u32 = 10_000;

/// What becomes of a picture.
pub(crate) struct Encoded {
    pub(crate) is_key: bool,
    /// A byte stream (Annex B).
    pub(crate) bytes: Bytes,
}

/// Encodes pictures of one size.
pub(crate) struct Encoder {
    h264: H264,
    wants_key_frame: bool,
}

impl Encoder {
    /// `None`: the library cannot make one.
    pub(crate) fn new(rendition: &Rendition) -> Option<Self> {
        let rate = rendition.framerate_milli as f32 / 1_000.0;
        // Key frames are asked for by time, as pictures may be left out. One thread: the process may have no more.
        let config = EncoderConfig::new()
            .usage_type(UsageType::CameraVideoRealTime)
            .rate_control_mode(RateControlMode::Bitrate)
            .bitrate(BitRate::from_bps(rendition.bitrate.max(BITRATE_MIN)))
            .max_frame_rate(FrameRate::from_hz(rate))
            .complexity(Complexity::Low)
            .intra_frame_period(IntraFramePeriod::from_num_frames(0))
            .scene_change_detect(false)
            .adaptive_quantization(false)
            .background_detection(true)
            .skip_frames(false)
            .num_threads(1)
            .vui(VuiConfig::bt601());
        let h264 = H264::with_api_config(OpenH264API::from_source(), config).ok()?;
        Some(Self {
            h264,
            wants_key_frame: true,
        })
    }

    /// The next picture is to be a key frame.
    pub(crate) fn want_key_frame(&mut self) {
        self.wants_key_frame = true;
    }

    /// Encodes a picture. `None`: the encoder gives none for it.
    pub(crate) fn encode(&mut self, picture: &Yuv) -> Option<Encoded> {
        if std::mem::take(&mut self.wants_key_frame) {
            self.h264.force_intra_frame();
        }
        let encoded = self.h264.encode(picture).ok()?;
        let is_key = matches!(encoded.frame_type(), FrameType::IDR);
        let bytes = encoded.to_vec();
        (!bytes.is_empty()).then(|| Encoded {
            is_key,
            bytes: bytes.into(),
        })
    }
}
