//! A viewer with a decoder: what it can show of what it gets, and when it asks for a key frame, as browsers do.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use str0m::format::Codec;

use super::World;
use super::client::Got;
use super::source::{identity, is_key_start};

/// Without a picture that can be decoded for this long, libwebrtc asks for a key frame.
const ASKS_AFTER: Duration = Duration::from_secs(3);
/// While it waits for a key frame it asks again after this.
const ASKS_AGAIN_AFTER: Duration = Duration::from_millis(1_000);
/// A picture that stays for so much longer than usual counts as a freeze.
const FREEZE: Duration = Duration::from_millis(150);
/// How often it looks.
const STEP: Duration = Duration::from_millis(10);

/// A picture of which packets have come.
#[derive(Debug, Default, Clone)]
struct Picture {
    packets: usize,
    /// How many packets it has, once its last one has come.
    count: Option<usize>,
    is_key: bool,
    temporal: u8,
    is_sync: bool,
    base: u8,
}

/// What was seen in a time.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Pictures that were decoded.
    pub pictures: usize,
    pub freezes: usize,
    /// Requests for key frames.
    pub requests: usize,
    /// Packets of sound that have come, of 50 a second.
    pub sound: usize,
}

pub struct Viewer {
    client: usize,
    codec: Codec,
    read: usize,
    pictures: BTreeMap<u64, Picture>,
    /// The newest picture that was decoded.
    newest: Option<u64>,
    /// The number of the base picture that was decoded last (TL0PICIDX), and whether the one in the middle of those after it was.
    base: u8,
    has_middle: bool,
    shown_at: Option<Instant>,
    usual: Duration,
    asked_at: Option<Instant>,
    seen: Seen,
}

impl Viewer {
    /// Of what the client at this index gets.
    pub fn new(client: usize, codec: Codec) -> Self {
        Self {
            client,
            codec,
            read: 0,
            pictures: BTreeMap::new(),
            newest: None,
            base: 0,
            has_middle: false,
            shown_at: None,
            usual: Duration::from_millis(40),
            asked_at: None,
            seen: Seen::default(),
        }
    }

    /// Lets time pass and returns what was seen in it.
    pub fn watch(&mut self, world: &mut World, time: Duration) -> Seen {
        self.seen = Seen::default();
        let end = world.now + time;
        while world.now < end {
            world.run(STEP);
            self.look(world);
        }
        self.seen
    }

    fn look(&mut self, world: &mut World) {
        let now = world.now;
        let client = &mut world.clients[self.client];
        for got in &client.got[self.read..] {
            match got.kind {
                str0m::media::MediaKind::Audio => self.seen.sound += 1,
                str0m::media::MediaKind::Video => {
                    let (frame, index) = identity(&got.payload);
                    if self.newest.is_none_or(|newest| frame > newest) {
                        let picture = self.pictures.entry(frame).or_default();
                        picture.take(self.codec, got, index);
                    }
                }
            }
        }
        self.read = client.got.len();
        while let Some(frame) = self.next() {
            self.decode(now, frame);
        }
        let waits_since = self.shown_at.max(self.asked_at);
        let asks_after = match self.asked_at > self.shown_at {
            true => ASKS_AGAIN_AFTER,
            false => ASKS_AFTER,
        };
        let newest = client.video_got().next_back().map(|got| got.at);
        let is_active = newest.is_some_and(|at| now < at + Duration::from_secs(1));
        if is_active && waits_since.is_some_and(|at| now >= at + asks_after) {
            self.asked_at = Some(now);
            self.seen.requests += 1;
            client.request_keyframe();
        }
    }

    /// The next picture that can be decoded.
    fn next(&self) -> Option<u64> {
        let whole = self
            .pictures
            .iter()
            .filter(|(_, picture)| picture.is_whole());
        let mut decodable = whole.filter(|(frame, picture)| self.can_decode(**frame, picture));
        decodable.next().map(|(frame, _)| *frame)
    }

    fn can_decode(&self, frame: u64, picture: &Picture) -> bool {
        let Some(newest) = self.newest.filter(|_| !picture.is_key) else {
            return picture.is_key;
        };
        match picture.temporal {
            // Each uses the one before.
            _ if self.codec != Codec::Vp8 => frame == newest + 1,
            0 => picture.base == self.base.wrapping_add(1),
            1 => picture.base == self.base,
            _ => picture.base == self.base && (picture.is_sync || self.has_middle),
        }
    }

    fn decode(&mut self, now: Instant, frame: u64) {
        self.pictures = self.pictures.split_off(&frame);
        let Some(picture) = self.pictures.remove(&frame) else {
            return;
        };
        self.newest = Some(frame);
        self.base = picture.base;
        self.has_middle = match picture.temporal {
            0 => false,
            1 => true,
            _ => self.has_middle,
        };
        self.seen.pictures += 1;
        if let Some(before) = self.shown_at {
            let waited = now - before;
            self.seen.freezes += usize::from(waited > self.usual + FREEZE);
            self.usual = (self.usual * 29 + waited.min(self.usual * 3)) / 30;
        }
        self.shown_at = Some(now);
        self.asked_at = None;
    }
}

impl Picture {
    fn take(&mut self, codec: Codec, got: &Got, index: u8) {
        self.packets += 1;
        if got.marker {
            self.count = Some(usize::from(index) + 1);
        }
        if index == 0 {
            self.is_key = is_key_start(codec, &got.payload);
        }
        if codec == Codec::Vp8 {
            self.base = got.payload[4];
            self.temporal = got.payload[5] >> 6;
            self.is_sync = got.payload[5] & 0x20 != 0;
        }
    }

    fn is_whole(&self) -> bool {
        self.count == Some(self.packets)
    }
}
