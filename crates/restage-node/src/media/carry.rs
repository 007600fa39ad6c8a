//! Connections that carry several subscriptions, whose offers this end makes.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use restage_media::{Control, Download, PeerId, Wish};
use tokio::sync::oneshot;

use super::worker::{Offered, Reply};
use super::{Media, MediaError};

impl Media {
    /// Opens a connection that carries the subscriptions of the receiver of `download`.
    pub async fn open_carrier(&self, download: Arc<Download>) -> Result<PeerId, MediaError> {
        let peer = self.fresh_peer();
        let control = Control::OpenCarrier { peer, download };
        self.opened(peer, control).await
    }

    /// Opens a subscription that has no connection of its own. `label` is the name of its stream at the client.
    pub async fn carry(
        &self,
        carrier: PeerId,
        label: String,
        has_video: bool,
        wish: Wish,
    ) -> Result<PeerId, MediaError> {
        let peer = self.fresh_peer_beside(carrier);
        let control = Control::Carry {
            peer,
            carrier,
            label,
            has_video,
            wish,
        };
        self.opened(peer, control).await
    }

    async fn opened(&self, peer: PeerId, control: Control) -> Result<PeerId, MediaError> {
        let (reply, answer) = oneshot::channel();
        self.send(peer, control, Reply::Answer(reply)).await?;
        answer.await.map_err(|_| MediaError::Busy)??;
        Ok(peer)
    }

    /// An offer of what a connection carries now.
    pub async fn offer(&self, carrier: PeerId, restarts: bool) -> Result<Offered, MediaError> {
        let (reply, answer) = oneshot::channel();
        let control = Control::Offer { carrier, restarts };
        self.send(carrier, control, Reply::Offer(reply)).await?;
        Ok(answer.await.map_err(|_| MediaError::Busy)??)
    }

    /// Applies the client's answer to the newest offer.
    pub async fn answer(&self, carrier: PeerId, answer: String) -> Result<(), MediaError> {
        let (reply, taken) = oneshot::channel();
        let control = Control::Answer { carrier, answer };
        self.send(carrier, control, Reply::Fragment(reply)).await?;
        taken.await.map_err(|_| MediaError::Busy)??;
        Ok(())
    }

    /// A new key of a peer on the worker of another one.
    fn fresh_peer_beside(&self, other: PeerId) -> PeerId {
        let count = self.inner.workers.len() as u64;
        self.worker_of(other).expect_one_more();
        let number = self.inner.next_peer.fetch_add(1, Ordering::Relaxed);
        PeerId(number * count + other.0 % count)
    }
}
