//! Receivers that lie, and receivers that say little.

use std::time::{Duration, Instant};

use restage_bwe::{Config, Estimator, limits};
use restage_load::network::Random;

use super::wire;

const MS: Duration = Duration::from_millis(1);

#[allow(clippy::disallowed_methods)]
fn epoch() -> Instant {
    Instant::now()
}

/// An estimator that has sent for a second, with packets of 1,000 bytes every 10 ms.
struct Rig {
    estimator: Estimator,
    now: Instant,
    sent: u64,
}

impl Rig {
    fn new(config: Config) -> Self {
        let now = epoch();
        let mut rig = Self {
            estimator: Estimator::new(config, now),
            now,
            sent: 0,
        };
        for _ in 0..100 {
            rig.send(1_000);
        }
        rig
    }

    fn send(&mut self, bytes: usize) {
        self.now += 10 * MS;
        self.estimator.on_sent(self.now, bytes);
        self.sent += 1;
    }

    /// Sends 800 kbit/s for so many milliseconds, and hears the same REMB five times a second.
    fn repeat_remb(&mut self, ms: u64, bits_per_s: u64) {
        for step in 0..ms / 10 {
            self.send(1_000);
            if step % 20 == 0 {
                self.estimator.on_remb(self.now, bits_per_s);
            }
        }
        self.estimator.on_remb(self.now, bits_per_s);
    }

    /// Says that the packets from `first` on arrived 1 ms apart.
    fn hear(&mut self, first: u16, count: usize, begin: i64) {
        let arrivals: Vec<_> = (0..count as i64).map(|n| Some(begin + n * 1_000)).collect();
        let message = wire::message(first, &arrivals, 0);
        self.estimator.on_feedback(self.now, &message);
    }

    fn assert_bounded(&self) {
        let estimate = self.estimator.estimate();
        assert!(
            (limits::RATE_MIN..=limits::RATE_MAX).contains(&estimate),
            "{estimate}"
        );
        let loss = self.estimator.loss();
        assert!((0.0..=1.0).contains(&loss), "{loss}");
    }
}

#[test]
fn bytes_at_random_do_no_harm() {
    let mut random = Random::new(11);
    for round in 0..200 {
        let mut rig = Rig::new(Config::default());
        for _ in 0..20 {
            let length = random.next_u64() as usize % 64;
            let bytes: Vec<u8> = (0..length).map(|_| random.next_u64() as u8).collect();
            rig.estimator.on_feedback(rig.now, &bytes);
            rig.send(100);
            rig.estimator.on_timeout(rig.now);
            rig.estimator.probe_due(rig.now);
        }
        rig.assert_bounded();
        assert!(rig.estimator.deadline().is_some(), "{round}");
    }
}

#[test]
fn every_cut_of_a_message_and_every_flipped_bit_does_no_harm() {
    let arrivals: Vec<_> = (0..40_i64)
        .map(|n| (n % 5 != 0).then_some(1_000_000 + n * 9_000 * (n % 7)))
        .collect();
    let message = wire::message(20, &arrivals, 3);
    for place in 0..message.len() {
        let mut rig = Rig::new(Config::default());
        rig.estimator.on_feedback(rig.now, &message[..place]);
        let mut flipped = message.clone();
        for bit in 0..8 {
            flipped[place] ^= 1 << bit;
            rig.estimator.on_feedback(rig.now, &flipped);
        }
        rig.assert_bounded();
    }
}

#[test]
fn packets_that_were_never_sent_count_for_nothing() {
    let mut rig = Rig::new(Config::default());
    let before = rig.estimator.estimate();
    for first in [100, 5_000, 30_000, 65_000] {
        rig.hear(first, 60, 1_000_000);
    }
    assert_eq!(rig.estimator.estimate(), before);
    assert_eq!(rig.estimator.round_trip(), None);
    assert_eq!(rig.estimator.loss(), 0.0);
}

#[test]
fn a_message_about_too_many_packets_is_ignored_and_so_is_a_flood() {
    let mut rig = Rig::new(Config::default());
    // One run of all packets, all received: it would be 1,025 of them.
    let mut message = vec![0, 0, 4, 1, 0, 0, 1, 0, 0x24, 0x01];
    message.resize(message.len() + 1_025, 4);
    rig.estimator.on_feedback(rig.now, &message);
    assert_eq!(rig.estimator.round_trip(), None);
    // Repetitions beyond the bound are not read: the packet that they are about is still unknown.
    for _ in 0..limits::FEEDBACK_MESSAGES_MAX {
        rig.estimator.on_feedback(rig.now, &[]);
    }
    rig.hear(50, 1, 1_000_000);
    assert_eq!(rig.estimator.round_trip(), None);
    rig.now += limits::FEEDBACK_PERIOD;
    rig.hear(50, 1, 1_000_000);
    assert!(rig.estimator.round_trip().is_some());
}

#[test]
fn clocks_that_jump_do_not_count_as_delay() {
    let mut rig = Rig::new(Config::default());
    let mut next = 0_u16;
    for step in 0..40_i64 {
        // Every fourth message comes from another time, days away.
        let jump = if step % 4 == 0 { 400_000_000_000 } else { 0 };
        let begin = 1_000_000 + step * 100_000 + jump;
        let arrivals: Vec<_> = (0..10).map(|n| Some(begin + n * 10_000)).collect();
        for _ in 0..10 {
            rig.send(1_000);
        }
        let message = wire::message(next, &arrivals, 0);
        next += 10;
        rig.estimator.on_feedback(rig.now, &message);
        rig.assert_bounded();
    }
    assert!(rig.estimator.estimate() >= limits::START_RATE);
}

#[test]
fn arrivals_in_no_time_do_not_lift_the_estimate_beyond_what_was_sent() {
    let mut rig = Rig::new(Config::default());
    rig.estimator.set_desired(rig.now, 40_000_000);
    for round in 0..300_u64 {
        rig.estimator.on_timeout(rig.now);
        // Padding is not sent, so no probe has a result.
        for _ in 0..10 {
            rig.send(1_000);
        }
        let arrivals = [Some(1_000_000 + round as i64 * 100); 10];
        let message = wire::message((100 + round * 10) as u16, &arrivals, 0);
        rig.estimator.on_feedback(rig.now, &message);
    }
    // 800 kbit/s were sent.
    assert!(
        rig.estimator.estimate() < 2_000_000,
        "{}",
        rig.estimator.estimate()
    );
}

#[test]
fn silence_lowers_the_estimate_step_by_step() {
    let mut rig = Rig::new(Config::default());
    rig.hear(0, 100, 1_000_000);
    let before = rig.estimator.estimate();
    let start = rig.now;
    while rig.now < start + 10 * limits::FEEDBACK_SILENCE_MAX {
        rig.send(500);
        rig.estimator.on_timeout(rig.now);
    }
    assert!(rig.estimator.estimate() < before / 2);
    assert!(rig.estimator.estimate() >= limits::RATE_MIN);
    // Without anything sent, nothing is due.
    let mut idle = Estimator::new(Config::default(), rig.now);
    assert_eq!(idle.deadline(), None);
    idle.on_timeout(rig.now + limits::FEEDBACK_SILENCE_MAX * 9);
    assert_eq!(idle.estimate(), limits::START_RATE);
}

const WITHOUT_FEEDBACK: Config = Config {
    start: 5_000_000,
    min: limits::RATE_MIN,
    max: limits::RATE_MAX,
    has_feedback: false,
    can_probe: false,
};

#[test]
fn remb_counts_only_without_feedback_and_only_where_it_is_a_bound() {
    for (config, expected) in [
        (WITHOUT_FEEDBACK, 700_000),
        (Config::default(), limits::START_RATE),
    ] {
        // 800 kbit/s are sent. It may be about to follow that.
        let mut rig = Rig::new(config);
        rig.repeat_remb(2_900, 700_000);
        assert_eq!(rig.estimator.estimate(), config.start);
        rig.repeat_remb(200, 700_000);
        assert_eq!(rig.estimator.estimate(), expected);
    }
    let mut rig = Rig::new(WITHOUT_FEEDBACK);
    rig.repeat_remb(3_100, 700_000);
    // As much as is sent and half of it again: what more would pass it cannot know.
    for expected in [1_200_000, 1_230_000, 1_260_000] {
        for _ in 0..50 {
            rig.send(1_000);
        }
        rig.estimator.on_remb(rig.now, 1_200_000);
        let estimate = rig.estimator.estimate();
        assert!(estimate.abs_diff(expected) < 10_000, "{estimate}");
    }
    for (said, expected) in [(u64::MAX, limits::RATE_MAX), (0, limits::RATE_MIN)] {
        rig.estimator.on_remb(rig.now, said);
        assert_eq!(rig.estimator.estimate(), expected);
    }
}

#[test]
fn without_feedback_and_remb_loss_decides() {
    let mut rig = Rig::new(WITHOUT_FEEDBACK);
    let mut course = Vec::new();
    for lost in [0, 128, 13, 0, 0] {
        for _ in 0..100 {
            rig.send(1_000);
        }
        rig.estimator.on_report(rig.now, lost, Some(80 * MS));
        course.push(rig.estimator.estimate());
    }
    assert_eq!(course[0], WITHOUT_FEEDBACK.start);
    // Half of what was sent was lost, so three quarters of that remain.
    assert!(course[1].abs_diff(600_000) < 10_000, "{course:?}");
    assert!(course[2] == course[1], "{course:?}");
    assert!(
        course[4] == course[1],
        "no more than has passed: {course:?}"
    );
    assert_eq!(rig.estimator.round_trip(), Some(80 * MS));
    // After a while it grows, and what is desired is tried.
    for (desired, expected) in [(0, 660_000), (2_000_000, 2_700_000)] {
        rig.estimator.set_desired(rig.now, desired);
        for _ in 0..4 {
            (0..100).for_each(|_| rig.send(1_000));
            rig.estimator.on_report(rig.now, 0, Some(80 * MS));
        }
        let estimate = rig.estimator.estimate();
        assert!(estimate.abs_diff(expected) < expected / 10, "{estimate}");
    }
    course[4] = rig.estimator.estimate();
    // No REMB and no report: the same caution as without feedback.
    for _ in 0..1_000 {
        rig.send(1_000);
        rig.estimator.on_timeout(rig.now);
    }
    assert!(rig.estimator.estimate() < course[4] / 2);
}

#[test]
fn nothing_is_probed_that_nobody_wants() {
    let mut rig = Rig::new(Config::default());
    for round in 0..50 {
        for _ in 0..10 {
            rig.send(1_000);
        }
        rig.hear(100 + round * 10, 10, 1_000_000 + i64::from(round) * 100_000);
        rig.estimator.on_timeout(rig.now);
        assert_eq!(rig.estimator.probe_due(rig.now), 0);
        assert!(!rig.estimator.is_probing());
    }
    rig.estimator.set_desired(rig.now, 3_000_000);
    rig.estimator.allow_probes(false);
    rig.estimator.on_timeout(rig.now);
    assert_eq!(
        rig.estimator.probe_due(rig.now),
        0,
        "another connection probes"
    );
    rig.estimator.allow_probes(true);
    rig.estimator.on_timeout(rig.now);
    assert!(rig.estimator.probe_due(rig.now) > 0);
}

#[test]
fn a_new_desire_does_not_end_the_rest_after_the_estimate_was_lowered() {
    let mut rig = Rig::new(Config::default());
    rig.hear(0, 100, 1_000_000);
    rig.estimator.set_desired(rig.now, 1_000_000);
    rig.estimator.on_timeout(rig.now);
    assert!(rig.estimator.probe_due(rig.now) > 0, "probing has begun");
    let before = rig.estimator.estimate();
    // Nothing is heard until that lowers the estimate.
    while rig.estimator.estimate() == before {
        rig.send(500);
        rig.estimator.on_timeout(rig.now);
        rig.estimator.probe_due(rig.now);
    }
    let lowered = rig.now;
    let mut arrived = 4_000_000;
    let mut began = None;
    while rig.now < lowered + 2 * limits::PROBE_REST {
        let first = rig.sent as u16;
        (0..10).for_each(|_| rig.send(500));
        rig.hear(first, 10, arrived);
        arrived += 100_000;
        rig.estimator.set_desired(rig.now, 3_000_000 + rig.sent);
        rig.estimator.on_timeout(rig.now);
        if rig.estimator.probe_due(rig.now) > 0 {
            began.get_or_insert(rig.now);
        }
    }
    let rest = began.unwrap() - lowered;
    assert!(rest >= limits::PROBE_REST, "{rest:?}");
}
