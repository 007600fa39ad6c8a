//! Who speaks in a stage: decided from how loud its publishers are, without a clock of its own.
//!
//! Whoever is loud for a moment speaks, and goes on speaking through short pauses. Of those that speak one is the active speaker. Another
//! one takes over when it has been clearly louder for a while, or when the present one is silent; so a cough or an echo changes nothing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use restage_core::id::ParticipantId;

/// Sound of at least this smoothed level is speech, in −dBov (RFC 6464).
const SPEECH_MIN: f32 = -50.0;
/// A speaker must have been heard for this long,
const SPEAKS_AFTER: Duration = Duration::from_millis(300);
/// and speaks until it has been silent for this long.
const SPEAKS_ON: Duration = Duration::from_millis(1_500);
/// Another speaker takes over when it has been louder by this much, in dB,
const LOUDER_BY: f32 = 6.0;
/// for this long.
const LOUDER_FOR: Duration = Duration::from_millis(600);
/// Share of a new level in the smoothed one.
const SMOOTHING: f32 = 0.4;
/// The level of silence.
const SILENCE: f32 = -127.0;
/// Publishers of a stage that are listened to. Of further ones nothing is said.
pub(super) const VOICES_MAX: usize = 64;

/// The publishers of one stage that have been heard lately.
#[derive(Debug, Default)]
pub(super) struct Speakers {
    voices: BTreeMap<ParticipantId, Voice>,
    active: Option<ParticipantId>,
    told: Option<Speaking>,
}

#[derive(Debug)]
struct Voice {
    /// Smoothed, in −dBov.
    level: f32,
    /// Since when it is loud without a pause of [`SPEAKS_ON`].
    since: Instant,
    loud_at: Instant,
    /// Since when it is clearly louder than the active speaker.
    louder_since: Option<Instant>,
}

/// Who speaks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Speaking {
    /// The active speaker.
    pub(super) active: Option<ParticipantId>,
    /// All who speak, in the order of their ids.
    pub(super) all: Vec<ParticipantId>,
}

impl Voice {
    fn is_speaking(&self) -> bool {
        self.loud_at >= self.since + SPEAKS_AFTER
    }
}

impl Speakers {
    /// A publisher is this loud now, in −dBov. While it is not reported it stays as it is, so silence has to be reported once.
    pub(super) fn hear(&mut self, now: Instant, who: &ParticipantId, level: i8) {
        let level = f32::from(level);
        if let Some(voice) = self.voices.get_mut(who) {
            voice.level = match level > SILENCE && voice.level > SILENCE {
                true => voice.level + (level - voice.level) * SMOOTHING,
                // The first word after a pause is as loud as it is.
                false => level,
            };
            if voice.level >= SPEECH_MIN {
                voice.loud_at = now;
            }
        } else if level >= SPEECH_MIN && self.voices.len() < VOICES_MAX {
            let voice = Voice {
                level,
                since: now,
                loud_at: now,
                louder_since: None,
            };
            self.voices.insert(who.clone(), voice);
        }
    }

    /// Whether there is nobody whose silence would be news.
    pub(super) fn is_silent(&self) -> bool {
        self.voices.is_empty() && self.active.is_none()
    }

    /// Only these publishers are there.
    pub(super) fn keep(&mut self, is_there: impl Fn(&ParticipantId) -> bool) {
        self.voices.retain(|who, _| is_there(who));
    }

    /// Decides who speaks. Returns it if it is another answer than the last.
    pub(super) fn decide(&mut self, now: Instant) -> Option<Speaking> {
        for voice in self.voices.values_mut() {
            // One that speaks on is reported several times a second.
            if voice.level >= SPEECH_MIN && now >= voice.loud_at + SPEAKS_ON {
                voice.level = SILENCE;
            }
        }
        self.voices
            .retain(|_, voice| voice.level >= SPEECH_MIN || now < voice.loud_at + SPEAKS_ON);
        self.choose(now);
        let speaking = self.voices.iter();
        let all = speaking.filter(|(_, voice)| voice.is_speaking());
        let speaking = Speaking {
            active: self.active.clone(),
            all: all.map(|(who, _)| who.clone()).collect(),
        };
        let told = self.told.get_or_insert_default();
        if *told == speaking {
            return None;
        }
        told.clone_from(&speaking);
        Some(speaking)
    }

    fn choose(&mut self, now: Instant) {
        let present = self
            .active
            .take()
            .filter(|who| self.voices.contains_key(who));
        let level = present
            .as_ref()
            .and_then(|who| self.voices.get(who))
            .map(|voice| voice.level);
        for (who, voice) in &mut self.voices {
            let is_louder = level.is_some_and(|level| voice.level >= level + LOUDER_BY)
                && Some(who) != present.as_ref();
            voice.louder_since = match voice.louder_since {
                Some(since) if is_louder => Some(since),
                _ => is_louder.then_some(now),
            };
        }
        let may_take_over = |voice: &Voice| match present {
            None => voice.is_speaking(),
            Some(_) => voice
                .louder_since
                .is_some_and(|since| now >= since + LOUDER_FOR),
        };
        let candidates = self.voices.iter().filter(|(_, voice)| may_take_over(voice));
        let loudest = candidates.max_by(|(_, one), (_, other)| one.level.total_cmp(&other.level));
        self.active = loudest.map(|(who, _)| who.clone()).or(present);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::disallowed_methods)]
    fn begin() -> Instant {
        Instant::now()
    }

    /// A stage, in steps of 200 ms: the levels of ann and bob in each, 0 where nothing is reported.
    fn run(steps: &[(usize, i8, i8)]) -> Vec<(u64, Option<String>, usize)> {
        let mut speakers = Speakers::default();
        let (begun, mut ms) = (begin(), 0);
        let mut told = Vec::new();
        for (count, ann, bob) in steps {
            for _ in 0..*count {
                let now = begun + Duration::from_millis(ms);
                for (who, level) in [("ann", *ann), ("bob", *bob)] {
                    if level < 0 {
                        speakers.hear(now, &ParticipantId::new(who), level);
                    }
                }
                if let Some(news) = speakers.decide(now) {
                    let active = news.active.map(|who| who.to_string());
                    told.push((ms, active, news.all.len()));
                }
                ms += 200;
            }
        }
        told
    }

    fn ann() -> Option<String> {
        Some("ann".to_owned())
    }

    fn bob() -> Option<String> {
        Some("bob".to_owned())
    }

    #[test]
    fn silence_and_noise_are_not_told() {
        assert_eq!(run(&[(50, -127, -60), (50, 0, 0), (50, -55, -90)]), []);
    }

    #[test]
    fn a_speaker_is_told_once_and_so_is_its_end() {
        let told = run(&[(20, -30, 0), (1, -127, 0), (20, 0, 0)]);
        assert_eq!(told, [(400, ann(), 1), (5_400, None, 0)]);
    }

    #[test]
    fn a_cough_is_no_speech_and_a_pause_is_no_end() {
        assert_eq!(run(&[(1, -10, 0), (1, -127, 0), (20, 0, 0)]), []);
        let words = [(5, -30, 0), (1, -127, 0), (4, 0, 0)];
        let told = run(&words.repeat(10));
        assert_eq!(told, [(400, ann(), 1)]);
    }

    #[test]
    fn another_one_takes_over_when_it_is_clearly_louder_for_a_while() {
        let told = run(&[(10, -40, 0), (10, -40, -37), (10, -40, -20)]);
        assert_eq!(told[..2], [(400, ann(), 1), (2_400, ann(), 2)]);
        let (ms, active, count) = &told[2];
        assert_eq!((active, *count, told.len()), (&bob(), 2, 3));
        assert!((4_600..=5_200).contains(ms), "{ms}");
        // A short shout does not.
        let told = run(&[(10, -40, 0), (2, -40, -15), (1, -40, -127), (20, -40, 0)]);
        assert!(
            told.iter().all(|(_, active, _)| *active == ann()),
            "{told:?}"
        );
    }

    #[test]
    fn one_that_is_not_reported_any_more_falls_silent() {
        let told = run(&[(10, -30, 0), (30, 0, 0)]);
        assert_eq!(told.last(), Some(&(3_400, None, 0)));
    }

    #[test]
    fn those_who_leave_are_forgotten_and_the_table_is_bounded() {
        let mut speakers = Speakers::default();
        let now = begin();
        for number in 0..1_000 {
            speakers.hear(now, &ParticipantId::new(format!("p{number:04}")), -20);
        }
        assert_eq!(speakers.voices.len(), VOICES_MAX);
        let later = now + Duration::from_millis(400);
        for number in 0..VOICES_MAX {
            speakers.hear(later, &ParticipantId::new(format!("p{number:04}")), -20);
        }
        assert_eq!(speakers.decide(later).unwrap().all.len(), VOICES_MAX);
        speakers.keep(|who| who.as_str() == "p0003");
        let left = speakers.decide(later).unwrap();
        assert_eq!(left.all.len(), 1);
        speakers.keep(|_| false);
        assert_eq!(speakers.decide(later), Some(Speaking::default()));
        assert!(speakers.is_silent());
    }
}
