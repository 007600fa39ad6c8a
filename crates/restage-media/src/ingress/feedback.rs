//! What a publisher is told: what has arrived, what is missing, and that a key frame is needed. And what it tells.

use std::collections::VecDeque;
use std::time::Instant;

use super::Ingress;
use super::config::Part;
use super::rtcp::{self, BLOCKS_MAX};
use crate::egress::Buffers;
use crate::io::{MediaKind, Output};
use crate::limits::{FEEDBACK_SLACK, REPORT_INTERVAL};
use crate::packet::RidName;
use crate::peer_event::SenderReport;

impl Ingress {
    /// Reads a compound packet of reports. False: it is not the publisher's, or has been here before.
    pub(crate) fn hear(
        &mut self,
        now: Instant,
        bytes: &[u8],
        mut take: impl FnMut(MediaKind, Option<RidName>, SenderReport),
    ) -> bool {
        let Some(opened) = self.rtcp.open(bytes) else {
            return false;
        };
        rtcp::read(&opened, |sent| {
            let report = SenderReport {
                ntp_us: sent.wall_us(),
                time: sent.time,
                arrived: now,
            };
            let source = self
                .sources
                .iter_mut()
                .find(|source| source.ssrc == sent.ssrc);
            let Some(source) = source else {
                // Its first packet is still on the way, or lost.
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

    /// When [`report`](Self::report) is due by the clock. It may come before: with a packet.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let reports = [self.report_at, self.arrivals.deadline()];
        let reports = reports.into_iter().flatten().map(|at| at + FEEDBACK_SLACK);
        reports.chain(self.nack_at()).min()
    }

    fn nack_at(&self) -> Option<Instant> {
        let sources = self.sources.iter();
        sources.filter_map(|source| source.missing.deadline()).min()
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

    /// Receiver report and times of arrival, in one packet where both are due.
    fn say_what_arrived(
        &mut self,
        now: Instant,
        buffers: &mut Buffers,
        outputs: &mut VecDeque<Output>,
    ) {
        let mut buffer = buffers.take();
        if self.report_at.is_some_and(|at| at <= now) {
            let mut blocks = Vec::with_capacity(self.sources.len());
            for source in &mut self.sources {
                if let Some(highest) = source.seen.highest()
                    && source.part != Part::Probe
                    && blocks.len() < BLOCKS_MAX
                {
                    blocks.extend(source.reception.block(source.ssrc, highest, now));
                }
            }
            rtcp::write_report(&mut buffer, self.ssrc, &blocks);
            // Nobody sends: the next packet starts it again.
            self.report_at = (!blocks.is_empty()).then_some(now + REPORT_INTERVAL);
        }
        let media = self.tracks.first().map_or(0, |track| track.ssrc);
        while self.arrivals.write(&mut buffer, self.ssrc, media) {
            let full = std::mem::replace(&mut buffer, buffers.take());
            self.send(full, buffers, outputs);
        }
        self.send(buffer, buffers, outputs);
    }

    fn ask_for_missing(
        &mut self,
        now: Instant,
        buffers: &mut Buffers,
        outputs: &mut VecDeque<Output>,
    ) {
        for place in 0..self.sources.len() {
            let source = &mut self.sources[place];
            let due = source.missing.take_due(now);
            if !due.is_empty() {
                let mut buffer = buffers.take();
                rtcp::write_nack(&mut buffer, self.ssrc, source.ssrc, &due);
                self.send(buffer, buffers, outputs);
            }
        }
    }

    /// Asks for a key frame. False: there is no such stream yet.
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

    /// Seals a compound packet and sends it where the publisher was heard from.
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
        self.rtcp.protect(&mut contents, 0);
        outputs.push_back(Output::Train {
            source: path.source,
            destination: path.destination,
            segment: contents.len(),
            contents,
        });
    }
}
