//! The streams of a publication: packets become pictures and pieces of sound that have a time.

mod audio;
mod picture;
mod reorder;
mod unrest;
mod video;

use restage_codec::Codec;

use crate::limits::{REPORTS_AWAITED_US, STALL_US};
use crate::packet::{EncodingId, Packet};
use crate::timeline::{Clock, Place, Reports, Verdict};
use reorder::{Ordered, Reorder};
use unrest::Unrest;

pub(crate) use audio::{AudioSource, AudioUnit};
pub(crate) use picture::Assembled;
pub(crate) use video::{VideoSource, VideoUnit};

/// One encoding: its packets in order, its clock, its reports.
#[derive(Debug)]
struct Stream {
    encoding: EncodingId,
    codec: Codec,
    reorder: Reorder,
    clock: Clock,
    reports: Reports,
    /// A packet whose timestamp begins another clock.
    ahead: Option<Packet>,
    /// When the newest packet in order arrived.
    arrived_us: Option<u64>,
    /// When its first packet was pushed.
    since_us: u64,
}

/// What is known of the packets of one kind, whichever encoding they are of.
#[derive(Debug, Default)]
struct Known {
    /// When the first and the newest packet were pushed.
    first_us: Option<u64>,
    newest_us: Option<u64>,
    has_reports: bool,
    /// How often timestamps began another clock.
    jumps: Unrest,
    has_random_times: bool,
}

impl Known {
    fn push(&mut self, now_us: u64, packet: &Packet) {
        self.first_us.get_or_insert(now_us);
        self.newest_us = Some(now_us);
        self.has_reports |= packet.report.is_some();
    }

    fn jump(&mut self, now_us: u64) {
        self.jumps.change(now_us);
        self.has_random_times |= self.jumps.is_restless(now_us);
    }

    /// Whether packets have come for so long that a sender report should have been among them.
    fn lacks_reports(&self, now_us: u64) -> bool {
        let is_due = |first: u64| now_us.saturating_sub(first) >= REPORTS_AWAITED_US;
        !self.has_reports && self.first_us.is_some_and(is_due)
    }
}

/// What comes next in a stream.
#[derive(Debug)]
enum Event {
    Packet(Packet),
    /// So many packets are missing, for good.
    Hole(u64),
    /// What follows has another clock: [`Stream::renew_clock`] is due before it is asked for.
    ClockBroke,
}

impl Stream {
    fn new(now_us: u64, packet: &Packet) -> Self {
        Self {
            encoding: packet.encoding,
            codec: packet.codec,
            reorder: Reorder::default(),
            clock: Clock::new(packet.codec.clock_rate()),
            reports: Reports::default(),
            ahead: None,
            arrived_us: None,
            since_us: now_us,
        }
    }

    /// Answers whether the packet came too late.
    fn push(&mut self, now_us: u64, packet: Packet) -> bool {
        self.reorder.push(now_us, packet)
    }

    fn next(&mut self, now_us: u64, must: bool) -> Option<Event> {
        let packet = match self.ahead.take() {
            Some(packet) => packet,
            None => match self.reorder.pop(now_us, must)? {
                Ordered::Packet(packet) => packet,
                Ordered::Hole(count) => return Some(Event::Hole(count)),
            },
        };
        if self
            .arrived_us
            .is_some_and(|before| packet.arrived_us.saturating_sub(before) > STALL_US)
        {
            self.clock.doubt(now_us, packet.arrived_us);
        }
        if self
            .clock
            .observe(now_us, packet.timestamp, packet.arrived_us)
            == Verdict::Broken
        {
            self.ahead = Some(packet);
            return Some(Event::ClockBroke);
        }
        self.arrived_us = self.arrived_us.max(Some(packet.arrived_us));
        if let Some(report) = packet.report {
            self.reports.take(report, &self.clock);
        }
        Some(Event::Packet(packet))
    }

    /// Another clock begins with the next packet.
    fn renew_clock(&mut self) {
        self.clock = Clock::new(self.codec.clock_rate());
        self.reports.forget();
        self.arrived_us = None;
    }

    /// Whether its clock goes, and whether it turned out to be another one.
    fn start(&mut self, now_us: u64, must: bool) -> (bool, bool) {
        let (has_started, is_other) = self.clock.start(now_us, must);
        if is_other {
            self.reports.forget();
        }
        (has_started, is_other)
    }

    fn place(&self, timestamp: u64) -> Option<Place> {
        self.clock.place(timestamp)
    }

    /// Where the newest packet in order is, on the server's clock.
    fn frontier_us(&self) -> Option<i64> {
        self.clock.frontier_us()
    }

    fn bytes(&self) -> usize {
        let ahead = self.ahead.as_ref().map_or(0, |packet| packet.payload.len());
        self.reorder.bytes() + ahead
    }
}
