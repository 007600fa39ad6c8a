//! Fixed seeds, and seeds that once found something.

use restage_sim::hunt::{attempt, hunt, keep_panics};
use restage_sim::plan::Plan;

const SEEDS: u64 = 100;

/// Seeds that failed once. What they found is mended.
const FOUND: [u64; 1] = [8_104];

#[test]
fn a_hundred_seeds_are_clean() {
    keep_panics();
    let report = hunt(0..SEEDS, 2, 3, &|_| {});
    assert!(report.failures.is_empty(), "{:#?}", report.failures);
    let missing = report.coverage.missing();
    assert!(missing.is_empty(), "these runs never come to: {missing:?}");
}

#[test]
fn what_was_found_stays_mended() {
    keep_panics();
    for seed in FOUND {
        let outcome = attempt(&Plan::of(seed));
        assert!(outcome.is_ok(), "seed {seed}: {}", outcome.unwrap_err());
    }
}

#[test]
fn a_seed_gives_the_same_run_every_time() {
    keep_panics();
    for seed in [2, 3, 17, 40, 77] {
        let [one, two] = [(); 2].map(|()| attempt(&Plan::of(seed)).expect("a clean run"));
        assert_eq!(one.digest, two.digest, "seed {seed}");
        assert_eq!(one.commands, two.commands, "seed {seed}");
    }
}
