//! Continuous sequence numbers and timestamps across layers and feeds.
//!
//! What is withheld on purpose leaves no gap, so that receivers do not request it: see [`Numbering`].

use super::numbering::Numbering;

#[derive(Debug)]
pub(crate) struct RtpRewriter {
    numbers: Numbering,
    /// Timestamp of the highest number sent.
    sent_time: u32,
    time_in: u64,
    time_out: u32,
}

/// The numbers to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Numbers {
    /// Extended without wrap-around; its low 16 bits are the RTP sequence number.
    pub(crate) seq: u64,
    pub(crate) time: u32,
}

impl RtpRewriter {
    /// `seq` is the first number. It is reduced below 2^15, because a receiver that misses the
    /// first packets assumes a rollover counter of 0 (RFC 3711 §3.3.1).
    pub(crate) fn new(seq: u16, time: u32) -> Self {
        Self {
            numbers: Numbering::after(u64::from(seq & 0x7fff)),
            sent_time: time,
            time_in: 0,
            time_out: time,
        }
    }

    /// Starts an encoding with this packet. `elapsed` is the time since the last packet sent, in timestamp units.
    pub(crate) fn switch(&mut self, seq: u64, time: u64, elapsed: u32) {
        self.numbers.switch(seq);
        self.time_in = time;
        self.time_out = self.sent_time.wrapping_add(elapsed);
    }

    /// The numbers for a packet of the present encoding. `None`: it precedes the first packet of the encoding, was left out, or is too
    /// old.
    #[inline]
    pub(crate) fn forward(&mut self, seq: u64, time: u64) -> Option<Numbers> {
        let before = self.numbers.sent();
        let out = self.numbers.forward(seq)?;
        let numbers = Numbers {
            seq: out,
            time: self.time(time),
        };
        if out > before {
            self.sent_time = numbers.time;
        }
        Some(numbers)
    }

    /// The numbers for a packet of our own before the packet `seq` of the present encoding. `None`: that packet or a later one
    /// has been forwarded already. Later packets move up by one.
    pub(crate) fn insert(&mut self, seq: u64, time: u64) -> Option<Numbers> {
        let seq = self.numbers.insert(seq)?;
        self.sent_time = self.time(time);
        Some(Numbers {
            seq,
            time: self.sent_time,
        })
    }

    /// Reads the memory that the next packet needs: see [`Sender::touch`](crate::send::Sender::touch).
    pub(crate) fn touch(&self) -> u64 {
        self.numbers.touch()
    }

    /// Closes the gap of a withheld packet: see [`Numbering::skip`].
    pub(crate) fn skip(&mut self, seq: u64, with_missing: bool) -> bool {
        self.numbers.skip(seq, with_missing)
    }

    /// The outgoing timestamp for a timestamp of the present encoding. Wraps as RTP does.
    #[inline]
    pub(crate) fn time(&self, time: u64) -> u32 {
        self.time_out
            .wrapping_add(time.wrapping_sub(self.time_in) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::rng::Rng;

    fn rewriter() -> RtpRewriter {
        let mut rewriter = RtpRewriter::new(100, 5_000);
        rewriter.switch(70_000, 900_000, 0);
        rewriter
    }

    fn seqs(rewriter: &mut RtpRewriter, input: &[u64]) -> Vec<Option<u64>> {
        input
            .iter()
            .map(|&seq| rewriter.forward(seq, 900_000).map(|numbers| numbers.seq))
            .collect()
    }

    #[test]
    fn the_first_number_follows_the_start() {
        let numbers = rewriter().forward(70_000, 900_000).unwrap();
        assert_eq!(
            numbers,
            Numbers {
                seq: 101,
                time: 5_000
            }
        );
    }

    #[test]
    fn starts_stay_below_two_to_the_fifteenth() {
        let mut rewriter = RtpRewriter::new(u16::MAX, 0);
        rewriter.switch(0, 0, 0);
        assert_eq!(rewriter.forward(0, 0).unwrap().seq, 0x8000);
    }

    #[test]
    fn loss_and_reordering_keep_their_places() {
        let mut rewriter = rewriter();
        assert_eq!(
            seqs(&mut rewriter, &[70_000, 70_003, 70_001, 70_010, 70_002]),
            [Some(101), Some(104), Some(102), Some(111), Some(103)]
        );
    }

    #[test]
    fn packets_before_the_switch_are_not_placed() {
        let mut rewriter = rewriter();
        assert_eq!(
            seqs(&mut rewriter, &[69_999, 70_000, 0]),
            [None, Some(101), None]
        );
    }

    #[test]
    fn a_switch_continues_after_the_highest_number_sent() {
        let mut rewriter = rewriter();
        seqs(&mut rewriter, &[70_000, 70_005, 70_003]);
        rewriter.forward(70_005, 909_000);
        rewriter.forward(70_006, 909_000);
        rewriter.switch(12, 333, 3_000);
        assert_eq!(
            rewriter.forward(12, 333).unwrap(),
            Numbers {
                seq: 108,
                time: 5_000 + 9_000 + 3_000
            }
        );
        assert_eq!(seqs(&mut rewriter, &[13, 11]), [Some(109), None]);
    }

    #[test]
    fn timestamps_move_with_the_source_and_wrap() {
        let mut rewriter = RtpRewriter::new(0, u32::MAX - 1_000);
        rewriter.switch(1, 50_000, 0);
        assert_eq!(rewriter.forward(1, 50_000).unwrap().time, u32::MAX - 1_000);
        assert_eq!(rewriter.forward(2, 53_000).unwrap().time, 1_999);
        // A reordered packet of an earlier frame.
        assert_eq!(rewriter.forward(0, 47_000), None);
        assert_eq!(rewriter.time(47_000), u32::MAX - 4_000);
    }

    #[test]
    fn sequence_numbers_do_not_wrap() {
        let mut rewriter = RtpRewriter::new(0, 0);
        rewriter.switch(0, 0, 0);
        let sent = (0..200_000).step_by(10_000);
        let sent = sent.map(|seq| rewriter.forward(seq, 0).unwrap().seq);
        assert_eq!(sent.last(), Some(190_001));
    }

    #[test]
    fn withheld_packets_leave_no_gap() {
        let mut rewriter = rewriter();
        seqs(&mut rewriter, &[70_000]);
        rewriter.skip(70_001, false);
        rewriter.skip(70_002, false);
        assert_eq!(
            seqs(&mut rewriter, &[70_003, 70_004]),
            [Some(102), Some(103)]
        );
    }

    #[test]
    fn inserted_packets_come_right_before_theirs_and_move_later_ones_up() {
        let mut rewriter = rewriter();
        for seq in [101, 102] {
            let numbers = rewriter.insert(70_000, 900_000);
            assert_eq!(numbers, Some(Numbers { seq, time: 5_000 }));
        }
        assert_eq!(
            seqs(&mut rewriter, &[70_000, 70_001, 70_003]),
            [Some(103), Some(104), Some(106)]
        );
        let numbers = rewriter.insert(70_004, 903_000).unwrap();
        assert_eq!((numbers.seq, numbers.time), (107, 8_000));
        assert_eq!(
            seqs(&mut rewriter, &[70_004, 70_002, 70_006]),
            [Some(108), Some(105), Some(110)],
            "a late one finds its place"
        );
    }

    #[test]
    fn nothing_is_inserted_where_later_packets_were_sent() {
        let mut rewriter = rewriter();
        seqs(&mut rewriter, &[70_000, 70_005]);
        assert_eq!(rewriter.insert(70_003, 900_000), None);
        assert_eq!(rewriter.insert(70_005, 900_000), None);
        assert_eq!(RtpRewriter::new(1, 1).insert(5, 5), None, "no source yet");
    }

    #[test]
    fn a_late_packet_from_before_a_withheld_one_finds_its_place() {
        let mut rewriter = rewriter();
        seqs(&mut rewriter, &[70_000]);
        rewriter.skip(70_002, false);
        assert_eq!(
            seqs(&mut rewriter, &[70_003, 70_001]),
            [Some(103), Some(102)]
        );
    }

    #[test]
    fn a_gap_is_left_alone_once_later_packets_were_sent() {
        let mut rewriter = rewriter();
        seqs(&mut rewriter, &[70_000, 70_002]);
        rewriter.skip(70_001, false);
        assert_eq!(seqs(&mut rewriter, &[70_003]), [Some(104)]);
    }

    #[test]
    fn a_long_gap_is_closed() {
        let mut rewriter = rewriter();
        for seq in 1..10_000 {
            rewriter.skip(70_000 + seq, false);
        }
        assert_eq!(seqs(&mut rewriter, &[80_000]), [Some(102)]);
    }

    /// A random sender with loss, reordering, withheld padding, and switches to other encodings.
    #[test]
    fn no_two_packets_share_a_number_and_order_is_kept() {
        for seed in 0..200 {
            let mut rng = Rng::new(seed);
            let mut rewriter = RtpRewriter::new(rng.next_u32() as u16, rng.next_u32());
            let mut used = std::collections::BTreeSet::new();
            let mut highest = 0;
            for _ in 0..10 {
                let start = rng.next_u64() % 1_000_000;
                rewriter.switch(start, rng.next_u64() >> 1, 1);
                let first = rewriter.forward(start, 0).unwrap().seq;
                assert!(first > highest && used.insert(first), "seed {seed}");
                let mut sent = vec![(start, first)];
                for (seq, is_padding) in shuffled(start + 1, &mut rng) {
                    let inserts = rng.next_u64().is_multiple_of(8);
                    if let Some(numbers) = inserts.then(|| rewriter.insert(seq, 0)).flatten() {
                        assert!(used.insert(numbers.seq), "seed {seed}");
                    }
                    if is_padding {
                        rewriter.skip(seq, false);
                    } else if let Some(numbers) = rewriter.forward(seq, 0) {
                        assert!(
                            used.insert(numbers.seq),
                            "seed {seed}: {} twice",
                            numbers.seq
                        );
                        sent.push((seq, numbers.seq));
                    }
                }
                sent.sort_unstable();
                assert!(
                    sent.windows(2).all(|pair| pair[0].1 < pair[1].1),
                    "seed {seed}"
                );
                highest = used.last().copied().unwrap();
            }
        }
    }

    /// Numbers from `start`, some missing, some padding, each up to a few positions out of order.
    fn shuffled(start: u64, rng: &mut Rng) -> Vec<(u64, bool)> {
        let mut packets = Vec::new();
        for seq in start..start + 100 {
            let is_lost = rng.next_u64().is_multiple_of(10);
            let is_padding = rng.next_u64().is_multiple_of(8);
            if !is_lost {
                packets.push((seq + rng.next_u64() % 5, seq, is_padding));
            }
        }
        packets.sort_by_key(|(place, ..)| *place);
        packets
            .into_iter()
            .map(|(_, seq, is_padding)| (seq, is_padding))
            .collect()
    }
}
