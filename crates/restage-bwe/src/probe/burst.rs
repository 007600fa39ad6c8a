//! A short probe at one rate. It is quick, but what a full token bucket lets pass at once looks like the rate of the path.

use super::span::Part;
use super::{SLOT_US, carried};
use crate::limits::{PROBE_BYTES_MAX, PROBE_PACKET_BYTES, PROBE_PACKETS_MIN, PROBE_TIME_MIN};
use crate::records::{Micros, Settled};

const TIME_MIN_US: Micros = PROBE_TIME_MIN.as_micros() as Micros;
/// A probe that is received more slowly than this share of its rate has filled the path,
const FILLED: f64 = 0.9;
/// of which this share is used.
const USED: f64 = 0.95;

/// A probe of this kind under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Burst {
    pub(super) rate: u64,
    bytes: usize,
    whole: Option<Part>,
}

impl Burst {
    /// At a rate in bits per second.
    pub(super) fn new(rate: u64) -> Self {
        let time = (TIME_MIN_US + SLOT_US) as u64;
        let bytes = (rate * time / 8_000_000) as usize;
        Self {
            rate,
            bytes: bytes.clamp(PROBE_PACKETS_MIN * PROBE_PACKET_BYTES, PROBE_BYTES_MAX),
            whole: None,
        }
    }

    /// Whether enough was sent, over enough time.
    pub(super) fn is_complete(&self, now: Micros) -> bool {
        self.whole.is_some_and(|Part { sent, .. }| {
            sent.bytes >= PROBE_BYTES_MAX
                || sent.bytes >= self.bytes && now - sent.first >= TIME_MIN_US
        })
    }

    /// Bytes that are due now, up to the end of this slot.
    pub(super) fn due(&self, now: Micros) -> usize {
        let begin = self.whole.map_or(now, |part| part.sent.first);
        let elapsed = (now - begin + SLOT_US).max(0) as u64;
        let target = ((self.rate * elapsed / 8_000_000) as usize).min(PROBE_BYTES_MAX);
        target.saturating_sub(self.whole.map_or(0, |part| part.sent.bytes))
    }

    /// A packet has left.
    pub(super) fn on_sent(&mut self, now: Micros, bytes: usize) {
        let whole = self.whole.get_or_insert_with(|| Part::new(now));
        whole.sent.add(now, bytes);
    }

    /// A packet has arrived, or was lost.
    pub(super) fn on_settled(&mut self, packet: &Settled, arrived: Option<Micros>) {
        if let (Some(whole), Some(arrived)) = (&mut self.whole, arrived) {
            whole.arrive(arrived, usize::from(packet.bytes));
        }
    }

    /// When the last packet was sent.
    pub(super) fn sent_last(&self) -> Option<Micros> {
        self.whole.map(|whole| whole.sent.last)
    }

    /// The rate that it has shown, in bits per second, beside what `others` send over the same bottleneck.
    pub(super) fn shown(&self, others: u64) -> Option<u64> {
        let (out, into) = self.whole?.rates()?;
        let mut rate = into.min(out);
        if into < out * FILLED {
            rate = rate.min(carried(out, into, others) * USED);
        }
        Some(rate.max(0.0) as u64)
    }
}
