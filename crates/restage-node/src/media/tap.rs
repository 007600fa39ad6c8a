//! Taps: the packets of a publication for another part of the server, such as a recording.
//!
//! A worker puts packets where the reader takes them, within bounds, and neither waits for anybody nor wakes anybody. If the reader is too slow, packets for this tap are
//! dropped and counted, and the reader learns with the next ones how much it has missed. Subscribers and other taps notice nothing.

mod queue;

use std::sync::Arc;

use restage_media::{Control, Format, MediaPacket, PublicationId, TapError, TapId, TapLayers};
use tokio::sync::{oneshot, watch};

use super::worker::{Order, Reply};
use super::{Media, MediaError};
pub(super) use queue::Passed;
use queue::{Drain, Filler};
pub use queue::{Missed, TAP_QUEUE_BYTES_MAX, TAP_QUEUE_PACKETS_MAX, TAP_QUEUES_BYTES_MAX, Tapped};

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

/// The worker's end of a tap.
pub(super) struct TapEnd {
    queue: Filler,
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
        self.queue.pass(formats, packets)
    }

    /// Hands on what is held back. False: the reader still takes what waited.
    pub(super) fn hand_on(&mut self) -> bool {
        self.queue.hand_on()
    }

    /// Whether somebody reads it.
    pub(super) fn is_open(&self) -> bool {
        self.queue.is_open()
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
    queue: Drain,
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
        let is_over = self.life.has_changed().is_err();
        self.queue.try_next(is_over)
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
        self.queue.close();
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
        let (filler, drain) = queue::queue(&self.inner.tapped_bytes);
        let (opening, opened) = oneshot::channel();
        let end = TapEnd {
            queue: filler,
            opening: Some(opening),
        };
        // Made before the order is sent, so that the tap is closed if this future is dropped.
        let stream = TapStream {
            queue: drain,
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
        self.inner.tapped_bytes.taken()
    }
}

#[cfg(test)]
#[path = "tap_tests.rs"]
mod tests;
