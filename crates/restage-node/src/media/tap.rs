//! Taps: the packets of a publication for another part of the server, such as a recording.
//!
//! A worker puts packets where the reader takes them, within bounds, and neither waits for anybody nor wakes anybody. If the reader is too slow, packets for this tap are
//! dropped and counted, and the reader learns with the next ones how much it has missed. Subscribers and other taps notice nothing.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use restage_media::{Control, Format, MediaPacket, PublicationId, TapError, TapId, TapLayers};
use tokio::sync::{oneshot, watch};

use super::worker::{Order, Reply};
use super::{Media, MediaError};

/// Most packets that wait in the queue of one tap: about four seconds of video at 8 Mbit/s.
pub const TAP_QUEUE_PACKETS_MAX: usize = 4_096;
/// Most bytes that wait in the queue of one tap, each packet with what the server keeps of it besides its payload.
pub const TAP_QUEUE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most bytes that wait in the queues of all taps together.
pub const TAP_QUEUES_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Packets for which there is room at first: those of a picture or two, and of the sound beside it.
const PART_PACKETS: usize = 16;

/// Why a tap could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenTapError {
    /// The worker has too many taps.
    #[error("the media worker refused the tap: {0}")]
    Refused(#[from] TapError),
    /// The worker's queue is full, or it is shutting down.
    #[error(transparent)]
    Worker(#[from] MediaError),
}

/// Nobody feeds or receives the publication any more, or its worker has stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the tap has ended")]
pub struct TapEnded;

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
    all_bytes: Arc<AtomicUsize>,
}

impl Bundle {
    const fn new(all_bytes: Arc<AtomicUsize>) -> Self {
        Self {
            parts: VecDeque::new(),
            packets: 0,
            bytes: 0,
            all_bytes,
        }
    }

    fn has_room_for(&self, packets: usize, bytes: usize) -> bool {
        self.packets + packets <= TAP_QUEUE_PACKETS_MAX
            && self.bytes + bytes <= TAP_QUEUE_BYTES_MAX
            && self.all_bytes.load(Ordering::Relaxed) + bytes <= TAP_QUEUES_BYTES_MAX
    }

    /// Takes all packets out of the list.
    fn add(
        &mut self,
        missed: Missed,
        formats: &Arc<[Arc<Format>]>,
        packets: &mut Vec<MediaPacket>,
        bytes: usize,
    ) {
        self.packets += packets.len();
        self.bytes += bytes;
        self.all_bytes.fetch_add(bytes, Ordering::Relaxed);
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
        self.all_bytes.fetch_sub(bytes, Ordering::Relaxed);
        std::mem::replace(&mut self.parts, spent)
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        self.all_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What both ends of a tap have. The worker only tries the lock, so that it never waits; the reader has it for as long as it takes to
/// exchange two lists.
#[derive(Debug)]
struct Shared {
    waiting: Mutex<Bundle>,
    /// Nobody reads any more.
    is_closed: AtomicBool,
    /// Nothing more comes.
    has_ended: AtomicBool,
}

impl Shared {
    fn try_lock(&self) -> Option<MutexGuard<'_, Bundle>> {
        match self.waiting.try_lock() {
            Ok(waiting) => Some(waiting),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

/// What became of packets for a tap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Passed {
    /// The reader can take them.
    Taken,
    /// They are held back until [`TapEnd::hand_on`], as the reader takes what waited.
    Held,
    /// There was no room for so many packets.
    Dropped(u64),
    /// Nobody reads the tap any more.
    Closed,
}

/// The worker's end of a tap.
pub(super) struct TapEnd {
    shared: Arc<Shared>,
    /// What came while the reader took what waited.
    held: Bundle,
    missed: Missed,
    /// Gets the outcome of the opening.
    opening: Option<oneshot::Sender<Result<(), TapError>>>,
}

impl TapEnd {
    /// Hands packets on: all of the list is taken, or dropped.
    pub(super) fn pass(
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
            ..
        } = self;
        let mut waiting = shared.try_lock();
        let into = match &mut waiting {
            Some(waiting) => {
                waiting.append(held);
                waiting
            }
            None => held,
        };
        if !into.has_room_for(count, bytes) {
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
    pub(super) fn hand_on(&mut self) -> bool {
        let Some(mut waiting) = self.shared.try_lock() else {
            return false;
        };
        waiting.append(&mut self.held);
        true
    }

    /// Whether somebody reads it.
    pub(super) fn is_open(&self) -> bool {
        !self.shared.is_closed.load(Ordering::Acquire)
    }

    /// Tells the caller how the opening went. The first call counts.
    pub(super) fn answer(&mut self, outcome: Result<(), TapError>) {
        if let Some(opening) = self.opening.take() {
            opening.send(outcome).ok();
        }
    }
}

impl Drop for TapEnd {
    fn drop(&mut self) {
        self.hand_on();
        self.shared.has_ended.store(true, Ordering::Release);
    }
}

/// The packets of a publication, as they come. The tap is closed when this is dropped.
pub struct TapStream {
    shared: Arc<Shared>,
    /// What was taken from the worker and not by the caller.
    taken: VecDeque<Tapped>,
    tap: TapId,
    media: Media,
    /// Closed when the publication has ended.
    life: watch::Receiver<()>,
}

impl TapStream {
    /// The next packets that are there; `None` if there are none yet. It is to be called from time to time: nobody is woken for a burst, as
    /// that would cost the worker more than the burst.
    ///
    /// # Errors
    /// Nothing is there, and nothing will come: nobody feeds or receives the publication any more, or its worker has stopped.
    pub fn try_next(&mut self) -> Result<Option<Tapped>, TapEnded> {
        if let Some(tapped) = self.taken.pop_front() {
            return Ok(Some(tapped));
        }
        // Asked first: what came before the end is given first.
        let has_ended =
            self.shared.has_ended.load(Ordering::Acquire) || self.life.has_changed().is_err();
        let spent = std::mem::take(&mut self.taken);
        let waiting = self.shared.waiting.lock();
        self.taken = waiting.unwrap_or_else(PoisonError::into_inner).take(spent);
        match self.taken.pop_front() {
            None if has_ended => Err(TapEnded),
            tapped => Ok(tapped),
        }
    }

    /// Asks for other layers, which are given from a key frame on. `false`: the worker's queue is full, so it has to be asked again.
    pub fn choose(&self, layers: TapLayers) -> bool {
        let tap = self.tap;
        let control = Control::ChooseTapLayers { tap, layers };
        let order = self.media.order(control, Reply::Nobody);
        self.media.tapped(tap).try_send(order)
    }

    /// Asks the publisher for a key frame of the layer that is given. Requests are merged with those of subscribers; one that finds the
    /// worker's queue full is dropped, so it has to be repeated while no key frame comes.
    pub fn want_keyframe(&self) {
        let control = Control::RequestKeyframe { tap: self.tap };
        let order = self.media.order(control, Reply::Nobody);
        self.media.tapped(self.tap).try_send(order);
    }
}

impl Drop for TapStream {
    fn drop(&mut self) {
        self.shared.is_closed.store(true, Ordering::Release);
        // If there is no room for the order, the worker finds the tap closed when it has packets for it.
        let order = Order::CloseTap { tap: self.tap };
        self.media.tapped(self.tap).try_send(order);
    }
}

impl Media {
    /// Opens a tap of a publication, on the worker that feeds it if that is known. It begins with the picture as it stands, gives
    /// these layers, and goes on when the publication gets another publisher, also on another worker. It ends when `life` is closed.
    ///
    /// # Errors
    /// The worker has too many taps, or is shutting down.
    pub async fn open_tap(
        &self,
        publication: PublicationId,
        layers: TapLayers,
        life: watch::Receiver<()>,
    ) -> Result<TapStream, OpenTapError> {
        let tap = self.fresh_tap(publication);
        let bundle = || Bundle::new(Arc::clone(&self.inner.tapped_bytes));
        let shared = Arc::new(Shared {
            waiting: Mutex::new(bundle()),
            is_closed: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
        });
        let (opening, opened) = oneshot::channel();
        let end = TapEnd {
            shared: Arc::clone(&shared),
            held: bundle(),
            missed: Missed::default(),
            opening: Some(opening),
        };
        // Made before the order is sent, so that the tap is closed if this future is dropped.
        let stream = TapStream {
            shared,
            taken: VecDeque::new(),
            tap,
            media: self.clone(),
            life,
        };
        let order = Order::OpenTap {
            tap,
            publication,
            layers,
            end,
        };
        self.tapped(tap).send(order).await?;
        opened.await.map_err(|_| MediaError::Busy)??;
        Ok(stream)
    }

    /// Bytes that wait in the queues of all taps.
    pub fn tapped_bytes(&self) -> usize {
        self.inner.tapped_bytes.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
#[path = "tap_tests.rs"]
mod tests;
