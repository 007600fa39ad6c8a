//! Whether the queue of the path grows: the slope of the delay, compared with a threshold that adapts
//! (draft-ietf-rmcat-gcc-02 §5.3 and §5.4, with a line fitted to the delay in place of the Kalman filter).

use crate::group::Sample;
use crate::limits::SLOPE_SAMPLES;
use crate::records::Micros;

/// What the delay says about the queue of the path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Usage {
    /// The queue does not change.
    #[default]
    Normal,
    /// The queue grows: more is sent than the path carries.
    Overuse,
    /// The queue drains.
    Underuse,
}

/// Share of the former value in the smoothed delay.
const SMOOTHING: f64 = 0.9;
/// The slope is multiplied by this and by the number of groups, up to `GROUPS_MAX`, before it is compared with the threshold.
const GAIN: f64 = 4.0;
const GROUPS_MAX: f64 = 60.0;
/// Milliseconds.
const THRESHOLD_START: f64 = 12.5;
const THRESHOLD_MIN: f64 = 6.0;
const THRESHOLD_MAX: f64 = 600.0;
/// How fast the threshold follows the slope, up and down, per millisecond.
const THRESHOLD_UP: f64 = 0.0087;
const THRESHOLD_DOWN: f64 = 0.039;
/// The threshold does not follow a slope that exceeds it by more than this: a sudden change of the path.
const THRESHOLD_JUMP_MAX: f64 = 15.0;
/// Longest time between two groups that counts, in milliseconds.
const STEP_MAX: f64 = 100.0;
/// The queue must grow for longer than this, in milliseconds.
const OVERUSE_TIME: f64 = 10.0;

/// Arrival and smoothed delay of the newest groups in milliseconds, since the first group: a ring, in whose order nothing is read but the
/// newest.
#[derive(Debug)]
struct Samples {
    at: [f64; SLOPE_SAMPLES],
    delay: [f64; SLOPE_SAMPLES],
    count: usize,
    newest: usize,
}

impl Samples {
    fn new() -> Self {
        Self {
            at: [0.0; SLOPE_SAMPLES],
            delay: [0.0; SLOPE_SAMPLES],
            count: 0,
            newest: SLOPE_SAMPLES - 1,
        }
    }

    /// When the newest group arrived; `None` before the first.
    fn newest_at(&self) -> Option<f64> {
        (self.count > 0).then(|| self.at[self.newest])
    }

    fn push(&mut self, at: f64, delay: f64) {
        self.newest = (self.newest + 1) % SLOPE_SAMPLES;
        self.at[self.newest] = at;
        self.delay[self.newest] = delay;
        self.count = (self.count + 1).min(SLOPE_SAMPLES);
    }

    fn is_full(&self) -> bool {
        self.count == SLOPE_SAMPLES
    }

    /// The slope of the line with the least squares, when the ring is full. `None` if all were at one time.
    fn slope(&self) -> Option<f64> {
        let mean_at = sum(&self.at) / SLOPE_SAMPLES as f64;
        let mean_delay = sum(&self.delay) / SLOPE_SAMPLES as f64;
        let (mut above, mut below) = ([0.0; SLOPE_SAMPLES], [0.0; SLOPE_SAMPLES]);
        for place in 0..SLOPE_SAMPLES {
            let at = self.at[place] - mean_at;
            above[place] = at * (self.delay[place] - mean_delay);
            below[place] = at * at;
        }
        let below = sum(&below);
        (below > 0.0).then(|| sum(&above) / below)
    }
}

/// Sums that run beside each other: an addition of numbers with a fraction waits for the one before it.
const SUMS: usize = 4;
const _: () = assert!(SLOPE_SAMPLES.is_multiple_of(SUMS));

#[inline]
fn sum(values: &[f64; SLOPE_SAMPLES]) -> f64 {
    let mut sums = [0.0; SUMS];
    for chunk in values.as_chunks::<SUMS>().0 {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            *sum += value;
        }
    }
    sums.iter().sum()
}

/// Fits a line to the delay of the newest groups.
#[derive(Debug)]
pub(crate) struct Detector {
    samples: Samples,
    first: Option<Sample>,
    smoothed: f64,
    groups: f64,
    threshold: f64,
    slope_before: f64,
    /// Milliseconds for which the slope has exceeded the threshold, and groups.
    over: Option<(f64, u32)>,
    usage: Usage,
}

impl Detector {
    /// See [`Estimator::touch`](crate::Estimator::touch).
    pub(crate) fn touch(&self) -> u64 {
        self.samples.newest_at().map_or(0, f64::to_bits)
    }

    pub(crate) fn new() -> Self {
        Self {
            samples: Samples::new(),
            first: None,
            smoothed: 0.0,
            groups: 0.0,
            threshold: THRESHOLD_START,
            slope_before: 0.0,
            over: None,
            usage: Usage::Normal,
        }
    }

    pub(crate) fn usage(&self) -> Usage {
        self.usage
    }

    pub(crate) fn push(&mut self, sample: Sample) {
        let first = *self.first.get_or_insert(sample);
        let ms = |us: Micros| us as f64 / 1_000.0;
        let delay = ms(sample.delay - first.delay);
        let at = ms(sample.arrived - first.arrived);
        let step = self.samples.newest_at().map_or(0.0, |before| at - before);
        self.smoothed = SMOOTHING * self.smoothed + (1.0 - SMOOTHING) * delay;
        self.groups = (self.groups + 1.0).min(GROUPS_MAX);
        self.samples.push(at, self.smoothed);
        let slope = match self.samples.is_full() {
            true => self.samples.slope().unwrap_or(self.slope_before),
            false => 0.0,
        };
        self.judge(slope, step.clamp(0.0, STEP_MAX));
    }

    /// Compares the slope with the threshold, `step` milliseconds after the group before.
    fn judge(&mut self, slope: f64, step: f64) {
        let scaled = slope * self.groups * GAIN;
        if scaled > self.threshold {
            let (time, count) = match self.over {
                // Half of the time that has passed, as if it had begun in between.
                None => (step / 2.0, 1),
                Some((time, count)) => (time + step, count + 1),
            };
            self.over = Some((time, count));
            if time > OVERUSE_TIME && count > 1 && slope >= self.slope_before {
                self.over = Some((0.0, 0));
                self.usage = Usage::Overuse;
            }
        } else {
            self.over = None;
            self.usage = match scaled < -self.threshold {
                true => Usage::Underuse,
                false => Usage::Normal,
            };
        }
        self.slope_before = slope;
        let beyond = scaled.abs() - self.threshold;
        if beyond <= THRESHOLD_JUMP_MAX {
            let gain = match beyond < 0.0 {
                true => THRESHOLD_DOWN,
                false => THRESHOLD_UP,
            };
            self.threshold =
                (self.threshold + gain * beyond * step).clamp(THRESHOLD_MIN, THRESHOLD_MAX);
        }
    }
}
