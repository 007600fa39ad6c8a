//! Sequence numbers of published RTP packets: maps the program's 16-bit numbers to the connection's 64-bit ones.
//!
//! SRTP derives its key stream from the number (RFC 3711 §4.1.1), so no number may be used twice,
//! whatever the program writes.

use crate::frame::TrackKind;

/// A larger forward gap in sequence numbers counts as a restart (RFC 3550 appendix A.1).
const GAP_MAX: u16 = 3_000;
/// How far a late packet may be behind the newest one (RFC 3550 appendix A.1).
const LATE_MAX: u16 = 100;

/// The sequence numbers of every track.
#[derive(Default)]
pub(super) struct Sequences {
    audio: Option<Sequence>,
    video: Option<Sequence>,
}

/// The sequence numbers of one track.
struct Sequence {
    /// The highest number sent.
    highest: u64,
    /// The program's number of the packet `highest`.
    newest: u16,
    /// Which of the numbers up to `highest` were sent; bit 0 stands for `highest` itself.
    sent: u128,
}

impl Sequences {
    /// The number under which to send a packet; `None` for a packet that must not be sent because it is a
    /// repetition or too late. Gaps and the positions of late packets are preserved, except that after a
    /// jump of the program's numbers the numbering continues directly after the packet before.
    pub(super) fn next(&mut self, kind: TrackKind, number: u16) -> Option<u64> {
        let track = match kind {
            TrackKind::Audio => &mut self.audio,
            TrackKind::Video => &mut self.video,
        };
        match track {
            Some(sequence) => sequence.next(number),
            None => {
                let first = u64::from(number);
                *track = Some(Sequence {
                    highest: first,
                    newest: number,
                    sent: 1,
                });
                Some(first)
            }
        }
    }
}

impl Sequence {
    fn next(&mut self, number: u16) -> Option<u64> {
        let ahead = number.wrapping_sub(self.newest);
        let behind = self.newest.wrapping_sub(number);
        if behind <= LATE_MAX {
            let bit = 1_u128 << behind;
            let late = self.highest.checked_sub(u64::from(behind))?;
            let is_new = self.sent & bit == 0;
            self.sent |= bit;
            return is_new.then_some(late);
        }
        let step = if ahead <= GAP_MAX { ahead } else { 1 };
        // Packets sent before a restart of the numbering can no longer be late.
        let before = if ahead <= GAP_MAX {
            self.sent
        } else {
            u128::MAX
        };
        self.highest += u64::from(step);
        self.newest = number;
        self.sent = before.checked_shl(u32::from(step)).unwrap_or(0) | 1;
        Some(self.highest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(given: &[u16]) -> Vec<Option<u64>> {
        let mut sequences = Sequences::default();
        let next = |number: &u16| sequences.next(TrackKind::Video, *number);
        given.iter().map(next).collect()
    }

    #[test]
    fn numbers_wrap_and_late_packets_keep_their_place() {
        assert_eq!(
            numbers(&[65_534, 65_535, 1, 0, 65_533, 2]),
            [65_534, 65_535, 65_537, 65_536, 65_533, 65_538].map(Some)
        );
    }

    #[test]
    fn no_number_is_used_twice() {
        assert_eq!(
            numbers(&[10, 11, 11, 10, 13, 12, 12, 13]),
            [
                Some(10),
                Some(11),
                None,
                None,
                Some(13),
                Some(12),
                None,
                None
            ]
        );
        assert_eq!(
            numbers(&[0, 65_535]),
            [Some(0), None],
            "nothing is before the first"
        );
        let far = numbers(&[500, 1_000, 500, 899, 900, 900]);
        // 500 is too far back for a late packet, so it restarts the numbering.
        assert_eq!(
            far,
            [500, 1_000, 1_001, 1_400, 1_401]
                .map(Some)
                .into_iter()
                .chain([None])
                .collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_jump_goes_on_behind_the_packet_before() {
        assert_eq!(
            numbers(&[40_000, 7, 8, 6, 50_000, 49_999, 7]),
            [
                Some(40_000),
                Some(40_001),
                Some(40_002),
                None,
                Some(40_003),
                None,
                Some(40_004)
            ]
        );
        assert_eq!(numbers(&[5, 3_005, 6_006]), [5, 3_005, 3_006].map(Some));
    }

    #[test]
    fn any_numbers_at_all_lead_to_different_ones() {
        let mut state = 1_u32;
        let given: Vec<u16> = (0..20_000)
            .map(|index: u32| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                // Alternates small steps, gaps and jumps.
                let spread = [3, 150, 4_000, 65_535][(index / 64 % 4) as usize];
                (index as u16).wrapping_add((state >> 16) as u16 % spread)
            })
            .collect();
        let mut sent: Vec<u64> = numbers(&given).into_iter().flatten().collect();
        let count = sent.len();
        sent.sort_unstable();
        sent.dedup();
        assert_eq!(sent.len(), count);
        assert!(count > 5_000, "{count}");
    }

    #[test]
    fn each_track_counts_by_itself() {
        let mut sequences = Sequences::default();
        assert_eq!(sequences.next(TrackKind::Video, 9), Some(9));
        assert_eq!(sequences.next(TrackKind::Audio, 9), Some(9));
    }
}
