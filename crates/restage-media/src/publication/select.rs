//! Which packets go through an outlet: those of one layer of a simulcast track at a time, changed only where a decoder can start.

use crate::packet::Encoding;

/// The decision about a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The packet is not sent to this subscriber.
    Drop,
    /// It belongs to the encoding that is forwarded.
    Forward,
    /// It is the first packet of another encoding: numbers have to be joined.
    Switch,
}

#[derive(Debug, Default)]
pub(crate) struct Selector {
    current: Option<Encoding>,
    /// The picture stands still: live packets do not build on what was sent.
    is_still: bool,
}

impl Selector {
    /// Decides about a packet of `encoding`. `can_start` is true where a decoder can start: at the first packet of a key frame,
    /// and at every audio packet. `target` is the encoding that should be forwarded.
    pub(crate) fn select(
        &mut self,
        encoding: Encoding,
        can_start: bool,
        target: Encoding,
    ) -> Choice {
        if self.current == Some(encoding) && !self.is_still {
            return Choice::Forward;
        }
        // Before the first key frame of a feed any layer is better than none.
        let is_of_other_feed = self
            .current
            .is_none_or(|current| current.feed != encoding.feed);
        let is_wanted = encoding == target || (is_of_other_feed && encoding.feed == target.feed);
        if is_wanted && can_start {
            self.is_still = false;
            self.current = Some(encoding);
            return Choice::Switch;
        }
        Choice::Drop
    }

    /// The picture is now still: nothing is forwarded until a key frame of the target.
    pub(crate) fn hold(&mut self) {
        self.is_still = true;
    }

    /// Whether the picture stands still.
    pub(crate) fn is_still(&self) -> bool {
        self.is_still
    }

    /// Whether a key frame of `target` is needed to switch to it.
    pub(crate) fn is_waiting(&self, target: Encoding) -> bool {
        self.is_still || self.current != Some(target)
    }

    /// The encoding that is forwarded.
    pub(crate) fn current(&self) -> Option<Encoding> {
        self.current
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoding(feed: u64, layer: u8) -> Encoding {
        Encoding {
            feed,
            layer,
            epoch: 0,
        }
    }

    /// Packets of (feed, layer, can start) with the target at the time, and what is expected of each.
    fn run(steps: &[(u64, u8, bool, Encoding, Choice)]) {
        let mut selector = Selector::default();
        for (step, &(feed, layer, can_start, target, expected)) in steps.iter().enumerate() {
            assert_eq!(
                selector.select(encoding(feed, layer), can_start, target),
                expected,
                "step {step}"
            );
        }
    }

    #[test]
    fn nothing_before_a_key_frame() {
        let target = encoding(1, 0);
        run(&[
            (1, 0, false, target, Choice::Drop),
            (1, 0, true, target, Choice::Switch),
            (1, 0, false, target, Choice::Forward),
            (1, 0, true, target, Choice::Forward),
        ]);
    }

    #[test]
    fn any_layer_starts_the_picture_and_the_target_takes_over_at_its_key_frame() {
        let target = encoding(1, 2);
        run(&[
            (1, 0, true, target, Choice::Switch),
            (1, 2, false, target, Choice::Drop),
            (1, 0, false, target, Choice::Forward),
            (1, 1, true, target, Choice::Drop),
            (1, 2, true, target, Choice::Switch),
            (1, 0, true, target, Choice::Drop),
            (1, 2, false, target, Choice::Forward),
        ]);
    }

    #[test]
    fn the_layer_goes_down_at_a_key_frame_too() {
        run(&[
            (1, 2, true, encoding(1, 2), Choice::Switch),
            (1, 0, false, encoding(1, 0), Choice::Drop),
            (1, 2, false, encoding(1, 0), Choice::Forward),
            (1, 0, true, encoding(1, 0), Choice::Switch),
            (1, 2, false, encoding(1, 0), Choice::Drop),
        ]);
    }

    #[test]
    fn a_new_feeder_waits_for_its_own_key_frame() {
        run(&[
            (1, 0, true, encoding(1, 0), Choice::Switch),
            (2, 0, false, encoding(2, 0), Choice::Drop),
            (2, 0, true, encoding(2, 0), Choice::Switch),
            (2, 0, false, encoding(2, 0), Choice::Forward),
            (1, 0, true, encoding(2, 0), Choice::Drop),
        ]);
    }

    #[test]
    fn an_encoder_that_starts_anew_needs_a_key_frame() {
        let restarted = Encoding {
            epoch: 1,
            ..encoding(1, 0)
        };
        let mut selector = Selector::default();
        selector.select(encoding(1, 0), true, encoding(1, 0));
        assert_eq!(selector.select(restarted, false, restarted), Choice::Drop);
        assert_eq!(selector.select(restarted, true, restarted), Choice::Switch);
    }

    #[test]
    fn a_still_stands_until_a_key_frame_of_the_target() {
        let target = encoding(1, 0);
        let mut selector = Selector::default();
        assert_eq!(selector.select(target, true, target), Choice::Switch);
        selector.hold();
        assert!(selector.is_waiting(target));
        assert_eq!(selector.select(target, false, target), Choice::Drop);
        assert_eq!(selector.select(target, true, target), Choice::Switch);
        assert!(!selector.is_waiting(target));
        assert_eq!(selector.select(target, false, target), Choice::Forward);
    }

    #[test]
    fn waiting_means_not_at_the_target() {
        let mut selector = Selector::default();
        assert!(selector.is_waiting(encoding(1, 0)));
        selector.select(encoding(1, 0), true, encoding(1, 1));
        assert!(selector.is_waiting(encoding(1, 1)));
        assert!(!selector.is_waiting(encoding(1, 0)));
        assert_eq!(selector.current(), Some(encoding(1, 0)));
    }
}
