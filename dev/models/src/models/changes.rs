//! A writer that commits and counts, a reader that caches what it has read, and a caller who comes after the commit was answered.

use std::sync::Arc;

use loom::thread;

use crate::check;
use crate::counts::Counts;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const SLOTS: [usize; 2] = [0, 1];

struct Store {
    /// What is in the database. It promises no order of its own.
    row: AtomicU64,
    counts: Counts,
    /// The counts before the row was read, and the row.
    cached: Mutex<Option<(u64, u64)>>,
    is_answered: AtomicBool,
}

impl Store {
    fn read(&self) {
        let seen = self.counts.sum(SLOTS);
        let row = self.row.load(Ordering::Relaxed);
        *self.cached.lock().unwrap() = Some((seen, row));
    }

    /// The cached answer, if it still holds.
    fn cached(&self) -> Option<u64> {
        let (seen, row) = (*self.cached.lock().unwrap())?;
        (self.counts.sum(SLOTS) == seen).then_some(row)
    }
}

fn no_answer_is_stale_after(count: fn(&Counts)) {
    check(move || {
        let store = Arc::new(Store {
            row: AtomicU64::new(0),
            counts: Counts::new(2),
            cached: Mutex::new(None),
            is_answered: AtomicBool::new(false),
        });
        let writer = {
            let store = Arc::clone(&store);
            thread::spawn(move || {
                store.row.store(1, Ordering::Relaxed);
                count(&store.counts);
                store.is_answered.store(true, Ordering::Release);
            })
        };
        let reader = {
            let store = Arc::clone(&store);
            thread::spawn(move || store.read())
        };
        if store.is_answered.load(Ordering::Acquire)
            && let Some(row) = store.cached()
        {
            assert_eq!(row, 1, "the caller was answered, so the change is there");
        }
        writer.join().unwrap();
        reader.join().unwrap();
        assert_ne!(store.cached(), Some(0));
    });
}

pub(super) fn no_answer_is_stale() {
    no_answer_is_stale_after(|counts| counts.add(SLOTS[1]));
}

pub(super) fn unknown_changes_count() {
    no_answer_is_stale_after(Counts::add_to_all);
}
