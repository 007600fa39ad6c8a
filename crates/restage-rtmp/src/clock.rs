//! The time of a stream, out of the timestamps of its tracks.

use std::time::Instant;

use crate::limits::{TIMESTAMP_BACK_US, TIMESTAMP_FIRST_US, TIMESTAMP_JUMP_US, TRACKS_MAX};

/// Makes timestamps one clock without breaks. The timestamps of RTMP are milliseconds that wrap around after 49 days, and that jump when
/// an encoder sets its clock or starts its stream again. All tracks count by the same clock, but a jump reaches each of them with its own
/// next message.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    lines: [Option<Line>; LINES],
}

/// Sound, and each video track.
const LINES: usize = 1 + TRACKS_MAX;

/// One track's newest timestamp.
#[derive(Debug, Clone, Copy)]
struct Line {
    timestamp: u32,
    /// The same on the clock, in microseconds.
    us: i64,
    /// What was told last.
    told_us: i64,
    at: Instant,
}

impl Line {
    /// Where another timestamp is on the clock, by this one.
    fn place(&self, timestamp: u32) -> i64 {
        let step = timestamp.wrapping_sub(self.timestamp).cast_signed();
        self.us + i64::from(step) * 1_000
    }

    /// Where the clock is at a time, if its encoder sends in real time.
    fn expected(&self, now: Instant) -> i64 {
        let passed = now.saturating_duration_since(self.at);
        self.us + i64::try_from(passed.as_micros()).unwrap_or(i64::MAX / 4)
    }
}

impl Clock {
    /// The time of a message of a track in microseconds; the first message of all has [`TIMESTAMP_FIRST_US`]. It never goes back within a
    /// track, and is not negative. `line` is 0 for sound, and 1 more than the index of a video track.
    pub(crate) fn time(
        &mut self,
        line: usize,
        timestamp: u32,
        offset_ns: u32,
        now: Instant,
    ) -> i64 {
        let us = self.place(line, timestamp, now);
        let before = self.lines[line].map_or(i64::MIN, |line| line.told_us);
        let told_us = (us + i64::from(offset_ns / 1_000)).max(before);
        self.lines[line] = Some(Line {
            timestamp,
            us,
            told_us,
            at: now,
        });
        told_us
    }

    fn place(&self, line: usize, timestamp: u32, now: Instant) -> i64 {
        let known = || self.lines.iter().flatten();
        let Some(latest) = known().map(|line| line.expected(now)).max() else {
            return TIMESTAMP_FIRST_US;
        };
        let own = self.lines[line];
        let earliest = own.map_or(latest - TIMESTAMP_JUMP_US, |line| {
            line.us - TIMESTAMP_BACK_US
        });
        let fits = |us: &i64| (earliest..=latest + TIMESTAMP_JUMP_US).contains(us);
        // By its own timestamps first; else the clock was set, and another track may know to what.
        let mut places = own.iter().chain(known()).map(|line| line.place(timestamp));
        places.find(fits).unwrap_or_else(|| match own {
            Some(own) => own.expected(now),
            None => latest,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    /// A clock that is told timestamps every 20 ms of arrival.
    struct Rig {
        clock: Clock,
        now: Instant,
    }

    impl Rig {
        #[allow(clippy::disallowed_methods)]
        fn new() -> Self {
            Self {
                clock: Clock::default(),
                now: Instant::now(),
            }
        }

        fn ms(&mut self, line: usize, timestamp: u32) -> i64 {
            self.now += Duration::from_millis(20);
            (self.clock.time(line, timestamp, 0, self.now) - TIMESTAMP_FIRST_US) / 1_000
        }
    }

    #[test]
    fn time_counts_from_the_first_message_of_all() {
        let mut rig = Rig::new();
        assert_eq!(rig.ms(0, 5_000), 0);
        assert_eq!(rig.ms(1, 5_010), 10);
        assert_eq!(rig.ms(2, 4_990), -10);
        assert_eq!(rig.ms(0, 5_023), 23);
        assert_eq!(
            rig.clock.time(0, 5_023, 400_000, rig.now) - TIMESTAMP_FIRST_US,
            23_400
        );
    }

    #[test]
    fn it_goes_on_where_timestamps_wrap_around() {
        let mut rig = Rig::new();
        assert_eq!(rig.ms(0, u32::MAX - 9), 0);
        assert_eq!(rig.ms(1, u32::MAX - 4), 5);
        assert_eq!(rig.ms(0, 10), 20);
        assert_eq!(rig.ms(1, 15), 25);
    }

    #[test]
    fn a_pause_of_the_encoder_is_a_pause() {
        let mut rig = Rig::new();
        rig.ms(0, 0);
        rig.ms(1, 0);
        rig.now += Duration::from_secs(8);
        assert_eq!(rig.ms(0, 8_030), 8_030);
        assert_eq!(rig.ms(1, 8_040), 8_040);
    }

    #[test]
    fn what_a_stalled_path_brings_at_once_keeps_its_times() {
        let mut rig = Rig::new();
        rig.ms(0, 0);
        rig.ms(1, 0);
        rig.now += Duration::from_secs(6);
        for step in 1..300 {
            rig.now -= Duration::from_millis(20);
            assert_eq!(rig.ms(step as usize % 2, step * 20), i64::from(step * 20));
        }
    }

    #[test]
    fn a_clock_that_is_set_goes_on_and_keeps_the_tracks_in_step() {
        for (from, to) in [(500_000, 0), (0, 500_000), (u32::MAX - 5, 9_000)] {
            let mut rig = Rig::new();
            let before = (rig.ms(0, from), rig.ms(1, from.wrapping_add(5)));
            assert_eq!(before, (0, 5));
            // The sound jumps first: it goes on after the 40 ms that have passed. Pictures of the old time still come.
            let audio = rig.ms(0, to);
            assert_eq!(audio, 40, "{from}");
            assert_eq!(rig.ms(1, from.wrapping_add(45)), 45);
            assert_eq!(rig.ms(1, to + 15), audio + 15);
            assert_eq!(rig.ms(0, to + 43), audio + 43);
        }
    }

    #[test]
    fn steps_back_within_a_track_stand_still() {
        let mut rig = Rig::new();
        assert_eq!(
            [rig.ms(0, 0), rig.ms(0, 60), rig.ms(0, 40), rig.ms(0, 80)],
            [0, 60, 60, 80]
        );
    }

    proptest! {
        #[test]
        fn whatever_timestamps_come_time_goes_on(
            steps in prop::collection::vec(
                (0..LINES, prop_oneof![4 => 0..100_u32, 1 => any::<u32>()], any::<u32>(), 0..11_000_u64),
                1..200,
            ),
            first in any::<u32>(),
        ) {
            let mut rig = Rig::new();
            let begin = rig.now;
            let mut timestamp = first;
            let mut told = [0; LINES];
            for (number, (line, step, offset_ns, wait_ms)) in (1..).zip(steps) {
                timestamp = timestamp.wrapping_add(step);
                rig.now += Duration::from_millis(wait_ms);
                let us = rig.clock.time(line, timestamp, offset_ns & 0x00ff_ffff, rig.now);
                prop_assert!(us >= told[line]);
                told[line] = us;
                // Each message may be ahead of the time that has passed, by less than a jump.
                let passed_us = (rig.now - begin).as_micros() as i64;
                let most_us = TIMESTAMP_FIRST_US + passed_us + number * (TIMESTAMP_JUMP_US + 20_000);
                prop_assert!(us <= most_us, "{us} {most_us}");
            }
        }
    }
}
