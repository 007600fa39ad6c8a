//! Counts the packets that arrived within a window, and those that should have arrived.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::media::Stamp;

/// The window, by time of sending. Nothing is counted until it is set.
#[derive(Debug)]
pub struct Window {
    from_ns: AtomicU64,
    to_ns: AtomicU64,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            from_ns: AtomicU64::new(u64::MAX),
            to_ns: AtomicU64::new(0),
        }
    }
}

impl Window {
    /// Sets the window, in nanoseconds since 1970.
    pub fn set(&self, from_ns: u64, to_ns: u64) {
        self.to_ns.store(to_ns, Ordering::Relaxed);
        self.from_ns.store(from_ns, Ordering::Relaxed);
    }

    pub(crate) fn contains(&self, ns: u64) -> bool {
        ns >= self.from_ns.load(Ordering::Relaxed) && ns < self.to_ns.load(Ordering::Relaxed)
    }
}

/// Counts of one window.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    /// Packets sent by publishers.
    pub sent: u64,
    /// The audio packets among them.
    pub sent_audio: u64,
    /// Packets that subscribers should have received.
    pub expected: u64,
    /// The audio packets among them.
    pub expected_audio: u64,
    /// Packets that subscribers received, each counted once.
    pub received: u64,
    /// Packets that subscribers received again.
    pub repeated: u64,
    /// Microseconds from stamp to arrival of every video packet.
    pub video_us: Vec<u32>,
    /// The same for audio.
    pub audio_us: Vec<u32>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.sent_audio += other.sent_audio;
        self.expected += other.expected;
        self.expected_audio += other.expected_audio;
        self.received += other.received;
        self.repeated += other.repeated;
        self.video_us.extend(other.video_us);
        self.audio_us.extend(other.audio_us);
    }

    /// Share of expected packets that never came, in percent.
    pub fn loss_percent(&self) -> f64 {
        percent_missing(self.received, self.expected)
    }

    /// The same for audio only.
    pub fn audio_loss_percent(&self) -> f64 {
        percent_missing(self.audio_us.len() as u64, self.expected_audio)
    }
}

/// The share of `expected` that is missing, in percent.
pub fn percent_missing(received: u64, expected: u64) -> f64 {
    if expected == 0 {
        return 0.0;
    }
    100.0 * (1.0 - received as f64 / expected as f64)
}

/// The packets that a subscriber has received, per kind.
#[derive(Debug, Default)]
pub(crate) struct Received {
    seen: [Seen; 2],
    pub(crate) tally: Tally,
}

#[derive(Debug, Default)]
struct Seen {
    first: Option<u32>,
    words: Vec<u64>,
}

impl Seen {
    /// `true` the first time. Numbers before the first one count as received, because counting began with it.
    fn insert(&mut self, seq: u32) -> bool {
        // Room for reordering around the first packet.
        let first = *self.first.get_or_insert_with(|| seq.saturating_sub(64));
        let Some(place) = seq.checked_sub(first).map(|place| place as usize) else {
            return false;
        };
        let (word, bit) = (place / 64, 1 << (place % 64));
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let is_new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        is_new
    }
}

impl Received {
    pub(crate) fn add(&mut self, stamp: &Stamp, arrived_ns: u64) {
        if !self.seen[usize::from(stamp.is_video)].insert(stamp.seq) {
            self.tally.repeated += 1;
            return;
        }
        self.tally.received += 1;
        let us = (arrived_ns.saturating_sub(stamp.sent_ns) / 1_000).min(u64::from(u32::MAX)) as u32;
        match stamp.is_video {
            true => self.tally.video_us.push(us),
            false => self.tally.audio_us.push(us),
        }
    }
}

/// Milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// The median.
    pub p50: f64,
    /// 99 of 100 values are not higher.
    pub p99: f64,
}

impl Percentiles {
    /// From microseconds; zeros if there are none.
    pub fn of(mut us: Vec<u32>) -> Self {
        us.sort_unstable();
        let at = |share: f64| {
            let place = ((us.len() as f64 * share).ceil() as usize).clamp(1, us.len().max(1)) - 1;
            us.get(place).map_or(0.0, |us| f64::from(*us) / 1_000.0)
        };
        Self {
            p50: at(0.5),
            p99: at(0.99),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let of = |us: &[u32]| Percentiles::of(us.to_vec());
        assert_eq!(of(&[]), Percentiles::default());
        assert_eq!(of(&[7_000]), Percentiles { p50: 7.0, p99: 7.0 });
        let hundred: Vec<u32> = (1..=100).rev().map(|n| n * 1_000).collect();
        assert_eq!(
            of(&hundred),
            Percentiles {
                p50: 50.0,
                p99: 99.0
            }
        );
    }

    #[test]
    fn a_packet_counts_once_and_kinds_apart() {
        let mut received = Received::default();
        let stamp = |seq, is_video| Stamp {
            source: 1,
            seq,
            sent_ns: 5_000_000,
            frame: 0,
            index: 0,
            count: 1,
            is_key: false,
            is_video,
        };
        for (seq, is_video) in [
            (900, true),
            (901, true),
            (900, true),
            (899, true),
            (900, false),
        ] {
            received.add(&stamp(seq, is_video), 6_000_000);
        }
        assert_eq!((received.tally.received, received.tally.repeated), (4, 1));
        assert_eq!(received.tally.audio_us, [1_000]);
    }

    #[test]
    fn an_unset_window_contains_nothing() {
        let window = Window::default();
        assert!(!window.contains(0) && !window.contains(u64::MAX));
        window.set(10, 20);
        assert!(window.contains(10) && !window.contains(20));
    }
}
