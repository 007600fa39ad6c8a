//! Tests of flows whose layers can be cut to some of their frames.

use super::*;
use crate::packet::CutRate;

/// Lets each layer of a flow be cut to 40 and 60 % of its rate, at 7 and 15 frames a second.
fn make_cuttable(flow: &mut Flow) {
    for rung in &mut flow.ladder {
        for (cut, (percent, frames_per_s)) in rung.cuts.iter_mut().zip([(40, 7), (60, 15)]) {
            let rate = rung.wire_bits_per_s * percent / 100;
            *cut = Some(CutRate {
                cut: rung.cut.up_to(u8::from(frames_per_s > 7)),
                wire_bits_per_s: rate,
                peak_bits_per_s: rate,
                least_bits_per_s: rate,
                frames_per_s,
            });
        }
    }
}

/// A receiver of one publication whose layers have three temporal layers each.
fn cuttable(kbit: u64, rates: &[u64]) -> Rig {
    let mut rig = Rig::of(kbit, rates);
    make_cuttable(&mut rig.flows[0]);
    rig
}

/// The height of what a flow is shown, and what of it.
fn shown(rig: &Rig, flow: usize) -> (Option<u32>, Cut) {
    let cut = match rig.flows[flow].got.pictures {
        Allotted::UpTo(_, cut) => cut,
        _ => Cut::WHOLE,
    };
    (rig.height(flow), cut)
}

const HALF: Cut = Cut::WHOLE.up_to(1);
const BASE: Cut = Cut::WHOLE.up_to(0);

#[test]
fn fewer_frames_of_the_larger_picture_come_before_the_smaller_picture() {
    for (name, kbit, height, cut) in [
        ("less than the base of the smallest", 110, None, Cut::WHOLE),
        ("the base of the smallest", 130, Some(180), BASE),
        ("half of its frames", 188, Some(180), HALF),
        ("all of them", 285, Some(180), Cut::WHOLE),
        ("half of the frames of the next", 560, Some(360), HALF),
        ("all of them", NEEDS[0], Some(360), Cut::WHOLE),
        ("half of the frames of the largest", 1_300, Some(720), HALF),
        ("everything", NEEDS[1], Some(720), Cut::WHOLE),
    ] {
        let mut rig = cuttable(kbit, &THREE);
        rig.run(30_000);
        assert_eq!(shown(&rig, 0), (height, cut), "{name}");
    }
}

#[test]
fn on_a_good_network_a_layer_comes_whole_at_once_and_as_soon_as_without_temporal_layers() {
    let mut rig = cuttable(5_000, &THREE);
    rig.turn();
    assert_eq!(shown(&rig, 0), (Some(180), Cut::WHOLE));
    assert_eq!(rig.until(0, Some(360)), 900);
    assert_eq!(shown(&rig, 0).1, Cut::WHOLE);
    assert_eq!(rig.until(0, Some(720)), 1_000);
    assert_eq!(shown(&rig, 0).1, Cut::WHOLE);
}

#[test]
fn a_network_that_narrows_takes_frames_first_and_gives_them_back_last() {
    let mut rig = cuttable(5_000, &THREE);
    rig.run(10_000);
    rig.kbit = 1_300;
    rig.turn();
    assert_eq!(shown(&rig, 0), (Some(720), HALF), "at once");
    rig.kbit = 900;
    rig.turn();
    assert_eq!(shown(&rig, 0), (Some(360), Cut::WHOLE));
    rig.kbit = 1_300;
    rig.run(10_000);
    assert_eq!(shown(&rig, 0), (Some(720), HALF));
    rig.kbit = 5_000;
    rig.run(5_000);
    assert_eq!(shown(&rig, 0), (Some(720), Cut::WHOLE));
}

#[test]
fn the_only_layer_thins_instead_of_pausing_while_its_base_fits() {
    let mut rig = cuttable(3_000, &[1_400]);
    rig.run(8_000);
    assert_eq!(shown(&rig, 0), (Some(180), Cut::WHOLE));
    rig.kbit = 950;
    rig.turn();
    assert_eq!(shown(&rig, 0), (Some(180), HALF));
    rig.kbit = 680;
    rig.run(20_000);
    assert_eq!(shown(&rig, 0), (Some(180), BASE));
    let all = (1_400 * 105 / 100 + 40) * KBIT * 100 / 95;
    assert_eq!(
        rig.flows[0].got.desired_bits_per_s, all,
        "probes find out when all of it fits again"
    );
    rig.kbit = 400;
    rig.run(1_900);
    assert_eq!(shown(&rig, 0), (Some(180), BASE));
    rig.run(300);
    assert_eq!(shown(&rig, 0), (None, Cut::WHOLE));
    rig.kbit = 700;
    rig.run(10_000);
    assert_eq!(shown(&rig, 0), (Some(180), BASE));
}

#[test]
fn more_frames_of_the_same_picture_need_less_room_than_a_larger_picture() {
    // Half of the frames take 600 kbit/s: with 5 % more and sound 704 of the estimate, with 15 % more 768.
    for (kbit, cut) in [(700, BASE), (710, HALF)] {
        let mut rig = cuttable(3_000, &[1_000]);
        rig.run(8_000);
        rig.kbit = 500;
        rig.turn();
        assert_eq!(shown(&rig, 0), (Some(180), BASE));
        rig.kbit = kbit;
        rig.run(10_000);
        assert_eq!(shown(&rig, 0), (Some(180), cut), "{kbit} kbit/s");
    }
}

#[test]
fn a_newcomer_is_not_thinned_before_the_network_could_prove_itself_unless_it_objects() {
    let mut rig = cuttable(300, &[2_500]);
    rig.run(4_900);
    assert_eq!(shown(&rig, 0), (Some(180), Cut::WHOLE));
    let mut rig = cuttable(300, &[500]);
    rig.run(500);
    rig.is_overused = true;
    rig.turn();
    assert_eq!(shown(&rig, 0), (Some(180), BASE));
}

#[test]
fn the_publisher_is_to_send_a_layer_of_which_only_a_part_is_shown() {
    let mut rig = cuttable(1_300, &THREE);
    rig.run(20_000);
    assert_eq!(shown(&rig, 0), (Some(720), HALF));
    assert_eq!(rig.flows[0].got.wanted, 3);
    rig.kbit = 560;
    rig.run(20_000);
    assert_eq!(rig.flows[0].got.wanted, 2);
    rig.kbit = 188;
    rig.run(20_000);
    assert_eq!(rig.flows[0].got.wanted, 1);
}

#[test]
fn temporal_layers_that_come_or_end_change_nothing_on_a_good_network() {
    let mut rig = Rig::of(5_000, &THREE);
    rig.run(10_000);
    make_cuttable(&mut rig.flows[0]);
    rig.run(1_000);
    assert_eq!(shown(&rig, 0), (Some(720), Cut::WHOLE));
    rig.kbit = 1_300;
    rig.turn();
    assert_eq!(shown(&rig, 0), (Some(720), HALF));
    for rung in &mut rig.flows[0].ladder {
        rung.cuts = Cuts::default();
    }
    rig.turn();
    assert_eq!(
        shown(&rig, 0),
        (Some(360), Cut::WHOLE),
        "half of the frames do not exist any more"
    );
    rig.flows[0].wish.height_max = Some(180);
    rig.turn();
    assert_eq!(shown(&rig, 0), (Some(180), Cut::WHOLE));
}

#[test]
fn a_wish_for_a_layer_is_a_wish_for_all_its_frames() {
    let mut rig = cuttable(5_000, &THREE);
    rig.flows[0].wish.preferred = PreferredLayer::named("mid");
    rig.run(10_000);
    assert_eq!(shown(&rig, 0), (Some(360), Cut::WHOLE));
    let mut rig = cuttable(0, &THREE);
    rig.flows[0].has_estimate = false;
    rig.turn();
    assert_eq!(rig.flows[0].got.pictures, Allotted::Any);
    rig.flows[0].wish.preferred = PreferredLayer::named("mid");
    rig.turn();
    assert_eq!(shown(&rig, 0), (Some(360), Cut::WHOLE));
}
