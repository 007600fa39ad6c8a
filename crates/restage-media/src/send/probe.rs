//! Probes: what was sent lately is sent again, or padding if there is nothing, to find out whether the path carries more.

use std::collections::VecDeque;
use std::time::Instant;

use restage_bwe::limits::PROBE_PACKET_BYTES;
use restage_codec::MediaKind;

use super::repair::Again;
use super::seat::{SeatNumber, seat_of};
use super::train::Train;
use super::{Sender, Stream};
use crate::io::Output;
use crate::io::datagrams::Buffers;
use crate::limits::SENT_PACKETS_MAX;
use crate::publication::history::History;
use crate::rtp::extensions::Extensions;
use crate::rtp::write::{self as header, Fixed};
use crate::srtp::protect::Srtp;

/// The newest packets that a probe repeats.
const REPEATED_MAX: u64 = 64;
/// Shorter payloads make too many packets.
const REPEATED_BYTES_MIN: usize = 500;
/// Padding of a packet: the most that its last byte can say (RFC 3550 §5.1).
const PADDING_BYTES: u8 = 255;
/// Packets of padding in one call.
const PADDING_PACKETS_MAX: usize = 64;
const _: () = assert!(REPEATED_MAX < SENT_PACKETS_MAX as u64);

impl Sender {
    /// Sends `bytes` for the probe under way, on the stream of retransmissions of a seat.
    pub(crate) fn probe(
        &mut self,
        now: Instant,
        (of, bytes): (SeatNumber, usize),
        history: Option<&History>,
        buffers: &mut Buffers,
        outputs: &mut VecDeque<Output>,
    ) {
        let Some(seat) = seat_of(&mut self.own, &mut self.carried, of) else {
            return;
        };
        let Some(stream) = &mut seat.streams[MediaKind::Video.index()] else {
            return;
        };
        let mut train = Train::new(self.path, buffers.take());
        train.is_video = true;
        // Padding is small.
        let has_small = self.estimator.probe_packet_bytes(now) < PROBE_PACKET_BYTES;
        let history = history.filter(|_| !has_small);
        let mut batch = self.estimator.batch(now);
        let first = batch.next_number();
        let mut left = bytes;
        let mut padded = 0;
        while left > 0 && padded < PADDING_PACKETS_MAX {
            let start = train.contents.len();
            let number = batch.next_number();
            let repeated = history.and_then(|history| stream.repeated(&mut seat.probed, history));
            let is_written = match &repeated {
                Some(again) => stream.write_again(again, number, &self.srtp, &mut train.contents),
                None => {
                    padded += 1;
                    stream.write_padding(number, &self.srtp, &mut train.contents)
                }
            };
            if !is_written {
                // It would be the same packet again, which shows nothing.
                train.contents.truncate(start);
                break;
            }
            let size = train.contents.len() - start;
            batch.push(size);
            train.close(start, buffers, outputs);
            left = left.saturating_sub(size);
        }
        let end = batch.next_number();
        batch.finish();
        train.finish(buffers, outputs);
        if let Some(carried) = &mut self.carried {
            carried.note_numbers(of, first, end);
        }
    }
}

impl Stream {
    /// The next packet to repeat: from the newest backwards, then from the newest again.
    fn repeated<'a>(&self, probed: &mut u64, history: &'a History) -> Option<Again<'a>> {
        self.config.rtx_ssrc?;
        let newest = self.sent.newest();
        for _ in 0..REPEATED_MAX {
            let is_near = *probed <= newest && *probed + REPEATED_MAX > newest && *probed > 0;
            *probed = if is_near { *probed - 1 } else { newest };
            let Some((entry, packet)) = self.sent.find(*probed as u16, history) else {
                continue;
            };
            let content = packet.part(entry.part);
            if let Some(content) = content.filter(|one| one.len() >= REPEATED_BYTES_MIN) {
                return Some(Again {
                    entry,
                    packet,
                    content,
                });
            }
        }
        None
    }

    /// Writes a retransmission of nothing. False: there is no stream for it.
    fn write_padding(&mut self, number: u16, srtp: &Srtp, buffer: &mut Vec<u8>) -> bool {
        let (Some(ssrc), Some((_, pt))) = (self.config.rtx_ssrc, self.config.rtx_types.first())
        else {
            return false;
        };
        let start = buffer.len();
        self.rtx_seq += 1;
        let fixed = Fixed {
            pt: *pt,
            marker: false,
            seq: self.rtx_seq as u16,
            time: self.newest.map_or(0, |(time, _)| time),
            ssrc,
            transport_seq: number,
        };
        let config = &self.config;
        let none = Extensions::default();
        config.header.write(buffer, fixed, &none);
        let body = buffer.len();
        header::pad(buffer, start, PADDING_BYTES);
        srtp.protect_rtp(buffer, start, body, ssrc, self.rtx_seq);
        true
    }
}
