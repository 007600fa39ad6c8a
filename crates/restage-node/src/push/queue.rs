//! What waits to be sent.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use super::PushFigures;
use super::limits::QUEUE_ITEMS_MAX;

/// Pictures and sound between whoever makes them, who never waits, and the connection.
#[derive(Debug)]
pub(super) struct Queue {
    inner: Mutex<Inner>,
    /// Something waits, or the queue was closed.
    changed: Notify,
}

#[derive(Debug)]
struct Inner {
    items: VecDeque<Item>,
    bytes: usize,
    bytes_max: usize,
    /// A connection takes what comes.
    is_open: bool,
    /// Nothing comes any more.
    is_closed: bool,
    /// Pictures before the next key frame are of no use.
    needs_key: bool,
    /// When the key frame is shown with which this connection began.
    began_at_us: Option<u64>,
    /// When the first key frame of all is shown: its timestamp is 0.
    base_us: Option<u64>,
    figures: PushFigures,
}

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    Picture {
        at_ms: u32,
        is_key: bool,
        access_unit: Bytes,
    },
    Sound {
        at_ms: u32,
        access_unit: Bytes,
    },
}

impl Item {
    fn bytes(&self) -> usize {
        match self {
            Self::Picture { access_unit, .. } | Self::Sound { access_unit, .. } => {
                access_unit.len()
            }
        }
    }
}

impl Queue {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            inner: Mutex::new(Inner {
                items: VecDeque::new(),
                bytes: 0,
                bytes_max,
                is_open: false,
                is_closed: false,
                needs_key: true,
                began_at_us: None,
                base_us: None,
                figures: PushFigures::default(),
            }),
            changed: Notify::new(),
        }
    }

    /// A picture. What does not fit is dropped, and so are those after it up to a key frame.
    pub(super) fn picture(&self, at_us: u64, is_key: bool, access_unit: Bytes) {
        let mut inner = self.inner();
        let is_usable = inner.is_open && (is_key || !inner.needs_key);
        if !is_usable || !inner.has_room(access_unit.len()) {
            inner.figures.dropped_pictures += 1;
            inner.needs_key = true;
            return;
        }
        if is_key {
            inner.needs_key = false;
            inner.began_at_us.get_or_insert(at_us);
            inner.base_us.get_or_insert(at_us);
        }
        let at_ms = inner.timestamp(at_us);
        inner.push(Item::Picture {
            at_ms,
            is_key,
            access_unit,
        });
        drop(inner);
        self.changed.notify_one();
    }

    /// An access unit of sound. A connection begins with a key frame: sound before it is left out.
    pub(super) fn sound(&self, at_us: u64, access_unit: Bytes) {
        let mut inner = self.inner();
        let has_begun = inner.began_at_us.is_some_and(|began| at_us >= began);
        if !inner.is_open || !has_begun || !inner.has_room(access_unit.len()) {
            inner.figures.dropped_sounds += 1;
            return;
        }
        let at_ms = inner.timestamp(at_us);
        inner.push(Item::Sound { at_ms, access_unit });
        drop(inner);
        self.changed.notify_one();
    }

    /// Whether a connection waits for a key frame.
    pub(super) fn needs_key(&self) -> bool {
        let inner = self.inner();
        inner.is_open && inner.needs_key
    }

    /// A connection takes what comes, from a key frame on.
    pub(super) fn open(&self) {
        let mut inner = self.inner();
        inner.is_open = true;
        inner.needs_key = true;
        inner.began_at_us = None;
    }

    /// There is no connection: what waits, and what comes, is dropped.
    pub(super) fn shut(&self) {
        let mut inner = self.inner();
        inner.is_open = false;
        inner.needs_key = true;
        inner.bytes = 0;
        for item in std::mem::take(&mut inner.items) {
            match item {
                Item::Picture { .. } => inner.figures.dropped_pictures += 1,
                Item::Sound { .. } => inner.figures.dropped_sounds += 1,
            }
        }
    }

    /// Nothing comes any more.
    pub(super) fn close(&self) {
        self.inner().is_closed = true;
        self.changed.notify_one();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.inner().is_closed
    }

    /// The next thing to be sent.
    pub(super) fn pop(&self) -> Option<Item> {
        let mut inner = self.inner();
        let item = inner.items.pop_front()?;
        inner.bytes -= item.bytes();
        Some(item)
    }

    /// Waits until something has come or the queue was closed. One task may wait at a time; it may be woken for nothing.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Waits until the queue is closed.
    pub(super) async fn closed(&self) {
        while !self.is_closed() {
            self.changed().await;
        }
    }

    pub(super) fn figures(&self) -> PushFigures {
        let inner = self.inner();
        PushFigures {
            queued_bytes: inner.bytes,
            ..inner.figures
        }
    }

    pub(super) fn count(&self, count: impl FnOnce(&mut PushFigures)) {
        count(&mut self.inner().figures);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn has_room(&self, bytes: usize) -> bool {
        self.items.len() < QUEUE_ITEMS_MAX && self.bytes + bytes <= self.bytes_max
    }

    fn push(&mut self, item: Item) {
        self.bytes += item.bytes();
        self.items.push_back(item);
    }

    /// Milliseconds since the first key frame; they wrap around as those of RTMP do.
    fn timestamp(&self, at_us: u64) -> u32 {
        let base = self.base_us.unwrap_or(at_us);
        (at_us.saturating_sub(base) / 1_000) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(count: usize) -> Bytes {
        vec![0; count].into()
    }

    #[test]
    fn what_does_not_fit_is_dropped_up_to_a_key_frame_and_counted() {
        let queue = Queue::new(1_000);
        queue.picture(0, true, bytes(10));
        assert!(
            queue.pop().is_none() && !queue.needs_key(),
            "nobody takes it"
        );
        queue.open();
        assert!(queue.needs_key());
        queue.sound(0, bytes(5));
        queue.picture(1_000, false, bytes(10));
        queue.picture(2_000, true, bytes(600));
        assert!(!queue.needs_key());
        queue.picture(3_000, false, bytes(401));
        assert!(queue.needs_key());
        queue.sound(3_000, bytes(100));
        queue.picture(4_000, false, bytes(1));
        queue.picture(5_000, true, bytes(301));
        queue.picture(6_000, true, bytes(300));
        queue.picture(7_000, false, bytes(1));
        let figures = queue.figures();
        assert_eq!((figures.dropped_pictures, figures.dropped_sounds), (6, 1));
        assert_eq!(figures.queued_bytes, 1_000);
        let sent: Vec<(u32, usize)> = std::iter::from_fn(|| queue.pop())
            .map(|item| match &item {
                Item::Picture { at_ms, .. } | Item::Sound { at_ms, .. } => (*at_ms, item.bytes()),
            })
            .collect();
        assert_eq!(sent, [(0, 600), (1, 100), (4, 300)]);
    }

    #[test]
    fn another_connection_begins_with_a_key_frame_and_goes_on_in_time() {
        let queue = Queue::new(1_000);
        queue.open();
        queue.picture(5_000_000, true, bytes(1));
        queue.sound(5_000_000, bytes(1));
        queue.shut();
        queue.picture(6_000_000, true, bytes(1));
        queue.open();
        queue.sound(7_000_000, bytes(1));
        queue.picture(7_000_000, false, bytes(1));
        queue.picture(8_000_000, true, bytes(1));
        queue.sound(7_990_000, bytes(1));
        queue.sound(8_010_000, bytes(1));
        let key = Item::Picture {
            at_ms: 3_000,
            is_key: true,
            access_unit: bytes(1),
        };
        let sound = Item::Sound {
            at_ms: 3_010,
            access_unit: bytes(1),
        };
        assert_eq!(
            (queue.pop(), queue.pop(), queue.pop()),
            (Some(key), Some(sound), None)
        );
    }

    #[test]
    fn the_number_that_waits_is_bounded() {
        let queue = Queue::new(1_000_000);
        queue.open();
        queue.picture(0, true, bytes(1));
        (0..2 * QUEUE_ITEMS_MAX).for_each(|_| queue.sound(0, bytes(1)));
        assert_eq!(queue.figures().queued_bytes, QUEUE_ITEMS_MAX);
    }
}
