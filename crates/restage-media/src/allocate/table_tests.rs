//! Tests of what the flows of a receiver are allotted over time.

use std::time::Duration;

use restage_codec::PictureSize;

#[path = "table_cut_tests.rs"]
mod cuts;

use super::*;
use crate::allocate::wish::{PreferredLayer, Priority};
use crate::packet::{Cuts, Rung};
use crate::util::test::epoch;

const KBIT: u64 = 1_000;
const AUDIO: u64 = 40 * KBIT;

/// Layers of these rates in kbit/s, smallest first. Their heights are 180, 360, 720.
fn layers(feed: u64, rates: &[u64]) -> Vec<Rung> {
    (0..)
        .zip(rates)
        .map(|(layer, kbit)| Rung {
            encoding: Encoding {
                feed,
                layer,
                epoch: 0,
            },
            cut: Cut::WHOLE,
            rid: None,
            size: Some(PictureSize {
                width: 320 << layer,
                height: 180 << layer,
            }),
            bits_per_s: kbit * KBIT,
            wire_bits_per_s: kbit * KBIT,
            peak_bits_per_s: kbit * KBIT,
            least_bits_per_s: kbit * KBIT,
            frames_per_s: 30,
            cuts: Cuts::default(),
        })
        .collect()
}

/// One flow as its peer sees it.
struct Flow {
    ladder: Vec<Rung>,
    wish: Wish,
    has_estimate: bool,
    /// What its network carries, if its rate is not coupled with those of the others.
    kbit: u64,
    got: Allotment,
}

/// A receiver whose flows take their turns every 100 ms.
struct Rig {
    table: Table,
    flows: Vec<Flow>,
    /// What the network carries.
    kbit: u64,
    is_overused: bool,
    is_jammed: bool,
    is_clear: bool,
    epoch: Instant,
    ms: u64,
}

impl Rig {
    fn new(kbit: u64) -> Self {
        Self {
            table: Table::default(),
            flows: Vec::new(),
            kbit,
            is_overused: false,
            is_jammed: false,
            is_clear: false,
            epoch: epoch(),
            ms: 0,
        }
    }

    /// A receiver of one publication with layers of these rates.
    fn of(kbit: u64, rates: &[u64]) -> Self {
        let mut rig = Self::new(kbit);
        rig.add(rates, Wish::default());
        rig
    }

    fn add(&mut self, rates: &[u64], wish: Wish) -> usize {
        self.flows.push(Flow {
            ladder: layers(self.flows.len() as u64, rates),
            wish,
            has_estimate: true,
            kbit: 0,
            got: Allotment {
                pictures: Allotted::Any,
                desired_bits_per_s: 0,
                reserved_bits_per_s: 0,
                wanted: 0,
            },
        });
        self.flows.len() - 1
    }

    fn turn(&mut self) {
        let now = self.epoch + Duration::from_millis(self.ms);
        for (number, flow) in (1..).zip(&mut self.flows) {
            let estimate = Estimate {
                bits_per_s: flow.kbit * KBIT,
                is_coupled: flow.kbit == 0,
                is_tried: false,
                is_overused: self.is_overused,
                is_jammed: self.is_jammed,
                is_clear: self.is_clear,
            };
            let news = News {
                estimate: flow.has_estimate.then_some(estimate),
                audio: AUDIO,
                ladder: &flow.ladder,
                wish: &flow.wish,
            };
            flow.got = self.table.turn(now, number, &news, self.kbit * KBIT);
        }
        self.ms += 100;
    }

    fn run(&mut self, ms: u64) -> &mut Self {
        let until = self.ms + ms;
        while self.ms < until {
            self.turn();
        }
        self
    }

    /// What a flow is shown: the height of the largest layer it may be sent.
    fn height(&self, flow: usize) -> Option<u32> {
        let flow = &self.flows[flow];
        let rung = match flow.got.pictures {
            Allotted::Any => flow.ladder.last(),
            Allotted::UpTo(encoding, cut) => {
                (flow.ladder.iter()).find(|rung| rung.is_of(encoding, cut))
            }
            Allotted::Paused | Allotted::Unwanted => None,
        };
        rung.and_then(|rung| rung.size).map(|size| size.height)
    }

    /// Runs until a flow is shown this, and returns after how many milliseconds.
    fn until(&mut self, flow: usize, height: Option<u32>) -> u64 {
        let begun = self.ms;
        loop {
            self.turn();
            if self.height(flow) == height {
                return self.ms - begun - 100;
            }
            assert!(self.ms < begun + 200_000, "{:?}", self.height(flow));
        }
    }
}

const THREE: [u64; 3] = [200, 700, 1_700];
/// What the second and the third layer need at least with the sound, so that a step up to them is taken.
const NEEDS: [u64; 2] = [890, 2_100];

#[test]
fn a_newcomer_begins_with_the_lowest_layer_and_climbs_one_by_one() {
    let mut rig = Rig::of(5_000, &THREE);
    rig.turn();
    assert_eq!(rig.height(0), Some(180));
    assert_eq!(rig.until(0, Some(360)), 900);
    assert_eq!(rig.until(0, Some(720)), 1_000);
}

#[test]
fn what_is_shown_is_what_the_network_carries() {
    for (name, kbit, height) in [
        ("nothing at all", 0, None),
        ("less than the smallest", 180, None),
        ("sound and most of the smallest", 250, Some(180)),
        ("not quite the next", NEEDS[0] - 1, Some(180)),
        ("the next", NEEDS[0], Some(360)),
        ("not quite the largest", NEEDS[1] - 1, Some(360)),
        ("the largest", NEEDS[1], Some(720)),
    ] {
        let mut rig = Rig::of(kbit, &THREE);
        rig.run(20_000);
        assert_eq!(rig.height(0), height, "{name}");
    }
}

#[test]
fn a_layer_that_fits_is_kept_with_less_than_a_step_up_takes() {
    let mut rig = Rig::of(5_000, &THREE);
    rig.run(10_000);
    rig.kbit = (1_700 + 40) * 100 / 95 + 1;
    rig.run(10_000);
    assert_eq!(rig.height(0), Some(720));
    rig.kbit = (1_700 + 40) * 100 / 95 - 10;
    rig.turn();
    assert_eq!(rig.height(0), Some(360), "at once");
    rig.kbit = 5_000;
    assert_eq!(rig.until(0, Some(720)), 2_900, "and back after 3 s");
}

#[test]
fn a_step_that_fails_is_tried_again_after_longer_and_longer() {
    let mut rig = Rig::of(NEEDS[0], &[200, 700]);
    rig.until(0, Some(360));
    let mut waits = Vec::new();
    for _ in 0..4 {
        rig.kbit = 600;
        rig.turn();
        assert_eq!(rig.height(0), Some(180));
        rig.kbit = NEEDS[0];
        waits.push(rig.until(0, Some(360)) / 100);
    }
    assert_eq!(waits, [44, 67, 101, 151]);
}

#[test]
fn overload_holds_up_every_step_and_takes_back_one_that_is_on_trial() {
    let mut rig = Rig::of(5_000, &[200, 700]);
    rig.is_overused = true;
    rig.run(10_000);
    assert_eq!(rig.height(0), Some(180));
    rig.is_overused = false;
    rig.until(0, Some(360));
    rig.flows[0].ladder[1].peak_bits_per_s = 1_200 * KBIT;
    rig.kbit = 1_000;
    rig.run(500);
    assert_eq!(rig.height(0), Some(360), "the average fits");
    rig.is_overused = true;
    rig.turn();
    assert_eq!(rig.height(0), Some(180), "what it takes at most does not");
}

#[test]
fn a_single_layer_that_does_not_fit_is_paused_and_comes_back() {
    let mut rig = Rig::of(2_000, &[1_400]);
    rig.run(5_000);
    assert_eq!(rig.height(0), Some(180));
    assert_eq!(
        rig.flows[0].got.pictures,
        Allotted::Any,
        "nothing to choose"
    );
    rig.kbit = 500;
    assert_eq!(rig.until(0, None), 1_000);
    assert_eq!(rig.flows[0].got.pictures, Allotted::Paused);
    assert!(
        rig.flows[0].got.desired_bits_per_s > 1_500 * KBIT,
        "so that probes find out when it fits again"
    );
    rig.run(60_000);
    assert_eq!(rig.height(0), None);
    rig.kbit = 1_700;
    assert_eq!(rig.until(0, Some(180)), 1_000);
}

#[test]
fn without_an_estimate_everybody_gets_what_is_wished() {
    let mut rig = Rig::of(0, &THREE);
    rig.flows[0].has_estimate = false;
    rig.turn();
    assert_eq!(rig.flows[0].got.pictures, Allotted::Any);
    rig.flows[0].wish.height_max = Some(360);
    rig.turn();
    assert_eq!(rig.height(0), Some(360));
    rig.flows[0].wish.is_paused = true;
    rig.turn();
    assert_eq!(rig.flows[0].got.pictures, Allotted::Unwanted);
}

#[test]
fn an_estimate_that_is_lost_or_comes_later_changes_the_rules() {
    let mut rig = Rig::of(300, &THREE);
    rig.flows[0].has_estimate = false;
    rig.turn();
    assert_eq!(rig.height(0), Some(720));
    rig.flows[0].has_estimate = true;
    rig.turn();
    assert_eq!(rig.height(0), Some(180));
    rig.flows[0].has_estimate = false;
    rig.turn();
    assert_eq!(rig.height(0), Some(720));
}

#[test]
fn the_highest_layer_first_is_left_for_a_moment_unless_the_network_objects() {
    let highest = || Wish {
        first: Some(FirstLayer::Highest),
        ..Wish::default()
    };
    let mut rig = Rig::new(300);
    rig.add(&THREE, highest());
    rig.run(3_000);
    assert_eq!(rig.height(0), Some(720));
    assert_eq!(rig.until(0, Some(180)), 0, "it was never proven");
    let mut rig = Rig::new(300);
    rig.add(&THREE, highest());
    rig.run(500);
    rig.is_overused = true;
    rig.turn();
    assert_eq!(rig.height(0), Some(180));
    let mut rig = Rig::new(300);
    rig.add(&THREE, highest());
    rig.run(1_000);
    rig.kbit = 2_500;
    rig.run(20_000);
    assert_eq!(rig.height(0), Some(720));
}

#[test]
fn pictures_are_not_paused_before_the_network_could_prove_itself_unless_it_objects() {
    let mut rig = Rig::of(300, &[2_500]);
    rig.run(4_900);
    assert_eq!(rig.height(0), Some(180));
    rig.run(300);
    assert_eq!(rig.height(0), None);
    let mut rig = Rig::of(300, &[2_500]);
    rig.run(500);
    rig.is_overused = true;
    rig.turn();
    rig.is_overused = false;
    assert_eq!(rig.until(0, None), 400, "a second after the beginning");
    let mut rig = Rig::of(300, &[2_500]);
    rig.run(3_000);
    rig.kbit = 4_000;
    rig.run(30_000);
    assert_eq!(rig.height(0), Some(180));
}

#[test]
fn estimates_that_are_not_coupled_are_added() {
    let mut rig = Rig::new(NEEDS[0]);
    rig.add(&[200, 700], Wish::default());
    rig.add(&[200, 700], Wish::default());
    rig.flows[1].kbit = NEEDS[0];
    rig.run(10_000);
    assert_eq!((rig.height(0), rig.height(1)), (Some(360), Some(360)));
    rig.flows[1].kbit = 100;
    rig.run(1_000);
    assert_eq!((rig.height(0), rig.height(1)), (Some(180), Some(180)));
}

#[test]
fn a_wish_lowers_at_once_and_raises_when_there_is_room() {
    let mut rig = Rig::of(5_000, &THREE);
    rig.run(10_000);
    rig.flows[0].wish.preferred = PreferredLayer::named("low");
    rig.turn();
    assert_eq!(rig.height(0), Some(180));
    rig.flows[0].wish.preferred = PreferredLayer::named("mid");
    assert_eq!(rig.until(0, Some(360)), 1_000);
    rig.run(10_000);
    assert_eq!(rig.height(0), Some(360));
    rig.flows[0].wish.is_paused = true;
    rig.turn();
    assert_eq!(rig.flows[0].got.pictures, Allotted::Unwanted);
    rig.flows[0].wish.is_paused = false;
    rig.turn();
    assert_eq!(rig.height(0), Some(180), "they come back at once");
    rig.flows[0].wish.is_audio_only = true;
    rig.turn();
    assert_eq!(rig.height(0), None);
    let sound = AUDIO * 100 / 95;
    assert_eq!(rig.flows[0].got.desired_bits_per_s, sound);
}

#[test]
fn what_one_does_not_want_goes_to_the_others() {
    let mut rig = Rig::new(1_700);
    let one = rig.add(&THREE, Wish::default());
    let other = rig.add(&THREE, Wish::default());
    rig.run(30_000);
    let mut heights = [rig.height(one), rig.height(other)];
    heights.sort_unstable();
    assert_eq!(heights, [Some(360), Some(360)]);
    rig.flows[one].wish.is_audio_only = true;
    rig.kbit = 2_300;
    rig.run(10_000);
    assert_eq!(rig.height(other), Some(720));
}

#[test]
fn the_first_in_priority_is_raised_first_and_another_gives_way() {
    let mut rig = Rig::new(1_600);
    for _ in 0..4 {
        rig.add(&THREE, Wish::default());
    }
    rig.run(30_000);
    let shown = |rig: &Rig| -> Vec<_> { (0..4).map(|flow| rig.height(flow).unwrap()).collect() };
    assert_eq!(shown(&rig), [360, 180, 180, 180]);
    rig.flows[3].wish.priority = Priority::new(10).unwrap();
    assert_eq!(rig.until(3, Some(360)), 1_000);
    rig.turn();
    assert_eq!(shown(&rig), [180, 180, 180, 360]);
    rig.run(30_000);
    assert_eq!(shown(&rig), [180, 180, 180, 360]);
}

#[test]
fn of_those_that_do_not_all_fit_the_last_in_priority_are_paused() {
    let mut rig = Rig::new(5_000);
    for priority in [1, 9, 5] {
        let priority = Priority::new(priority).unwrap();
        rig.add(
            &[400],
            Wish {
                priority,
                ..Wish::default()
            },
        );
    }
    rig.run(5_000);
    rig.kbit = 1_000;
    rig.run(5_000);
    let shown: Vec<bool> = (0..3).map(|flow| rig.height(flow).is_some()).collect();
    assert_eq!(shown, [false, true, true]);
    rig.kbit = 520;
    rig.run(5_000);
    let shown: Vec<bool> = (0..3).map(|flow| rig.height(flow).is_some()).collect();
    assert_eq!(shown, [false, true, false]);
    rig.kbit = 5_000;
    rig.run(10_000);
    assert!((0..3).all(|flow| rig.height(flow).is_some()));
}

#[test]
fn layers_that_come_and_go_are_followed() {
    let mut rig = Rig::of(5_000, &THREE);
    rig.run(10_000);
    assert_eq!(rig.height(0), Some(720));
    let all = rig.flows[0].ladder.clone();
    // The largest stops.
    rig.flows[0].ladder = all[..2].to_vec();
    rig.turn();
    assert_eq!(rig.height(0), Some(360));
    // It comes back.
    rig.flows[0].ladder = all.clone();
    rig.turn();
    assert_eq!(rig.height(0), Some(360), "it has to prove itself");
    rig.until(0, Some(720));
    // The one in the middle stops, and comes back: nothing changes.
    rig.flows[0].ladder = vec![all[0], all[2]];
    rig.run(1_000);
    assert_eq!(rig.height(0), Some(720));
    rig.flows[0].ladder = all.clone();
    rig.run(1_000);
    assert_eq!(rig.height(0), Some(720));
    // The smallest stops while it is shown.
    rig.kbit = 300;
    rig.run(1_000);
    assert_eq!(rig.height(0), Some(180));
    rig.flows[0].ladder = all[1..].to_vec();
    rig.turn();
    assert_eq!(rig.height(0), Some(360), "the smallest that there is");
    assert_eq!(rig.until(0, None), 1_900);
}

#[test]
fn another_feed_begins_anew() {
    let mut rig = Rig::of(5_000, &THREE);
    rig.run(10_000);
    rig.flows[0].ladder = layers(77, &THREE);
    rig.turn();
    assert_eq!(rig.height(0), Some(180));
    rig.run(10_000);
    assert_eq!(rig.height(0), Some(720));
    rig.flows[0].ladder.clear();
    rig.run(1_000);
    assert_eq!(
        rig.flows[0].got.pictures,
        Allotted::Any,
        "there is nothing to choose"
    );
}

#[test]
fn the_table_is_bounded_and_forgets_who_leaves() {
    let mut rig = Rig::new(200);
    for _ in 0..FLOWS_MAX + 2 {
        rig.add(&[400], Wish::default());
    }
    rig.run(7_000);
    assert_eq!(rig.table.rows.len(), FLOWS_MAX);
    assert_eq!(rig.height(0), None);
    assert_eq!(
        rig.height(FLOWS_MAX + 1),
        Some(180),
        "as if nothing were known"
    );
    for number in 1..=FLOWS_MAX as u64 {
        rig.table.leave(number);
    }
    assert!(rig.table.rows.is_empty());
}

#[test]
fn what_is_desired_is_the_next_step_and_not_what_has_failed() {
    let mut rig = Rig::of(NEEDS[0], &[200, 700]);
    rig.turn();
    let next = (700 * 115 / 100 + 40) * KBIT * 100 / 95;
    assert_eq!(rig.flows[0].got.desired_bits_per_s, next);
    rig.until(0, Some(360));
    let present = (700 + 40) * KBIT * 100 / 95;
    assert_eq!(rig.flows[0].got.desired_bits_per_s, present);
    for _ in 0..4 {
        rig.kbit = 600;
        rig.turn();
        rig.kbit = NEEDS[0];
        rig.until(0, Some(360));
    }
    rig.kbit = 600;
    rig.turn();
    let lowest = (200 + 40) * KBIT * 100 / 95;
    assert_eq!(
        rig.flows[0].got.desired_bits_per_s, lowest,
        "nothing is probed meanwhile"
    );
}

#[test]
fn the_only_layer_is_paused_sooner_where_sound_waits_behind_it() {
    for (is_jammed, paused_after) in [(false, 1_000), (true, 200)] {
        let mut rig = Rig::of(3_000, &[1_000]);
        rig.run(10_000);
        rig.kbit = 850;
        rig.is_jammed = is_jammed;
        assert_eq!(rig.until(0, None), paused_after);
        // One that fits stays, however long the queue is.
        rig.kbit = 3_000;
        rig.until(0, Some(180));
        rig.run(10_000);
        assert_eq!(rig.height(0), Some(180));
    }
}

#[test]
fn what_passes_is_not_left_for_an_estimate_that_is_too_low_for_a_moment() {
    for (is_clear, shown, later) in [(false, Some(180), Some(180)), (true, Some(360), Some(180))] {
        let mut rig = Rig::of(3_000, &[200, 700]);
        rig.until(0, Some(360));
        rig.run(20_000);
        rig.kbit = 600;
        rig.is_clear = is_clear;
        rig.run(2_900);
        assert_eq!(rig.height(0), shown);
        rig.run(300);
        assert_eq!(rig.height(0), later, "it has lasted for three seconds");
    }
    // A queue ends it at once.
    let mut rig = Rig::of(3_000, &[200, 700]);
    rig.until(0, Some(360));
    rig.kbit = 600;
    rig.is_clear = true;
    rig.run(1_000);
    rig.is_clear = false;
    rig.turn();
    assert_eq!(rig.height(0), Some(180));
}

#[test]
fn the_smallest_layer_is_not_paused_while_it_passes() {
    let mut rig = Rig::of(3_000, &[200, 700]);
    rig.run(10_000);
    rig.kbit = 100;
    rig.turn();
    assert_eq!(rig.height(0), Some(180));
    rig.is_clear = true;
    // The estimate comes back from time to time.
    for _ in 0..20 {
        rig.kbit = 100;
        rig.run(2_800);
        rig.kbit = 300;
        rig.run(200);
        assert_eq!(rig.height(0), Some(180));
    }
}
