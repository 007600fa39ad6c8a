//! The pictures of a publication: of one encoding after the other.

use std::collections::VecDeque;

use restage_codec::{Codec, MediaKind};

use super::picture::{Assembler, Outcome};
use super::unrest::Gate;
use super::{Assembled, Event, Known, Stream};
use crate::drops::Drops;
use crate::limits::{REORDER_WINDOW_US, WAITING_BYTES_MAX, WAITING_SAMPLES_MAX};
use crate::mp4::VideoFormat;
use crate::output::DropReason;
use crate::packet::Packet;
use crate::timeline::{Place, Reports};

/// Encodings that are read at once: the one that is recorded, and those that follow it.
const STREAMS_MAX: usize = 3;

/// A picture with its time.
#[derive(Debug)]
pub(crate) struct VideoUnit {
    pub(crate) place: Place,
    pub(crate) picture: Assembled,
    /// Its clock is another one than that of the picture before.
    pub(crate) begins_clock: bool,
    /// When it began to wait.
    pub(crate) queued_us: u64,
    pub(crate) codec: Codec,
}

/// The pictures of a publication.
#[derive(Debug, Default)]
pub(crate) struct VideoSource {
    /// The first is recorded. The next one takes over with its first key frame.
    streams: VecDeque<VideoStream>,
    ready: VecDeque<VideoUnit>,
    ready_bytes: usize,
    frontier_us: Option<i64>,
    known: Known,
    gate: Gate,
    /// That of the newest key frame.
    format: Option<VideoFormat>,
}

#[derive(Debug)]
struct VideoStream {
    stream: Stream,
    assembler: Assembler,
    /// Pictures that wait for the clock.
    held: VecDeque<Assembled>,
    held_bytes: usize,
    begins_clock: bool,
}

impl VideoSource {
    /// Another publication begins.
    pub(crate) fn restart(&mut self) {
        *self = Self {
            gate: std::mem::take(&mut self.gate),
            format: self.format.take(),
            ..Self::default()
        };
    }

    /// Takes a packet of a codec that can be recorded.
    pub(crate) fn push(&mut self, now_us: u64, packet: Packet, drops: &mut Drops) {
        self.known.push(now_us, &packet);
        let is_of = |stream: &&mut VideoStream| {
            stream.stream.encoding == packet.encoding && stream.stream.codec == packet.codec
        };
        if let Some(known) = self.streams.iter_mut().find(is_of) {
            if known.stream.push(now_us, packet) {
                drops.count(MediaKind::Video, DropReason::Late, 1);
            }
            return;
        }
        // What is left of an encoding that was given up does not begin a key frame.
        if !self.streams.is_empty() && !packet.starts_key_frame {
            drops.count(MediaKind::Video, DropReason::Late, 1);
            return;
        }
        if self.streams.len() == STREAMS_MAX {
            self.streams.remove(1);
        }
        let mut stream = VideoStream::new(now_us, &packet);
        stream.stream.push(now_us, packet);
        self.streams.push_back(stream);
    }

    /// Makes pictures of what has come. With `must`, nothing is waited for any more.
    pub(crate) fn work(&mut self, now_us: u64, must: bool, drops: &mut Drops) {
        loop {
            let is_replaced = self.is_replaced(now_us, must);
            let Some(first) = self.streams.front_mut() else {
                return;
            };
            let jumps = first.work(now_us, must || is_replaced, drops);
            (0..jumps).for_each(|_| self.known.jump(now_us));
            self.frontier_us = first.frontier_us().or(self.frontier_us);
            while let Some(unit) = self
                .streams
                .front_mut()
                .and_then(|first| first.take(now_us))
            {
                self.queue(now_us, unit, drops);
            }
            if !is_replaced {
                return;
            }
            self.streams.pop_front();
        }
    }

    fn queue(&mut self, now_us: u64, mut unit: VideoUnit, drops: &mut Drops) {
        let key_format = unit.picture.key_format.as_ref();
        let is_other = key_format.is_some() && key_format != self.format.as_ref();
        if is_other {
            self.format = key_format.cloned();
        }
        let (changes, can_begin) = (is_other || unit.begins_clock, key_format.is_some());
        let begins_clock = &mut unit.begins_clock;
        if !self.gate.passes(now_us, changes, can_begin, begins_clock) {
            drops.count(MediaKind::Video, DropReason::Restless, 1);
            return;
        }
        self.ready_bytes += unit.picture.data.len();
        self.ready.push_back(unit);
    }

    /// Whether the next encoding is due: nothing of the present one is waited for.
    fn is_replaced(&self, now_us: u64, must: bool) -> bool {
        let (Some(first), Some(second)) = (self.streams.front(), self.streams.get(1)) else {
            return false;
        };
        let waited = now_us.saturating_sub(second.stream.since_us);
        must || first.stream.reorder.is_empty() || waited >= REORDER_WINDOW_US
    }

    /// The picture that is next.
    pub(crate) fn head(&self) -> Option<&VideoUnit> {
        self.ready.front()
    }

    pub(crate) fn pop(&mut self) -> Option<VideoUnit> {
        let unit = self.ready.pop_front()?;
        self.ready_bytes -= unit.picture.data.len();
        Some(unit)
    }

    /// Whether more waits than is allowed.
    pub(crate) fn is_full(&self) -> bool {
        self.ready_bytes > WAITING_BYTES_MAX || self.ready.len() > WAITING_SAMPLES_MAX
    }

    /// Up to where everything has come, on the server's clock.
    pub(crate) fn frontier_us(&self) -> Option<i64> {
        self.frontier_us
    }

    /// When the newest packet was pushed.
    pub(crate) fn pushed_us(&self) -> Option<u64> {
        self.known.newest_us
    }

    /// Whether sender reports should have come by now.
    pub(crate) fn lacks_reports(&self, now_us: u64) -> bool {
        self.known.lacks_reports(now_us)
    }

    /// Whether timestamps jumped again and again.
    pub(crate) fn has_random_times(&self) -> bool {
        self.known.has_random_times
    }

    /// Whether it is left out because its parameters, encoder or clock change all the time.
    pub(crate) fn is_restless(&self) -> bool {
        self.gate.is_shut()
    }

    /// Nothing can be decoded before a key frame, or it is likely to be so soon.
    pub(crate) fn awaits_key_frame(&mut self, now_us: u64) -> bool {
        if self.gate.awaits_key_frame(now_us) {
            return true;
        }
        let first = self.streams.front_mut();
        let is_doubtful = first.is_some_and(|first| first.stream.reorder.is_doubtful(now_us));
        let mut streams = self.streams.iter();
        is_doubtful || streams.all(|stream| stream.assembler.awaits_key_frame())
    }

    /// Whether a key frame came whose sequence header cannot be read.
    pub(crate) fn is_unreadable(&self) -> bool {
        let mut streams = self.streams.iter();
        streams.any(|stream| stream.assembler.is_unreadable())
    }

    pub(crate) fn reports(&self) -> Option<&Reports> {
        self.streams.front().map(|stream| &stream.stream.reports)
    }

    /// Bytes that it holds.
    pub(crate) fn bytes(&self) -> usize {
        let streams = self.streams.iter().map(VideoStream::bytes);
        self.ready_bytes + streams.sum::<usize>()
    }
}

impl VideoStream {
    fn new(now_us: u64, packet: &Packet) -> Self {
        Self {
            stream: Stream::new(now_us, packet),
            assembler: Assembler::new(packet.codec),
            held: VecDeque::new(),
            held_bytes: 0,
            begins_clock: true,
        }
    }

    /// Answers how often another clock began.
    fn work(&mut self, now_us: u64, must: bool, drops: &mut Drops) -> usize {
        let (mut outcomes, mut jumps) = (Vec::new(), 0);
        while let Some(event) = self.stream.next(now_us, must) {
            match event {
                Event::Packet(packet) => self.assembler.take(packet, &mut outcomes),
                Event::Hole(count) => {
                    drops.count(MediaKind::Video, DropReason::Lost, count);
                    self.assembler.lose();
                }
                Event::ClockBroke => {
                    self.assembler.finish(&mut outcomes);
                    self.hold(&mut outcomes, drops);
                    self.break_clock(drops);
                    jumps += 1;
                }
            }
            self.hold(&mut outcomes, drops);
        }
        if must {
            self.assembler.finish(&mut outcomes);
            self.hold(&mut outcomes, drops);
        }
        let is_full = self.held_bytes > WAITING_BYTES_MAX || self.held.len() > WAITING_SAMPLES_MAX;
        self.begins_clock |= self.stream.start(now_us, must || is_full).1;
        jumps
    }

    /// Pictures that still wait for a clock that is gone have no time.
    fn break_clock(&mut self, drops: &mut Drops) {
        drops.count(
            MediaKind::Video,
            DropReason::Damaged,
            self.held.len() as u64,
        );
        self.held.clear();
        self.held_bytes = 0;
        self.stream.renew_clock();
        self.begins_clock = true;
        self.assembler.lose();
    }

    fn hold(&mut self, outcomes: &mut Vec<Outcome>, drops: &mut Drops) {
        for outcome in outcomes.drain(..) {
            match outcome {
                Outcome::Picture(picture) => {
                    self.held_bytes += picture.data.len();
                    self.held.push_back(picture);
                }
                Outcome::Dropped(reason) => drops.count(MediaKind::Video, reason, 1),
            }
        }
    }

    fn take(&mut self, now_us: u64) -> Option<VideoUnit> {
        let place = self.stream.place(self.held.front()?.timestamp)?;
        let picture = self.held.pop_front()?;
        self.held_bytes -= picture.data.len();
        Some(VideoUnit {
            place,
            picture,
            begins_clock: std::mem::take(&mut self.begins_clock),
            queued_us: now_us,
            codec: self.stream.codec,
        })
    }

    fn frontier_us(&self) -> Option<i64> {
        self.stream.frontier_us()
    }

    fn bytes(&self) -> usize {
        self.stream.bytes() + self.assembler.bytes() + self.held_bytes
    }
}
