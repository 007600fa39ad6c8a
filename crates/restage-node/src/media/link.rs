//! The queues between workers. They are bounded, and nobody waits for them: if a worker cannot keep up, packets to it
//! are lost, as in a network.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use mio::Waker;
use restage_media::{Burst, Control, PublicationId};

/// Most messages that wait for a worker.
const LINK_QUEUE_LEN: usize = 1024;

pub(super) enum Message {
    /// Packets of a publication that is fed here.
    Burst {
        publication: PublicationId,
        burst: Burst,
    },
    /// A control for the other worker's `Sfu`.
    Control(Control),
}

/// The queue to a worker.
pub(super) struct Link {
    sender: SyncSender<Message>,
    waker: Arc<Waker>,
    /// Whether it has been woken and has not read the queue since.
    is_woken: AtomicBool,
}

impl Link {
    pub(super) fn new(waker: Arc<Waker>) -> (Self, Receiver<Message>) {
        let (sender, receiver) = sync_channel(LINK_QUEUE_LEN);
        let link = Self {
            sender,
            waker,
            is_woken: AtomicBool::new(false),
        };
        (link, receiver)
    }

    /// Queues a message. `false` if the queue is full.
    pub(super) fn send(&self, message: Message) -> bool {
        let is_taken = self.sender.try_send(message).is_ok();
        self.wake();
        is_taken
    }

    pub(super) fn wake(&self) {
        if !self.is_woken.swap(true, Ordering::AcqRel) {
            self.waker.wake().ok();
        }
    }

    /// Called before the worker reads the queue: whatever is sent from now on wakes it again.
    pub(super) fn looks(&self) {
        self.is_woken.store(false, Ordering::Release);
    }
}
