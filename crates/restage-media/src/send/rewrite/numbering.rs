//! Numbers that go on by one for a subscriber, whatever is left out of those that come.
//!
//! Within one encoding the distance between the number that comes in and the one that goes out is constant, so loss and
//! reordering pass through unchanged and a late retransmission gets its place. After a switch the numbers go on right after the
//! highest one sent. A number that is withheld on purpose moves later ones down by one.

use std::collections::VecDeque;

/// Former distances that are remembered within one encoding: how far back a late number still gets its place. Where every other frame
/// is left out of 30 a second, two are added 15 times a second: this is two seconds.
const OLDER_MAX: usize = 63;

/// The most by which a number goes ahead of the highest one sent. A longer gap is closed as far as this: a receiver of SRTP guesses the rollover
/// counter, and wrongly from 2^15 on (RFC 3711 §3.3.1), after which nothing of the stream verifies any more. The publisher's numbers make
/// no such jump at once, but several of them do where what came in between could not be sent. The rest is for what the receiver's own
/// network loses.
const AHEAD_MAX: u64 = 1 << 14;

#[derive(Debug, Default)]
pub(super) struct Numbering {
    /// From where the present distance holds. It is kept apart from the others, which hardly any number needs.
    newest: Option<Segment>,
    /// From where former distances held, oldest first.
    older: VecDeque<Segment>,
    /// Highest number received of the present encoding.
    seen: u64,
    /// Highest number sent.
    sent: u64,
}

#[derive(Debug, Clone, Copy)]
struct Segment {
    from: u64,
    /// What `from` becomes; [`LEFT_OUT`] for numbers that have no place.
    out: u64,
}

/// No number sent is 0: the first is one more than what was before.
const LEFT_OUT: u64 = 0;

impl Numbering {
    /// Numbers that go on after this one.
    pub(super) fn after(sent: u64) -> Self {
        Self {
            sent,
            ..Self::default()
        }
    }

    /// Highest number sent.
    #[inline]
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// Starts an encoding with this number.
    pub(super) fn switch(&mut self, number: u64) {
        self.older.clear();
        self.newest = Some(Segment {
            from: number,
            out: self.sent + 1,
        });
        self.seen = number;
    }

    /// What a number of the present encoding becomes. `None`: it precedes the first number of the encoding, was left out, or is too
    /// old.
    #[inline]
    pub(super) fn forward(&mut self, number: u64) -> Option<u64> {
        let newest = self.newest?;
        let segment = if newest.from <= number {
            newest
        } else {
            self.former(number)?
        };
        let mut out = segment.out + (number - segment.from);
        if out > self.sent + AHEAD_MAX {
            out = self.come_near(number);
        }
        self.seen = self.seen.max(number);
        self.sent = self.sent.max(out);
        Some(out)
    }

    /// Closes the gap before a number that is too far ahead, and says what it becomes. What is missing in the gap has no place any more.
    #[cold]
    fn come_near(&mut self, number: u64) -> u64 {
        let out = self.sent + AHEAD_MAX;
        if let Some(last) = self.newest {
            let first = (self.seen + 1).max(last.from);
            if first > last.from {
                self.remember(last);
            }
            if first < number {
                self.remember(Segment {
                    from: first,
                    out: LEFT_OUT,
                });
            }
        }
        self.newest = Some(Segment { from: number, out });
        out
    }

    fn former(&self, number: u64) -> Option<Segment> {
        let mut former = self.older.iter().rev();
        let segment = *former.find(|older| older.from <= number)?;
        (segment.out != LEFT_OUT).then_some(segment)
    }

    /// A number of our own before `number` of the present encoding. `None`: that or a later one has been forwarded already. Later
    /// numbers move up by one.
    pub(super) fn insert(&mut self, number: u64) -> Option<u64> {
        let last = self.newest?;
        if number < self.seen || number < last.from || last.out + (number - last.from) <= self.sent
        {
            return None;
        }
        let out = last.out + (number - last.from);
        let out = match out > self.sent + AHEAD_MAX {
            true => self.come_near(number),
            false => out,
        };
        if let Some(last) = self.newest.filter(|last| last.from < number) {
            self.remember(last);
        }
        self.newest = Some(Segment {
            from: number,
            out: out + 1,
        });
        self.sent = out;
        Some(out)
    }

    fn remember(&mut self, segment: Segment) {
        if self.older.len() == OLDER_MAX {
            self.older.pop_front();
        }
        self.older.push_back(segment);
    }

    /// Reads the memory that the next number needs: see [`Sender::touch`](crate::send::Sender::touch).
    pub(super) fn touch(&self) -> u64 {
        self.newest.map_or(0, |newest| newest.from) ^ self.sent
    }

    /// Closes the gap of a withheld number; `with_missing` also those between it and the highest seen, which have not come yet and will
    /// be withheld as well. False: later numbers were sent, and this one's place is left.
    pub(super) fn skip(&mut self, number: u64, with_missing: bool) -> bool {
        let Some(last) = self.newest else {
            return true;
        };
        if number <= self.seen {
            return number < last.from && self.former(number).is_none();
        }
        let first = match with_missing {
            true => (self.seen + 1).max(last.from),
            false => number,
        };
        // Where nothing was forwarded since the last gap was closed, this one is joined to it.
        if first > last.from {
            self.remember(last);
        }
        if first < number {
            self.remember(Segment {
                from: first,
                out: LEFT_OUT,
            });
        }
        self.newest = Some(Segment {
            from: number + 1,
            out: last.out + (first - last.from),
        });
        self.seen = number;
        // `sent` is unchanged: the next number takes the place of the withheld one.
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::rng::Rng;

    fn numbering() -> Numbering {
        let mut numbering = Numbering::after(100);
        numbering.switch(70);
        numbering
    }

    #[test]
    fn missing_numbers_of_what_is_left_out_have_no_place_even_if_they_come_late() {
        let mut numbering = numbering();
        assert_eq!(numbering.forward(70), Some(101));
        numbering.skip(71, false);
        // 72 and 73 are missing and belong to the same frame.
        numbering.skip(74, true);
        assert_eq!(numbering.forward(75), Some(102));
        for late in [72, 73] {
            assert_eq!(numbering.forward(late), None);
        }
        // 76 is missing and belongs to the frame before: it keeps its place.
        numbering.skip(77, false);
        assert_eq!(numbering.forward(78), Some(104));
        assert!(!numbering.skip(76, false), "it cannot be left out any more");
        assert!(numbering.skip(72, false), "it is left out already");
        assert_eq!(numbering.forward(76), Some(103));
    }

    #[test]
    fn gaps_that_follow_each_other_are_one() {
        let mut numbering = numbering();
        numbering.forward(70);
        for number in 71..10_000 {
            numbering.skip(number, false);
        }
        assert_eq!(numbering.older.len(), 1);
        assert_eq!(numbering.forward(10_000), Some(102));
        assert_eq!(numbering.forward(10_001), Some(103));
    }

    /// Receivers of SRTP would not follow.
    #[test]
    fn no_number_is_far_ahead_of_the_highest_one_sent() {
        let mut numbering = numbering();
        assert_eq!(numbering.forward(70), Some(101));
        assert_eq!(
            numbering.forward(70 + AHEAD_MAX),
            Some(101 + AHEAD_MAX),
            "not too far"
        );
        let sent = 101 + AHEAD_MAX;
        let far = 100_000;
        assert_eq!(numbering.forward(far), Some(sent + AHEAD_MAX));
        assert_eq!(numbering.forward(far + 1), Some(sent + AHEAD_MAX + 1));
        for late in [far - 1, 71 + AHEAD_MAX] {
            assert_eq!(numbering.forward(late), None, "it has no place any more");
        }
        assert_eq!(numbering.forward(71), Some(102), "a late one from before");
        // The same for numbers of our own.
        let sent = sent + AHEAD_MAX + 1;
        assert_eq!(numbering.insert(2 * far), Some(sent + AHEAD_MAX));
        assert_eq!(numbering.forward(2 * far), Some(sent + AHEAD_MAX + 1));
        assert_eq!(numbering.forward(2 * far - 1), None);
    }

    #[test]
    fn the_memory_of_gaps_is_bounded() {
        let mut numbering = numbering();
        for number in (70..10_000).step_by(3) {
            numbering.forward(number);
            numbering.skip(number + 2, false);
        }
        assert_eq!(numbering.older.len(), OLDER_MAX);
        assert_eq!(numbering.forward(71), None, "it is forgotten");
        assert!(numbering.forward(9_900).is_some());
    }

    /// Frames of one to four packets, of which some are left out whole, with loss and late packets.
    #[test]
    fn no_two_numbers_are_the_same_and_order_is_kept() {
        for seed in 0..300 {
            let mut rng = Rng::new(seed);
            let mut numbering = Numbering::after(rng.next_u64() % 1_000);
            numbering.switch(0);
            let mut sent = vec![(0, numbering.forward(0).unwrap())];
            let mut late = Vec::new();
            let (mut next, mut last_skipped) = (1, 0);
            for frame in 1_u64..200 {
                let is_left_out = rng.next_u64().is_multiple_of(3);
                for _ in 0..1 + rng.next_u64() % 4 {
                    let number = next;
                    next += 1;
                    if rng.next_u64().is_multiple_of(8) {
                        late.push((number, is_left_out));
                    } else if is_left_out {
                        numbering.skip(number, last_skipped == frame);
                        last_skipped = frame;
                    } else if let Some(out) = numbering.forward(number) {
                        sent.push((number, out));
                    }
                }
                if late.len() > 3 {
                    let (number, _) = late.remove((rng.next_u64() % 3) as usize);
                    sent.extend(numbering.forward(number).map(|out| (number, out)));
                }
            }
            sent.sort_unstable();
            let is_ordered = |pair: &[(u64, u64)]| pair[0].1 < pair[1].1;
            assert!(sent.windows(2).all(is_ordered), "seed {seed}: {sent:?}");
        }
    }
}
