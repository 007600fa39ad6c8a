//! The sound that is taken.

use crate::error::AudioError;

/// AAC-LC in one of the forms that the service takes: 44.1 or 48 kHz, mono or stereo, 1,024 samples in an access unit (Amazon IVS
/// Real-Time Streaming User Guide, Stream Ingest).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AacFormat {
    rate_hz: u32,
    channels: u8,
}

impl AacFormat {
    /// `rate_hz` is the samples per second of one channel.
    ///
    /// # Errors
    /// Another rate than 44,100 and 48,000, or another number of channels than 1 and 2.
    pub fn new(rate_hz: u32, channels: u8) -> Result<Self, AudioError> {
        if !matches!(rate_hz, 44_100 | 48_000) {
            return Err(AudioError::Rate { rate_hz });
        }
        if !matches!(channels, 1 | 2) {
            return Err(AudioError::Channels { channels });
        }
        Ok(Self { rate_hz, channels })
    }

    /// Samples per second of one channel.
    pub fn rate_hz(self) -> u32 {
        self.rate_hz
    }

    /// 1 or 2.
    pub fn channels(self) -> u8 {
        self.channels
    }

    /// Microseconds that this many samples of one channel last, rounded to the nearest.
    pub(crate) fn us_of(self, samples: i64) -> i64 {
        let rate = i64::from(self.rate_hz);
        (samples * 1_000_000 + rate / 2).div_euclid(rate)
    }

    /// Samples of one channel in this many microseconds, rounded to the nearest.
    pub(crate) fn samples_in(self, us: i64) -> i64 {
        (us * i64::from(self.rate_hz) + 500_000).div_euclid(1_000_000)
    }

    /// Samples of one channel in a packet of Opus, at this rate.
    pub(crate) fn packet_samples(self) -> usize {
        self.rate_hz as usize / 50
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_service_takes_is_taken_and_nothing_else() {
        for (rate_hz, channels) in [(44_100, 1), (44_100, 2), (48_000, 1), (48_000, 2)] {
            let format = AacFormat::new(rate_hz, channels).unwrap();
            assert_eq!((format.rate_hz(), format.channels()), (rate_hz, channels));
        }
        for rate_hz in [0, 8_000, 22_050, 32_000, 88_200, 96_000, u32::MAX] {
            assert_eq!(
                AacFormat::new(rate_hz, 2),
                Err(AudioError::Rate { rate_hz })
            );
        }
        for channels in [0, 3, 6, 8, 255] {
            let error = Err(AudioError::Channels { channels });
            assert_eq!(AacFormat::new(48_000, channels), error);
        }
    }
}
