//! Viewers without transport-wide feedback: receiver reports only, and REMB.

use std::ops::RangeInclusive;
use std::time::Duration;

use restage_load::network::{Loss, PathConfig};

use super::cases::{
    PICTURE, SEEDS, SIMULCAST, dipped, narrow, paused, throttled, throttled_reports, viewer,
};
use super::report::Kind;
use super::world::{Point, Trace};

const KINDS: [Kind; 3] = [Kind::Reports, Kind::Remb, Kind::PictureRemb];
const NAME: &str = "viewer without transport-wide feedback";

/// Seeds where chance decides about much: when a try begins, and when the link is free.
const MANY_SEEDS: RangeInclusive<u64> = 1..=40;
/// How much later the link is free again with each seed.
const LATER: Duration = Duration::from_millis(250);

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn wide() -> PathConfig {
    PathConfig::new(6_000_000, Duration::from_millis(10))
}

/// The rate of the layer that is shown at a time, with the sound.
fn shown(trace: &Trace, at: Duration) -> u64 {
    let steps = trace.steps.iter().take_while(|(step, _)| *step <= at);
    steps.last().map_or(0, |(_, rate)| *rate)
}

/// What has been sent in a second up to a time, in bits per second.
fn flowing(trace: &Trace, at: Duration) -> f64 {
    let lately = |point: &&Point| point.at <= at && point.at + s(1) > at;
    let rates = trace.points.iter().filter(lately).map(|point| point.sent);
    rates.clone().sum::<f64>() / rates.count().max(1) as f64
}

/// How long after a time the largest layer is shown for good.
fn back(trace: &Trace, from: Duration, largest: u64) -> Option<Duration> {
    let (at, rate) = *trace.steps.last()?;
    (rate >= largest).then(|| at.saturating_sub(from))
}

/// Times in seconds, the shortest first; what never comes takes for ever.
fn sorted_s(times: impl Iterator<Item = Option<Duration>>) -> Vec<f64> {
    let seconds = times.map(|took| took.map_or(f64::INFINITY, |took| took.as_secs_f64()));
    let mut seconds: Vec<f64> = seconds.collect();
    seconds.sort_by(f64::total_cmp);
    seconds
}

#[test]
fn a_picture_comes_back_within_ten_seconds_after_a_dip() {
    for kind in KINDS {
        for layers in [&PICTURE[..], &SIMULCAST] {
            let largest = *layers.last().unwrap();
            let case = dipped(kind, layers);
            for seed in SEEDS {
                let outcome = case.run(seed);
                let trace = &outcome.traces[0];
                assert!(shown(trace, s(20)) < largest, "the dip is noticed");
                let took = back(trace, s(20), largest);
                println!("{kind:?} {layers:?} seed {seed}: {took:?}");
                assert!(
                    took.is_some_and(|took| took <= s(10)),
                    "{kind:?} {layers:?} seed {seed}: {took:?} {:?}",
                    trace.steps
                );
            }
        }
    }
}

#[test]
fn the_largest_of_three_layers_is_back_within_ten_seconds_whenever_the_link_is_free() {
    for (kind, most) in [
        (Kind::Reports, 11.0),
        (Kind::Remb, 10.0),
        (Kind::PictureRemb, 10.0),
    ] {
        let took = MANY_SEEDS.map(|seed| {
            let mut case = throttled_reports(kind);
            let free = &mut case.setting.path.capacity[2].0;
            *free += LATER * seed as u32;
            let free = *free;
            back(&case.run(seed).traces[0], free, 1_200_000)
        });
        let took = sorted_s(took);
        println!("{kind:?}: {took:.1?}");
        assert!(took.iter().all(|took| *took <= most), "{kind:?}: {took:?}");
    }
}

#[test]
fn without_a_dip_the_estimate_stays_above_what_flows() {
    for kind in KINDS {
        for layers in [&PICTURE[..], &SIMULCAST] {
            let case = viewer(NAME, kind, wide(), layers);
            for seed in SEEDS {
                let outcome = case.run(seed);
                let trace = &outcome.traces[0];
                let settled = |point: &&Point| point.at > s(2);
                for point in trace.points.iter().filter(settled) {
                    assert!(
                        point.estimate >= 0.8 * flowing(trace, point.at),
                        "{kind:?} {layers:?} seed {seed}: {point:?}"
                    );
                }
                let took = back(trace, s(0), *layers.last().unwrap());
                assert!(took.is_some_and(|took| took <= s(20)), "{kind:?} {took:?}");
            }
        }
    }
}

#[test]
fn sound_alone_whose_reports_are_rare_does_not_lower_the_estimate() {
    let case = viewer(NAME, Kind::Reports, wide(), &[0]);
    for seed in SEEDS {
        let outcome = case.run(seed);
        let points = &outcome.traces[0].points;
        let least = points
            .iter()
            .map(|point| point.estimate)
            .fold(f64::MAX, f64::min);
        assert!(least >= 1_000_000.0, "seed {seed}: {least}");
    }
}

#[test]
fn a_narrow_path_is_tried_seldom_and_has_no_standing_queue() {
    for kind in KINDS {
        let case = narrow(kind);
        for seed in SEEDS {
            let outcome = case.run(seed);
            let trace = &outcome.traces[0];
            let late = trace.steps.iter().filter(|(at, _)| *at > s(30));
            let ups = late.filter(|(_, rate)| *rate > 1_000_000).count();
            let (queue, lost) = (outcome.figures.queue_p95_ms, outcome.figures.lost_percent);
            println!(
                "{kind:?} seed {seed}: queue p95 {queue:.0} ms, lost {lost:.1} %, {ups} tries"
            );
            assert!(queue <= 200.0, "{kind:?} seed {seed}: {queue} ms");
            assert!(lost <= 5.0, "{kind:?} seed {seed}: {lost} %");
            assert!(ups <= 5, "{kind:?} seed {seed}: {:?}", trace.steps);
            assert!(
                outcome.figures.used_percent >= 45.0,
                "{:?}",
                outcome.figures
            );
        }
    }
}

#[test]
fn a_queue_that_grows_without_loss_is_left_as_well() {
    for kind in KINDS {
        let mut case = narrow(kind);
        case.setting.path.queue_max = s(2);
        case.from = s(20);
        for seed in SEEDS {
            let outcome = case.run(seed);
            let queued = outcome.traces[0].queued.iter().map(|(_, queued)| *queued);
            let late = queued
                .clone()
                .filter(|one| *one > Duration::from_millis(200));
            let late = 100 * late.count() / queued.count();
            println!("{kind:?} seed {seed}: {late} % wait for more than 200 ms");
            assert!(late <= 30, "{kind:?} seed {seed}: {late} %");
        }
    }
}

#[test]
fn loss_of_the_path_itself_does_not_keep_the_picture_away() {
    let mut case = dipped(Kind::Reports, &PICTURE);
    case.setting.path.loss = Loss::Random(0.03);
    for seed in SEEDS {
        let outcome = case.run(seed);
        let took = back(&outcome.traces[0], s(20), 400_000);
        println!("seed {seed}: {took:?}");
        assert!(
            took.is_some_and(|took| took <= s(15)),
            "seed {seed}: {took:?}"
        );
    }
}

#[test]
fn probes_of_a_paused_picture_hold_up_its_sound_for_a_moment_only() {
    let case = paused();
    for seed in SEEDS {
        let outcome = case.run(seed);
        let trace = &outcome.traces[0];
        let within = |at: Duration| case.from < at && at < case.to;
        let queued = trace.queued.iter().filter(|(at, _)| within(*at));
        let longest = queued.map(|(_, queued)| *queued).max().unwrap();
        let p95 = outcome.figures.queue_p95_ms;
        let took = back(trace, case.to, 1_700_000);
        println!("seed {seed}: queue p95 {p95:.0} ms, longest {longest:?}, back after {took:?}");
        assert!(p95 <= 180.0, "seed {seed}: {p95} ms");
        assert!(
            longest <= Duration::from_millis(400),
            "seed {seed}: {longest:?}"
        );
        assert_eq!(outcome.figures.lost_percent, 0.0, "seed {seed}");
        assert!(
            took.is_some_and(|took| took <= s(10)),
            "seed {seed}: {took:?}"
        );
    }
}

#[test]
fn the_largest_layer_is_back_soon_after_a_deep_throttle() {
    let case = throttled();
    let took = MANY_SEEDS.map(|seed| back(&case.run(seed).traces[0], s(50), 1_700_000));
    let took = sorted_s(took);
    println!("{took:.1?}");
    let late = took.iter().filter(|took| **took > 10.0).count();
    // Where the picture was paused, three layers are climbed to, with a probe before each.
    assert!(late <= took.len() / 4, "{took:?}");
    assert!(took.iter().all(|took| *took <= 15.0), "{took:?}");
}
