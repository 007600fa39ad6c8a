//! Pictures that another implementation puts together from the same packets: str0m's, which clients and the load generator use.

use restage_codec::h264::{AccessUnit, UnitType};
use str0m::format::CodecExtra;
use str0m::unversioned::{Depacketizer, H264Depacketizer};

/// What we take str0m takes too, with the same units in the same order.
pub(crate) fn h264(payloads: &[&[u8]], ours: &AccessUnit) {
    if fragments_disagree(payloads) {
        return;
    }
    let mut theirs = H264Depacketizer::default();
    theirs.is_avc = true;
    let (mut stream, mut extra) = (Vec::new(), CodecExtra::None);
    for payload in payloads {
        let taken = theirs.depacketize(payload, &mut stream, &mut extra);
        assert!(
            taken.is_ok(),
            "the other implementation refuses {payload:02x?}: {taken:?}"
        );
    }
    let (mut units, mut sets) = (Vec::new(), Vec::new());
    for unit in crate::input::behind_lengths(&stream) {
        match UnitType::of(unit) {
            _ if unit.is_empty() => {}
            UnitType::SPS | UnitType::PPS => sets.push(without_damage(unit)),
            // Delimiters and filler.
            UnitType(9..=12) => {}
            _ => units.push(without_damage(unit)),
        }
    }
    let our_units: Vec<Vec<u8>> = crate::input::behind_lengths(&ours.units)
        .into_iter()
        .map(without_damage)
        .collect();
    let our_sets: Vec<Vec<u8>> = ours
        .parameter_sets
        .iter()
        .map(|set| without_damage(set))
        .collect();
    assert_eq!((our_units, our_sets), (units, sets));
    let is_key = matches!(extra, CodecExtra::H264(extra) if extra.is_keyframe);
    assert_eq!(ours.is_idr, is_key);
}

/// Whether fragments of one unit give it different headers. We believe the first, str0m the last; nothing says who is right.
fn fragments_disagree(payloads: &[&[u8]]) -> bool {
    let fragments = payloads.iter().filter_map(|payload| match payload {
        [indicator, header, ..] if indicator & 0x1f == 28 => {
            Some((indicator & 0x60, header & 0x1f, header & 0x80 != 0))
        }
        _ => None,
    });
    let fragments: Vec<(u8, u8, bool)> = fragments.collect();
    let mut pairs = fragments.windows(2);
    pairs.any(|pair| !pair[1].2 && (pair[0].0, pair[0].1) != (pair[1].0, pair[1].1))
}

/// A unit without its bit for damage, which str0m does not keep of a unit in fragments.
fn without_damage(unit: &[u8]) -> Vec<u8> {
    let mut unit = unit.to_vec();
    unit[0] &= 0x7f;
    unit
}
