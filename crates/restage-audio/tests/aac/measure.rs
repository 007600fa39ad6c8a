//! How far decoded sound is from what went in.

use rustfft::FftPlanner;
use rustfft::num_complex::Complex32;
use symphonia_codec_aac::AacDecoder;
use symphonia_core::audio::{Channels, Position};
use symphonia_core::codecs::audio::well_known::CODEC_ID_AAC;
use symphonia_core::codecs::audio::{AudioCodecParameters, AudioDecoder as _, AudioDecoderOptions};
use symphonia_core::packet::PacketRef;
use symphonia_core::units::{Duration, Timestamp};

/// Samples of one channel that are looked at together.
const SEGMENT: usize = 1_024;
/// Segments with less energy of a sample than this are no sound: about −50 dB.
const SILENT: f64 = 1e-5;
/// Third octaves from here on are compared, in lines of a segment of twice [`SEGMENT`].
const LOWEST_LINE: usize = 4;
/// Bands that are so much below the loudest of their segment are not compared: nobody hears them.
const UNHEARD: f64 = 1e-5;

/// In decibels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quality {
    /// Signal to error, the mean of the segments.
    pub(crate) snr: f64,
    /// The same, of the segment that a twentieth of them are worse than.
    pub(crate) worst_snr: f64,
    /// The difference of the energies of bands, the root of the mean square.
    pub(crate) distance: f64,
}

/// Decodes access units; each must be whole.
pub(crate) fn decode(units: &[Vec<u8>], rate_hz: u32, channels: usize) -> Vec<f32> {
    let positions = match channels {
        1 => Position::FRONT_LEFT,
        _ => Position::FRONT_LEFT | Position::FRONT_RIGHT,
    };
    let mut parameters = AudioCodecParameters::new();
    parameters
        .for_codec(CODEC_ID_AAC)
        .with_sample_rate(rate_hz)
        .with_channels(Channels::Positioned(positions));
    let mut decoder = AacDecoder::try_new(&parameters, &AudioDecoderOptions::default()).unwrap();
    let mut samples = Vec::new();
    for (index, unit) in units.iter().enumerate() {
        let packet = PacketRef::new(0, Timestamp::ZERO, Duration::ZERO, unit);
        let decoded = decoder.decode_ref(&packet);
        let decoded = decoded.unwrap_or_else(|error| panic!("access unit {index}: {error}"));
        assert_eq!(decoded.frames(), SEGMENT, "access unit {index}");
        let mut block = vec![0.0; SEGMENT * channels];
        decoded.copy_to_slice_interleaved(&mut block);
        samples.extend(block);
    }
    samples
}

/// Compares without looking for the delay: sound that is late is wrong. The first and the last blocks are left out.
pub(crate) fn measure(sent: &[f32], decoded: &[f32], channels: usize) -> Quality {
    let block = SEGMENT * channels;
    let end = sent.len().min(decoded.len()) - 2 * block;
    let (sent, decoded) = (&sent[2 * block..end], &decoded[2 * block..end]);
    let mut ratios: Vec<f64> = (sent.chunks_exact(block).zip(decoded.chunks_exact(block)))
        .filter_map(|(sent, decoded)| {
            let energy = energy_of(sent);
            let error: Vec<f32> = sent
                .iter()
                .zip(decoded)
                .map(|(one, other)| one - other)
                .collect();
            let ratio = 10.0 * (energy / (energy_of(&error) + 1e-12)).log10();
            (energy > SILENT * block as f64).then_some(ratio)
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    Quality {
        snr: ratios.iter().sum::<f64>() / ratios.len() as f64,
        worst_snr: ratios[ratios.len() / 20],
        distance: distance(sent, decoded, channels),
    }
}

fn energy_of(samples: &[f32]) -> f64 {
    samples
        .iter()
        .map(|sample| f64::from(*sample).powi(2))
        .sum()
}

/// The difference of the energies of third octaves.
fn distance(sent: &[f32], decoded: &[f32], channels: usize) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    let window = 2 * SEGMENT * channels;
    for (sent, decoded) in sent.chunks_exact(window).zip(decoded.chunks_exact(window)) {
        for channel in 0..channels {
            let (sent, decoded) = (
                bands(sent, channel, channels),
                bands(decoded, channel, channels),
            );
            let loudest = sent.iter().copied().fold(1.0, f64::max);
            for (sent, decoded) in sent.iter().zip(&decoded) {
                if *sent > loudest * UNHEARD {
                    sum += (10.0 * (sent / decoded.max(1e-12)).log10()).powi(2);
                    count += 1.0;
                }
            }
        }
    }
    f64::sqrt(sum / count)
}

fn bands(samples: &[f32], channel: usize, channels: usize) -> Vec<f64> {
    let length = 2 * SEGMENT;
    let mut values: Vec<Complex32> = (samples[channel..].iter().step_by(channels).enumerate())
        .map(|(index, sample)| {
            let turn = std::f32::consts::TAU * (index as f32 + 0.5) / length as f32;
            Complex32::new(sample * (0.5 - 0.5 * turn.cos()), 0.0)
        })
        .collect();
    FftPlanner::new()
        .plan_fft_forward(length)
        .process(&mut values);
    let mut bands = Vec::new();
    let mut from = LOWEST_LINE;
    // Up to 14 kHz.
    while from < 600 {
        let to = (from * 5).div_ceil(4);
        bands.push(
            values[from..to]
                .iter()
                .map(|value| f64::from(value.norm_sqr()))
                .sum(),
        );
        from = to;
    }
    bands
}

/// The largest step of the error where blocks meet, against the largest one elsewhere.
pub(crate) fn edge_ratio(sent: &[f32], decoded: &[f32], channels: usize, block: usize) -> f32 {
    let end = sent.len().min(decoded.len()) / channels - 2 * block;
    let error = |index: usize| sent[index * channels] - decoded[index * channels];
    let mut steps = [1e-9f32; 2];
    for index in 2 * block..end {
        let step = (error(index) - error(index - 1)).abs();
        let is_edge = usize::from(index % block == 0);
        steps[is_edge] = steps[is_edge].max(step);
    }
    steps[1] / steps[0]
}
