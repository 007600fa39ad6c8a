//! The media workers, and the handle through which the rest of the server uses them.
//!
//! One worker is one OS thread with one UDP socket and one [`restage_media::Sfu`]. The handle and the workers
//! communicate only by bounded queues, and so do workers among themselves. A new peer is opened on the worker with the
//! fewest peers and stays there. A publication with subscribers on several workers is relayed to each of them once.

mod carry;
mod counters;
#[doc(hidden)]
pub mod fuzzing;
mod gso;
mod inlet;
mod link;
mod load;
mod own;
mod places;
mod quota;
mod relay;
mod routes;
mod survey;
mod tap;
mod tcp;
mod udp;
mod woken;
mod worker;

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use restage_media::{
    Codec, ConnectFailure, Control, Download, GoneReason, H264ProfileMatch, LayerWanted, MediaKind,
    OfferError, PeerId, PeerStats, PublicationId, StreamState, TapId, Wish, WorkerId,
};
use restage_turn::Peers;
use tokio::sync::{mpsc, oneshot, watch};

use crate::budget::Budget;

pub use counters::WorkerStats;
pub(crate) use inlet::push_all;
pub use inlet::{INLET_QUEUE_BYTES_MAX, INLET_QUEUES_BYTES_MAX, InletCounts, InletWriter};
pub use places::{Audience, MediaPlaces};
pub use restage_media::Role;
pub use restage_turn::{Credential as RelayCredential, Credentials as RelayCredentials};
pub use survey::{Measure, Present, SURVEY_INTERVAL, Spread, Survey};
pub use tap::{
    Missed, OpenTapError, TAP_QUEUE_BYTES_MAX, TAP_QUEUE_PACKETS_MAX, TAP_QUEUES_BYTES_MAX,
    TapEnded, TapStream, Tapped,
};
pub use tcp::{Ends, prepare_connection};
pub use udp::UdpReport;
pub use worker::WORKER_QUEUE_LEN;

use relay::Relay;
use tcp::Connections;
use worker::{Order, Reply, WorkerHandle};

/// Most events from the workers that wait to be handled.
pub const MEDIA_EVENT_QUEUE_LEN: usize = 4096;

/// How long a worker has to say what is counted of its peers.
pub const MEASURE_MAX: Duration = Duration::from_secs(2);

/// What the media plane reports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MediaEvent {
    /// ICE and DTLS are up.
    Connected(PeerId),
    /// The peer is gone; its key is not used again. An external inlet that ends by itself counts as one.
    Gone(PeerId, GoneReason),
    /// A subscriber can decode nothing of this kind and goes on without it. The text names the published formats.
    Undecodable(PeerId, MediaKind, String),
    /// Which layers of a publisher somebody wants. Of several changes in a row only the newest is reported.
    LayersWanted(PeerId, Vec<LayerWanted>),
    /// A subscriber is shown something else. Of several changes in a row only the newest is reported.
    Stream(PeerId, StreamState),
}

impl MediaEvent {
    /// The peer that the event is about.
    pub fn peer(&self) -> PeerId {
        match self {
            Self::Connected(peer)
            | Self::Gone(peer, _)
            | Self::Undecodable(peer, ..)
            | Self::LayersWanted(peer, _)
            | Self::Stream(peer, _) => *peer,
        }
    }
}

/// What the media plane needs to start.
#[derive(Clone, Debug)]
pub struct MediaSettings {
    /// The addresses to offer.
    pub places: MediaPlaces,
    /// The UDP port of the first worker; those of the others follow it. With 0 they are any free ports.
    pub port: u16,
    /// Number of workers.
    pub workers: u16,
    /// Seed of random numbers that need not be secret.
    pub seed: u64,
    /// Limits of publishers.
    pub limits: PublishLimits,
    /// Which viewers get H.264 of which profile.
    pub profiles: H264ProfileMatch,
    /// TCP addresses to offer; connections there have to be handed to [`Media::serve_ice`].
    pub tcp: Vec<SocketAddr>,
    /// Credentials of the relay (TURN); without them there is none.
    pub relay: Option<RelayCredentials>,
}

impl MediaSettings {
    /// One worker at any free port, without limits, TCP and a relay.
    pub fn new(places: MediaPlaces) -> Self {
        Self {
            places,
            port: 0,
            workers: 1,
            seed: 0,
            limits: PublishLimits::default(),
            profiles: H264ProfileMatch::default(),
            tcp: Vec::new(),
            relay: None,
        }
    }
}

/// Limits of publishers. The limit of a receiver is given when its peer is opened.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct PublishLimits {
    /// All tracks and layers together; `None` means no limit.
    pub bits_per_s: Option<u64>,
    /// Width times height; `None` means no limit.
    pub pixels: Option<u64>,
    /// Codecs in which pictures may not be published.
    pub refused_codecs: Vec<Codec>,
}

/// Why a peer could not be opened or patched.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// The client's SDP is wrong.
    #[error(transparent)]
    Offer(#[from] OfferError),
    /// The worker's queue is full, or it is shutting down.
    #[error("the media worker is busy; try again")]
    Busy,
}

/// Why media could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot use UDP port {port} for media: {source}; give another --media-port or --media-ip")]
pub struct MediaStartError {
    /// The requested port.
    pub port: u16,
    /// The error of the operating system.
    pub source: std::io::Error,
}

/// The UDP addresses to which a peer is expected to send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Destination {
    /// Its worker's UDP port.
    pub port: u16,
    /// The offered addresses.
    pub addresses: Vec<IpAddr>,
    /// From where clients can reach these addresses.
    pub audience: Audience,
}

/// A handle for the workers. Cheap to clone.
#[derive(Clone)]
pub struct Media {
    inner: Arc<Inner>,
}

struct Inner {
    workers: Vec<WorkerHandle>,
    next_peer: AtomicU64,
    next_publication: AtomicU64,
    turn: AtomicU64,
    report: UdpReport,
    ports: Vec<u16>,
    places: MediaPlaces,
    connections: Connections,
    relay: Option<Arc<Relay>>,
    /// Bytes that wait in the queues of all taps.
    tapped_bytes: Arc<Budget>,
    /// Bytes that wait in the queues for all external inlets.
    pushed_bytes: Arc<Budget>,
    /// An instant and its time since 1970, by which the workers tell the time of what they tap.
    epoch: (Instant, Duration),
    /// The reason, once a worker has stopped for good.
    failed: watch::Sender<Option<String>>,
}

/// The load of the workers.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct MediaLoad {
    /// The highest load of a worker, in thousandths of the processor time that it may use.
    pub permille: u32,
    /// The longest smoothed lag of a worker.
    pub lag: Duration,
    /// Number of workers whose thread runs.
    pub alive: usize,
}

impl Media {
    /// Binds a socket for each worker and starts the threads.
    pub fn start(
        settings: MediaSettings,
    ) -> Result<(Self, mpsc::Receiver<MediaEvent>), MediaStartError> {
        let MediaSettings {
            places,
            port,
            workers,
            seed,
            limits,
            profiles,
            tcp,
            relay,
        } = settings;
        let (events, receiver) = mpsc::channel(MEDIA_EVENT_QUEUE_LEN);
        let started = worker::now();
        // The only place that determines the difference between the machine's two clocks.
        #[allow(clippy::disallowed_methods)]
        let since_1970 = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        let mut all = Vec::new();
        for number in 0..workers.max(1) {
            let wanted = worker_port(port, number);
            let failed = |source| MediaStartError {
                port: wanted,
                source,
            };
            let socket = udp::Socket::bind(&places, wanted).map_err(failed)?;
            let rtcp = socket.split_rtcp(&places);
            let rtcp = rtcp
                .inspect_err(|error| {
                    tracing::info!(%error, "RTCP and media are received by one socket, which costs more processor time");
                })
                .ok();
            let candidates = places
                .addresses
                .iter()
                .map(|ip| SocketAddr::new(*ip, socket.port()))
                .collect();
            let config = restage_media::Config {
                candidates,
                tcp_candidates: tcp.clone(),
                // Each worker has a sequence of its own.
                seed: seed.wrapping_add(u64::from(number)),
                since_1970,
                worker: WorkerId(number),
                publish_bits_per_s_max: limits.bits_per_s,
                publish_pixels_max: limits.pixels,
                refused_codecs: limits.refused_codecs.clone(),
                h264_profile_match: profiles,
                ..Default::default()
            };
            let media = socket;
            all.push((worker::Sockets { media, rtcp }, config));
        }
        let report = all[0].0.media.report();
        let ports: Vec<u16> = all
            .iter()
            .map(|(sockets, _)| sockets.media.port())
            .collect();
        let relay = relay.map(|credentials| {
            let peers = Peers {
                addresses: places.addresses.clone(),
                ports: ports.clone(),
            };
            Arc::new(Relay::new(credentials, peers, (started, since_1970)))
        });
        let (failed, _) = watch::channel(None);
        let workers = worker::start(all, started, relay.as_ref(), &events, &failed)
            .map_err(|source| MediaStartError { port, source })?;
        let links = Arc::clone(workers[0].links());
        let connections = Connections::new(links, ports.clone(), relay.clone());
        let inner = Inner {
            workers,
            next_peer: AtomicU64::new(1),
            next_publication: AtomicU64::new(1),
            turn: AtomicU64::new(1),
            report,
            ports,
            places,
            connections,
            relay,
            tapped_bytes: Arc::default(),
            pushed_bytes: Arc::default(),
            epoch: (started, since_1970),
            failed,
        };
        Ok((
            Self {
                inner: Arc::new(inner),
            },
            receiver,
        ))
    }

    /// The UDP port of each worker.
    pub fn ports(&self) -> &[u16] {
        &self.inner.ports
    }

    /// The addresses at which media is accepted, of all workers.
    pub fn candidates(&self) -> Vec<SocketAddr> {
        let ips = || self.inner.places.addresses.iter();
        let ports = self.inner.ports.iter();
        ports
            .flat_map(|port| ips().map(|ip| SocketAddr::new(*ip, *port)))
            .collect()
    }

    /// The UDP addresses to which this peer is expected to send.
    pub fn destination_of(&self, peer: PeerId) -> Destination {
        let count = self.inner.ports.len() as u64;
        Destination {
            port: self.inner.ports[(peer.0 % count) as usize],
            addresses: self.inner.places.addresses.clone(),
            audience: self.inner.places.audience,
        }
    }

    /// The capabilities of the sockets.
    pub fn report(&self) -> UdpReport {
        self.inner.report
    }

    /// A new publication key, which no other publication has.
    pub fn fresh_publication(&self) -> PublicationId {
        PublicationId(self.inner.next_publication.fetch_add(1, Ordering::Relaxed))
    }

    /// Opens a peer for this offer. The worker knows its ICE credentials before this returns, so the client's first
    /// STUN check finds the peer. A subscriber belongs to the receiver of `download`.
    pub async fn open(
        &self,
        role: Role,
        offer: String,
        download: Option<Arc<Download>>,
        wish: Wish,
    ) -> Result<(PeerId, String), MediaError> {
        let peer = self.fresh_peer();
        let control = match role {
            Role::Publisher => Control::OpenPublisher { peer, offer },
            Role::Subscriber => Control::OpenSubscriber {
                peer,
                offer,
                download,
                wish,
            },
        };
        let (reply, answer) = oneshot::channel();
        self.send(peer, control, Reply::Answer(reply)).await?;
        let answer = answer.await.map_err(|_| MediaError::Busy)??;
        Ok((peer, answer))
    }

    /// Applies trickle candidates or an ICE restart (RFC 9725 §4.3). Returns a fragment for a restart.
    pub async fn patch(
        &self,
        peer: PeerId,
        fragment: String,
    ) -> Result<Option<String>, MediaError> {
        let (reply, answer) = oneshot::channel();
        let control = Control::Patch { peer, fragment };
        self.send(peer, control, Reply::Fragment(reply)).await?;
        Ok(answer.await.map_err(|_| MediaError::Busy)??)
    }

    /// Sends a control to the worker of this peer and does not wait for the result. A worker that is gone does nothing.
    pub async fn control(&self, peer: PeerId, control: Control) {
        self.send(peer, control, Reply::Nobody).await.ok();
    }

    /// Closes the peer and forgets it; no event follows. If it was not connected, returns how far it came.
    pub async fn close_unconnected(&self, peer: PeerId) -> Option<ConnectFailure> {
        let (reply, answer) = oneshot::channel();
        let control = Control::Close { peer };
        self.send(peer, control, Reply::Failure(reply)).await.ok()?;
        answer.await.ok()?
    }

    /// Sends the order to the worker of this peer.
    async fn send(&self, peer: PeerId, control: Control, reply: Reply) -> Result<(), MediaError> {
        let order = self.order(control, reply);
        self.worker_of(peer).send(order).await
    }

    fn order(&self, control: Control, reply: Reply) -> Order {
        Order::Control {
            control,
            reply,
            turn: self.inner.turn.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// A credential of the relay for this participant, which can be used for allocations until `expires_s`, in seconds
    /// since 1970. `None` if there is no relay.
    pub fn relay_credential(&self, participant: &str, expires_s: u64) -> Option<RelayCredential> {
        let relay = self.inner.relay.as_ref()?;
        Some(relay.credentials.issue(participant, expires_s))
    }

    /// Whether there is a relay.
    pub fn has_relay(&self) -> bool {
        self.inner.relay.is_some()
    }

    /// Ends the participant's allocations at the relay and accepts none of its credentials of now, which expire within
    /// `longest`.
    pub fn withdraw_from_relay(&self, participant: &str, longest: Duration) {
        if let Some(relay) = &self.inner.relay {
            let unix_s = relay.time(worker::now()).unix_s;
            let until = unix_s.saturating_add(longest.as_secs());
            relay.quota.withdraw(participant, unix_s, until);
        }
    }

    /// TCP connections of clients that carry media now, those of the relay included.
    pub fn connections(&self) -> usize {
        self.inner.connections.count()
    }

    /// Allocations of the relay now.
    pub fn allocations(&self) -> usize {
        let relay = self.inner.relay.as_ref();
        relay.map_or(0, |relay| relay.quota.allocations())
    }

    /// Counters of all workers, added up.
    pub fn stats(&self) -> WorkerStats {
        self.inner.workers.iter().map(WorkerHandle::stats).sum()
    }

    /// How connections are, all together. Each one was looked at within [`SURVEY_INTERVAL`] or a little longer.
    pub fn survey(&self) -> Survey {
        survey::sum(self.inner.workers.iter().map(WorkerHandle::found))
    }

    /// How loud publications are, as far as it has changed since the last call: the newest level of each, in −dBov (RFC 6464). −127 is
    /// silence, which is told once.
    pub fn take_loudness(&self) -> HashMap<PublicationId, i8> {
        let workers = self.inner.workers.iter();
        workers.flat_map(WorkerHandle::take_heard).collect()
    }

    /// What is counted of these peers. Those are left out that are gone, and those whose worker does not answer within
    /// [`MEASURE_MAX`].
    pub async fn measure(&self, peers: &[PeerId]) -> Vec<PeerStats> {
        let mut by_worker: BTreeMap<usize, Vec<PeerId>> = BTreeMap::new();
        let count = self.inner.workers.len() as u64;
        for peer in peers {
            let worker = (peer.0 % count) as usize;
            by_worker.entry(worker).or_default().push(*peer);
        }
        let mut all = Vec::with_capacity(peers.len());
        for (worker, peers) in by_worker {
            let (reply, answer) = oneshot::channel();
            let asked = async {
                let order = Order::Measure { peers, reply };
                self.inner.workers[worker].send(order).await.ok()?;
                answer.await.ok()
            };
            if let Ok(Some(stats)) = tokio::time::timeout(MEASURE_MAX, asked).await {
                all.extend(stats);
            }
        }
        all
    }

    /// The load of the workers.
    pub fn load(&self) -> MediaLoad {
        let all = self.inner.workers.iter().map(WorkerHandle::health);
        let now = worker::now();
        all.fold(MediaLoad::default(), |most, one| MediaLoad {
            permille: most.permille.max(one.load()),
            lag: most.lag.max(one.lag(now)),
            alive: most.alive + usize::from(one.is_alive()),
        })
    }

    /// Whether some worker accepts one more peer: it is neither late nor busy all the time.
    pub fn has_room(&self) -> bool {
        self.inner.workers.iter().any(WorkerHandle::has_room)
    }

    /// Whether all workers run.
    pub fn is_alive(&self) -> bool {
        let mut workers = self.inner.workers.iter();
        workers.all(|worker| worker.health().is_alive())
    }

    /// Whether no worker has been silent for longer than a worker that is only busy could be.
    pub fn is_moving(&self) -> bool {
        let now = worker::now();
        let mut workers = self.inner.workers.iter();
        workers.all(|worker| worker.health().is_moving(now))
    }

    /// Resolves when a worker has stopped for good, with the reason as a sentence. Its clients can then reach nobody,
    /// so the process should end.
    pub async fn failed(&self) -> String {
        let mut failed = self.inner.failed.subscribe();
        match failed.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or_default(),
            // Cannot happen, because the sender is in `self`.
            Err(_) => std::future::pending().await,
        }
    }

    /// Makes a worker fail as by a bug.
    #[cfg(test)]
    async fn fail(&self, worker: usize, fault: worker::Fault) {
        self.inner.workers[worker]
            .send(Order::Fail(fault))
            .await
            .ok();
    }

    /// Stops the workers; they notify their peers.
    pub async fn stop(&self) {
        for worker in &self.inner.workers {
            worker.stop().await;
        }
    }

    /// A new key, which assigns the peer to the worker with the fewest peers: of those that have room if there are any,
    /// otherwise of those that run.
    fn fresh_peer(&self) -> PeerId {
        let loads = (0_u64..).zip(&self.inner.workers);
        let is_worse = |worker: &WorkerHandle| (!worker.health().is_alive(), !worker.has_room());
        let (least, worker) = loads
            .min_by_key(|(_, worker)| (is_worse(worker), worker.load()))
            .expect("there is at least one worker");
        worker.expect_one_more();
        let number = self.inner.next_peer.fetch_add(1, Ordering::Relaxed);
        PeerId(number * self.inner.workers.len() as u64 + least)
    }

    /// A new key, which assigns the tap to the worker that feeds the publication, or to the one with the fewest peers.
    fn fresh_tap(&self, publication: PublicationId) -> TapId {
        let workers = &self.inner.workers;
        let home = workers[0].routes().home(publication);
        let quietest = || {
            (0_u16..)
                .zip(workers)
                .min_by_key(|(_, worker)| worker.load())
        };
        let worker = home.map_or_else(|| quietest().map_or(0, |(place, _)| place), |home| home.0);
        let number = self.inner.next_peer.fetch_add(1, Ordering::Relaxed);
        TapId(number * workers.len() as u64 + u64::from(worker))
    }

    /// The worker that has this tap.
    fn tapped(&self, tap: TapId) -> &WorkerHandle {
        // Taps and peers have their numbers from one row.
        self.worker_of(PeerId(tap.0))
    }

    /// Microseconds since 1970 by the clock of the workers, which never steps: that of [`restage_media::MediaPacket::arrived_us`].
    pub fn now_us(&self) -> u64 {
        let (started, since_1970) = self.inner.epoch;
        let lived = worker::now().saturating_duration_since(started);
        (since_1970 + lived).as_micros() as u64
    }

    /// The worker that has this peer.
    fn worker_of(&self, peer: PeerId) -> &WorkerHandle {
        let count = self.inner.workers.len() as u64;
        &self.inner.workers[(peer.0 % count) as usize]
    }
}

/// The port of a worker, given that of the first one.
pub fn worker_port(first: u16, number: u16) -> u16 {
    if first == 0 {
        0
    } else {
        first.saturating_add(number)
    }
}

/// Tests the media socket without serving: whether it can be bound, and what the kernel grants.
pub fn probe_udp(places: &MediaPlaces, port: u16) -> std::io::Result<UdpReport> {
    udp::Socket::bind(places, port).map(|socket| socket.report())
}
