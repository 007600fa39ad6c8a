//! AAC-LC to samples.

use std::panic::{AssertUnwindSafe, catch_unwind};

use symphonia_codec_aac::AacDecoder;
use symphonia_core::audio::{Channels, GenericAudioBufferRef, Position};
use symphonia_core::codecs::audio::well_known::CODEC_ID_AAC;
use symphonia_core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia_core::packet::PacketRef;
use symphonia_core::units::{Duration, Timestamp};

use crate::error::AudioError;
use crate::format::AacFormat;
use crate::limits::{ACCESS_UNIT_SAMPLES, DAMAGED_MAX, DECODER_PANICS_MAX};

/// The first three bits of an empty access unit: the element that ends it (ISO/IEC 14496-3 §4.5.2.1, ID_END).
const END: u8 = 7;
/// The weight of a damaged access unit, against one of a whole one.
const DAMAGE_WEIGHT: u32 = 2;

/// A decoder that an access unit cannot bring down. What it cannot decode is silence, and the decoder begins anew with the next one:
/// its state may be wrong for ever otherwise.
pub(crate) struct Decoder {
    format: AacFormat,
    decoder: AacDecoder,
    /// Samples of the newest access unit, those of the channels in turn.
    samples: Vec<f32>,
    damage: u32,
    panics: u32,
    /// Access units that could not be decoded.
    pub(crate) damaged: u64,
}

impl Decoder {
    pub(crate) fn new(format: AacFormat) -> Result<Self, AudioError> {
        Ok(Self {
            format,
            decoder: new_decoder(format)?,
            samples: vec![0.0; ACCESS_UNIT_SAMPLES * usize::from(format.channels())],
            damage: 0,
            panics: 0,
            damaged: 0,
        })
    }

    /// The newest access unit: [`ACCESS_UNIT_SAMPLES`] of each channel, those of the channels in turn, within −1 and 1.
    pub(crate) fn samples(&self) -> &[f32] {
        &self.samples
    }

    /// Decodes an access unit.
    ///
    /// # Errors
    /// Too many could not be decoded.
    pub(crate) fn decode(&mut self, access_unit: &[u8]) -> Result<(), AudioError> {
        let packet = PacketRef::new(0, Timestamp::ZERO, Duration::ZERO, access_unit);
        let is_empty = access_unit.first().is_none_or(|first| first >> 5 == END);
        self.run(|decoder, samples| match decoder.decode_ref(&packet) {
            // The decoder gives the samples before once more.
            Ok(_) if is_empty => false,
            Ok(decoded) => take(&decoded, samples),
            Err(_) => false,
        })
    }

    /// Decodes with a function that returns whether it has written samples, and that may panic.
    fn run(
        &mut self,
        decode: impl FnOnce(&mut AacDecoder, &mut [f32]) -> bool,
    ) -> Result<(), AudioError> {
        let (decoder, samples) = (&mut self.decoder, &mut self.samples);
        // The decoder has no unsafe code, and after a panic it is dropped.
        let outcome = catch_unwind(AssertUnwindSafe(|| decode(decoder, samples)));
        if let Ok(true) = outcome {
            self.damage = self.damage.saturating_sub(1);
            return Ok(());
        }
        self.panics += u32::from(outcome.is_err());
        self.damage += DAMAGE_WEIGHT;
        self.damaged += 1;
        if self.damage > DAMAGED_MAX * DAMAGE_WEIGHT || self.panics > DECODER_PANICS_MAX {
            return Err(AudioError::Damaged);
        }
        self.decoder = new_decoder(self.format)?;
        self.samples.fill(0.0);
        Ok(())
    }
}

fn new_decoder(format: AacFormat) -> Result<AacDecoder, AudioError> {
    let positions = match format.channels() {
        1 => Position::FRONT_LEFT,
        _ => Position::FRONT_LEFT | Position::FRONT_RIGHT,
    };
    let mut parameters = AudioCodecParameters::new();
    parameters
        .for_codec(CODEC_ID_AAC)
        .with_sample_rate(format.rate_hz())
        .with_channels(Channels::Positioned(positions));
    AacDecoder::try_new(&parameters, &AudioDecoderOptions::default())
        .map_err(AudioError::of_library)
}

/// Copies what was decoded. `false`: it is not what the format says.
fn take(decoded: &GenericAudioBufferRef<'_>, samples: &mut [f32]) -> bool {
    let is_whole = decoded.frames() == ACCESS_UNIT_SAMPLES;
    if !is_whole || decoded.samples_interleaved() != samples.len() {
        return false;
    }
    decoded.copy_to_slice_interleaved(&mut *samples);
    for sample in samples {
        *sample = within_bounds(*sample);
    }
    true
}

/// Damaged access units can give any number, and one that is none would stay in the filters behind.
fn within_bounds(sample: f32) -> f32 {
    if sample.is_finite() {
        sample.clamp(-1.0, 1.0)
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoder_that_panics_is_replaced_and_only_some_times() {
        let mut decoder = Decoder::new(AacFormat::new(44_100, 2).unwrap()).unwrap();
        for time in 1..=DECODER_PANICS_MAX {
            decoder
                .run(|_, samples| {
                    samples.fill(1.0);
                    panic!("panic number {time} of this test")
                })
                .unwrap();
            assert!(
                decoder.samples().iter().all(|sample| *sample == 0.0),
                "silence"
            );
            decoder.run(|_, _| true).unwrap();
        }
        let outcome = decoder.run(|_, _| panic!("the last panic of this test"));
        assert_eq!(outcome, Err(AudioError::Damaged));
        assert_eq!(decoder.damaged, u64::from(DECODER_PANICS_MAX) + 1);
    }

    #[test]
    fn what_is_no_number_is_silence_and_what_is_too_loud_is_cut() {
        let mut samples = [0.0; 4];
        for (sample, value) in samples
            .iter_mut()
            .zip([f32::NAN, f32::NEG_INFINITY, 7.0, -0.5])
        {
            *sample = within_bounds(value);
        }
        assert_eq!(samples, [0.0, 0.0, 1.0, -0.5]);
    }
}
