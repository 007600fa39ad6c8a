//! When to request a key frame from a publisher: soon enough for waiting subscribers, but not so often that the
//! publisher is flooded.
//!
//! Every subscriber that joins or loses a picture asks; the publisher is sent one request per [`KEYFRAME_INTERVAL_MIN`] and
//! layer. A request that brings no key frame is repeated once after [`KEYFRAME_RETRY`], and then only while subscribers keep
//! asking, at doubling intervals.

use std::time::{Duration, Instant};

use crate::limits::{
    KEYFRAME_EARNED_EVERY, KEYFRAME_INTERVAL_MIN, KEYFRAME_RETRY, KEYFRAME_RETRY_MAX,
    KEYFRAMES_AT_FIRST, KEYFRAMES_AT_ONCE_MAX,
};

#[derive(Debug, Default)]
pub(crate) struct KeyframeRequester {
    sent_at: Option<Instant>,
    state: State,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Idle,
    /// Wanted too soon after the last request: send at the end of the interval.
    Postponed,
    /// Sent this many times; no key frame has come since.
    Waiting(u32),
}

impl KeyframeRequester {
    /// A subscriber needs a key frame. True: send a request now.
    pub(crate) fn want(&mut self, now: Instant) -> bool {
        match (self.state, self.sent_at) {
            (State::Postponed, _) => false,
            (State::Waiting(times), Some(sent_at)) => {
                now >= sent_at + retry_after(times) && self.send(now, times + 1)
            }
            (State::Idle, Some(sent_at)) if now < sent_at + KEYFRAME_INTERVAL_MIN => {
                self.state = State::Postponed;
                false
            }
            _ => self.send(now, 1),
        }
    }

    /// Whether a further request would bring a further key frame: none is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.state == State::Idle
    }

    /// A key frame has begun.
    pub(crate) fn on_key_frame(&mut self) {
        self.state = State::Idle;
    }

    /// When [`on_deadline`](Self::on_deadline) is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Idle => None,
            State::Postponed => self.sent_at.map(|sent_at| sent_at + KEYFRAME_INTERVAL_MIN),
            State::Waiting(1) => self.sent_at.map(|sent_at| sent_at + KEYFRAME_RETRY),
            State::Waiting(_) => None,
        }
    }

    /// Called at the deadline. True: send a request now.
    pub(crate) fn on_deadline(&mut self, now: Instant) -> bool {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return false;
        }
        match self.state {
            State::Waiting(times) => self.send(now, times + 1),
            State::Idle | State::Postponed => self.send(now, 1),
        }
    }

    fn send(&mut self, now: Instant, times: u32) -> bool {
        self.sent_at = Some(now);
        self.state = State::Waiting(times);
        true
    }
}

/// Key frames that one subscriber may still ask for: [`KEYFRAMES_AT_FIRST`] when it is new, and one more each
/// [`KEYFRAME_EARNED_EVERY`], up to [`KEYFRAMES_AT_ONCE_MAX`]. It does not begin full, so that joining again gains little.
#[derive(Debug)]
pub(crate) struct KeyframeBudget {
    /// When it is full again: each key frame spent moves this further ahead.
    whole_at: Instant,
}

impl KeyframeBudget {
    /// For a subscriber that joins now.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            whole_at: now + KEYFRAME_EARNED_EVERY * (KEYFRAMES_AT_ONCE_MAX - KEYFRAMES_AT_FIRST),
        }
    }

    /// Spends one request. False: none is left.
    pub(crate) fn spend(&mut self, now: Instant) -> bool {
        let from = self.whole_at.max(now);
        let until = from + KEYFRAME_EARNED_EVERY;
        let is_left = until <= now + KEYFRAME_EARNED_EVERY * KEYFRAMES_AT_ONCE_MAX;
        if is_left {
            self.whole_at = until;
        }
        is_left
    }
}

fn retry_after(times: u32) -> Duration {
    (KEYFRAME_RETRY * (1 << times.saturating_sub(1).min(8))).min(KEYFRAME_RETRY_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::test::epoch;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_crowd_asks_once() {
        let epoch = epoch();
        let mut requester = KeyframeRequester::default();
        let sent = (0..1_000)
            .filter(|i| requester.want(epoch + ms(*i / 2)))
            .count();
        assert_eq!(sent, 1);
    }

    #[test]
    fn a_request_within_the_interval_is_sent_at_its_end() {
        let epoch = epoch();
        let mut requester = KeyframeRequester::default();
        assert!(requester.want(epoch));
        requester.on_key_frame();
        assert!(!requester.want(epoch + ms(100)));
        assert!(!requester.want(epoch + ms(200)));
        assert_eq!(requester.deadline(), Some(epoch + ms(500)));
        assert!(!requester.on_deadline(epoch + ms(499)));
        assert!(requester.on_deadline(epoch + ms(500)));
    }

    #[test]
    fn a_key_frame_answers_a_postponed_request() {
        let epoch = epoch();
        let mut requester = KeyframeRequester::default();
        requester.want(epoch);
        requester.on_key_frame();
        requester.want(epoch + ms(100));
        requester.on_key_frame();
        assert_eq!(requester.deadline(), None);
        assert!(!requester.on_deadline(epoch + ms(900)));
    }

    #[test]
    fn a_budget_begins_with_less_than_adds_up() {
        let epoch = epoch();
        let mut budget = KeyframeBudget::new(epoch);
        let spent = |budget: &mut KeyframeBudget, at: Duration| {
            (0..100).filter(|_| budget.spend(epoch + at)).count() as u32
        };
        assert_eq!(spent(&mut budget, Duration::ZERO), KEYFRAMES_AT_FIRST);
        assert_eq!(spent(&mut budget, KEYFRAME_EARNED_EVERY - ms(1)), 0);
        assert_eq!(spent(&mut budget, KEYFRAME_EARNED_EVERY), 1);
        assert_eq!(spent(&mut budget, KEYFRAME_EARNED_EVERY * 3), 2);
        assert_eq!(
            spent(&mut budget, KEYFRAME_EARNED_EVERY * 100),
            KEYFRAMES_AT_ONCE_MAX,
            "no more than that is saved"
        );
    }

    #[test]
    fn an_unanswered_request_is_repeated_once_by_itself() {
        let epoch = epoch();
        let mut requester = KeyframeRequester::default();
        requester.want(epoch);
        assert_eq!(requester.deadline(), Some(epoch + ms(1_000)));
        assert!(requester.on_deadline(epoch + ms(1_000)));
        assert_eq!(requester.deadline(), None);
    }

    #[test]
    fn those_who_keep_asking_get_repetitions_at_doubling_distances() {
        let epoch = epoch();
        let mut requester = KeyframeRequester::default();
        let sent: Vec<u64> = (0..40_000)
            .step_by(33)
            .filter(|t| requester.want(epoch + ms(*t)))
            .collect();
        assert_eq!(sent.len(), 8, "{sent:?}");
        assert!(sent.windows(2).all(|pair| pair[1] - pair[0] >= 500));
        assert!(sent.windows(2).all(|pair| pair[1] - pair[0] < 8_100));
    }
}
