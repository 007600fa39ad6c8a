//! The packets of a tap as a recorder takes them.

use std::collections::VecDeque;

use restage_media::{Encoding, MediaKind, MediaPacket};
use restage_record::{EncodingId, Packet, SenderReport};

/// Encodings that are told apart at the same time: packets of an older one that come late are of a new one.
const ENCODINGS_MAX: usize = 16;

/// Gives each encoder's run a number that no other has in this recording, whichever tap it came by.
#[derive(Debug, Default)]
pub(super) struct Intake {
    next: u64,
    known: VecDeque<(MediaKind, Encoding, EncodingId)>,
}

impl Intake {
    /// Another tap begins, whose encodings are others even if they have the same names.
    pub(super) fn restart(&mut self) {
        self.known.clear();
    }

    /// The packet for the recorder.
    pub(super) fn take(&mut self, packet: MediaPacket) -> Packet {
        Packet {
            encoding: self.number(packet.kind, packet.encoding),
            codec: packet.codec(),
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            arrived_us: packet.arrived_us,
            report: packet.report.map(|report| SenderReport {
                ntp_us: report.ntp_us,
                rtp_time: report.timestamp,
                is_of_ingest: report.is_of_inlet,
            }),
            marker: packet.marker,
            starts_key_frame: packet.starts_key_frame,
            parameter_sets: packet.parameter_sets,
            rotation_degrees: packet.rotation_degrees.unwrap_or_default(),
            payload: packet.payload,
        }
    }

    fn number(&mut self, kind: MediaKind, encoding: Encoding) -> EncodingId {
        let mut known = self.known.iter();
        let found = known.find(|known| (known.0, known.1) == (kind, encoding));
        if let Some((_, _, id)) = found {
            return *id;
        }
        let id = EncodingId(self.next);
        self.next += 1;
        if self.known.len() == ENCODINGS_MAX {
            self.known.pop_front();
        }
        self.known.push_back((kind, encoding, id));
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn encoding(feed: u64, layer: u8) -> Encoding {
        Encoding {
            feed,
            layer,
            epoch: 0,
        }
    }

    #[test]
    fn each_run_has_a_number_and_another_tap_has_others() {
        let mut intake = Intake::default();
        let video = |intake: &mut Intake, feed| intake.number(MediaKind::Video, encoding(feed, 0));
        let first = video(&mut intake, 1);
        let sound = intake.number(MediaKind::Audio, encoding(1, 0));
        assert_ne!(first, sound);
        assert_ne!(video(&mut intake, 2), first);
        assert_eq!(
            video(&mut intake, 1),
            first,
            "a packet that was on its way when the layer changed"
        );
        intake.restart();
        assert_ne!(video(&mut intake, 1), first);
        for feed in 0..100 {
            video(&mut intake, feed);
        }
        assert_eq!(intake.known.len(), ENCODINGS_MAX);
    }
}
