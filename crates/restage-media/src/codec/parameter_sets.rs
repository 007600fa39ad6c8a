//! The parameter sets of an H.264 stream: what a decoder has to be given before the picture it starts with (ITU-T H.264
//! §7.4.1.2.1), wherever the publisher has said them.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::bits::Bits;
use super::h264::{NAL_PPS, NAL_SPS};
use super::parameter;
use crate::limits::{PARAMETER_SET_BYTES_MAX, PARAMETER_SETS_BYTES_MAX, PARAMETER_SETS_MAX};

/// Parameter sets to be sent before a key frame, each as the payload of a packet of its own: every packetization mode
/// allows that. Sequence parameter sets come first, because picture parameter sets are read by means of them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Lead(pub(crate) Vec<Arc<[u8]>>);

/// The newest parameter sets of a layer.
#[derive(Debug, Default)]
pub(crate) struct ParameterSets {
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
    /// Number of the packet it was said in last, or at which the offer's began to hold.
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
        let mut bits = Bits::new(body);
        match header & 0x1f {
            NAL_SPS => {
                // The profile, its constraints and the level come first.
                bits.take(24)?;
                let id = bits.unsigned()?;
                (id < SEQUENCE_IDS).then_some(Self::Sequence(id))
            }
            NAL_PPS => {
                let id = bits.unsigned()?;
                let is_known = bits.unsigned()? < SEQUENCE_IDS;
                (id < PICTURE_IDS && is_known).then_some(Self::Picture(id))
            }
            _ => None,
        }
    }
}

impl ParameterSets {
    /// Takes those that an offer gives for a format (RFC 6184 §8.1), as if the packet of this number had brought them.
    /// Answers the first sequence parameter set.
    pub(crate) fn take_offered(&mut self, fmtp: &str, seq: u64) -> Option<Arc<[u8]>> {
        let offered = parameter(fmtp, "sprop-parameter-sets").unwrap_or_default();
        for text in offered.split(',').take(PARAMETER_SETS_MAX) {
            let is_short = text.len() <= 4 * PARAMETER_SET_BYTES_MAX.div_ceil(3);
            if let Some(unit) = is_short
                .then(|| STANDARD.decode(text.trim()).ok())
                .flatten()
            {
                self.put(&unit, seq, true);
            }
        }
        let first = self.units.iter().find(|unit| is_sequence(unit));
        first.map(|unit| Arc::clone(&unit.bytes))
    }

    /// Takes a unit that came whole, in the packet of this number. Anything that is no parameter set is left alone.
    pub(crate) fn take(&mut self, unit: &[u8], seq: u64) {
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

    /// Takes a fragment. Answers the parameter set that it completes.
    pub(crate) fn take_fragment(&mut self, payload: &[u8], seq: u64) -> Option<Vec<u8>> {
        let [indicator, header, body @ ..] = payload else {
            return None;
        };
        let kind = header & 0x1f;
        let (is_first, is_last) = (header & 0x80 != 0, header & 0x40 != 0);
        if is_first {
            let is_set = matches!(kind, NAL_SPS | NAL_PPS);
            self.partial = is_set.then(|| Partial {
                bytes: vec![indicator & 0xe0 | kind],
                next: seq,
            });
        }
        let partial = self.partial.as_mut()?;
        if partial.next != seq || partial.bytes.len() + body.len() > PARAMETER_SET_BYTES_MAX {
            self.partial = None;
            return None;
        }
        partial.bytes.extend_from_slice(body);
        partial.next = seq.wrapping_add(1);
        if !is_last {
            return None;
        }
        let unit = self.partial.take()?.bytes;
        self.take(&unit, seq);
        Some(unit)
    }

    /// The encoder's numbers begin anew: whatever comes is newer.
    pub(crate) fn age(&mut self) {
        self.partial = None;
        self.units.iter_mut().for_each(|unit| unit.seq = 0);
    }

    /// What a decoder has to be given before the packet of this number; `None` if nothing is known, or all of it is in
    /// that very packet.
    pub(crate) fn lead(&mut self, seq: u64) -> Option<Arc<Lead>> {
        let mut units = self.units.iter();
        if units.all(|unit| unit.seq == seq && !unit.is_offered) {
            return None;
        }
        Some(self.all())
    }

    /// Everything there is, sequence parameter sets first.
    pub(crate) fn all(&mut self) -> Arc<Lead> {
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
    use super::*;
    use crate::util::rng::Rng;

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
    fn an_offer_gives_them_in_base64() {
        let mut sets = ParameterSets::default();
        let text = format!(
            "packetization-mode=1;sprop-parameter-sets={},{};profile-level-id=42e01f",
            STANDARD.encode(sps(ID_0, 31)),
            STANDARD.encode(PPS_0)
        );
        let first = sets.take_offered(&text, 3);
        assert_eq!(first.as_deref(), Some(&*sps(ID_0, 31)));
        assert_eq!(all(&mut sets), [sps(ID_0, 31), PPS_0.to_vec()]);
        assert!(
            sets.lead(3).is_some(),
            "the packet itself has brought nothing"
        );
        for damaged in ["sprop-parameter-sets=,", "sprop-parameter-sets=%,Zw==", ""] {
            let mut sets = ParameterSets::default();
            assert_eq!(sets.take_offered(damaged, 3), None);
            assert_eq!(all(&mut sets), Vec::<Vec<u8>>::new());
        }
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
    fn damage_does_no_harm() {
        let mut rng = Rng::new(9);
        let mut sets = ParameterSets::default();
        for seq in 0..5_000 {
            let length = rng.next_u64() % 12;
            let mut unit: Vec<u8> = (0..length).map(|_| rng.next_u64() as u8).collect();
            if let Some(first) = unit.first_mut() {
                *first = if seq % 2 == 0 { 0x67 } else { 0x68 };
            }
            sets.take(&unit, seq);
            let fragment: Vec<u8> = (0..length).map(|_| rng.next_u64() as u8).collect();
            sets.take_fragment(&fragment, seq);
            assert!(sets.all().0.len() <= PARAMETER_SETS_MAX);
        }
        for unit in [&[][..], &[0x67], &[0x67, 1, 2], &[0x68], &[0x68, 0]] {
            assert_eq!(Name::of(unit), None);
        }
    }
}
