//! The sender reports of one stream, and whether they are believed.

use std::collections::VecDeque;

use super::Clock;
use crate::packet::SenderReport;

/// Reports that are remembered: of about half a minute, as they come every one to five seconds.
const REPORTS_KEPT: usize = 8;
/// Reports that must agree before they are believed.
const AGREEING_MIN: usize = 2;
/// How far reports that agree may be apart: the jitter of timestamps, and what a clock drifts in half a minute.
const AGREEING_US: i64 = 20_000;

/// What the reports of one stream say: by how much the server's clock is ahead of the sender's.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    newest: Option<SenderReport>,
    offsets_us: VecDeque<i64>,
}

impl Reports {
    /// Takes the newest report of the stream, which comes with every packet. The clock places its timestamp, so that the time of its own
    /// arrival does not matter.
    pub(crate) fn take(&mut self, report: SenderReport, clock: &Clock) {
        if self.newest == Some(report) {
            return;
        }
        let Some(us) = clock.reported_us(report.rtp_time) else {
            return;
        };
        self.newest = Some(report);
        if self.offsets_us.len() == REPORTS_KEPT {
            self.offsets_us.pop_front();
        }
        self.offsets_us.push_back(us.saturating_sub(report.ntp_us));
    }

    /// Whether they are the times of an ingest's media, which no publisher has reported.
    pub(crate) fn are_of_ingest(&self) -> bool {
        self.newest.is_some_and(|newest| newest.is_of_ingest)
    }

    /// The stream has another clock.
    pub(crate) fn forget(&mut self) {
        self.offsets_us.clear();
    }

    /// The server's clock minus the sender's, in microseconds: the median of what most reports agree on; `None` if they do not.
    pub(super) fn offset_us(&self) -> Option<i64> {
        let mut sorted: Vec<i64> = self.offsets_us.iter().copied().collect();
        sorted.sort_unstable();
        let median = *sorted.get(sorted.len() / 2)?;
        let agrees = |offset: &&i64| offset.abs_diff(median) <= AGREEING_US.unsigned_abs();
        let agreeing: Vec<i64> = sorted.iter().filter(agrees).copied().collect();
        let is_believed = agreeing.len() >= AGREEING_MIN && 2 * agreeing.len() > sorted.len();
        is_believed.then(|| agreeing.get(agreeing.len() / 2).copied())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock that places tick 0 at 1 s.
    fn clock() -> Clock {
        let mut clock = Clock::new(48_000);
        clock.observe(1_000_000, 0, 1_000_000);
        clock.start(1_000_000, true);
        clock
    }

    /// Offsets of reports of a sender whose clock is 300 s ahead, each wrong by so much.
    fn offset_of(errors_ms: &[i64]) -> Option<i64> {
        let (clock, mut reports) = (clock(), Reports::default());
        for (place, error) in (0..).zip(errors_ms) {
            let report = SenderReport {
                ntp_us: 301_000_000 + i64::from(place) * 1_000_000 + error * 1_000,
                rtp_time: place * 48_000,
                is_of_ingest: false,
            };
            reports.take(report, &clock);
            reports.take(report, &clock);
        }
        reports.offset_us().map(|us| us / 1_000)
    }

    #[test]
    fn two_that_agree_are_believed() {
        assert_eq!(offset_of(&[]), None);
        assert_eq!(
            offset_of(&[0]),
            None,
            "the same one comes with every packet"
        );
        assert_eq!(offset_of(&[0, 3]), Some(-300_000));
        assert_eq!(offset_of(&[0, 250]), None);
    }

    #[test]
    fn the_most_are_believed() {
        assert_eq!(offset_of(&[0, 5_000, 1, -3_000, 2, 0]), Some(-300_000));
        assert_eq!(
            offset_of(&[0, 250, -250, 900, 1, 4_000]),
            None,
            "none agree"
        );
        let old_and_new: Vec<i64> = [[500; 3], [0; 3], [0; 3]].concat();
        assert_eq!(offset_of(&old_and_new), Some(-300_000));
    }
}
