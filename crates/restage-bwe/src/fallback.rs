//! What a receiver without transport-wide feedback says about the rate: REMB, or loss.

use crate::limits::REMB_AGE_MAX;
use crate::records::Micros;

/// Loss above which the rate is lowered, and below which it grows (draft-ietf-rmcat-gcc-02 §6).
const LOSS_HIGH: f64 = 0.1;
const LOSS_LOW: f64 = 0.02;
/// Growth per second.
const GROWTH: f64 = 1.05;
const ELAPSED_MAX: f64 = 5.0;
/// A REMB of more than this share of what is sent, in percent, says only that there is no congestion: a receiver cannot see what
/// more the path would carry.
const BOUND_PERCENT: u64 = 120;

#[derive(Debug, Default)]
pub(crate) struct Fallback {
    /// When a REMB came last.
    remb: Option<Micros>,
    updated: Option<Micros>,
}

impl Fallback {
    pub(crate) fn on_remb(&mut self, now: Micros) {
        self.remb = Some(now);
    }

    pub(crate) fn has_remb(&self, now: Micros) -> bool {
        let age_max = REMB_AGE_MAX.as_micros() as Micros;
        self.remb.is_some_and(|at| now - at <= age_max)
    }

    /// Whether a REMB is what the path carries.
    pub(crate) fn is_bound(&self, bits_per_s: u64, sent: u64) -> bool {
        bits_per_s <= sent / 100 * BOUND_PERCENT
    }

    /// The rate while nothing speaks against a higher one.
    pub(crate) fn grow(&mut self, now: Micros, rate: f64) -> f64 {
        let elapsed = self.updated.map_or(0.0, |at| (now - at) as f64 / 1e6);
        self.updated = Some(now);
        rate * GROWTH.powf(elapsed.clamp(0.0, ELAPSED_MAX))
    }

    /// The rate after a report of loss (0 to 1).
    pub(crate) fn on_report(&mut self, now: Micros, loss: f64, rate: f64, sent: f64) -> f64 {
        let grown = self.grow(now, rate);
        if loss > LOSS_HIGH {
            rate.min(sent) * (1.0 - loss / 2.0)
        } else if loss < LOSS_LOW {
            grown
        } else {
            rate
        }
    }
}
