//! The rules: commands at a world, at any times.

use crate::target::Target;

/// The targets of this room.
pub(crate) const TARGETS: &[Target] = &[Target::new(
    "core",
    core,
    "decisions: any commands at any times in a world; only the needed rows count, rows may be missing, the audit holds",
)
.from(seeds)
.slow()];

/// Commands of a walk.
const STEPS_MAX: u32 = 120;

fn core(bytes: &[u8]) {
    crate::walk::walk_by(bytes, STEPS_MAX);
}

/// Walks that a seed decides.
fn seeds() -> Vec<Vec<u8>> {
    let walk = |seed| {
        let mut random = crate::mutate::Random(seed);
        (0..1_500).map(|_| random.number() as u8).collect()
    };
    (0..6).map(walk).collect()
}
