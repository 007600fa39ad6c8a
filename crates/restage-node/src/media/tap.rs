//! Taps: the packets of a publication for another part of the server, such as a recording.
//!
//! A worker hands packets on through a bounded queue and waits for nobody. If the reader is too slow, packets for this tap are
//! dropped and counted, and the reader learns with the next ones how much it has missed. Subscribers and other taps notice nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use restage_media::{Control, Format, MediaPacket, PublicationId, TapError, TapId};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot, watch};

use super::worker::{Order, Reply};
use super::{Media, MediaError};

/// Most packets that wait in the queue of one tap: about four seconds of video at 8 Mbit/s.
pub const TAP_QUEUE_PACKETS_MAX: usize = 4_096;
/// Most bytes that wait in the queue of one tap, each packet with what the server keeps of it besides its payload.
pub const TAP_QUEUE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most bytes that wait in the queues of all taps together.
pub const TAP_QUEUES_BYTES_MAX: usize = 256 * 1024 * 1024;

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

/// What waits in the queues.
#[derive(Debug, Default)]
struct Load {
    packets: AtomicUsize,
    bytes: AtomicUsize,
    all_bytes: Arc<AtomicUsize>,
}

/// A burst in the queue. Its room is free again when it is dropped.
#[derive(Debug)]
struct Queued {
    tapped: Tapped,
    packets: usize,
    bytes: usize,
    load: Arc<Load>,
}

impl Drop for Queued {
    fn drop(&mut self) {
        let Load {
            packets,
            bytes,
            all_bytes,
        } = &*self.load;
        packets.fetch_sub(self.packets, Ordering::Relaxed);
        bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        all_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The worker's end of a tap.
pub(super) struct TapEnd {
    queue: mpsc::Sender<Queued>,
    load: Arc<Load>,
    missed: Missed,
    /// Gets the outcome of the opening.
    opening: Option<oneshot::Sender<Result<(), TapError>>>,
}

impl TapEnd {
    /// Hands packets on. Returns how many were dropped; `None` if nobody reads the tap any more.
    pub(super) fn pass(
        &mut self,
        formats: Arc<[Arc<Format>]>,
        packets: Vec<MediaPacket>,
    ) -> Option<u64> {
        if self.queue.is_closed() {
            return None;
        }
        let count = packets.len();
        let payload: usize = packets.iter().map(|packet| packet.payload.len()).sum();
        let bytes = payload + count * size_of::<MediaPacket>();
        let load = &self.load;
        // Only this worker adds to the tap's own queue.
        let has_room = load.packets.load(Ordering::Relaxed) + count <= TAP_QUEUE_PACKETS_MAX
            && load.bytes.load(Ordering::Relaxed) + bytes <= TAP_QUEUE_BYTES_MAX
            && load.all_bytes.load(Ordering::Relaxed) + bytes <= TAP_QUEUES_BYTES_MAX;
        if !has_room {
            self.missed.packets += count as u64;
            self.missed.bytes += payload as u64;
            return Some(count as u64);
        }
        load.packets.fetch_add(count, Ordering::Relaxed);
        load.bytes.fetch_add(bytes, Ordering::Relaxed);
        load.all_bytes.fetch_add(bytes, Ordering::Relaxed);
        let queued = Queued {
            tapped: Tapped {
                missed: std::mem::take(&mut self.missed),
                formats,
                packets,
            },
            packets: count,
            bytes,
            load: Arc::clone(load),
        };
        // It has room for one burst of each packet that may wait.
        self.queue.try_send(queued).ok().map(|()| 0)
    }

    /// Whether somebody reads it.
    pub(super) fn is_open(&self) -> bool {
        !self.queue.is_closed()
    }

    /// Tells the caller how the opening went. The first call counts.
    pub(super) fn answer(&mut self, outcome: Result<(), TapError>) {
        if let Some(opening) = self.opening.take() {
            opening.send(outcome).ok();
        }
    }
}

/// The packets of a publication, as they come. The tap is closed when this is dropped.
pub struct TapStream {
    queue: mpsc::Receiver<Queued>,
    tap: TapId,
    media: Media,
    /// Closed when the publication has ended.
    life: watch::Receiver<()>,
    has_ended: bool,
}

impl TapStream {
    /// Waits for the next packets. `None`: nobody feeds or receives the publication any more, or its worker has stopped; packets that
    /// came before are given first. It can be cancelled without loss.
    pub async fn next(&mut self) -> Option<Tapped> {
        while !self.has_ended {
            tokio::select! {
                biased;
                queued = self.queue.recv() => return queued.map(Self::take),
                changed = self.life.changed() => self.has_ended = changed.is_err(),
            }
        }
        self.queue.try_recv().ok().map(Self::take)
    }

    /// The next packets that are there already; `None` if there are none yet. Who calls it from time to time, instead of waiting for
    /// [`next`](Self::next), is not woken for each burst, which would cost the worker more than the burst.
    ///
    /// # Errors
    /// Nothing is there, and nothing will come.
    pub fn try_next(&mut self) -> Result<Option<Tapped>, TapEnded> {
        match self.queue.try_recv() {
            Ok(queued) => Ok(Some(Self::take(queued))),
            Err(TryRecvError::Empty) if self.life.has_changed().is_ok() => Ok(None),
            Err(_) => Err(TapEnded),
        }
    }

    /// Asks the publisher for a key frame of the best layer. Requests are merged with those of subscribers; one that finds the
    /// worker's queue full is dropped, so it has to be repeated while no key frame comes.
    pub fn want_keyframe(&self) {
        let control = Control::RequestKeyframe { tap: self.tap };
        let order = self.media.order(control, Reply::Nobody);
        self.media.tapped(self.tap).try_send(order);
    }

    fn take(mut queued: Queued) -> Tapped {
        std::mem::take(&mut queued.tapped)
    }
}

impl Drop for TapStream {
    fn drop(&mut self) {
        self.queue.close();
        // If there is no room for the order, the worker finds the queue closed when it has packets for it.
        let order = Order::CloseTap { tap: self.tap };
        self.media.tapped(self.tap).try_send(order);
    }
}

impl Media {
    /// Opens a tap of a publication, on the worker that feeds it if that is known. It begins with the picture as it stands, gives the
    /// best layer, and goes on when the publication gets another publisher, also on another worker. It ends when `life` is closed.
    ///
    /// # Errors
    /// The worker has too many taps, or is shutting down.
    pub async fn open_tap(
        &self,
        publication: PublicationId,
        life: watch::Receiver<()>,
    ) -> Result<TapStream, OpenTapError> {
        let tap = self.fresh_tap(publication);
        let (sender, queue) = mpsc::channel(TAP_QUEUE_PACKETS_MAX);
        let load = Load {
            all_bytes: Arc::clone(&self.inner.tapped_bytes),
            ..Load::default()
        };
        let (opening, opened) = oneshot::channel();
        let end = TapEnd {
            queue: sender,
            load: Arc::new(load),
            missed: Missed::default(),
            opening: Some(opening),
        };
        // Made before the order is sent, so that the tap is closed if this future is dropped.
        let stream = TapStream {
            queue,
            tap,
            media: self.clone(),
            life,
            has_ended: false,
        };
        let order = Order::OpenTap {
            tap,
            publication,
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
