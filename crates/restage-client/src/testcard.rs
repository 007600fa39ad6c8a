//! A generated test card to publish: video as H.264 and audio as Opus, synchronised.
//!
//! The picture carries colour bars, a dial whose hand turns once a second, the time of day and a
//! frame counter; the sound is a [beep](mod@beep) with which the dial's hub flashes. A program
//! that decodes the picture reads the counter back with [`read_frame_counter`].

pub mod beep;
mod canvas;
mod font;
mod picture;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use openh264::OpenH264API;
use openh264::encoder::{
    BitRate, Complexity, Encoder, EncoderConfig, FrameRate, FrameType, IntraFramePeriod, Level,
    Profile, RateControlMode, UsageType, VuiConfig,
};
use openh264::formats::YUVSlices;
use tokio::sync::mpsc;

use crate::error::Error;
use crate::frame::{Codec, EncodedFrame};
use crate::whip::Publisher;
use beep::Beep;
use picture::Picture;

/// How long the dial's hub is lit at the start of a second.
const FLASH: Duration = Duration::from_millis(100);
/// Seconds from one key frame to the next, unless one is requested.
const KEY_FRAME_INTERVAL_S: u32 = 2;
/// Frames encoded ahead of their time.
const FRAMES_AHEAD: usize = 4;
/// A card that is this late leaves out frames to catch up.
const LATENESS_MAX: Duration = Duration::from_millis(400);
/// Lowest bit rate at which the picture is recognisable, in bits per second.
const VIDEO_BPS_MIN: u32 = 50_000;
/// Highest bit rate at level 3.1, the level of the card (ITU-T H.264, Table A-1).
const VIDEO_BPS_MAX: u32 = 14_000_000;
/// More skipped pictures in a row than this count as a failure of the encoder.
const SKIPS_MAX: usize = 120;
/// Highest frame rate; the counter and the dial are made for viewers.
const FRAME_RATE_MAX: u32 = 60;

/// Why a test card could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TestCardError {
    /// A setting is outside the supported range.
    #[error("{0}")]
    Config(String),
    /// The H.264 encoder (OpenH264) failed.
    #[error("the H.264 encoder failed: {0}")]
    Video(#[from] openh264::Error),
    /// The Opus encoder (libopus) failed.
    #[error("the Opus encoder failed: {0}")]
    Audio(#[from] opus::Error),
}

/// Size of the picture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CardSize {
    /// 640 by 360.
    #[default]
    P360,
    /// 1280 by 720, the largest picture that Amazon IVS accepts.
    P720,
}

impl CardSize {
    /// Width and height in pixels.
    #[must_use]
    pub fn pixels(self) -> (usize, usize) {
        match self {
            Self::P360 => (640, 360),
            Self::P720 => (1280, 720),
        }
    }
}

/// Settings of a test card.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TestCardConfig {
    /// Size of the picture.
    pub size: CardSize,
    /// Frames per second, 1 to 60.
    pub frame_rate: u32,
    /// Bits per second of the video, 50 000 to 14 000 000. The encoder leaves pictures out to
    /// keep this rate. `None` keeps the quality constant instead, at about 0.6 Mbit/s for 640 by 360
    /// and 1.3 Mbit/s for 1280 by 720, and leaves no picture out.
    pub video_bps: Option<u32>,
    /// Shown in capitals at the top; up to 13 characters fit. Latin letters, digits and
    /// `.,:-_+/()!@#` have glyphs.
    pub title: String,
    /// Whether the card has audio (the beep).
    pub has_audio: bool,
}

impl Default for TestCardConfig {
    /// 640 by 360, 30 frames per second, with audio.
    fn default() -> Self {
        Self {
            size: CardSize::default(),
            frame_rate: 30,
            video_bps: None,
            title: "restage".to_owned(),
            has_audio: true,
        }
    }
}

/// A source of encoded test frames.
///
/// ```
/// use std::time::SystemTime;
/// use restage_client::Codec;
/// use restage_client::testcard::{TestCard, TestCardConfig};
///
/// let mut card = TestCard::new(TestCardConfig::default(), SystemTime::now())?;
/// let first = card.next_frame()?;
/// assert_eq!(first.codec, Codec::H264);
/// assert!(first.is_key_frame);
/// # Ok::<(), restage_client::testcard::TestCardError>(())
/// ```
pub struct TestCard {
    picture: Picture,
    encoder: Encoder,
    beep: Option<Beep>,
    started_at: SystemTime,
    frame_rate: u32,
    video_count: u64,
    audio_count: u64,
    has_encoded: bool,
    wants_key_frame: bool,
}

impl TestCard {
    /// A card whose media time zero is `started_at` on the clock that it shows.
    ///
    /// # Errors
    /// [`TestCardError::Config`] for a frame rate outside 1 to 60 or a bit rate outside 50 000 to 14 000 000, the
    /// others if an encoder cannot be set up.
    pub fn new(config: TestCardConfig, started_at: SystemTime) -> Result<Self, TestCardError> {
        let rate = config.frame_rate;
        if !(1..=FRAME_RATE_MAX).contains(&rate) {
            let rule = format!("the frame rate is {rate}; it must be 1 to {FRAME_RATE_MAX}");
            return Err(TestCardError::Config(rule));
        }
        if let Some(bps) = config.video_bps
            && !(VIDEO_BPS_MIN..=VIDEO_BPS_MAX).contains(&bps)
        {
            let rule = format!(
                "the video bit rate is {bps}; it must be {VIDEO_BPS_MIN} to {VIDEO_BPS_MAX}"
            );
            return Err(TestCardError::Config(rule));
        }
        let (width, height) = config.size.pixels();
        let sound = if config.has_audio { " OPUS" } else { "" };
        let note = format!("{width}X{height} {rate} FPS H.264{sound}");
        let since_epoch = started_at
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Ok(Self {
            picture: Picture::new(config.size, &config.title, &note),
            encoder: Encoder::with_api_config(OpenH264API::from_source(), encoder_config(&config))?,
            beep: config
                .has_audio
                .then(|| Beep::new(since_epoch))
                .transpose()?,
            started_at,
            frame_rate: rate,
            video_count: 0,
            audio_count: 0,
            has_encoded: false,
            wants_key_frame: false,
        })
    }

    /// Media time of the frame that [`TestCard::next_frame`] gives next.
    #[must_use]
    pub fn next_time(&self) -> Duration {
        match self.beep {
            Some(_) => self.video_time().min(self.audio_time()),
            None => self.video_time(),
        }
    }

    /// The next frame in order of time, video before audio.
    ///
    /// # Errors
    /// If an encoder fails.
    pub fn next_frame(&mut self) -> Result<EncodedFrame, TestCardError> {
        let (video_time, audio_time) = (self.video_time(), self.audio_time());
        match &mut self.beep {
            Some(beep) if audio_time < video_time => {
                self.audio_count += 1;
                Ok(EncodedFrame {
                    codec: Codec::Opus,
                    time: audio_time,
                    is_key_frame: true,
                    data: beep.next_frame()?.into(),
                })
            }
            _ => self.next_picture(),
        }
    }

    /// Makes the next picture a key frame.
    pub fn request_key_frame(&mut self) {
        self.wants_key_frame = true;
    }

    /// Leaves out pictures before `time`; the counter jumps. Audio is never left out.
    pub fn skip_pictures(&mut self, time: Duration) {
        let due = time.as_nanos() * u128::from(self.frame_rate) / 1_000_000_000;
        self.video_count = self.video_count.max(u64::try_from(due).unwrap_or(u64::MAX));
    }

    /// The luma plane of the picture drawn last, and its width; before encoding, so without losses.
    #[must_use]
    pub fn luma(&self) -> (&[u8], usize) {
        let canvas = self.picture.canvas();
        (&canvas.y, canvas.width)
    }

    /// Size of the picture.
    #[must_use]
    pub fn size(&self) -> CardSize {
        self.picture.size()
    }

    /// Plays the card into a publisher in real time, with key frames when receivers request them,
    /// until the connection ends or the future is dropped. The card's clock restarts.
    ///
    /// # Errors
    /// [`Error::Closed`] when the connection has ended, [`Error::NotNegotiated`] if the server does
    /// not accept H.264, [`Error::Transport`] if an encoder fails.
    pub async fn play(mut self, publisher: &mut Publisher) -> Result<(), Error> {
        if !publisher.codecs().contains(&Codec::Opus) {
            self.beep = None;
        }
        let wants_key_frame = Arc::new(AtomicBool::new(false));
        let (frame_tx, mut frame_rx) = mpsc::channel(FRAMES_AHEAD);
        let start = Instant::now();
        let ahead = self.next_time();
        let encoder = tokio::task::spawn_blocking({
            let wants_key_frame = Arc::clone(&wants_key_frame);
            move || self.encode_into(&frame_tx, &wants_key_frame, start)
        });
        while let Some(frame) = frame_rx.recv().await {
            let due = start + frame.time.saturating_sub(ahead);
            loop {
                tokio::select! {
                    biased;
                    () = publisher.key_frame_requested() => {
                        wants_key_frame.store(true, Ordering::Relaxed);
                    }
                    () = tokio::time::sleep_until(due.into()) => break,
                }
            }
            publisher.write(frame).await?;
        }
        match encoder.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Error::Transport(error.to_string())),
            Err(error) => Err(Error::Transport(error.to_string())),
        }
    }

    fn encode_into(
        mut self,
        frames: &mpsc::Sender<EncodedFrame>,
        wants_key_frame: &AtomicBool,
        start: Instant,
    ) -> Result<(), TestCardError> {
        let first = self.next_time();
        loop {
            let now = first + start.elapsed();
            if now > self.next_time() + LATENESS_MAX {
                self.skip_pictures(now);
            }
            if wants_key_frame.swap(false, Ordering::Relaxed) {
                self.request_key_frame();
            }
            let frame = self.next_frame()?;
            if frames.blocking_send(frame).is_err() {
                return Ok(());
            }
        }
    }

    fn next_picture(&mut self) -> Result<EncodedFrame, TestCardError> {
        // The encoder accepts the request only after its first picture, and that picture is
        // a key frame anyway.
        if std::mem::take(&mut self.wants_key_frame) && self.has_encoded {
            self.encoder.force_intra_frame();
        }
        for _ in 0..=SKIPS_MAX {
            let time = self.video_time();
            let (is_key_frame, data) = self.encode_picture(time)?;
            self.has_encoded = true;
            self.video_count += 1;
            if !data.is_empty() {
                let data = data.into();
                return Ok(EncodedFrame {
                    codec: Codec::H264,
                    time,
                    is_key_frame,
                    data,
                });
            }
        }
        let why = format!("the encoder left out {SKIPS_MAX} pictures to keep to the bit rate");
        Err(TestCardError::Config(why))
    }

    /// Encodes the picture; empty data means that the encoder left it out.
    fn encode_picture(&mut self, time: Duration) -> Result<(bool, Vec<u8>), TestCardError> {
        let canvas = self.picture.draw(self.video_count, self.started_at + time);
        let (width, height) = (canvas.width, canvas.height);
        let planes = YUVSlices::new(
            (&canvas.y, &canvas.u, &canvas.v),
            (width, height),
            (width, width / 2, width / 2),
        );
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let timestamp = openh264::Timestamp::from_millis(millis);
        let stream = self.encoder.encode_at(&planes, timestamp)?;
        Ok((
            matches!(stream.frame_type(), FrameType::IDR),
            stream.to_vec(),
        ))
    }

    fn video_time(&self) -> Duration {
        let rate = u64::from(self.frame_rate);
        let (seconds, frames) = (self.video_count / rate, self.video_count % rate);
        Duration::from_secs(seconds) + Duration::from_nanos(frames * 1_000_000_000 / rate)
    }

    fn audio_time(&self) -> Duration {
        let nanos = u128::from(self.audio_count) * beep::FRAME.as_nanos();
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// Reads the frame counter from the luma plane of a decoded test card of the given size. `None` if
/// the digits cannot be made out.
#[must_use]
pub fn read_frame_counter(size: CardSize, luma: &[u8], stride: usize) -> Option<u64> {
    picture::read_counter(size, luma, stride)
}

fn encoder_config(config: &TestCardConfig) -> EncoderConfig {
    let encoder = match config.video_bps {
        Some(bps) => EncoderConfig::new()
            .rate_control_mode(RateControlMode::Bitrate)
            .bitrate(BitRate::from_bps(bps))
            .skip_frames(true),
        None => EncoderConfig::new()
            .rate_control_mode(RateControlMode::Off)
            .skip_frames(false),
    };
    encoder
        .profile(Profile::Baseline)
        .level(Level::Level_3_1)
        .usage_type(UsageType::CameraVideoRealTime)
        .max_frame_rate(FrameRate::from_hz(config.frame_rate as f32))
        .intra_frame_period(IntraFramePeriod::from_num_frames(
            config.frame_rate * KEY_FRAME_INTERVAL_S,
        ))
        .complexity(Complexity::Low)
        .scene_change_detect(false)
        .background_detection(false)
        .num_threads(1)
        .vui(VuiConfig::bt709())
}

#[cfg(test)]
mod tests;
