//! A queue that promises as little as those of `std` and tokio document: an item that was put in can be taken out by whoever knows, by other
//! means, that it was put in. Somebody else may find the queue empty a little longer.

use std::sync::atomic::{AtomicUsize as Plain, Ordering as PlainOrdering};

use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// At most `N` items are ever put in: they are counted.
pub(crate) struct Queue<const N: usize> {
    next: AtomicUsize,
    is_there: [AtomicBool; N],
    taken: Plain,
}

impl<const N: usize> Queue<N> {
    pub(crate) fn new() -> Self {
        Self {
            next: AtomicUsize::new(0),
            is_there: std::array::from_fn(|_| AtomicBool::new(false)),
            taken: Plain::new(0),
        }
    }

    pub(crate) fn put(&self) {
        let place = self.next.fetch_add(1, Ordering::Relaxed);
        self.is_there[place].store(true, Ordering::Release);
    }

    /// Takes an item; only one thread takes.
    pub(crate) fn take(&self) -> bool {
        let place = self.taken.load(PlainOrdering::Relaxed);
        let is_there = place < N && self.is_there[place].load(Ordering::Acquire);
        if is_there {
            self.taken.fetch_add(1, PlainOrdering::Relaxed);
        }
        is_there
    }

    /// How many were taken.
    pub(crate) fn count(&self) -> usize {
        self.taken.load(PlainOrdering::Relaxed)
    }
}
