//! Retransmissions (RFC 4588, or the same packet again), within what the path carries.
//!
//! A path that has lost packets because its queue is full has no room for all of them again, so what is useless is not sent: a packet
//! whose last retransmission may still be under way, and, where room is scarce, pictures before the newest key frame.
//!
//! A path that loses packets without a queue (radio) loses retransmissions too, and the picture stands until the next one has come: two
//! more round trips. There each is sent twice, as far as there is room, so that one of the two arrives.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use restage_bwe::{Batch, Estimator};
use restage_codec::MediaKind;

use super::rewrite::Edit;
use super::seat::{OWN, SeatNumber, seat_of};
use super::sent::Entry;
use super::train::Train;
use super::{Sender, Stream};
use crate::io::Output;
use crate::io::datagrams::Buffers;
use crate::limits::{
    REPAIR_AGAIN_AFTER_MAX, REPAIR_BYTES_AT_ONCE_MAX, REPAIR_BYTES_AT_ONCE_MIN,
    REPAIR_TIME_AT_ONCE_MAX, REPAIR_TWICE_LOSS_PERCENT_MAX, REPAIRS_REMEMBERED_MAX,
};
use crate::packet::Packet;
use crate::publication::history::History;
use crate::rtp::write::{self as header, Fixed};
use crate::srtp::protect::Srtp;

/// Share of the estimate that repairs may always use, in percent.
const SHARE_PERCENT: u64 = 25;
/// A path that loses at least this share of the packets counts as one that loses.
const LOSSY: f64 = 0.005;
/// What a retransmission costs of a stream's credit.
const CREDIT: u32 = 100;

/// What may be sent again: lost packets must not take the room of new ones on a path that is full. Beyond its share, repair uses
/// what media leaves.
#[derive(Debug)]
pub(super) struct Repairs {
    /// Bytes that may be sent at the time `at`.
    bytes: f64,
    at: Instant,
    /// The most bytes that there may be.
    most: f64,
}

/// Which packets of one stream were sent again last, by sequence number. Allocated at the first.
#[derive(Debug, Default)]
pub(super) struct Resends(Vec<Option<Resent>>);

/// Retransmissions of a packet at one time, at most.
const COPIES_MAX: usize = 2;

/// A packet that was sent again.
#[derive(Debug, Clone, Copy)]
struct Resent {
    seq: u16,
    at: Instant,
    /// The transport-wide numbers of its retransmissions, as far as they have numbers of their own and are not known to be lost.
    transport_seqs: [Option<u16>; COPIES_MAX],
}

impl Repairs {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            bytes: REPAIR_BYTES_AT_ONCE_MAX as f64,
            at: now,
            most: REPAIR_BYTES_AT_ONCE_MAX as f64,
        }
    }

    fn earn(&mut self, now: Instant, estimator: &mut Estimator) {
        let estimate = estimator.estimate();
        let spare = estimate.saturating_sub(estimator.sent_rate(now));
        let rate = spare.max(estimate / 100 * SHARE_PERCENT);
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = self.at.max(now);
        let earned = self.bytes + rate as f64 / 8.0 * elapsed;
        let at_once = estimate as f64 / 8.0 * REPAIR_TIME_AT_ONCE_MAX.as_secs_f64();
        let (least, most) = (REPAIR_BYTES_AT_ONCE_MIN, REPAIR_BYTES_AT_ONCE_MAX);
        self.most = at_once.clamp(least as f64, most as f64);
        self.bytes = earned.min(self.most);
    }

    /// Whether these bytes may be sent. What `is_outdated` gets only what is there beyond half of the most.
    fn spend(&mut self, bytes: usize, is_outdated: bool) -> bool {
        let reserved = if is_outdated { self.most / 2.0 } else { 0.0 };
        let may = self.bytes - reserved >= bytes as f64;
        if may {
            self.bytes -= bytes as f64;
        }
        may
    }
}

impl Resends {
    /// Whether a packet was sent again so lately that it may still be under way.
    fn is_under_way(&self, now: Instant, seq: u16, round_trip: Duration) -> bool {
        self.resent(seq)
            .is_some_and(|one| now < one.at + round_trip)
    }

    fn resent(&self, seq: u16) -> Option<&Resent> {
        let place = usize::from(seq) % REPAIRS_REMEMBERED_MAX;
        self.0.get(place)?.as_ref().filter(|one| one.seq == seq)
    }

    /// Remembers that a packet is sent again now, with this transport-wide number if it has one of its own.
    fn remember(&mut self, now: Instant, seq: u16, transport_seq: Option<u16>) {
        if self.0.is_empty() {
            self.0 = vec![None; REPAIRS_REMEMBERED_MAX];
        }
        self.0[usize::from(seq) % REPAIRS_REMEMBERED_MAX] = Some(Resent {
            seq,
            at: now,
            transport_seqs: [transport_seq, None],
        });
    }

    /// Remembers the second retransmission of a packet.
    fn remember_copy(&mut self, seq: u16, transport_seq: Option<u16>) {
        let place = usize::from(seq) % REPAIRS_REMEMBERED_MAX;
        let known = self.0.get_mut(place).and_then(Option::as_mut);
        if let Some(resent) = known.filter(|one| one.seq == seq) {
            resent.transport_seqs[COPIES_MAX - 1] = transport_seq;
        }
    }

    /// A packet with this transport-wide number is lost. If it was the last retransmission under way of a packet, that may be sent once
    /// more at once: its sequence number is returned.
    fn lose(&mut self, transport_seq: u16) -> Option<u16> {
        let is_it = |one: &&mut Option<Resent>| {
            one.is_some_and(|resent| resent.transport_seqs.contains(&Some(transport_seq)))
        };
        let lost = self.0.iter_mut().find(is_it)?;
        let resent = lost.as_mut()?;
        for number in &mut resent.transport_seqs {
            number.take_if(|number| *number == transport_seq);
        }
        let is_last = resent.transport_seqs.iter().all(Option::is_none);
        is_last.then(|| lost.take())?.map(|resent| resent.seq)
    }
}

impl Sender {
    /// Sequence numbers of video that the subscriber has not received, each with its seat, as its transport-wide feedback says, which
    /// comes sooner than its next request if a request or a retransmission was lost. A packet that was sent again is among them only if
    /// that was lost too.
    pub(super) fn take_lost(&mut self) -> Vec<(SeatNumber, u16)> {
        let lost = self.estimator.take_lost();
        let seqs = lost.into_iter().filter_map(|number| {
            let carried = self.carried.as_ref();
            let of = carried.map_or(OWN, |carried| carried.seat_of_number(number));
            let seat = seat_of(&mut self.own, &mut self.carried, of)?;
            let stream = seat.streams[MediaKind::Video.index()].as_ref();
            let stream = stream.filter(|stream| stream.config.header.is_numbered())?;
            let resends = &mut seat.resends;
            let seq = resends.lose(number).or_else(|| {
                let seq = stream.sent.numbered(number)?;
                resends.resent(seq).is_none().then_some(seq)
            });
            Some((of, seq?))
        });
        seqs.collect()
    }

    /// Sends lost packets again, if they are still known and the path and the share of retransmissions allow. Returns how many
    /// retransmissions were sent.
    pub(crate) fn resend(
        &mut self,
        now: Instant,
        (of, missing): (SeatNumber, &[u16]),
        history: &History,
        buffers: &mut Buffers,
        outputs: &mut VecDeque<Output>,
    ) -> u64 {
        let Some(seat) = seat_of(&mut self.own, &mut self.carried, of) else {
            return 0;
        };
        let Some(stream) = &mut seat.streams[MediaKind::Video.index()] else {
            return 0;
        };
        let mut train = Train::new(self.path, buffers.take());
        train.is_video = true;
        self.repairs.earn(now, &mut self.estimator);
        let round_trip = self.estimator.newest_round_trip().unwrap_or_default();
        let round_trip = round_trip.min(REPAIR_AGAIN_AFTER_MAX);
        let is_twice = stream.config.header.is_numbered() && is_lossy(&self.estimator);
        let batch = self.estimator.batch(now);
        let first = batch.next_number();
        let mut round = Round {
            now,
            stream,
            resends: &mut seat.resends,
            repairs: &mut self.repairs,
            srtp: &self.srtp,
            history,
            batch,
            train,
            count: 0,
        };
        let mut copied = Vec::new();
        for seq in missing {
            if round.resends.is_under_way(now, *seq, round_trip) {
                continue;
            }
            match round.send(*seq, buffers, outputs) {
                Outcome::Sent { on_own_stream } if on_own_stream && is_twice => copied.push(*seq),
                Outcome::Sent { .. } | Outcome::Skipped => {}
                Outcome::NoRoom => break,
            }
        }
        // Behind all others: what is lost together is mostly sent together.
        for seq in copied {
            round.copy(seq, buffers, outputs);
        }
        let end = round.batch.next_number();
        let count = round.finish(buffers, outputs);
        if let Some(carried) = &mut self.carried {
            carried.note_numbers(of, first, end);
        }
        count
    }
}

/// Whether the path loses packets now and then although nothing waits there.
fn is_lossy(estimator: &Estimator) -> bool {
    let most = f64::from(REPAIR_TWICE_LOSS_PERCENT_MAX) / 100.0;
    estimator.has_short_queue() && estimator.usual_loss() >= LOSSY && estimator.loss() <= most
}

/// Retransmissions that leave at one time.
struct Round<'a> {
    now: Instant,
    stream: &'a mut Stream,
    resends: &'a mut Resends,
    repairs: &'a mut Repairs,
    srtp: &'a Srtp,
    history: &'a History,
    batch: Batch<'a>,
    train: Train,
    count: u64,
}

/// What became of a packet that is to be sent again.
enum Outcome {
    /// It was sent, on the stream of retransmissions or as it was.
    Sent { on_own_stream: bool },
    /// It is not known any more, or not worth the room that is left.
    Skipped,
    /// No further packet may be sent.
    NoRoom,
}

impl Round<'_> {
    /// Sends a packet again.
    fn send(&mut self, seq: u16, buffers: &mut Buffers, outputs: &mut VecDeque<Output>) -> Outcome {
        let Some((entry, packet)) = self.stream.sent.find(seq, self.history) else {
            return Outcome::Skipped;
        };
        let Some(content) = packet.part(entry.part) else {
            return Outcome::Skipped;
        };
        let start = self.stream.start.map(|(_, start)| start);
        let is_outdated = start.is_some_and(|start| entry.seq < start);
        let Some(credit) = self.stream.credit.checked_sub(CREDIT) else {
            return Outcome::NoRoom;
        };
        if !self.repairs.spend(content.len(), is_outdated) {
            return match is_outdated {
                true => Outcome::Skipped,
                false => Outcome::NoRoom,
            };
        }
        self.stream.credit = credit;
        let again = Again {
            entry,
            packet,
            content,
        };
        let (on_own_stream, number) = self.write(&again, buffers, outputs);
        self.resends.remember(self.now, seq, number);
        Outcome::Sent { on_own_stream }
    }

    /// Sends a packet that was just sent again once more, if there is room to spare.
    fn copy(&mut self, seq: u16, buffers: &mut Buffers, outputs: &mut VecDeque<Output>) {
        let found = self.stream.sent.find(seq, self.history);
        let Some((entry, packet)) = found else { return };
        let Some(content) = packet.part(entry.part) else {
            return;
        };
        let Some(credit) = self.stream.credit.checked_sub(CREDIT) else {
            return;
        };
        if self.repairs.spend(content.len(), true) {
            self.stream.credit = credit;
            let again = Again {
                entry,
                packet,
                content,
            };
            let (_, number) = self.write(&again, buffers, outputs);
            self.resends.remember_copy(seq, number);
        }
    }

    /// Writes a retransmission. Returns whether it is on the stream for that, and its transport-wide number if it has one of its own.
    fn write(
        &mut self,
        again: &Again<'_>,
        buffers: &mut Buffers,
        outputs: &mut VecDeque<Output>,
    ) -> (bool, Option<u16>) {
        let number = self.batch.next_number();
        let start = self.train.contents.len();
        let contents = &mut self.train.contents;
        let is_new = self.stream.write_again(again, number, self.srtp, contents);
        let size = self.train.contents.len() - start;
        let has_number = is_new && self.stream.config.header.is_numbered();
        match has_number {
            true => self.batch.push(size),
            false => self.batch.push_unnumbered(size),
        }
        self.train.close(start, buffers, outputs);
        self.count += 1;
        (is_new, has_number.then_some(number))
    }

    /// All of them have left. Returns how many.
    fn finish(self, buffers: &mut Buffers, outputs: &mut VecDeque<Output>) -> u64 {
        self.stream.told.resent += self.count;
        self.batch.finish();
        self.train.finish(buffers, outputs);
        self.count
    }
}

/// A packet that is sent again.
pub(super) struct Again<'a> {
    /// The header fields that it had.
    pub(super) entry: Entry,
    pub(super) packet: &'a Packet,
    pub(super) content: &'a [u8],
}

impl Stream {
    /// Writes and encrypts a packet again. False: it has no stream of its own for that and is the same to the last byte, because its
    /// nonce is the same (RFC 7714 §8.1); so it has its former transport-wide number.
    pub(super) fn write_again(
        &mut self,
        again: &Again<'_>,
        number: u16,
        srtp: &Srtp,
        buffer: &mut Vec<u8>,
    ) -> bool {
        let Again {
            entry,
            packet,
            content,
        } = again;
        let start = buffer.len();
        let (fixed, index, is_rtx) = self.header_again(entry, number);
        let config = &self.config;
        match Edit::described(entry.edit.as_ref(), packet.descriptor.as_ref()) {
            None => config.header.write(buffer, fixed, &packet.extensions),
            Some(described) => {
                let values = &packet.extensions;
                config
                    .header
                    .write_described(buffer, fixed, values, &described);
            }
        }
        let body = buffer.len();
        if is_rtx {
            // RFC 4588 §4: the original number goes before the payload.
            buffer.extend((entry.seq as u16).to_be_bytes());
        }
        let payload = buffer.len();
        buffer.extend_from_slice(content);
        if let Some(edit) = &entry.edit {
            edit.write(&mut buffer[payload..]);
        }
        if !is_rtx {
            header::pad(buffer, start, entry.padding);
        }
        srtp.protect_rtp(buffer, start, body, fixed.ssrc, index);
        is_rtx
    }

    /// Header and packet index of a retransmission: on a stream of its own if one was negotiated, else of the same packet again.
    fn header_again(&mut self, entry: &Entry, number: u16) -> (Fixed, u64, bool) {
        let same = Fixed {
            pt: entry.pt,
            marker: entry.marker,
            seq: entry.seq as u16,
            time: entry.time,
            ssrc: self.config.ssrc,
            transport_seq: entry.transport_seq,
        };
        let rtx_type = self.config.rtx_types.iter().find(|(pt, _)| *pt == entry.pt);
        match (self.config.rtx_ssrc, rtx_type) {
            (Some(ssrc), Some((_, pt))) => {
                self.rtx_seq += 1;
                let seq = self.rtx_seq;
                let fixed = Fixed {
                    pt: *pt,
                    seq: seq as u16,
                    ssrc,
                    transport_seq: number,
                    ..same
                };
                (fixed, seq, true)
            }
            _ => (same, entry.seq, false),
        }
    }
}
