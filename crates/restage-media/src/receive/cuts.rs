//! The rates of what an encoding can be cut to: the frames up to each of its spatial and temporal layers.

use std::time::Instant;

use restage_codec::FramePlace;

use crate::limits::{CUT_SILENCE_MAX, SPATIAL_LAYERS_MAX, TEMPORAL_LAYERS_MAX};
use crate::packet::{Cut, CutRate, Cuts};
use crate::receive::rate::Rate;

/// What is measured of an encoding's layers.
#[derive(Debug, Default)]
pub(crate) struct CutRates {
    /// `None` as long as there is only one layer of each kind.
    meters: Option<Box<Meters>>,
}

#[derive(Debug, Default)]
struct Meters {
    /// Of the frames up to each spatial layer, and of these up to each temporal layer.
    rates: [[Rate; TEMPORAL_LAYERS_MAX]; SPATIAL_LAYERS_MAX],
    /// How many rows are measured: up to the highest spatial layer that has come.
    rows: usize,
    spatial: Seen<SPATIAL_LAYERS_MAX>,
    temporal: Seen<TEMPORAL_LAYERS_MAX>,
    /// Frames have come that higher spatial layers do not use.
    leaves_out: bool,
}

/// When a frame of each layer came last.
#[derive(Debug)]
struct Seen<const COUNT: usize>([Option<Instant>; COUNT]);

impl<const COUNT: usize> Default for Seen<COUNT> {
    fn default() -> Self {
        Self([None; COUNT])
    }
}

impl<const COUNT: usize> Seen<COUNT> {
    /// The highest layer of which frames come: none of the others are older than a while, compared with the newest of all.
    fn highest(&self) -> usize {
        let newest = self.0.iter().max().copied().flatten();
        let is_there = |at: &Option<Instant>| {
            let until = at.map(|at| at + CUT_SILENCE_MAX);
            until
                .zip(newest)
                .is_some_and(|(until, newest)| newest < until)
        };
        self.0.iter().rposition(is_there).unwrap_or_default()
    }
}

impl CutRates {
    /// Counts a packet of this many bytes of payload.
    pub(crate) fn add(&mut self, now: Instant, frame: &FramePlace, bytes: usize, ends_frame: bool) {
        if (frame.spatial, frame.temporal) == (0, 0) && self.meters.is_none() {
            return;
        }
        let meters = self.meters.get_or_insert_default();
        let spatial = usize::from(frame.spatial).min(SPATIAL_LAYERS_MAX - 1);
        let temporal = usize::from(frame.temporal).min(TEMPORAL_LAYERS_MAX - 1);
        meters.spatial.0[spatial] = Some(now);
        meters.temporal.0[temporal] = Some(now);
        meters.rows = meters.rows.max(spatial + 1);
        meters.leaves_out |= frame.is_alone && frame.spatial + 1 < frame.layers;
        // Who is shown a higher layer is not sent a frame that is used by none.
        let of_frame = if frame.is_alone {
            1
        } else {
            SPATIAL_LAYERS_MAX
        };
        let rows = meters.rates.iter_mut().take(meters.rows).enumerate();
        for (of, row) in rows.skip(spatial).take(of_frame) {
            for rate in row.iter_mut().skip(temporal) {
                // Each picture is counted once, by its frame of the layer.
                rate.add(now, bytes, ends_frame && of == spatial);
            }
        }
    }

    /// Packets come again after a pause: see [`Rate::resume`].
    pub(crate) fn resume(&mut self) {
        let rates = self.meters.iter_mut().flat_map(|meters| &mut meters.rates);
        rates.flatten().for_each(Rate::resume);
    }

    /// The rate of all that is sent to somebody who is shown the highest spatial layer, where that is not everything.
    pub(crate) fn highest(&self) -> Option<&Rate> {
        let leaves_out = self.meters.as_ref().is_some_and(|meters| meters.leaves_out);
        leaves_out.then(|| self.spatial(self.spatial_layers() - 1))?
    }

    /// How many spatial layers come.
    pub(crate) fn spatial_layers(&self) -> usize {
        let meters = self.meters.as_ref();
        1 + meters.map_or(0, |meters| meters.spatial.highest())
    }

    /// The rate of the frames up to a spatial layer.
    pub(crate) fn spatial(&self, layer: usize) -> Option<&Rate> {
        let row = self.meters.as_ref()?.rates.get(layer)?;
        row.last().filter(|rate| rate.is_measured())
    }

    /// What these frames up to a spatial layer can be cut to, as far as that is measured. `whole` is all of them.
    pub(crate) fn cuts(&self, layer: usize, whole: Cut) -> Cuts {
        let mut cuts = Cuts::default();
        let Some(meters) = &self.meters else {
            return cuts;
        };
        let row = meters.rates.get(layer).into_iter().flatten();
        let measured = (0..).zip(row).take(meters.temporal.highest());
        for (cut, (temporal, rate)) in cuts.iter_mut().zip(measured) {
            *cut = rate.is_measured().then(|| CutRate {
                cut: whole.up_to(temporal),
                wire_bits_per_s: rate.wire_bits_per_s(),
                peak_bits_per_s: rate.peak_bits_per_s(),
                least_bits_per_s: rate.least_bits_per_s(),
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
    fn feed(rates: &mut CutRates, from: Instant, frames: u64, turn: &[(u8, usize)]) -> Instant {
        for (frame, (temporal, bytes)) in (0..frames).zip(turn.iter().cycle()) {
            let now = from + Duration::from_micros(frame * 31_250);
            let frame = FramePlace {
                temporal: *temporal,
                ..FramePlace::default()
            };
            rates.add(now, &frame, *bytes, true);
        }
        from + Duration::from_micros(frames * 31_250)
    }

    const THREE: [(u8, usize); 4] = [(0, 1_600), (2, 400), (1, 800), (2, 400)];

    fn about(value: u64, expected: u64) -> bool {
        value.abs_diff(expected) <= expected / 20
    }

    #[test]
    fn each_cut_has_the_rate_of_its_temporal_layer_and_those_below() {
        let mut rates = CutRates::default();
        feed(&mut rates, epoch(), 320, &THREE);
        let cuts = rates.cuts(0, Cut::WHOLE);
        let [Some(base), Some(half), None] = cuts else {
            panic!("{cuts:?}");
        };
        assert_eq!(
            (base.cut, half.cut),
            (Cut::WHOLE.up_to(0), Cut::WHOLE.up_to(1))
        );
        let wire = |bytes: u64, packets: u64| (bytes + packets * 40) * 8;
        assert!(about(base.wire_bits_per_s, wire(8 * 1_600, 8)), "{base:?}");
        assert!(about(half.wire_bits_per_s, wire(8 * 2_400, 16)), "{half:?}");
        assert!(base.peak_bits_per_s >= base.wire_bits_per_s);
        assert_eq!((base.frames_per_s, half.frames_per_s), (8, 16));
    }

    #[test]
    fn without_temporal_layers_there_are_no_cuts_and_nothing_is_kept() {
        let mut rates = CutRates::default();
        feed(&mut rates, epoch(), 100, &[(0, 1_000)]);
        assert!(rates.meters.is_none());
        assert_eq!(rates.cuts(0, Cut::WHOLE), Cuts::default());
    }

    #[test]
    fn temporal_layers_that_end_are_forgotten_and_those_of_a_paused_layer_are_not() {
        let mut rates = CutRates::default();
        let now = feed(&mut rates, epoch(), 100, &THREE);
        let now = now + Duration::from_secs(20);
        rates.resume();
        assert!(
            rates.cuts(0, Cut::WHOLE)[1].is_some(),
            "nothing has come since"
        );
        let now = feed(&mut rates, now, 16, &THREE);
        let now = feed(&mut rates, now, 64, &[(0, 1_000), (1, 1_000)]);
        let cuts = rates.cuts(0, Cut::WHOLE);
        assert!(cuts[0].is_some() && cuts[1].is_none(), "{cuts:?}");
        feed(&mut rates, now, 70, &[(0, 1_000)]);
        assert_eq!(rates.cuts(0, Cut::WHOLE), Cuts::default());
    }

    #[test]
    fn more_temporal_layers_than_are_measured_count_to_the_last() {
        let mut rates = CutRates::default();
        feed(
            &mut rates,
            epoch(),
            100,
            &[(0, 900), (7, 100), (255, 100), (1, 500)],
        );
        assert!(rates.cuts(0, Cut::WHOLE).iter().all(Option::is_some));
    }

    #[test]
    fn each_spatial_layer_has_the_rate_of_its_frames_and_of_those_below() {
        let mut rates = CutRates::default();
        assert_eq!(rates.spatial_layers(), 1);
        for picture in 0..320_u64 {
            let now = epoch() + Duration::from_micros(picture * 31_250);
            for (spatial, bytes) in [(0, 500), (1, 1_500)] {
                let frame = FramePlace {
                    spatial,
                    temporal: (picture % 2) as u8,
                    ..FramePlace::default()
                };
                rates.add(now, &frame, bytes, true);
            }
        }
        assert_eq!(rates.spatial_layers(), 2);
        assert!(rates.highest().is_none(), "all of it is sent");
        let wire = |layer| rates.spatial(layer).unwrap().wire_bits_per_s();
        assert!(about(wire(0), 32 * 540 * 8) && about(wire(1), 32 * 2_080 * 8));
        let lower = Cut {
            spatial: 0,
            ..Cut::WHOLE
        };
        let [Some(half), None, None] = rates.cuts(0, lower) else {
            panic!("{:?}", rates.cuts(0, lower));
        };
        assert_eq!((half.cut, half.frames_per_s), (Cut::BASE, 16));
        assert!(about(half.wire_bits_per_s, 16 * 540 * 8), "{half:?}");
    }
}
