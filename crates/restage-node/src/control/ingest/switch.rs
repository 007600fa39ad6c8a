//! Which of the two streams of a redundant ingest its subscribers are shown, and how they go over to the other one.
//!
//! Time and packets come in, packets go out. Sequence numbers and timestamps of what goes out have no break: they are those of one stream.
//! Of the stream that is not shown the pictures since its newest key frame are kept, so that nobody waits for its next one.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use restage_media::limits::LAYERS_MAX;
use restage_media::{InletId, InletPacket, MediaKind};

use super::IngestItem;

/// Most bytes of pictures that are kept of a stream: 1.4 s at 8.5 Mbit/s, 5 s at 2.5 Mbit/s. A layer that has more is shown from its next
/// key frame on.
pub(super) const KEPT_BYTES_MAX: usize = 1_536 * 1024;
/// Most pictures that are kept of a stream, of all layers.
pub(super) const KEPT_PICTURES_MAX: usize = 1_024;
/// The shown stream is left if no picture comes for this long, while the other one has pictures: within these two, three times as long as
/// it usually takes.
const STALL_MIN: Duration = Duration::from_millis(200);
const STALL_MAX: Duration = Duration::from_secs(1);
/// Over this time the pictures of both streams are counted.
const COUNT_TIME: Duration = Duration::from_secs(3);
/// Most pictures that are counted.
const COUNTED_MAX: usize = 1_024;
/// The shown stream is left if it has fewer than so many in a hundred of the pictures of the other one.
const PICTURES_PERCENT_MIN: usize = 75;
/// The shown stream is left if no sound comes for this long while the other one has some.
const SOUND_STALL: Duration = Duration::from_secs(1);
/// Time after a switch in which neither the number of pictures nor the sound is a reason for another one.
const HOLD: Duration = Duration::from_secs(5);

/// Ticks of RTP in a millisecond: of sound, of pictures.
const SOUND_TICKS: u64 = 48;
const PICTURE_TICKS: u64 = 90;
/// Ticks of a packet of sound: 20 ms.
const SOUND_PACKET_TICKS: u64 = 960;

/// The switch of one redundant ingest.
#[derive(Default)]
pub(super) struct Switch {
    streams: Vec<Stream>,
    shown: Option<InletId>,
    switched_at: Option<Instant>,
    line: Line,
    switches: u64,
}

/// One stream.
struct Stream {
    id: InletId,
    /// When its newest picture was captured, on its clock in microseconds, and when it came.
    newest: Option<(u64, Instant)>,
    /// The time between two pictures, on average.
    interval: Duration,
    /// When its pictures of the last [`COUNT_TIME`] came.
    came: VecDeque<Instant>,
    since: Option<Instant>,
    /// When its newest sound came.
    heard_at: Option<Instant>,
    /// The pictures since the newest key frame of each layer, in the order in which they came.
    kept: VecDeque<IngestItem>,
    kept_bytes: usize,
    /// Layers whose kept pictures begin with a key frame and lack none.
    is_whole: [bool; LAYERS_MAX],
    /// What is added to its clock, in milliseconds.
    offset_ms: i64,
}

/// What subscribers are sent.
#[derive(Default)]
struct Line {
    sound: Track,
    pictures: [Track; LAYERS_MAX],
    /// The time of the newest picture in microseconds, and when it was sent.
    newest: Option<(u64, Instant)>,
    /// Layers that begin with a key frame again.
    needs_key: [bool; LAYERS_MAX],
}

/// The newest numbers of sound, or of a layer.
#[derive(Default)]
struct Track {
    sequence: u64,
    timestamp: u64,
}

impl Switch {
    /// A stream begins.
    pub(super) fn join(&mut self, id: InletId) {
        self.streams.push(Stream::new(id));
    }

    /// A stream is over. Returns what is to be sent.
    pub(super) fn leave(&mut self, now: Instant, id: InletId) -> Vec<InletPacket> {
        self.streams.retain(|stream| stream.id != id);
        if self.shown != Some(id) {
            return Vec::new();
        }
        self.shown = None;
        let next = self
            .streams
            .iter()
            .find(|stream| stream.newest.is_some())
            .map(|stream| stream.id);
        next.map_or_else(Vec::new, |next| self.show(now, next))
    }

    /// Takes a picture or sound of a stream. Returns what is to be sent.
    pub(super) fn push(
        &mut self,
        now: Instant,
        id: InletId,
        item: &IngestItem,
    ) -> Vec<InletPacket> {
        let Some(stream) = self.streams.iter_mut().find(|stream| stream.id == id) else {
            return Vec::new();
        };
        stream.note(now, item);
        if self.shown == Some(id) {
            return self.line.send(now, stream.offset_ms, item);
        }
        let is_picture = item.kind == MediaKind::Video;
        let is_better = match self.shown {
            None => is_picture && item.is_key,
            Some(shown) => is_picture && self.is_better(now, id, shown),
        };
        match is_better {
            true => self.show(now, id),
            false => Vec::new(),
        }
    }

    /// How often subscribers have gone over to another stream.
    pub(super) fn switches(&self) -> u64 {
        self.switches
    }

    /// Whether the shown stream is to be left for another one.
    fn is_better(&self, now: Instant, id: InletId, shown: InletId) -> bool {
        let find = |id| self.streams.iter().find(|stream| stream.id == id);
        let (Some(other), Some(shown)) = (find(id), find(shown)) else {
            return true;
        };
        if !other.is_ready() {
            return false;
        }
        let is_held = self
            .switched_at
            .is_some_and(|at| now.saturating_duration_since(at) < HOLD);
        let is_poorer = || {
            shown.has_fewer_pictures(now, other)
                || shown.lacks_sound(now, other) && !other.has_fewer_pictures(now, shown)
        };
        shown.is_stalled(now) || !is_held && is_poorer()
    }

    /// Shows a stream from now on.
    fn show(&mut self, now: Instant, id: InletId) -> Vec<InletPacket> {
        let Some(stream) = self.streams.iter_mut().find(|stream| stream.id == id) else {
            return Vec::new();
        };
        if self.line.newest.is_some() {
            self.switches += 1;
        }
        self.shown = Some(id);
        self.switched_at = Some(now);
        stream.offset_ms = self.line.offset_ms(now, stream.newest);
        self.line.needs_key = [true; LAYERS_MAX];
        let mut packets = Vec::new();
        for layer in 0..LAYERS_MAX {
            let is_whole = stream.is_whole[layer];
            let kept = stream.kept.iter().filter(|item| item.layer() == layer);
            let kept: Vec<&IngestItem> = kept.filter(|_| is_whole).collect();
            self.line
                .catch_up(now, stream.offset_ms, &kept, &mut packets);
        }
        packets
    }
}

impl Stream {
    fn new(id: InletId) -> Self {
        Self {
            id,
            newest: None,
            interval: Duration::ZERO,
            came: VecDeque::new(),
            since: None,
            heard_at: None,
            kept: VecDeque::new(),
            kept_bytes: 0,
            is_whole: [false; LAYERS_MAX],
            offset_ms: 0,
        }
    }

    /// It has key frames to begin with.
    fn is_ready(&self) -> bool {
        self.is_whole.contains(&true)
    }

    fn note(&mut self, now: Instant, item: &IngestItem) {
        if item.kind == MediaKind::Audio {
            self.heard_at = Some(now);
        }
        let Some(captured_us) = item.captured_us().filter(|_| item.kind == MediaKind::Video) else {
            return;
        };
        // All layers of a picture have the same time: one of them counts.
        let is_next = self.newest.is_none_or(|(us, _)| captured_us > us);
        if is_next {
            if let Some((_, at)) = self.newest {
                let passed = now.saturating_duration_since(at);
                self.interval = match self.interval {
                    Duration::ZERO => passed,
                    usual => (usual * 7 + passed) / 8,
                };
            }
            self.newest = Some((captured_us, now));
            self.since.get_or_insert(now);
            self.came.push_back(now);
            let is_old = |at: &Instant| now.saturating_duration_since(*at) > COUNT_TIME;
            while self.came.len() > COUNTED_MAX || self.came.front().is_some_and(is_old) {
                self.came.pop_front();
            }
        }
        self.keep(item);
    }

    fn keep(&mut self, item: &IngestItem) {
        let layer = item.layer();
        let Some(is_whole) = self.is_whole.get_mut(layer) else {
            return;
        };
        if item.is_key {
            *is_whole = true;
            self.forget(layer);
        } else if !*is_whole {
            return;
        }
        self.kept_bytes += item.bytes();
        self.kept.push_back(item.clone());
        if self.kept_bytes > KEPT_BYTES_MAX || self.kept.len() > KEPT_PICTURES_MAX {
            // The layer with this picture is the one that has grown too long, or one of those that have.
            self.is_whole[layer] = false;
            self.forget(layer);
        }
    }

    fn forget(&mut self, layer: usize) {
        let bytes = &mut self.kept_bytes;
        self.kept.retain(|item| {
            let is_kept = item.layer() != layer;
            if !is_kept {
                *bytes -= item.bytes();
            }
            is_kept
        });
    }

    /// Whether its pictures are missing.
    fn is_stalled(&self, now: Instant) -> bool {
        let patience = (self.interval * 3).clamp(STALL_MIN, STALL_MAX);
        self.newest
            .is_none_or(|(_, at)| now.saturating_duration_since(at) > patience)
    }

    /// Whether its sound is missing while the other one has some.
    fn lacks_sound(&self, now: Instant, other: &Self) -> bool {
        let is_heard = |stream: &Self| {
            stream
                .heard_at
                .is_some_and(|at| now.saturating_duration_since(at) <= SOUND_STALL)
        };
        !is_heard(self) && is_heard(other)
    }

    /// Whether it has clearly fewer pictures than the other one.
    fn has_fewer_pictures(&self, now: Instant, other: &Self) -> bool {
        let is_known = |stream: &Self| {
            stream
                .since
                .is_some_and(|since| now.saturating_duration_since(since) > COUNT_TIME)
        };
        let count = |stream: &Self| {
            let is_new = |at: &&Instant| now.saturating_duration_since(**at) <= COUNT_TIME;
            stream.came.iter().filter(is_new).count()
        };
        is_known(self) && is_known(other) && count(self) * 100 < count(other) * PICTURES_PERCENT_MIN
    }
}

impl Line {
    /// What is to be added to the clock of a stream, so that its newest picture is as much later than the last one that was sent as time
    /// has passed between them.
    fn offset_ms(&self, now: Instant, newest: Option<(u64, Instant)>) -> i64 {
        let (Some((sent_us, sent_at)), Some((captured_us, came_at))) = (self.newest, newest) else {
            return 0;
        };
        let passed = |at| now.saturating_duration_since(at).as_micros() as i64;
        let due_us = sent_us as i64 + passed(sent_at) - passed(came_at);
        (due_us - captured_us as i64).div_euclid(1_000)
    }

    /// Sends a picture or sound of the shown stream.
    fn send(&mut self, now: Instant, offset_ms: i64, item: &IngestItem) -> Vec<InletPacket> {
        let mut packets = Vec::new();
        match item.kind {
            MediaKind::Audio => self.send_sound(offset_ms, item, &mut packets),
            MediaKind::Video => {
                let layer = item.layer();
                let Some(needs_key) = self.needs_key.get_mut(layer) else {
                    return packets;
                };
                *needs_key &= !item.is_key;
                if !*needs_key {
                    let timestamp = item.timestamp(offset_ms, PICTURE_TICKS);
                    self.send_picture(now, timestamp, item, &mut packets);
                }
            }
        }
        packets
    }

    fn send_sound(&mut self, offset_ms: i64, item: &IngestItem, packets: &mut Vec<InletPacket>) {
        let timestamp = item.timestamp(offset_ms, SOUND_TICKS);
        // What was heard already of the other stream is not heard again.
        let is_again = timestamp < self.sound.timestamp + SOUND_PACKET_TICKS;
        if is_again && self.sound.sequence > 0 {
            return;
        }
        self.sound.timestamp = timestamp;
        let captured_us = timestamp * 1_000 / SOUND_TICKS;
        packets.extend(self.sound.numbered(captured_us, item));
    }

    fn send_picture(
        &mut self,
        now: Instant,
        timestamp: u64,
        item: &IngestItem,
        packets: &mut Vec<InletPacket>,
    ) {
        let Some(track) = self.pictures.get_mut(item.layer()) else {
            return;
        };
        track.timestamp = timestamp.max(track.timestamp + 1);
        let captured_us = track.timestamp * 1_000 / PICTURE_TICKS;
        if self.newest.is_none_or(|(us, _)| captured_us > us) {
            self.newest = Some((captured_us, now));
        }
        packets.extend(track.numbered(captured_us, item));
    }

    /// Sends what was kept of a layer. Its pictures are so close together that only the last one is seen.
    fn catch_up(
        &mut self,
        now: Instant,
        offset_ms: i64,
        kept: &[&IngestItem],
        packets: &mut Vec<InletPacket>,
    ) {
        let Some(last) = kept.last() else {
            return;
        };
        self.needs_key[last.layer()] = false;
        let end = last.timestamp(offset_ms, PICTURE_TICKS);
        for (place, item) in kept.iter().enumerate() {
            let after = (kept.len() - 1 - place) as u64;
            self.send_picture(now, end.saturating_sub(after), item, packets);
        }
    }
}

impl Track {
    /// The packets of an item under the next numbers, all of one time.
    fn numbered(&mut self, captured_us: u64, item: &IngestItem) -> Vec<InletPacket> {
        let renumber = |packet: &InletPacket| {
            self.sequence += 1;
            InletPacket {
                sequence: self.sequence,
                timestamp: self.timestamp,
                captured_us: Some(captured_us),
                ..packet.clone()
            }
        };
        item.packets.iter().map(renumber).collect()
    }
}

impl IngestItem {
    fn layer(&self) -> usize {
        let first = self.packets.first();
        first.map_or(0, |packet| usize::from(packet.layer))
    }

    fn captured_us(&self) -> Option<u64> {
        self.packets.first()?.captured_us
    }

    /// Its timestamp on a clock that is ahead by so many milliseconds.
    fn timestamp(&self, offset_ms: i64, ticks_per_ms: u64) -> u64 {
        let own = self.packets.first().map_or(0, |packet| packet.timestamp);
        own.saturating_add_signed(offset_ms.saturating_mul(ticks_per_ms as i64))
    }

    /// Bytes of its payloads.
    fn bytes(&self) -> usize {
        self.packets.iter().map(|packet| packet.payload.len()).sum()
    }
}

#[cfg(test)]
#[path = "switch_tests.rs"]
mod tests;
