//! The queue of a tap. The worker only tries the lock, so that it never waits; the reader has it for as long as it takes to exchange two
//! lists.

use std::collections::VecDeque;
use std::sync::Arc;

use restage_media::{Format, MediaPacket};

use super::TapEnded;
use crate::budget::Budget;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// Most packets that wait in the queue of one tap: about four seconds of video at 8 Mbit/s.
pub const TAP_QUEUE_PACKETS_MAX: usize = 4_096;
/// Most bytes that wait in the queue of one tap, each packet with what the server keeps of it besides its payload.
pub const TAP_QUEUE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most bytes that wait in the queues of all taps together.
pub const TAP_QUEUES_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Packets for which there is room at first: those of a picture or two, and of the sound beside it.
const PART_PACKETS: usize = 16;

/// How much a tap has dropped because its queue was full.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Missed {
    /// Packets.
    pub packets: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
}

/// Packets of a tap, in the order of their arrival at the worker.
#[derive(Debug, Default)]
pub struct Tapped {
    /// What was dropped before these.
    pub missed: Missed,
    /// What the publisher may send, as far as it is known.
    pub formats: Arc<[Arc<Format>]>,
    /// The packets.
    pub packets: Vec<MediaPacket>,
}

/// Packets on their way from the worker to the reader of a tap.
#[derive(Debug)]
struct Bundle {
    /// One for each change of what is said besides the packets.
    parts: VecDeque<Tapped>,
    packets: usize,
    bytes: usize,
    /// Bytes of all bundles of the media plane.
    all_bytes: Arc<Budget>,
}

impl Bundle {
    const fn new(all_bytes: Arc<Budget>) -> Self {
        Self {
            parts: VecDeque::new(),
            packets: 0,
            bytes: 0,
            all_bytes,
        }
    }

    /// Takes room for packets that are added next. `false`: there is none.
    fn reserve(&self, packets: usize, bytes: usize) -> bool {
        self.packets + packets <= TAP_QUEUE_PACKETS_MAX
            && self.bytes + bytes <= TAP_QUEUE_BYTES_MAX
            && self.all_bytes.take(bytes, TAP_QUEUES_BYTES_MAX)
    }

    /// Takes all packets out of the list, for which there is room.
    fn add(
        &mut self,
        missed: Missed,
        formats: &Arc<[Arc<Format>]>,
        packets: &mut Vec<MediaPacket>,
        bytes: usize,
    ) {
        self.packets += packets.len();
        self.bytes += bytes;
        if let Some(last) = self.parts.back_mut()
            && missed == Missed::default()
            && Arc::ptr_eq(&last.formats, formats)
        {
            last.packets.append(packets);
            return;
        }
        let mut taken = Vec::with_capacity(packets.len().max(PART_PACKETS));
        taken.append(packets);
        self.parts.push_back(Tapped {
            missed,
            formats: Arc::clone(formats),
            packets: taken,
        });
    }

    /// Takes what is in another one, which came later.
    fn append(&mut self, later: &mut Self) {
        self.packets += std::mem::take(&mut later.packets);
        self.bytes += std::mem::take(&mut later.bytes);
        self.parts.append(&mut later.parts);
    }

    /// Takes everything out, which makes room. `spent` is an empty list for what comes next.
    fn take(&mut self, spent: VecDeque<Tapped>) -> VecDeque<Tapped> {
        self.packets = 0;
        let bytes = std::mem::take(&mut self.bytes);
        self.all_bytes.give_back(bytes);
        std::mem::replace(&mut self.parts, spent)
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        self.all_bytes.give_back(self.bytes);
    }
}

/// What both ends have.
#[derive(Debug)]
struct Shared {
    waiting: Mutex<Bundle>,
    /// What the worker held back when it ended. Nobody else has this lock before `has_ended` is set, so the worker does not wait for it either.
    rest: Mutex<Option<Bundle>>,
    /// Nobody reads any more.
    is_closed: AtomicBool,
    /// Nothing more comes.
    has_ended: AtomicBool,
}

fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// What became of packets for a tap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Passed {
    /// The reader can take them.
    Taken,
    /// They are held back until [`Filler::hand_on`], as the reader takes what waited.
    Held,
    /// There was no room for so many packets.
    Dropped(u64),
    /// Nobody reads the tap any more.
    Closed,
}

/// The worker's end of the queue.
pub(crate) struct Filler {
    shared: Arc<Shared>,
    /// What came while the reader took what waited.
    held: Bundle,
    missed: Missed,
}

/// The reader's end of the queue. The queue is closed when this is dropped.
pub(super) struct Drain {
    shared: Arc<Shared>,
    /// What was taken from the worker and not by the caller.
    taken: VecDeque<Tapped>,
}

/// A queue. `all_bytes` counts what waits in all queues of the media plane.
pub(super) fn queue(all_bytes: &Arc<Budget>) -> (Filler, Drain) {
    let bundle = || Bundle::new(Arc::clone(all_bytes));
    let shared = Arc::new(Shared {
        waiting: Mutex::new(bundle()),
        rest: Mutex::new(None),
        is_closed: AtomicBool::new(false),
        has_ended: AtomicBool::new(false),
    });
    let filler = Filler {
        shared: Arc::clone(&shared),
        held: bundle(),
        missed: Missed::default(),
    };
    let taken = VecDeque::new();
    (filler, Drain { shared, taken })
}

impl Filler {
    /// Hands packets on: all of the list is taken, or dropped.
    pub(crate) fn pass(
        &mut self,
        formats: &Arc<[Arc<Format>]>,
        packets: &mut Vec<MediaPacket>,
    ) -> Passed {
        if !self.is_open() {
            return Passed::Closed;
        }
        let count = packets.len();
        let payload: usize = packets.iter().map(|packet| packet.payload.len()).sum();
        let bytes = payload + count * size_of::<MediaPacket>();
        let Self {
            shared,
            held,
            missed,
        } = self;
        let mut waiting = try_lock(&shared.waiting);
        let into = match &mut waiting {
            Some(waiting) => {
                waiting.append(held);
                waiting
            }
            None => held,
        };
        if !into.reserve(count, bytes) {
            missed.packets += count as u64;
            missed.bytes += payload as u64;
            packets.clear();
            return Passed::Dropped(count as u64);
        }
        into.add(std::mem::take(missed), formats, packets, bytes);
        match waiting {
            Some(_) => Passed::Taken,
            None => Passed::Held,
        }
    }

    /// Hands on what is held back. False: the reader still takes what waited.
    pub(crate) fn hand_on(&mut self) -> bool {
        let Some(mut waiting) = try_lock(&self.shared.waiting) else {
            return false;
        };
        waiting.append(&mut self.held);
        true
    }

    /// Whether somebody reads it.
    pub(crate) fn is_open(&self) -> bool {
        !self.shared.is_closed.load(Ordering::Acquire)
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        if !self.hand_on()
            && let Some(mut rest) = try_lock(&self.shared.rest)
        {
            let empty = Bundle::new(Arc::clone(&self.held.all_bytes));
            *rest = Some(std::mem::replace(&mut self.held, empty));
        }
        self.shared.has_ended.store(true, Ordering::Release);
    }
}

impl Drain {
    /// The next packets that are there; `None` if there are none. `is_over` says that nobody needs what comes later.
    ///
    /// # Errors
    /// Nothing is there, and nothing will come.
    pub(super) fn try_next(&mut self, is_over: bool) -> Result<Option<Tapped>, TapEnded> {
        if let Some(tapped) = self.taken.pop_front() {
            return Ok(Some(tapped));
        }
        // Asked first: what came before the end is given first.
        let has_ended = self.shared.has_ended.load(Ordering::Acquire);
        let spent = std::mem::take(&mut self.taken);
        let waiting = self.shared.waiting.lock();
        self.taken = waiting.unwrap_or_else(PoisonError::into_inner).take(spent);
        if has_ended {
            let mut rest = self.shared.rest.lock();
            let rest = rest
                .as_mut()
                .map_or_else(|poisoned| poisoned.get_mut().take(), |rest| rest.take());
            if let Some(mut rest) = rest {
                self.taken.append(&mut rest.take(VecDeque::new()));
            }
        }
        match self.taken.pop_front() {
            None if has_ended || is_over => Err(TapEnded),
            tapped => Ok(tapped),
        }
    }

    /// Holds the lock in another thread, as a reader does that takes what waits.
    #[cfg(test)]
    pub(super) fn hold_while(
        &self,
        work: impl FnOnce() + Send + 'static,
    ) -> std::thread::JoinHandle<()> {
        let shared = Arc::clone(&self.shared);
        std::thread::spawn(move || {
            let _waiting = shared.waiting.lock().unwrap();
            work();
        })
    }

    /// Says that nobody reads any more.
    pub(super) fn close(&self) {
        self.shared.is_closed.store(true, Ordering::Release);
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        self.close();
    }
}
