//! The estimate of a receiver without transport-wide feedback: REMB and reports of loss move it.

use std::time::{Duration, Instant};

use super::Estimator;
use crate::records::Micros;

impl Estimator {
    /// A REMB message of the receiver (draft-alvestrand-rmcat-remb-03). It counts only without transport-wide feedback.
    pub fn on_remb(&mut self, now: Instant, bits_per_s: u64) {
        if self.config.has_feedback {
            return;
        }
        let now = self.micros(now);
        self.heard = Some(now);
        self.silenced = None;
        self.fallback.on_remb(now);
        let sent = self.sent.rate(now).unwrap_or(0);
        if self.fallback.is_bound(bits_per_s, sent) {
            match (bits_per_s as f64) < self.control.rate() {
                true => self.control.lower(now, bits_per_s as f64),
                false => self.control.set(bits_per_s as f64),
            }
        } else {
            let rate = self.fallback.grow(now, self.control.rate());
            self.control.set(rate.max(bits_per_s as f64));
        }
        self.note_limit();
    }

    /// True if the receiver has ever said that its network does not carry everything.
    pub fn was_limited(&self) -> bool {
        self.was_limited
    }

    fn note_limit(&mut self) {
        self.was_limited |= self.rate() < self.config.max;
    }

    /// A report block of the receiver (RFC 3550 §6.4.1): packets lost since the one before, in 256ths, and the round trip that
    /// follows from it. The loss counts only without transport-wide feedback and without a REMB.
    pub fn on_report(&mut self, now: Instant, fraction_lost: u8, round_trip: Option<Duration>) {
        let now = self.micros(now);
        if let Some(round_trip) = round_trip {
            self.round_trips.note(now, round_trip.as_micros() as Micros);
        }
        if self.config.has_feedback {
            return;
        }
        self.heard = Some(now);
        self.silenced = None;
        if self.fallback.has_remb(now) {
            return;
        }
        let loss = f64::from(fraction_lost) / 256.0;
        let sent = self.sent.rate(now).map_or(f64::MAX, |rate| rate as f64);
        let rate = self
            .fallback
            .on_report(now, loss, self.control.rate(), sent);
        match rate < self.control.rate() {
            true => self.control.lower(now, rate),
            false => self.control.set(rate),
        }
        self.note_limit();
    }
}
