//! The rate: multiplied while far from what the path carries, increased by steps near it, lowered when its queue grows
//! (draft-ietf-rmcat-gcc-02 §5.5).

use crate::detector::Usage;
use crate::records::Micros;

/// What remains of the received rate when the queue grows.
const DECREASE: f64 = 0.9;
/// Share of the received rate of a much shorter time that counts if that is more: the average says too little about media that
/// has begun a moment ago.
const NEWEST: f64 = 0.85;
/// Growth per second far from what the path carries.
const GROWTH: f64 = 1.08;
/// Near it, the rate grows by one packet of this many bits per response time.
const PACKET_BITS: f64 = 9_600.0;
/// Least growth near it per second, as a share of the rate.
const STEP_MIN: f64 = 0.04;
/// The rate does not exceed this share of the received rate, plus `HEADROOM`, by growing.
const RECEIVED_SHARE: f64 = 1.5;
const HEADROOM: f64 = 10_000.0;
/// Longest time between two updates that counts, in seconds.
const ELAPSED_MAX: f64 = 1.0;
/// Microseconds that are added to the round trip for the time that an overuse takes to be detected.
const RESPONSE_US: Micros = 100_000;
/// A further decrease waits for one round trip within these bounds.
const DECREASE_WAIT_US: (Micros, Micros) = (50_000, 300_000);
/// Share of a new sample in the capacity.
const CAPACITY_SHARE: f64 = 0.05;
/// Bounds of the normalised deviation of the capacity.
const DEVIATION: (f64, f64) = (0.4, 2.5);

/// What the controller is told with each update.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Observation {
    pub(crate) now: Micros,
    pub(crate) usage: Usage,
    /// Bits per second that arrive, if known.
    pub(crate) received: Option<f64>,
    /// The same over a much shorter time, 0 if it is not known.
    pub(crate) received_newest: f64,
    pub(crate) round_trip: Micros,
    /// Neither the sender's lack of data nor loss forbids growth.
    pub(crate) may_grow: bool,
}

/// The received rate at which queues grew, averaged: what the path carries.
#[derive(Debug, Clone, Copy, Default)]
struct Capacity {
    /// kbit/s.
    mean: Option<f64>,
    deviation: f64,
}

impl Capacity {
    fn note(&mut self, rate: f64) {
        let sample = rate / 1_000.0;
        let mean = match self.mean {
            None => sample,
            Some(mean) => mean + CAPACITY_SHARE * (sample - mean),
        };
        let error = mean - sample;
        self.deviation = (self.deviation
            + CAPACITY_SHARE * (error * error / mean.max(1.0) - self.deviation))
            .clamp(DEVIATION.0, DEVIATION.1);
        self.mean = Some(mean);
    }

    /// How far a rate is from the capacity, in multiples of what counts as near: beyond ±1 it is another capacity.
    fn distance(&self, rate: f64) -> f64 {
        self.mean.map_or(0.0, |mean| {
            let near = 3.0 * (self.deviation.max(DEVIATION.0) * mean).sqrt();
            (rate / 1_000.0 - mean) / near.max(1.0)
        })
    }
}

#[derive(Debug)]
pub(crate) struct Control {
    rate: f64,
    bounds: (f64, f64),
    capacity: Capacity,
    updated: Option<Micros>,
    /// When the rate was lowered last.
    lowered: Option<Micros>,
    /// The usage before was over or under: the first normal one only ends it.
    holds: bool,
}

impl Control {
    pub(crate) fn new(rate: u64, min: u64, max: u64) -> Self {
        let bounds = (min as f64, max.max(min) as f64);
        Self {
            rate: (rate as f64).clamp(bounds.0, bounds.1),
            bounds,
            capacity: Capacity::default(),
            updated: None,
            lowered: None,
            holds: false,
        }
    }

    pub(crate) fn rate(&self) -> f64 {
        self.rate
    }

    pub(crate) fn lowered(&self) -> Option<Micros> {
        self.lowered
    }

    /// Sets the rate to what was shown in another way: a probe, loss, a share of several connections.
    pub(crate) fn set(&mut self, rate: f64) {
        self.rate = rate.clamp(self.bounds.0, self.bounds.1);
    }

    /// Lowers the rate for another reason than the delay.
    pub(crate) fn lower(&mut self, now: Micros, rate: f64) {
        if rate < self.rate {
            self.set(rate);
            self.lowered = Some(now);
        }
    }

    pub(crate) fn update(&mut self, seen: Observation) {
        let elapsed = self
            .updated
            .map_or(0.0, |at| (seen.now - at) as f64 / 1_000_000.0);
        self.updated = Some(seen.now);
        match seen.usage {
            Usage::Overuse => {
                self.holds = true;
                self.decrease(&seen);
            }
            Usage::Underuse => self.holds = true,
            Usage::Normal if self.holds => self.holds = false,
            Usage::Normal => self.increase(&seen, elapsed.clamp(0.0, ELAPSED_MAX)),
        }
    }

    fn decrease(&mut self, seen: &Observation) {
        let (least, most) = DECREASE_WAIT_US;
        let wait = seen.round_trip.clamp(least, most);
        if self.lowered.is_some_and(|at| seen.now - at < wait) {
            return;
        }
        let Some(received) = seen.received else {
            // Nothing is known but that it is too much.
            self.lower(seen.now, self.rate / 2.0);
            return;
        };
        let received = received.max(seen.received_newest * NEWEST);
        if self.capacity.distance(received) < -1.0 {
            self.capacity.mean = None;
        }
        self.capacity.note(received);
        self.lower(seen.now, DECREASE * received);
    }

    fn increase(&mut self, seen: &Observation, elapsed: f64) {
        let Some(received) = seen.received.filter(|_| seen.may_grow) else {
            return;
        };
        if self.capacity.distance(received) > 1.0 {
            self.capacity.mean = None;
        }
        let grown = match self.capacity.mean {
            Some(_) => {
                let response = (seen.round_trip + RESPONSE_US) as f64 / 1_000_000.0;
                self.rate + (PACKET_BITS / response).max(self.rate * STEP_MIN) * elapsed
            }
            None => self.rate * GROWTH.powf(elapsed),
        };
        let most = RECEIVED_SHARE * received + HEADROOM;
        self.set(grown.min(most.max(self.rate)));
    }
}
