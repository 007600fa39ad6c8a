//! Whether the queue of the path grows: the slope of the delay, compared with a threshold that adapts
//! (draft-ietf-rmcat-gcc-02 §5.3 and §5.4, with a line fitted to the delay in place of the Kalman filter).

use std::collections::VecDeque;

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

/// Fits a line to the delay of the newest groups.
#[derive(Debug)]
pub(crate) struct Detector {
    /// Arrival and smoothed delay in milliseconds, since the first group.
    samples: VecDeque<(f64, f64)>,
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
        self.samples.back().map_or(0, |(at, _)| at.to_bits())
    }

    pub(crate) fn new() -> Self {
        Self {
            samples: VecDeque::with_capacity(SLOPE_SAMPLES),
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
        let step = self.samples.back().map_or(0.0, |(before, _)| at - before);
        self.smoothed = SMOOTHING * self.smoothed + (1.0 - SMOOTHING) * delay;
        self.groups = (self.groups + 1.0).min(GROUPS_MAX);
        if self.samples.len() >= SLOPE_SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back((at, self.smoothed));
        let slope = match self.samples.len() >= SLOPE_SAMPLES {
            true => slope(&self.samples).unwrap_or(self.slope_before),
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

/// The slope of the line with the least squares. `None` if all were at one time.
fn slope(samples: &VecDeque<(f64, f64)>) -> Option<f64> {
    let count = samples.len() as f64;
    let (sum_x, sum_y) = samples
        .iter()
        .fold((0.0, 0.0), |(x, y), sample| (x + sample.0, y + sample.1));
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    let (above, below) = samples.iter().fold((0.0, 0.0), |(above, below), (x, y)| {
        let x = x - mean_x;
        (above + x * (y - mean_y), below + x * x)
    });
    (below > 0.0).then(|| above / below)
}
