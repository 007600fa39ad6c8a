//! Every corpus at its target, then some changes of each input, by a fixed seed: what `make test` runs of the fuzzing.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use restage_fuzz::Target;
use restage_fuzz::mutate::{Random, mutate};

/// Changes of inputs that each target is run with.
const CHANGES: usize = 600;
/// The same for targets that take milliseconds for an input.
const CHANGES_OF_SLOW: usize = 24;

fn inputs(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    let read = paths.into_iter().map(|path| {
        let bytes = fs::read(&path).expect("a file");
        (path, bytes)
    });
    read.collect()
}

/// Runs a target. What breaks a promise is kept in a file, so that it can be repeated.
fn run(target: &Target, name: &str, bytes: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(bytes))).is_err() {
        let path = std::env::temp_dir().join(format!("restage-fuzz-{}", target.name));
        fs::write(&path, bytes).expect("a file can be written");
        panic!(
            "{name} breaks a promise of the target {}. The input is in {}: `scripts/fuzz.sh --keep {} {}` makes it a regression input",
            target.name,
            path.display(),
            target.name,
            path.display()
        );
    }
}

fn replay(target: &Target) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut corpus = inputs(&root.join("regressions").join(target.name));
    corpus.extend(inputs(&root.join("corpus").join(target.name)));
    let seeds = (target.seeds)().into_iter().enumerate();
    corpus.extend(seeds.map(|(place, bytes)| (PathBuf::from(format!("seed {place}")), bytes)));
    corpus.push((PathBuf::from("nothing"), Vec::new()));
    for (path, bytes) in &corpus {
        run(target, &path.display().to_string(), bytes);
    }
    let mut random = Random(0x5eed);
    let changes = if target.is_slow {
        CHANGES_OF_SLOW
    } else {
        CHANGES
    };
    for change in 0..changes {
        let (_, input) = &corpus[random.below(corpus.len())];
        let (_, other) = &corpus[random.below(corpus.len())];
        let changed = mutate(&mut random, input, other);
        run(target, &format!("change {change}"), &changed);
    }
}

/// The targets in as many groups as there are processors to run them, which is what the test runner does with tests.
fn replay_share(share: usize) {
    let mine = restage_fuzz::targets().skip(share).step_by(2);
    let failed = mine.filter(|target| catch_unwind(AssertUnwindSafe(|| replay(target))).is_err());
    let failed: Vec<&str> = failed.map(|target| target.name).collect();
    assert!(failed.is_empty(), "broken promises: {failed:?}");
}

#[test]
fn every_corpus_and_changes_of_it_keep_every_promise() {
    replay_share(0);
}

#[test]
fn every_other_corpus_and_changes_of_it_keep_every_promise() {
    replay_share(1);
}

/// A folder that belongs to no target is a target that lost its corpus.
#[test]
fn every_corpus_has_its_target() {
    for folder in ["corpus", "regressions"] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for entry in fs::read_dir(root).expect("the folder is there") {
            let name = entry.expect("an entry").file_name();
            let name = name.to_str().expect("a name");
            assert!(
                name == ".gitkeep" || restage_fuzz::target(name).is_some(),
                "{folder}/{name} has no target"
            );
        }
    }
}

/// Names are files and arguments.
#[test]
fn no_two_targets_have_one_name() {
    let mut names: Vec<&str> = restage_fuzz::targets().map(|target| target.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(names.iter().all(|name| {
        name.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    }));
}
