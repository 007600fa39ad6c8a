//! The service's rules for what is ingested (IVS Real-Time user guide, "Stream ingest": RTMP).

mod rate;

use std::time::{Duration, Instant};

use restage_codec::h264::{SequenceParameters, SliceHeader, UnitType};
use restage_codec::{MediaKind, PictureSize};

use crate::event::{Event, VideoFrame};
use crate::flv::{AacConfig, AudioCodec, AvcConfig, OBJECT_TYPE_LC, VideoCodec};
use crate::limits::{
    BOTH_KINDS_MAX, COMPOSITION_TOLERANCE_MS, DAMAGED_PICTURES_MAX, SILENCE_MAX, TRACKS_MAX,
};
use crate::refusal::Refusal;
use rate::Rate;

/// Limits of a stream. `None`: there is no such limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleLimits {
    /// Bits per second of sound and all video tracks together.
    pub bits_per_s_max: Option<u64>,
    /// Width times height of the pictures of a track.
    pub pixels_max: Option<u64>,
    /// Longest time that a stream may last.
    pub duration_max: Option<Duration>,
}

impl RuleLimits {
    /// The service's: 8.5 Mbit/s, 1280 by 720 pixels in any shape, 24 hours.
    pub const AWS: Self = Self {
        bits_per_s_max: Some(8_500_000),
        pixels_max: Some(1_280 * 720),
        duration_max: Some(Duration::from_hours(24)),
    };
    /// No limit but those of the connection.
    pub const OPEN: Self = Self {
        bits_per_s_max: None,
        pixels_max: None,
        duration_max: None,
    };
}

/// Whether a stream keeps the rules. It is told every event of the stream, after the stream was accepted.
///
/// Rules: H.264 in 4:2:0 with 8 bits, without B frames; AAC-LC with 44.1 or 48 kHz, mono or stereo; both within
/// [`BOTH_KINDS_MAX`], and never neither for [`SILENCE_MAX`]; the [`RuleLimits`].
#[derive(Debug)]
pub struct Rules {
    limits: RuleLimits,
    began_at: Instant,
    /// Whether sound and a key frame have come, by [`MediaKind::index`].
    has_come: [bool; 2],
    /// Pictures have come, whatever they are.
    has_pictures: bool,
    /// Damaged pictures since the last whole one.
    damaged: u32,
    /// When either came last.
    came_at: Instant,
    rate: Rate,
    /// By how much the first picture of each layer was shown later than decoded, in milliseconds.
    composition: [Option<i32>; TRACKS_MAX],
}

impl Rules {
    /// For a stream that is accepted at this time.
    pub fn new(now: Instant, limits: RuleLimits) -> Self {
        Self {
            limits,
            began_at: now,
            has_come: [false; 2],
            has_pictures: false,
            damaged: 0,
            came_at: now,
            rate: Rate::new(now),
            composition: [None; TRACKS_MAX],
        }
    }

    /// Checks an event.
    ///
    /// # Errors
    ///
    /// The rule that it breaks. The stream is to be ended with it ([`Session::refuse`](crate::Session::refuse)).
    pub fn check(&mut self, now: Instant, event: &Event) -> Result<(), Refusal> {
        match event {
            Event::VideoConfig(config) => match &config.codec {
                VideoCodec::H264(config) => self.check_video_config(config),
                VideoCodec::Other(codec) => Err(Refusal::InvalidVideoCodec {
                    codec: codec.clone(),
                }),
            },
            Event::AudioConfig(config) => match &config.codec {
                AudioCodec::Aac(config) => check_audio_config(config),
                AudioCodec::Other(codec) => Err(Refusal::InvalidAudioCodec {
                    codec: codec.clone(),
                }),
            },
            Event::Video(frame) => {
                self.come(now, MediaKind::Video, frame.is_key);
                self.has_pictures = true;
                self.damaged = 0;
                self.check_frame(frame)?;
                self.count(now, frame.timestamp_us, frame.units.bytes())
            }
            Event::DamagedVideo => self.count_damaged(),
            Event::Audio(frame) => {
                self.come(now, MediaKind::Audio, true);
                self.count(now, frame.timestamp_us, frame.data.len())
            }
            _ => Ok(()),
        }
    }

    /// Checks what depends on the time alone; to be called at [`next_deadline`](Self::next_deadline).
    ///
    /// # Errors
    ///
    /// The rule that is broken.
    pub fn handle_time(&mut self, now: Instant) -> Result<(), Refusal> {
        if let Some(most) = self.limits.duration_max
            && now >= self.began_at + most
        {
            let seconds = most.as_secs();
            return Err(Refusal::StreamDurationExceeded { seconds });
        }
        if now >= self.began_at + BOTH_KINDS_MAX
            && let Some(missing) = MediaKind::BOTH
                .into_iter()
                .find(|kind| !self.has_come[kind.index()])
        {
            let seconds = BOTH_KINDS_MAX.as_secs();
            let reason = match missing {
                MediaKind::Video if self.has_pictures => {
                    format!("no key frame came within {seconds} s; set a key frame interval of 2 s")
                }
                _ => format!(
                    "there is no {missing}; a stream must have audio and video, and both must begin within {seconds} s"
                ),
            };
            return Err(Refusal::InvalidInput { reason });
        }
        if now >= self.came_at + SILENCE_MAX {
            let seconds = SILENCE_MAX.as_secs();
            return Err(Refusal::InvalidInput {
                reason: format!("neither audio nor video came for {seconds} s"),
            });
        }
        Ok(())
    }

    /// When [`handle_time`](Self::handle_time) is to be called.
    pub fn next_deadline(&self) -> Instant {
        let silence = self.came_at + SILENCE_MAX;
        let lacks_one = self.has_come.contains(&false);
        let kinds = lacks_one.then(|| self.began_at + BOTH_KINDS_MAX);
        let duration = self.limits.duration_max.map(|most| self.began_at + most);
        [kinds, duration]
            .into_iter()
            .flatten()
            .fold(silence, Instant::min)
    }

    fn come(&mut self, now: Instant, kind: MediaKind, can_begin: bool) {
        self.has_come[kind.index()] |= can_begin;
        self.came_at = now;
    }

    fn count_damaged(&mut self) -> Result<(), Refusal> {
        self.damaged += 1;
        if self.damaged < DAMAGED_PICTURES_MAX {
            return Ok(());
        }
        Err(Refusal::InvalidInput {
            reason: format!(
                "the video is damaged: {DAMAGED_PICTURES_MAX} pictures in a row could not be read"
            ),
        })
    }

    fn check_video_config(&self, config: &AvcConfig) -> Result<(), Refusal> {
        config
            .sequence_sets
            .iter()
            .try_for_each(|set| self.check_sequence_set(set))
    }

    fn check_sequence_set(&self, set: &[u8]) -> Result<(), Refusal> {
        let Some(parameters) = SequenceParameters::parse(set) else {
            return Ok(());
        };
        let bits = parameters.luma_bits.max(parameters.chroma_bits);
        if parameters.chroma_format != CHROMA_420 || bits != BITS {
            let sampling = ["4:0:0", "4:2:0", "4:2:2", "4:4:4"];
            let sampling = sampling.get(usize::from(parameters.chroma_format));
            let sampling = sampling.copied().unwrap_or("an unknown sampling");
            return Err(Refusal::InvalidVideoCodec {
                codec: format!("H.264 with {bits} bits in {sampling}"),
            });
        }
        self.check_size(parameters.size)
    }

    fn check_size(&self, size: PictureSize) -> Result<(), Refusal> {
        match self.limits.pixels_max {
            Some(pixels_max) if size.pixels() > pixels_max => {
                Err(Refusal::ResolutionExceeded { size, pixels_max })
            }
            _ => Ok(()),
        }
    }

    /// Checks for B frames, by their slices and by the order of the pictures, and for parameter sets within the stream.
    fn check_frame(&mut self, frame: &VideoFrame) -> Result<(), Refusal> {
        let mut has_slice = false;
        for unit in frame.units.iter() {
            let kind = UnitType::of(unit);
            has_slice |= kind.is_slice();
            if kind == UnitType::SLICE
                && SliceHeader::parse(unit).is_some_and(|slice| slice.is_bidirectional)
            {
                return Err(Refusal::BFramePresent);
            }
            if kind == UnitType::SPS {
                self.check_sequence_set(unit)?;
            }
        }
        if has_slice && self.is_reordered(frame) {
            return Err(Refusal::BFramePresent);
        }
        Ok(())
    }

    /// Whether a picture is shown in another order than it is decoded in. A delay that is the same for all pictures is no sign of that:
    /// some encoders write one.
    fn is_reordered(&mut self, frame: &VideoFrame) -> bool {
        let Some(first) = self.composition.get_mut(usize::from(frame.layer)) else {
            return false;
        };
        let first = *first.get_or_insert(frame.composition_ms);
        first.abs_diff(frame.composition_ms) > COMPOSITION_TOLERANCE_MS
    }

    fn count(&mut self, now: Instant, timestamp_us: i64, bytes: usize) -> Result<(), Refusal> {
        let Some(most) = self.limits.bits_per_s_max else {
            return Ok(());
        };
        match self.rate.add(now, timestamp_us, bytes, most) {
            Some(bits_per_s) => Err(Refusal::BitrateExceeded { bits_per_s, most }),
            None => Ok(()),
        }
    }
}

/// `chroma_format_idc` of 4:2:0, and the bits of a sample: what every decoder of a browser takes.
const CHROMA_420: u8 = 1;
const BITS: u8 = 8;
const RATES_HZ: [u32; 2] = [44_100, 48_000];
const SAMPLES: u16 = 1_024;

fn check_audio_config(config: &AacConfig) -> Result<(), Refusal> {
    if config.object_type != OBJECT_TYPE_LC || config.has_sbr {
        return Err(Refusal::InvalidAudioCodec {
            codec: config.name(),
        });
    }
    let reason = if !RATES_HZ.contains(&config.rate_hz) {
        format!(
            "the sound has {} Hz; it must have 44100 or 48000",
            config.rate_hz
        )
    } else if config.channels == 0 {
        "the sound does not say how many channels it has; it must be mono or stereo".to_owned()
    } else if config.channels > 2 {
        format!(
            "the sound has {} channels; it must be mono or stereo",
            config.channels
        )
    } else if config.samples != SAMPLES {
        format!(
            "the sound has frames of {} samples; they must have {SAMPLES}",
            config.samples
        )
    } else {
        return Ok(());
    };
    Err(Refusal::InvalidInput { reason })
}
