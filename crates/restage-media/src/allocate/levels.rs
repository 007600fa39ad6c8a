//! What a flow can be shown, in the order in which viewers give it up: first some of the frames, then the size of the picture.
//!
//! A layer with temporal layers can be cut to fewer frames (see [`Cut`]). Cutting the largest layer of three by its highest temporal layer
//! leaves about 60 % of its rate and half of its frames; the next smaller layer has about 40 % of its rate. So between two layers there
//! is one more level, with the larger picture at half of the frames. It is left out where it takes as much as the smaller layer does with all frames,
//! and where fewer than [`CUT_FRAMES_PER_S_MIN`] frames a second remain: then the smaller picture is better. Below the smallest layer there is no
//! picture at all, so it is cut as far as it can be.

use crate::limits::{CUT_FRAMES_PER_S_MIN, CUT_SAVES_PERCENT_MIN, LAYERS_MAX, TEMPORAL_LAYERS_MAX};
use crate::packet::{Cut, CutRate, Encoding, Ladder, Rung};

/// Most levels of a flow.
pub(super) const LEVELS_MAX: usize = LAYERS_MAX * TEMPORAL_LAYERS_MAX;

/// What a flow is shown: a layer, or a part of its frames. Rates are in bits per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Level {
    pub(super) encoding: Encoding,
    pub(super) cut: Cut,
    /// Its layer's place on the ladder.
    pub(super) place: usize,
    pub(super) wire_bits_per_s: u64,
    pub(super) peak_bits_per_s: u64,
    pub(super) least_bits_per_s: u64,
}

impl Level {
    pub(super) fn is_whole(&self) -> bool {
        self.cut.has_all_frames()
    }

    /// Whether both are of one layer. An encoder that starts anew is the same layer.
    pub(super) fn is_of_layer(&self, other: &Self) -> bool {
        self.encoding.is_layer_of(other.encoding) && self.cut.spatial == other.cut.spatial
    }
}

/// Sets the levels of a ladder, the smallest first. The one that is `shown` stays as long as there is such a cut, whatever its rate: rates
/// vary, and a level that comes and goes would make the picture change.
pub(super) fn set(levels: &mut Vec<Level>, ladder: &Ladder, shown: Option<&Level>) {
    levels.clear();
    for (place, rung) in ladder.iter().take(LAYERS_MAX).enumerate() {
        let below = place.checked_sub(1).map(|place| &ladder[place]);
        let whole = Level {
            encoding: rung.encoding,
            cut: rung.cut,
            place,
            wire_bits_per_s: rung.wire_bits_per_s,
            peak_bits_per_s: rung.peak_bits_per_s,
            least_bits_per_s: rung.least_bits_per_s,
        };
        for part in rung.cuts.iter().flatten() {
            let level = Level {
                cut: part.cut,
                wire_bits_per_s: part.wire_bits_per_s,
                peak_bits_per_s: part.peak_bits_per_s,
                least_bits_per_s: part.least_bits_per_s,
                ..whole
            };
            let is_shown = |shown: &Level| shown.cut == level.cut && shown.is_of_layer(&level);
            if shown.is_some_and(is_shown) || is_useful(part, rung, below) {
                levels.push(level);
            }
        }
        levels.push(whole);
    }
}

/// Whether a cut of a layer is worth showing. `below` is the next smaller layer.
fn is_useful(cut: &CutRate, of: &Rung, below: Option<&Rung>) -> bool {
    let most = of.wire_bits_per_s / 100 * (100 - CUT_SAVES_PERCENT_MIN);
    let is_better_than = |below: &Rung| {
        cut.wire_bits_per_s > below.wire_bits_per_s && cut.frames_per_s >= CUT_FRAMES_PER_S_MIN
    };
    cut.wire_bits_per_s <= most && below.is_none_or(is_better_than)
}

/// How many levels there are up to the next whole layer above `level`.
pub(super) fn next_whole(levels: &[Level], level: usize) -> usize {
    let above = levels.iter().skip(level).position(Level::is_whole);
    above.map_or(levels.len(), |above| level + above + 1)
}

/// For each layer, how many levels there are up to the whole of it.
pub(super) fn ends(levels: &[Level]) -> [usize; LAYERS_MAX] {
    let mut ends = [levels.len(); LAYERS_MAX];
    let wholes = (1..).zip(levels).filter(|(_, level)| level.is_whole());
    for (end, (count, _)) in ends.iter_mut().zip(wholes) {
        *end = count;
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Cuts;

    /// Layers of these rates. Each has three temporal layers of 40, 60 and 100 % of the rate, at this many frames.
    fn ladder(rates: &[u64], frames: u64) -> Vec<Rung> {
        let rung = |(layer, rate): (u8, &u64)| {
            let cut = |temporal, percent, frames_per_s| {
                Some(CutRate {
                    cut: Cut::WHOLE.up_to(temporal),
                    wire_bits_per_s: rate * percent / 100,
                    peak_bits_per_s: rate * percent / 100,
                    least_bits_per_s: rate * percent / 100,
                    frames_per_s,
                })
            };
            let cuts: Cuts = [cut(0, 40, frames / 4), cut(1, 60, frames / 2), None];
            Rung {
                encoding: Encoding {
                    feed: 1,
                    layer,
                    epoch: 0,
                },
                cut: Cut::WHOLE,
                rid: None,
                size: None,
                bits_per_s: *rate,
                wire_bits_per_s: *rate,
                peak_bits_per_s: *rate,
                least_bits_per_s: *rate,
                frames_per_s: frames,
                cuts,
            }
        };
        (0..).zip(rates).map(rung).collect()
    }

    fn rates(ladder: &Ladder, shown: Option<&Level>) -> Vec<u64> {
        let mut levels = Vec::new();
        set(&mut levels, ladder, shown);
        levels.iter().map(|level| level.wire_bits_per_s).collect()
    }

    #[test]
    fn frames_are_given_up_before_the_size_and_not_too_many_of_them() {
        for (name, rates_of, frames, expected) in [
            ("one", &[1_000][..], 30, vec![400, 600, 1_000]),
            (
                "one that is slow is cut all the same",
                &[1_000],
                5,
                vec![400, 600, 1_000],
            ),
            (
                "three: the half of the frames is a level",
                &[200, 700, 1_700],
                30,
                vec![80, 120, 200, 420, 700, 1_020, 1_700],
            ),
            (
                "at 60 frames a quarter moves, too, but takes less than the smaller layer",
                &[200, 700, 1_700],
                60,
                vec![80, 120, 200, 280, 420, 700, 1_020, 1_700],
            ),
            (
                "half of a few frames is not enough",
                &[200, 700],
                18,
                vec![80, 120, 200, 700],
            ),
            (
                "layers of like rates",
                &[600, 900],
                30,
                vec![240, 360, 600, 900],
            ),
        ] {
            assert_eq!(rates(&ladder(rates_of, frames), None), expected, "{name}");
        }
    }

    #[test]
    fn a_layer_without_temporal_layers_is_one_level() {
        let mut ladder = ladder(&[200, 700], 30);
        for rung in &mut ladder {
            rung.cuts = Cuts::default();
        }
        assert_eq!(rates(&ladder, None), [200, 700]);
        assert_eq!(rates(&[], None), [0; 0]);
    }

    #[test]
    fn a_cut_that_saves_nothing_is_no_level() {
        let mut ladder = ladder(&[1_000], 30);
        ladder[0].cuts[1].as_mut().unwrap().wire_bits_per_s = 950;
        assert_eq!(rates(&ladder, None), [400, 1_000]);
    }

    #[test]
    fn what_is_shown_stays_a_level_while_rates_vary() {
        let before = ladder(&[600, 1_100], 30);
        let mut levels = Vec::new();
        set(&mut levels, &before, None);
        let shown = levels[3];
        assert_eq!(
            (shown.cut, shown.wire_bits_per_s),
            (Cut::WHOLE.up_to(1), 660)
        );
        let mut after = ladder(&[700, 1_100], 30);
        assert_eq!(rates(&after, None), [280, 420, 700, 1_100]);
        let expected = [280, 420, 700, 660, 1_100];
        assert_eq!(rates(&after, Some(&shown)), expected);
        after[1].cuts = Cuts::default();
        assert_eq!(
            rates(&after, Some(&shown)),
            [280, 420, 700, 1_100],
            "it is gone"
        );
    }

    #[test]
    fn a_step_up_leads_at_most_to_the_whole_of_the_next_layer() {
        let mut levels = Vec::new();
        set(&mut levels, &ladder(&[200, 700, 1_700], 30), None);
        let next: Vec<usize> = (0..=7).map(|level| next_whole(&levels, level)).collect();
        assert_eq!(next, [3, 3, 3, 5, 5, 7, 7, 7]);
        assert_eq!(ends(&levels), [3, 5, 7, 7]);
    }
}
