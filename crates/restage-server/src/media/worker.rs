//! One worker: a thread that owns a socket and an `Sfu` and does nothing but drive them.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use restage_media::{Config, Input, OfferError, Output, PeerKey, PublicationKey, Sfu};
use tokio::sync::{mpsc, oneshot};

use super::udp::{Socket, Trains};
use super::{MediaError, MediaEvent, Role};

/// Orders waiting for a worker.
pub const WORKER_QUEUE_LEN: usize = 4096;
/// Batches read before timers and orders get their turn.
const BATCHES_PER_TURN: usize = 8;
/// Orders taken up before datagrams get their turn.
const ORDERS_PER_TURN: usize = 64;
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
    },
    Subscribe {
        peer: PeerKey,
        publication: PublicationKey,
    },
    Close {
        peer: PeerKey,
    },
    Stop,
}

/// Counters of a worker, for metrics.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub struct WorkerStats {
    pub peers: u64,
    pub datagrams_received: u64,
    pub datagrams_sent: u64,
    pub datagrams_dropped: u64,
}

impl std::iter::Sum for WorkerStats {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            peers: sum.peers + one.peers,
            datagrams_received: sum.datagrams_received + one.datagrams_received,
            datagrams_sent: sum.datagrams_sent + one.datagrams_sent,
            datagrams_dropped: sum.datagrams_dropped + one.datagrams_dropped,
        })
    }
}

#[derive(Default)]
struct SharedStats {
    peers: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
    dropped: AtomicU64,
}

/// The server's end of a worker.
pub(super) struct WorkerHandle {
    orders: mpsc::Sender<Order>,
    waker: Arc<Waker>,
    stats: Arc<SharedStats>,
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
        WorkerStats {
            peers: self.stats.peers.load(Ordering::Relaxed),
            datagrams_received: self.stats.received.load(Ordering::Relaxed),
            datagrams_sent: self.stats.sent.load(Ordering::Relaxed),
            datagrams_dropped: self.stats.dropped.load(Ordering::Relaxed),
        }
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

/// Starts the thread.
pub(super) fn start(
    socket: Socket,
    config: Config,
    events: mpsc::Sender<MediaEvent>,
) -> io::Result<WorkerHandle> {
    let poll = Poll::new()?;
    let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
    let fd = socket.raw_fd();
    poll.registry()
        .register(&mut SourceFd(&fd), SOCKET, Interest::READABLE)?;
    let (orders, inbox) = mpsc::channel(WORKER_QUEUE_LEN);
    let stats = Arc::new(SharedStats::default());
    let worker = Worker {
        sfu: Sfu::new(config),
        socket,
        inbox,
        events,
        unsent: VecDeque::new(),
        opening: HashMap::new(),
        patching: HashMap::new(),
        trains: Trains::new(),
        stats: Arc::clone(&stats),
        received: 0,
        live: std::collections::HashSet::new(),
        stopping: false,
    };
    let thread = std::thread::Builder::new()
        .name("media-0".to_owned())
        .spawn(move || worker.run(poll))?;
    Ok(WorkerHandle {
        orders,
        waker,
        stats,
        thread: Mutex::new(Some(thread)),
    })
}

struct Worker {
    sfu: Sfu,
    socket: Socket,
    inbox: mpsc::Receiver<Order>,
    events: mpsc::Sender<MediaEvent>,
    /// Events the server had no room for: at most two per peer.
    unsent: VecDeque<MediaEvent>,
    opening: HashMap<PeerKey, AnswerSender>,
    patching: HashMap<PeerKey, FragmentSender>,
    trains: Trains,
    stats: Arc<SharedStats>,
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
        let mut batches = 0;
        while batches < BATCHES_PER_TURN {
            let at = now();
            let Self {
                socket,
                sfu,
                received,
                ..
            } = self;
            let got = socket.receive(|datagram| {
                *received += 1;
                let input = Input::Datagram {
                    source: datagram.source,
                    destination: datagram.destination,
                    payload: datagram.payload,
                };
                sfu.handle_input(at, input);
            });
            match got {
                Ok(true) => self.drain(),
                Ok(false) => break,
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
        orders == ORDERS_PER_TURN || batches == BATCHES_PER_TURN
    }

    fn obey(&mut self, order: Order) {
        let at = now();
        match order {
            Order::Open {
                peer,
                role,
                offer,
                reply,
            } => {
                self.opening.insert(peer, reply);
                let offer = offer.as_str();
                self.sfu.handle_input(
                    at,
                    match role {
                        Role::Publisher => Input::OpenPublisher { peer, offer },
                        Role::Subscriber => Input::OpenSubscriber { peer, offer },
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
            Order::Publish { peer, publication } => {
                self.sfu
                    .handle_input(at, Input::Publish { peer, publication });
            }
            Order::Subscribe { peer, publication } => {
                self.sfu
                    .handle_input(at, Input::Subscribe { peer, publication });
            }
            Order::Close { peer } => {
                self.sfu.handle_input(at, Input::Close { peer });
                self.live.remove(&peer);
            }
            Order::Stop => self.stopping = true,
        }
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.sfu.poll_output() {
            match output {
                Output::Transmit {
                    destination,
                    payload,
                    ..
                } => {
                    self.trains.push(&self.socket, destination, &payload);
                }
                Output::Train {
                    destination,
                    contents,
                    segment,
                    ..
                } => {
                    self.trains
                        .send(&self.socket, destination, &contents, segment);
                    self.sfu.reuse(contents);
                }
                Output::Answer { peer, sdp, .. } => {
                    self.live.insert(peer);
                    let waiting = self.opening.remove(&peer);
                    let taken = waiting.is_some_and(|reply| reply.send(Ok(sdp)).is_ok());
                    if !taken {
                        // The HTTP request is gone: nobody will ever use this peer.
                        self.sfu.handle_input(now(), Input::Close { peer });
                        self.live.remove(&peer);
                    }
                }
                Output::Patched { peer, fragment, .. } => {
                    if let Some(reply) = self.patching.remove(&peer) {
                        reply.send(Ok(fragment)).ok();
                    }
                }
                Output::Refused { peer, error } => {
                    if let Some(reply) = self.opening.remove(&peer) {
                        reply.send(Err(error)).ok();
                    } else if let Some(reply) = self.patching.remove(&peer) {
                        reply.send(Err(error)).ok();
                    }
                }
                Output::Connected { peer } => self.unsent.push_back(MediaEvent::Connected(peer)),
                Output::Gone { peer, reason } => {
                    tracing::debug!(peer = peer.0, ?reason, "peer gone");
                    self.live.remove(&peer);
                    self.opening.remove(&peer);
                    self.patching.remove(&peer);
                    self.unsent.push_back(MediaEvent::Gone(peer));
                }
            }
        }
        self.trains.flush(&self.socket);
    }

    /// Hands events over as far as there is room, and publishes the counters.
    fn report(&mut self) {
        while let Some(event) = self.unsent.front() {
            if self.events.try_send(*event).is_err() {
                break;
            }
            self.unsent.pop_front();
        }
        self.stats
            .peers
            .store(self.live.len() as u64, Ordering::Relaxed);
        self.stats.received.store(self.received, Ordering::Relaxed);
        self.stats.sent.store(self.trains.sent, Ordering::Relaxed);
        self.stats
            .dropped
            .store(self.trains.dropped, Ordering::Relaxed);
    }
}

#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    Instant::now()
}
