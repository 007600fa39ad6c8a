//! The times at which a publisher's packets have arrived, by the numbers that they carry across all its streams
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01). The publisher's congestion control needs them.

use std::time::{Duration, Instant};

use crate::limits::{ARRIVALS_INTERVAL, ARRIVALS_MAX};
use crate::rtp::rtcp::sender::TRANSPORT_FEEDBACK;

/// Times are written in units of 250 µs,
const TICK: Duration = Duration::from_micros(250);
/// after a reference time in units of 64 ms.
const REFERENCE_TICKS: u64 = 256;
/// Most arrivals in one message. Each takes two bytes and, with losses around it, four more, so a message fits a
/// datagram.
const ARRIVALS_PER_MESSAGE: usize = 160;
/// Numbers that one message covers. A longer gap is not a loss: numbers have started again.
const NUMBERS_PER_MESSAGE: u64 = 8_000;
/// The longest run that a run-length chunk can hold.
const RUN_MAX: usize = 0x1fff;
const FORMAT: u8 = 15;

/// Packet status symbols.
const NOT_RECEIVED: u8 = 0;
const SMALL_DELTA: u8 = 1;
const LARGE_DELTA: u8 = 2;

/// The contents of a message.
#[derive(Debug, Default)]
struct Statuses {
    symbols: Vec<u8>,
    deltas: Vec<u8>,
    /// How many of the pending arrivals it reports.
    arrivals: usize,
}

/// Arrivals that have not been reported yet.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    epoch: Option<Instant>,
    /// Highest number, without wrap-around.
    newest: Option<u64>,
    /// The number after the highest one that was reported.
    reported: u64,
    /// Numbers and ticks since `epoch`.
    pending: Vec<(u64, u64)>,
    since: Option<Instant>,
    messages: u8,
    /// The SSRC of the newest packet: receivers of feedback check whether it is theirs.
    media: u32,
}

impl Arrivals {
    pub(crate) fn add(&mut self, seq: u16, ssrc: u32, at: Instant) {
        if ssrc != 0 {
            self.media = ssrc;
        }
        let epoch = *self.epoch.get_or_insert(at);
        // Not zero, so that packets before the first one have a number, too.
        let newest = self.newest.unwrap_or_else(|| 1 << 16 | u64::from(seq));
        let ahead = seq.wrapping_sub(newest as u16).cast_signed();
        let number = newest.saturating_add_signed(i64::from(ahead));
        if self.newest.is_none() {
            self.reported = number;
        }
        self.newest = Some(newest.max(number));
        if self.pending.len() < ARRIVALS_MAX {
            let elapsed = at.saturating_duration_since(epoch);
            let ticks = elapsed.as_micros() / TICK.as_micros();
            self.pending.push((number, ticks as u64));
            self.since.get_or_insert(at);
        }
    }

    /// When the pending arrivals must be reported.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.since.map(|since| since + ARRIVALS_INTERVAL)
    }

    /// Drops pending arrivals that do not fit into the messages of one report.
    pub(crate) fn forget(&mut self) {
        self.pending.clear();
        self.since = None;
    }

    /// Writes a message about the oldest pending arrivals. False: there are none.
    pub(crate) fn write(&mut self, buffer: &mut Vec<u8>, sender: u32) -> bool {
        if !self.pending.is_sorted() {
            self.pending.sort_unstable();
        }
        let Some(&(first, first_ticks)) = self.pending.first() else {
            self.since = None;
            return false;
        };
        // Packets lost since the last message are reported, too.
        let is_near = first.saturating_sub(self.reported) < NUMBERS_PER_MESSAGE;
        let from = if is_near {
            first.min(self.reported)
        } else {
            first
        };
        let reference = first_ticks / REFERENCE_TICKS;
        let said = self.statuses(from, reference * REFERENCE_TICKS);
        self.pending.drain(..said.arrivals);
        self.reported = self.reported.max(from + said.symbols.len() as u64);
        let start = buffer.len();
        buffer.extend([0x80 | FORMAT, TRANSPORT_FEEDBACK, 0, 0]);
        buffer.extend(sender.to_be_bytes());
        buffer.extend(self.media.to_be_bytes());
        buffer.extend((from as u16).to_be_bytes());
        buffer.extend((said.symbols.len() as u16).to_be_bytes());
        let reference = (reference as u32) << 8 | u32::from(self.messages);
        buffer.extend(reference.to_be_bytes());
        self.messages = self.messages.wrapping_add(1);
        write_chunks(buffer, &said.symbols);
        buffer.extend(said.deltas);
        finish(buffer, start);
        true
    }

    /// The contents of a message that begins with this number and time.
    fn statuses(&self, from: u64, mut before: u64) -> Statuses {
        let mut said = Statuses::default();
        for (number, ticks) in &self.pending {
            let next = from + said.symbols.len() as u64;
            if *number < next {
                // The same number twice.
                said.arrivals += 1;
                continue;
            }
            // A packet that was reported as arrived is not reported as lost because of a late one.
            let takes_back = *number > next && next < self.reported && !said.symbols.is_empty();
            let is_far = number - from >= NUMBERS_PER_MESSAGE;
            if takes_back || is_far || said.arrivals >= ARRIVALS_PER_MESSAGE {
                break;
            }
            let Ok(delta) = i16::try_from(ticks.cast_signed() - before.cast_signed()) else {
                break;
            };
            said.symbols.resize((number - from) as usize, NOT_RECEIVED);
            if let Ok(small) = u8::try_from(delta) {
                said.symbols.push(SMALL_DELTA);
                said.deltas.push(small);
            } else {
                said.symbols.push(LARGE_DELTA);
                said.deltas.extend(delta.to_be_bytes());
            }
            before = *ticks;
            said.arrivals += 1;
        }
        said
    }
}

/// Writes each packet's status, in as few chunks as a look ahead of fourteen allows.
fn write_chunks(buffer: &mut Vec<u8>, mut symbols: &[u8]) {
    while let Some(&first) = symbols.first() {
        let run = symbols
            .iter()
            .take_while(|symbol| **symbol == first)
            .count();
        let run = run.min(RUN_MAX);
        let ahead = &symbols[..symbols.len().min(14)];
        let is_binary = ahead.iter().all(|symbol| *symbol != LARGE_DELTA);
        let (chunk, length) = if run >= 14 || run == symbols.len() || run >= 7 && !is_binary {
            (u16::from(first) << 13 | run as u16, run)
        } else if is_binary {
            (0x8000 | vector(ahead, 14, 1), ahead.len())
        } else {
            let ahead = &ahead[..ahead.len().min(7)];
            (0xc000 | vector(ahead, 7, 2), ahead.len())
        };
        buffer.extend(chunk.to_be_bytes());
        symbols = &symbols[length..];
    }
}

/// A chunk of symbols of `bits` bits each, the first one in the highest bits.
fn vector(symbols: &[u8], places: usize, bits: usize) -> u16 {
    let places = (0..places).rev().map(|place| place * bits);
    let shifted = symbols.iter().zip(places);
    shifted.fold(0, |vector, (symbol, shift)| {
        vector | u16::from(*symbol) << shift
    })
}

/// Pads the message to whole words; the last byte holds the number of padding bytes (RFC 3550 §6.4.1). Writes the length.
fn finish(buffer: &mut Vec<u8>, start: usize) {
    let length = buffer.len() - start;
    let padding = length.next_multiple_of(4) - length;
    if padding > 0 {
        buffer[start] |= 0x20;
        buffer.resize(buffer.len() + padding - 1, 0);
        buffer.push(padding as u8);
    }
    let words = ((buffer.len() - start) / 4 - 1) as u16;
    buffer[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::util::rng::Rng;
    use crate::util::test::epoch;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Number and, if it has arrived, ticks.
    type Status = (u16, Option<i64>);

    /// Reads a message as the draft has it.
    fn read(message: &[u8]) -> (u8, Vec<Status>) {
        let word = |at: usize| u16::from_be_bytes([message[at], message[at + 1]]);
        assert_eq!((message[0] & 0xdf, message[1]), (0x8f, 205));
        assert_eq!(usize::from(word(2)) * 4 + 4, message.len());
        assert_eq!(message[4..12], [0, 0, 0, 1, 0, 0, 0, 2]);
        let end = match message[0] & 0x20 {
            0 => message.len(),
            _ => message.len() - usize::from(*message.last().unwrap()),
        };
        let (base, count) = (word(12), usize::from(word(14)));
        let reference = i64::from(u32::from_be_bytes([
            0,
            message[16],
            message[17],
            message[18],
        ]));
        let mut symbols = Vec::new();
        let mut at = 20;
        while symbols.len() < count {
            let chunk = word(at);
            at += 2;
            match chunk >> 14 {
                0 | 1 => symbols.extend(vec![chunk >> 13; usize::from(chunk & 0x1fff)]),
                2 => symbols.extend((0..14).rev().map(|bit| chunk >> bit & 1)),
                _ => symbols.extend((0..7).rev().map(|place| chunk >> (2 * place) & 3)),
            }
        }
        symbols.truncate(count);
        let mut ticks = reference * 256;
        let mut statuses = Vec::new();
        for (place, symbol) in (0..).zip(symbols) {
            let delta = match symbol {
                1 => Some(i64::from(message[at])),
                2 => Some(i64::from(word(at).cast_signed())),
                _ => None,
            };
            at += usize::from(symbol);
            ticks += delta.unwrap_or(0);
            statuses.push((base.wrapping_add(place), delta.map(|_| ticks)));
        }
        assert_eq!(at, end);
        (message[19], statuses)
    }

    fn written(arrivals: &mut Arrivals) -> Vec<(u8, Vec<Status>)> {
        let mut messages = Vec::new();
        let mut buffer = Vec::new();
        while arrivals.write(&mut buffer, 1) {
            assert!(buffer.len() < 1_000, "{}", buffer.len());
            messages.push(read(&buffer));
            buffer.clear();
        }
        messages
    }

    #[test]
    fn arrivals_and_losses_are_said_across_the_wrap_of_numbers() {
        let epoch = epoch();
        let mut arrivals = Arrivals::default();
        for (seq, at) in [(65_534, 0), (65_535, 1), (2, 70), (3, 70)] {
            arrivals.add(seq, 2, epoch + ms(at));
        }
        assert_eq!(arrivals.deadline(), Some(epoch + ARRIVALS_INTERVAL));
        let first = vec![
            (65_534, Some(0)),
            (65_535, Some(4)),
            (0, None),
            (1, None),
            (2, Some(280)),
            (3, Some(280)),
        ];
        assert_eq!(written(&mut arrivals), [(0, first)]);
        assert_eq!(arrivals.deadline(), None);
        // Number 4 was lost between the messages.
        arrivals.add(5, 2, epoch + ms(100));
        let second = vec![(4, None), (5, Some(400))];
        assert_eq!(written(&mut arrivals), [(1, second)]);
        // And arrives late.
        arrivals.add(4, 2, epoch + ms(164));
        assert_eq!(written(&mut arrivals), [(2, vec![(4, Some(656))])]);
    }

    #[test]
    fn whatever_arrives_is_said_once_and_at_its_time() {
        let mut rng = Rng::new(11);
        for (loss, disorder, pause) in
            [(0, 0, 0), (3, 0, 0), (10, 5, 0), (90, 0, 0), (5, 3, 12_000)]
        {
            let epoch = epoch();
            let mut arrivals = Arrivals::default();
            arrivals.add(64_999, 2, epoch);
            let mut expected = BTreeMap::from([(64_999, 0)]);
            let mut said = BTreeMap::new();
            let mut told = BTreeSet::new();
            let mut at = epoch;
            let mut order: Vec<u64> = (65_000..69_000).collect();
            for place in 0..order.len() {
                if disorder > 0 && rng.next_u64() % 100 < disorder {
                    let other = (place + rng.next_u64() as usize % 20).min(order.len() - 1);
                    order.swap(place, other);
                }
            }
            for (place, number) in order.into_iter().enumerate() {
                at += Duration::from_micros(rng.next_u64() % 4_000);
                if pause > 0 && place % 1_000 == 500 {
                    at += ms(pause);
                }
                if rng.next_u64() % 100 >= loss {
                    arrivals.add(number as u16, 2, at);
                    let ticks = (at - epoch).as_micros() / 250;
                    expected.insert(number as u16, ticks as i64);
                }
                if place % 100 == 99 {
                    for (seq, at) in written(&mut arrivals)
                        .into_iter()
                        .flat_map(|(_, said)| said)
                    {
                        told.insert(seq);
                        assert!(at.is_some() || !said.contains_key(&seq), "taken back");
                        said.extend(at.map(|at| (seq, at)));
                    }
                }
            }
            assert!(said == expected, "{loss} {disorder} {pause}");
            // Every missing packet up to the newest arrival is reported as lost.
            let newest = arrivals.newest.unwrap() as u16;
            let all = 64_999..=0x1_0000 + u64::from(newest);
            assert!(
                all.into_iter()
                    .all(|number| told.contains(&(number as u16)))
            );
        }
    }

    #[test]
    fn an_outage_is_said_however_long() {
        let epoch = epoch();
        for gap in [1, 189, 190, 380, 5_000] {
            let mut arrivals = Arrivals::default();
            arrivals.add(10, 2, epoch);
            written(&mut arrivals);
            arrivals.add(11 + gap, 2, epoch + ms(40));
            let messages = written(&mut arrivals);
            let [(_, said)] = &messages[..] else {
                panic!("{messages:?}")
            };
            assert_eq!(said.len(), usize::from(gap) + 1);
            assert!(said[..usize::from(gap)].iter().all(|(_, at)| at.is_none()));
            assert_eq!(said.last(), Some(&(11 + gap, Some(160))));
        }
    }

    #[test]
    fn what_was_said_is_not_taken_back_for_one_that_comes_late() {
        let epoch = epoch();
        let mut arrivals = Arrivals::default();
        for seq in (0..20).filter(|seq| *seq != 3) {
            arrivals.add(seq, 2, epoch);
        }
        written(&mut arrivals);
        arrivals.add(3, 2, epoch + ms(1));
        arrivals.add(20, 2, epoch + ms(1));
        let said: Vec<_> = written(&mut arrivals)
            .into_iter()
            .map(|(_, said)| said)
            .collect();
        assert_eq!(said, [vec![(3, Some(4))], vec![(20, Some(4))]]);
    }

    #[test]
    fn the_reference_time_wraps_and_probes_name_no_stream() {
        let epoch = epoch();
        let mut arrivals = Arrivals::default();
        arrivals.add(1, 2, epoch);
        // 2^24 units of 64 ms, and two.
        arrivals.add(2, 0, epoch + ms((1 << 24) * 64 + 128));
        let messages = written(&mut arrivals);
        assert_eq!(messages[1].1, [(2, Some(512))]);
    }

    #[test]
    fn a_flood_is_bounded_and_a_leap_is_not_filled() {
        let epoch = epoch();
        let mut arrivals = Arrivals::default();
        for seq in 0..20_000 {
            arrivals.add(seq, 2, epoch);
        }
        assert_eq!(arrivals.pending.len(), ARRIVALS_MAX);
        let messages = written(&mut arrivals);
        assert_eq!(messages.len(), ARRIVALS_MAX.div_ceil(ARRIVALS_PER_MESSAGE));
        arrivals.add(40_000, 2, epoch + ms(1));
        assert_eq!(written(&mut arrivals)[0].1, [(40_000, Some(4))]);
    }
}
