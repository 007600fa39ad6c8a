//! Sending to a subscriber: header, shared payload, encryption, one train per burst.
//!
//! All RTP and RTCP of a subscriber is written and read here. So there is one writer per SSRC and key, and no nonce is used for
//! two packets (RFC 7714 §8.1, RFC 3711 §9.1).

pub(crate) mod rewrite;
mod sent;
#[cfg(test)]
mod tests;
pub(crate) mod track;
mod train;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use restage_codec::MediaKind;
use restage_codec::vp8::DescriptorNumbers;

use crate::io::Output;
use crate::io::datagrams::{Buffers, Path};
use crate::limits::{REPORT_INTERVAL, RESENDS_AT_ONCE_MAX};
use crate::publication::history::History;
use crate::rtp::extensions::Extensions;
use crate::rtp::rtcp::sender::{self as rtcp, Feedback, SenderInfo};
use crate::rtp::write::{self as header, Fixed};
use crate::sdp::stream::StreamConfig;
use crate::srtp::protect::Srtp;
use sent::{Entry, Sent};
use train::Train;

/// A packet for one subscriber: the shared payload with the subscriber's own header fields.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// The packet's number in the publication's history.
    pub(crate) number: u64,
    /// 0 for the packet itself, else the index in its lead, counted from 1.
    pub(crate) part: u8,
    pub(crate) pt: u8,
    pub(crate) seq: u64,
    pub(crate) time: u32,
    pub(crate) marker: bool,
    /// It may be requested again (RFC 4585 generic NACK).
    pub(crate) nackable: bool,
    pub(crate) wallclock: Instant,
    pub(crate) payload: Arc<[u8]>,
    pub(crate) extensions: Extensions,
    pub(crate) vp8: Option<DescriptorNumbers>,
}

/// Packets that are shorter than the longest of their burst by at most this are padded to its length, so that they leave as one
/// train: encoders split pictures into packets that differ by a byte or two.
const PADDING_BYTES_MAX: usize = 8;
/// Retransmissions allowed per hundred packets sent.
const RESEND_PERCENT: u32 = 30;

#[derive(Debug)]
struct Stream {
    config: StreamConfig,
    sent: Sent,
    rtx_seq: u64,
    packets: u32,
    octets: u32,
    /// Timestamp and capture time of the newest packet.
    newest: Option<(u32, Instant)>,
    /// Retransmissions that are still allowed, in hundredths.
    credit: u32,
}

/// What a subscriber asks for in one feedback packet.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Requests {
    pub(crate) wants_key_frame: bool,
    /// Sequence numbers of video that it has not received.
    pub(crate) missing: Vec<u16>,
}

/// The sending part of a subscriber's connection.
#[derive(Debug)]
pub(crate) struct Sender {
    srtp: Srtp,
    streams: [Option<Stream>; 2],
    cname: String,
    pub(crate) path: Path,
    report_at: Option<Instant>,
}

impl Sender {
    pub(crate) fn new(
        srtp: Srtp,
        streams: [Option<StreamConfig>; 2],
        cname: String,
        path: Path,
    ) -> Self {
        let streams = streams.map(|config| {
            config.map(|config| Stream {
                sent: Sent::default(),
                rtx_seq: 0,
                packets: 0,
                octets: 0,
                newest: None,
                credit: RESENDS_AT_ONCE_MAX * 100,
                config,
            })
        });
        Self {
            srtp,
            streams,
            cname,
            path,
            report_at: None,
        }
    }

    /// Sends a burst of one kind. Datagrams of equal size leave as one train, of which the last may be shorter.
    pub(crate) fn send(
        &mut self,
        kind: MediaKind,
        burst: &[Outgoing],
        buffers: &mut Buffers,
        outputs: &mut VecDeque<Output>,
    ) {
        let Some(stream) = &mut self.streams[kind.index()] else {
            return;
        };
        let mut train = Train::new(self.path, buffers.take());
        train.is_video = kind == MediaKind::Video;
        let longest = match burst {
            [_] => 0,
            _ => burst
                .iter()
                .map(|packet| stream.config.size(packet))
                .max()
                .unwrap_or(0),
        };
        for (place, packet) in (1..).zip(burst) {
            let start = train.contents.len();
            let fixed = Fixed {
                pt: packet.pt,
                marker: packet.marker,
                seq: packet.seq as u16,
                time: packet.time,
                ssrc: stream.config.ssrc,
            };
            let config = &stream.config;
            header::write(
                &mut train.contents,
                fixed,
                &config.extensions,
                &config.mid,
                &packet.extensions,
            );
            let body = train.contents.len();
            train.contents.extend_from_slice(&packet.payload);
            if let Some(numbers) = &packet.vp8 {
                numbers.write(&mut train.contents[body..]);
            }
            // The last packet of a train may be shorter.
            let short = longest.saturating_sub(body - start + packet.payload.len());
            let is_padded = short <= PADDING_BYTES_MAX && place < burst.len();
            let padding = if is_padded { short as u8 } else { 0 };
            header::pad(&mut train.contents, start, padding);
            self.srtp
                .protect_rtp(&mut train.contents, start, body, config.ssrc, packet.seq);
            train.close(start, buffers, outputs);
            stream.on_sent(packet, padding);
        }
        train.finish(buffers, outputs);
    }

    /// Sends lost packets again, if they are still known and the share of retransmissions allows. Returns how many.
    pub(crate) fn resend(
        &mut self,
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
        for seq in missing {
            let Some((entry, packet)) = stream.sent.find(*seq, history) else {
                continue;
            };
            let Some(content) = packet.part(entry.part) else {
                continue;
            };
            let Some(credit) = stream.credit.checked_sub(100) else {
                break;
            };
            stream.credit = credit;
            let start = train.contents.len();
            let marker = packet.marker && entry.part == 0;
            let (fixed, index, is_rtx) = stream.again(&entry, marker);
            let config = &stream.config;
            header::write(
                &mut train.contents,
                fixed,
                &config.extensions,
                &config.mid,
                &packet.extensions,
            );
            let body = train.contents.len();
            if is_rtx {
                // RFC 4588 §4: the original number goes before the payload.
                train.contents.extend((entry.seq as u16).to_be_bytes());
            }
            let payload = train.contents.len();
            train.contents.extend_from_slice(content);
            if let Some(numbers) = &entry.vp8 {
                numbers.write(&mut train.contents[payload..]);
            }
            if !is_rtx {
                header::pad(&mut train.contents, start, entry.padding);
            }
            self.srtp
                .protect_rtp(&mut train.contents, start, body, fixed.ssrc, index);
            train.close(start, buffers, outputs);
            count += 1;
        }
        train.finish(buffers, outputs);
        count
    }

    /// Reads feedback. `None`: it does not come from the subscriber, or it is a replay.
    pub(crate) fn receive_rtcp(&mut self, bytes: &[u8]) -> Option<Requests> {
        let opened = self.srtp.rtcp.open(bytes)?;
        let mut requests = Requests::default();
        let video = self.streams[MediaKind::Video.index()]
            .as_ref()
            .map(|stream| stream.config.ssrc);
        rtcp::read(&opened, |feedback| match feedback {
            Feedback::Nack {
                ssrc,
                first,
                following,
            } if Some(ssrc) == video => {
                let bits = (0..16).filter(|bit| following >> bit & 1 == 1);
                let missing =
                    std::iter::once(first).chain(bits.map(|bit| first.wrapping_add(bit + 1)));
                let room = (RESENDS_AT_ONCE_MAX as usize).saturating_sub(requests.missing.len());
                requests.missing.extend(missing.take(room));
            }
            Feedback::KeyFrame { ssrc } if Some(ssrc) == video => requests.wants_key_frame = true,
            Feedback::Nack { .. } | Feedback::KeyFrame { .. } => {}
        });
        Some(requests)
    }

    /// Feedback refused because its SSRC was beyond [`RTCP_SOURCES_MAX`](crate::limits::RTCP_SOURCES_MAX), since the last call.
    pub(crate) fn take_sources_refused(&mut self) -> u64 {
        std::mem::take(&mut self.srtp.rtcp.sources_refused)
    }

    /// Reads the memory that the next burst of this kind needs first, so that the processor fetches it while another subscriber
    /// is served. The value means nothing.
    pub(crate) fn touch(&self, kind: MediaKind) -> u64 {
        self.streams[kind.index()].as_ref().map_or(0, |stream| {
            stream.sent.touch()
                ^ u64::from(stream.packets)
                ^ u64::from(stream.config.clock_rate)
                ^ self.srtp.touch()
        })
    }

    /// When reports are due; `None` before the first packet.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.report_at
    }

    /// Sends the reports that are due (RFC 3550 §6.4.1). `since_1970` is the time at `now`.
    pub(crate) fn report(
        &mut self,
        now: Instant,
        since_1970: Duration,
        buffers: &mut Buffers,
        outputs: &mut VecDeque<Output>,
    ) {
        if self.report_at.is_some_and(|at| at > now)
            || self.streams.iter().flatten().all(|s| s.newest.is_none())
        {
            return;
        }
        self.report_at = Some(now + REPORT_INTERVAL);
        let mut train = Train::new(self.path, buffers.take());
        for stream in self.streams.iter().flatten() {
            let Some((time, captured)) = stream.newest else {
                continue;
            };
            let elapsed = now.saturating_duration_since(captured);
            let ticks = elapsed.as_micros() * u128::from(stream.config.clock_rate) / 1_000_000;
            let report = SenderInfo {
                ssrc: stream.config.ssrc,
                wall_us: since_1970.as_micros() as u64,
                time: time.wrapping_add(ticks as u32),
                packets: stream.packets,
                octets: stream.octets,
            };
            let start = train.contents.len();
            rtcp::write_report(&mut train.contents, &report, &self.cname);
            if self.srtp.rtcp.protect(&mut train.contents, start) {
                train.close(start, buffers, outputs);
            }
        }
        train.finish(buffers, outputs);
    }

    /// Postpones the next report, because there is no address to send it to.
    pub(crate) fn skip_report(&mut self, now: Instant) {
        self.report_at = self.report_at.map(|at| at.max(now + REPORT_INTERVAL));
    }

    /// Sends BYE on every stream (RFC 3550 §6.6).
    pub(crate) fn close(&mut self, buffers: &mut Buffers, outputs: &mut VecDeque<Output>) {
        let mut train = Train::new(self.path, buffers.take());
        for stream in self.streams.iter().flatten() {
            let start = train.contents.len();
            rtcp::write_bye(&mut train.contents, stream.config.ssrc);
            if self.srtp.rtcp.protect(&mut train.contents, start) {
                train.close(start, buffers, outputs);
            }
        }
        train.finish(buffers, outputs);
    }

    /// The subscriber receives another publication from now on.
    pub(crate) fn forget_sent(&mut self) {
        for stream in self.streams.iter_mut().flatten() {
            stream.sent.clear();
        }
    }
}

impl StreamConfig {
    /// Bytes of the packet before padding and encryption.
    fn size(&self, packet: &Outgoing) -> usize {
        header::length(&self.extensions, &self.mid, &packet.extensions) + packet.payload.len()
    }
}

impl Stream {
    fn on_sent(&mut self, packet: &Outgoing, padding: u8) {
        if packet.nackable {
            self.sent.push(packet, padding);
            self.credit = (self.credit + RESEND_PERCENT).min(RESENDS_AT_ONCE_MAX * 100);
        }
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(packet.payload.len() as u32);
        if self
            .newest
            .is_none_or(|(_, captured)| captured <= packet.wallclock)
        {
            self.newest = Some((packet.time, packet.wallclock));
        }
    }

    /// Header and packet index of a retransmission: on a stream of its own if one was negotiated, else of the same packet again.
    fn again(&mut self, entry: &Entry, marker: bool) -> (Fixed, u64, bool) {
        let same = Fixed {
            pt: entry.pt,
            marker,
            seq: entry.seq as u16,
            time: entry.time,
            ssrc: self.config.ssrc,
        };
        let rtx_type = self.config.rtx_types.iter().find(|(pt, _)| *pt == entry.pt);
        match (self.config.rtx_ssrc, rtx_type) {
            (Some(ssrc), Some((_, pt))) => {
                self.rtx_seq += 1;
                let seq = self.rtx_seq;
                (
                    Fixed {
                        pt: *pt,
                        seq: seq as u16,
                        ssrc,
                        ..same
                    },
                    seq,
                    true,
                )
            }
            _ => (same, entry.seq, false),
        }
    }
}
