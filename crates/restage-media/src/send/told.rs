//! What is counted of a subscriber's streams, for those who ask. Nothing here is done for a packet: rates are measured when a sender
//! report leaves, and the rest is what the subscriber says.

use std::time::Instant;

use restage_codec::MediaKind;

use super::Sender;
use super::seat::SeatNumber;
use crate::stats::{TrackStats, ticks};

/// What was measured of one stream, and what its subscriber has said of it.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Time and octets at the last sender report.
    measured: Option<(Instant, u64)>,
    bits_per_s: u64,
    /// Lost packets and jitter by the subscriber's newest report.
    pub(super) reported: Option<(i32, u32)>,
    pub(super) nacks: u64,
    pub(super) resent: u64,
    pub(super) key_frame_requests: u64,
}

impl Told {
    /// Measures the rate since the call before; `octets` is what was sent since the beginning.
    pub(super) fn measure(&mut self, now: Instant, octets: u64) {
        if let Some((at, before)) = self.measured.replace((now, octets)) {
            let millis = now.saturating_duration_since(at).as_millis() as u64;
            let bits = octets.saturating_sub(before) * 8_000;
            self.bits_per_s = bits.checked_div(millis).unwrap_or(self.bits_per_s);
        }
    }
}

impl Sender {
    /// What is counted of the stream of a kind at a seat. `None`: the subscriber takes none.
    pub(crate) fn stats(&self, seat: SeatNumber, kind: MediaKind) -> Option<TrackStats> {
        let stream = self.seat(seat)?.streams[kind.index()].as_ref()?;
        let told = &stream.told;
        let (lost, jitter) = told.reported.unzip();
        Some(TrackStats {
            bits_per_s: told.bits_per_s,
            packets: stream.packets,
            bytes: stream.octets,
            frames: match kind {
                MediaKind::Audio => 0,
                MediaKind::Video => stream.frames,
            },
            // Packets that came twice make it negative.
            lost: lost.map_or(0, |lost| u64::from(lost.max(0).unsigned_abs())),
            repaired: told.resent,
            nacks: told.nacks,
            key_frame_requests: told.key_frame_requests,
            jitter: jitter.and_then(|jitter| ticks(jitter, stream.config.clock_rate)),
            ..TrackStats::of(kind)
        })
    }

    /// Share of packets that were lost lately, if there is feedback for that.
    pub(crate) fn loss(&self) -> Option<f64> {
        self.estimate().map(|_| self.estimator.loss())
    }

    /// The time to the subscriber and back, once that is measured.
    pub(crate) fn round_trip(&self) -> Option<std::time::Duration> {
        self.estimator.round_trip()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::util::test::epoch;

    #[test]
    fn a_rate_is_what_was_sent_between_two_reports() {
        let mut told = Told::default();
        let begun = epoch();
        let at = |ms| begun + Duration::from_millis(ms);
        for (ms, octets, expected) in [
            (0, 9_000, 0),
            (1_000, 134_000, 1_000_000),
            (1_000, 134_000, 1_000_000),
            (3_000, 184_000, 200_000),
            (4_000, 184_000, 0),
        ] {
            told.measure(at(ms), octets);
            assert_eq!(told.bits_per_s, expected, "at {ms} ms");
        }
    }
}
