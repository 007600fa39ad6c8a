//! How loud a publication's sound is, and since when it is silent (RFC 6464).

use std::time::Instant;

use crate::limits::{LOUDNESS_INTERVAL, LOUDNESS_MIN, STOPPED_AFTER};

/// The level of digital silence, in −dBov.
const SILENCE: i8 = -127;

#[derive(Debug, Default)]
pub(crate) struct Loudness {
    /// When the present interval has begun.
    since: Option<Instant>,
    sum: i32,
    packets: i32,
    /// What was told last was more than silence.
    was_audible: bool,
    /// When sound was more than digital silence the last time.
    sounded_at: Option<Instant>,
}

impl Loudness {
    /// Takes the level of a packet. Returns the average of an interval that has ended, if that has to be told: while there is sound,
    /// and once when it ends, with [`SILENCE`].
    pub(crate) fn add(&mut self, now: Instant, level: i8) -> Option<i8> {
        if level > SILENCE || self.sounded_at.is_none() {
            self.sounded_at = Some(now);
        }
        let since = *self.since.get_or_insert(now);
        self.sum += i32::from(level);
        self.packets += 1;
        if now < since + LOUDNESS_INTERVAL {
            return None;
        }
        let average = (self.sum / self.packets) as i8;
        (self.since, self.sum, self.packets) = (Some(now), 0, 0);
        let is_audible = average >= LOUDNESS_MIN;
        let was_audible = std::mem::replace(&mut self.was_audible, is_audible);
        match (is_audible, was_audible) {
            (true, _) => Some(average),
            (false, true) => Some(SILENCE),
            (false, false) => None,
        }
    }

    /// A packet without a level: nothing is known of its sound.
    pub(crate) fn on_unknown(&mut self, now: Instant) {
        self.sounded_at = Some(now);
    }

    /// Whether there has been nothing but digital silence for so long that the publisher is muted.
    pub(crate) fn is_muted(&self, now: Instant) -> bool {
        self.sounded_at.is_some_and(|at| now >= at + STOPPED_AFTER)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::util::test::epoch;

    #[test]
    fn sound_is_told_as_it_goes_on_and_silence_once() {
        let mut loudness = Loudness::default();
        let (begun, mut told) = (epoch(), Vec::new());
        // Packets of 20 ms: silence for half a second, sound for one, a murmur, silence.
        for place in 0..150_u64 {
            let level = match place {
                0..25 => -127,
                25..75 => -20,
                75..100 => -90,
                _ => -127,
            };
            let now = begun + Duration::from_millis(20 * place);
            told.extend(loudness.add(now, level));
        }
        let sound = told.iter().filter(|level| **level == -20).count();
        assert!((3..=5).contains(&sound), "{told:?}");
        assert_eq!(told.iter().filter(|level| **level == SILENCE).count(), 1);
        assert_eq!(told.last(), Some(&SILENCE));
        assert!(told.len() <= 6, "{told:?}");
    }

    #[test]
    fn digital_silence_is_a_mute_and_a_quiet_room_is_not() {
        let begun = epoch();
        let at = |ms| begun + Duration::from_millis(ms);
        let mut loudness = Loudness::default();
        assert!(!loudness.is_muted(at(9_000)), "nothing has come");
        loudness.add(at(0), -127);
        assert!(!loudness.is_muted(at(2_900)));
        assert!(loudness.is_muted(at(3_000)));
        loudness.add(at(3_100), -126);
        assert!(!loudness.is_muted(at(6_000)));
        for ms in (3_200..6_200).step_by(20) {
            loudness.add(at(ms), -127);
        }
        assert!(loudness.is_muted(at(6_200)));
        loudness.on_unknown(at(6_300));
        assert!(!loudness.is_muted(at(6_300)));
    }
}
