//! The bits that an access unit may have, and the error that follows.

use crate::aac::element::{self, Channel, Coded};
use crate::aac::layout::{LINES, Layout, Sequence};
use crate::aac::noiseless::Plan;
use crate::aac::quantize::{Lines, quantize};

/// Bits of one channel that a decoder must be able to hold (ISO/IEC 14496-3 §4.5.1.1).
const CHANNEL_BITS_MAX: u32 = 6_144;
/// Steps of less error than is allowed, which spare bits are used for, and how much less each is, as a power of ten.
const FINE_STEPS: usize = 10;
const FINE_STEP: f32 = 0.2;
/// Steps of more error. Each adds more to the fourth root of what is allowed, so that loud bands, in which it is heard least, take most
/// of it; the last steps leave out bands from above.
const COARSE_STEPS: usize = 52;
const COARSE_STEPS_PER_OCTAVE: f32 = 4.0;
/// A band that is heard keeps so much less error than energy: a band that is empty in one access unit and not in the next one is
/// heard more than its error.
const HOLE: f32 = 0.6;
/// Part of the mean that access units without much in them may have while bits are saved for those that need more.
const SAVING: f32 = 0.9;
/// Part of what has been saved that one access unit may have, and the same of one with an attack.
const LONG_PART: f32 = 0.3;
const SHORT_PART: f32 = 0.7;

/// Frequencies that are encoded, in Hz, by the bits per second of one channel.
pub(super) fn bandwidth_hz(bits_per_s: u32) -> f32 {
    match bits_per_s {
        0..24_000 => 8_000.0,
        24_000..40_000 => 11_000.0,
        40_000..56_000 => 14_000.0,
        56_000..72_000 => 16_000.0,
        72_000..96_000 => 17_500.0,
        _ => 20_000.0,
    }
}

/// Bits that were saved.
#[derive(Debug)]
pub(super) struct Reservoir {
    /// Bits of an access unit, in the mean.
    mean: u32,
    /// Bits of the largest access unit.
    most: u32,
    saved: u32,
}

impl Reservoir {
    pub(super) fn new(rate_hz: u32, channels: u8, bits_per_s: u32) -> Self {
        let most = CHANNEL_BITS_MAX * u32::from(channels);
        let mean = (u64::from(bits_per_s) * LINES as u64 / u64::from(rate_hz)) as u32;
        let mean = mean.min(most);
        Self {
            mean,
            most,
            saved: (most - mean) / 2,
        }
    }

    /// Encodes an access unit with the least error that its bits allow.
    pub(super) fn encode(&mut self, layout: &Layout, mut channels: Vec<Channel>) -> Vec<u8> {
        let is_joint = match &mut channels[..] {
            [left, right] => element::join(layout, left, right),
            _ => Vec::new(),
        };
        let frame = element::frame_bits(layout, &is_joint, channels.len());
        let attempt = Attempt::new(layout, channels);
        let plain = attempt.at(FINE_STEPS);
        let needed = frame + bits_of(&plain);
        let budget = self.budget(layout.sequence, needed);
        // The bits fall with the steps, apart from trifles. What is kept is always within the budget: nothing at all is.
        let (mut low, mut high) = if needed <= budget {
            (0, FINE_STEPS)
        } else {
            (FINE_STEPS + 1, attempt.steps())
        };
        let mut best = if needed <= budget {
            plain
        } else {
            attempt.at(high)
        };
        while low < high {
            let middle = usize::midpoint(low, high);
            let coded = attempt.at(middle);
            if frame + bits_of(&coded) <= budget {
                (high, best) = (middle, coded);
            } else {
                low = middle + 1;
            }
        }
        let used = frame + bits_of(&best);
        self.saved = (self.saved + self.mean)
            .saturating_sub(used)
            .min(self.most - self.mean);
        element::write(layout, &is_joint, &best)
    }

    fn budget(&self, sequence: Sequence, needed: u32) -> u32 {
        if needed <= self.mean {
            let is_full = self.saved == self.most - self.mean;
            let part = if is_full { 1.0 } else { SAVING };
            return needed.max((self.mean as f32 * part) as u32);
        }
        let part = if sequence == Sequence::Short {
            SHORT_PART
        } else {
            LONG_PART
        };
        self.mean + (self.saved as f32 * part) as u32
    }
}

fn bits_of(channels: &[Coded]) -> u32 {
    channels.iter().map(|channel| channel.plan.bits).sum()
}

/// An access unit that is tried with more and less error.
struct Attempt<'a> {
    layout: &'a Layout,
    channels: Vec<(Lines, Vec<f32>)>,
}

impl<'a> Attempt<'a> {
    fn new(layout: &'a Layout, channels: Vec<Channel>) -> Self {
        let prepare = |channel: Channel| {
            let Channel {
                lines,
                energies,
                allowed,
            } = channel;
            (Lines::new(layout, lines, energies), allowed)
        };
        Self {
            layout,
            channels: channels.into_iter().map(prepare).collect(),
        }
    }

    /// The last step, at which no band is left.
    fn steps(&self) -> usize {
        FINE_STEPS + COARSE_STEPS + self.layout.bands_per_group
    }

    fn at(&self, step: usize) -> Vec<Coded> {
        let code = |(lines, allowed): &(Lines, Vec<f32>)| {
            let allowed: Vec<Option<f32>> = (allowed.iter().enumerate())
                .map(|(band, allowed)| self.allowed(step, band, *allowed, lines.energies[band]))
                .collect();
            let quantized = quantize(self.layout, lines, &allowed);
            let plan = Plan::new(self.layout, &quantized.values, &quantized.scales);
            Coded { quantized, plan }
        };
        self.channels.iter().map(code).collect()
    }

    /// The error of a band at a step; `None` leaves it out.
    fn allowed(&self, step: usize, band: usize, allowed: f32, energy: f32) -> Option<f32> {
        if energy <= allowed {
            return None;
        }
        let left_out = step.saturating_sub(FINE_STEPS + COARSE_STEPS);
        if band % self.layout.bands_per_group >= self.layout.bands_per_group - left_out {
            return None;
        }
        if step <= FINE_STEPS {
            return Some(allowed * 10f32.powf(-FINE_STEP * (FINE_STEPS - step) as f32));
        }
        let octaves = (step - FINE_STEPS) as f32 / COARSE_STEPS_PER_OCTAVE;
        let raised = (allowed.sqrt().sqrt() + octaves.exp2()).powi(4);
        Some(raised.min(energy * HOLE).max(allowed))
    }
}
