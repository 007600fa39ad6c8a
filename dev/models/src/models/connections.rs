//! A connection, and another thread that looks for connections which can leave.

use std::sync::Arc;

use loom::thread;

use crate::check;
use crate::phase::{BUSY, HEAD, IDLE, Progress};
use crate::sync::atomic::{AtomicBool, Ordering};

/// When the answer to a long request was sent.
const ANSWERED_MS: u64 = 100_000;

pub(super) fn an_answer_begins_the_pause() {
    check(|| {
        let progress = Arc::new(Progress::new());
        progress.enter(HEAD, 0);
        let connection = {
            let progress = Arc::clone(&progress);
            thread::spawn(move || {
                progress.begin();
                progress.enter(IDLE, ANSWERED_MS);
            })
        };
        let (phase, since_ms) = progress.read();
        if phase == IDLE {
            assert_eq!(since_ms, ANSWERED_MS);
        }
        connection.join().unwrap();
    });
}

/// As `Room` and `Seated` use it: `told` is the permit of the connection's notification.
struct Seat {
    progress: Progress,
    told: AtomicBool,
}

impl Seat {
    fn ask(&self) {
        if self.progress.ask() {
            self.told.swap(true, Ordering::AcqRel);
        }
    }

    /// Whether the connection leaves now.
    fn must_close(&self) -> bool {
        if !self.told.swap(false, Ordering::AcqRel) {
            return false;
        }
        let is_busy = self.progress.phase() == BUSY;
        if is_busy {
            self.progress.stay();
        }
        !is_busy
    }
}

/// It is asked while a request is under way, and once more when it is idle.
pub(super) fn who_stayed_can_be_asked() {
    check(|| {
        let seat = Arc::new(Seat {
            progress: Progress::new(),
            told: AtomicBool::new(false),
        });
        seat.progress.enter(HEAD, 0);
        let asking = {
            let seat = Arc::clone(&seat);
            thread::spawn(move || {
                seat.ask();
                seat.ask();
            })
        };
        seat.progress.begin();
        let mut leaves = seat.must_close();
        assert!(!leaves, "a request is under way");
        seat.progress.enter(IDLE, ANSWERED_MS);
        leaves = seat.must_close();
        asking.join().unwrap();
        leaves = leaves || seat.must_close();
        seat.ask();
        assert!(leaves || seat.must_close());
    });
}
