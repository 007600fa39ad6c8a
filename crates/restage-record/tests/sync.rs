//! Sound against pictures, at each beep of a test card.

mod rig;

use rig::card::Card;
use rig::path::Path;
use rig::run::{Reports, Scene, differences, play};

/// In milliseconds.
const P95_MAX: f64 = 40.0;
const MAX: f64 = 80.0;

/// How many seeds each scene is played with. `RESTAGE_SYNC_SEEDS` gives another number than 1.
fn seeds() -> u64 {
    let seeds = std::env::var("RESTAGE_SYNC_SEEDS").ok();
    seeds.map_or(1, |seeds| {
        seeds.parse().expect("RESTAGE_SYNC_SEEDS is a number")
    })
}

/// How long scenes with losses are, in seconds: an hour if many seeds are asked for.
fn length(short: u64) -> u64 {
    if seeds() > 1 { 3_600 } else { short }
}

/// The 95th percentile and the maximum of the distances, in milliseconds.
fn spread(differences: &[f64]) -> (f64, f64) {
    let mut distances: Vec<f64> = differences
        .iter()
        .map(|difference| difference.abs())
        .collect();
    distances.sort_by(f64::total_cmp);
    let p95 = distances[(distances.len() * 95 / 100).min(distances.len() - 1)];
    (p95, *distances.last().unwrap())
}

/// Plays a scene with some seeds. At least `beeps_min` of a thousand seconds must be measured.
fn check(name: &str, scene: &Scene, beeps_min: usize) {
    let (mut worst_p95, mut worst) = (0.0_f64, 0.0_f64);
    for seed in 1..=seeds() {
        let recording = play(Scene {
            seed,
            ..scene.clone()
        });
        let differences = differences(&recording);
        let least = scene.seconds as usize * beeps_min / 1_000;
        let found = differences.len();
        assert!(
            found >= least,
            "{name}, seed {seed}: {found} beeps of {least}"
        );
        let (p95, max) = spread(&differences);
        println!(
            "{name}, seed {seed}: {found} beeps, p95 {p95:.1} ms, max {max:.1} ms, {} discontinuities",
            recording.discontinuities()
        );
        assert!(
            p95 <= P95_MAX && max <= MAX,
            "{name}, seed {seed}: p95 {p95:.1} ms, max {max:.1} ms"
        );
        (worst_p95, worst) = (worst_p95.max(p95), worst.max(max));
    }
    println!(
        "{name}, worst of {} seeds: p95 {worst_p95:.1} ms, max {worst:.1} ms",
        seeds()
    );
}

fn lossy(per_mille: u64) -> Path {
    Path {
        loss_per_mille: per_mille,
        ..Path::default()
    }
}

#[test]
fn without_loss() {
    check("clean", &Scene::default(), 950);
}

#[test]
fn with_loss_that_is_mostly_repaired() {
    for per_mille in [10, 50] {
        let scene = Scene {
            path: lossy(per_mille),
            seconds: length(120),
            ..Scene::default()
        };
        check(&format!("{per_mille} of 1000 lost"), &scene, 500);
    }
}

#[test]
fn with_loss_for_good() {
    let scene = Scene {
        path: Path {
            repaired_per_mille: 0,
            ..lossy(50)
        },
        seconds: length(300),
        ..Scene::default()
    };
    // Few pictures are left, as most losses cost more than a second of them.
    check("50 of 1000 lost for good", &scene, 50);
}

#[test]
fn with_bursts_and_reordering() {
    let path = Path {
        loss_per_mille: 5,
        burst: 12,
        reorder_per_mille: 100,
        jitter_us: 30_000,
        ..Path::default()
    };
    let scene = Scene {
        path,
        seconds: 120,
        ..Scene::default()
    };
    check("bursts", &scene, 500);
}

#[test]
fn with_reports_that_are_missing_or_lie() {
    let all = [
        Reports::Missing,
        Reports::VideoOff(210_000),
        Reports::VideoOff(-300_000),
        Reports::VideoOff(5_000_000),
        Reports::Random(2_000_000),
        Reports::Sometimes(300, 400_000),
        Reports::Step(700_000),
        Reports::Step(-90_000_000),
    ];
    for reports in all {
        let scene = Scene {
            path: lossy(50),
            reports,
            seconds: 90,
            ..Scene::default()
        };
        check(&format!("{reports:?}"), &scene, 500);
    }
}

fn drift(audio_ppm: i64, video_ppm: i64, reports: Reports) {
    let scene = Scene {
        card: Card {
            audio_ppm,
            video_ppm,
            ..Card::default()
        },
        path: lossy(10),
        reports,
        seconds: 3_600,
        ..Scene::default()
    };
    check(
        &format!("{audio_ppm} and {video_ppm} ppm, {reports:?}"),
        &scene,
        800,
    );
}

#[test]
fn an_hour_of_drift_without_reports() {
    drift(-200, 200, Reports::Missing);
    if seeds() > 1 {
        drift(200, -200, Reports::Missing);
        drift(200, 0, Reports::Missing);
    }
}

#[test]
fn an_hour_of_drift_with_reports() {
    drift(200, -200, Reports::True);
}

#[test]
fn an_hour_of_drift_with_lies() {
    drift(200, 0, Reports::VideoOff(300_000));
}
