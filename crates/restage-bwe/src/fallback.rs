//! What a receiver without transport-wide feedback says about the rate: reports of loss and round trip, REMB, requests for packets.
//!
//! Such a receiver says little and late, and cannot be probed: a round trip is that of one sender report, and REMB is never much more
//! than what is received. So the rate is kept while nothing speaks against it, and what an overload has let pass is its *ceiling*. Some
//! time later more is *tried*, as much as is desired next; after each try that fails the next one comes later.

use crate::limits::{
    REMB_AGE_MAX, REPORT_SILENCE_MAX, REPORT_SILENCE_MIN, TRIAL_TIME, TRIES_SOON, TRY_AFTER,
    TRY_AFTER_MAX,
};
use crate::records::Micros;

/// Loss above which the rate is lowered, and below which it grows (draft-ietf-rmcat-gcc-02 §6).
const LOSS_HIGH: f64 = 0.1;
const LOSS_LOW: f64 = 0.02;
/// A round trip that is longer than the least by more than this is that of a queue: with loss it is the path's own that overflows;
const QUEUE_US: Micros = 80_000;
/// by more than this, the queue stands, and the rate is lowered,
const QUEUE_LONG_US: Micros = 150_000;
/// to this share of what is sent,
const QUEUE_DECREASE: f64 = 0.85;
/// unless the time in the queue has become shorter by this since the report before.
const DRAINS_US: Micros = 30_000;
/// Decreases one after the other by the round trip alone, after which it is taken to be another path's.
const QUEUE_DECREASES_MAX: u32 = 3;
/// The least round trip of this much time counts.
const ROUND_TRIP_AGE_US: Micros = 60_000_000;
/// What is said within this time after a decrease may be about what was sent before it.
const SETTLES_US: Micros = 1_000_000;
/// A decrease within this time after another is of the same overload.
const SAME_US: Micros = 3_000_000;
/// Share of the ceiling that is used.
const CEILING_USED: f64 = 0.95;
/// Growth per second.
const GROWTH: f64 = 1.05;
const ELAPSED_MAX: f64 = 5.0;
/// A REMB of more than this share of what is sent, in percent, says only that there is no congestion: a receiver cannot see what
/// more the path would carry.
const BOUND_PERCENT: u64 = 120;
/// A REMB has fallen if it is lower than before by more than this, in percent. It has risen if it is higher at all: libwebrtc sends one every
/// 200 ms, and raises it by as little as 1,000 bit/s at a time.
const REMB_FALL_PERCENT: u64 = 1;
/// A REMB below what is sent follows what is received, and rises within this time if nothing is wrong.
const REMB_RISES_US: Micros = 3_000_000;
/// A try has not failed if this share of it is sent and passes, or of one that has failed before; less than that is another matter.
const PROVES: f64 = 0.5;
/// Less than this share of the desired rate is worth a try.
const WORTH: f64 = 0.85;
/// The path is overloaded if at least this many packets are asked for
const MISSING_MIN: u32 = 12;
/// within this time, and they are more than this share of those that were sent.
const MISSING_TIME_US: Micros = 500_000;
const MISSING_SHARE: f64 = 0.2;
/// Bits of a packet of a picture.
const PACKET_BITS: f64 = 8_800.0;

/// What a message says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Said {
    /// What is sent passes.
    Clear,
    /// Neither this nor that.
    Unclear,
    /// The path carries only this, in bits per second.
    Overload(f64),
}

/// What a receiver's REMB has been.
#[derive(Debug, Clone, Copy)]
struct Remb {
    at: Micros,
    bits_per_s: u64,
    /// When it was last rising, or more than is sent.
    free_at: Micros,
    /// When it was another one before, or more than is sent.
    changed_at: Micros,
    /// The rate that it had when it was last rising or falling.
    from: u64,
}

impl Remb {
    /// It counts. A receiver repeats its last one with each report (libwebrtc) while nothing comes of what it measures, as where the
    /// pictures are paused: then it says nothing any more, and reports count.
    fn is_of_present(&self, now: Micros) -> bool {
        let age_max = REMB_AGE_MAX.as_micros() as Micros;
        now - self.at <= age_max && now - self.changed_at <= age_max
    }
}

#[derive(Debug, Default)]
pub(crate) struct Fallback {
    heard: Option<Micros>,
    /// The longest time between two messages.
    longest: Option<Micros>,
    remb: Option<Remb>,
    /// The least round trip, and when it was seen.
    round_trip: Option<(Micros, Micros)>,
    /// The time in queues by the report before.
    queue_before: Micros,
    /// Reports one after the other of a long queue, and decreases one after the other for that alone.
    long_queues: u32,
    queue_decreases: u32,
    updated: Option<Micros>,
    /// What the path let pass when it was overloaded last, in bits per second.
    ceiling: Option<f64>,
    lowered: Option<Micros>,
    /// The newest overload was not one of loss alone.
    has_queued: bool,
    /// When what is sent was last said to pass, unless something else was said since.
    clear: Option<Micros>,
    /// When the report before came.
    reported: Option<Micros>,
    /// When more was tried, and how much, until that has failed or not.
    tried: Option<(Micros, f64)>,
    /// Since when that has been used and has passed.
    used_at: Option<Micros>,
    /// How many tries have failed, and at which rate the last one.
    failures: u32,
    failed: f64,
    /// Nothing like that is tried before this,
    rests_until: Micros,
    /// and nothing at all before this.
    calm_at: Micros,
    /// When the first of these packets was asked for.
    missing: (Micros, u32),
}

impl Fallback {
    /// Something has come from the receiver.
    pub(crate) fn on_heard(&mut self, now: Micros) {
        if let Some(before) = self.heard.replace(now) {
            self.longest = Some(self.longest.unwrap_or(0).max(now - before));
        }
    }

    /// How long the receiver may say nothing although all is well: reports come the more seldom the less is sent (RFC 3550 §6.2).
    pub(crate) fn silence_max(&self) -> Micros {
        let (least, most) = (
            REPORT_SILENCE_MIN.as_micros(),
            REPORT_SILENCE_MAX.as_micros(),
        );
        let (least, most) = (least as Micros, most as Micros);
        self.longest
            .map_or(most, |longest| longest.saturating_mul(3).clamp(least, most))
    }

    pub(crate) fn has_remb(&self, now: Micros) -> bool {
        self.remb.is_some_and(|remb| remb.is_of_present(now))
    }

    /// Whether no queue and no request speaks against what is sent. Loss alone may be another path's.
    pub(crate) fn is_clear(&self) -> bool {
        self.clear.is_some() || !self.has_queued
    }

    /// What a REMB says while `sent` bits per second are sent. One that is below that is what the path carries, unless it is about to
    /// follow what is received.
    pub(crate) fn on_remb(&mut self, now: Micros, bits_per_s: u64, sent: u64) -> Said {
        let is_above = bits_per_s > (sent / 100).saturating_mul(BOUND_PERCENT);
        let before = self.remb.filter(|remb| self.has_remb_at(remb, now));
        let has_risen = before.is_some_and(|remb| bits_per_s > remb.from);
        let has_fallen = before.is_some_and(|remb| {
            bits_per_s.saturating_add(remb.from / 100 * REMB_FALL_PERCENT) < remb.from
        });
        let free_at = match (is_above || has_risen, before) {
            (true, _) => now,
            (false, Some(remb)) => remb.free_at,
            (false, None) => now,
        };
        let repeated = before.filter(|remb| remb.bits_per_s == bits_per_s && !is_above);
        let changed_at = repeated.map_or(now, |remb| remb.changed_at);
        let remb = Remb {
            at: now,
            bits_per_s,
            free_at,
            changed_at,
            from: match before {
                Some(remb) if !is_above && !has_risen && !has_fallen => remb.from,
                _ => bits_per_s,
            },
        };
        self.remb = Some(remb);
        if is_above || has_risen {
            Said::Clear
        } else if !remb.is_of_present(now) {
            Said::Unclear
        } else if has_fallen || (bits_per_s < sent && now - free_at >= REMB_RISES_US) {
            // One that stands still at what is sent, or above, does not say that this is too much.
            self.has_queued = true;
            Said::Overload(bits_per_s as f64)
        } else {
            Said::Unclear
        }
    }

    fn has_remb_at(&self, remb: &Remb, now: Micros) -> bool {
        now - remb.at <= REMB_AGE_MAX.as_micros() as Micros
    }

    /// What a report says: `loss` from 0 to 1, and the round trip in microseconds, while `sent` bits per second are sent and `rate` is
    /// permitted.
    pub(crate) fn on_report(
        &mut self,
        now: Micros,
        loss: f64,
        round_trip: Option<Micros>,
        sent: f64,
        rate: f64,
    ) -> Said {
        let queue = round_trip.map_or(0, |newest| self.queue(now, newest));
        let queue_before = std::mem::replace(&mut self.queue_before, queue);
        let before = self.reported.replace(now);
        // What is said has waited in that queue as well.
        let has_settled = self.has_settled(now - queue)
            && self.is_of_present(before.map(|before| before - queue));
        // With REMB, loss counts only where a queue shows whose it is.
        let has_queue = queue > QUEUE_US;
        if !self.has_remb(now) {
            // Loss of the path itself forbids growth, and no try.
            let is_clear = loss <= LOSS_HIGH && round_trip.is_some() && !has_queue;
            self.clear = is_clear.then_some(now);
        }
        if loss > LOSS_HIGH && (has_queue || !self.has_remb(now)) {
            if !has_settled {
                return Said::Unclear;
            }
            self.has_queued = has_queue;
            return Said::Overload(match has_queue {
                true => sent * (1.0 - loss),
                false => rate.min(sent) * (1.0 - loss / 2.0),
            });
        }
        if queue > QUEUE_LONG_US {
            self.long_queues += 1;
            // One alone may be a moment of radio; and a queue beside hardly any packets of ours is not ours.
            let is_doubtful = self.long_queues < 2 && self.tried.is_none();
            let is_little = self.ceiling.is_some_and(|ceiling| sent < ceiling / 2.0);
            // Less is sent already, and the queue drains.
            let is_draining = queue + DRAINS_US < queue_before;
            if is_draining {
                self.queue_decreases = 0;
            }
            if !has_settled || is_doubtful || is_little || is_draining || self.has_remb(now) {
                return Said::Unclear;
            }
            self.queue_decreases += 1;
            if self.queue_decreases <= QUEUE_DECREASES_MAX {
                self.has_queued = true;
                return Said::Overload(sent.min(rate) * QUEUE_DECREASE);
            }
            self.round_trip = round_trip.map(|newest| (newest, now));
        }
        self.long_queues = 0;
        self.queue_decreases = 0;
        match loss < LOSS_LOW && queue <= QUEUE_US && !self.has_remb(now) {
            true => Said::Clear,
            false => Said::Unclear,
        }
    }

    /// The time in queues that is part of a round trip.
    fn queue(&mut self, now: Micros, newest: Micros) -> Micros {
        let is_due = |(least, at)| newest <= least || now - at > ROUND_TRIP_AGE_US;
        if self.round_trip.is_none_or(is_due) {
            self.round_trip = Some((newest, now));
        }
        self.round_trip.map_or(0, |(least, _)| newest - least)
    }

    fn has_settled(&self, now: Micros) -> bool {
        self.lowered.is_none_or(|at| now - at >= SETTLES_US)
    }

    /// Whether a report, of the time since the one before, is about what is sent since the last decrease or try.
    fn is_of_present(&self, before: Option<Micros>) -> bool {
        self.tried.is_some() || self.lowered.is_none_or(|at| before >= Some(at))
    }

    /// So many packets that were not asked for before are asked for while `sent` bits per second are sent.
    pub(crate) fn on_missing(&mut self, now: Micros, packets: u32, sent: f64) -> Said {
        if now - self.missing.0 > MISSING_TIME_US {
            self.missing = (now, 0);
        }
        self.missing.1 = self.missing.1.saturating_add(packets);
        let all = sent / PACKET_BITS * MISSING_TIME_US as f64 / 1e6;
        let missing = f64::from(self.missing.1);
        // More than was sent in that time are of another time, as after a pause.
        let is_old = missing > all;
        let is_few = is_old || self.missing.1 < MISSING_MIN || missing < all * MISSING_SHARE;
        if is_few || !self.has_settled(now) {
            return Said::Unclear;
        }
        self.missing = (now, 0);
        self.has_queued = true;
        let passes = sent * (1.0 - missing / all);
        // What passed before the try still does.
        let known = self.ceiling.filter(|_| self.tried.is_some()).unwrap_or(0.0);
        Said::Overload(passes.max(known.min(sent * QUEUE_DECREASE)))
    }

    /// The path carries only this.
    pub(crate) fn on_overload(&mut self, now: Micros, rate: f64) {
        // What comes after the first message may be about what is left of the queue, while hardly anything is sent.
        let is_same = self.lowered.is_some_and(|at| now - at < SAME_US);
        let known = self.ceiling.filter(|known| is_same && rate < known / 2.0);
        self.ceiling = Some(known.unwrap_or(rate));
        self.lowered = Some(now);
        self.clear = None;
        if let Some((_, rate)) = self.tried.take() {
            self.failures += 1;
            self.failed = rate;
        }
        // A REMB says soon that a try fails; reports say it late, so that each failure costs more.
        let soon = if self.has_remb(now) { TRIES_SOON } else { 1 };
        let times = 1 << self.failures.saturating_sub(soon).min(16);
        let (first, most) = (TRY_AFTER.as_micros() as Micros, TRY_AFTER_MAX.as_micros());
        self.rests_until = now + (first * times).min(most as Micros);
        self.calm_at = now + first;
    }

    /// The receiver was silent for too long.
    pub(crate) fn on_silence(&mut self, now: Micros) {
        self.lowered = Some(now);
        self.clear = None;
    }

    /// The rate after a message that what is sent passes.
    pub(crate) fn on_clear(&mut self, now: Micros, rate: f64, sent: f64, may_grow: bool) -> f64 {
        self.clear = Some(now);
        let elapsed = self.updated.map_or(0.0, |at| (now - at) as f64 / 1e6);
        self.updated = Some(now);
        let grown = rate * GROWTH.powf(elapsed.clamp(0.0, ELAPSED_MAX));
        // What has failed is tried again, not grown to.
        let most = match self.failures {
            0 => f64::MAX,
            _ => self.failed * PROVES,
        };
        let grown = grown.min(most.max(rate));
        let Some(ceiling) = self.ceiling else {
            return grown;
        };
        let is_used = self.tried.is_some_and(|(_, rate)| sent >= rate * PROVES);
        let used_at = *self.used_at.get_or_insert(now);
        if !is_used {
            self.used_at = None;
        } else if now - used_at >= TRIAL_TIME.as_micros() as Micros {
            self.tried = None;
            if self.failures == 0 || sent >= self.failed * PROVES {
                self.ceiling = None;
                self.failures = 0;
                return grown;
            }
            self.ceiling = Some(ceiling.max(sent));
        }
        // What has passed once passes again.
        let least = rate.max(ceiling * CEILING_USED);
        match may_grow || now >= self.rests_until {
            true => grown.max(least),
            false => least,
        }
    }

    /// When a rate of `goal` may be tried, if that is worth it and nothing speaks against it.
    pub(crate) fn try_at(&self, rate: f64, goal: f64) -> Option<Micros> {
        let clear = self.clear?;
        // What was tried before has to be said to pass first.
        let is_known = self.tried.is_none_or(|(tried, _)| clear > tried);
        let is_less = self.failures > 0 && goal < self.failed * PROVES;
        let at = if is_less {
            self.calm_at
        } else {
            self.rests_until
        };
        (is_known && rate < goal * WORTH).then_some(at)
    }

    /// More is sent from now on, to find out whether it passes.
    pub(crate) fn on_try(&mut self, now: Micros, rate: f64) {
        self.tried = Some((now, rate));
        self.used_at = None;
        self.missing = (now, 0);
        // One that was repeated has this long to follow what is sent now.
        if let Some(remb) = &mut self.remb {
            (remb.free_at, remb.changed_at) = (now, now);
        }
    }
}
