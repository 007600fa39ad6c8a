//! One worker: a thread that owns a socket and an `Sfu` and does nothing but drive them.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use restage_media::{
    Config, ConnectFailure, Download, Input, OfferError, Output, PeerKey, PublicationKey, Sfu,
    WorkerId,
};
use tokio::sync::{mpsc, oneshot};

use super::counters::{Counters, WorkerStats};
use super::link::{Link, Message};
use super::routes::Routes;
use super::trains::Trains;
use super::udp::{Batch, Socket, Train};
use super::{MediaError, MediaEvent, Role};

/// Orders waiting for a worker.
pub const WORKER_QUEUE_LEN: usize = 4096;
/// Batches read before timers and orders get their turn.
const BATCHES_PER_TURN: usize = 8;
/// Orders taken up before datagrams get their turn.
const ORDERS_PER_TURN: usize = 64;
/// Messages of other workers taken up before datagrams get their turn.
const MESSAGES_PER_TURN: usize = 64;
/// The longest a worker sleeps with nothing to do.
const IDLE_WAIT_MAX: Duration = Duration::from_millis(500);
/// How long events that the server has no room for wait before they are offered again.
const EVENT_RETRY: Duration = Duration::from_millis(5);

const SOCKET: Token = Token(0);
const WAKE: Token = Token(1);

type AnswerSender = oneshot::Sender<Result<String, OfferError>>;
type FragmentSender = oneshot::Sender<Result<Option<String>, OfferError>>;

/// What the server asks of a worker.
pub(super) enum Order {
    Open {
        peer: PeerKey,
        role: Role,
        offer: String,
        download: Option<Arc<Download>>,
        reply: AnswerSender,
    },
    Patch {
        peer: PeerKey,
        fragment: String,
        reply: FragmentSender,
    },
    Publish {
        peer: PeerKey,
        publication: PublicationKey,
        /// Grows with every such order.
        turn: u64,
    },
    Subscribe {
        peer: PeerKey,
        publication: PublicationKey,
    },
    Close {
        peer: PeerKey,
        /// Told how far it had come, if it was not connected.
        reply: Option<oneshot::Sender<Option<ConnectFailure>>>,
    },
    Stop,
}

/// The server's end of a worker.
pub(super) struct WorkerHandle {
    orders: mpsc::Sender<Order>,
    waker: Arc<Waker>,
    counters: Arc<Counters>,
    /// Peers that were opened here and are not gone.
    load: Arc<AtomicUsize>,
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

    pub(super) fn stats(&self) -> WorkerStats {
        self.counters.read()
    }

    /// A peer will be opened here.
    pub(super) fn expect_one_more(&self) {
        self.load.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
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

/// Starts a thread for each socket with its settings.
pub(super) fn start(
    all: Vec<(Socket, Config)>,
    events: &mpsc::Sender<MediaEvent>,
) -> io::Result<Vec<WorkerHandle>> {
    let routes = Arc::new(Routes::new(all.len()));
    let mut links = Vec::new();
    let mut prepared = Vec::new();
    for (socket, config) in all {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        let (link, messages) = Link::new(Arc::clone(&waker));
        links.push(link);
        prepared.push((socket, config, poll, waker, messages));
    }
    let links: Arc<[Link]> = links.into();
    prepared
        .into_iter()
        .map(|(socket, config, poll, waker, messages)| {
            let neighbours = Neighbours {
                routes: Arc::clone(&routes),
                links: Arc::clone(&links),
                messages,
            };
            start_one(socket, config, (poll, waker), neighbours, events.clone())
        })
        .collect()
}

/// The other workers.
struct Neighbours {
    routes: Arc<Routes>,
    /// By the number of the worker, this one's own included.
    links: Arc<[Link]>,
    messages: Receiver<Message>,
}

fn start_one(
    socket: Socket,
    config: Config,
    (poll, waker): (Poll, Arc<Waker>),
    neighbours: Neighbours,
    events: mpsc::Sender<MediaEvent>,
) -> io::Result<WorkerHandle> {
    let fd = socket.raw_fd();
    poll.registry()
        .register(&mut SourceFd(&fd), SOCKET, Interest::READABLE)?;
    let (orders, inbox) = mpsc::channel(WORKER_QUEUE_LEN);
    let counters = Arc::new(Counters::default());
    let load = Arc::new(AtomicUsize::new(0));
    let id = config.worker;
    // Made on its own thread, where some of what it holds has to stay.
    let worker = move |counters, load| Worker {
        id,
        neighbours,
        bursts_dropped: 0,
        sfu: Sfu::new(config),
        socket,
        inbox,
        events,
        unsent: VecDeque::new(),
        opening: HashMap::new(),
        patching: HashMap::new(),
        trains: Trains::new(),
        counters,
        load,
        received: 0,
        live: std::collections::HashSet::new(),
        stopping: false,
    };
    let own = (Arc::clone(&counters), Arc::clone(&load));
    let thread = std::thread::Builder::new()
        .name(format!("media-{}", id.0))
        .spawn(move || worker(own.0, own.1).run(poll))?;
    Ok(WorkerHandle {
        orders,
        waker,
        counters,
        load,
        thread: Mutex::new(Some(thread)),
    })
}

struct Worker {
    id: WorkerId,
    neighbours: Neighbours,
    bursts_dropped: u64,
    sfu: Sfu,
    socket: Socket,
    inbox: mpsc::Receiver<Order>,
    events: mpsc::Sender<MediaEvent>,
    /// Events the server had no room for: at most two per peer, and what a viewer is told that it cannot decode.
    unsent: VecDeque<MediaEvent>,
    opening: HashMap<PeerKey, AnswerSender>,
    patching: HashMap<PeerKey, FragmentSender>,
    trains: Trains,
    counters: Arc<Counters>,
    load: Arc<AtomicUsize>,
    received: u64,
    live: std::collections::HashSet<PeerKey>,
    stopping: bool,
}

impl Worker {
    fn run(mut self, mut poll: Poll) {
        let mut ready = Events::with_capacity(8);
        let mut more = false;
        while !self.stopping {
            let wait = if more { Duration::ZERO } else { self.wait() };
            match poll.poll(&mut ready, Some(wait)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    tracing::error!(%error, "the media worker cannot wait for its socket; it stops");
                    return;
                }
                _ => {}
            }
            more = self.turn();
        }
        let peers: Vec<PeerKey> = self.live.iter().copied().collect();
        for peer in peers {
            self.sfu.handle_input(now(), Input::Close { peer });
        }
        self.drain();
    }

    fn wait(&self) -> Duration {
        let limit = if self.unsent.is_empty() {
            IDLE_WAIT_MAX
        } else {
            EVENT_RETRY
        };
        self.sfu
            .poll_timeout()
            .map_or(limit, |at| at.saturating_duration_since(now()).min(limit))
    }

    /// One round of orders, datagrams and timers. `true` if there was more than fits a round.
    fn turn(&mut self) -> bool {
        let mut orders = 0;
        while orders < ORDERS_PER_TURN
            && let Ok(order) = self.inbox.try_recv()
        {
            self.obey(order);
            orders += 1;
        }
        let has_messages = self.hear_neighbours();
        let mut batches = 0;
        while batches < BATCHES_PER_TURN {
            let at = now();
            let Self {
                socket,
                sfu,
                received,
                ..
            } = self;
            let got = socket.receive(at, |datagram| {
                *received += 1;
                let input = Input::Datagram {
                    source: datagram.source,
                    destination: datagram.destination,
                    payload: datagram.payload,
                };
                sfu.handle_input(at, input);
            });
            match got {
                Ok(Batch::Full) => self.drain(),
                Ok(Batch::Last) => {
                    self.drain();
                    break;
                }
                Ok(Batch::Nothing) => break,
                Err(error) => {
                    tracing::warn!(%error, "receiving on the media socket failed");
                    break;
                }
            }
            batches += 1;
        }
        let at = now();
        if self.sfu.poll_timeout().is_some_and(|due| due <= at) {
            self.sfu.handle_input(at, Input::Timeout);
            self.drain();
        }
        self.report();
        has_messages || orders == ORDERS_PER_TURN || batches == BATCHES_PER_TURN
    }

    fn obey(&mut self, order: Order) {
        let at = now();
        match order {
            Order::Open {
                peer,
                role,
                offer,
                download,
                reply,
            } => {
                self.opening.insert(peer, reply);
                let offer = offer.as_str();
                let download = download.as_ref();
                self.sfu.handle_input(
                    at,
                    match role {
                        Role::Publisher => Input::OpenPublisher { peer, offer },
                        Role::Subscriber => Input::OpenSubscriber {
                            peer,
                            offer,
                            download,
                        },
                    },
                );
            }
            Order::Patch {
                peer,
                fragment,
                reply,
            } => {
                self.patching.insert(peer, reply);
                self.sfu.handle_input(
                    at,
                    Input::Patch {
                        peer,
                        fragment: &fragment,
                    },
                );
            }
            Order::Publish {
                peer,
                publication,
                turn,
            } => {
                self.sfu
                    .handle_input(at, Input::Publish { peer, publication });
                let is_newest = !self.live.contains(&peer)
                    || self
                        .neighbours
                        .routes
                        .publish(self.id, peer, publication, turn);
                if !is_newest {
                    self.sfu.handle_input(at, Input::Yield { publication });
                }
            }
            Order::Subscribe { peer, publication } => {
                self.sfu
                    .handle_input(at, Input::Subscribe { peer, publication });
                if self.live.contains(&peer) {
                    self.neighbours.routes.subscribe(self.id, peer, publication);
                }
            }
            Order::Close { peer, reply } => {
                if let Some(reply) = reply {
                    reply.send(self.sfu.connect_failure(peer)).ok();
                }
                self.sfu.handle_input(at, Input::Close { peer });
                self.forget(peer);
            }
            Order::Stop => self.stopping = true,
        }
        self.drain();
    }

    /// A peer is gone.
    fn forget(&mut self, peer: PeerKey) {
        if self.live.remove(&peer) {
            self.load.fetch_sub(1, Ordering::Relaxed);
        }
        self.neighbours.routes.leave(self.id, peer);
    }

    /// Takes up what other workers have sent, and what has changed about who receives what. `true` if there is more.
    fn hear_neighbours(&mut self) -> bool {
        self.neighbours.links[usize::from(self.id.0)].looks();
        let at = now();
        for duty in self.neighbours.routes.duties(self.id) {
            let publication = duty.publication;
            if duty.is_fed_elsewhere {
                self.sfu.handle_input(at, Input::Yield { publication });
            }
            let to = &duty.to;
            self.sfu.handle_input(at, Input::Relay { publication, to });
            self.drain();
        }
        let mut count = 0;
        while count < MESSAGES_PER_TURN
            && let Ok(message) = self.neighbours.messages.try_recv()
        {
            count += 1;
            match message {
                Message::Burst { publication, burst } => {
                    let burst = &burst;
                    self.sfu
                        .handle_input(at, Input::Relayed { publication, burst });
                }
                Message::WantKeyframe { publication, layer } => {
                    self.sfu
                        .handle_input(at, Input::WantKeyframe { publication, layer });
                }
            }
            self.drain();
        }
        for worker in self.neighbours.routes.concerned(self.id) {
            self.neighbours.links[usize::from(worker.0)].wake();
        }
        count == MESSAGES_PER_TURN
    }

    fn tell(&mut self, worker: WorkerId, message: Message) {
        let link = self.neighbours.links.get(usize::from(worker.0));
        if !link.is_some_and(|link| link.send(message)) {
            self.bursts_dropped += 1;
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.sfu.poll_output() {
            match output {
                Output::Transmit {
                    source,
                    destination,
                    payload,
                } => {
                    let from = self.socket.answers_from(source, destination);
                    self.trains.push(&self.socket, from, destination, &payload);
                }
                Output::Train {
                    source,
                    destination,
                    contents,
                    segment,
                } => {
                    let train = Train {
                        from: self.socket.answers_from(source, destination),
                        destination,
                        contents,
                        segment: segment.max(1),
                    };
                    self.trains.send(&self.socket, train);
                    while let Some(buffer) = self.trains.spent() {
                        self.sfu.reuse(buffer);
                    }
                }
                Output::Relay {
                    publication,
                    to,
                    burst,
                } => {
                    for worker in to.iter() {
                        let burst = burst.clone();
                        self.tell(*worker, Message::Burst { publication, burst });
                    }
                }
                Output::KeyframeWanted { publication, layer } => {
                    if let Some(home) = self.neighbours.routes.home(publication) {
                        self.tell(home, Message::WantKeyframe { publication, layer });
                    }
                }
                Output::Answer { peer, sdp, .. } => {
                    self.live.insert(peer);
                    let waiting = self.opening.remove(&peer);
                    let taken = waiting.is_some_and(|reply| reply.send(Ok(sdp)).is_ok());
                    if !taken {
                        // The HTTP request is gone: nobody will ever use this peer.
                        self.sfu.handle_input(now(), Input::Close { peer });
                        self.forget(peer);
                    }
                }
                Output::Patched { peer, fragment, .. } => {
                    if let Some(reply) = self.patching.remove(&peer) {
                        reply.send(Ok(fragment)).ok();
                    }
                }
                Output::Refused { peer, error } => {
                    if let Some(reply) = self.opening.remove(&peer) {
                        self.load.fetch_sub(1, Ordering::Relaxed);
                        reply.send(Err(error)).ok();
                    } else if let Some(reply) = self.patching.remove(&peer) {
                        reply.send(Err(error)).ok();
                    }
                }
                Output::Connected { peer } => self.unsent.push_back(MediaEvent::Connected(peer)),
                Output::Undecodable {
                    peer,
                    kind,
                    published,
                } => {
                    let event = MediaEvent::Undecodable(peer, kind, published);
                    self.unsent.push_back(event);
                }
                Output::Gone { peer, reason } => {
                    tracing::debug!(peer = peer.0, ?reason, "peer gone");
                    self.forget(peer);
                    self.opening.remove(&peer);
                    self.patching.remove(&peer);
                    self.unsent.push_back(MediaEvent::Gone(peer, reason));
                }
            }
        }
        self.trains.flush(&self.socket);
    }

    /// Hands events over as far as there is room, and publishes the counters.
    fn report(&mut self) {
        while let Some(event) = self.unsent.front() {
            if self.events.try_send(event.clone()).is_err() {
                break;
            }
            self.unsent.pop_front();
        }
        self.counters.publish(WorkerStats {
            datagrams_received: self.received,
            datagrams_sent: self.trains.sent,
            datagrams_dropped: self.trains.dropped,
            datagrams_refused: self.socket.refused(),
            bursts_dropped: self.bursts_dropped,
            ..WorkerStats::of(&self.sfu.stats())
        });
    }
}

#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    Instant::now()
}
