//! A soft 1 kHz beep at the start of every second, encoded as Opus.

use std::f32::consts::TAU;
use std::time::Duration;

use opus::{Application, Bitrate, Channels, Encoder};

use super::TestCardError;

/// Samples per second. Opus in RTP always uses this rate (RFC 7587 §4.1).
pub const SAMPLE_RATE: u32 = 48_000;
/// Length of one Opus frame.
pub const FRAME: Duration = Duration::from_millis(20);
/// Samples in one Opus frame.
pub const FRAME_SAMPLES: usize = 960;

const TONE_HZ: f32 = 1_000.0;
const BEEP: Duration = Duration::from_millis(100);
const ATTACK_S: f32 = 0.004;
/// A quarter of full scale: clearly audible and not loud.
const LOUDNESS: f32 = 0.25;
const BITRATE_BPS: i32 = 48_000;
/// Longest Opus packet (RFC 6716 §3.4).
const PACKET_BYTES_MAX: usize = 1_275;

const _: () = assert!(FRAME_SAMPLES as u128 == FRAME.as_millis() * SAMPLE_RATE as u128 / 1000);

/// Encodes Opus frames of silence with a beep at every full second.
pub struct Beep {
    encoder: Encoder,
    /// Samples from the last full second to the first sample of the next frame.
    offset: u64,
    pcm: Vec<f32>,
}

impl Beep {
    /// Starts at `into_second` after a full second of the clock that the beeps follow; only the part
    /// below one second counts.
    ///
    /// # Errors
    /// [`TestCardError::Audio`] if libopus refuses.
    pub fn new(into_second: Duration) -> Result<Self, TestCardError> {
        let mut encoder = Encoder::new(SAMPLE_RATE, Channels::Mono, Application::Audio)?;
        encoder.set_bitrate(Bitrate::Bits(BITRATE_BPS))?;
        let nanos = u64::from(into_second.subsec_nanos());
        let offset = nanos * u64::from(SAMPLE_RATE) / 1_000_000_000;
        Ok(Self {
            encoder,
            offset,
            pcm: vec![0.0; FRAME_SAMPLES],
        })
    }

    /// Encodes the next 20 ms.
    ///
    /// # Errors
    /// [`TestCardError::Audio`] if libopus refuses.
    pub fn next_frame(&mut self) -> Result<Vec<u8>, TestCardError> {
        for (index, sample) in self.pcm.iter_mut().enumerate() {
            let position = (self.offset + index as u64) % u64::from(SAMPLE_RATE);
            *sample = amplitude(position as f32 / SAMPLE_RATE as f32);
        }
        self.offset = (self.offset + FRAME_SAMPLES as u64) % u64::from(SAMPLE_RATE);
        Ok(self.encoder.encode_vec_float(&self.pcm, PACKET_BYTES_MAX)?)
    }
}

/// The sound at a time after the full second: a sine under a raised-cosine attack and decay, so
/// that neither end clicks.
fn amplitude(seconds: f32) -> f32 {
    let length = BEEP.as_secs_f32();
    if seconds >= length {
        return 0.0;
    }
    let rise = |part: f32| 0.5 - 0.5 * (part.clamp(0.0, 1.0) * TAU / 2.0).cos();
    let envelope = rise(seconds / ATTACK_S) * rise((length - seconds) / (length - ATTACK_S));
    LOUDNESS * envelope * (seconds * TONE_HZ * TAU).sin()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode_seconds(beep: &mut Beep, seconds: usize) -> Vec<f32> {
        let mut decoder = opus::Decoder::new(SAMPLE_RATE, Channels::Mono).unwrap();
        let mut sound = Vec::new();
        for _ in 0..seconds * 50 {
            let packet = beep.next_frame().unwrap();
            let mut pcm = [0.0; FRAME_SAMPLES];
            assert_eq!(
                decoder.decode_float(&packet, &mut pcm, false).unwrap(),
                FRAME_SAMPLES
            );
            sound.extend_from_slice(&pcm);
        }
        sound
    }

    fn energy(sound: &[f32]) -> f32 {
        sound.iter().map(|sample| sample * sample).sum::<f32>() / sound.len() as f32
    }

    #[test]
    fn it_beeps_at_the_start_of_each_second_and_is_silent_otherwise() {
        let sound = decode_seconds(&mut Beep::new(Duration::ZERO).unwrap(), 3);
        for second in 0..3 {
            let at = second * SAMPLE_RATE as usize;
            let loud = energy(&sound[at + 960..at + 3_840]);
            let quiet = energy(&sound[at + 9_600..at + 47_000]);
            assert!(loud > 1e-3 && quiet < loud / 1e3, "{loud} {quiet}");
        }
    }

    #[test]
    fn the_tone_is_one_kilohertz() {
        let sound = decode_seconds(&mut Beep::new(Duration::ZERO).unwrap(), 1);
        let beep = &sound[1_000..3_400];
        let crossings = beep
            .windows(2)
            .filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0)
            .count() as i32;
        // 2 400 samples of 48 per period hold 50 periods.
        assert!((crossings - 50).abs() <= 1, "{crossings}");
    }

    #[test]
    fn it_may_start_in_the_middle_of_a_second() {
        let sound = decode_seconds(&mut Beep::new(Duration::from_millis(7_500)).unwrap(), 1);
        assert!(energy(&sound[..22_000]) < 1e-6);
        assert!(energy(&sound[25_000..28_000]) > 1e-3);
    }
}
