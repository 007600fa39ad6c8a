//! When a certificate is asked for: before the old one ends, and not more often than authorities permit. Nothing here
//! reads a clock; times are seconds since the epoch.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::super::certificate::Facts;

/// Pause after the first failure; it doubles with every other one.
const PAUSE_MIN_S: i64 = 5 * 60;
/// Longest pause. The third of a life that is left after the time to renew has room for many of them, even with
/// certificates that last six days.
const PAUSE_MAX_S: i64 = 3 * 3_600;
/// By how much a pause is lengthened at most, so that servers that failed together do not return together: a tenth.
const SPREAD: i64 = 10;
/// Failures within [`WINDOW_S`] after which even a new start waits. Let's Encrypt permits five an hour for a name.
const FAILURES_MAX: usize = 4;
/// Pause after the first failure that the authority knows nothing of, and the longest: only this server's own network is
/// burdened by the next try.
const UNREACHED_PAUSE_MIN_S: i64 = 60;
const UNREACHED_PAUSE_MAX_S: i64 = 15 * 60;
const WINDOW_S: i64 = 3_600;
/// Shortest time between two certificates, however old the first one seems: a third of its life, and at most a day. A
/// clock that is wrong asks for no more.
const REST_PART: i64 = 3;
const REST_MAX_S: i64 = 86_400;
/// Longest wait that an authority is believed in.
const ASKED_MAX_S: i64 = 7 * 86_400;
/// The part of its life at which a certificate is renewed at the latest, whatever the authority suggests: five sixths.
const LATEST_NUMERATOR: i64 = 5;
const LATEST_DENOMINATOR: i64 = 6;
/// How often an authority is asked when to renew, if it does not say itself (RFC 9773 §4.3.3), and its limits.
const ASK_EVERY_S: i64 = 6 * 3_600;
const ASK_MIN_S: i64 = 60;
const ASK_MAX_S: i64 = 86_400;

/// The attempts that failed, as they are kept beside the certificate. They are about one host and one authority, as the
/// settings name them: whoever changes these settings starts anew.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Attempts {
    pub(super) directory: String,
    pub(super) host: String,
    /// The file with the roots by which the authority is known, if one is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ca_file: Option<PathBuf>,
    /// How many failed since one succeeded.
    failures: u32,
    /// When the newest of them failed of which the authority knows, oldest first; at most [`FAILURES_MAX`].
    failed_at: Vec<i64>,
    /// Before this the authority does not want to be asked.
    not_before: i64,
    /// When it is tried again.
    pub(super) again_at: i64,
    /// Why the last one failed.
    pub(super) reason: String,
    /// The same in words that everybody may read.
    pub(super) outline: String,
}

/// An attempt that failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failed<'a> {
    /// Why, in full.
    pub(super) reason: &'a str,
    /// The same in words that everybody may read.
    pub(super) outline: &'a str,
    /// Whether the authority knows of it, so that it counts against the authority's limits.
    pub(super) is_counted: bool,
    /// The wait that the authority asked for, in seconds.
    pub(super) wait_s: Option<i64>,
}

impl Attempts {
    /// No attempt for this host at this authority.
    pub(super) fn none(directory: &str, host: &str, ca_file: Option<&PathBuf>) -> Self {
        Self {
            directory: directory.to_owned(),
            host: host.to_owned(),
            ca_file: ca_file.cloned(),
            ..Self::default()
        }
    }

    /// Whether these are about the same host, authority and roots.
    pub(super) fn are_of(&self, directory: &str, host: &str, ca_file: Option<&PathBuf>) -> bool {
        self.directory == directory && self.host == host && self.ca_file.as_ref() == ca_file
    }

    /// Whether the last attempt failed.
    pub(super) fn has_failed(&self) -> bool {
        self.failures > 0
    }

    /// When a server that starts now may try: at once, because somebody may have mended what was wrong, as long as the
    /// authority's limits are kept.
    pub(super) fn starts(&mut self, now_s: i64) {
        self.failed_at
            .retain(|at| (now_s - WINDOW_S..=now_s).contains(at));
        let full = match self.failed_at.first() {
            Some(oldest) if self.failed_at.len() >= FAILURES_MAX => oldest + WINDOW_S,
            _ => now_s,
        };
        let asked = self.not_before.min(now_s + ASKED_MAX_S);
        self.again_at = now_s.max(full).max(asked);
    }

    /// Why a server that starts now does not try at once, as the end of a sentence; `None` if it does.
    pub(super) fn why_waits(&self, now_s: i64) -> Option<&'static str> {
        if self.again_at <= now_s {
            None
        } else if self.not_before >= self.again_at {
            Some("because the authority has asked to wait")
        } else {
            Some("because four tries within an hour have failed, and authorities permit few")
        }
    }

    /// Records a failure. `draw` is any number, for the spread.
    pub(super) fn fails(&mut self, now_s: i64, failed: Failed<'_>, draw: u32) {
        let (least, most) = match failed.is_counted {
            true => (PAUSE_MIN_S, PAUSE_MAX_S),
            false => (UNREACHED_PAUSE_MIN_S, UNREACHED_PAUSE_MAX_S),
        };
        if failed.is_counted {
            if self.failed_at.len() >= FAILURES_MAX {
                self.failed_at.remove(0);
            }
            self.failed_at.push(now_s);
        }
        let doubled = least.checked_shl(self.failures.min(16));
        let pause = doubled.unwrap_or(most).min(most);
        let spread = i64::from(draw) % (pause / SPREAD);
        self.failures = self.failures.saturating_add(1);
        self.not_before = now_s + failed.wait_s.unwrap_or(0).clamp(0, ASKED_MAX_S);
        self.again_at = self.not_before.max(now_s + pause + spread);
        failed.reason.clone_into(&mut self.reason);
        failed.outline.clone_into(&mut self.outline);
    }

    /// Records a success. The next certificate is not asked for at once, even if the clock says that this one is old.
    pub(super) fn succeeds(&mut self, now_s: i64, facts: &Facts) {
        let life = facts.ends_s.saturating_sub(facts.begins_s);
        *self = Self::none(&self.directory, &self.host, self.ca_file.as_ref());
        self.again_at = now_s + (life / REST_PART).clamp(0, REST_MAX_S);
    }
}

/// The time in which an authority wants a certificate to be renewed (RFC 9773 §4.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Window {
    pub(super) begins_s: i64,
    pub(super) ends_s: i64,
}

/// When to renew a certificate: within the authority's window if there is one, at a place that `draw` chooses once for
/// each window; else when two thirds of its life are over.
pub(super) fn renew_at(facts: &Facts, window: Option<Window>, draw: u32) -> i64 {
    let Some(window) = window else {
        return facts.two_thirds_s();
    };
    let life = facts.ends_s.saturating_sub(facts.begins_s);
    let latest = facts.begins_s + life / LATEST_DENOMINATOR * LATEST_NUMERATOR;
    let length = window.ends_s.saturating_sub(window.begins_s).max(0);
    let within = i64::from(draw) % (length + 1);
    window.begins_s.saturating_add(within).min(latest)
}

/// When to ask an authority again for its window, after it said how long to wait, or did not answer.
pub(super) fn ask_at(now_s: i64, wait_s: Option<i64>) -> i64 {
    now_s + wait_s.unwrap_or(ASK_EVERY_S).clamp(ASK_MIN_S, ASK_MAX_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600;
    const DAY: i64 = 24 * HOUR;

    /// A failure of which the authority knows.
    fn counted(wait_s: Option<i64>) -> Failed<'static> {
        Failed {
            reason: "no",
            outline: "no",
            is_counted: true,
            wait_s,
        }
    }

    fn none() -> Attempts {
        Attempts::none("https://ca/dir", "a.test", None)
    }

    fn facts(life_s: i64) -> Facts {
        Facts {
            begins_s: 1_000_000,
            ends_s: 1_000_000 + life_s,
            names: Vec::new(),
            id: None,
        }
    }

    #[test]
    fn pauses_grow_and_stay_within_the_limits_of_an_hour() {
        let mut attempts = none();
        let (mut now, mut times) = (0, Vec::new());
        for draw in [0, 17, 4_000_000_000, 3, 99, 5, 8, 13, 21, 1_000_000] {
            times.push(now);
            attempts.fails(now, counted(None), draw);
            let pause = attempts.again_at - now;
            assert!((PAUSE_MIN_S..=PAUSE_MAX_S + PAUSE_MAX_S / SPREAD).contains(&pause));
            now = attempts.again_at;
        }
        for from in &times {
            let within = times.iter().filter(|at| (*from..from + HOUR).contains(at));
            assert!(within.count() <= FAILURES_MAX, "{times:?}");
        }
        let pauses: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(pauses[0] < 6 * 60 && pauses[8] >= PAUSE_MAX_S, "{pauses:?}");
    }

    #[test]
    fn a_start_tries_at_once_unless_the_authority_would_mind() {
        let mut attempts = none();
        attempts.starts(50);
        assert_eq!(attempts.again_at, 50);
        // A server that is started again and again.
        let mut now = 100;
        for _ in 0..FAILURES_MAX {
            attempts.fails(now, counted(None), 0);
            now += 10;
            attempts.starts(now);
        }
        assert_eq!(attempts.again_at, 100 + WINDOW_S);
        attempts.starts(100 + WINDOW_S + 1);
        assert_eq!(attempts.again_at, 100 + WINDOW_S + 1);
        // What the authority asked for holds across starts, up to a bound.
        attempts.fails(now, counted(Some(2 * DAY)), 0);
        assert_eq!(attempts.again_at, now + 2 * DAY);
        attempts.starts(now + 5);
        assert_eq!(attempts.again_at, now + 2 * DAY);
        attempts.fails(now, counted(Some(i64::MAX)), 0);
        assert_eq!(attempts.again_at, now + ASKED_MAX_S);
        // A clock that was set back.
        attempts.starts(-10 * DAY);
        assert_eq!(attempts.again_at, -10 * DAY + ASKED_MAX_S);
    }

    /// Whoever mends the network, a name or the roots is not made to wait.
    #[test]
    fn what_the_authority_knows_nothing_of_delays_no_start() {
        let unreached = Failed {
            is_counted: false,
            ..counted(None)
        };
        let (mut attempts, mut now) = (none(), 100);
        for _ in 0..2 * FAILURES_MAX {
            attempts.fails(now, unreached, 7);
            let pause = attempts.again_at - now;
            let most = UNREACHED_PAUSE_MAX_S + UNREACHED_PAUSE_MAX_S / SPREAD;
            assert!((UNREACHED_PAUSE_MIN_S..=most).contains(&pause), "{pause}");
            now += 10;
            attempts.starts(now);
            assert_eq!(attempts.again_at, now);
            assert_eq!(attempts.why_waits(now), None);
        }
        assert!(attempts.has_failed());
        // Those that count do so beside the others.
        for _ in 0..FAILURES_MAX {
            attempts.fails(now, counted(None), 0);
        }
        attempts.starts(now);
        assert_eq!(attempts.again_at, now + WINDOW_S);
        assert!(attempts.why_waits(now).unwrap().contains("four tries"));
        attempts.fails(now, counted(Some(2 * WINDOW_S)), 0);
        attempts.starts(now);
        assert!(attempts.why_waits(now).unwrap().contains("asked to wait"));
    }

    #[test]
    fn attempts_are_about_a_host_an_authority_and_its_roots() {
        let roots = PathBuf::from("ca.pem");
        let attempts = Attempts::none("https://ca/dir", "a.test", Some(&roots));
        assert!(attempts.are_of("https://ca/dir", "a.test", Some(&roots)));
        for (directory, host, ca_file) in [
            ("https://other/dir", "a.test", Some(&roots)),
            ("https://ca/dir", "b.test", Some(&roots)),
            ("https://ca/dir", "a.test", None),
        ] {
            assert!(!attempts.are_of(directory, host, ca_file));
        }
    }

    /// Otherwise a clock that is a year ahead would ask for one certificate after the other.
    #[test]
    fn a_success_is_rested_upon() {
        let mut attempts = none();
        attempts.fails(10, counted(Some(DAY)), 0);
        attempts.succeeds(20, &facts(90 * DAY));
        assert!(!attempts.has_failed());
        assert_eq!(attempts.again_at, 20 + DAY);
        attempts.succeeds(20, &facts(90));
        assert_eq!(attempts.again_at, 50);
        attempts.succeeds(20, &facts(-90));
        assert_eq!(attempts.again_at, 20);
    }

    #[test]
    fn attempts_are_kept_as_text() {
        let mut attempts = none();
        attempts.fails(1_000, counted(None), 0);
        let text = serde_json::to_string(&attempts).unwrap();
        assert_eq!(serde_json::from_str::<Attempts>(&text).unwrap(), attempts);
        assert!(
            attempts.has_failed() && text.contains("\"reason\":\"no\""),
            "{text}"
        );
    }

    #[test]
    fn two_thirds_or_what_the_authority_suggests() {
        let facts = facts(90 * DAY);
        let at = |day: i64| facts.begins_s + day * DAY;
        assert_eq!(renew_at(&facts, None, 7), at(60));
        let window = |from: i64, to: i64| {
            Some(Window {
                begins_s: at(from),
                ends_s: at(to),
            })
        };
        for draw in [0, 1, 77_777, u32::MAX] {
            let found = renew_at(&facts, window(58, 61), draw);
            assert!((at(58)..=at(61)).contains(&found), "{found}");
        }
        // A certificate that is revoked is to be renewed in the past, and one is never renewed too late.
        assert_eq!(renew_at(&facts, window(0, 0), 9), at(0));
        assert_eq!(renew_at(&facts, window(88, 89), 9), at(75));
        assert_eq!(renew_at(&facts, window(61, 58), 9), at(61));
        let short = self::facts(160 * HOUR);
        assert!(short.ends_s - renew_at(&short, None, 0) > 10 * PAUSE_MAX_S);
    }

    #[test]
    fn an_authority_is_asked_now_and_then() {
        for (wait, expected) in [
            (None, ASK_EVERY_S),
            (Some(0), ASK_MIN_S),
            (Some(7_200), 7_200),
            (Some(i64::MAX), ASK_MAX_S),
        ] {
            assert_eq!(ask_at(0, wait), expected, "{wait:?}");
        }
    }
}
