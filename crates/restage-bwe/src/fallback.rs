//! What a receiver without transport-wide feedback says about the rate: REMB, or loss.

use crate::limits::REMB_AGE_MAX;
use crate::records::Micros;

/// Loss above which the rate is lowered, and below which it grows (draft-ietf-rmcat-gcc-02 §6).
const LOSS_HIGH: f64 = 0.1;
const LOSS_LOW: f64 = 0.02;
/// Growth per second.
const GROWTH: f64 = 1.05;
const ELAPSED_MAX: f64 = 5.0;

#[derive(Debug, Default)]
pub(crate) struct Fallback {
    /// Bits per second and when it was said.
    remb: Option<(u64, Micros)>,
    reported: Option<Micros>,
}

impl Fallback {
    pub(crate) fn on_remb(&mut self, now: Micros, bits_per_s: u64) {
        self.remb = Some((bits_per_s, now));
    }

    /// The newest REMB.
    pub(crate) fn remb(&self, now: Micros) -> Option<u64> {
        let is_new = |at: Micros| now - at <= REMB_AGE_MAX.as_micros() as Micros;
        self.remb
            .filter(|(_, at)| is_new(*at))
            .map(|(rate, _)| rate)
    }

    /// The rate after a report of loss (0 to 1). It grows only while what is sent uses most of it.
    pub(crate) fn on_report(&mut self, now: Micros, loss: f64, rate: f64, may_grow: bool) -> f64 {
        let elapsed = self.reported.map_or(0.0, |at| (now - at) as f64 / 1e6);
        self.reported = Some(now);
        if loss > LOSS_HIGH {
            rate * (1.0 - loss / 2.0)
        } else if loss < LOSS_LOW && may_grow {
            rate * GROWTH.powf(elapsed.clamp(0.0, ELAPSED_MAX))
        } else {
            rate
        }
    }
}
