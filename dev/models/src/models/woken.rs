//! A worker, other threads that queue messages for it, and the poll in which it sleeps.

use std::sync::Arc;

use loom::sync::Notify;
use loom::thread;

use crate::check;
use crate::queue::Queue;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::woken::Woken;

/// As node `media/link.rs` has it; `poll` is what wakes a worker.
struct Link {
    queue: Queue<2>,
    woken: Woken,
    poll: Notify,
    wakes: AtomicUsize,
}

impl Link {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            queue: Queue::new(),
            woken: Woken::default(),
            poll: Notify::new(),
            wakes: AtomicUsize::new(0),
        })
    }

    fn send(&self) {
        self.queue.put();
        if self.woken.must_wake() {
            self.wakes.fetch_add(1, Ordering::Relaxed);
            self.poll.notify();
        }
    }

    fn turn(&self) {
        self.woken.look();
        while self.queue.take() {}
    }
}

/// The worker sleeps until it has everything: if a message did not wake it, it sleeps for ever, and loom says so.
pub(super) fn no_message_is_left() {
    check(|| {
        let link = Link::new();
        let senders = [(); 2].map(|()| {
            let link = Arc::clone(&link);
            thread::spawn(move || link.send())
        });
        while link.queue.count() < 2 {
            link.poll.wait();
            link.turn();
        }
        for sender in senders {
            sender.join().unwrap();
        }
    });
}

/// Between two looks of the worker it is woken once.
pub(super) fn who_looks_is_woken_once() {
    check(|| {
        let link = Link::new();
        let sender = {
            let link = Arc::clone(&link);
            thread::spawn(move || {
                link.send();
                link.send();
            })
        };
        link.turn();
        sender.join().unwrap();
        assert!(link.wakes.load(Ordering::Relaxed) <= 2);
        link.turn();
        assert_eq!(link.queue.count(), 2);
        assert!(link.woken.must_wake(), "it looked, so it is woken again");
        assert!(!link.woken.must_wake(), "it is awake");
    });
}
