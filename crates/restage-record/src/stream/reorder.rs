//! Packets in the order of their sequence numbers.

use std::collections::{BTreeMap, VecDeque};

use crate::limits::{REORDER_BYTES_MAX, REORDER_DOUBT_US, REORDER_PACKETS_MAX, REORDER_WINDOW_US};
use crate::packet::Packet;

/// So many packets in a row from before what was given out: the numbers have started again.
const LATE_RUN_MAX: u32 = 128;

/// Puts the packets of one encoding in order. What is missing is waited for, within [`REORDER_WINDOW_US`] and bounds in packets and bytes.
#[derive(Debug, Default)]
pub(super) struct Reorder {
    /// Number of the packet that is given out next; `None` before the first.
    next: Option<u64>,
    waiting: BTreeMap<u64, Packet>,
    bytes: usize,
    /// How many of them begin a key frame.
    keys: usize,
    /// When waiting packets came, the earliest first.
    came: VecDeque<(u64, u64)>,
    late_run: u32,
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Ordered {
    Packet(Packet),
    /// So many packets are missing, for good.
    Hole(u64),
}

impl Reorder {
    /// Takes a packet. Answers whether it came too late; it may also be one that was there before.
    pub(super) fn push(&mut self, now_us: u64, packet: Packet) -> bool {
        let sequence = packet.sequence;
        let next = *self.next.get_or_insert(sequence);
        if sequence < next {
            self.late_run += 1;
            if self.late_run <= LATE_RUN_MAX {
                return true;
            }
            self.restart(sequence);
        }
        self.late_run = 0;
        if self.waiting.contains_key(&sequence) {
            return false;
        }
        self.bytes += packet.payload.len();
        self.keys += usize::from(packet.starts_key_frame);
        self.came.push_back((now_us, sequence));
        self.waiting.insert(sequence, packet);
        false
    }

    /// The next packet or hole, if it is time for it. With `must` nothing is waited for any more.
    pub(super) fn pop(&mut self, now_us: u64, must: bool) -> Option<Ordered> {
        let next = self.next?;
        let first = *self.waiting.first_key_value()?.0;
        if first > next {
            if !must && !self.is_final(now_us) {
                return None;
            }
            self.next = Some(first);
            return Some(Ordered::Hole(first - next));
        }
        let packet = self.waiting.remove(&first)?;
        self.bytes -= packet.payload.len();
        self.keys -= usize::from(packet.starts_key_frame);
        self.next = first.checked_add(1);
        if self.waiting.is_empty() {
            self.came.clear();
        }
        Some(Ordered::Packet(packet))
    }

    /// Bytes of waiting packets.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether it is doubtful that what is missing comes, and no key frame is there that could follow it.
    pub(super) fn is_doubtful(&mut self, now_us: u64) -> bool {
        let first = self.waiting.first_key_value().map(|(first, _)| *first);
        let has_hole = first.is_some_and(|first| self.next.is_some_and(|next| first > next));
        has_hole && self.keys == 0 && self.waited_us(now_us) >= REORDER_DOUBT_US
    }

    /// Whether what is missing has been waited for long enough: since the first of the packets behind it came.
    fn is_final(&mut self, now_us: u64) -> bool {
        self.waited_us(now_us) >= REORDER_WINDOW_US
            || self.waiting.len() > REORDER_PACKETS_MAX
            || self.bytes > REORDER_BYTES_MAX
    }

    /// How long the packet that came first waits.
    fn waited_us(&mut self, now_us: u64) -> u64 {
        while let Some((_, sequence)) = self.came.front()
            && !self.waiting.contains_key(sequence)
        {
            self.came.pop_front();
        }
        let since = self.came.front().map_or(now_us, |(came, _)| *came);
        now_us.saturating_sub(since)
    }

    fn restart(&mut self, sequence: u64) {
        *self = Self {
            next: Some(sequence),
            ..Self::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::tests::audio;

    const MS: u64 = 1_000;

    /// What comes out as the numbers of packets, and of holes as negative numbers.
    fn drain(reorder: &mut Reorder, now_us: u64, must: bool) -> Vec<i64> {
        let mut out = Vec::new();
        while let Some(ordered) = reorder.pop(now_us, must) {
            out.push(match ordered {
                Ordered::Packet(packet) => packet.sequence as i64,
                Ordered::Hole(count) => -(count as i64),
            });
        }
        out
    }

    #[test]
    fn packets_come_out_in_order_and_once() {
        let mut reorder = Reorder::default();
        for sequence in [5, 7, 7, 6, 5, 9, 8] {
            reorder.push(0, audio(sequence));
        }
        assert_eq!(drain(&mut reorder, 0, false), [5, 6, 7, 8, 9]);
        assert!(reorder.push(0, audio(8)), "late");
        assert_eq!((reorder.bytes(), reorder.is_empty()), (0, true));
    }

    #[test]
    fn a_hole_is_final_a_second_after_the_packet_behind_it() {
        let mut reorder = Reorder::default();
        reorder.push(0, audio(1));
        reorder.push(20 * MS, audio(3));
        reorder.push(900 * MS, audio(6));
        assert_eq!(drain(&mut reorder, 1_019 * MS, false), [1]);
        assert_eq!(drain(&mut reorder, 1_020 * MS, false), [-1, 3]);
        reorder.push(1_500 * MS, audio(5));
        assert!(drain(&mut reorder, 1_899 * MS, false).is_empty());
        assert_eq!(drain(&mut reorder, 1_900 * MS, false), [-1, 5, 6]);
        reorder.push(2_000 * MS, audio(9));
        assert_eq!(drain(&mut reorder, 2_000 * MS, true), [-2, 9]);
    }

    #[test]
    fn a_hole_is_doubtful_after_a_while_if_no_key_frame_follows() {
        let mut reorder = Reorder::default();
        reorder.push(0, audio(1));
        drain(&mut reorder, 0, false);
        assert!(!reorder.is_doubtful(900 * MS), "nothing is missing");
        reorder.push(100 * MS, audio(3));
        assert!(!reorder.is_doubtful(499 * MS));
        assert!(reorder.is_doubtful(500 * MS));
        let mut key = audio(4);
        key.starts_key_frame = true;
        reorder.push(600 * MS, key);
        assert!(!reorder.is_doubtful(700 * MS));
    }

    #[test]
    fn bounds_end_the_wait() {
        let mut reorder = Reorder::default();
        reorder.push(0, audio(0));
        drain(&mut reorder, 0, false);
        for sequence in 2..=REORDER_PACKETS_MAX as u64 + 1 {
            reorder.push(0, audio(sequence));
        }
        assert!(drain(&mut reorder, 0, false).is_empty());
        reorder.push(0, audio(1 << 40));
        assert_eq!(drain(&mut reorder, 0, false).len(), REORDER_PACKETS_MAX + 1);
    }

    #[test]
    fn numbers_that_start_again_are_taken_after_a_while() {
        let mut reorder = Reorder::default();
        reorder.push(0, audio(1 << 40));
        drain(&mut reorder, 0, false);
        let late =
            (0..u64::from(LATE_RUN_MAX)).filter(|sequence| reorder.push(0, audio(*sequence)));
        assert_eq!(late.count(), LATE_RUN_MAX as usize);
        assert!(!reorder.push(0, audio(500)));
        assert_eq!(drain(&mut reorder, 0, false), [500]);
        reorder.push(0, audio(u64::MAX));
        assert_eq!(
            drain(&mut reorder, 0, true),
            [-((u64::MAX - 501) as i64), -1]
        );
    }
}
