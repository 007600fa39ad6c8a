//! The sound of a publication.

use std::collections::VecDeque;

use restage_codec::{Codec, MediaKind, opus, red};

use super::unrest::Gate;
use super::{Event, Known, Stream};
use crate::drops::Drops;
use crate::limits::{WAITING_BYTES_MAX, WAITING_SAMPLES_MAX};
use crate::mp4::AUDIO_TIMESCALE;
use crate::output::DropReason;
use crate::packet::{EncodingId, Packet};
use crate::timeline::{Place, Reports};

/// A packet of Opus with its time.
#[derive(Debug)]
pub(crate) struct AudioUnit {
    pub(crate) place: Place,
    pub(crate) data: Box<[u8]>,
    /// Its length.
    pub(crate) samples: u32,
    /// Its clock is another one than that of the packet before.
    pub(crate) begins_clock: bool,
    /// When it began to wait.
    pub(crate) queued_us: u64,
}

/// The sound of a publication.
#[derive(Debug, Default)]
pub(crate) struct AudioSource {
    stream: Option<Stream>,
    /// The encoding before this one, whose late packets do not bring it back.
    previous: Option<EncodingId>,
    /// Sound that waits for the clock.
    held: VecDeque<Held>,
    held_bytes: usize,
    begins_clock: bool,
    ready: VecDeque<AudioUnit>,
    ready_bytes: usize,
    frontier_us: Option<i64>,
    known: Known,
    gate: Gate,
}

#[derive(Debug)]
struct Held {
    timestamp: u64,
    data: Box<[u8]>,
    samples: u32,
}

impl AudioSource {
    /// Another publication begins.
    pub(crate) fn restart(&mut self) {
        *self = Self {
            gate: std::mem::take(&mut self.gate),
            ..Self::default()
        };
    }

    /// Takes a packet.
    pub(crate) fn push(&mut self, now_us: u64, packet: Packet, drops: &mut Drops) {
        self.known.push(now_us, &packet);
        let current = self.stream.as_ref().map(|stream| stream.encoding);
        if current != Some(packet.encoding) {
            if self.previous == Some(packet.encoding) {
                drops.count(MediaKind::Audio, DropReason::Late, 1);
                return;
            }
            self.work(now_us, true, drops);
            self.previous = current;
            self.begins_clock = true;
            self.stream = Some(Stream::new(now_us, &packet));
        }
        let Some(stream) = &mut self.stream else {
            return;
        };
        if stream.push(now_us, packet) {
            drops.count(MediaKind::Audio, DropReason::Late, 1);
        }
    }

    /// Makes sound of what has come. With `must`, nothing is waited for any more.
    pub(crate) fn work(&mut self, now_us: u64, must: bool, drops: &mut Drops) {
        while let Some(stream) = &mut self.stream
            && let Some(event) = stream.next(now_us, must)
        {
            match event {
                Event::Packet(packet) => self.hold(packet, drops),
                Event::Hole(count) => drops.count(MediaKind::Audio, DropReason::Lost, count),
                Event::ClockBroke => {
                    stream.renew_clock();
                    self.known.jump(now_us);
                    drops.count(
                        MediaKind::Audio,
                        DropReason::Damaged,
                        self.held.len() as u64,
                    );
                    self.held.clear();
                    self.held_bytes = 0;
                    self.begins_clock = true;
                }
            }
            // Packets behind another clock must not wait for this one.
            self.place(now_us, false, drops);
        }
        self.place(now_us, must, drops);
    }

    fn hold(&mut self, packet: Packet, drops: &mut Drops) {
        let bytes = match packet.codec {
            Codec::Red => newest_block(&packet.payload),
            _ => Some(&*packet.payload),
        };
        let samples = bytes.and_then(opus::samples);
        let (Some(bytes), Some(samples)) = (bytes, samples) else {
            drops.count(MediaKind::Audio, DropReason::Damaged, 1);
            return;
        };
        self.held_bytes += bytes.len();
        self.held.push_back(Held {
            timestamp: packet.timestamp,
            data: bytes.into(),
            samples: u32::try_from(samples).unwrap_or(0),
        });
    }

    /// Gives what is held its time, once the clock goes.
    fn place(&mut self, now_us: u64, must: bool, drops: &mut Drops) {
        let Some(stream) = &mut self.stream else {
            return;
        };
        let is_full = self.held_bytes > WAITING_BYTES_MAX || self.held.len() > WAITING_SAMPLES_MAX;
        self.begins_clock |= stream.start(now_us, must || is_full).1;
        self.frontier_us = stream.frontier_us().or(self.frontier_us);
        while let Some(first) = self.held.front()
            && let Some(place) = stream.place(first.timestamp)
            && let Some(held) = self.held.pop_front()
        {
            self.held_bytes -= held.data.len();
            let mut begins_clock = std::mem::take(&mut self.begins_clock);
            let changes = begins_clock;
            if !self.gate.passes(now_us, changes, true, &mut begins_clock) {
                drops.count(MediaKind::Audio, DropReason::Restless, 1);
                continue;
            }
            self.ready_bytes += held.data.len();
            self.ready.push_back(AudioUnit {
                place,
                data: held.data,
                samples: held.samples,
                begins_clock,
                queued_us: now_us,
            });
        }
    }

    /// The sound that is next.
    pub(crate) fn head(&self) -> Option<&AudioUnit> {
        self.ready.front()
    }

    /// Length of the sound that has its time, in microseconds.
    pub(crate) fn ready_us(&self) -> i64 {
        let samples: u64 = self.ready.iter().map(|unit| u64::from(unit.samples)).sum();
        i64::try_from(samples * 1_000_000 / u64::from(AUDIO_TIMESCALE)).unwrap_or(i64::MAX)
    }

    pub(crate) fn pop(&mut self) -> Option<AudioUnit> {
        let unit = self.ready.pop_front()?;
        self.ready_bytes -= unit.data.len();
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

    /// Whether it is left out because its encoder or clock changes all the time.
    pub(crate) fn is_restless(&self) -> bool {
        self.gate.is_shut()
    }

    pub(crate) fn reports(&self) -> Option<&Reports> {
        self.stream.as_ref().map(|stream| &stream.reports)
    }

    /// Bytes that it holds.
    pub(crate) fn bytes(&self) -> usize {
        self.held_bytes + self.ready_bytes + self.stream.as_ref().map_or(0, Stream::bytes)
    }
}

/// The newest block of redundant audio; all blocks have one type.
fn newest_block(payload: &[u8]) -> Option<&[u8]> {
    let block_type = payload.first()? & 0x7f;
    payload.get(red::primary_start(payload, block_type)?..)
}
