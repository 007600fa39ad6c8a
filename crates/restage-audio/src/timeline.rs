//! Where an access unit belongs: samples are counted, and timestamps say whether the count is right.
//!
//! Timestamps of RTMP are whole milliseconds, and some encoders take them from the clock of the machine, at the moment at which a block
//! of samples came. So a timestamp alone places nothing. The mean of many says how far the count is from the encoder's clock; a single one
//! that is further from the mean than they usually are is a gap or an overlap.

use crate::error::AudioError;
use crate::format::AacFormat;
use crate::limits::{ACCESS_UNIT_SAMPLES, GAP_US_MAX, SOUND_PER_SILENCE};

/// Timestamps that the mean is taken of: about 1.5 s.
const MEAN_OF: f64 = 64.0;
/// The assumed distance of timestamps from their mean, until they have shown it.
const JITTER_FIRST_US: f64 = 20_000.0;
/// A timestamp is unusual if it is further from the mean than the average of the others by this factor.
const UNUSUAL: f64 = 4.0;
/// A timestamp that is further from the mean than this is unusual, however far the others are.
const UNUSUAL_US_MAX: f64 = 250_000.0;
/// An error of the count that is corrected, and the one at which the correction ends.
const DRIFT_US_MAX: f64 = 5_000.0;
const DRIFT_US_MIN: f64 = 1_000.0;
/// The rate of the correction: 1 ms in a second.
const SLEW: f64 = 0.001;

/// Where an access unit belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Behind the samples that came.
    Next,
    /// Behind them and so many samples of silence.
    After {
        /// Samples of one channel.
        silence: usize,
    },
    /// Where other samples are already.
    Overlap,
    /// At its timestamp: what is between is too long to be filled.
    Anew,
}

#[derive(Debug)]
pub(crate) struct Timeline {
    format: AacFormat,
    /// The mean lead of timestamps over the count, in microseconds.
    mean_us: f64,
    /// Their mean distance from that mean.
    jitter_us: f64,
    /// Of how many timestamps the mean is.
    count: f64,
    /// Samples of silence that may be added.
    silence: usize,
    is_slewing: bool,
}

impl Timeline {
    pub(crate) fn new(format: AacFormat) -> Self {
        Self {
            format,
            mean_us: 0.0,
            jitter_us: JITTER_FIRST_US,
            count: 0.0,
            silence: longest_silence(format),
            is_slewing: false,
        }
    }

    /// The stream begins anew at another timestamp.
    pub(crate) fn restart(&mut self) {
        let silence = self.silence;
        *self = Self::new(self.format);
        self.silence = silence;
    }

    /// Places an access unit whose timestamp is `ahead_us` later than the end of the samples that came.
    ///
    /// # Errors
    /// It goes back too far.
    pub(crate) fn place(&mut self, ahead_us: i64) -> Result<Place, AudioError> {
        if ahead_us > GAP_US_MAX {
            return Ok(Place::Anew);
        }
        if ahead_us < -GAP_US_MAX {
            let back_us = ahead_us.saturating_neg();
            return Err(AudioError::Back { back_us });
        }
        let off_us = ahead_us as f64 - self.mean_us;
        let unusual_us = self.unusual_us();
        if off_us < -unusual_us {
            return Ok(Place::Overlap);
        }
        if off_us > unusual_us {
            let silence = self.format.samples_in(off_us as i64) as usize;
            let Some(rest) = self.silence.checked_sub(silence) else {
                return Ok(Place::Anew);
            };
            self.silence = rest;
            return Ok(Place::After { silence });
        }
        self.count = (self.count + 1.0).min(MEAN_OF);
        self.mean_us += off_us / self.count;
        self.jitter_us += (off_us.abs() - self.jitter_us) / MEAN_OF;
        let earned = ACCESS_UNIT_SAMPLES / SOUND_PER_SILENCE;
        self.silence = (self.silence + earned).min(longest_silence(self.format));
        Ok(Place::Next)
    }

    /// The least distance of a timestamp from the mean that means missing or surplus samples.
    fn unusual_us(&self) -> f64 {
        let access_unit_us = self.format.us_of(ACCESS_UNIT_SAMPLES as i64) as f64;
        let by_jitter = (self.jitter_us * UNUSUAL).min(UNUSUAL_US_MAX);
        by_jitter.max(access_unit_us * 0.75)
    }

    /// Samples out for each sample in, for the next packet: 1 unless the count is to be corrected.
    pub(crate) fn ratio(&mut self) -> f64 {
        let error_us = self.mean_us.abs();
        self.is_slewing = error_us > DRIFT_US_MAX || (self.is_slewing && error_us > DRIFT_US_MIN);
        if self.is_slewing {
            1.0 + SLEW.copysign(self.mean_us)
        } else {
            1.0
        }
    }

    /// So many samples more came out than went in.
    pub(crate) fn stretched(&mut self, samples: i64) {
        self.mean_us -= self.format.us_of(samples) as f64;
    }
}

fn longest_silence(format: AacFormat) -> usize {
    format.samples_in(GAP_US_MAX) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT_US: i64 = 21_333;

    /// A timeline that has seen five seconds of timestamps that are `jitter` microseconds early and late in turn.
    fn used(jitter_us: i64) -> Timeline {
        let mut timeline = Timeline::new(AacFormat::new(48_000, 2).unwrap());
        for place in 0..240 {
            let ahead_us = if place % 2 == 0 {
                jitter_us
            } else {
                -jitter_us
            };
            assert_eq!(timeline.place(ahead_us), Ok(Place::Next), "{place}");
        }
        timeline
    }

    #[test]
    fn one_missing_access_unit_is_a_gap_and_one_too_many_an_overlap() {
        let mut timeline = used(500);
        let Ok(Place::After { silence }) = timeline.place(UNIT_US) else {
            panic!("it is a gap");
        };
        assert!(silence.abs_diff(ACCESS_UNIT_SAMPLES) < 48, "{silence}");
        assert_eq!(timeline.place(0), Ok(Place::Next));
        assert_eq!(timeline.place(-UNIT_US), Ok(Place::Overlap));
        assert_eq!(timeline.place(500), Ok(Place::Next));
    }

    #[test]
    fn timestamps_of_an_encoder_that_sends_in_blocks_are_neither() {
        let mut timeline = used(23_000);
        assert_eq!(timeline.place(60_000), Ok(Place::Next));
        assert_eq!(timeline.place(-60_000), Ok(Place::Next));
        assert!(matches!(timeline.place(120_000), Ok(Place::After { .. })));
        assert_eq!(timeline.place(-120_000), Ok(Place::Overlap));
    }

    #[test]
    fn what_is_too_long_begins_anew_or_ends() {
        let mut timeline = used(500);
        assert_eq!(timeline.place(GAP_US_MAX + 1), Ok(Place::Anew));
        let back_us = GAP_US_MAX + 1;
        assert_eq!(timeline.place(-back_us), Err(AudioError::Back { back_us }));
        assert_eq!(
            timeline.place(i64::MIN),
            Err(AudioError::Back { back_us: i64::MAX })
        );
    }

    #[test]
    fn silence_is_added_for_a_part_of_the_sound_only() {
        let mut timeline = used(500);
        assert!(matches!(timeline.place(1_900_000), Ok(Place::After { .. })));
        assert_eq!(timeline.place(1_900_000), Ok(Place::Anew));
        for _ in 0..200 {
            assert_eq!(timeline.place(0), Ok(Place::Next));
        }
        assert!(
            matches!(timeline.place(1_000_000), Ok(Place::After { .. })),
            "it is earned"
        );
    }

    #[test]
    fn a_drift_is_corrected_until_little_of_it_is_left() {
        let mut timeline = used(0);
        assert!((timeline.ratio() - 1.0).abs() < f64::EPSILON);
        for _ in 0..300 {
            timeline.place(8_000).unwrap();
        }
        assert!(timeline.ratio() > 1.0, "samples are missing");
        timeline.stretched(48 * 5);
        assert!(timeline.ratio() > 1.0, "3 ms are left");
        timeline.stretched(48 * 2 + 24);
        assert!(
            (timeline.ratio() - 1.0).abs() < f64::EPSILON,
            "0.5 ms are left"
        );
        for _ in 0..300 {
            timeline.place(-8_000).unwrap();
        }
        assert!(timeline.ratio() < 1.0, "there are too many samples");
    }
}
