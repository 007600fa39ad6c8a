//! A table, timers and random numbers that several rooms use.

pub(crate) mod rng;
pub(crate) mod slab;
pub(crate) mod timers;

#[cfg(test)]
pub(crate) mod layered;

#[cfg(test)]
pub(crate) mod test {
    use std::time::Instant;

    /// The instant that all others of a test are relative to; nothing depends on what it is.
    #[allow(clippy::disallowed_methods)]
    pub(crate) fn epoch() -> Instant {
        Instant::now()
    }
}
