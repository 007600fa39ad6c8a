//! The queues to a worker: from other workers, and from the connections of clients. They are bounded. Workers wait for
//! nobody: if another worker cannot keep up, packets to it are lost, as in a network. Connections wait, so that their
//! clients send no faster than the worker reads.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use mio::Waker;
use restage_media::{Burst, Control, Protocol, PublicationId, WorkerId};
use tokio::sync::mpsc;

use super::tcp::Queue;
use super::woken::Woken;

/// Most messages that wait for a worker.
const LINK_QUEUE_LEN: usize = 1024;
/// Most arrivals that wait for a worker.
const ARRIVALS_LEN: usize = 256;

pub(super) enum Message {
    /// Packets of a publication that is fed here.
    Burst {
        publication: PublicationId,
        burst: Burst,
    },
    /// A control for the other worker's `Sfu`.
    Control(Control),
}

/// How datagrams get to a client that does not use UDP.
#[derive(Clone)]
pub(super) enum Line {
    /// By this worker's own relay.
    Own,
    /// By the relay of another worker.
    Worker(WorkerId),
    /// By a connection.
    Connection(Arc<Queue>),
}

/// What comes to a worker otherwise than by its socket.
pub(super) enum Arrival {
    /// Datagrams of one client.
    Datagrams(Datagrams),
    /// Datagrams for a client of this worker's relay, from a peer of another worker.
    ForClient(Leaving),
    /// The relay of another worker has no such allocation any more.
    Ended { relayed: SocketAddr },
}

/// Datagrams of one client, in the order in which they came.
pub(super) struct Datagrams {
    /// How it is answered.
    pub(super) line: Line,
    pub(super) protocol: Protocol,
    pub(super) source: SocketAddr,
    pub(super) bytes: Vec<u8>,
    /// The address to which each was sent, and where it is in `bytes`.
    pub(super) parts: Vec<(SocketAddr, Range<usize>)>,
}

/// Datagrams of `segment` bytes for a client that does not use UDP; the last may be shorter.
pub(super) struct Leaving {
    pub(super) protocol: Protocol,
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) contents: Vec<u8>,
    pub(super) segment: usize,
    /// Whether they are RTP packets of pictures.
    pub(super) is_video: bool,
}

/// The queues to a worker.
pub(super) struct Link {
    sender: SyncSender<Message>,
    arrivals: mpsc::Sender<Arrival>,
    waker: Arc<Waker>,
    woken: Woken,
}

impl Link {
    pub(super) fn new(waker: Arc<Waker>) -> (Self, Receiver<Message>, mpsc::Receiver<Arrival>) {
        let (sender, receiver) = sync_channel(LINK_QUEUE_LEN);
        let (arrivals, arriving) = mpsc::channel(ARRIVALS_LEN);
        let link = Self {
            sender,
            arrivals,
            waker,
            woken: Woken::default(),
        };
        (link, receiver, arriving)
    }

    /// Queues a message. `false` if the queue is full.
    pub(super) fn send(&self, message: Message) -> bool {
        let is_taken = self.sender.try_send(message).is_ok();
        self.wake();
        is_taken
    }

    /// Queues an arrival of another worker. `false` if the queue is full.
    pub(super) fn pass(&self, arrival: Arrival) -> bool {
        let is_taken = self.arrivals.try_send(arrival).is_ok();
        self.wake();
        is_taken
    }

    /// Queues an arrival of a connection, and waits for room. `false`: the worker is gone.
    pub(super) async fn arrive(&self, arrival: Arrival) -> bool {
        let is_taken = self.arrivals.send(arrival).await.is_ok();
        self.wake();
        is_taken
    }

    pub(super) fn wake(&self) {
        if self.woken.must_wake() {
            self.waker.wake().ok();
        }
    }

    /// Called before the worker reads the queues: whatever is sent from now on wakes it again.
    pub(super) fn looks(&self) {
        self.woken.look();
    }
}
