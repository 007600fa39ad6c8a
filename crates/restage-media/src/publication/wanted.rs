//! How many layers of a publication somebody wants.
//!
//! Whoever wants layers says so again and again, at its own timer; so nobody has to be asked, and whoever leaves need not say so.

use std::time::{Duration, Instant};

use crate::limits::{LAYER_UNWANTED_AFTER, LAYERS_MAX, LAYERS_NEEDED_INTERVAL};

/// When layers were wanted last. *Level* 1 is the smallest layer alone, [`LAYERS_MAX`] is all there can be. Who wants a layer wants those
/// below it too: a subscriber goes down at once when its network gets worse.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    /// When each level was wanted last; the first is level 1.
    at: [Option<Instant>; LAYERS_MAX],
    /// The level that whoever feeds the publication was told, and when.
    told: Option<(usize, Instant)>,
}

impl Wanted {
    /// Somebody wants this many layers.
    pub(crate) fn want(&mut self, now: Instant, level: usize) {
        for at in self.at.iter_mut().take(level) {
            *at = Some(now);
        }
    }

    /// Another inlet feeds the publication: it sends all layers until it is told otherwise.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.at = [Some(now); LAYERS_MAX];
        self.told = None;
    }

    /// The highest level that somebody has wanted within this time.
    fn level_within(&self, now: Instant, time: Duration) -> usize {
        let is_wanted = |at: &Option<Instant>| at.is_some_and(|at| now < at + time);
        self.at.iter().rposition(is_wanted).map_or(0, |at| at + 1)
    }

    /// The highest level that somebody wants. The smallest layer is always wanted: newcomers begin with it, and a publisher that sends
    /// nothing at all looks as if it were muted.
    pub(crate) fn level(&self, now: Instant) -> usize {
        self.level_within(now, LAYER_UNWANTED_AFTER).max(1)
    }

    /// The level, if it is higher than the publisher was told.
    pub(crate) fn risen(&mut self, now: Instant) -> Option<usize> {
        let level = self.level(now);
        let is_news = self.told.is_some_and(|(told, _)| level > told);
        is_news.then(|| self.tell(now, level))
    }

    /// The level, for a publisher that is told now.
    pub(crate) fn tell_all(&mut self, now: Instant) -> usize {
        let level = self.level(now);
        self.tell(now, level)
    }

    fn tell(&mut self, now: Instant, level: usize) -> usize {
        self.told = Some((level, now));
        level
    }

    /// When the publisher's layers have to be looked at again, at the latest.
    pub(crate) fn deadline(&self, now: Instant) -> Instant {
        let highest = self.told.map_or(LAYERS_MAX, |(level, _)| level);
        let last = self.at[highest.clamp(1, LAYERS_MAX) - 1].filter(|_| highest > 1);
        let ends_at = last.map_or(now, |at| at + LAYER_UNWANTED_AFTER);
        if ends_at > now {
            ends_at
        } else {
            now + LAYER_UNWANTED_AFTER
        }
    }

    /// The level for the worker that feeds the publication, if that has to be told: at once when it rises, and from time to time.
    pub(crate) fn needed(&mut self, now: Instant) -> Option<usize> {
        let level = self.level_within(now, LAYERS_NEEDED_INTERVAL * 3 / 2);
        let is_due =
            |(told, at): (usize, Instant)| level > told || now >= at + LAYERS_NEEDED_INTERVAL;
        self.told
            .is_none_or(is_due)
            .then(|| self.tell(now, level))
            .filter(|level| *level > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::test::epoch;

    /// Times in milliseconds since one moment.
    fn clock() -> impl Fn(u64) -> Instant {
        let begun = epoch();
        move |ms| begun + Duration::from_millis(ms)
    }

    #[test]
    fn a_layer_is_wanted_for_five_seconds_after_it_was_wanted_last() {
        let (at, mut wanted) = (clock(), Wanted::default());
        wanted.begin(at(0));
        for (ms, wants, level) in [
            (0, None, LAYERS_MAX),
            (1_000, Some(2), LAYERS_MAX),
            (4_999, None, LAYERS_MAX),
            (5_000, None, 2),
            (5_500, Some(0), 2),
            (6_000, None, 1),
            (60_000, None, 1),
            (60_000, Some(3), 3),
            (61_000, Some(1), 3),
            (65_000, None, 1),
        ] {
            if let Some(wants) = wants {
                wanted.want(at(ms), wants);
            }
            assert_eq!(wanted.level(at(ms)), level, "at {ms} ms");
        }
    }

    #[test]
    fn what_rises_is_told_at_once_and_only_once() {
        let (at, mut wanted) = (clock(), Wanted::default());
        wanted.begin(at(0));
        assert_eq!(wanted.risen(at(0)), None, "it sends everything anyway");
        assert_eq!(wanted.tell_all(at(5_000)), 1);
        wanted.want(at(5_100), 1);
        assert_eq!(wanted.risen(at(5_100)), None);
        wanted.want(at(5_200), 3);
        assert_eq!(wanted.risen(at(5_200)), Some(3));
        assert_eq!(wanted.risen(at(5_200)), None);
        assert_eq!(wanted.deadline(at(5_200)), at(10_200));
        wanted.want(at(9_000), 3);
        assert_eq!(wanted.deadline(at(9_000)), at(14_000));
        assert_eq!(wanted.tell_all(at(14_000)), 1);
        assert_eq!(wanted.deadline(at(14_000)), at(19_000));
    }

    #[test]
    fn another_worker_is_told_every_second_and_when_it_rises() {
        let (at, mut wanted) = (clock(), Wanted::default());
        assert_eq!(wanted.needed(at(0)), None, "nobody wants anything");
        for (ms, wants, needed) in [
            (1_100, 1, Some(1)),
            (1_200, 1, None),
            (1_300, 3, Some(3)),
            (2_200, 1, None),
            (2_300, 1, Some(3)),
            (3_300, 1, Some(1)),
        ] {
            wanted.want(at(ms), wants);
            assert_eq!(wanted.needed(at(ms)), needed, "at {ms} ms");
        }
    }
}
