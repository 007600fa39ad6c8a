//! Transport-wide feedback moves the estimate.

use std::time::Instant;

use super::Estimator;
use crate::control::Observation;
use crate::delay::Delays;
use crate::detector::{Detector, Usage};
use crate::feedback::{Message, REFERENCE_US};
use crate::group::Groups;
use crate::limits::{
    CLOCK_JUMP_MAX, FEEDBACK_MESSAGES_MAX, FEEDBACK_PERIOD, LIMITED_BELOW_PERCENT,
    LIMITED_UNTIL_PERCENT, LOST_MAX, RECORDS_MAX,
};
use crate::loss::Verdict;
use crate::meter::Meter;
use crate::records::{Micros, Settled};

/// The receiver's times, without the wrapping of 24 bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    reference: u32,
    /// The reference in microseconds.
    base: Micros,
    /// Our time when it came.
    at: Micros,
}

impl Estimator {
    /// Transport-wide feedback: what follows the SSRCs in an RTCP packet of type 205 and format 15. Malformed messages, packets that
    /// were never sent and messages beyond [`FEEDBACK_MESSAGES_MAX`] have no effect.
    pub fn on_feedback(&mut self, now: Instant, message: &[u8]) {
        let now = self.micros(now);
        if !self.config.has_feedback || !self.admits(now) {
            return;
        }
        let Some(message) = Message::read(message) else {
            return;
        };
        let base = self.base(now, message.reference);
        self.bridge(now, message.first);
        let mut newest: Option<Settled> = None;
        let mut arrived_last = None;
        // Packets of a train mostly have the same times: they are one sample of the delay.
        let mut sampled = None;
        let mut standing: Option<Micros> = None;
        message.each(|number, arrival| {
            let Some(packet) = self.records.settle(now, number, arrival.is_some()) else {
                return;
            };
            self.losses.count(arrival.is_some(), packet.was_lost);
            let arrived = arrival.map(|arrival| base + arrival);
            if packet.probe != 0 {
                self.prober.on_settled(&packet, arrived);
            }
            let Some(arrived) = arrived else {
                if self.lost.len() < LOST_MAX {
                    self.lost.push(number);
                }
                return;
            };
            self.received.add(arrived, usize::from(packet.bytes));
            self.delays.note(now, arrived - packet.sent);
            arrived_last = arrived_last.max(Some(arrived));
            if newest.is_none_or(|newest| newest.number < packet.number) {
                newest = Some(packet);
                self.reported = Some((packet, arrived));
            }
            let sample = Some((packet.sent, arrived));
            if sample == sampled {
                return;
            }
            sampled = sample;
            let waited = self.delays.waited(arrived - packet.sent);
            standing = Some(standing.map_or(waited, |least| least.min(waited)));
            if self.prober.disturbs(packet.sent, waited) {
                return;
            }
            if let Some(sample) = self.groups.push(packet.sent, arrived) {
                self.detector.push(sample);
            }
        });
        self.standing = standing.unwrap_or(self.standing);
        let Some(newest) = newest else { return };
        self.heard = Some(now);
        self.silenced = None;
        self.round_trips.note(now, now - newest.sent);
        let received = arrived_last.and_then(|at| self.received.rate(at));
        let received_newest = arrived_last.and_then(|at| self.received.newest_rate(at));
        self.update(now, received, received_newest, newest.sent);
    }

    /// Whether one more message may be read now.
    fn admits(&mut self, now: Micros) -> bool {
        if now - self.messages.0 >= FEEDBACK_PERIOD.as_micros() as Micros {
            self.messages = (now, 0);
        }
        self.messages.1 += 1;
        self.messages.1 <= FEEDBACK_MESSAGES_MAX
    }

    /// The reference time of a message in microseconds. Where the receiver's clock has jumped, its times begin anew after those
    /// that are known.
    fn base(&mut self, now: Micros, reference: u32) -> Micros {
        let Some(clock) = self.clock else {
            self.clock = Some(Clock {
                reference,
                base: 0,
                at: now,
            });
            return 0;
        };
        // The difference of 24 bits, with its sign.
        let steps = (reference.wrapping_sub(clock.reference) << 8).cast_signed() >> 8;
        let passed = Micros::from(steps) * REFERENCE_US;
        let jump = passed - (now - clock.at);
        let base = if jump.abs() > CLOCK_JUMP_MAX.as_micros() as Micros {
            self.groups = Groups::default();
            self.detector = Detector::new();
            self.received = Meter::default();
            self.reported = None;
            self.delays = Delays::default();
            clock.base + (now - clock.at)
        } else {
            clock.base + passed
        };
        self.clock = Some(Clock {
            reference,
            base,
            at: now,
        });
        base
    }

    /// Counts the packets between the message before and this one: a message between them was lost, and what it was about has
    /// arrived for the greater part.
    fn bridge(&mut self, now: Micros, first: u16) {
        let Some((newest, arrived)) = self.reported else {
            return;
        };
        let first = self.records.unwrap(first).unwrap_or(0);
        for number in (newest.number + 1..first).rev().take(RECORDS_MAX) {
            if let Some((sent, bytes)) = self.records.sent(now, number) {
                let arrived = arrived + (sent - newest.sent);
                self.received.add(arrived, usize::from(bytes));
            }
        }
    }

    /// Compares what is sent with the estimate.
    fn measure(&mut self, now: Micros) {
        let Some(sent) = self.sent.rate(now) else {
            return;
        };
        let percent = match self.is_limited {
            true => LIMITED_UNTIL_PERCENT,
            false => LIMITED_BELOW_PERCENT,
        };
        self.is_limited = sent * 100 < self.rate() * percent;
    }

    /// Moves the rate after feedback.
    fn update(
        &mut self,
        now: Micros,
        received: Option<u64>,
        received_newest: Option<u64>,
        newest_sent: Micros,
    ) {
        self.measure(now);
        let before = self.control.lowered();
        let received = received.map(|rate| rate as f64);
        let sent = self.sent.rate(now).map(|rate| rate as f64);
        let verdict = self.losses.judge(now, sent, received);
        if let Verdict::Lower(rate) = verdict {
            self.control.lower(now, rate);
        }
        self.control.update(Observation {
            now,
            usage: self.detector.usage(),
            received,
            received_newest: received_newest.map_or(0.0, |rate| rate as f64),
            round_trip: self.round_trips.least_or_start(),
            may_grow: !self.is_limited && verdict == Verdict::Free,
        });
        if self.control.lowered() != before {
            self.prober.on_lowered(now, self.control.rate() as u64);
        }
        let shown = self.prober.result(now, newest_sent, self.rate());
        if let Some(shown) = shown.filter(|_| self.detector.usage() != Usage::Overuse) {
            self.control.set(shown as f64);
        }
    }
}
