//! A flow that takes what it can get: TCP with Reno's congestion control (RFC 5681), as far as a bottleneck feels it.

use std::collections::VecDeque;
use std::time::Duration;

use super::Path;

const PACKET_BYTES: usize = 1_500;
const WINDOW_START: f64 = 10.0;
/// When a lost packet is noticed after it would have arrived: three later ones have come.
const NOTICED_AFTER: Duration = Duration::from_millis(20);

/// A bulk transfer over a [`Path`].
#[derive(Debug)]
pub struct Tcp {
    /// Packets in flight that are allowed.
    window: f64,
    threshold: f64,
    /// When each packet under way is acknowledged, and whether that says that it was lost.
    acks: VecDeque<(Duration, bool)>,
    /// Losses of packets that were sent before this time are one event.
    recovered_at: Duration,
    received: u64,
    stops_at: Duration,
}

impl Tcp {
    /// A transfer that begins with the first call of [`Self::run`] and stops at a time.
    pub fn new(stops_at: Duration) -> Self {
        Self {
            window: WINDOW_START,
            threshold: f64::INFINITY,
            acks: VecDeque::new(),
            recovered_at: Duration::ZERO,
            received: 0,
            stops_at,
        }
    }

    /// Bytes that were received.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Takes the acknowledgements that are due and sends what they allow. Returns when to call it again; `None` at the end.
    pub fn run(&mut self, now: Duration, path: &mut Path) -> Option<Duration> {
        while let Some((at, is_lost)) = self.acks.front().copied().filter(|(at, _)| *at <= now) {
            self.acks.pop_front();
            self.acknowledge(at, is_lost, path.config().delay);
        }
        if now >= self.stops_at {
            return None;
        }
        while (self.acks.len() as f64) < self.window.max(1.0) {
            let back = path.config().delay;
            let newest = self.acks.back().map_or(now, |(at, _)| *at);
            let ack = match path.send(now, PACKET_BYTES) {
                Some(arrived) => (arrived.at + back, false),
                None => (newest.max(now + back) + NOTICED_AFTER, true),
            };
            self.acks.push_back((ack.0.max(newest), ack.1));
        }
        self.acks.front().map(|(at, _)| *at)
    }

    fn acknowledge(&mut self, at: Duration, is_lost: bool, delay: Duration) {
        if !is_lost {
            self.received += PACKET_BYTES as u64;
            self.window += match self.window < self.threshold {
                true => 1.0,
                false => 1.0 / self.window,
            };
        } else if at >= self.recovered_at {
            self.window = (self.window / 2.0).max(2.0);
            self.threshold = self.window;
            self.recovered_at = at + 2 * delay + NOTICED_AFTER;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::PathConfig;

    #[test]
    fn a_transfer_fills_the_bottleneck() {
        let mut path = Path::new(PathConfig::new(2_000_000, Duration::from_millis(20)), 1);
        let mut tcp = Tcp::new(Duration::from_secs(20));
        let mut now = Duration::ZERO;
        while let Some(next) = tcp.run(now, &mut path) {
            now = next.max(now + Duration::from_micros(1));
        }
        let rate = tcp.received() as f64 * 8.0 / 20.0;
        assert!((1_700_000.0..=2_050_000.0).contains(&rate), "{rate}");
    }
}
