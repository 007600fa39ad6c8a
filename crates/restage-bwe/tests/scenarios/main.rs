//! Estimators over a simulated bottleneck: RFC 8867's scenarios with the figures that are to be reached, each with several seeds.

mod cases;
mod hostile;
mod measure;
mod remb;
mod report;
mod reports;
mod wire;
mod world;

use std::time::Duration;

use cases::{Case, Outcome, SEEDS};
use world::Point;

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Runs a case with all seeds.
fn check(case: &Case, mut check: impl FnMut(&Outcome)) {
    for seed in SEEDS {
        let outcome = case.run(seed);
        println!("{} with seed {seed}: {:?}", case.name, outcome.figures);
        check(&outcome);
    }
}

#[track_caller]
fn assert_within(what: &str, took: Option<Duration>, most: Duration) {
    assert!(took.is_some_and(|took| took <= most), "{what}: {took:?}");
}

#[test]
fn the_table_has_a_row_for_each_case() {
    let cases = cases::all();
    let row = cases::row(&cases[0]);
    assert_eq!(
        row.matches('|').count(),
        cases::HEADER.lines().next().unwrap().matches('|').count()
    );
    let mut names: Vec<_> = cases.iter().map(|case| case.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), cases.len());
    cases::print_course(&cases[0]);
}

#[test]
fn a_seed_decides_the_course() {
    let case = cases::lossy(0.02);
    let estimates = |seed| {
        let outcome = case.run(seed);
        let points = outcome.traces[0].points.iter();
        points
            .map(|point| point.estimate as u64)
            .collect::<Vec<_>>()
    };
    assert_eq!(estimates(1), estimates(1));
    assert_ne!(estimates(1), estimates(2));
}

#[test]
fn the_start_reaches_two_and_a_half_megabits_within_two_seconds() {
    check(&cases::ramp(), |outcome| {
        assert_within("start", outcome.reached, ms(2_000));
        assert!(outcome.figures.queue_p95_ms < 50.0);
    });
}

#[test]
fn a_stable_bottleneck_is_used_without_a_long_queue() {
    for round_trip in [20, 100, 300] {
        check(&cases::stable(round_trip), |outcome| {
            assert!(outcome.figures.used_percent >= 85.0);
            assert!(outcome.figures.queue_p95_ms <= 100.0);
            assert!(outcome.figures.lost_percent < 0.5);
        });
    }
    check(&cases::jittery(), |outcome| {
        assert!(outcome.figures.used_percent >= 80.0);
        assert!(outcome.figures.queue_p95_ms <= 100.0);
    });
}

#[test]
fn half_the_capacity_is_kept_to_and_the_whole_found_again() {
    for case in [cases::halved(), cases::bloated()] {
        check(&case, |outcome| {
            assert_within("below", outcome.below, ms(1_000));
            assert_within("recovered", outcome.reached, ms(8_000));
        });
    }
}

#[test]
fn a_capacity_that_varies_is_followed() {
    check(&cases::variable(), |outcome| {
        assert!(outcome.figures.used_percent >= 75.0);
        assert!(outcome.figures.queue_p95_ms <= 150.0);
        assert!(outcome.figures.lost_percent < 2.0);
    });
}

#[test]
fn coupled_connections_share_evenly_or_by_priority() {
    check(&cases::shared(true), |outcome| {
        assert!(outcome.jain >= 0.99);
        assert!(outcome.figures.used_percent >= 80.0);
        assert!(outcome.figures.queue_p95_ms <= 100.0);
    });
    check(&cases::shared(false), |outcome| {
        assert!(outcome.jain >= 0.65)
    });
    // Jain's index of 3 : 1 is 0.8.
    check(&cases::priorities(), |outcome| {
        assert!((0.78..0.84).contains(&outcome.jain), "{}", outcome.jain);
        assert!(outcome.figures.used_percent >= 75.0);
    });
}

#[test]
fn loss_that_does_not_grow_with_the_rate_does_not_lower_it() {
    for (case, least) in [
        (cases::lossy(0.01), 80.0),
        (cases::lossy(0.02), 80.0),
        (cases::bursty(), 75.0),
        (cases::lossy(0.05), 70.0),
    ] {
        check(&case, |outcome| {
            assert!(outcome.figures.used_percent >= least);
            assert_within("start", outcome.reached, ms(3_000));
        });
    }
}

#[test]
fn a_short_queue_shows_its_limit_by_loss() {
    check(&cases::shallow(), |outcome| {
        assert!(outcome.figures.used_percent >= 85.0);
        assert!(outcome.figures.lost_percent < 8.0);
    });
}

#[test]
fn a_token_bucket_deceives_probes_only_for_a_while() {
    check(&cases::token_bucket(), |outcome| {
        assert!(outcome.figures.used_percent >= 85.0);
        assert!(outcome.figures.lost_percent < 3.0);
        let late = outcome.traces[0]
            .points
            .iter()
            .filter(|one| one.at > ms(20_000));
        let above = late.filter(|one| one.estimate > 1_400_000.0).count();
        // Of 400 points.
        assert!(above <= 20, "{above}");
    });
}

#[test]
fn simulcast_falls_and_climbs_again() {
    check(&cases::layers(), |outcome| {
        assert_within("below", outcome.below, ms(1_000));
        assert_within("recovered", outcome.reached, ms(8_000));
    });
}

#[test]
fn a_token_bucket_does_not_lead_to_layers_that_do_not_fit() {
    check(&cases::layers_token_bucket(), |outcome| {
        assert_within("below", outcome.below, ms(1_000));
        assert_within("recovered", outcome.reached, ms(8_000));
        assert_eq!(outcome.mistakes, 0);
        assert!(outcome.figures.lost_percent < 1.0);
        assert!(outcome.figures.queue_p95_ms <= 150.0);
        let points = &outcome.traces[0].points;
        let narrow = |at| ms(22_000) < at && at < ms(60_000);
        let narrow: Vec<&Point> = points.iter().filter(|one| narrow(one.at)).collect();
        let estimates = narrow.iter().map(|one| one.estimate);
        let least = estimates.clone().fold(f64::MAX, f64::min);
        let most = estimates.fold(0.0, f64::max);
        // The path carries 600 kbit/s; the largest layer would need 1,500.
        assert!(least >= 400_000.0 && most <= 900_000.0, "{least} to {most}");
    });
}

#[test]
fn a_pause_is_not_taken_for_a_narrow_path() {
    check(&cases::pause(), |outcome| {
        assert_within("resumed", outcome.reached, ms(1_000));
        assert!(outcome.figures.used_percent >= 80.0);
    });
}

#[test]
fn a_greedy_transfer_does_not_stop_everything() {
    check(&cases::tcp(), |outcome| {
        assert!(outcome.figures.rate >= 150_000.0);
        let tcp = outcome.tcp_bytes as f64 * 8.0 / 80.0;
        assert!(tcp >= 500_000.0, "{tcp}");
    });
}

#[test]
fn feedback_that_is_lost_in_part_is_enough() {
    let mut case = cases::stable(100);
    case.setting.feedback_loss = 0.2;
    check(&case, |outcome| {
        assert!(outcome.figures.used_percent >= 80.0)
    });
}
