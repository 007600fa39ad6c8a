//! The engine in a time that somebody else turns: for examples and tests, and for nothing else.
//!
//! Nothing takes any time in it, unless [`Offline::advance`] is given a clock that says so.

use crate::engine::Engine;
pub use crate::engine::Held;
use crate::protocol::{FromChild, Health, Setup, ToChild};
use crate::sound::AacEncode;

/// A composition.
pub struct Offline {
    engine: Engine,
    now_us: u64,
}

/// Something that takes the sound, 1,024 samples of both channels in turn, in place of an encoder of AAC.
struct Ear<F>(F);

impl<F: FnMut(&[f32]) -> Vec<u8>> AacEncode for Ear<F> {
    fn encode(&mut self, samples: &[f32]) -> Option<Vec<u8>> {
        Some((self.0)(samples))
    }

    fn delay(&self) -> i64 {
        0
    }
}

impl Offline {
    /// A composition that begins at `setup.now_us`. `None`: a library cannot make an encoder.
    pub fn new(setup: Setup) -> Option<Self> {
        Self::with(setup, crate::aac_encoder())
    }

    /// A composition whose frames of AAC are what `listen` makes of their samples.
    pub fn listening(
        setup: Setup,
        listen: impl FnMut(&[f32]) -> Vec<u8> + 'static,
    ) -> Option<Self> {
        Self::with(setup, Some(Box::new(Ear(listen))))
    }

    fn with(setup: Setup, aac: Option<Box<dyn AacEncode>>) -> Option<Self> {
        let now_us = setup.now_us;
        let engine = Engine::new(setup, now_us, aac)?;
        Some(Self { engine, now_us })
    }

    /// The time.
    pub fn now_us(&self) -> u64 {
        self.now_us
    }

    /// Takes a message now.
    pub fn take(&mut self, message: ToChild) {
        let now_us = self.now_us;
        self.engine.take(message, &mut || now_us);
    }

    /// Takes a message, by this clock.
    pub fn take_by(&mut self, message: ToChild, clock: &mut impl FnMut() -> u64) {
        self.engine.take(message, clock);
    }

    /// When something is due.
    pub fn due_us(&self) -> u64 {
        self.engine.due_us()
    }

    /// Does what is due, by this clock.
    pub fn advance(&mut self, clock: &mut impl FnMut() -> u64, mut give: impl FnMut(FromChild)) {
        self.engine.advance(clock);
        while let Some(said) = self.engine.poll() {
            give(said);
        }
    }

    /// Goes on to this time, and does whatever is due on the way when it is.
    pub fn run_to(&mut self, until_us: u64, mut give: impl FnMut(FromChild)) {
        while self.engine.due_us() <= until_us {
            self.now_us = self.now_us.max(self.engine.due_us());
            let now_us = self.now_us;
            self.advance(&mut || now_us, &mut give);
        }
        self.now_us = self.now_us.max(until_us);
    }

    /// How it does.
    pub fn health(&self) -> Health {
        self.engine.spent()
    }

    /// What it holds: pictures and packets that wait, and samples that are decoded or on their way to an encoder.
    pub fn held(&self) -> Held {
        self.engine.held()
    }
}
