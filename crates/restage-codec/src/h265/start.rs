//! Where a decoder can start in a stream of RTP packets.

use super::{UnitType, each_unit, picture_size};
use crate::PictureSize;

/// Finds the packets of one stream that a decoder can start with. It starts with the parameter sets, which must come with each picture
/// that it can start with: libwebrtc, for one, takes no other (a difference from H.264, whose sets may come once). Packets are named by
/// their sequence numbers without wrap-around and may come in another order.
#[derive(Debug, Default)]
pub struct StartDetector {
    /// Highest sequence number; `None` before the first packet.
    newest: Option<u64>,
    /// Timestamp of the newest picture that a decoder can start with.
    started: Option<u64>,
    /// Of the newest sequence parameter set.
    size: Option<PictureSize>,
}

impl StartDetector {
    /// The encoder starts again, with other numbers.
    pub fn restart(&mut self) {
        *self = Self {
            size: self.size,
            ..Self::default()
        };
    }

    /// Size of the pictures, as the newest sequence parameter set has it.
    pub fn size(&self) -> Option<PictureSize> {
        self.size
    }

    /// Takes a packet of the stream. Whether a decoder can start with it: it is the first of its picture that carries a video or
    /// sequence parameter set.
    pub fn on_packet(&mut self, seq: u64, time: u64, payload: &[u8]) -> bool {
        let mut has_sets = false;
        each_unit(payload, |kind, unit| {
            has_sets |= matches!(kind, UnitType::VPS | UnitType::SPS);
            if let Some(unit) = unit.filter(|_| kind == UnitType::SPS) {
                self.size = picture_size(unit).or(self.size);
            }
        });
        let is_late = self.newest.is_some_and(|newest| seq <= newest);
        if is_late {
            return false;
        }
        self.newest = Some(seq);
        if !has_sets || self.started == Some(time) {
            return false;
        }
        self.started = Some(time);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::sps::tests::sps;
    use super::*;

    const VPS: &[u8] = &[0x40, 0x01, 7];
    const SPS: &[u8] = &[0x42, 0x01, 7];
    const PPS: &[u8] = &[0x44, 0x01, 7];
    const IDR: &[u8] = &[0x26, 0x01, 7];
    const DELTA: &[u8] = &[0x02, 0x01, 7];
    const DELIMITER: &[u8] = &[0x46, 0x01, 7];

    /// Which of these packets (number, timestamp, payload) a decoder can start with.
    fn starts(packets: &[(u64, u64, &[u8])]) -> Vec<u64> {
        let mut start = StartDetector::default();
        let found = packets
            .iter()
            .filter(|(seq, time, payload)| start.on_packet(*seq, *time, payload));
        found.map(|(seq, ..)| *seq).collect()
    }

    #[test]
    fn a_picture_starts_once_with_its_parameter_sets() {
        let picture = [
            (1, 0, DELIMITER),
            (2, 0, VPS),
            (3, 0, SPS),
            (4, 0, PPS),
            (5, 0, IDR),
        ];
        assert_eq!(starts(&picture), [2]);
        let next = [(6, 9, DELTA), (7, 18, SPS), (8, 18, IDR), (9, 27, IDR)];
        assert_eq!(starts(&[&picture[..], &next].concat()), [2, 7]);
        let aggregate = [&[0x60, 0x01, 0, 3], VPS, &[0, 3], SPS, &[0, 3], PPS].concat();
        assert_eq!(starts(&[(1, 0, &aggregate), (2, 0, IDR)]), [1]);
    }

    #[test]
    fn what_comes_late_is_no_start_and_an_encoder_may_start_anew() {
        let late = [(1, 0, DELTA), (4, 9, IDR), (2, 9, SPS), (5, 18, SPS)];
        assert_eq!(starts(&late), [5]);
        let mut start = StartDetector::default();
        assert!(start.on_packet(500, 0, &sps(640, 360)));
        assert!(!start.on_packet(1, 0, SPS));
        start.restart();
        assert_eq!(start.size().map(|size| size.width), Some(640));
        assert!(start.on_packet(1, 0, SPS));
    }
}
