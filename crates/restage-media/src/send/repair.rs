//! Retransmissions (RFC 4588, or the same packet again), within what the path carries.
//!
//! A path that has lost packets because its queue is full has no room for all of them again, so what is useless is not sent: a packet
//! whose last retransmission may still be under way, and, where room is scarce, pictures before the newest key frame.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use restage_bwe::Estimator;
use restage_codec::MediaKind;

use super::rewrite::Edit;
use super::sent::Entry;
use super::train::Train;
use super::{Sender, Stream};
use crate::io::Output;
use crate::io::datagrams::Buffers;
use crate::limits::{
    REPAIR_AGAIN_AFTER_MAX, REPAIR_BYTES_AT_ONCE_MAX, REPAIR_BYTES_AT_ONCE_MIN,
    REPAIR_TIME_AT_ONCE_MAX, REPAIRS_REMEMBERED_MAX,
};
use crate::packet::Packet;
use crate::publication::history::History;
use crate::rtp::write::{self as header, Fixed};
use crate::srtp::protect::Srtp;

/// Share of the estimate that repairs may always use, in percent.
const SHARE_PERCENT: u64 = 25;

/// What may be sent again: lost packets must not take the room of new ones on a path that is full. Beyond its share, repair uses
/// what media leaves.
#[derive(Debug)]
pub(super) struct Repairs {
    /// Bytes that may be sent at the time `at`.
    bytes: f64,
    at: Instant,
    /// The most bytes that there may be.
    most: f64,
    /// Which packets were sent again last, by sequence number. Allocated at the first.
    again: Vec<Option<Resent>>,
}

/// A packet that was sent again.
#[derive(Debug, Clone, Copy)]
struct Resent {
    seq: u16,
    at: Instant,
    /// The transport-wide number of the retransmission, if it has one of its own.
    transport_seq: Option<u16>,
}

impl Repairs {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            bytes: REPAIR_BYTES_AT_ONCE_MAX as f64,
            at: now,
            most: REPAIR_BYTES_AT_ONCE_MAX as f64,
            again: Vec::new(),
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

    /// Whether a packet was sent again so lately that it may still be under way.
    fn is_under_way(&self, now: Instant, seq: u16, round_trip: Duration) -> bool {
        self.resent(seq)
            .is_some_and(|one| now < one.at + round_trip)
    }

    fn resent(&self, seq: u16) -> Option<&Resent> {
        let place = usize::from(seq) % REPAIRS_REMEMBERED_MAX;
        self.again.get(place)?.as_ref().filter(|one| one.seq == seq)
    }

    /// Remembers that a packet is sent again now.
    fn remember(&mut self, resent: Resent) {
        if self.again.is_empty() {
            self.again = vec![None; REPAIRS_REMEMBERED_MAX];
        }
        self.again[usize::from(resent.seq) % REPAIRS_REMEMBERED_MAX] = Some(resent);
    }

    /// A packet with this transport-wide number is lost. If it was a retransmission, what it repeated may be sent once more at once:
    /// its sequence number is returned.
    fn lose(&mut self, transport_seq: u16) -> Option<u16> {
        let is_it = |one: &&mut Option<Resent>| {
            one.is_some_and(|resent| resent.transport_seq == Some(transport_seq))
        };
        let lost = self.again.iter_mut().find(is_it)?;
        lost.take().map(|resent| resent.seq)
    }

    /// The packets of another publication have the same numbers.
    pub(super) fn forget(&mut self) {
        self.again = Vec::new();
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

impl Sender {
    /// Sequence numbers of video that the subscriber has not received, as its transport-wide feedback says, which comes sooner than its
    /// next request if a request or a retransmission was lost. A packet that was sent again is among them only if that was
    /// lost too.
    pub(super) fn take_lost(&mut self) -> Vec<u16> {
        let lost = self.estimator.take_lost();
        let stream = self.streams[MediaKind::Video.index()].as_ref();
        let Some(stream) = stream.filter(|stream| stream.config.header.is_numbered()) else {
            return Vec::new();
        };
        let repairs = &mut self.repairs;
        let seqs = lost.into_iter().filter_map(|number| {
            repairs.lose(number).or_else(|| {
                let seq = stream.sent.numbered(number)?;
                repairs.resent(seq).is_none().then_some(seq)
            })
        });
        seqs.collect()
    }

    /// Sends lost packets again, if they are still known and the path and the share of retransmissions allow. Returns how many.
    pub(crate) fn resend(
        &mut self,
        now: Instant,
        missing: &[u16],
        history: &History,
        buffers: &mut Buffers,
        outputs: &mut VecDeque<Output>,
    ) -> u64 {
        let Some(stream) = &mut self.streams[MediaKind::Video.index()] else {
            return 0;
        };
        let mut count = 0;
        let mut train = Train::new(self.path, buffers.take());
        train.is_video = true;
        self.repairs.earn(now, &mut self.estimator);
        let round_trip = self.estimator.newest_round_trip().unwrap_or_default();
        let round_trip = round_trip.min(REPAIR_AGAIN_AFTER_MAX);
        let is_numbered = stream.config.header.is_numbered();
        let mut batch = self.estimator.batch(now);
        for seq in missing {
            if self.repairs.is_under_way(now, *seq, round_trip) {
                continue;
            }
            let Some((entry, packet)) = stream.sent.find(*seq, history) else {
                continue;
            };
            let Some(content) = packet.part(entry.part) else {
                continue;
            };
            let Some(credit) = stream.credit.checked_sub(100) else {
                break;
            };
            let is_outdated = stream.start.is_some_and(|(_, start)| entry.seq < start);
            if !self.repairs.spend(content.len(), is_outdated) {
                match is_outdated {
                    true => continue,
                    false => break,
                }
            }
            stream.credit = credit;
            let number = batch.next_number();
            let again = Again {
                entry,
                packet,
                content,
            };
            let start = train.contents.len();
            let is_new = stream.write_again(&again, number, &self.srtp, &mut train.contents);
            let size = train.contents.len() - start;
            let has_number = is_new && is_numbered;
            match has_number {
                true => batch.push(size),
                false => batch.push_unnumbered(size),
            }
            self.repairs.remember(Resent {
                seq: *seq,
                at: now,
                transport_seq: has_number.then_some(number),
            });
            train.close(start, buffers, outputs);
            count += 1;
        }
        stream.told.resent += count;
        batch.finish();
        train.finish(buffers, outputs);
        count
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
