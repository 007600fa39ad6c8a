//! The parameter sets of a stream: what a decoder needs before the picture it starts with (ITU-T H.264 §7.4.1.2.1), wherever the
//! sender has put them.

use std::sync::Arc;

use super::UnitType;
use super::payload::Fragment;
use crate::bits::BitReader;

/// Parameter sets kept of a stream. Beyond that, or beyond [`PARAMETER_SETS_BYTES_MAX`], the ones that were sent longest ago are
/// dropped.
pub const PARAMETER_SETS_MAX: usize = 32;
/// Bytes of a stream's parameter sets.
pub const PARAMETER_SETS_BYTES_MAX: usize = 4_096;
/// Bytes of one parameter set. A larger one is not kept: it would need fragments. Those of encoders have 10 to 100.
pub const PARAMETER_SET_BYTES_MAX: usize = 1_200;

const _: () = assert!(PARAMETER_SET_BYTES_MAX <= PARAMETER_SETS_BYTES_MAX);
const _: () = assert!(
    PARAMETER_SETS_MAX < u8::MAX as usize,
    "they are counted in a byte"
);

/// Parameter sets to be sent before a key frame, each a NAL unit and the payload of a packet of its own: every packetization mode
/// allows that. Sequence parameter sets come first, because picture parameter sets refer to them.
#[derive(Debug, PartialEq, Eq)]
pub struct Lead(pub Vec<Arc<[u8]>>);

/// The newest parameter sets of a stream. Packets are named by their sequence numbers without wrap-around.
#[derive(Debug, Default)]
pub struct ParameterSets {
    units: Vec<Unit>,
    /// One whose fragments are arriving.
    partial: Option<Partial>,
    /// What [`lead`](Self::lead) answers, until the units change.
    lead: Option<Arc<Lead>>,
}

#[derive(Debug)]
struct Unit {
    name: Name,
    bytes: Arc<[u8]>,
    /// Number of the packet that had it last, or from which on the offer's holds.
    seq: u64,
    is_offered: bool,
}

/// Orders sequence parameter sets before picture parameter sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Sequence(u32),
    Picture(u32),
}

/// The beginning of a unit that is sent in fragments (RFC 6184 §5.8).
#[derive(Debug)]
struct Partial {
    bytes: Vec<u8>,
    next: u64,
}

/// Identifiers are below these (ITU-T H.264 §7.4.2.1.1, §7.4.2.2).
const SEQUENCE_IDS: u32 = 32;
const PICTURE_IDS: u32 = 256;

impl Name {
    /// `None`: it is no parameter set, or a damaged one.
    fn of(unit: &[u8]) -> Option<Self> {
        let (header, body) = unit.split_first()?;
        let mut bits = BitReader::new(body);
        match UnitType(header & 0x1f) {
            UnitType::SPS => {
                // The profile, its constraints and the level come first.
                bits.take(24)?;
                let id = bits.unsigned()?;
                (id < SEQUENCE_IDS).then_some(Self::Sequence(id))
            }
            UnitType::PPS => {
                let id = bits.unsigned()?;
                let is_known = bits.unsigned()? < SEQUENCE_IDS;
                (id < PICTURE_IDS && is_known).then_some(Self::Picture(id))
            }
            _ => None,
        }
    }
}

impl ParameterSets {
    /// Takes those that an offer gives for a format (RFC 6184 §8.1, `sprop-parameter-sets`), as if the packet `seq` had brought them.
    /// Answers the first sequence parameter set that is known now.
    pub fn take_offered<'a>(
        &mut self,
        units: impl IntoIterator<Item = &'a [u8]>,
        seq: u64,
    ) -> Option<Arc<[u8]>> {
        for unit in units {
            self.put(unit, seq, true);
        }
        let first = self.units.iter().find(|unit| is_sequence(unit));
        first.map(|unit| Arc::clone(&unit.bytes))
    }

    /// Takes a unit that came whole, in the packet `seq`. Anything but a parameter set is ignored.
    pub fn take(&mut self, unit: &[u8], seq: u64) {
        self.put(unit, seq, false);
    }

    fn put(&mut self, unit: &[u8], seq: u64, is_offered: bool) {
        let Some(name) = Name::of(unit).filter(|_| unit.len() <= PARAMETER_SET_BYTES_MAX) else {
            return;
        };
        if let Some(known) = self.units.iter_mut().find(|known| known.name == name) {
            // A packet that comes late says what no longer holds.
            if seq < known.seq {
                return;
            }
            (known.seq, known.is_offered) = (seq, is_offered);
            if *known.bytes != *unit {
                known.bytes = unit.into();
                self.lead = None;
            }
        } else {
            let bytes = unit.into();
            self.units.push(Unit {
                name,
                bytes,
                seq,
                is_offered,
            });
            self.lead = None;
        }
        self.keep_to_bounds();
    }

    /// Takes the payload of the packet `seq`, if it carries a fragment (RFC 6184 §5.8). Answers the parameter set that it completes.
    pub fn take_fragment(&mut self, payload: &[u8], seq: u64) -> Option<Vec<u8>> {
        let fragment = Fragment::parse(payload)?;
        if fragment.is_first {
            let is_set = UnitType(fragment.header & 0x1f).is_parameter_set();
            self.partial = is_set.then(|| Partial {
                bytes: vec![fragment.header],
                next: seq,
            });
        }
        let partial = self.partial.as_mut()?;
        let length = partial.bytes.len() + fragment.body.len();
        if partial.next != seq || length > PARAMETER_SET_BYTES_MAX {
            self.partial = None;
            return None;
        }
        partial.bytes.extend_from_slice(fragment.body);
        partial.next = seq.wrapping_add(1);
        if !fragment.is_last {
            return None;
        }
        let unit = self.partial.take()?.bytes;
        self.take(&unit, seq);
        Some(unit)
    }

    /// The numbers of packets start again: whatever comes from now on is newer than what is known.
    pub fn age(&mut self) {
        self.partial = None;
        self.units.iter_mut().for_each(|unit| unit.seq = 0);
    }

    /// What a decoder needs before the packet `seq`; `None` if nothing is known, or if that packet has all of it.
    pub fn lead(&mut self, seq: u64) -> Option<Arc<Lead>> {
        let mut units = self.units.iter();
        if units.all(|unit| unit.seq == seq && !unit.is_offered) {
            return None;
        }
        Some(self.all())
    }

    /// All that are known, sequence parameter sets first.
    pub fn all(&mut self) -> Arc<Lead> {
        let units = &mut self.units;
        let lead = self.lead.get_or_insert_with(|| {
            units.sort_by_key(|unit| unit.name);
            let payloads = units.iter().map(|unit| Arc::clone(&unit.bytes));
            Arc::new(Lead(payloads.collect()))
        });
        Arc::clone(lead)
    }

    fn keep_to_bounds(&mut self) {
        let is_over = |units: &[Unit]| {
            let bytes: usize = units.iter().map(|unit| unit.bytes.len()).sum();
            units.len() > PARAMETER_SETS_MAX || bytes > PARAMETER_SETS_BYTES_MAX
        };
        while is_over(&self.units) {
            let oldest = (0..self.units.len()).min_by_key(|place| self.units[*place].seq);
            self.units.remove(oldest.unwrap_or_default());
            self.lead = None;
        }
    }
}

fn is_sequence(unit: &Unit) -> bool {
    matches!(unit.name, Name::Sequence(_))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A sequence parameter set: its identifier is the Exp-Golomb code that follows the level.
    fn sps(id_bits: u8, level: u8) -> Vec<u8> {
        vec![0x67, 0x42, 0xe0, level, id_bits, 0x80]
    }

    /// Identifiers 0 and 1 as Exp-Golomb codes, at the beginning of a byte.
    const ID_0: u8 = 0b1000_0000;
    const ID_1: u8 = 0b0100_0000;
    /// Picture parameter sets 0 and 1 of sequence parameter set 0.
    const PPS_0: [u8; 3] = [0x68, 0b1110_0000, 1];
    const PPS_1: [u8; 3] = [0x68, 0b0101_0000, 1];

    fn all(sets: &mut ParameterSets) -> Vec<Vec<u8>> {
        let lead = sets.all();
        lead.0.iter().map(|payload| payload.to_vec()).collect()
    }

    #[test]
    fn the_newest_of_each_identifier_is_kept_and_sequence_sets_come_first() {
        let mut sets = ParameterSets::default();
        sets.take(&PPS_1, 1);
        sets.take(&PPS_0, 2);
        sets.take(&sps(ID_1, 30), 3);
        sets.take(&sps(ID_0, 30), 4);
        sets.take(&sps(ID_0, 31), 5);
        let expected = [sps(ID_0, 31), sps(ID_1, 30), PPS_0.to_vec(), PPS_1.to_vec()];
        assert_eq!(all(&mut sets), expected);
    }

    #[test]
    fn what_comes_late_does_not_replace_what_is_newer() {
        let mut sets = ParameterSets::default();
        sets.take(&sps(ID_0, 31), 9);
        sets.take(&sps(ID_0, 30), 8);
        assert_eq!(all(&mut sets), [sps(ID_0, 31)]);
        sets.age();
        sets.take(&sps(ID_0, 32), 1);
        assert_eq!(all(&mut sets), [sps(ID_0, 32)], "of a new numbering");
    }

    #[test]
    fn a_packet_that_brings_everything_needs_nothing_before_it() {
        let mut sets = ParameterSets::default();
        assert!(sets.lead(0).is_none(), "nothing is known");
        sets.take(&sps(ID_0, 31), 5);
        sets.take(&PPS_0, 5);
        assert!(sets.lead(5).is_none());
        assert_eq!(sets.lead(6).unwrap().0.len(), 2);
        sets.take(&sps(ID_0, 31), 7);
        assert_eq!(sets.lead(7).unwrap().0.len(), 2, "the other one is missing");
    }

    #[test]
    fn what_is_said_again_costs_no_new_copy() {
        let mut sets = ParameterSets::default();
        sets.take(&PPS_0, 1);
        let first = sets.all();
        sets.take(&PPS_0, 2);
        assert!(Arc::ptr_eq(&first, &sets.all()));
    }

    #[test]
    fn an_offer_gives_them_and_no_packet_has_brought_them() {
        let mut sets = ParameterSets::default();
        let offered = [&sps(ID_0, 31)[..], &PPS_0];
        let first = sets.take_offered(offered, 3);
        assert_eq!(first.as_deref(), Some(&*sps(ID_0, 31)));
        assert_eq!(all(&mut sets), [sps(ID_0, 31), PPS_0.to_vec()]);
        assert!(
            sets.lead(3).is_some(),
            "the packet itself has brought nothing"
        );
        let mut sets = ParameterSets::default();
        assert_eq!(sets.take_offered([&[][..], &[0x67]], 3), None);
        assert_eq!(all(&mut sets), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn fragments_are_put_together_only_in_order() {
        let whole = sps(ID_0, 31);
        let first = [0x7c, 0x87, 0x42, 0xe0];
        let middle = [0x7c, 0x07, 31];
        let last = [0x7c, 0x47, ID_0, 0x80];
        let mut sets = ParameterSets::default();
        assert_eq!(sets.take_fragment(&first, 1), None);
        assert_eq!(sets.take_fragment(&middle, 2), None);
        assert_eq!(sets.take_fragment(&last, 3), Some(whole.clone()));
        assert_eq!(all(&mut sets), [whole]);
        let mut sets = ParameterSets::default();
        sets.take_fragment(&first, 1);
        assert_eq!(sets.take_fragment(&last, 3), None, "one is missing");
        assert_eq!(sets.take_fragment(&middle, 4), None);
        assert!(all(&mut sets).is_empty());
    }

    #[test]
    fn the_ones_not_said_for_longest_make_room() {
        let mut sets = ParameterSets::default();
        let mut large = sps(ID_1, 31);
        large.resize(PARAMETER_SET_BYTES_MAX, 1);
        sets.take(&large, 1);
        // Six bits of identifiers from 32 on, in codes of eleven bits.
        for id in 0..PARAMETER_SETS_MAX as u32 {
            let code = (id + 33) << 5 | 1 << 4;
            let [.., high, low] = code.to_be_bytes();
            sets.take(&[0x68, high, low, 1], u64::from(id) + 2);
        }
        let kept = all(&mut sets);
        assert_eq!(kept.len(), PARAMETER_SETS_MAX);
        assert!(kept.iter().all(|unit| unit[0] == 0x68));
        for seq in 100..110 {
            let mut unit = sps(1 << (seq % 7), seq as u8);
            unit.resize(PARAMETER_SET_BYTES_MAX, 1);
            sets.take(&unit, seq);
            let bytes: usize = all(&mut sets).iter().map(Vec::len).sum();
            assert!(bytes <= PARAMETER_SETS_BYTES_MAX, "{bytes}");
        }
        let mut huge = sps(ID_0, 99);
        huge.resize(PARAMETER_SET_BYTES_MAX + 1, 1);
        sets.take(&huge, 200);
        assert!(!all(&mut sets).contains(&huge));
    }

    #[test]
    fn damaged_units_have_no_name() {
        for unit in [&[][..], &[0x67], &[0x67, 1, 2], &[0x68], &[0x68, 0]] {
            assert_eq!(Name::of(unit), None);
        }
    }

    proptest! {
        #[test]
        fn damage_does_no_harm(packets in prop::collection::vec(
            (prop::bool::ANY, prop::collection::vec(any::<u8>(), 0..12)),
            0..200,
        )) {
            let mut sets = ParameterSets::default();
            for (seq, (is_sequence, mut bytes)) in (0..).zip(packets) {
                sets.take_fragment(&bytes, seq);
                if let Some(first) = bytes.first_mut() {
                    *first = if is_sequence { 0x67 } else { 0x68 };
                }
                sets.take(&bytes, seq);
                prop_assert!(sets.all().0.len() <= PARAMETER_SETS_MAX);
            }
        }
    }
}
