//! The rates of what a layer can be cut to: the frames up to each of its temporal layers.

use std::time::Instant;

use crate::limits::{TEMPORAL_LAYER_SILENCE_MAX, TEMPORAL_LAYERS_MAX};
use crate::packet::{Cut, CutRate, Cuts};
use crate::receive::rate::Rate;

/// What is measured of a layer's temporal layers.
#[derive(Debug, Default)]
pub(crate) struct TemporalRates {
    /// `None` as long as there is only one.
    meters: Option<Box<Meters>>,
}

#[derive(Debug, Default)]
struct Meters {
    /// Of the frames up to each temporal layer but the last, which are all frames.
    rates: [Rate; TEMPORAL_LAYERS_MAX - 1],
    /// When a frame of each temporal layer came last.
    seen_at: [Option<Instant>; TEMPORAL_LAYERS_MAX],
}

impl TemporalRates {
    /// Counts a packet of this many bytes of payload.
    pub(crate) fn add(&mut self, now: Instant, temporal: u8, bytes: usize, ends_frame: bool) {
        if temporal == 0 && self.meters.is_none() {
            return;
        }
        let meters = self.meters.get_or_insert_default();
        let temporal = usize::from(temporal).min(TEMPORAL_LAYERS_MAX - 1);
        meters.seen_at[temporal] = Some(now);
        for rate in meters.rates.iter_mut().skip(temporal) {
            rate.add(now, bytes, ends_frame);
        }
    }

    /// Packets come again after a pause: see [`Rate::resume`].
    pub(crate) fn resume(&mut self) {
        let rates = self.meters.iter_mut().flat_map(|meters| &mut meters.rates);
        rates.for_each(Rate::resume);
    }

    /// What the layer can be cut to, as far as that is measured.
    pub(crate) fn cuts(&self) -> Cuts {
        let mut cuts = Cuts::default();
        let Some(meters) = &self.meters else {
            return cuts;
        };
        let newest = meters.seen_at.iter().max().copied().flatten();
        let is_there = |at: &Option<Instant>| {
            let until = at.map(|at| at + TEMPORAL_LAYER_SILENCE_MAX);
            until
                .zip(newest)
                .is_some_and(|(until, newest)| newest < until)
        };
        let highest = meters
            .seen_at
            .iter()
            .rposition(is_there)
            .unwrap_or_default();
        let measured = (0..).zip(&meters.rates).take(highest);
        for (cut, (temporal, rate)) in cuts.iter_mut().zip(measured) {
            *cut = rate.is_measured().then(|| CutRate {
                cut: Cut::up_to(temporal),
                wire_bits_per_s: rate.wire_bits_per_s(),
                peak_bits_per_s: rate.peak_bits_per_s(),
                frames_per_s: rate.frames_per_s(),
            });
        }
        cuts
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::util::test::epoch;

    /// Frames of one packet, 32 a second, with these temporal layers and bytes in turn.
    fn feed(
        rates: &mut TemporalRates,
        from: Instant,
        frames: u64,
        turn: &[(u8, usize)],
    ) -> Instant {
        for (frame, (temporal, bytes)) in (0..frames).zip(turn.iter().cycle()) {
            let now = from + Duration::from_micros(frame * 31_250);
            rates.add(now, *temporal, *bytes, true);
        }
        from + Duration::from_micros(frames * 31_250)
    }

    const THREE: [(u8, usize); 4] = [(0, 1_600), (2, 400), (1, 800), (2, 400)];

    fn about(value: u64, expected: u64) -> bool {
        value.abs_diff(expected) <= expected / 20
    }

    #[test]
    fn each_cut_has_the_rate_of_its_temporal_layer_and_those_below() {
        let mut rates = TemporalRates::default();
        feed(&mut rates, epoch(), 320, &THREE);
        let cuts = rates.cuts();
        let [Some(base), Some(half), None] = cuts else {
            panic!("{cuts:?}");
        };
        assert_eq!((base.cut, half.cut), (Cut::BASE, Cut::up_to(1)));
        let wire = |bytes: u64, packets: u64| (bytes + packets * 40) * 8;
        assert!(about(base.wire_bits_per_s, wire(8 * 1_600, 8)), "{base:?}");
        assert!(about(half.wire_bits_per_s, wire(8 * 2_400, 16)), "{half:?}");
        assert!(base.peak_bits_per_s >= base.wire_bits_per_s);
        assert_eq!((base.frames_per_s, half.frames_per_s), (8, 16));
    }

    #[test]
    fn without_temporal_layers_there_are_no_cuts_and_nothing_is_kept() {
        let mut rates = TemporalRates::default();
        feed(&mut rates, epoch(), 100, &[(0, 1_000)]);
        assert!(rates.meters.is_none());
        assert_eq!(rates.cuts(), Cuts::default());
    }

    #[test]
    fn temporal_layers_that_end_are_forgotten_and_those_of_a_paused_layer_are_not() {
        let mut rates = TemporalRates::default();
        let now = feed(&mut rates, epoch(), 100, &THREE);
        let now = now + Duration::from_secs(20);
        rates.resume();
        assert!(rates.cuts()[1].is_some(), "nothing has come since");
        let now = feed(&mut rates, now, 16, &THREE);
        let now = feed(&mut rates, now, 64, &[(0, 1_000), (1, 1_000)]);
        let cuts = rates.cuts();
        assert!(cuts[0].is_some() && cuts[1].is_none(), "{cuts:?}");
        feed(&mut rates, now, 70, &[(0, 1_000)]);
        assert_eq!(rates.cuts(), Cuts::default());
    }

    #[test]
    fn more_temporal_layers_than_are_measured_count_to_the_last() {
        let mut rates = TemporalRates::default();
        feed(
            &mut rates,
            epoch(),
            100,
            &[(0, 900), (7, 100), (255, 100), (1, 500)],
        );
        assert!(rates.cuts().iter().all(Option::is_some));
    }
}
