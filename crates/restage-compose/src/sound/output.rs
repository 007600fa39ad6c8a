//! What is mixed becomes Opus and AAC.

use std::fmt;

use bytes::Bytes;
use opus::{Application, Bitrate, Channels, Encoder};

use super::{BLOCK, CHANNELS, RATE_HZ, Sound};
use crate::limits::OPUS_BYTES_MAX;
use crate::protocol::SoundFormats;

/// Bits per second of Opus: music in stereo without a difference that is heard.
const OPUS_BITRATE: i32 = 96_000;
/// The encoder's complexity, of 10: the ear can hardly tell it from 10, and it costs half.
const OPUS_COMPLEXITY: i32 = 5;
/// Samples of one channel in an access unit of AAC-LC (ISO/IEC 14496-3).
pub const AAC_BLOCK: usize = 1_024;

/// An encoder of AAC-LC for stereo at 48 kHz.
pub trait AacEncode {
    /// Encodes [`AAC_BLOCK`] samples of each channel, left and right in turn. `None` if it fails: this block is not heard.
    fn encode(&mut self, samples: &[f32; AAC_BLOCK * CHANNELS]) -> Option<Vec<u8>>;
}

/// Encodes what is mixed.
pub struct SoundOutput {
    opus: Option<Encoder>,
    aac: Option<AacOutput>,
    packet: Vec<u8>,
}

impl fmt::Debug for SoundOutput {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SoundOutput")
            .finish_non_exhaustive()
    }
}

struct AacOutput {
    encoder: Box<dyn AacEncode>,
    /// Samples that wait for the rest of their access unit.
    waiting: Vec<f32>,
    /// When the first of the samples was that have come without interruption, and how many of each channel were encoded since.
    start: Option<(u64, u64)>,
}

impl SoundOutput {
    /// Opus and AAC, as they are wanted; AAC needs its encoder.
    pub(super) fn new(
        formats: SoundFormats,
        aac: Option<Box<dyn AacEncode>>,
    ) -> Result<Self, opus::Error> {
        let opus = formats.opus.then(new_opus).transpose()?;
        let aac = aac.filter(|_| formats.aac).map(|encoder| AacOutput {
            encoder,
            waiting: Vec::with_capacity((AAC_BLOCK + BLOCK) * CHANNELS),
            start: None,
        });
        Ok(Self {
            opus,
            aac,
            packet: vec![0; OPUS_BYTES_MAX],
        })
    }

    /// Encodes a block, left and right in turn.
    pub(super) fn take(&mut self, at_us: u64, samples: &[f32], out: &mut impl FnMut(Sound)) {
        if let Some(encoder) = &mut self.opus {
            // A block that cannot be encoded is a gap, as players know it.
            if let Ok(length) = encoder.encode_float(samples, &mut self.packet) {
                out(Sound::Opus {
                    at_us,
                    bytes: Bytes::copy_from_slice(&self.packet[..length]),
                });
            }
        }
        if let Some(aac) = &mut self.aac {
            aac.take(at_us, samples, out);
        }
    }

    /// The next block does not follow the last one.
    pub(super) fn interrupt(&mut self) {
        if let Some(aac) = &mut self.aac {
            aac.waiting.clear();
            aac.start = None;
        }
    }
}

impl AacOutput {
    fn take(&mut self, at_us: u64, samples: &[f32], out: &mut impl FnMut(Sound)) {
        let (start_us, mut count) = self.start.unwrap_or((at_us, 0));
        self.waiting.extend_from_slice(samples);
        while let Some(block) = self.waiting.first_chunk::<{ AAC_BLOCK * CHANNELS }>() {
            let at_us = start_us + count * 1_000_000 / u64::from(RATE_HZ);
            if let Some(unit) = self.encoder.encode(block) {
                out(Sound::Aac {
                    at_us,
                    bytes: Bytes::from(unit),
                });
            }
            self.waiting.drain(..AAC_BLOCK * CHANNELS);
            count += AAC_BLOCK as u64;
        }
        self.start = Some((start_us, count));
    }
}

fn new_opus() -> Result<Encoder, opus::Error> {
    let mut encoder = Encoder::new(RATE_HZ, Channels::Stereo, Application::Audio)?;
    encoder.set_bitrate(Bitrate::Bits(OPUS_BITRATE))?;
    encoder.set_complexity(OPUS_COMPLEXITY)?;
    Ok(encoder)
}
