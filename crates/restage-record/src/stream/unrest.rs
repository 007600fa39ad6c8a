//! Media that changes its parameters, encoder or clock all the time: each change would be another init with a segment of its own.

use std::collections::VecDeque;

use crate::limits::{CALM_US, CHANGES_MAX, CHANGES_WINDOW_US};

/// Counts changes of one kind.
#[derive(Debug, Default)]
pub(super) struct Unrest {
    /// When the newest changes were.
    changes_us: VecDeque<u64>,
    is_restless: bool,
}

impl Unrest {
    /// Something changes now.
    pub(super) fn change(&mut self, now_us: u64) {
        self.changes_us.push_back(now_us);
        let is_old = |at: &u64| now_us.saturating_sub(*at) > CHANGES_WINDOW_US;
        while self.changes_us.front().is_some_and(is_old) || self.changes_us.len() > CHANGES_MAX + 1
        {
            self.changes_us.pop_front();
        }
        self.is_restless |= self.changes_us.len() > CHANGES_MAX;
    }

    /// Whether more changed than is followed, and nothing has been calm since.
    pub(super) fn is_restless(&mut self, now_us: u64) -> bool {
        let newest = self.changes_us.back();
        if self.is_restless && newest.is_none_or(|at| now_us.saturating_sub(*at) >= CALM_US) {
            self.is_restless = false;
            self.changes_us.clear();
        }
        self.is_restless
    }
}

/// Lets media of one kind pass unless it is restless.
#[derive(Debug, Default)]
pub(super) struct Gate {
    unrest: Unrest,
    is_shut: bool,
    was_shut: bool,
}

impl Gate {
    /// Whether this piece of media passes; `changes`: it has other parameters or another clock than the one before. Pieces that a decoder
    /// cannot begin with do not open the gate again. What passes first then `begins_clock`.
    pub(super) fn passes(
        &mut self,
        now_us: u64,
        changes: bool,
        can_begin: bool,
        begins_clock: &mut bool,
    ) -> bool {
        if changes {
            self.unrest.change(now_us);
        }
        self.is_shut = self.unrest.is_restless(now_us) || self.is_shut && !can_begin;
        if self.is_shut {
            self.was_shut = true;
        } else {
            *begins_clock |= std::mem::take(&mut self.was_shut);
        }
        !self.is_shut
    }

    /// Whether media is left out.
    pub(super) fn is_shut(&self) -> bool {
        self.is_shut
    }

    /// Whether nothing but a key frame is missing before media passes again.
    pub(super) fn awaits_key_frame(&mut self, now_us: u64) -> bool {
        self.is_shut && !self.unrest.is_restless(now_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_US: u64 = 1_000_000;

    #[test]
    fn changes_now_and_then_are_followed() {
        let mut unrest = Unrest::default();
        for second in 0..1_000 {
            unrest.change(second * SECOND_US);
            assert!(!unrest.is_restless(second * SECOND_US) || second >= 10);
        }
        let mut unrest = Unrest::default();
        for second in 0..1_000 {
            unrest.change(second * 1_100_000);
            assert!(!unrest.is_restless(second * 1_100_000), "{second}");
        }
    }

    #[test]
    fn a_gate_opens_after_a_calm_with_what_a_decoder_can_begin_with() {
        let mut gate = Gate::default();
        let mut begins = false;
        for at in 0..100 {
            let passes = gate.passes(at * 1_000, true, true, &mut begins);
            assert_eq!(passes, at < CHANGES_MAX as u64, "{at}");
        }
        assert!(!begins && gate.is_shut());
        let calm = 99_000 + CALM_US;
        assert!(!gate.passes(calm - 1, false, true, &mut begins));
        assert!(!gate.awaits_key_frame(calm - 1));
        assert!(gate.awaits_key_frame(calm));
        assert!(!gate.passes(calm, false, false, &mut begins));
        assert!(gate.passes(calm + 1, false, true, &mut begins));
        assert!(begins);
        begins = false;
        assert!(gate.passes(calm + 2, false, false, &mut begins) && !begins);
    }
}
