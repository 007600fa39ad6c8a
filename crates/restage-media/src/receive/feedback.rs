//! Reports to and from a publisher: what has arrived, what is missing, that a key frame is needed; and its sender reports.

use std::collections::VecDeque;
use std::time::Instant;

use restage_codec::MediaKind;

use super::Receiver;
use super::streams::Part;
use crate::io::Output;
use crate::io::datagrams::{Buffers, Remote};
use crate::limits::{
    ARRIVAL_MESSAGES_MAX, FEEDBACK_SLACK, NACK_INTERVAL, NACK_RETRY, NACK_RETRY_MAX,
    NACK_RETRY_SLACK, REPLAY_WINDOW, REPORT_INTERVAL, TRACKS_COUNTED_MAX,
};
use crate::packet::SenderReport;
use crate::rtp::extensions::RidName;
use crate::rtp::rtcp::receiver::Block;
use crate::rtp::rtcp::receiver::{self as rtcp, BLOCKS_MAX};
use crate::stats::{TrackStats, ticks};

/// Bytes of requests that leave in one packet, before encryption.
const COMPOUND_BYTES_MAX: usize = 1_100;

impl Receiver {
    /// Reads a compound RTCP packet. False: it is not from the publisher, or is a replay.
    pub(crate) fn receive_rtcp(
        &mut self,
        now: Instant,
        bytes: &[u8],
        mut take: impl FnMut(MediaKind, Option<RidName>, SenderReport),
    ) -> bool {
        let Some(opened) = self.rtcp.open(bytes) else {
            return false;
        };
        rtcp::read(&opened, |sent| {
            if sent.ntp == 0 {
                // A sender without a clock (RFC 3550 §6.4.1).
                return;
            }
            let report = SenderReport {
                ntp_us: sent.wall_us(),
                time: sent.time,
                arrived: now,
                is_of_inlet: false,
            };
            let source = self
                .sources
                .iter_mut()
                .find(|source| source.ssrc == sent.ssrc);
            let Some(source) = source else {
                // The SSRC's first packet is still on its way, or lost.
                let identity = self.config.announced(sent.ssrc);
                let is_new = |kind| self.tracks.iter().all(|track| track.kind != kind);
                if let Some(identity) = identity.filter(|identity| identity.part == Part::Main)
                    && let Some(kind) = identity.kind.filter(|kind| is_new(*kind))
                {
                    take(kind, identity.rid, report);
                }
                return;
            };
            source.reception.on_report((sent.ntp >> 16) as u32, now);
            let track = source.track.and_then(|place| self.tracks.get(place));
            if let Some(track) = track.filter(|track| track.ssrc == sent.ssrc) {
                take(track.kind, track.rid, report);
            }
        });
        true
    }

    /// When [`report`](Self::report) is due by the clock. It may be called earlier, with a packet.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let reports = [self.report_at, self.arrivals.deadline()];
        let reports = reports.into_iter().flatten().map(|at| at + FEEDBACK_SLACK);
        reports.chain(self.nack_at()).min()
    }

    fn nack_at(&self) -> Option<Instant> {
        let sources = self.sources.iter();
        let soonest = sources
            .filter_map(|source| source.missing.deadline())
            .min()?;
        let again = self.asked_at.map(|asked_at| asked_at + NACK_INTERVAL);
        Some(again.map_or(soonest, |again| again.max(soonest)))
    }

    /// Sends the reports and requests that are due.
    pub(crate) fn report(
        &mut self,
        now: Instant,
        buffers: &mut Buffers,
        outputs: &mut VecDeque<Output>,
    ) {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if is_due(self.report_at) || is_due(self.arrivals.deadline()) {
            self.say_what_arrived(now, buffers, outputs);
        }
        if is_due(self.nack_at()) {
            self.ask_for_missing(now, buffers, outputs);
        }
    }

    /// Sends the receiver report and the times of arrival, in one packet if both are due.
    fn say_what_arrived(
        &mut self,
        now: Instant,
        buffers: &mut Buffers,
        outputs: &mut VecDeque<Output>,
    ) {
        let mut buffer = buffers.take();
        if self.report_at.is_some_and(|at| at <= now) {
            let blocks = self.blocks(now);
            rtcp::write_report(&mut buffer, self.ssrc, &blocks);
            // Nothing arrives: the next packet starts the reports again.
            self.report_at = (!blocks.is_empty()).then_some(now + REPORT_INTERVAL);
        }
        for _ in 0..ARRIVAL_MESSAGES_MAX {
            if !self.arrivals.write(&mut buffer, self.ssrc) {
                break;
            }
            let full = std::mem::replace(&mut buffer, buffers.take());
            self.send(full, buffers, outputs);
        }
        self.arrivals.forget();
        self.send(buffer, buffers, outputs);
    }

    /// Report blocks of the sources that have sent since their last block. If there are more than fit into a report, they take
    /// turns.
    fn blocks(&mut self, now: Instant) -> Vec<Block> {
        let mut blocks = Vec::with_capacity(self.sources.len().min(BLOCKS_MAX));
        let count = self.sources.len();
        for _ in 0..count {
            self.reported = (self.reported + 1) % count;
            let source = &mut self.sources[self.reported];
            if let Some(highest) = source.seen.highest()
                && source.track.is_some()
            {
                blocks.extend(source.reception.block(source.ssrc, highest, now));
            }
            if blocks.len() == BLOCKS_MAX {
                break;
            }
        }
        blocks
    }

    fn ask_for_missing(
        &mut self,
        now: Instant,
        buffers: &mut Buffers,
        outputs: &mut VecDeque<Output>,
    ) {
        let retry = self.round_trip.map_or(NACK_RETRY, |round_trip| {
            (round_trip * 5 / 4 + NACK_RETRY_SLACK).min(NACK_RETRY_MAX)
        });
        let mut buffer = buffers.take();
        for place in 0..self.sources.len() {
            let source = &mut self.sources[place];
            let highest = source.seen.highest().unwrap_or_default();
            let oldest = (highest + 1).saturating_sub(REPLAY_WINDOW);
            let due = source.missing.take_due(now, retry, oldest);
            if due.is_empty() {
                continue;
            }
            if let Some(track) = source.track.and_then(|track| self.tracks.get_mut(track)) {
                track.counts.nacks += due.len() as u64;
            }
            if buffer.len() + 12 + 4 * due.len() > COMPOUND_BYTES_MAX {
                let full = std::mem::replace(&mut buffer, buffers.take());
                self.send(full, buffers, outputs);
            }
            rtcp::write_nack(&mut buffer, self.ssrc, self.sources[place].ssrc, &due);
        }
        if !buffer.is_empty() {
            self.asked_at = Some(now);
        }
        self.send(buffer, buffers, outputs);
    }

    /// Requests a key frame. False: there is no such stream yet.
    pub(crate) fn request_key_frame(
        &mut self,
        rid: Option<RidName>,
        with_fir: bool,
        buffers: &mut Buffers,
        outputs: &mut VecDeque<Output>,
    ) -> bool {
        let Some(place) = self.find_track(MediaKind::Video, rid) else {
            return false;
        };
        let track = &mut self.tracks[place];
        track.counts.key_frame_requests += 1;
        let mut buffer = buffers.take();
        if with_fir {
            rtcp::write_fir(&mut buffer, self.ssrc, track.ssrc, track.requests);
            track.requests = track.requests.wrapping_add(1);
        } else {
            rtcp::write_pli(&mut buffer, self.ssrc, track.ssrc);
        }
        self.send(buffer, buffers, outputs);
        true
    }

    /// What is counted of each track, with its name. At most [`TRACKS_COUNTED_MAX`].
    pub(crate) fn stats(&self) -> impl Iterator<Item = (Option<RidName>, TrackStats)> {
        self.tracks.iter().take(TRACKS_COUNTED_MAX).map(|track| {
            let counts = &track.counts;
            let source = self.place(track.ssrc).map(|place| &self.sources[place]);
            let clock_rate = self
                .config
                .section(track.kind)
                .map_or(0, |it| it.clock_rate);
            let stats = TrackStats {
                rid: track.rid.map(|rid| rid.as_str().to_owned()),
                packets: counts.packets,
                bytes: counts.bytes,
                frames: match track.kind {
                    MediaKind::Audio => 0,
                    MediaKind::Video => counts.frames,
                },
                lost: source.map_or(0, |source| {
                    source
                        .reception
                        .lost(source.seen.highest().unwrap_or_default())
                }),
                repaired: counts.repaired,
                nacks: counts.nacks,
                key_frame_requests: counts.key_frame_requests,
                jitter: source.and_then(|source| ticks(source.reception.jitter(), clock_rate)),
                ..TrackStats::of(track.kind)
            };
            (track.rid, stats)
        })
    }

    /// The time to the publisher and back, once a packet that was requested has come.
    pub(crate) fn round_trip(&self) -> Option<std::time::Duration> {
        self.round_trip
    }

    /// What carried packets from this address has ended, so reports have to wait for the next packet.
    pub(crate) fn end_path(&mut self, remote: Remote) {
        self.path = self.path.filter(|path| path.remote() != remote);
    }

    /// Encrypts a compound packet and sends it to where the publisher's newest packet came from.
    fn send(
        &mut self,
        mut contents: Vec<u8>,
        buffers: &mut Buffers,
        outputs: &mut VecDeque<Output>,
    ) {
        let Some(path) = self.path.filter(|_| !contents.is_empty()) else {
            buffers.give(contents);
            return;
        };
        if !self.rtcp.protect(&mut contents, 0) {
            buffers.give(contents);
            return;
        }
        outputs.push_back(Output::Train {
            protocol: path.protocol,
            is_video: false,
            source: path.source,
            destination: path.destination,
            segment: contents.len(),
            contents,
        });
    }
}
