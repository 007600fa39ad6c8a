//! Capture times on one clock, so that subscribers can play audio and video in step.
//!
//! A publisher's sender reports (RFC 3550 §6.4.1) relate the timestamps of each of its streams to its own clock. Its clock is
//! related to ours by the report that took the least time to arrive. Both streams use that relation, so the distance between them
//! is exactly the publisher's. Until reports for both have come, arrival times are used.

use std::time::{Duration, Instant};

use restage_codec::MediaKind;

use crate::packet::SenderReport;

/// A capture time that is further back than this is ignored.
const LAG_MAX: Duration = Duration::from_secs(10);

/// A timestamp of a stream and the time that belongs to it, as a sender report gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReportedTime {
    /// The publisher's clock, in microseconds since any fixed time.
    pub(crate) ntp_us: i64,
    /// The timestamp at that time.
    pub(crate) time: u32,
    pub(crate) clock_rate: u32,
}

impl ReportedTime {
    fn ntp_us_at(&self, time: u64) -> Option<i64> {
        // The nearest of the timestamps that are equal to this one modulo 2^32.
        let ticks = i64::from((time as u32).wrapping_sub(self.time) as i32);
        self.ntp_us
            .checked_add(ticks * 1_000_000 / i64::from(self.clock_rate.max(1)))
    }
}

impl SenderReport {
    pub(crate) fn at_rate(&self, clock_rate: u32) -> ReportedTime {
        ReportedTime {
            ntp_us: self.ntp_us,
            time: self.time,
            clock_rate,
        }
    }
}

/// The clock of one feed.
#[derive(Debug)]
pub(crate) struct FeedClock {
    epoch: Instant,
    /// Our clock minus the publisher's, in microseconds.
    offset_us: Option<i64>,
    has_packets: [bool; 2],
    has_report: [bool; 2],
}

impl FeedClock {
    /// `epoch` is any instant before the packets of this feed.
    pub(crate) fn new(epoch: Instant) -> Self {
        Self {
            epoch,
            offset_us: None,
            has_packets: [false; 2],
            has_report: [false; 2],
        }
    }

    /// A sender report for a stream of `kind` has arrived.
    pub(crate) fn on_report(&mut self, kind: MediaKind, report: &ReportedTime, arrived: Instant) {
        let arrived_us = arrived.saturating_duration_since(self.epoch).as_micros() as i64;
        let Some(offset_us) = arrived_us.checked_sub(report.ntp_us) else {
            return;
        };
        self.has_report[kind.index()] = true;
        self.offset_us = Some(
            self.offset_us
                .map_or(offset_us, |least| least.min(offset_us)),
        );
    }

    /// When a packet was captured. Never after it arrived. `report` is the newest of its stream.
    pub(crate) fn wallclock(
        &mut self,
        kind: MediaKind,
        report: Option<&ReportedTime>,
        time: u64,
        arrived: Instant,
    ) -> Instant {
        self.has_packets[kind.index()] = true;
        self.captured(report, time, arrived).unwrap_or(arrived)
    }

    fn captured(
        &self,
        report: Option<&ReportedTime>,
        time: u64,
        arrived: Instant,
    ) -> Option<Instant> {
        if MediaKind::BOTH
            .iter()
            .any(|kind| self.has_packets[kind.index()] && !self.has_report[kind.index()])
        {
            return None;
        }
        let us = report?.ntp_us_at(time)?.checked_add(self.offset_us?)?;
        let captured = self
            .epoch
            .checked_add(Duration::from_micros(u64::try_from(us).ok()?))?;
        if captured + LAG_MAX < arrived {
            return None;
        }
        Some(captured.min(arrived))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::test::epoch;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn video(ntp_ms: i64, time: u32) -> ReportedTime {
        ReportedTime {
            ntp_us: ntp_ms * 1_000,
            time,
            clock_rate: 90_000,
        }
    }

    fn audio(ntp_ms: i64, time: u32) -> ReportedTime {
        ReportedTime {
            ntp_us: ntp_ms * 1_000,
            time,
            clock_rate: 48_000,
        }
    }

    #[test]
    fn without_reports_the_arrival_counts() {
        let epoch = epoch();
        let mut clock = FeedClock::new(epoch);
        assert_eq!(
            clock.wallclock(MediaKind::Video, None, 1, epoch + ms(7)),
            epoch + ms(7)
        );
    }

    #[test]
    fn audio_and_video_captured_together_get_the_same_time() {
        let epoch = epoch();
        let mut clock = FeedClock::new(epoch);
        // Captured at 5,000 ms of the publisher's clock; video takes 60 ms to encode, audio 20 ms.
        let (video, audio) = (video(4_000, 1_000), audio(4_500, 77));
        clock.on_report(MediaKind::Video, &video, epoch + ms(130));
        clock.on_report(MediaKind::Audio, &audio, epoch + ms(600));
        let v = clock.wallclock(
            MediaKind::Video,
            Some(&video),
            1_000 + 90_000,
            epoch + ms(1_190),
        );
        let a = clock.wallclock(
            MediaKind::Audio,
            Some(&audio),
            77 + 24_000,
            epoch + ms(1_150),
        );
        assert_eq!(v, a);
        // The audio report was the faster: 600 − 4,500 ms.
        assert_eq!(v, epoch + ms(1_100));
    }

    #[test]
    fn one_stream_does_not_use_reports_before_the_other_can() {
        let epoch = epoch();
        let mut clock = FeedClock::new(epoch);
        clock.wallclock(MediaKind::Audio, None, 0, epoch);
        let report = video(4_000, 0);
        clock.on_report(MediaKind::Video, &report, epoch + ms(100));
        let arrived = epoch + ms(500);
        assert_eq!(
            clock.wallclock(MediaKind::Video, Some(&report), 9_000, arrived),
            arrived
        );
    }

    #[test]
    fn capture_is_never_after_arrival() {
        let epoch = epoch();
        let mut clock = FeedClock::new(epoch);
        let report = video(0, 0);
        clock.on_report(MediaKind::Video, &report, epoch + ms(100));
        let arrived = epoch + ms(200);
        assert_eq!(
            clock.wallclock(MediaKind::Video, Some(&report), 90_000, arrived),
            arrived
        );
    }

    #[test]
    fn absurd_reports_fall_back_to_arrival() {
        let epoch = epoch();
        let arrived = epoch + ms(60_000);
        for ntp_us in [i64::MIN, i64::MAX, -1, 0] {
            let mut clock = FeedClock::new(epoch);
            let report = ReportedTime {
                ntp_us,
                time: 0,
                clock_rate: 0,
            };
            clock.on_report(MediaKind::Video, &report, epoch);
            for time in [0, u64::MAX, 1 << 31] {
                assert_eq!(
                    clock.wallclock(MediaKind::Video, Some(&report), time, arrived),
                    arrived
                );
            }
        }
    }

    #[test]
    fn timestamps_around_the_wrap_are_near() {
        let epoch = epoch();
        let mut clock = FeedClock::new(epoch);
        let report = video(1_000, u32::MAX);
        clock.on_report(MediaKind::Video, &report, epoch + ms(1_000));
        let time = u64::from(u32::MAX) + 9_000;
        let captured = clock.wallclock(MediaKind::Video, Some(&report), time, epoch + ms(1_300));
        assert_eq!(captured, epoch + ms(1_100));
    }
}
