//! Tables, timers and numbers, for whoever needs them.

pub(crate) mod rng;
pub(crate) mod slab;
pub(crate) mod timers;
