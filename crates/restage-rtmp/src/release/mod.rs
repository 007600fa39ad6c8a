//! The release buffer: media leaves at the pace at which it was captured, although TCP brings it in clumps.

mod delay;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use restage_codec::MediaKind;

use crate::limits::{
    BACKLOG_MAX, CATCH_UP_SETTLE, RELEASE_BYTES_MAX, RELEASE_DELAY_MAX, RELEASE_ITEMS_MAX,
    TRACKS_MAX,
};
use delay::Delay;

/// A picture, or sound, on its way through a [`Release`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item<T> {
    /// Sound or pictures.
    pub kind: MediaKind,
    /// The layer of a picture, below [`TRACKS_MAX`]; 0 for sound.
    pub layer: u8,
    /// When it was captured, in microseconds on the clock that sound and pictures of a stream share.
    pub timestamp_us: i64,
    /// Decoding can start here. It says nothing of sound.
    pub is_key: bool,
    /// What it counts in bytes.
    pub bytes: usize,
    /// What is to be sent.
    pub value: T,
}

/// What a [`Release`] has left out, because the stream was too late.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// How often.
    pub times: u64,
    /// Pictures, of all layers.
    pub pictures: u64,
    /// Items of sound.
    pub sound: u64,
}

/// Holds items back until they are due, so that clumps of the path become the steady stream that they were.
///
/// An item is due a delay after the earliest time at which it could have come. The delay follows the clumps of the last 30 s, between
/// [`RELEASE_DELAY_MIN`](crate::limits::RELEASE_DELAY_MIN) and [`RELEASE_DELAY_MAX`]. Sound and pictures have the same delay, so they stay
/// in step. What is late leaves at once. A stream that is later than [`BACKLOG_MAX`] leaves out what is before its newest key frame,
/// so that lateness never adds up; it always goes on at a key frame.
#[derive(Debug)]
pub struct Release<T> {
    /// Items that wait, by [`MediaKind::index`], in the order in which they came.
    queues: [VecDeque<Item<T>>; 2],
    bytes: usize,
    begin: Option<Instant>,
    delay: Delay,
    catching_up: Option<CatchUp>,
    /// Layers whose next picture must be a key frame.
    needs_key: [bool; TRACKS_MAX],
    left_out: LeftOut,
}

/// A stream that is too late and may be about to make up for it.
#[derive(Debug)]
struct CatchUp {
    /// The least that an item has been late since, on the scale of [`Delay`].
    least_us: i64,
    /// When that became less last.
    lowered_at: Instant,
    /// A key frame has come since.
    has_key: bool,
}

/// What counts as less lateness while a stream catches up.
const PROGRESS_US: i64 = 20_000;

impl<T> Default for Release<T> {
    fn default() -> Self {
        Self {
            queues: [VecDeque::new(), VecDeque::new()],
            bytes: 0,
            begin: None,
            delay: Delay::default(),
            catching_up: None,
            needs_key: [false; TRACKS_MAX],
            left_out: LeftOut::default(),
        }
    }
}

impl<T> Release<T> {
    /// Takes an item that has come. The caller then calls [`pop`](Self::pop) until it returns `None`.
    pub fn push(&mut self, now: Instant, item: Item<T>) {
        let now_us = self.micros(now);
        let transit_us = now_us.saturating_sub(item.timestamp_us);
        self.delay.add(now_us, transit_us);
        self.watch_backlog(now, transit_us);
        let is_picture = item.kind == MediaKind::Video;
        if is_picture && let Some(needs_key) = self.needs_key.get_mut(usize::from(item.layer)) {
            *needs_key &= !item.is_key;
            if *needs_key {
                self.left_out.pictures += 1;
                return;
            }
        }
        if is_picture
            && item.is_key
            && let Some(catching_up) = &mut self.catching_up
        {
            catching_up.has_key = true;
            self.leave_out_before(item.layer, item.timestamp_us);
        }
        self.bytes += item.bytes;
        self.queues[item.kind.index()].push_back(item);
        if self.catching_up.is_some() && self.is_full() {
            self.leave_out_all();
        }
    }

    /// The next item that is due.
    pub fn pop(&mut self, now: Instant) -> Option<Item<T>> {
        let now_us = self.micros(now);
        self.settle(now, now_us);
        if self.catching_up.is_some() {
            return None;
        }
        let (due_us, kind) = self.next()?;
        if due_us > now_us && !self.is_full() {
            return None;
        }
        let item = self.queues[kind.index()].pop_front()?;
        self.bytes -= item.bytes;
        Some(item)
    }

    /// When [`pop`](Self::pop) is to be called; `None` while nothing waits.
    pub fn next_deadline(&self) -> Option<Instant> {
        if let Some(catching_up) = &self.catching_up {
            return Some(catching_up.lowered_at + CATCH_UP_SETTLE);
        }
        let (due_us, _) = self.next()?;
        let due = Duration::from_micros(u64::try_from(due_us).unwrap_or(0));
        Some(self.begin? + due)
    }

    /// By how much items are held back, compared with the earliest time at which they could have come.
    pub fn delay(&self) -> Duration {
        self.delay.present()
    }

    /// What has been left out so far.
    pub fn left_out(&self) -> LeftOut {
        self.left_out
    }

    /// Bytes of the items that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The item that is due next, and when.
    fn next(&self) -> Option<(i64, MediaKind)> {
        let due = |kind: MediaKind| {
            let item = self.queues[kind.index()].front()?;
            Some((self.delay.due(item.timestamp_us), kind))
        };
        let dues = MediaKind::BOTH.into_iter().filter_map(due);
        dues.min_by_key(|(due_us, _)| *due_us)
    }

    /// Microseconds since the first item came.
    fn micros(&mut self, now: Instant) -> i64 {
        let begin = *self.begin.get_or_insert(now);
        let passed = now.saturating_duration_since(begin);
        i64::try_from(passed.as_micros()).unwrap_or(i64::MAX)
    }

    fn is_full(&self) -> bool {
        let items = self.queues.iter().map(VecDeque::len).sum::<usize>();
        self.bytes > RELEASE_BYTES_MAX || items > RELEASE_ITEMS_MAX
    }

    /// Begins to catch up if the stream is too late, and notes whether it makes up for it.
    fn watch_backlog(&mut self, now: Instant, transit_us: i64) {
        match &mut self.catching_up {
            Some(CatchUp {
                least_us,
                lowered_at,
                ..
            }) => {
                let is_progress = transit_us < least_us.saturating_sub(PROGRESS_US);
                if is_progress {
                    (*least_us, *lowered_at) = (transit_us, now);
                }
            }
            None if self.delay.late_by(transit_us) > BACKLOG_MAX => {
                self.left_out.times += 1;
                self.catching_up = Some(CatchUp {
                    least_us: transit_us,
                    lowered_at: now,
                    has_key: false,
                });
            }
            None => {}
        }
    }

    /// Ends catching up: as soon as there is a key frame and the stream is no later than the buffer may hold it back, or once it gets no
    /// less late. Then the lateness that is left is what the path has become.
    fn settle(&mut self, now: Instant, now_us: i64) {
        self.delay.advance(now_us);
        let Some(catching_up) = &self.catching_up else {
            return;
        };
        let is_punctual = self.delay.late_by(catching_up.least_us) <= RELEASE_DELAY_MAX;
        let has_settled = now >= catching_up.lowered_at + CATCH_UP_SETTLE;
        let is_over = has_settled || is_punctual && catching_up.has_key;
        if !is_over {
            return;
        }
        if !is_punctual {
            self.delay.restart(now_us, catching_up.least_us);
        }
        self.catching_up = None;
        // Sound that belongs to no picture any more.
        let latest_us = i64::try_from(RELEASE_DELAY_MAX.as_micros()).unwrap_or(i64::MAX);
        if self.queues[MediaKind::Video.index()].is_empty() {
            self.leave_out_sound(now_us - latest_us - self.delay.due(0));
        }
    }

    /// Leaves out what the key frame of a layer makes unnecessary: the pictures of the layer before it, and the sound.
    fn leave_out_before(&mut self, layer: u8, timestamp_us: i64) {
        let queue = &mut self.queues[MediaKind::Video.index()];
        let (bytes, left_out) = (&mut self.bytes, &mut self.left_out);
        queue.retain(|item| {
            let is_kept = item.layer != layer;
            if !is_kept {
                *bytes -= item.bytes;
                left_out.pictures += 1;
            }
            is_kept
        });
        self.leave_out_sound(timestamp_us);
    }

    fn leave_out_sound(&mut self, before_us: i64) {
        let queue = &mut self.queues[MediaKind::Audio.index()];
        while let Some(item) = queue.pop_front_if(|item| item.timestamp_us < before_us) {
            self.bytes -= item.bytes;
            self.left_out.sound += 1;
        }
    }

    /// Leaves out everything, because a key frame has not come in time. Each layer goes on with its next one.
    fn leave_out_all(&mut self) {
        let [sound, pictures] = &mut self.queues;
        for item in pictures.drain(..) {
            if let Some(needs_key) = self.needs_key.get_mut(usize::from(item.layer)) {
                *needs_key = true;
            }
            self.left_out.pictures += 1;
        }
        self.left_out.sound += sound.len() as u64;
        sound.clear();
        self.bytes = 0;
    }
}
