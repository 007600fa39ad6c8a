//! The state of one SSRC of a publisher: arrived packets, missing packets, and its receiver report.

use std::time::{Duration, Instant};

use crate::limits::{MISSING_MAX, NACK_DELAY, NACKS_MAX, REPLAY_WINDOW};
use crate::rtp::rtcp::receiver::Block;

const WORD_BITS: u64 = u64::BITS as u64;
const WORDS: usize = (REPLAY_WINDOW / WORD_BITS) as usize;
const _: () = assert!(REPLAY_WINDOW.is_power_of_two() && REPLAY_WINDOW >= WORD_BITS);

/// Arrived packets by packet index (RFC 3711 §3.3.1): the sequence number with the rollover counter above it.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    highest: Option<u64>,
    /// Ring of bits for the newest packets.
    bits: [u64; WORDS],
    /// Packets whose content arrived by retransmission.
    restored: [u64; WORDS],
}

impl Seen {
    /// For an SSRC of which only the highest index is known: nothing up to that index is accepted again.
    pub(crate) fn after(highest: u64) -> Self {
        Self {
            highest: Some(highest),
            bits: [u64::MAX; WORDS],
            restored: [0; WORDS],
        }
    }

    pub(crate) fn highest(&self) -> Option<u64> {
        self.highest
    }

    /// The index nearest to the highest one. The rollover counter of a new SSRC is zero. `None`: the index would be before the
    /// first.
    pub(crate) fn index_of(&self, seq: u16) -> Option<u64> {
        let Some(highest) = self.highest else {
            return Some(u64::from(seq));
        };
        let ahead = seq.wrapping_sub(highest as u16).cast_signed();
        highest.checked_add_signed(i64::from(ahead))
    }

    /// Whether the packet has arrived, or is too old to know.
    pub(crate) fn has(&self, index: u64) -> bool {
        let Some(highest) = self.highest else {
            return false;
        };
        match highest.checked_sub(index) {
            None => false,
            Some(behind) => behind >= REPLAY_WINDOW || self.bits[word(index)] & bit(index) != 0,
        }
    }

    /// Records the arrival of a packet. Returns how many packets between the former highest index and this one are missing.
    pub(crate) fn add(&mut self, index: u64) -> u64 {
        let mut gap = 0;
        match self.highest {
            Some(highest) if index > highest => {
                gap = index - highest - 1;
                for skipped in highest + 1..=index.min(highest + REPLAY_WINDOW) {
                    self.bits[word(skipped)] &= !bit(skipped);
                    self.restored[word(skipped)] &= !bit(skipped);
                }
                self.highest = Some(index);
            }
            Some(_) => {}
            None => self.highest = Some(index),
        }
        self.bits[word(index)] |= bit(index);
        gap
    }

    /// The content of a missing packet has come by retransmission.
    pub(crate) fn restore(&mut self, index: u64) {
        self.restored[word(index)] |= bit(index);
    }

    /// Whether the content of a missing packet that is not too old has come by retransmission.
    pub(crate) fn is_restored(&self, index: u64) -> bool {
        self.restored[word(index)] & bit(index) != 0
    }
}

fn word(index: u64) -> usize {
    (index % REPLAY_WINDOW / WORD_BITS) as usize
}

fn bit(index: u64) -> u64 {
    1 << (index % WORD_BITS)
}

/// Packets to request (RFC 4585 §6.2.1), oldest first.
#[derive(Debug, Default)]
pub(crate) struct Missing {
    packets: Vec<Lost>,
    /// When the first one is due, or earlier.
    soonest: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Lost {
    index: u64,
    next_at: Instant,
    asked_at: Instant,
    times: u8,
}

/// Information about a missing packet that has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    /// When it was first requested.
    pub(crate) asked_at: Option<Instant>,
}

impl Missing {
    /// Adds the `gap` packets before this one, which have not arrived.
    pub(crate) fn add(&mut self, now: Instant, gap: u64, before: u64) {
        if gap > MISSING_MAX as u64 {
            self.clear();
            return;
        }
        let excess = (self.packets.len() + gap as usize).saturating_sub(MISSING_MAX);
        self.packets.drain(..excess);
        let next_at = now + NACK_DELAY;
        let lost = (before - gap..before).map(|index| Lost {
            index,
            next_at,
            asked_at: now,
            times: 0,
        });
        self.packets.extend(lost);
        self.soonest.get_or_insert(next_at);
    }

    /// Removes a packet that has arrived after later ones. `None`: it was not missing.
    pub(crate) fn remove(&mut self, index: u64) -> Option<Found> {
        let place = self.packets.iter().position(|lost| lost.index == index)?;
        let lost = self.packets.remove(place);
        if self.packets.is_empty() {
            self.soonest = None;
        }
        Some(Found {
            asked_at: (lost.times > 0).then_some(lost.asked_at),
        })
    }

    /// They are not expected any more.
    pub(crate) fn clear(&mut self) {
        self.packets.clear();
        self.soonest = None;
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.soonest
    }

    /// The packets to request now; those before `oldest` would be refused when they come and are left out. They are due again
    /// after `retry`, or given up.
    pub(crate) fn take_due(&mut self, now: Instant, retry: Duration, oldest: u64) -> Vec<u64> {
        let is_over =
            |lost: &Lost| lost.index < oldest || lost.times == NACKS_MAX && lost.next_at <= now;
        self.packets.retain(|lost| !is_over(lost));
        let mut due = Vec::new();
        for lost in &mut self.packets {
            if lost.next_at <= now {
                due.push(lost.index);
                if lost.times == 0 {
                    lost.asked_at = now;
                }
                lost.times += 1;
                lost.next_at = now + retry;
            }
        }
        self.soonest = self.packets.iter().map(|lost| lost.next_at).min();
        due
    }
}

/// Statistics of an SSRC for report blocks (RFC 3550 §6.4.1, appendices A.3 and A.8).
#[derive(Debug)]
pub(crate) struct Reception {
    first: u64,
    received: u64,
    /// Expected and received packets as of the last report.
    prior: (u64, u64),
    /// In sixteenths of a tick of the RTP clock.
    jitter: u32,
    /// Time of arrival minus timestamp of the last packet, in ticks.
    transit: Option<u32>,
    /// The middle of the last sender report's NTP time, and when that arrived.
    last_report: Option<(u32, Instant)>,
}

impl Reception {
    pub(crate) fn new(first: u64) -> Self {
        Self {
            first,
            received: 0,
            prior: (0, 0),
            jitter: 0,
            transit: None,
            last_report: None,
        }
    }

    /// Records an arrival; `at` is the time since any fixed moment in ticks of the RTP clock.
    pub(crate) fn add(&mut self, at: u32, time: u32) {
        self.received += 1;
        let transit = at.wrapping_sub(time);
        if let Some(before) = self.transit.replace(transit) {
            let difference = transit.wrapping_sub(before).cast_signed().unsigned_abs();
            // The retransmission of an old packet does not show the path's jitter.
            let difference = difference.min(u32::MAX >> 8);
            self.jitter = self.jitter - ((self.jitter + 8) >> 4) + difference;
        }
    }

    pub(crate) fn on_report(&mut self, middle: u32, arrived: Instant) {
        self.last_report = Some((middle, arrived));
    }

    /// Packets that have not come by themselves, when the highest index is this. A retransmission that came on a stream of its own
    /// counts as lost.
    pub(crate) fn lost(&self, highest: u64) -> u64 {
        let expected = (highest + 1).saturating_sub(self.first);
        expected.saturating_sub(self.received)
    }

    /// In ticks of the RTP clock.
    pub(crate) fn jitter(&self) -> u32 {
        self.jitter >> 4
    }

    /// The report block; `None` if nothing has arrived since the last one.
    pub(crate) fn block(&mut self, ssrc: u32, highest: u64, now: Instant) -> Option<Block> {
        if self.received == self.prior.1 {
            return None;
        }
        let expected = (highest + 1).saturating_sub(self.first);
        let (was_expected, was_received) =
            std::mem::replace(&mut self.prior, (expected, self.received));
        let expected_since = expected.saturating_sub(was_expected);
        let lost_since = expected_since.saturating_sub(self.received - was_received);
        let fraction = (lost_since << 8).checked_div(expected_since).unwrap_or(0);
        let lost = i64::try_from(expected).unwrap_or(i64::MAX) - self.received.cast_signed();
        let (last_report, since) = self.last_report.map_or((0, 0), |(middle, arrived)| {
            let since = now.saturating_duration_since(arrived).as_micros();
            (middle, (since << 16) / 1_000_000)
        });
        Some(Block {
            ssrc,
            fraction_lost: fraction.min(255) as u8,
            // A field of 24 bits.
            lost: lost.clamp(-0x80_0000, 0x7f_ffff) as i32,
            highest: highest as u32,
            jitter: self.jitter >> 4,
            last_report,
            since_last_report: u32::try_from(since).unwrap_or(u32::MAX),
        })
    }
}

/// Where extended timestamps begin. Not zero, so that packets before the first one have a timestamp, too, also where an encoder's clock
/// goes back by half of all timestamps again and again. A multiple of 2³², so that the lower half is the packet's own.
const TIMES_START: u64 = 1 << 40;
/// Extended timestamps that fall below this go on from the start.
const TIMES_MIN: u64 = 1 << 32;

/// Timestamps without wrap-around.
#[derive(Debug, Default)]
pub(crate) struct Times {
    newest: Option<u64>,
}

impl Times {
    /// The extended timestamp nearest to the newest, which `is_newest` makes this one.
    pub(crate) fn extend(&mut self, time: u32, is_newest: bool) -> u64 {
        let newest = self.newest.unwrap_or_else(|| TIMES_START | u64::from(time));
        let ahead = time.wrapping_sub(newest as u32).cast_signed();
        let mut extended = newest.saturating_add_signed(i64::from(ahead));
        if is_newest {
            if extended < TIMES_MIN {
                extended += TIMES_START;
            }
            self.newest = Some(extended);
        }
        extended
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::limits::NACK_RETRY;
    use crate::util::rng::Rng;
    use crate::util::test::epoch;

    #[test]
    fn what_was_seen_agrees_with_a_plain_set() {
        let mut rng = Rng::new(9);
        for stride in [2, 40, 3_000] {
            let mut seen = Seen::default();
            let mut model = BTreeSet::new();
            let mut at = 70_000_u64;
            for _ in 0..20_000 {
                let index = (at + rng.next_u64() % 40).saturating_sub(rng.next_u64() % 1_200);
                at += rng.next_u64() % stride;
                let highest = model.last().copied();
                let is_old = highest.is_some_and(|highest| index + REPLAY_WINDOW <= highest);
                assert_eq!(seen.has(index), is_old || model.contains(&index));
                if !seen.has(index) {
                    let gap =
                        highest.map_or(0, |highest| (index - highest.min(index)).saturating_sub(1));
                    assert_eq!(seen.add(index), gap);
                    model.insert(index);
                }
                assert_eq!(seen.highest(), model.last().copied());
            }
        }
    }

    #[test]
    fn timestamps_go_on_however_often_a_clock_goes_back() {
        let mut times = Times::default();
        let mut time = 7_u32;
        for _ in 0..2_000 {
            let first = times.extend(time, true);
            let second = times.extend(time.wrapping_add(960), true);
            assert_eq!((first as u32, second - first), (time, 960));
            time = time.wrapping_sub(1 << 31);
        }
    }

    #[test]
    fn the_rollover_counter_is_guessed_from_the_highest() {
        let mut seen = Seen::default();
        assert_eq!(seen.index_of(65_000), Some(65_000));
        seen.add(5);
        assert_eq!(seen.index_of(65_535), None, "before the first");
        seen.add(30_000);
        seen.add(60_000);
        assert_eq!(seen.index_of(10), Some(0x1_000a));
        seen.add(0x1_000a);
        assert_eq!(seen.index_of(65_535), Some(0xffff), "late");
    }

    #[test]
    fn what_is_missing_is_asked_for_until_it_comes_or_is_given_up() {
        let epoch = epoch();
        let mut missing = Missing::default();
        missing.add(epoch, 3, 13);
        assert_eq!(missing.take_due(epoch, NACK_RETRY, 0), []);
        let unasked = Found { asked_at: None };
        assert_eq!(missing.remove(11), Some(unasked));
        assert_eq!(missing.remove(11), None);
        let mut at = missing.deadline().unwrap();
        assert_eq!(at, epoch + NACK_DELAY);
        assert_eq!(missing.take_due(at, NACK_RETRY, 0), [10, 12]);
        let once = Found { asked_at: Some(at) };
        assert_eq!(missing.remove(12), Some(once));
        for _ in 1..NACKS_MAX {
            assert_eq!(missing.take_due(at, NACK_RETRY, 0), []);
            at = missing.deadline().unwrap();
            assert_eq!(missing.take_due(at, NACK_RETRY, 0), [10]);
        }
        assert!(at < epoch + Duration::from_secs(1));
        at = missing.deadline().unwrap();
        assert_eq!(missing.take_due(at, NACK_RETRY, 0), [], "given up");
        assert_eq!(missing.deadline(), None);
    }

    #[test]
    fn what_is_missing_is_bounded() {
        let epoch = epoch();
        let mut missing = Missing::default();
        for before in 1..100 {
            missing.add(epoch, 10, before * 20);
        }
        let due = missing.take_due(epoch + NACK_DELAY, NACK_RETRY, 0);
        assert_eq!((due.len(), due.last()), (MISSING_MAX, Some(&1_979)));
        let due = missing.take_due(epoch + NACK_RETRY * 2, NACK_RETRY, 1_970);
        assert_eq!(due.first(), Some(&1_970), "others would be refused");
        missing.add(epoch, MISSING_MAX as u64 + 1, 9_000);
        assert_eq!(missing.deadline(), None, "the picture is lost anyway");
    }

    #[test]
    fn reports_count_what_is_lost_and_say_when_the_last_report_came() {
        let epoch = epoch();
        let mut reception = Reception::new(100);
        // Every fourth packet is lost; the others arrive with a delay that grows.
        for index in (100..200_u32).filter(|index| index % 4 != 1) {
            reception.add(index * 90 + 7, index * 90);
        }
        reception.on_report(0x1234_5678, epoch);
        let block = reception.block(9, 199, epoch + Duration::from_millis(500));
        let expected = Block {
            ssrc: 9,
            fraction_lost: 64,
            lost: 25,
            highest: 199,
            jitter: 0,
            last_report: 0x1234_5678,
            since_last_report: 1 << 15,
        };
        assert_eq!(block, Some(expected));
        assert_eq!(reception.block(9, 199, epoch), None);
        // One of the next ten; the packets lost before arrive late.
        for _ in 0..26 {
            reception.add(0, 0);
        }
        let block = reception.block(9, 209, epoch).unwrap();
        assert_eq!((block.fraction_lost, block.lost), (0, 9));
    }

    #[test]
    fn jitter_comes_near_what_packets_differ_by() {
        let mut reception = Reception::new(0);
        for index in 0..1_000_u32 {
            reception.add(index * 3_000 + index % 2 * 160, index * 3_000);
        }
        let block = reception.block(1, 999, epoch()).unwrap();
        assert!((150..=160).contains(&block.jitter), "{}", block.jitter);
    }

    #[test]
    fn timestamps_go_on_across_their_wrap() {
        let mut times = Times::default();
        let first = times.extend(0xffff_fff0, true);
        assert_eq!(times.extend(0x10, true), first + 0x20);
        assert_eq!(times.extend(0xffff_ffff, false), first + 0xf);
        assert_eq!(times.extend(0x20, false), first + 0x30);
        assert_eq!(first as u32, 0xffff_fff0);
    }
}
