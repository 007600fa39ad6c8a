//! What workers send each other. Queues are bounded and never waited for: a worker that cannot follow loses packets,
//! as a network would, and holds nobody back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use mio::Waker;
use restage_media::{Burst, Control, PublicationKey};

/// Messages waiting for a worker.
const LINK_QUEUE_LEN: usize = 1024;

pub(super) enum Message {
    /// Packets of a publication that is fed here.
    Burst {
        publication: PublicationKey,
        burst: Burst,
    },
    /// What this worker asks of the other one.
    Control(Control),
}

/// The way to a worker.
pub(super) struct Link {
    sender: SyncSender<Message>,
    waker: Arc<Waker>,
    /// It has been woken and has not looked yet.
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

    /// `false`: there was no room.
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

    /// The worker looks now: whatever comes from here on wakes it again.
    pub(super) fn looks(&self) {
        self.is_woken.store(false, Ordering::Release);
    }
}
