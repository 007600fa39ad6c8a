//! When pictures and sound of a participant were captured, on one clock, so that they stay in step.
//!
//! The media plane takes capture times from sender reports, or from arrival where there are none or where they say more than that. A composition
//! cannot use them as they are, for three reasons.
//! - Packets that arrive together (an encoder that waits for sound, a wireless network) would have one capture time, and only one picture of several
//!   would be shown. Their timestamps say how far apart they are; what came earliest for its timestamp gives the time of the others.
//! - A publisher may stay behind its own reports: FFmpeg that stood still makes up for it by a twentieth of the time that passes. Everything would
//!   come too late to be heard, so what stays late is shifted, sound and pictures by the same time.
//! - Where times are taken from arrival one moment and from reports the next, both kinds have to follow at once.

use restage_media::{MediaKind, SenderTime};

use super::relation::Relation;

/// What is further from where its timestamp has it was sent by another clock, or after a pause.
const APART_MAX_US: u64 = 300_000;
/// When one kind has begun anew, the other does too if it is further from where its timestamp has it.
const APART_TOGETHER_US: u64 = 20_000;
/// What comes later than its timestamp says is followed by its part of this time: clocks drift.
const FOLLOW_US: u64 = 2_000_000;
/// A timestamp that goes back by more belongs to another clock; by less, to a packet that was overtaken.
const BACK_MAX_US: u64 = 1_000_000;
/// How late packets may come without being shifted: half of the time that a composition waits for them.
const LATE_US: u64 = 60_000;
/// For how long all packets have to be late before they are shifted: what a network had held back comes at once, and is late for a moment only.
const LATE_FOR_US: u64 = 400_000;
/// Without packets for this long, how late they are is not known.
const PAUSE_US: u64 = 300_000;
/// The time in which the least late packet counts, in parts.
const SLOTS: usize = 5;
const SLOT_US: u64 = 100_000;

/// The capture times of one participant.
#[derive(Debug, Default)]
pub(super) struct Pace {
    tracks: [Track; 2],
    /// How often a kind has begun anew.
    breaks: u64,
    lateness: Lateness,
    relation: Relation,
}

#[derive(Debug, Default)]
struct Track {
    /// Timestamp and capture time of the newest packet.
    newest: Option<(u64, u64)>,
    /// The breaks in which it took part.
    breaks: u64,
}

/// A packet, or the first one of a picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    pub(super) kind: MediaKind,
    /// In ticks of the kind, without wrap-around.
    pub(super) timestamp: u64,
    /// When it was captured, as the media plane has it, in microseconds.
    pub(super) told_us: u64,
    /// When it arrived, on the same clock.
    pub(super) arrived_us: u64,
    pub(super) report: Option<SenderTime>,
}

impl Pace {
    /// Returns the capture time of a packet in microseconds.
    pub(super) fn captured_us(&mut self, stamp: Stamp) -> u64 {
        let late_us = self.lateness.shift_us(stamp.told_us, stamp.arrived_us);
        let told_us = stamp.told_us.saturating_add(late_us);
        let track = &mut self.tracks[stamp.kind.index()];
        let apart_max_us = match track.breaks == self.breaks {
            true => APART_MAX_US,
            false => APART_TOGETHER_US,
        };
        track.breaks = self.breaks;
        let (at_us, is_newest) = match track.expected(stamp) {
            Some((expected, _)) if told_us.abs_diff(expected) > apart_max_us => {
                if apart_max_us == APART_MAX_US {
                    self.breaks += 1;
                    track.breaks = self.breaks;
                }
                (told_us, true)
            }
            Some((expected, Passed::Back)) => (expected, false),
            Some((expected, _)) if told_us < expected => (told_us, true),
            Some((expected, Passed::Forth(passed_us))) => {
                let part_us = passed_us.min(FOLLOW_US);
                (expected + (told_us - expected) * part_us / FOLLOW_US, true)
            }
            None => (told_us, true),
        };
        if is_newest {
            track.newest = Some((stamp.timestamp, at_us));
        }
        let clock = (stamp.kind, clock_rate(stamp.kind));
        self.relation
            .placed_us(clock, stamp.report, stamp.timestamp, at_us)
    }

    /// The pictures come with other timestamps from now on.
    pub(super) fn forget_pictures(&mut self) {
        self.tracks[MediaKind::Video.index()].newest = None;
        self.relation.forget_pictures();
    }
}

/// The time between two packets of a kind.
#[derive(Debug, Clone, Copy)]
enum Passed {
    Forth(u64),
    Back,
}

impl Track {
    /// When a packet was captured, if its clock goes on as it did. `None`: it has none to go on from.
    fn expected(&self, stamp: Stamp) -> Option<(u64, Passed)> {
        let (before, at_us) = self.newest?;
        let rate = clock_rate(stamp.kind);
        let ticks = stamp.timestamp.abs_diff(before);
        let passed_us = ticks.checked_mul(1_000_000)? / rate;
        if stamp.timestamp >= before {
            return Some((at_us.checked_add(passed_us)?, Passed::Forth(passed_us)));
        }
        let is_overtaken = passed_us <= BACK_MAX_US;
        is_overtaken
            .then(|| at_us.checked_sub(passed_us))
            .flatten()
            .map(|at_us| (at_us, Passed::Back))
    }
}

/// Ticks of timestamps a second (RFC 6184 §8.2.1, RFC 7741 §4.1, RFC 7587 §4.1).
const fn clock_rate(kind: MediaKind) -> u64 {
    match kind {
        MediaKind::Video => 90_000,
        MediaKind::Audio => 48_000,
    }
}

/// By how much everything that has come lately was late.
#[derive(Debug, Default)]
struct Lateness {
    /// When packets began to come without a pause, and when the newest came.
    since_us: u64,
    newest_us: u64,
    /// Which part of time each is about, and how late the least late packet of it was.
    slots: [(u64, u64); SLOTS],
}

impl Lateness {
    /// Returns by how much a packet has to be shifted so that it is not too late.
    fn shift_us(&mut self, told_us: u64, arrived_us: u64) -> u64 {
        if arrived_us.saturating_sub(self.newest_us) > PAUSE_US {
            *self = Self {
                since_us: arrived_us,
                ..Self::default()
            };
        }
        self.newest_us = self.newest_us.max(arrived_us);
        let late_us = arrived_us.saturating_sub(told_us);
        let number = arrived_us / SLOT_US;
        let slot = &mut self.slots[(number % SLOTS as u64) as usize];
        *slot = match slot.0 == number {
            true => (number, slot.1.min(late_us)),
            false => (number, late_us),
        };
        if arrived_us.saturating_sub(self.since_us) < LATE_FOR_US {
            return 0;
        }
        let recent = self
            .slots
            .iter()
            .filter(|slot| slot.0 + SLOTS as u64 > number);
        let least_us = recent.map(|slot| slot.1).min().unwrap_or(0);
        least_us.saturating_sub(LATE_US)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: u64 = 3_000;
    const LASTS_US: u64 = 33_333;

    /// A picture that arrives when it is said to have been captured.
    fn picture(pace: &mut Pace, timestamp: u64, told_us: u64) -> u64 {
        pace.captured_us(Stamp {
            kind: MediaKind::Video,
            timestamp,
            told_us,
            arrived_us: told_us,
            report: None,
        })
    }

    fn steps(times: &[u64]) -> Vec<u64> {
        times.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    #[test]
    fn pictures_that_come_together_are_as_far_apart_as_their_timestamps() {
        let mut pace = Pace::default();
        // Three at a time, each time when the last of them was captured.
        let times: Vec<u64> = (0..90)
            .map(|number| {
                let arrived = (number / 3 * 3 + 2) * LASTS_US + 1_000_000;
                picture(&mut pace, number * STEP, arrived)
            })
            .collect();
        // The first ones show how early pictures can be.
        let apart = steps(&times[3..]);
        assert!(
            apart.iter().all(|step| step.abs_diff(LASTS_US) < 2_000),
            "{apart:?}"
        );
    }

    #[test]
    fn times_of_reports_are_kept() {
        let mut pace = Pace::default();
        for number in 0..100 {
            let told = 5_000_000 + number * 100_000 / 3;
            assert!(picture(&mut pace, number * STEP, told).abs_diff(told) < 50);
        }
    }

    #[test]
    fn a_clock_that_is_slower_or_faster_is_followed() {
        for ppm in [999_000, 1_001_000] {
            let mut pace = Pace::default();
            let mut apart = 0;
            for number in 0..3_000 {
                let told = 1_000_000 + number * LASTS_US * ppm / 1_000_000;
                apart = picture(&mut pace, number * STEP, told).abs_diff(told);
            }
            assert!(apart < 5_000, "{apart} us at {ppm}");
        }
    }

    #[test]
    fn what_comes_after_a_pause_or_from_another_clock_begins_anew() {
        let mut pace = Pace::default();
        assert_eq!(picture(&mut pace, 0, 1_000_000), 1_000_000);
        assert_eq!(picture(&mut pace, 90 * STEP, 9_000_000), 9_000_000);
        // Timestamps that go back.
        assert_eq!(picture(&mut pace, 0, 9_033_333), 9_033_333);
        assert_eq!(picture(&mut pace, u64::MAX, 9_066_666), 9_066_666);
    }

    #[test]
    fn a_packet_that_was_overtaken_has_its_own_place() {
        let mut pace = Pace::default();
        let mut sound = |number: u64, told_us| {
            pace.captured_us(Stamp {
                kind: MediaKind::Audio,
                timestamp: number * 960,
                told_us,
                arrived_us: told_us,
                report: None,
            })
        };
        assert_eq!(sound(10, 1_000_000), 1_000_000);
        assert_eq!(sound(12, 1_040_000), 1_040_000);
        assert_eq!(sound(11, 1_041_000), 1_020_000);
        assert_eq!(sound(13, 1_060_000), 1_060_000);
    }

    /// A publisher whose reports say that packets are captured `ahead_us` after they have been sent. Calls `seen` with the kind, the exact
    /// moment in the film, the arrival and the capture time of each packet. `delay_us` is how late the publisher is, by the moment in its film.
    fn film(
        ahead_us: u64,
        seconds: u64,
        delay_us: impl Fn(u64) -> u64,
        mut seen: impl FnMut(MediaKind, u64, u64, u64),
    ) {
        let began_us = 10_000_000;
        let mut packets = Vec::new();
        for (kind, ticks, lasts_us) in [
            (MediaKind::Video, 3_000, 100_000.0 / 3.0),
            (MediaKind::Audio, 960, 20_000.0),
        ] {
            for number in 0.. {
                let at_us = (number as f64 * lasts_us) as u64;
                if at_us > seconds * 1_000_000 {
                    break;
                }
                packets.push((
                    began_us + at_us + delay_us(at_us),
                    kind,
                    number * ticks,
                    at_us,
                ));
            }
        }
        packets.sort_unstable_by_key(|packet| packet.0);
        let mut pace = Pace::default();
        for (arrived_us, kind, timestamp, at_us) in packets {
            let told_us = arrived_us.min(began_us + at_us + ahead_us);
            let captured_us = pace.captured_us(Stamp {
                kind,
                timestamp,
                told_us,
                arrived_us,
                report: None,
            });
            seen(kind, at_us, arrived_us, captured_us);
        }
    }

    #[test]
    fn sound_and_pictures_stay_in_step_when_a_publisher_has_stood_still() {
        // It stands still for a second and a half, and makes up for that by a twentieth of the time.
        for ahead_us in [0, 200_000, 700_000, 1_400_000, 2_000_000] {
            let delay_us = |at_us: u64| match at_us.checked_sub(20_000_000) {
                None => 0,
                Some(since) => 1_500_000_u64.saturating_sub(since / 20),
            };
            let mut offset = [0_i64; 2];
            let (mut worst, mut late, mut packets_late) = (0, 0, 0);
            film(
                ahead_us,
                90,
                delay_us,
                |kind, at_us, arrived_us, captured_us| {
                    offset[kind.index()] = captured_us as i64 - at_us as i64;
                    // The first packets after it stood still come alone.
                    let is_settled =
                        at_us > 1_000_000 && !(20_000_000..20_500_000).contains(&at_us);
                    if is_settled {
                        worst = worst.max((offset[0] - offset[1]).abs());
                        late = late.max(arrived_us as i64 - captured_us as i64);
                    }
                    packets_late += u64::from(arrived_us > captured_us + 120_000);
                },
            );
            assert!(worst < 15_000, "{worst} us apart, {ahead_us} ahead");
            assert!(late < 120_000, "{late} us late, {ahead_us} ahead");
            // Those of the time in which it is not known whether they stay late.
            assert!(packets_late < 50, "{packets_late} late, {ahead_us} ahead");
        }
    }

    #[test]
    fn what_a_network_has_held_back_for_a_moment_is_not_shifted() {
        // Packets of 600 ms come at once, when the last of them is sent.
        let delay_us = |at_us: u64| match at_us.checked_sub(5_000_000) {
            Some(since) if since < 600_000 => 630_000 - since,
            _ => 30_000,
        };
        film(30_000, 10, delay_us, |_, at_us, _, captured_us| {
            let exact_us = 10_000_000 + at_us + 30_000;
            assert!(
                captured_us.abs_diff(exact_us) < 1_000,
                "at {at_us}: {captured_us}"
            );
        });
    }

    #[test]
    fn when_one_kind_begins_anew_the_other_does_too() {
        let mut pace = Pace::default();
        let mut take = |kind, timestamp, told_us| {
            pace.captured_us(Stamp {
                kind,
                timestamp,
                told_us,
                arrived_us: told_us,
                report: None,
            })
        };
        take(MediaKind::Video, 0, 1_000_000);
        take(MediaKind::Audio, 0, 1_000_000);
        // Both are a quarter of a second later; the pictures are a little more.
        assert_eq!(take(MediaKind::Video, 9_000, 1_405_000), 1_405_000);
        assert_eq!(take(MediaKind::Audio, 4_800, 1_350_000), 1_350_000);
        // By itself, sound would have followed slowly.
        assert!(take(MediaKind::Audio, 9_600, 1_700_000) < 1_500_000);
    }

    #[test]
    fn absurd_times_do_no_harm() {
        let mut pace = Pace::default();
        for kind in MediaKind::BOTH {
            for timestamp in [0, u64::MAX, 1 << 63, 1] {
                for told_us in [0, u64::MAX, 1 << 62] {
                    for arrived_us in [u64::MAX, 0, 1 << 61] {
                        pace.captured_us(Stamp {
                            kind,
                            timestamp,
                            told_us,
                            arrived_us,
                            report: None,
                        });
                    }
                }
            }
        }
    }
}
