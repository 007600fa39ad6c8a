//! A network as pure arithmetic over virtual time: one bottleneck with a queue, delay, jitter and loss, and what else uses it.
//!
//! The same seed gives the same losses and delays. Times are counted from the beginning of a simulation.

mod random;
mod tcp;

pub use random::Random;
pub use tcp::Tcp;

use std::time::Duration;

/// How packets are lost, besides those that find the queue full.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Loss {
    /// None.
    None,
    /// Each packet with this probability, independent of the others.
    Random(f64),
    /// The model of Gilbert and Elliott: in its bad state everything is lost.
    Bursts {
        /// Share of the packets that are lost in the long run.
        share: f64,
        /// Mean number of packets that are lost one after the other.
        length: f64,
    },
}

/// What a bottleneck is made of.
#[derive(Debug, Clone)]
pub struct PathConfig {
    /// From when on the bottleneck carries how many bits per second, in ascending order. The first holds from the beginning.
    pub capacity: Vec<(Duration, u64)>,
    /// A packet that would wait longer than this is dropped.
    pub queue_max: Duration,
    /// From the sender to the receiver, without the queue.
    pub delay: Duration,
    /// Standard deviation of the delay. Packets are not reordered.
    pub jitter: Duration,
    /// What is lost on the way.
    pub loss: Loss,
    /// Bytes that pass at once after a pause, as through the token bucket of `tc tbf`; 0: none.
    pub burst: usize,
}

impl PathConfig {
    /// A bottleneck of constant capacity with a queue of 300 ms, without jitter and loss.
    pub fn new(bits_per_s: u64, delay: Duration) -> Self {
        Self {
            capacity: vec![(Duration::ZERO, bits_per_s)],
            queue_max: Duration::from_millis(300),
            delay,
            jitter: Duration::ZERO,
            loss: Loss::None,
            burst: 0,
        }
    }

    /// Bits per second at a time.
    pub fn capacity_at(&self, at: Duration) -> u64 {
        let before = self.capacity.iter().rev().find(|(from, _)| *from <= at);
        before
            .or_else(|| self.capacity.first())
            .map_or(1, |(_, rate)| *rate)
    }

    /// Bits that can pass from one time to another.
    pub fn bits(&self, from: Duration, to: Duration) -> f64 {
        let mut at = from;
        let mut bits = 0.0;
        while at < to {
            let end = self.changes_after(at).map_or(to, |next| next.min(to));
            bits += self.capacity_at(at) as f64 * (end - at).as_secs_f64();
            at = end;
        }
        bits
    }

    fn changes_after(&self, at: Duration) -> Option<Duration> {
        self.capacity
            .iter()
            .map(|(from, _)| *from)
            .find(|from| *from > at)
    }
}

/// What becomes of a packet that is received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// When it arrives.
    pub at: Duration,
    /// How long it waited for others at the bottleneck.
    pub queued: Duration,
}

/// A bottleneck under way. Packets must be sent in the order of time.
#[derive(Debug)]
pub struct Path {
    config: PathConfig,
    random: Random,
    /// When everything that was sent so far has passed at the rate of the bottleneck.
    clear_at: Duration,
    arrived: Duration,
    is_bad: bool,
}

impl Path {
    /// An empty bottleneck.
    pub fn new(config: PathConfig, seed: u64) -> Self {
        Self {
            config,
            random: Random::new(seed),
            clear_at: Duration::ZERO,
            arrived: Duration::ZERO,
            is_bad: false,
        }
    }

    /// What it is made of.
    pub fn config(&self) -> &PathConfig {
        &self.config
    }

    /// Sends a packet. `None`: it is lost.
    pub fn send(&mut self, at: Duration, bytes: usize) -> Option<Delivery> {
        // A token bucket lets a burst pass ahead of the rate.
        let ahead = Duration::from_secs_f64(
            self.config.burst as f64 * 8.0 / self.config.capacity_at(at) as f64,
        );
        let queued = self.clear_at.saturating_sub(at);
        // As `tc tbf` has it, whose queue takes one burst more than its latency says.
        if queued > self.config.queue_max + 2 * ahead {
            return None;
        }
        self.clear_at = self.passed(self.clear_at.max(at), bytes);
        let left = self.clear_at.saturating_sub(ahead).max(at);
        if self.loses() {
            return None;
        }
        let jitter = self.config.jitter.mul_f64(self.random.normal().abs());
        self.arrived = self.arrived.max(left + self.config.delay + jitter);
        Some(Delivery {
            at: self.arrived,
            queued: queued.saturating_sub(ahead),
        })
    }

    /// When a packet has passed that begins to pass at a time.
    fn passed(&self, begins: Duration, bytes: usize) -> Duration {
        let mut bits = bytes as f64 * 8.0;
        let mut at = begins;
        loop {
            let rate = self.config.capacity_at(at).max(1) as f64;
            let ends = at + Duration::from_secs_f64(bits / rate);
            match self.config.changes_after(at) {
                Some(change) if change < ends => {
                    bits -= rate * (change - at).as_secs_f64();
                    at = change;
                }
                _ => return ends,
            }
        }
    }

    fn loses(&mut self) -> bool {
        match self.config.loss {
            Loss::None => false,
            Loss::Random(share) => self.random.unit() < share,
            Loss::Bursts { share, length } => {
                let leaves = 1.0 / length.max(1.0);
                let enters = (leaves * share / (1.0 - share)).min(1.0);
                let chance = self.random.unit();
                self.is_bad = match self.is_bad {
                    true => chance >= leaves,
                    false => chance < enters,
                };
                self.is_bad
            }
        }
    }
}

/// Jain's index of fairness: 1 if all are equal, 1/n if one has everything (RFC 8868 §4).
pub fn jain(rates: &[f64]) -> f64 {
    let sum: f64 = rates.iter().sum();
    let squares: f64 = rates.iter().map(|rate| rate * rate).sum();
    match squares > 0.0 {
        true => sum * sum / (rates.len() as f64 * squares),
        false => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn packets_wait_for_each_other_at_the_rate_of_the_bottleneck() {
        // 1,250 bytes take 10 ms.
        let mut path = Path::new(PathConfig::new(1_000_000, 20 * MS), 1);
        let got: Vec<_> = (0..3).filter_map(|_| path.send(5 * MS, 1_250)).collect();
        let queued: Vec<_> = got.iter().map(|one| one.queued).collect();
        let arrived: Vec<_> = got.iter().map(|one| one.at).collect();
        assert_eq!(queued, [Duration::ZERO, 10 * MS, 20 * MS]);
        assert_eq!(arrived, [35 * MS, 45 * MS, 55 * MS]);
    }

    #[test]
    fn a_full_queue_drops_and_a_changed_capacity_counts_from_its_time_on() {
        let mut config = PathConfig::new(1_000_000, Duration::ZERO);
        config.capacity.push((15 * MS, 2_000_000));
        config.queue_max = 15 * MS;
        assert_eq!(config.bits(5 * MS, 20 * MS), 20_000.0);
        let mut path = Path::new(config, 1);
        let arrived: Vec<_> = (0..4)
            .map(|_| path.send(Duration::ZERO, 1_250).map(|one| one.at))
            .collect();
        // The second begins at 10 ms; half of it passes at the first rate.
        assert_eq!(
            arrived,
            [
                Some(10 * MS),
                Some(Duration::from_micros(17_500)),
                None,
                None
            ]
        );
    }

    #[test]
    fn a_token_bucket_lets_a_burst_pass_after_a_pause() {
        let mut config = PathConfig::new(1_000_000, Duration::ZERO);
        config.burst = 2_500;
        let mut path = Path::new(config, 1);
        let arrived: Vec<_> = (0..3)
            .filter_map(|_| path.send(Duration::ZERO, 1_250))
            .map(|one| one.at)
            .collect();
        assert_eq!(arrived, [Duration::ZERO, Duration::ZERO, 10 * MS]);
    }

    #[test]
    fn the_queue_before_a_token_bucket_takes_a_burst_more_than_its_latency_says() {
        let mut config = PathConfig::new(1_000_000, Duration::ZERO);
        config.burst = 2_500;
        config.queue_max = 30 * MS;
        let mut path = Path::new(config, 1);
        let arrived = (0..20).filter_map(|_| path.send(Duration::ZERO, 1_250));
        // Two pass at once; 30 ms and another two wait, and one that is being sent.
        assert_eq!(arrived.count(), 2 + 3 + 2 + 1);
    }

    #[test]
    fn losses_have_the_share_and_the_length_that_are_asked_for() {
        for (loss, length) in [
            (Loss::Random(0.05), 1.05),
            (
                Loss::Bursts {
                    share: 0.05,
                    length: 4.0,
                },
                4.0,
            ),
        ] {
            let mut config = PathConfig::new(1_000_000_000, Duration::ZERO);
            config.loss = loss;
            let mut path = Path::new(config, 7);
            let lost: Vec<_> = (0..100_000_u64)
                .map(|n| path.send(Duration::from_millis(n), 100).is_none())
                .collect();
            let total = lost.iter().filter(|lost| **lost).count() as f64;
            let runs = lost.windows(2).filter(|pair| !pair[0] && pair[1]).count() as f64;
            assert!(
                (total / 100_000.0 - 0.05).abs() < 0.006,
                "{loss:?}: {total}"
            );
            assert!(
                (total / runs - length).abs() < 0.3,
                "{loss:?}: {}",
                total / runs
            );
        }
    }

    #[test]
    fn equal_rates_are_fair() {
        assert_eq!(jain(&[2.0, 2.0, 2.0, 2.0]), 1.0);
        assert_eq!(jain(&[8.0, 0.0, 0.0, 0.0]), 0.25);
        assert_eq!(jain(&[]), 1.0);
    }
}
