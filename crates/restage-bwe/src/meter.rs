//! The average rate over a moving window.

use crate::limits::RATE_WINDOW;
use crate::records::Micros;

const STEPS: usize = 16;
const STEP_US: Micros = RATE_WINDOW.as_micros() as Micros / STEPS as Micros;
/// No rate is known before this part of the window has passed.
const STEPS_MIN: Micros = 6;
/// Steps of the rate of the newest part.
const NEWEST_STEPS: Micros = 5;

/// Bytes over the last [`RATE_WINDOW`], in steps.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    bytes: [u32; STEPS],
    /// Number of the newest step, and of the one with which it began.
    newest: Option<(Micros, Micros)>,
    /// When the newest step began, and its place.
    begins: Micros,
    place: usize,
}

impl Meter {
    /// Counts bytes at a time. Times may go back by less than the window.
    pub(crate) fn add(&mut self, at: Micros, bytes: usize) {
        // Mostly the step is the newest.
        if self.newest.is_some() && (0..STEP_US).contains(&(at - self.begins)) {
            self.bytes[self.place] = self.bytes[self.place].saturating_add(bytes as u32);
            return;
        }
        let step = at.div_euclid(STEP_US);
        self.advance(step);
        let newest = self.newest.map_or(step, |(newest, _)| newest);
        if newest - step < STEPS as Micros {
            let place = step.rem_euclid(STEPS as Micros) as usize;
            self.bytes[place] = self.bytes[place].saturating_add(bytes as u32);
        }
    }

    /// See [`Estimator::touch`](crate::Estimator::touch).
    pub(crate) fn touch(&self) -> Micros {
        self.begins ^ Micros::from(self.bytes[self.place])
    }

    /// The rate up to a time, in bits per second. `None`: too little is known.
    pub(crate) fn rate(&mut self, at: Micros) -> Option<u64> {
        self.advance(at.div_euclid(STEP_US));
        let (newest, began) = self.newest?;
        // The newest step is not over yet.
        let steps = (newest - began).min(STEPS as Micros - 1);
        if steps < STEPS_MIN {
            return None;
        }
        let place = newest.rem_euclid(STEPS as Micros) as usize;
        let sum: u64 = self.bytes.iter().map(|bytes| u64::from(*bytes)).sum();
        let whole = sum - u64::from(self.bytes[place]);
        Some(whole * 8 * 1_000_000 / (steps * STEP_US) as u64)
    }

    /// The rate over the newest third of the window, in bits per second. `None`: too little is known.
    pub(crate) fn newest_rate(&mut self, at: Micros) -> Option<u64> {
        self.advance(at.div_euclid(STEP_US));
        let (newest, began) = self.newest?;
        if newest - began < NEWEST_STEPS {
            return None;
        }
        let places =
            (newest - NEWEST_STEPS..newest).map(|step| step.rem_euclid(STEPS as Micros) as usize);
        let sum: u64 = places.map(|place| u64::from(self.bytes[place])).sum();
        Some(sum * 8 * 1_000_000 / (NEWEST_STEPS * STEP_US) as u64)
    }

    fn advance(&mut self, step: Micros) {
        let Some((newest, began)) = self.newest else {
            self.set_newest(step, step);
            return;
        };
        for later in newest + 1..=step.min(newest + STEPS as Micros) {
            self.bytes[later.rem_euclid(STEPS as Micros) as usize] = 0;
        }
        self.set_newest(newest.max(step), began);
    }

    fn set_newest(&mut self, newest: Micros, began: Micros) {
        self.newest = Some((newest, began));
        self.begins = newest.saturating_mul(STEP_US);
        self.place = newest.rem_euclid(STEPS as Micros) as usize;
    }
}
