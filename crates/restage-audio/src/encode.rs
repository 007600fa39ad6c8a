//! Samples to packets of Opus: 20 ms each, at 48 kHz.

use opus::{Application, Bitrate, Channels, Encoder as OpusEncoder};
use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Adjustable as _, Fft, FixedAsync, FixedSync, Resampler as _, Slip, WindowFunction};

use crate::error::AudioError;
use crate::format::AacFormat;
use crate::level::level_of;
use crate::limits::{BITS_PER_S_MAX, BITS_PER_S_MIN, PACKET_BYTES_MAX, PACKET_SAMPLES, RATE_HZ};

/// The encoder's complexity, of 10: the ear can hardly tell it from 10, and it costs half.
const COMPLEXITY: i32 = 5;
/// Loss that the encoder prepares for, in percent. More would make it use its speech mode for music, because only that mode can repeat
/// what was lost (RFC 6716 §2.1.7).
const LOSS_PERCENT: i32 = 5;
/// Parts of a packet that are resampled by themselves: its delay is half of one, and its filter is as long as one.
const RESAMPLED_PARTS: usize = 2;

/// What becomes of 20 ms of sound.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) payload: Vec<u8>,
    /// In −dBov.
    pub(crate) level: i8,
    /// So many samples of the source more came out of the correction than went into it.
    pub(crate) stretched: i64,
}

/// Corrects, resamples and encodes.
pub(crate) struct Encoder {
    channels: usize,
    /// Samples of one channel in 20 ms of the source.
    source_samples: usize,
    slip: Slip<f32>,
    /// `None` at 48 kHz.
    resampler: Option<Fft<f32>>,
    opus: OpusEncoder,
    /// 20 ms of the source, corrected; then the same at 48 kHz. Those of the channels in turn.
    corrected: Vec<f32>,
    resampled: Vec<f32>,
    payload: [u8; PACKET_BYTES_MAX],
}

impl Encoder {
    pub(crate) fn new(format: AacFormat, bits_per_s: u32) -> Result<Self, AudioError> {
        if !(BITS_PER_S_MIN..=BITS_PER_S_MAX).contains(&bits_per_s) {
            return Err(AudioError::Bitrate { bits_per_s });
        }
        let channels = usize::from(format.channels());
        let source_samples = format.packet_samples();
        let slip = Slip::new(source_samples, channels, FixedAsync::Output);
        Ok(Self {
            channels,
            source_samples,
            slip: slip.map_err(AudioError::of_library)?,
            resampler: new_resampler(format)?,
            opus: new_opus(format, bits_per_s).map_err(AudioError::of_library)?,
            corrected: vec![0.0; source_samples * channels],
            resampled: vec![0.0; PACKET_SAMPLES * channels],
            payload: [0; PACKET_BYTES_MAX],
        })
    }

    /// Samples of one channel, at 48 kHz, by which the sound that a receiver plays is behind what was encoded.
    pub(crate) fn delay(&mut self) -> Result<i64, AudioError> {
        let lookahead = self.opus.get_lookahead().map_err(AudioError::of_library)?;
        let resampling = self.resampler.as_ref().map_or(0, Fft::output_delay);
        Ok(i64::from(lookahead) + resampling as i64)
    }

    /// Samples of one channel that the next packet takes, if so many samples are to come out for each that goes in.
    pub(crate) fn samples_wanted(&mut self, ratio: f64) -> usize {
        // What is beyond its bounds is brought within them; it is far from them.
        self.slip.set_resample_ratio(ratio, false).ok();
        self.slip.input_frames_next()
    }

    /// Encodes the number of samples that [`samples_wanted`](Self::samples_wanted) has given, those of the channels in turn.
    pub(crate) fn encode(&mut self, samples: &[f32]) -> Result<Encoded, AudioError> {
        let (channels, count) = (self.channels, samples.len() / self.channels);
        let source = InterleavedSlice::new(samples, channels, count);
        let corrected =
            InterleavedSlice::new_mut(&mut self.corrected, channels, self.source_samples);
        let source = source.map_err(AudioError::of_library)?;
        let mut corrected = corrected.map_err(AudioError::of_library)?;
        let outcome = self.slip.process_into_buffer(&source, &mut corrected, None);
        outcome.map_err(AudioError::of_library)?;
        let ready = match &mut self.resampler {
            Some(resampler) => {
                let source = InterleavedSlice::new(&self.corrected, channels, self.source_samples);
                let resampled =
                    InterleavedSlice::new_mut(&mut self.resampled, channels, PACKET_SAMPLES);
                let source = source.map_err(AudioError::of_library)?;
                let mut resampled = resampled.map_err(AudioError::of_library)?;
                let outcome = resampler.process_into_buffer(&source, &mut resampled, None);
                outcome.map_err(AudioError::of_library)?;
                &self.resampled
            }
            None => &self.corrected,
        };
        let bytes = self.opus.encode_float(ready, &mut self.payload);
        let bytes = bytes.map_err(AudioError::of_library)?;
        Ok(Encoded {
            payload: self.payload[..bytes].to_vec(),
            level: level_of(ready),
            stretched: self.source_samples as i64 - count as i64,
        })
    }

    /// Forgets the samples that are in the filter.
    pub(crate) fn restart(&mut self) {
        if let Some(resampler) = &mut self.resampler {
            resampler.reset();
        }
    }
}

fn new_resampler(format: AacFormat) -> Result<Option<Fft<f32>>, AudioError> {
    if format.rate_hz() == RATE_HZ {
        return Ok(None);
    }
    let resampler = Fft::new_custom(
        format.rate_hz() as usize,
        RATE_HZ as usize,
        PACKET_SAMPLES,
        RESAMPLED_PARTS,
        usize::from(format.channels()),
        WindowFunction::BlackmanHarris2,
        FixedSync::Output,
    );
    resampler.map(Some).map_err(AudioError::of_library)
}

fn new_opus(format: AacFormat, bits_per_s: u32) -> opus::Result<OpusEncoder> {
    let channels = match format.channels() {
        1 => Channels::Mono,
        _ => Channels::Stereo,
    };
    let mut opus = OpusEncoder::new(RATE_HZ, channels, Application::Audio)?;
    opus.set_bitrate(Bitrate::Bits(bits_per_s as i32))?;
    opus.set_complexity(COMPLEXITY)?;
    opus.set_inband_fec(true)?;
    opus.set_packet_loss_perc(LOSS_PERCENT)?;
    Ok(opus)
}
