//! Sending to a subscriber: header, shared payload, encryption, one train per burst.
//!
//! All RTP and RTCP of a subscriber is written and read here. So there is one writer per SSRC and key, and no nonce is used for
//! two packets (RFC 7714 §8.1, RFC 3711 §9.1).

mod feedback;
mod paced;
mod probe;
mod repair;
pub(crate) mod rewrite;
pub(crate) mod seat;
mod sent;
#[cfg(test)]
mod tests;
mod told;
pub(crate) mod track;
mod train;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use restage_bwe::{Config, Estimator};
use restage_codec::MediaKind;
use restage_codec::dependency::Descriptor;

use crate::io::Output;
use crate::io::datagrams::{Buffers, Path};
use crate::limits::{PACED_BYTES_MIN, PAYLOAD_BYTES_MAX, REPORT_INTERVAL, RESENDS_AT_ONCE_MAX};
use crate::rtp::extensions::{Described, Extensions};
use crate::rtp::rtcp::sender::{self as rtcp, SenderInfo};
use crate::rtp::write::{self as header, Fixed};
use crate::sdp::stream::StreamConfig;
use crate::srtp::protect::Srtp;
use feedback::Reported;
use paced::Paced;
use repair::Repairs;
use rewrite::Edit;
use seat::{Carried, Seat, SeatNumber, seat_of};
use sent::Sent;
use told::Told;
use train::Train;

/// A packet for one subscriber: the shared payload with the subscriber's own header fields.
#[derive(Debug, Clone)]
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
    /// A decoder can start here: the first packet of a key frame, or parameter sets that are sent with it.
    pub(crate) starts: bool,
    pub(crate) wallclock: Instant,
    pub(crate) payload: Arc<[u8]>,
    pub(crate) extensions: Extensions,
    /// What its dependency descriptor said when it came. [`Edit::Descriptor`] says what it becomes.
    pub(crate) descriptor: Option<Arc<Descriptor>>,
    /// What is written over fields of the payload.
    pub(crate) edit: Option<Edit>,
}

impl Outgoing {
    #[inline]
    fn described(&self) -> Option<Described<'_>> {
        Edit::described(self.edit.as_ref(), self.descriptor.as_ref())
    }
}

/// A burst of at most this many packets, of whatever size, is not paced.
const PACED_PACKETS_MIN: usize = PACED_BYTES_MIN / PAYLOAD_BYTES_MAX;
/// Packets that are shorter than the longest of their burst by at most this are padded to its length, so that they leave as one
/// train: encoders split pictures into packets that differ by a byte or two.
const PADDING_BYTES_MAX: usize = 8;
/// The highest estimate: nothing speaks against any rate.
const RATE_MAX: u64 = restage_bwe::limits::RATE_MAX;
/// Retransmissions allowed per hundred packets sent.
const RESEND_PERCENT: u32 = 30;

#[derive(Debug)]
struct Stream {
    config: StreamConfig,
    sent: Sent,
    /// Where a decoder can start last: the packet's number in the publication's history, and the first sequence number.
    start: Option<(u64, u64)>,
    rtx_seq: u64,
    packets: u64,
    octets: u64,
    frames: u64,
    /// Timestamp and capture time of the newest packet.
    newest: Option<(u32, Instant)>,
    /// Retransmissions that are still allowed, in hundredths.
    credit: u32,
    /// The newest sequence number that was asked for.
    asked: Option<u16>,
    /// The subscriber's newest report.
    reported: Option<Reported>,
    told: Told,
}

/// The sending part of a subscriber's connection.
#[derive(Debug)]
pub(crate) struct Sender {
    srtp: Srtp,
    /// What the connection was opened for.
    own: Seat,
    /// The streams of the subscriptions that it carries besides. Boxed: mostly there are none.
    carried: Option<Box<Carried>>,
    cname: String,
    pub(crate) path: Path,
    report_at: Option<Instant>,
    /// What the path carries.
    estimator: Box<Estimator>,
    /// A large burst that leaves bit by bit. Boxed: mostly there is none.
    paced: Option<Box<Paced>>,
    repairs: Repairs,
}

impl Sender {
    pub(crate) fn new(
        srtp: Srtp,
        streams: [Option<StreamConfig>; 2],
        cname: String,
        path: Path,
        now: Instant,
    ) -> Self {
        let estimation = estimation(&streams);
        Self {
            own: Seat::new(streams.map(|config| config.map(Stream::new))),
            carried: None,
            srtp,
            cname,
            path,
            report_at: None,
            estimator: Box::new(Estimator::new(estimation, now)),
            paced: None,
            repairs: Repairs::new(now),
        }
    }

    /// What estimates the rate of the path. `None`: the subscriber has not said anything from which that follows.
    pub(crate) fn estimator_mut(&mut self) -> Option<&mut Estimator> {
        self.estimate().is_some().then_some(&mut self.estimator)
    }

    /// What the path carries, in bits per second, if that is known.
    pub(crate) fn estimate(&self) -> Option<u64> {
        let estimate = self.estimator.estimate();
        // One that has been limited climbs by the rules, also when it says that everything fits.
        let is_known = self.estimator.has_feedback() || self.estimator.was_limited();
        (is_known || estimate < RATE_MAX).then_some(estimate)
    }

    /// Sends a burst of one kind: at once, or bit by bit if it is large.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        (seat, kind): (SeatNumber, MediaKind),
        burst: &[Outgoing],
        buffers: &mut Buffers,
        outputs: &mut VecDeque<Output>,
    ) {
        let may_be_paced =
            kind == MediaKind::Video && (self.paced.is_some() || burst.len() > PACED_PACKETS_MIN);
        if may_be_paced && self.pace(now, seat, burst) {
            self.send_paced(now, buffers, outputs);
        } else {
            self.write(now, (seat, kind), burst, buffers, outputs);
        }
    }

    /// Writes a burst of one kind. Datagrams of equal size leave as one train, of which the last may be shorter.
    fn write(
        &mut self,
        now: Instant,
        (seat, kind): (SeatNumber, MediaKind),
        burst: &[Outgoing],
        buffers: &mut Buffers,
        outputs: &mut VecDeque<Output>,
    ) {
        let place = seat_of(&mut self.own, &mut self.carried, seat);
        let Some(stream) = place.and_then(|place| place.streams[kind.index()].as_mut()) else {
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
        let is_numbered = stream.config.header.is_numbered();
        let mut batch = self.estimator.batch(now);
        let first = batch.next_number();
        for (place, packet) in (1..).zip(burst) {
            let start = train.contents.len();
            let fixed = Fixed {
                pt: packet.pt,
                marker: packet.marker,
                seq: packet.seq as u16,
                time: packet.time,
                ssrc: stream.config.ssrc,
                transport_seq: batch.next_number(),
            };
            let config = &stream.config;
            let contents = &mut train.contents;
            match packet.described() {
                None => config.header.write(contents, fixed, &packet.extensions),
                Some(described) => {
                    let values = &packet.extensions;
                    config
                        .header
                        .write_described(contents, fixed, values, &described);
                }
            }
            let body = train.contents.len();
            train.contents.extend_from_slice(&packet.payload);
            if let Some(edit) = &packet.edit {
                edit.write(&mut train.contents[body..]);
            }
            // The last packet of a train may be shorter.
            let short = longest.saturating_sub(body - start + packet.payload.len());
            let is_padded = short <= PADDING_BYTES_MAX && place < burst.len();
            let padding = if is_padded { short as u8 } else { 0 };
            header::pad(&mut train.contents, start, padding);
            self.srtp
                .protect_rtp(&mut train.contents, start, body, config.ssrc, packet.seq);
            match is_numbered {
                true => batch.push(train.contents.len() - start),
                false => batch.push_unnumbered(train.contents.len() - start),
            }
            train.close(start, buffers, outputs);
            stream.on_sent(packet, padding, fixed.transport_seq);
        }
        let end = batch.next_number();
        batch.finish();
        train.finish(buffers, outputs);
        if let Some(carried) = &mut self.carried {
            carried.note_numbers(seat, first, end);
        }
    }

    /// Reads the memory that the next burst of this kind needs first, so that the processor fetches it while another subscriber
    /// is served. The value means nothing.
    pub(crate) fn touch(&self, kind: MediaKind) -> u64 {
        self.own.streams[kind.index()].as_ref().map_or(0, |stream| {
            stream.sent.touch()
                ^ stream.packets
                ^ u64::from(stream.config.clock_rate)
                ^ u64::from(self.estimator.next_number())
                ^ self.srtp.touch()
        })
    }

    /// When [`on_timeout`](Self::on_timeout) is due; `None` before the first packet.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let paced = self.paced.as_ref().map(|paced| paced.due_at());
        let timers = [self.report_at, self.estimator.deadline(), paced];
        timers.into_iter().flatten().min()
    }

    /// Whether there is a time for the next report.
    pub(crate) fn has_reported(&self) -> bool {
        self.report_at.is_some()
    }

    /// Whether a large burst has not left completely.
    pub(crate) fn is_pacing(&self) -> bool {
        self.paced.is_some()
    }

    /// Sends what is due: reports, and if `may_send` media, the next part of a large burst. Returns how many bytes of a probe are to
    /// be sent now. `since_1970` is the time at `now`.
    pub(crate) fn on_timeout(
        &mut self,
        now: Instant,
        since_1970: Duration,
        may_send: bool,
        buffers: &mut Buffers,
        outputs: &mut VecDeque<Output>,
    ) -> usize {
        self.report(now, since_1970, buffers, outputs);
        if may_send {
            self.send_paced(now, buffers, outputs);
        } else if let Some(paced) = &mut self.paced {
            paced.wait(now);
        }
        self.estimator.on_timeout(now);
        let probe = self.estimator.probe_due(now);
        if may_send { probe } else { 0 }
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
            || self.streams().all(|stream| stream.newest.is_none())
        {
            return;
        }
        self.report_at = Some(now + REPORT_INTERVAL);
        let carried = self
            .carried
            .iter_mut()
            .flat_map(|carried| carried.seats_mut());
        let seats = std::iter::once(&mut self.own).chain(carried);
        for stream in seats.flat_map(|seat| seat.streams.iter_mut().flatten()) {
            stream.told.measure(now, stream.octets);
        }
        let mut train = Train::new(self.path, buffers.take());
        let carried = self.carried.iter().flat_map(|carried| carried.seats());
        let seats = std::iter::once(&self.own).chain(carried);
        for stream in seats.flat_map(Seat::streams) {
            let Some((time, captured)) = stream.newest else {
                continue;
            };
            let elapsed = now.saturating_duration_since(captured);
            let ticks = elapsed.as_micros() * u128::from(stream.config.clock_rate) / 1_000_000;
            let report = SenderInfo {
                ssrc: stream.config.ssrc,
                wall_us: since_1970.as_micros() as u64,
                time: time.wrapping_add(ticks as u32),
                packets: stream.packets as u32,
                octets: stream.octets as u32,
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
        let carried = self.carried.iter().flat_map(|carried| carried.seats());
        let seats = std::iter::once(&self.own).chain(carried);
        for stream in seats.flat_map(Seat::streams) {
            let start = train.contents.len();
            rtcp::write_bye(&mut train.contents, stream.config.ssrc);
            if self.srtp.rtcp.protect(&mut train.contents, start) {
                train.close(start, buffers, outputs);
            }
        }
        train.finish(buffers, outputs);
    }

    /// The subscriber receives another publication at this seat from now on. What of the former one has not left yet is dropped: it could
    /// not be sent again.
    pub(crate) fn forget_sent(&mut self, seat: SeatNumber) {
        self.forget_paced(seat);
        if let Some(seat) = seat_of(&mut self.own, &mut self.carried, seat) {
            seat.forget_sent();
        }
    }

    /// All streams.
    fn streams(&self) -> impl Iterator<Item = &Stream> {
        let carried = self.carried.iter().flat_map(|carried| carried.seats());
        std::iter::once(&self.own)
            .chain(carried)
            .flat_map(Seat::streams)
    }
}

/// How the rate of a subscriber's path is estimated. A subscriber without transport-wide feedback is sent everything until it
/// complains.
fn estimation(streams: &[Option<StreamConfig>; 2]) -> Config {
    let mut streams = streams.iter().flatten();
    let has_feedback = streams.clone().any(|stream| stream.header.is_numbered());
    let can_probe = streams.any(|stream| {
        stream.header.is_numbered() && stream.rtx_ssrc.is_some() && !stream.rtx_types.is_empty()
    });
    let known = Config::default();
    Config {
        start: if has_feedback { known.start } else { RATE_MAX },
        has_feedback,
        can_probe,
        ..known
    }
}

impl StreamConfig {
    /// Bytes of the packet before padding and encryption.
    fn size(&self, packet: &Outgoing) -> usize {
        let header = match packet.described() {
            None => self.header.length(&packet.extensions),
            Some(described) => self.header.length_described(&packet.extensions, &described),
        };
        header + packet.payload.len()
    }
}

impl Stream {
    fn new(config: StreamConfig) -> Self {
        Self {
            sent: Sent::default(),
            start: None,
            rtx_seq: 0,
            packets: 0,
            octets: 0,
            frames: 0,
            newest: None,
            credit: RESENDS_AT_ONCE_MAX * 100,
            asked: None,
            reported: None,
            told: Told::default(),
            config,
        }
    }

    fn on_sent(&mut self, packet: &Outgoing, padding: u8, transport_seq: u16) {
        let is_later = |(number, seq)| number != packet.number && seq < packet.seq;
        if packet.starts && self.start.is_none_or(is_later) {
            self.start = Some((packet.number, packet.seq));
        }
        if packet.nackable {
            self.sent.push(packet, padding, transport_seq);
            self.credit = (self.credit + RESEND_PERCENT).min(RESENDS_AT_ONCE_MAX * 100);
        }
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(packet.payload.len() as u64);
        self.frames = self.frames.wrapping_add(u64::from(packet.marker));
        if self
            .newest
            .is_none_or(|(_, captured)| captured <= packet.wallclock)
        {
            self.newest = Some((packet.time, packet.wallclock));
        }
    }
}
