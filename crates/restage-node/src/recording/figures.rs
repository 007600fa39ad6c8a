//! What is counted of recordings.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use restage_record::{DropReason, Dropped};

/// Counters of all recordings. Clones share them.
#[derive(Clone, Default, Debug)]
pub(super) struct Figures(Arc<Counters>);

#[derive(Default, Debug)]
struct Counters {
    active: AtomicU64,
    segments: AtomicU64,
    bytes: AtomicU64,
    packets_missed: AtomicU64,
    packets_lost: AtomicU64,
    start_failures: AtomicU64,
    end_failures: AtomicU64,
    finished: AtomicU64,
}

/// What is counted of recordings, since the start unless a field says otherwise.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct RecordingFigures {
    /// Recordings that are captured now, those that wait for their publisher included.
    pub active: u64,
    /// Segments that were written to the spool.
    pub segments: u64,
    /// Bytes of inits and segments that were written to the spool.
    pub bytes: u64,
    /// Packets that recordings did not get because they could not keep up.
    pub packets_missed: u64,
    /// Packets that did not come from the publisher in time.
    pub packets_lost: u64,
    /// Recordings that could not start.
    pub start_failures: u64,
    /// Recordings that ended with a failure.
    pub end_failures: u64,
    /// Recordings that are wholly in their buckets.
    pub finished: u64,
}

/// Counts a recording as active while it lives.
#[derive(Debug)]
pub(super) struct Active(Figures);

impl Drop for Active {
    fn drop(&mut self) {
        self.0.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Figures {
    pub(super) fn begin(&self) -> Active {
        self.0.active.fetch_add(1, Ordering::Relaxed);
        Active(self.clone())
    }

    pub(super) fn segment(&self) {
        self.0.segments.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn bytes(&self, bytes: usize) {
        self.0.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn missed(&self, packets: u64) {
        self.0.packets_missed.fetch_add(packets, Ordering::Relaxed);
    }

    pub(super) fn dropped(&self, dropped: &Dropped) {
        if dropped.reason == DropReason::Lost {
            self.0
                .packets_lost
                .fetch_add(dropped.count, Ordering::Relaxed);
        }
    }

    pub(super) fn start_failed(&self) {
        self.0.start_failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn finished(&self, is_failure: bool) {
        let counter = match is_failure {
            true => &self.0.end_failures,
            false => &self.0.finished,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> RecordingFigures {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Counters {
            active,
            segments,
            bytes,
            packets_missed,
            packets_lost,
            start_failures,
            end_failures,
            finished,
        } = &*self.0;
        RecordingFigures {
            active: of(active),
            segments: of(segments),
            bytes: of(bytes),
            packets_missed: of(packets_missed),
            packets_lost: of(packets_lost),
            start_failures: of(start_failures),
            end_failures: of(end_failures),
            finished: of(finished),
        }
    }
}
