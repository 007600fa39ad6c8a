//! The estimate of a receiver without transport-wide feedback: REMB and reports of loss and round trip move it.

use std::time::{Duration, Instant};

use super::Estimator;
use crate::fallback::Said;
use crate::records::Micros;

impl Estimator {
    /// A REMB message of the receiver (draft-alvestrand-rmcat-remb-03). It counts only without transport-wide feedback.
    pub fn on_remb(&mut self, now: Instant, bits_per_s: u64) {
        if self.config.has_feedback {
            return;
        }
        let now = self.micros(now);
        self.hear(now);
        let sent = self.sent.rate(now).unwrap_or(0);
        let said = bits_per_s as f64;
        match self.fallback.on_remb(now, bits_per_s, sent) {
            Said::Overload(rate) if rate >= self.control.rate() => self.control.set(rate),
            Said::Overload(rate) => self.overload(now, rate),
            Said::Unclear => {}
            Said::Clear => {
                let rate = self.control.rate();
                let rate = self.fallback.on_clear(now, rate, sent as f64, true);
                self.control.set(rate.max(said));
                self.try_more(now);
            }
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
    /// follows from it. The loss counts only without transport-wide feedback, and with REMB only where the round trip has grown.
    pub fn on_report(&mut self, now: Instant, fraction_lost: u8, round_trip: Option<Duration>) {
        let now = self.micros(now);
        let round_trip = round_trip.map(|time| time.as_micros() as Micros);
        if let Some(round_trip) = round_trip {
            self.round_trips.note(now, round_trip);
        }
        if self.config.has_feedback {
            return;
        }
        self.hear(now);
        let loss = f64::from(fraction_lost) / 256.0;
        let rate = self.control.rate();
        let sent = self.sent.rate(now).map_or(rate, |rate| rate as f64);
        match self.fallback.on_report(now, loss, round_trip, sent, rate) {
            Said::Overload(rate) => self.overload(now, rate),
            Said::Clear => {
                let rate = self.fallback.on_clear(now, rate, sent, false);
                self.control.set(rate);
                self.try_more(now);
            }
            Said::Unclear => self.try_more(now),
        }
        self.note_limit();
    }

    /// The receiver asks for so many packets that it has not asked for before. It counts only without transport-wide feedback: many of
    /// them show an overload sooner than the next report does.
    pub fn on_missing(&mut self, now: Instant, packets: u32) {
        if self.config.has_feedback {
            return;
        }
        let now = self.micros(now);
        let sent = self.sent.rate(now).unwrap_or(0) as f64;
        if let Said::Overload(rate) = self.fallback.on_missing(now, packets, sent) {
            self.overload(now, rate);
            self.note_limit();
        }
    }

    fn hear(&mut self, now: Micros) {
        self.fallback.on_heard(now);
        self.heard = Some(now);
        self.silenced = None;
    }

    fn overload(&mut self, now: Micros, rate: f64) {
        self.fallback.on_overload(now, rate);
        self.control.lower(now, rate);
    }

    /// Raises the rate to what is desired next, if it is time to try that.
    pub(super) fn try_more(&mut self, now: Micros) {
        if self.try_at().is_some_and(|at| now >= at) {
            self.control.set(self.probe_most() as f64);
            self.fallback.on_try(now, self.control.rate());
        }
    }

    /// When that is.
    pub(super) fn try_at(&self) -> Option<Micros> {
        if self.config.has_feedback {
            return None;
        }
        let goal = self.probe_most() as f64;
        self.fallback.try_at(self.control.rate(), goal)
    }
}
