//! The times that packets and their feedback take.

use crate::records::Micros;

/// The least of this much time counts.
const AGE_US: Micros = 10_000_000;
/// Round trip before one is known.
const ROUND_TRIP_START_US: Micros = 100_000;

/// The least value of the last seconds, and the newest one.
#[derive(Debug, Clone, Copy, Default)]
struct Least {
    /// With the time at which it was seen.
    least: Option<(Micros, Micros)>,
    newest: Micros,
}

impl Least {
    fn note(&mut self, now: Micros, value: Micros) {
        self.newest = value;
        let is_due = |(least, at)| value <= least || now - at > AGE_US;
        if self.least.is_none_or(is_due) {
            self.least = Some((value, now));
        }
    }

    fn get(&self) -> Option<Micros> {
        self.least.map(|(least, _)| least)
    }
}

/// The time from sending to arrival, by two different clocks.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Delays(Least);

impl Delays {
    /// A packet took this long.
    pub(crate) fn note(&mut self, now: Micros, delay: Micros) {
        self.0.note(now, delay);
    }

    /// The least of the last seconds: of a packet that met no queue.
    pub(crate) fn least(&self) -> Option<Micros> {
        self.0.get()
    }

    /// The time that a packet with this delay waited in queues.
    pub(crate) fn waited(&self, delay: Micros) -> Micros {
        self.0.get().map_or(0, |least| delay - least)
    }

    /// The time that the newest packet waited in queues.
    pub(crate) fn newest_waited(&self) -> Micros {
        self.waited(self.0.newest)
    }
}

/// The time from sending to feedback.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RoundTrips(Least);

impl RoundTrips {
    pub(crate) fn note(&mut self, now: Micros, sample: Micros) {
        self.0.note(now, sample.max(0));
    }

    /// The least of the last seconds.
    pub(crate) fn least(&self) -> Option<Micros> {
        self.0.get()
    }

    /// The same, or what is assumed before one is known.
    pub(crate) fn least_or_start(&self) -> Micros {
        self.least().unwrap_or(ROUND_TRIP_START_US)
    }

    pub(crate) fn newest(&self) -> Option<Micros> {
        self.0.least.map(|_| self.0.newest)
    }
}
