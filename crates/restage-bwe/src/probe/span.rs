//! What was sent of a probe, and what has arrived of that.

use crate::records::{Micros, Settled};

/// Share of the packets, in percent, that must have arrived.
const ARRIVED_PERCENT: u32 = 80;
/// What is received this many times faster than it was sent measures nothing.
const RATIO_MAX: f64 = 2.0;
/// Bytes within this time of the first arrived together with it.
const TOGETHER_US: Micros = 1_000;

/// Packets at one end of the path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) first: Micros,
    pub(super) last: Micros,
    pub(super) bytes: usize,
    /// Bytes at the time `first`, or together with it.
    first_bytes: usize,
    /// Bytes at the time `last`.
    last_bytes: usize,
    packets: u32,
}

impl Span {
    pub(super) fn new(at: Micros) -> Self {
        Self {
            first: at,
            last: at,
            bytes: 0,
            first_bytes: 0,
            last_bytes: 0,
            packets: 0,
        }
    }

    pub(super) fn add(&mut self, at: Micros, bytes: usize) {
        if at > self.last {
            (self.last, self.last_bytes) = (at, 0);
        }
        if at <= self.first + TOGETHER_US {
            self.first_bytes += bytes;
        }
        self.bytes += bytes;
        self.last_bytes += bytes;
        self.packets += 1;
    }

    /// Bits per second: what is not counted took no time within the span.
    fn rate_without(&self, bytes: usize) -> Option<f64> {
        let time = self.last - self.first;
        (time > 0).then(|| (self.bytes - bytes) as f64 * 8e6 / time as f64)
    }
}

/// What was sent of a probe, or of some of it, and what has arrived of that.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) sent: Span,
    arrived: Option<Span>,
}

impl Part {
    /// Nothing yet; the first packet leaves at this time.
    pub(super) fn new(at: Micros) -> Self {
        Self {
            sent: Span::new(at),
            arrived: None,
        }
    }

    pub(super) fn arrive(&mut self, at: Micros, bytes: usize) {
        let span = self.arrived.get_or_insert_with(|| Span::new(at));
        span.add(at, bytes);
    }

    /// A packet that was sent has arrived, or was lost.
    pub(super) fn settle(&mut self, packet: &Settled, arrived: Option<Micros>) {
        let bytes = usize::from(packet.bytes);
        self.sent.add(packet.sent, bytes);
        if let Some(arrived) = arrived {
            self.arrive(arrived, bytes);
        }
    }

    /// The rate of sending, and of arrival, if enough has arrived to tell.
    pub(super) fn rates(&self) -> Option<(f64, f64)> {
        let arrived = self.arrived.as_ref()?;
        let is_enough = arrived.packets * 100 >= self.sent.packets * ARRIVED_PERCENT;
        self.rates_of_any().filter(|_| is_enough)
    }

    /// The same, however much was lost.
    pub(super) fn rates_of_any(&self) -> Option<(f64, f64)> {
        let arrived = self.arrived.as_ref()?;
        let out = self.sent.rate_without(self.sent.last_bytes)?;
        let into = arrived.rate_without(arrived.first_bytes)?;
        (into <= out * RATIO_MAX).then_some((out, into))
    }
}
