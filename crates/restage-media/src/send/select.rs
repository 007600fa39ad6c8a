//! One layer of a simulcast track at a time, changed only where a decoder can start.

/// What to do with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Not for this subscriber.
    Drop,
    /// Of the layer being forwarded.
    Forward,
    /// The first packet of another source: rewriters start anew.
    Switch,
}

/// One encoder's unbroken run of packets. Two feeders' layers are never the same, nor are those before and after
/// an encoder changed its SSRC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Source {
    /// Which feeder of the publication; grows with every change.
    pub(crate) feed: u64,
    /// Index of the simulcast layer among the feeder's.
    pub(crate) layer: u8,
    /// How often the layer has changed its SSRC.
    pub(crate) epoch: u32,
}

/// A layer that is alive, among others of its track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rung {
    pub(crate) source: Source,
    pub(crate) bits_per_s: u64,
}

/// The living layers of a track, smallest first.
pub(crate) type Ladder = [Rung];

#[derive(Debug, Default)]
pub(crate) struct Selector {
    current: Option<Source>,
    /// A picture stands that nothing live builds on.
    is_still: bool,
}

impl Selector {
    /// Decides about a packet of `source`. `can_start` is true where a decoder can begin: at the first packet of a
    /// key frame, and at every audio packet. `target` is the layer that should be forwarded.
    pub(crate) fn select(&mut self, source: Source, can_start: bool, target: Source) -> Choice {
        if self.current == Some(source) && !self.is_still {
            return Choice::Forward;
        }
        // Before the first key frame of a feeder any layer is better than none.
        let is_of_other_feed = self
            .current
            .is_none_or(|current| current.feed != source.feed);
        let is_wanted = source == target || (is_of_other_feed && source.feed == target.feed);
        if is_wanted && can_start {
            self.is_still = false;
            self.current = Some(source);
            return Choice::Switch;
        }
        Choice::Drop
    }

    /// The picture stands still: nothing is forwarded until a key frame of the target.
    pub(crate) fn hold(&mut self) {
        self.is_still = true;
    }

    /// Whether the picture stands.
    pub(crate) fn is_still(&self) -> bool {
        self.is_still
    }

    /// Whether a key frame of `target` is needed to get there.
    pub(crate) fn is_waiting(&self, target: Source) -> bool {
        self.is_still || self.current != Some(target)
    }

    /// The source being forwarded.
    pub(crate) fn current(&self) -> Option<Source> {
        self.current
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(feed: u64, layer: u8) -> Source {
        Source {
            feed,
            layer,
            epoch: 0,
        }
    }

    /// Packets of (feed, layer, can start) with the target at the time, and what is expected of each.
    fn run(steps: &[(u64, u8, bool, Source, Choice)]) {
        let mut selector = Selector::default();
        for (step, &(feed, layer, can_start, target, expected)) in steps.iter().enumerate() {
            assert_eq!(
                selector.select(source(feed, layer), can_start, target),
                expected,
                "step {step}"
            );
        }
    }

    #[test]
    fn nothing_before_a_key_frame() {
        let target = source(1, 0);
        run(&[
            (1, 0, false, target, Choice::Drop),
            (1, 0, true, target, Choice::Switch),
            (1, 0, false, target, Choice::Forward),
            (1, 0, true, target, Choice::Forward),
        ]);
    }

    #[test]
    fn any_layer_starts_the_picture_and_the_target_takes_over_at_its_key_frame() {
        let target = source(1, 2);
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
            (1, 2, true, source(1, 2), Choice::Switch),
            (1, 0, false, source(1, 0), Choice::Drop),
            (1, 2, false, source(1, 0), Choice::Forward),
            (1, 0, true, source(1, 0), Choice::Switch),
            (1, 2, false, source(1, 0), Choice::Drop),
        ]);
    }

    #[test]
    fn a_new_feeder_waits_for_its_own_key_frame() {
        run(&[
            (1, 0, true, source(1, 0), Choice::Switch),
            (2, 0, false, source(2, 0), Choice::Drop),
            (2, 0, true, source(2, 0), Choice::Switch),
            (2, 0, false, source(2, 0), Choice::Forward),
            (1, 0, true, source(2, 0), Choice::Drop),
        ]);
    }

    #[test]
    fn an_encoder_that_starts_anew_needs_a_key_frame() {
        let restarted = Source {
            epoch: 1,
            ..source(1, 0)
        };
        let mut selector = Selector::default();
        selector.select(source(1, 0), true, source(1, 0));
        assert_eq!(selector.select(restarted, false, restarted), Choice::Drop);
        assert_eq!(selector.select(restarted, true, restarted), Choice::Switch);
    }

    #[test]
    fn a_still_stands_until_a_key_frame_of_the_target() {
        let target = source(1, 0);
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
        assert!(selector.is_waiting(source(1, 0)));
        selector.select(source(1, 0), true, source(1, 1));
        assert!(selector.is_waiting(source(1, 1)));
        assert!(!selector.is_waiting(source(1, 0)));
        assert_eq!(selector.current(), Some(source(1, 0)));
    }
}
