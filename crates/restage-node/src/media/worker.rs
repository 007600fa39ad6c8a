//! One worker: a thread that owns a socket and an `Sfu` and drives them.

mod care;
mod inlets;
mod lines;
mod orders;
mod rtcp;
#[cfg(test)]
mod tests;
mod turn;

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use restage_media::{
    Config, ConnectFailure, Control, Format, InletId, LayerWanted, OfferError, OfferedStream,
    PeerId, PeerStats, PublicationId, Sfu, StreamState, TapId, TapLayers, WorkerId,
};
use tokio::sync::{mpsc, oneshot, watch};

use super::counters::{Counters, WorkerStats};
use super::gso::Trains;
use super::inlet::{InletEnd, Push};
use super::link::{Arrival, Link, Message};
use super::load::{Gauge, Health};
use super::quota::Quota;
use super::relay::Relay;
use super::routes::Routes;
use super::survey::{Found, Surveyor};
use super::tap::TapEnd;
use super::udp::Socket;
use super::{MediaError, MediaEvent};
use care::Care;
use lines::Lines;
use rtcp::RtcpSocket;
#[cfg(test)]
pub(super) use tests::Fault;

/// Most orders that wait for a worker.
pub const WORKER_QUEUE_LEN: usize = 4096;
/// The longest time that an idle worker sleeps.
const IDLE_WAIT_MAX: Duration = Duration::from_millis(500);
/// How long events wait before they are offered again, if the queue to the server is full.
const EVENT_RETRY: Duration = Duration::from_millis(5);

const SOCKET: Token = Token(0);
const WAKE: Token = Token(1);
const RTCP: Token = Token(2);

type AnswerSender = oneshot::Sender<Result<String, OfferError>>;
/// How loud publications are that a worker has heard since somebody looked: the newest level of each, in −dBov.
pub(super) type Heard = Arc<Mutex<HashMap<PublicationId, i8>>>;

type FragmentSender = oneshot::Sender<Result<Option<String>, OfferError>>;
/// An offer of this end, and which sections are for whom.
pub(super) type Offered = (String, Vec<OfferedStream>);
type OfferSender = oneshot::Sender<Result<Offered, OfferError>>;

/// What the control plane asks of a worker.
pub(super) enum Order {
    /// A control for the worker's `Sfu`.
    Control {
        control: Control,
        reply: Reply,
        /// Grows with every order to any worker.
        turn: u64,
    },
    /// Says what is counted of these peers. Those that are gone are left out.
    Measure {
        peers: Vec<PeerId>,
        reply: oneshot::Sender<Vec<PeerStats>>,
    },
    /// Hands the packets of a publication on.
    OpenTap {
        tap: TapId,
        publication: PublicationId,
        layers: TapLayers,
        end: TapEnd,
    },
    /// Nobody reads the tap any more. An unknown one is ignored.
    CloseTap {
        tap: TapId,
    },
    /// Another part of the server will feed a publication.
    OpenInlet {
        inlet: InletId,
        end: InletEnd,
    },
    /// The formats in which the inlet sends.
    BeginInlet {
        inlet: InletId,
        formats: Vec<Format>,
    },
    /// The publication that the inlet feeds. `turn` is that of a control.
    PublishInlet {
        inlet: InletId,
        publication: PublicationId,
        turn: u64,
    },
    /// Packets of an inlet.
    Push(Push),
    /// Nobody feeds the inlet any more. An unknown one is ignored.
    CloseInlet {
        inlet: InletId,
    },
    Stop,
    /// Makes the worker fail as by a bug.
    #[cfg(test)]
    Fail(Fault),
}

/// The caller that waits for the outcome of a [`Control`].
pub(super) enum Reply {
    Nobody,
    /// For an offer: gets the SDP answer. For a peer that has none, because it opens a carrier or is carried: nothing.
    Answer(AnswerSender),
    /// For an offer that is to be made.
    Offer(OfferSender),
    /// For a patch: gets the fragment. For an answer to an offer of this end: nothing.
    Fragment(FragmentSender),
    /// For a close: gets how far the peer came, if it was not connected.
    Failure(oneshot::Sender<Option<ConnectFailure>>),
}

/// Set once a worker has stopped for good, with the reason.
pub(super) type Failed = watch::Sender<Option<String>>;

/// The server's end of a worker.
pub(super) struct WorkerHandle {
    orders: mpsc::Sender<Order>,
    waker: Arc<Waker>,
    counters: Arc<Counters>,
    /// Number of peers that were opened on this worker and are not gone.
    load: Arc<AtomicUsize>,
    health: Arc<Health>,
    found: Found,
    heard: Heard,
    links: Arc<[Link]>,
    routes: Arc<Routes>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl WorkerHandle {
    pub(super) async fn send(&self, order: Order) -> Result<(), MediaError> {
        self.orders
            .send(order)
            .await
            .map_err(|_| MediaError::Busy)?;
        self.waker.wake().map_err(|_| MediaError::Busy)
    }

    /// Sends an order if the queue has room, and does not wait. One that finds no room, or no worker, is dropped: `false`.
    pub(super) fn try_send(&self, order: Order) -> bool {
        let is_sent = self.orders.try_send(order).is_ok();
        if is_sent {
            self.waker.wake().ok();
        }
        is_sent
    }

    /// Which worker feeds which publication.
    pub(super) fn routes(&self) -> &Routes {
        &self.routes
    }

    /// The queues to all workers.
    pub(super) fn links(&self) -> &Arc<[Link]> {
        &self.links
    }

    /// What it has found of its peers.
    pub(super) fn found(&self) -> &Found {
        &self.found
    }

    /// How loud publications are, as far as that is news.
    pub(super) fn take_heard(&self) -> HashMap<PublicationId, i8> {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut heard)
    }

    pub(super) fn stats(&self) -> WorkerStats {
        self.counters.read()
    }

    /// Counts a peer that will be opened on this worker.
    pub(super) fn expect_one_more(&self) {
        self.load.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    pub(super) fn health(&self) -> &Health {
        &self.health
    }

    /// Whether one more peer may be opened on this worker.
    pub(super) fn has_room(&self) -> bool {
        self.health.has_room(now(), self.load())
    }

    pub(super) async fn stop(&self) {
        self.send(Order::Stop).await.ok();
        let thread = self.thread.lock().ok().and_then(|mut slot| slot.take());
        if let Some(thread) = thread {
            tokio::task::spawn_blocking(move || thread.join().ok())
                .await
                .ok();
        }
    }
}

/// Starts a thread for the sockets of each worker with its settings. `started` is when [`Config::since_1970`] was read: the workers tell
/// the time by one clock.
pub(super) fn start(
    all: Vec<(Sockets, Config)>,
    started: Instant,
    relay: Option<&Arc<Relay>>,
    events: &mpsc::Sender<MediaEvent>,
    failed: &Failed,
) -> io::Result<Vec<WorkerHandle>> {
    let routes = Arc::new(Routes::new(all.len()));
    let ports: Arc<[u16]> = all
        .iter()
        .map(|(sockets, _)| sockets.media.port())
        .collect();
    let mut links = Vec::new();
    let mut prepared = Vec::new();
    for (sockets, config) in all {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        let (link, messages, arrivals) = Link::new(Arc::clone(&waker));
        links.push(link);
        prepared.push((sockets, config, poll, waker, messages, arrivals));
    }
    let links: Arc<[Link]> = links.into();
    prepared
        .into_iter()
        .map(|(sockets, config, poll, waker, messages, arrivals)| {
            let neighbours = Neighbours {
                routes: Arc::clone(&routes),
                links: Arc::clone(&links),
                messages,
                arrivals,
                relay: relay.cloned(),
                ports: Arc::clone(&ports),
            };
            let outside = (events.clone(), failed.clone());
            let config = (config, started);
            start_one(sockets, config, (poll, waker), neighbours, outside)
        })
        .collect()
}

/// The sockets of one worker, on one port.
pub(super) struct Sockets {
    pub(super) media: Socket,
    /// The one that the kernel gives RTCP, if it can.
    pub(super) rtcp: Option<Socket>,
}

/// The other workers.
struct Neighbours {
    routes: Arc<Routes>,
    /// Indexed by the number of the worker; this one's own is included.
    links: Arc<[Link]>,
    messages: Receiver<Message>,
    arrivals: mpsc::Receiver<Arrival>,
    relay: Option<Arc<Relay>>,
    /// The UDP port of each worker.
    ports: Arc<[u16]>,
}

impl Neighbours {
    /// The queues to the other workers.
    fn others(&self, besides: WorkerId) -> impl Iterator<Item = &Link> {
        let all = self.links.iter().enumerate();
        all.filter(move |(place, _)| *place != usize::from(besides.0))
            .map(|(_, link)| link)
    }
}

fn start_one(
    sockets: Sockets,
    (config, started): (Config, Instant),
    (poll, waker): (Poll, Arc<Waker>),
    neighbours: Neighbours,
    (events, failed): (mpsc::Sender<MediaEvent>, Failed),
) -> io::Result<WorkerHandle> {
    let Sockets {
        media: socket,
        rtcp,
    } = sockets;
    let registry = poll.registry().try_clone()?;
    let rtcp = rtcp
        .map(|socket| RtcpSocket::new(socket, registry))
        .transpose()?;
    let fd = socket.raw_fd();
    poll.registry()
        .register(&mut SourceFd(&fd), SOCKET, Interest::READABLE)?;
    let (orders, inbox) = mpsc::channel(WORKER_QUEUE_LEN);
    let counters = Arc::new(Counters::default());
    let load = Arc::new(AtomicUsize::new(0));
    let id = config.worker;
    let health = Arc::new(Health::new(started));
    let (found, heard) = (Found::default(), Heard::default());
    let told = (Arc::clone(&found), Arc::clone(&heard));
    let shared = (
        Arc::clone(&counters),
        Arc::clone(&load),
        Arc::clone(&health),
    );
    // Keeps the queue of events open, so that its reader learns of a stopped worker before it finds the queue closed.
    let events_held = events.clone();
    let links = Arc::clone(&neighbours.links);
    let routes = Arc::clone(&neighbours.routes);
    // Created on the worker's own thread, because some of its parts cannot move between threads.
    let work = move || {
        let (counters, load, health) = shared;
        let (found, heard) = told;
        let (relay, ports) = (neighbours.relay.clone(), Arc::clone(&neighbours.ports));
        let worker = Worker {
            id,
            lines: Lines::new(relay, ports, started),
            neighbours,
            bursts_dropped: 0,
            sfu: care::new_sfu(config.clone(), started),
            care: Care::new(config, started),
            socket,
            rtcp,
            inbox,
            events,
            unsent: VecDeque::new(),
            streams: HashMap::new(),
            layers: HashMap::new(),
            loudness: HashMap::new(),
            heard,
            surveyor: Surveyor::new(started, found),
            opening: HashMap::new(),
            offering: HashMap::new(),
            patching: HashMap::new(),
            taps: HashMap::new(),
            inlets: HashMap::new(),
            taps_held: HashSet::new(),
            tap_packets_dropped: 0,
            trains: Trains::new(),
            gauge: Gauge::new(started, Quota::of_process()),
            health,
            read_at: started,
            is_socket_empty: true,
            deaf_since: None,
            taken: 0,
            feedback_dropped: 0,
            counters,
            load,
            received: 0,
            live: HashSet::new(),
            stopping: false,
        };
        worker.run(poll)
    };
    let watched = Arc::clone(&health);
    let thread = std::thread::Builder::new()
        .name(format!("media-{}", id.0))
        .spawn(move || {
            let ended = catch_unwind(AssertUnwindSafe(work));
            let ended = ended.unwrap_or_else(|_| Err("it failed while it ended".to_owned()));
            if let Err(why) = ended {
                watched.die();
                let message = format!("media worker {} is gone for good: {why}", id.0);
                tracing::error!("{message}");
                failed.send_if_modified(|first| {
                    let is_first = first.is_none();
                    first.get_or_insert(message);
                    is_first
                });
            }
            drop(events_held);
        })?;
    Ok(WorkerHandle {
        orders,
        waker,
        counters,
        load,
        health,
        found,
        heard,
        links,
        routes,
        thread: Mutex::new(Some(thread)),
    })
}

struct Worker {
    id: WorkerId,
    /// Clients that do not use UDP.
    lines: Lines,
    neighbours: Neighbours,
    bursts_dropped: u64,
    sfu: Sfu,
    care: Care,
    socket: Socket,
    /// `None` where the kernel cannot tell RTCP from the rest: then that comes to `socket` too.
    rtcp: Option<RtcpSocket>,
    inbox: mpsc::Receiver<Order>,
    events: mpsc::Sender<MediaEvent>,
    /// Events for which the server's queue had no room: at most two per peer, and the formats that a subscriber cannot
    /// decode.
    unsent: VecDeque<MediaEvent>,
    /// What subscribers are shown, as far as it has changed and was not reported: the newest of each peer.
    streams: HashMap<PeerId, StreamState>,
    /// Which of their layers publishers are wanted to send, as far as it has changed and was not reported: the newest of each peer.
    layers: HashMap<PeerId, Vec<LayerWanted>>,
    /// How loud publications are, as far as it was not shared: the newest of each.
    loudness: HashMap<PublicationId, i8>,
    heard: Heard,
    surveyor: Surveyor,
    opening: HashMap<PeerId, AnswerSender>,
    offering: HashMap<PeerId, OfferSender>,
    patching: HashMap<PeerId, FragmentSender>,
    taps: HashMap<TapId, TapEnd>,
    inlets: HashMap<InletId, InletEnd>,
    /// Taps that hold packets back until their readers have taken what waits.
    taps_held: HashSet<TapId>,
    /// Packets for taps that were dropped because their queues were full.
    tap_packets_dropped: u64,
    trains: Trains,
    gauge: Gauge,
    health: Arc<Health>,
    /// When the socket was last read.
    read_at: Instant,
    /// Whether the last read left the socket empty.
    is_socket_empty: bool,
    /// Since when every attempt to receive has failed.
    deaf_since: Option<Instant>,
    /// Datagrams received in this turn.
    taken: usize,
    /// Reports and requests of subscribers that were dropped because too many arrived at once.
    feedback_dropped: u64,
    counters: Arc<Counters>,
    load: Arc<AtomicUsize>,
    received: u64,
    live: HashSet<PeerId>,
    stopping: bool,
}

impl Worker {
    /// Runs until the worker is told to stop.
    ///
    /// # Errors
    /// The reason why it cannot continue.
    fn run(mut self, mut poll: Poll) -> Result<(), String> {
        let mut ready = Events::with_capacity(8);
        let mut more = false;
        while !self.stopping {
            let asleep = now();
            let wait = if more { Duration::ZERO } else { self.wait() };
            match poll.poll(&mut ready, Some(wait)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    return Err(format!("it cannot wait for its socket: {error}"));
                }
                _ => {}
            }
            if !more {
                self.gauge.slept(asleep, now());
            }
            let has_rtcp = ready.iter().any(|event| event.token() == RTCP);
            if let Some(rtcp) = self.rtcp.as_mut().filter(|_| has_rtcp) {
                rtcp.on_arrival();
            }
            more = match catch_unwind(AssertUnwindSafe(|| self.turn())) {
                Ok(more) => more?,
                Err(_) => {
                    self.after_panic()?;
                    true
                }
            };
        }
        let peers: Vec<PeerId> = self.live.iter().copied().collect();
        for peer in peers {
            self.sfu.control(now(), Control::Close { peer });
        }
        self.drain();
        Ok(())
    }

    fn wait(&self) -> Duration {
        let is_quiet = self.unsent.is_empty()
            && self.streams.is_empty()
            && self.layers.is_empty()
            && self.loudness.is_empty()
            && self.taps_held.is_empty()
            && !self.surveyor.is_busy();
        let limit = if is_quiet { IDLE_WAIT_MAX } else { EVENT_RETRY };
        let rtcp = self.rtcp.as_ref().and_then(RtcpSocket::due_at);
        let timers = [self.sfu.poll_timeout(), rtcp];
        let due = timers.into_iter().flatten().min();
        due.map_or(limit, |at| at.saturating_duration_since(now()).min(limit))
    }
}

#[allow(clippy::disallowed_methods)]
pub(super) fn now() -> Instant {
    Instant::now()
}
