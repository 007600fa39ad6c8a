//! External inlets: publications that another part of the server feeds, such as RTMP ingest.
//!
//! Whoever feeds one hands packets to its worker through the worker's queue, within a bound of bytes, and waits for nobody. What finds no
//! room is dropped for this publication alone and counted. An inlet begins once two things are known, in whichever order: which publication
//! it feeds, which the rules say, and in which formats, which the encoder says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use restage_media::limits::PUSH_PACKETS_MAX;
use restage_media::{Format, InletId, InletPacket, PeerId, PublicationId};

use super::worker::{Order, WorkerHandle};
use super::{Media, MediaError};
use crate::budget::Budget;

/// Most bytes that wait in a worker's queue for one inlet, each packet with what the server keeps of it besides its payload: two seconds at
/// 8 Mbit/s.
pub const INLET_QUEUE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Most bytes that wait in the queues for all inlets together.
pub const INLET_QUEUES_BYTES_MAX: usize = 128 * 1024 * 1024;

/// What has become of the packets of an inlet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct InletCounts {
    /// Packets that were handed to the worker.
    pub pushed: u64,
    /// Packets that were dropped because the queue was full.
    pub dropped: u64,
    /// Key frames that subscribers have asked for. An encoder that sends RTMP cannot be asked.
    pub keyframes_wanted: u64,
}

/// What both ends of an inlet know.
#[derive(Debug, Default)]
struct Shared {
    queued_bytes: Budget,
    all_queued_bytes: Arc<Budget>,
    pushed: AtomicU64,
    dropped: AtomicU64,
    keyframes_wanted: AtomicU64,
}

impl Shared {
    /// Takes room in the queue and in all queues together. `false`: there is none.
    fn reserve(&self, bytes: usize) -> bool {
        if !self.queued_bytes.take(bytes, INLET_QUEUE_BYTES_MAX) {
            return false;
        }
        let has_room = self.all_queued_bytes.take(bytes, INLET_QUEUES_BYTES_MAX);
        if !has_room {
            self.queued_bytes.give_back(bytes);
        }
        has_room
    }
}

/// Packets in a worker's queue. Their room is free again when this is dropped.
pub(super) struct Push {
    pub(super) inlet: InletId,
    pub(super) packets: Vec<InletPacket>,
    bytes: usize,
    shared: Arc<Shared>,
}

impl Drop for Push {
    fn drop(&mut self) {
        let Shared {
            queued_bytes,
            all_queued_bytes,
            ..
        } = &*self.shared;
        queued_bytes.give_back(self.bytes);
        all_queued_bytes.give_back(self.bytes);
    }
}

/// The worker's end of an inlet.
pub(super) struct InletEnd {
    shared: Arc<Shared>,
    /// What it feeds, and the turn of the order that said so.
    pub(super) publication: Option<(PublicationId, u64)>,
    /// Whether the limits on what a publisher sends hold for it.
    pub(super) is_limited: bool,
    /// What it sends; taken when it begins.
    pub(super) formats: Option<Vec<Format>>,
    /// It has begun: formats that are said later do not count.
    pub(super) has_begun: bool,
}

impl InletEnd {
    /// A subscriber needs a key frame.
    pub(super) fn want_keyframe(&self) {
        self.shared.keyframes_wanted.fetch_add(1, Ordering::Relaxed);
    }

    /// What it begins with, if everything is known and it has not begun.
    pub(super) fn take_beginning(&mut self) -> Option<(PublicationId, u64, Vec<Format>)> {
        let (publication, turn) = self.publication?;
        let formats = self.formats.take()?;
        self.has_begun = true;
        Some((publication, turn, formats))
    }
}

/// The end of an inlet that feeds it. The inlet is closed when this is dropped.
pub struct InletWriter {
    inlet: InletId,
    media: Media,
    shared: Arc<Shared>,
}

impl InletWriter {
    /// Its key: that of no other inlet, peer or tap.
    pub fn inlet(&self) -> InletId {
        self.inlet
    }

    /// Says in which formats it sends. [`InletPacket::format`] is an index into these. The first call counts.
    pub async fn begin(&self, formats: Vec<Format>) {
        let inlet = self.inlet;
        let order = Order::BeginInlet { inlet, formats };
        self.media.worker_with(inlet).send(order).await.ok();
    }

    /// Hands packets to the worker, at most [`PUSH_PACKETS_MAX`](restage_media::limits::PUSH_PACKETS_MAX), without waiting. `false`: there
    /// was no room, and they are dropped. Their sequence numbers must not be used again, so that receivers see the gap.
    pub fn push(&self, packets: Vec<InletPacket>) -> bool {
        let count = packets.len() as u64;
        let payloads: usize = packets.iter().map(|packet| packet.payload.len()).sum();
        let bytes = payloads + packets.len() * size_of::<InletPacket>();
        let shared = &self.shared;
        if !shared.reserve(bytes) {
            shared.dropped.fetch_add(count, Ordering::Relaxed);
            return false;
        }
        let push = Push {
            inlet: self.inlet,
            packets,
            bytes,
            shared: Arc::clone(shared),
        };
        let is_sent = self
            .media
            .worker_with(self.inlet)
            .try_send(Order::Push(push));
        let counter = if is_sent {
            &shared.pushed
        } else {
            &shared.dropped
        };
        counter.fetch_add(count, Ordering::Relaxed);
        is_sent
    }

    /// What has become of its packets so far.
    pub fn counts(&self) -> InletCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        InletCounts {
            pushed: read(&self.shared.pushed),
            dropped: read(&self.shared.dropped),
            keyframes_wanted: read(&self.shared.keyframes_wanted),
        }
    }
}

/// Hands any number of packets to an inlet, as [`InletWriter::push`] does with some.
pub(crate) fn push_all(inlet: &InletWriter, mut packets: Vec<InletPacket>) {
    while packets.len() > PUSH_PACKETS_MAX {
        let rest = packets.split_off(PUSH_PACKETS_MAX);
        inlet.push(std::mem::replace(&mut packets, rest));
    }
    if !packets.is_empty() {
        inlet.push(packets);
    }
}

impl Drop for InletWriter {
    fn drop(&mut self) {
        // An order that must not be lost, from where nothing can wait.
        let (media, inlet) = (self.media.clone(), self.inlet);
        let worker = self.media.worker_with(inlet);
        if worker.try_send(Order::CloseInlet { inlet }) {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { media.close_inlet(inlet).await });
        }
    }
}

impl Media {
    /// Opens an inlet on this worker.
    #[cfg(test)]
    pub(super) async fn open_inlet_on(&self, worker: u16, number: u64) -> InletWriter {
        let workers = &self.inner.workers;
        workers[usize::from(worker)].expect_one_more();
        let inlet = InletId((1_000 + number) * workers.len() as u64 + u64::from(worker));
        self.open_inlet_as(inlet, true).await.unwrap()
    }

    /// Opens an external inlet on the worker with the fewest peers. It feeds nothing until [`publish_inlet`](Self::publish_inlet) has
    /// said what. `is_limited` says whether the limits on what a publisher sends hold for it; otherwise the caller keeps them.
    ///
    /// # Errors
    /// The worker is shutting down.
    pub async fn open_inlet(&self, is_limited: bool) -> Result<InletWriter, MediaError> {
        // Inlets and peers have their numbers from one row, and count alike for the load of a worker.
        let inlet = InletId(self.fresh_peer().0);
        self.open_inlet_as(inlet, is_limited).await
    }

    /// Opens an external inlet with a key that assigns it to a worker.
    async fn open_inlet_as(
        &self,
        inlet: InletId,
        is_limited: bool,
    ) -> Result<InletWriter, MediaError> {
        let shared = Arc::new(Shared {
            all_queued_bytes: Arc::clone(&self.inner.pushed_bytes),
            ..Shared::default()
        });
        let end = InletEnd {
            shared: Arc::clone(&shared),
            publication: None,
            is_limited,
            formats: None,
            has_begun: false,
        };
        // Made before the order is sent, so that the inlet is closed if this future is dropped.
        let writer = InletWriter {
            inlet,
            media: self.clone(),
            shared,
        };
        let order = Order::OpenInlet { inlet, end };
        self.worker_with(inlet).send(order).await?;
        Ok(writer)
    }

    /// This inlet feeds the publication from now on, instead of its former inlet or publisher.
    pub async fn publish_inlet(&self, inlet: InletId, publication: PublicationId) {
        let order = Order::PublishInlet {
            inlet,
            publication,
            turn: self.inner.turn.fetch_add(1, Ordering::Relaxed),
        };
        self.worker_with(inlet).send(order).await.ok();
    }

    /// Closes an inlet; no event follows. An unknown one is ignored.
    pub async fn close_inlet(&self, inlet: InletId) {
        let order = Order::CloseInlet { inlet };
        self.worker_with(inlet).send(order).await.ok();
    }

    /// Bytes that wait in the queues for all inlets.
    pub fn pushed_bytes(&self) -> usize {
        self.inner.pushed_bytes.taken()
    }

    /// The worker that has this inlet.
    fn worker_with(&self, inlet: InletId) -> &WorkerHandle {
        self.worker_of(PeerId(inlet.0))
    }
}

#[cfg(test)]
#[path = "inlet_tests.rs"]
mod tests;
