//! A probe whose rate climbs from the estimate until a queue is seen, or all that is of interest has passed.
//!
//! A token bucket (`tc tbf` is one) hides a queue until it is empty. So what has arrived counts only beyond what
//! such a bucket may hold ([`PROBE_BUCKET_BYTES`]), and the rate does not pause, so that the bucket does not fill again. The rate
//! climbs so slowly that the queue is short when feedback shows it; then the probe ends at once, and the rate of arrival in that queue
//! is what the path carries.

use super::span::Part;
use super::{PathSeen, SLOT_US, carried};
use crate::limits::{
    CLIMB_ARRIVALS_MAX, CLIMB_GROWTH, CLIMB_GROWTH_UNBOUNDED, CLIMB_HOLD_MAX, CLIMB_HOLD_MIN,
    CLIMB_QUEUE, CLIMB_SMALL_BELOW, CLIMB_SMALL_BYTES, CLIMB_TIME_MAX, CLIMB_WINDOW,
    PROBE_BUCKET_BYTES, PROBE_DESIRED_PERCENT, PROBE_PACKET_BYTES,
};
use crate::records::{Micros, Settled};

const WINDOW_US: Micros = CLIMB_WINDOW.as_micros() as Micros;
const QUEUE_US: Micros = CLIMB_QUEUE.as_micros() as Micros;
/// Share that is used of a path that the probe has filled.
const USED: f64 = 0.9;
/// Arrivals within this time are noted together.
const STEP_US: Micros = 20_000;
/// Least time over which a rate is measured.
const MEASURED_MIN_US: Micros = 100_000;
/// Two windows one after the other of which more than this share is lost, in percent, have met a full queue.
const LOST_PERCENT: u32 = 20;
const LOST_PACKETS_MIN: u32 = 3;
/// Seconds until feedback shows a queue for which the growth is meant: half of it for a short round trip. The longer the round trip
/// is, the slower the rate grows; the queue grows with the square of this time.
const RESPONSE: f64 = 0.15;
const RESPONSE_POWER: f64 = 1.5;
/// Share of what [`PROBE_DESIRED_PERCENT`] adds that a token bucket may take from the result.
const SPARE: f64 = 0.8;
/// Padding for at most this many slots leaves at once, when a timer was late.
const SLOTS_MAX: f64 = 4.0;

/// What was sent within [`CLIMB_WINDOW`].
#[derive(Debug, Clone, Copy)]
struct Window {
    part: Part,
    least_delay: Option<Micros>,
    packets: u32,
    lost: u32,
}

impl Window {
    fn new(at: Micros) -> Self {
        Self {
            part: Part::new(at),
            least_delay: None,
            packets: 0,
            lost: 0,
        }
    }

    fn settle(&mut self, packet: &Settled, arrived: Option<Micros>) {
        self.part.settle(packet, arrived);
        self.packets += 1;
        match arrived.map(|arrived| arrived - packet.sent) {
            Some(delay) => {
                let least = self.least_delay.unwrap_or(delay);
                self.least_delay = Some(least.min(delay));
            }
            None => self.lost += 1,
        }
    }

    fn has_lost(&self) -> bool {
        self.lost >= LOST_PACKETS_MIN && self.lost * 100 > self.packets * LOST_PERCENT
    }
}

/// A probe of this kind under way. Rates are in bits per second.
#[derive(Debug)]
pub(super) struct Climb {
    from: f64,
    most: f64,
    /// Growth of the rate: the logarithm of its factor in a second.
    growth: f64,
    /// Microseconds from the beginning until the rate is the highest, and until the end.
    top_at: Micros,
    ends_at: Micros,
    sent_first: Option<Micros>,
    sent_last: Micros,
    bytes_sent: usize,
    /// The least delay so far, by two different clocks.
    base: Option<Micros>,
    /// Below this rate its packets are small.
    small_below: f64,
    /// A longer wait than this is a queue. A small packet of sound has passed sooner than a large one of the probe will, by up to the
    /// time that this takes at the first rate.
    queue_min: Micros,
    window: Option<Window>,
    /// The window before has lost too much.
    has_lost: bool,
    /// What was sent since a queue was seen.
    queued: Option<Part>,
    bytes_arrived: usize,
    /// Bytes that had arrived up to a time.
    arrivals: Vec<(Micros, usize)>,
}

impl Climb {
    /// From one rate to another. The rate grows faster on a path that has not shown a limit yet.
    pub(super) fn new(from: u64, most: u64, path: PathSeen, is_bounded: bool) -> Self {
        // Beside media of that rate a queue of its own packets is not to be told from that of others.
        let small_below = match is_bounded && path.sent < from {
            true => CLIMB_SMALL_BELOW as f64,
            false => 0.0,
        };
        let (from, most) = (from as f64, most as f64);
        let response = path.round_trip as f64 / 1e6 + RESPONSE / 2.0;
        let growth = match is_bounded {
            true => CLIMB_GROWTH,
            false => CLIMB_GROWTH_UNBOUNDED,
        };
        let growth = growth * (RESPONSE / response).min(1.0).powf(RESPONSE_POWER);
        let top_at = ((most / from).ln() / growth * 1e6) as Micros;
        // So long that what is desired is shown to pass, whatever a bucket may have held.
        let spare = most * (1.0 - 100.0 / PROBE_DESIRED_PERCENT as f64) * SPARE;
        let hold = (PROBE_BUCKET_BYTES as f64 * 8e6 / spare) as Micros;
        let (least, longest) = (CLIMB_HOLD_MIN.as_micros(), CLIMB_HOLD_MAX.as_micros());
        let ends_at = top_at + hold.clamp(least as Micros, longest as Micros);
        Self {
            from,
            most,
            growth,
            top_at,
            ends_at: ends_at.min(CLIMB_TIME_MAX.as_micros() as Micros),
            sent_first: None,
            sent_last: 0,
            bytes_sent: 0,
            base: path.delays.least(),
            queue_min: queue_min(from, small_below),
            small_below,
            window: None,
            has_lost: false,
            queued: None,
            bytes_arrived: 0,
            arrivals: Vec::new(),
        }
    }

    /// Bytes of a packet now.
    pub(super) fn packet_bytes(&self, now: Micros) -> usize {
        let elapsed = now - self.sent_first.unwrap_or(now);
        let rate = self.from * (self.growth * elapsed.min(self.top_at) as f64 / 1e6).exp();
        match rate < self.small_below {
            true => CLIMB_SMALL_BYTES,
            false => PROBE_PACKET_BYTES,
        }
    }

    /// Whether all of it was sent, or a queue was seen.
    pub(super) fn is_complete(&self, now: Micros) -> bool {
        let is_over = |first| now - first >= self.ends_at;
        self.queued.is_some() || self.sent_first.is_some_and(is_over)
    }

    /// Whether a queue was seen.
    pub(super) fn has_queued(&self) -> bool {
        self.queued.is_some()
    }

    /// Bytes that are due now, up to the end of this slot.
    pub(super) fn due(&self, now: Micros) -> usize {
        let elapsed = now - self.sent_first.unwrap_or(now) + SLOT_US;
        let most = self.most * SLOT_US as f64 / 8e6 * SLOTS_MAX;
        let due = self.target(elapsed).saturating_sub(self.bytes_sent);
        due.min(most as usize + PROBE_PACKET_BYTES)
    }

    /// Bytes up to a time from the beginning.
    fn target(&self, elapsed: Micros) -> usize {
        let climbing = elapsed.min(self.top_at) as f64 / 1e6;
        let at_top = (elapsed - self.top_at).max(0) as f64 / 1e6;
        let climbed = self.from * ((self.growth * climbing).exp() - 1.0) / self.growth;
        ((climbed + self.most * at_top) / 8.0) as usize
    }

    /// A packet has left.
    pub(super) fn on_sent(&mut self, now: Micros, bytes: usize) {
        self.sent_first.get_or_insert(now);
        self.sent_last = now;
        self.bytes_sent += bytes;
    }

    /// When the last packet was sent.
    pub(super) fn sent_last(&self) -> Option<Micros> {
        self.sent_first.map(|_| self.sent_last)
    }

    /// A packet has arrived, or was lost.
    pub(super) fn on_settled(&mut self, packet: &Settled, arrived: Option<Micros>) {
        match &mut self.queued {
            Some(queued) => queued.settle(packet, arrived),
            None => self.watch(packet, arrived),
        }
        let Some(arrived) = arrived else { return };
        self.bytes_arrived += usize::from(packet.bytes);
        let is_full = self.arrivals.len() >= CLIMB_ARRIVALS_MAX;
        match self.arrivals.last_mut() {
            Some((at, sum)) if is_full || arrived < *at + STEP_US => *sum = self.bytes_arrived,
            _ => self.arrivals.push((arrived, self.bytes_arrived)),
        }
    }

    /// Adds a packet to the present window, and judges the one before if that is over.
    fn watch(&mut self, packet: &Settled, arrived: Option<Micros>) {
        let is_over = |window: &Window| packet.sent - window.part.sent.first >= WINDOW_US;
        let mut window = match self.window.take() {
            Some(window) if is_over(&window) => {
                self.judge(&window);
                Window::new(packet.sent)
            }
            Some(window) => window,
            None => Window::new(packet.sent),
        };
        if let Some(queued) = &mut self.queued {
            return queued.settle(packet, arrived);
        }
        window.settle(packet, arrived);
        self.window = Some(window);
    }

    /// Whether a window met a queue that was not there before. What was sent from it on is what the path carries.
    fn judge(&mut self, window: &Window) {
        let has_waited = match (window.least_delay, self.base) {
            (Some(least), Some(base)) => least > base + self.queue_min,
            _ => false,
        };
        let has_lost = window.has_lost();
        if has_waited || has_lost && self.has_lost {
            self.queued = Some(window.part);
        }
        self.has_lost = has_lost;
        self.base = match (window.least_delay, self.base) {
            (Some(least), Some(base)) => Some(least.min(base)),
            (least, base) => least.or(base),
        };
    }

    /// The rate that it has shown, in bits per second, beside what `others` send over the same bottleneck.
    pub(super) fn shown(&self, others: u64) -> Option<u64> {
        let sustained = self.sustained();
        let Some(queued) = &self.queued else {
            return Some(sustained?.min(self.most) as u64);
        };
        let (out, into) = queued.rates_of_any()?;
        let shown = match into < out {
            true => carried(out, into, others) * USED,
            false => sustained?.min(out),
        };
        Some(shown.max(0.0) as u64)
    }

    /// The highest rate over any time up to the end, without what a token bucket may have let pass.
    fn sustained(&self) -> Option<f64> {
        let (end, sum) = *self.arrivals.last()?;
        let earlier = self.arrivals.iter();
        let rates = earlier.take_while(|(at, _)| end - at >= MEASURED_MIN_US);
        let rates = rates.map(|(at, before)| {
            let bytes = (sum - before).saturating_sub(PROBE_BUCKET_BYTES);
            bytes as f64 * 8e6 / (end - at) as f64
        });
        rates.max_by(f64::total_cmp)
    }
}

/// The longest time that one packet of a probe from this rate on takes, or [`CLIMB_QUEUE`] if that is longer.
fn queue_min(from: f64, small_below: f64) -> Micros {
    let time = |bytes: usize, rate: f64| (bytes as f64 * 8e6 / rate) as Micros;
    let large = time(PROBE_PACKET_BYTES, from.max(small_below));
    let small = match from < small_below {
        true => time(CLIMB_SMALL_BYTES, from),
        false => 0,
    };
    QUEUE_US.max(small).max(large)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: usize = 1_000;
    /// Feedback comes this often, and this long after the newest arrival.
    const FEEDBACK_US: Micros = 50_000;
    const DELAY_US: Micros = 20_000;

    /// What a climb from 500 kbit/s to 1.6 Mbit/s shows of a path, and the milliseconds for which it sends. `loses` says which packets
    /// are lost, by number and time.
    fn run(rate: f64, bucket: usize, loses: impl Fn(u64, Micros) -> bool) -> (u64, Micros) {
        let mut delays = crate::delay::Delays::default();
        delays.note(0, DELAY_US);
        let path = PathSeen {
            round_trip: 2 * DELAY_US,
            delays,
            sent: 500_000,
        };
        let mut climb = Climb::new(500_000, 1_600_000, path, true);
        let ahead = (bucket as f64 * 8e6 / rate) as Micros;
        // When all has passed at the rate of the path, as if there were no bucket.
        let (mut clear_at, mut number, mut reported_at) = (0, 0, 0);
        let mut under_way: Vec<(Settled, Option<Micros>)> = Vec::new();
        let mut now = 0;
        while !climb.is_complete(now) {
            while climb.due(now) > 0 {
                climb.on_sent(now, PACKET);
                clear_at = now.max(clear_at) + (PACKET as f64 * 8e6 / rate) as Micros;
                let arrives = now.max(clear_at - ahead) + DELAY_US;
                let packet = Settled {
                    number,
                    sent: now,
                    bytes: PACKET as u16,
                    probe: 1,
                    was_lost: false,
                };
                under_way.push((packet, (!loses(number, now)).then_some(arrives)));
                number += 1;
            }
            now += SLOT_US;
            if now >= reported_at + FEEDBACK_US {
                reported_at = now;
                let is_there = |(packet, arrives): &mut (Settled, Option<Micros>)| {
                    arrives.unwrap_or(packet.sent + DELAY_US) <= now - DELAY_US
                };
                for (packet, arrived) in under_way.extract_if(.., is_there) {
                    climb.on_settled(&packet, arrived);
                }
            }
        }
        for (packet, arrived) in under_way {
            climb.on_settled(&packet, arrived);
        }
        (climb.shown(0).unwrap(), now / 1_000)
    }

    #[test]
    fn a_path_that_carries_all_is_shown_to_carry_what_is_desired() {
        let (shown, ms) = run(4e6, 10_000, |_, _| false);
        assert!((1_280_000..=1_600_000).contains(&shown), "{shown}");
        assert!((1_500..2_500).contains(&ms), "{ms}");
    }

    #[test]
    fn a_queue_ends_it_and_shows_the_rate_whatever_a_bucket_hides() {
        for (bucket, longest) in [(0, 600), (10_000, 1_000), (16_000, 1_200)] {
            let (shown, ms) = run(600e3, bucket, |_, _| false);
            assert!((480_000..600_000).contains(&shown), "{bucket}: {shown}");
            assert!(ms < longest, "{bucket}: {ms} ms");
        }
    }

    #[test]
    fn the_time_that_a_large_packet_takes_is_no_queue() {
        let packet_ms = PACKET as f64 * 8e3 / 600e3;
        assert!(packet_ms > CLIMB_QUEUE.as_secs_f64() * 1e3);
        // The queue itself comes only when the rate has grown by a fifth.
        let (_, ms) = run(600e3, 0, |_, _| false);
        assert!(ms > 200, "{ms} ms");
    }

    #[test]
    fn a_rate_that_only_a_bucket_has_let_pass_does_not_count() {
        // The probe ends before the bucket is empty.
        let (shown, _) = run(1_500e3, 60_000, |_, _| false);
        assert!(shown < 1_400_000, "{shown}");
    }

    #[test]
    fn loss_that_lasts_ends_it_and_a_burst_of_loss_does_not() {
        let (_, all) = run(4e6, 0, |_, _| false);
        let (_, burst) = run(4e6, 0, |_, at| (300_000..330_000).contains(&at));
        assert_eq!(burst, all);
        // Three quarters of what comes after 300 ms.
        let (shown, ms) = run(4e6, 0, |number, at| at > 300_000 && number % 4 != 0);
        assert!(ms < 700, "{ms}");
        assert!(shown < 500_000, "{shown}");
    }

    #[test]
    fn times_of_arrival_are_bounded_whatever_the_receiver_says() {
        let path = PathSeen {
            round_trip: 0,
            delays: crate::delay::Delays::default(),
            sent: 0,
        };
        let mut climb = Climb::new(50_000, 50_000_000, path, false);
        for number in 0..10_000 {
            climb.on_sent(0, PACKET);
            let packet = Settled {
                number,
                sent: 0,
                bytes: PACKET as u16,
                probe: 1,
                was_lost: false,
            };
            climb.on_settled(&packet, Some(number as Micros * 1_000_000));
        }
        assert_eq!(climb.arrivals.len(), CLIMB_ARRIVALS_MAX);
        assert!(climb.shown(0).unwrap() <= 50_000_000);
    }
}
