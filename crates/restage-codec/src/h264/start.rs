//! Where a decoder can start in a stream of RTP packets, and which parameter sets it needs there.

use std::sync::Arc;

use super::{Lead, ParameterSets, SequenceParameters, UnitType, each_unit};
use crate::PictureSize;

/// Finds the packets of one stream that a decoder can start with. Packets are named by their sequence numbers without wrap-around and
/// may come in another order.
#[derive(Debug)]
pub struct StartDetector {
    sets: ParameterSets,
    /// Highest sequence number and its timestamp.
    newest: (u64, u64),
    /// Nothing is missing between the first packet of the newest picture and its newest packet.
    is_whole: bool,
    /// The newest picture came with a sequence parameter set, or with a slice.
    has_sps: bool,
    has_slice: bool,
    /// Parameter sets have a timestamp of their own, so that nothing can be said yet of the picture that follows them.
    are_apart: bool,
    /// Timestamp of the newest picture that a decoder can start with.
    started: Option<u64>,
    /// Of the newest sequence parameter set.
    size: Option<PictureSize>,
}

/// The contents of a packet.
#[derive(Debug, Default)]
struct Content {
    has_sps: bool,
    has_slice: bool,
    has_idr: bool,
    /// A picture parameter set came before a sequence parameter set.
    is_turned: bool,
}

impl StartDetector {
    /// For a stream whose first packet has this number.
    pub fn new(seq: u64) -> Self {
        Self {
            sets: ParameterSets::default(),
            newest: (seq.wrapping_sub(1), u64::MAX),
            is_whole: false,
            has_sps: false,
            has_slice: false,
            are_apart: false,
            started: None,
            size: None,
        }
    }

    /// The encoder starts again, with a packet of this number. Its parameter sets hold until it sends others.
    pub fn restart(&mut self, seq: u64) {
        let mut sets = std::mem::take(&mut self.sets);
        sets.age();
        *self = Self {
            sets,
            size: self.size,
            ..Self::new(seq)
        };
    }

    /// From the packet of this number on, the stream is of a format whose offer gives these parameter sets.
    pub fn on_format<'a>(&mut self, offered: impl IntoIterator<Item = &'a [u8]>, seq: u64) {
        if let Some(sps) = self.sets.take_offered(offered, seq) {
            self.size = size_of(&sps).or(self.size);
        }
    }

    /// Size of the pictures, as the newest sequence parameter set has it.
    pub fn size(&self) -> Option<PictureSize> {
        self.size
    }

    /// Takes a packet of the stream. Whether a decoder can start with it: it carries a sequence parameter set, or it is
    /// the first with a slice of an IDR picture of which nothing is missing before.
    pub fn on_packet(&mut self, seq: u64, time: u64, payload: &[u8]) -> bool {
        let is_next = seq == self.newest.0.wrapping_add(1);
        let is_late = !is_next && seq <= self.newest.0;
        if !is_late {
            self.advance(seq, time, is_next);
        }
        let content = self.read(seq, payload);
        if is_late {
            return false;
        }
        self.has_sps |= content.has_sps;
        self.has_slice |= content.has_slice;
        if self.has_sps && self.has_slice {
            self.are_apart = false;
        }
        let is_start = content.has_sps && !self.are_apart || content.has_idr && self.is_whole;
        if !is_start || self.started == Some(time) {
            return false;
        }
        self.started = Some(time);
        true
    }

    /// What a decoder needs before the packet of this number if it starts with it; `None` if nothing.
    pub fn lead(&mut self, seq: u64, payload: &[u8]) -> Option<Arc<Lead>> {
        let is_turned = scan(payload, |_, _| {}).is_turned;
        if is_turned {
            return Some(self.sets.all());
        }
        self.sets.lead(seq)
    }

    fn advance(&mut self, seq: u64, time: u64, is_next: bool) {
        let is_new_picture = time != self.newest.1;
        self.is_whole = is_next && (is_new_picture || self.is_whole);
        if is_new_picture {
            self.are_apart |= self.has_sps && !self.has_slice;
            self.has_sps = false;
            self.has_slice = false;
        }
        self.newest = (seq, time);
    }

    fn read(&mut self, seq: u64, payload: &[u8]) -> Content {
        let Self { sets, size, .. } = self;
        let mut note_size = |unit: &[u8]| {
            if UnitType::of(unit) == UnitType::SPS {
                *size = size_of(unit).or(*size);
            }
        };
        let content = scan(payload, |kind, unit| {
            if let Some(unit) = unit.filter(|_| kind.is_parameter_set()) {
                note_size(unit);
                sets.take(unit, seq);
            }
        });
        if let Some(unit) = sets.take_fragment(payload, seq) {
            note_size(&unit);
        }
        content
    }
}

fn size_of(sps: &[u8]) -> Option<PictureSize> {
    Some(SequenceParameters::parse(sps)?.size)
}

fn scan<'a>(payload: &'a [u8], mut callback: impl FnMut(UnitType, Option<&'a [u8]>)) -> Content {
    let mut content = Content::default();
    let mut has_pps = false;
    each_unit(payload, |kind, unit| {
        content.is_turned |= kind == UnitType::SPS && has_pps;
        has_pps |= kind == UnitType::PPS;
        content.has_sps |= kind == UnitType::SPS;
        content.has_slice |= kind.is_slice();
        content.has_idr |= kind == UnitType::IDR_SLICE;
        callback(kind, unit);
    });
    content
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPS: &[u8] = &[0x67, 0x42, 0xe0, 0x1f, 0x80];
    const PPS: &[u8] = &[0x68, 0xce, 0x3c, 0x80];
    const IDR: &[u8] = &[0x65, 0x88];
    const IDR_GOES_ON: &[u8] = &[0x7c, 0x05, 1];
    const DELTA: &[u8] = &[0x41, 0x9a];
    const DELIMITER: &[u8] = &[0x09, 0xf0];

    /// Which of these packets (number, timestamp, payload) a decoder can start with.
    fn starts(packets: &[(u64, u64, &[u8])]) -> Vec<u64> {
        let mut start = StartDetector::new(packets[0].0);
        let found = packets
            .iter()
            .filter(|(seq, time, payload)| start.on_packet(*seq, *time, payload));
        found.map(|(seq, ..)| *seq).collect()
    }

    #[test]
    fn a_picture_has_one_start() {
        let picture = [(1, 0, SPS), (2, 0, PPS), (3, 0, IDR), (4, 0, IDR)];
        assert_eq!(starts(&picture), [1]);
        let next = [(5, 9, SPS), (6, 9, IDR)];
        assert_eq!(starts(&[&picture[..], &next].concat()), [1, 5]);
    }

    #[test]
    fn an_idr_picture_starts_where_nothing_is_missing_before_its_slice() {
        assert_eq!(starts(&[(1, 0, DELIMITER), (2, 0, IDR)]), [2]);
        assert_eq!(
            starts(&[(1, 0, DELTA), (2, 9, DELIMITER), (3, 9, IDR)]),
            [3]
        );
        assert_eq!(starts(&[(1, 0, DELTA), (3, 9, IDR), (4, 9, IDR)]), []);
        assert_eq!(starts(&[(1, 0, DELTA), (2, 9, DELIMITER), (4, 9, IDR)]), []);
        assert_eq!(starts(&[(1, 0, IDR_GOES_ON), (2, 0, IDR_GOES_ON)]), []);
    }

    #[test]
    fn what_comes_late_is_no_start_but_is_remembered() {
        let mut start = StartDetector::new(1);
        for (seq, time, payload) in [(1, 0, DELTA), (4, 9, IDR), (2, 9, SPS), (3, 9, PPS)] {
            assert!(!start.on_packet(seq, time, payload), "{seq}");
        }
        assert!(start.on_packet(5, 18, IDR));
        assert_eq!(start.lead(5, IDR).unwrap().0.len(), 2);
    }

    #[test]
    fn sets_with_a_timestamp_of_their_own_are_no_start_once_that_is_known() {
        let apart = [
            (1, 0, SPS),
            (2, 0, PPS),
            (3, 9, IDR),
            (4, 18, SPS),
            (5, 27, DELTA),
            (6, 36, SPS),
            (7, 45, IDR),
        ];
        assert_eq!(starts(&apart), [1, 3, 7]);
        let together = [(8, 54, SPS), (9, 54, IDR), (10, 63, SPS), (11, 63, IDR)];
        assert_eq!(starts(&[&apart[..], &together].concat()), [1, 3, 7, 9, 10]);
    }

    #[test]
    fn an_encoder_that_starts_anew_keeps_its_sets_until_it_sends_others() {
        let mut start = StartDetector::new(500);
        start.on_packet(500, 0, SPS);
        start.on_packet(501, 0, PPS);
        start.restart(1);
        assert!(start.on_packet(1, 0, IDR));
        assert_eq!(start.lead(1, IDR).unwrap().0.len(), 2);
        let other = [0x67, 0x42, 0xe0, 0x28, 0x80];
        start.on_packet(2, 9, &other);
        assert_eq!(*start.lead(3, IDR).unwrap().0[0], other);
    }

    #[test]
    fn an_aggregate_in_the_wrong_order_needs_its_sets_before_it() {
        let aggregate = |units: [&[u8]; 2]| {
            let mut payload = vec![0x78];
            for unit in units {
                payload.extend([0, unit.len() as u8]);
                payload.extend(unit);
            }
            payload
        };
        let (right, wrong) = (aggregate([SPS, PPS]), aggregate([PPS, SPS]));
        let mut start = StartDetector::new(1);
        assert!(start.on_packet(1, 0, &right));
        assert!(start.lead(1, &right).is_none());
        assert!(!start.on_packet(2, 0, IDR), "of the same picture");
        assert!(start.on_packet(3, 9, &wrong));
        let lead = start.lead(3, &wrong).unwrap();
        let bytes: Vec<&[u8]> = lead.0.iter().map(|unit| &**unit).collect();
        assert_eq!(bytes, [SPS, PPS]);
    }
}
