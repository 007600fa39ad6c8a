//! A token bucket for large bursts.

use std::time::{Duration, Instant};

use crate::limits::SLOT;

/// Lets a burst leave at a given rate, one slot ([`SLOT`]) at a time. What does not belong to a burst does not pass it.
#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    /// Bytes that may leave at the time `at`; negative: bytes that left too early.
    bytes: f64,
    at: Instant,
}

impl Bucket {
    /// A bucket with the bytes of one slot.
    pub fn new(now: Instant) -> Self {
        Self {
            bytes: 0.0,
            at: now.checked_sub(SLOT).unwrap_or(now),
        }
    }

    /// Bytes that may leave now at `bits_per_s`. Unused time counts for at most one slot.
    pub fn room(&mut self, now: Instant, bits_per_s: u64) -> usize {
        let per_s = bits_per_s as f64 / 8.0;
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = self.at.max(now);
        self.bytes = (self.bytes + per_s * elapsed).min(per_s * SLOT.as_secs_f64());
        self.bytes.max(0.0) as usize
    }

    /// These bytes have left. They may be more than the room was: packets are not divided.
    pub fn take(&mut self, bytes: usize) {
        self.bytes -= bytes as f64;
    }

    /// How long until a slot is full again at `bits_per_s`, at least a slot.
    pub fn wait(&self, bits_per_s: u64) -> Duration {
        let per_s = (bits_per_s as f64 / 8.0).max(1.0);
        let slot = SLOT.as_secs_f64();
        let seconds = (slot - self.bytes / per_s).clamp(slot, 1.0);
        Duration::from_secs_f64(seconds)
    }
}
