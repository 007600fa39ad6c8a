//! The media workers and the handle the rest of the server drives them by.
//!
//! One worker is one OS thread, one UDP socket and one [`restage_media::Sfu`]. The handle and a
//! worker talk only by bounded queues. One worker runs today; placement is decided in one place
//! ([`Media::place`]), so that more can follow.

mod udp;
mod worker;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use restage_media::{OfferError, PeerKey, PublicationKey};
use tokio::sync::{mpsc, oneshot};

pub use udp::UdpReport;
pub use worker::{WORKER_QUEUE_LEN, WorkerStats};

use worker::{Order, WorkerHandle};

/// Events from the workers that the server has not taken up yet.
pub const MEDIA_EVENT_QUEUE_LEN: usize = 4096;

/// What a peer is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// WHIP.
    Publisher,
    /// WHEP.
    Subscriber,
}

/// What the media plane reports of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MediaEvent {
    /// ICE and DTLS are up.
    Connected(PeerKey),
    /// The peer is gone; the key is dead.
    Gone(PeerKey),
}

/// Why a peer could not be opened or patched.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// The client's SDP is at fault.
    #[error(transparent)]
    Offer(#[from] OfferError),
    /// The worker's queue is full, or it is shutting down.
    #[error("the media worker is busy; try again")]
    Busy,
}

/// How media can not start.
#[derive(Debug, thiserror::Error)]
#[error("cannot use UDP port {port} for media: {source}; give another --media-port or --media-ip")]
pub struct MediaStartError {
    /// The port asked for.
    pub port: u16,
    /// Why not.
    pub source: std::io::Error,
}

/// Drives the workers. Cheap to clone.
#[derive(Clone)]
pub struct Media {
    inner: Arc<Inner>,
}

struct Inner {
    workers: Vec<WorkerHandle>,
    next_peer: AtomicU64,
    next_publication: AtomicU64,
    report: UdpReport,
    port: u16,
}

impl Media {
    /// Binds the socket and starts the worker thread.
    pub fn start(
        addresses: &[IpAddr],
        port: u16,
        seed: u64,
    ) -> Result<(Self, mpsc::Receiver<MediaEvent>), MediaStartError> {
        let (events, receiver) = mpsc::channel(MEDIA_EVENT_QUEUE_LEN);
        let failed = |source| MediaStartError { port, source };
        let socket = udp::Socket::bind(addresses, port).map_err(failed)?;
        let port = socket.port();
        let report = socket.report();
        let candidates = addresses
            .iter()
            .map(|ip| SocketAddr::new(*ip, port))
            .collect();
        // The difference between the machine's two clocks is settled here, once.
        #[allow(clippy::disallowed_methods)]
        let since_1970 = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        let config = restage_media::Config {
            candidates,
            seed,
            since_1970,
            ..Default::default()
        };
        let worker = worker::start(socket, config, events).map_err(failed)?;
        let inner = Inner {
            workers: vec![worker],
            next_peer: AtomicU64::new(1),
            next_publication: AtomicU64::new(1),
            report,
            port,
        };
        Ok((
            Self {
                inner: Arc::new(inner),
            },
            receiver,
        ))
    }

    /// The UDP port in use.
    pub fn port(&self) -> u16 {
        self.inner.port
    }

    /// What the sockets can do.
    pub fn report(&self) -> UdpReport {
        self.inner.report
    }

    /// A publication handle nobody else has.
    pub fn fresh_publication(&self) -> PublicationKey {
        PublicationKey(self.inner.next_publication.fetch_add(1, Ordering::Relaxed))
    }

    /// Opens a peer for this offer. Its ICE credentials are known to the worker before this returns,
    /// so that the client's first STUN check finds it.
    pub async fn open(&self, role: Role, offer: String) -> Result<(PeerKey, String), MediaError> {
        let peer = PeerKey(self.inner.next_peer.fetch_add(1, Ordering::Relaxed));
        let (reply, answer) = oneshot::channel();
        self.place(peer)
            .send(Order::Open {
                peer,
                role,
                offer,
                reply,
            })
            .await?;
        let answer = answer.await.map_err(|_| MediaError::Busy)??;
        Ok((peer, answer))
    }

    /// Trickle candidates or an ICE restart (RFC 9725 §4.3). Answers a fragment for a restart.
    pub async fn patch(
        &self,
        peer: PeerKey,
        fragment: String,
    ) -> Result<Option<String>, MediaError> {
        let (reply, answer) = oneshot::channel();
        self.place(peer)
            .send(Order::Patch {
                peer,
                fragment,
                reply,
            })
            .await?;
        Ok(answer.await.map_err(|_| MediaError::Busy)??)
    }

    /// This peer feeds the publication from now on.
    pub async fn publish(&self, peer: PeerKey, publication: PublicationKey) {
        self.place(peer)
            .send(Order::Publish { peer, publication })
            .await
            .ok();
    }

    /// This peer receives the publication from now on.
    pub async fn subscribe(&self, peer: PeerKey, publication: PublicationKey) {
        self.place(peer)
            .send(Order::Subscribe { peer, publication })
            .await
            .ok();
    }

    /// Closes the peer and forgets it; no event follows.
    pub async fn close(&self, peer: PeerKey) {
        self.place(peer).send(Order::Close { peer }).await.ok();
    }

    /// Counters of all workers, added up.
    pub fn stats(&self) -> WorkerStats {
        self.inner.workers.iter().map(WorkerHandle::stats).sum()
    }

    /// Ends the workers; peers are told.
    pub async fn stop(&self) {
        for worker in &self.inner.workers {
            worker.stop().await;
        }
    }

    /// The worker that has this peer.
    fn place(&self, peer: PeerKey) -> &WorkerHandle {
        let count = self.inner.workers.len() as u64;
        &self.inner.workers[(peer.0 % count) as usize]
    }
}

/// Tries the media socket without serving: can it be bound, and what does the kernel grant?
pub fn probe_udp(addresses: &[IpAddr], port: u16) -> std::io::Result<UdpReport> {
    udp::Socket::bind(addresses, port).map(|socket| socket.report())
}
