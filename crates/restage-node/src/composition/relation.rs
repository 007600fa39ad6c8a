//! How far apart a participant's sound and pictures are, by its sender reports (RFC 3550 §6.4.1).
//!
//! Arrival says it to some twenty milliseconds, because packets leave a publisher in bursts. Its reports say it exactly, if they tell the truth:
//! those of each kind have to agree with each other, and both together with the arrival. FFmpeg dates each kind by the moment at which it had
//! prepared it for sending, and on a busy machine these are far apart; so only what arrival may have wrong is corrected.

use restage_media::{MediaKind, SenderTime};

/// Reports of a kind that follow each other and differ by more do not agree: the jitter of timestamps.
const AGREEING_US: i64 = 20_000;
/// Reports that say more than this against the arrival of packets lie.
const BELIEVED_US: i64 = 40_000;
/// What is found out is approached by this part of the time that passes, which nobody hears.
const APPROACH: u64 = 100;
/// Time that passes between two packets counts as this at most.
const PASSED_MAX_US: u64 = 1_000_000;

/// The relation of one participant's two clocks.
#[derive(Debug, Default)]
pub(super) struct Relation {
    kinds: [Reported; 2],
    /// What is added to the times of each kind, in microseconds. One of both is 0.
    added_us: [i64; 2],
    newest_us: u64,
}

#[derive(Debug, Default)]
struct Reported {
    report: Option<SenderTime>,
    /// The newest report agrees with the one before it.
    agrees: bool,
    /// By how much the server's clock is ahead of the publisher's, where this kind's packets are placed.
    offset_us: i64,
}

impl Relation {
    /// Returns the time at which a packet is placed that its kind alone would place at `at_us`. `ticks` is its timestamp.
    pub(super) fn placed_us(
        &mut self,
        (kind, clock_rate): (MediaKind, u64),
        report: Option<SenderTime>,
        ticks: u64,
        at_us: u64,
    ) -> u64 {
        if let Some(report) = report {
            self.kinds[kind.index()].take(report, clock_rate, ticks, at_us);
        }
        let passed_us = at_us.saturating_sub(self.newest_us).min(PASSED_MAX_US);
        self.newest_us = self.newest_us.max(at_us);
        let step_us = (passed_us / APPROACH) as i64;
        let wanted_us = self.wanted_us();
        for (added_us, wanted_us) in self.added_us.iter_mut().zip(wanted_us) {
            *added_us += (wanted_us - *added_us).clamp(-step_us, step_us);
        }
        at_us.saturating_add_signed(self.added_us[kind.index()])
    }

    /// The pictures come with other timestamps from now on.
    pub(super) fn forget_pictures(&mut self) {
        self.kinds[MediaKind::Video.index()] = Reported::default();
    }

    /// What is to be added to the times of each kind. The kind that is placed too early is moved, so that nothing comes later for it.
    fn wanted_us(&self) -> [i64; 2] {
        let [audio, video] = [MediaKind::Audio, MediaKind::Video].map(MediaKind::index);
        let mut wanted = [0; 2];
        if !self.kinds.iter().all(|kind| kind.agrees) {
            // What is known stays: a layer's first report comes some seconds after its first picture.
            return self.added_us;
        }
        let apart_us = self.kinds[audio]
            .offset_us
            .saturating_sub(self.kinds[video].offset_us);
        if apart_us.saturating_abs() <= BELIEVED_US {
            wanted[video] = apart_us.max(0);
            wanted[audio] = (-apart_us).max(0);
        }
        wanted
    }
}

impl Reported {
    fn take(&mut self, report: SenderTime, clock_rate: u64, ticks: u64, at_us: u64) {
        let Some(ntp_us) = ntp_us_at(&report, clock_rate, ticks) else {
            self.agrees = false;
            return;
        };
        if let Some(before) = self.report.filter(|before| *before != report) {
            let expected = ntp_us_at(&before, clock_rate, ticks);
            let is_near =
                |expected: i64| expected.saturating_sub(ntp_us).saturating_abs() <= AGREEING_US;
            self.agrees = expected.is_some_and(is_near);
        }
        self.report = Some(report);
        self.offset_us = i64::try_from(at_us)
            .unwrap_or(i64::MAX)
            .saturating_sub(ntp_us);
    }
}

/// The publisher's time at a timestamp: the nearest of those that are equal to it modulo 2³².
fn ntp_us_at(report: &SenderTime, clock_rate: u64, ticks: u64) -> Option<i64> {
    let since = i64::from((ticks as u32).wrapping_sub(report.timestamp) as i32);
    let rate = i64::try_from(clock_rate.max(1)).ok()?;
    report.ntp_us.checked_add(since * 1_000_000 / rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUDIO: (MediaKind, u64) = (MediaKind::Audio, 48_000);
    const VIDEO: (MediaKind, u64) = (MediaKind::Video, 90_000);

    /// A report that relates the timestamp of a second to the publisher's time of that second, and `lie_us` more.
    fn report(clock_rate: u64, second: u64, lie_us: i64) -> SenderTime {
        SenderTime {
            ntp_us: 500_000_000 + second as i64 * 1_000_000 + lie_us,
            timestamp: (second * clock_rate) as u32,
            arrived_us: 0,
            is_of_inlet: false,
        }
    }

    /// Where sound and pictures of the last second are placed, against where they belong, in microseconds, after a minute in which sound is placed
    /// `early_us` before its time and reports say `lie_us` too much of sound.
    fn after_a_minute(early_us: u64, lies_us: [i64; 2]) -> [i64; 2] {
        let mut relation = Relation::default();
        let mut placed = [0; 2];
        for number in 0..3_000 {
            let (second, at_us) = (number / 50, 100_000_000 + number * 20_000);
            let lie_us = lies_us[(second % 2) as usize];
            let sound = Some(report(AUDIO.1, second, lie_us));
            let heard = relation.placed_us(AUDIO, sound, number * 960, at_us - early_us);
            let pictures = Some(report(VIDEO.1, second, 0));
            let seen = relation.placed_us(VIDEO, pictures, number * 1_800, at_us);
            placed = [heard, seen].map(|placed| placed as i64 - at_us as i64);
        }
        placed
    }

    #[test]
    fn reports_bring_sound_and_pictures_together() {
        let [heard, seen] = after_a_minute(30_000, [0, 0]);
        assert!((heard - seen).abs() < 500, "{heard} {seen}");
        assert!(heard >= -500, "nothing is placed earlier: {heard}");
        // Sound that is captured later than it is placed.
        let [heard, seen] = after_a_minute(0, [-25_000, -25_000]);
        assert_eq!((heard, seen), (0, 25_000));
    }

    #[test]
    fn reports_that_lie_or_contradict_each_other_change_nothing() {
        for lies_us in [
            [400_000, 400_000],
            [90_000, 90_000],
            [-3_000_000, -3_000_000],
            [0, 90_000],
        ] {
            let [heard, seen] = after_a_minute(30_000, lies_us);
            assert_eq!((heard, seen), (-30_000, 0), "{lies_us:?}");
        }
    }

    #[test]
    fn what_is_known_stays_when_pictures_of_another_layer_come() {
        let mut relation = Relation::default();
        for number in 0..3_000 {
            let (second, at_us) = (number / 50, 100_000_000 + number * 20_000);
            let sound = Some(report(AUDIO.1, second, 0));
            relation.placed_us(AUDIO, sound, number * 960, at_us - 30_000);
            let pictures = Some(report(VIDEO.1, second, 0));
            relation.placed_us(VIDEO, pictures, number * 1_800, at_us);
        }
        relation.forget_pictures();
        relation.placed_us(VIDEO, None, 77, 160_000_000);
        let heard = relation.placed_us(AUDIO, None, 3_000 * 960, 160_000_000);
        assert!(heard.abs_diff(160_030_000) < 500, "{heard}");
    }

    #[test]
    fn absurd_reports_do_no_harm() {
        let mut relation = Relation::default();
        for ntp_us in [i64::MIN, i64::MAX, 0] {
            for at_us in [0, u64::MAX, 1 << 40] {
                for (kind, timestamp) in [(AUDIO, 0), (VIDEO, u32::MAX)] {
                    let report = SenderTime {
                        ntp_us,
                        timestamp,
                        arrived_us: 0,
                        is_of_inlet: false,
                    };
                    relation.placed_us(kind, Some(report), 1 << 31, at_us);
                }
            }
        }
    }
}
