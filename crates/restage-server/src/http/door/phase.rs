//! What a connection is doing, and since when. Its own task writes this for every request; others read it to find who can leave.

use crate::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

/// The place is taken, and the connection has not arrived yet.
const EXPECTED: u8 = 3;
/// The connection waits for the first byte of a request, or its head is arriving.
pub(super) const HEAD: u8 = 0;
/// A request was answered, and nothing of the next has arrived.
pub(super) const IDLE: u8 = 1;
/// A request is under way.
pub(super) const BUSY: u8 = 2;
/// A TLS handshake has begun.
pub(super) const HANDSHAKE: u8 = 4;

#[derive(Debug)]
pub(super) struct Progress {
    phase: AtomicU8,
    /// When it entered its present phase. A request that begins leaves it as it is.
    since_ms: AtomicU64,
    /// Whether it was asked to leave.
    asked: AtomicBool,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            phase: AtomicU8::new(EXPECTED),
            since_ms: AtomicU64::new(0),
            asked: AtomicBool::new(false),
        }
    }

    /// The connection enters a phase. Who sees the phase also sees since when (release and acquire): a connection that has just answered
    /// a long request is not taken for one that has been idle for as long.
    pub(super) fn enter(&self, phase: u8, now_ms: u64) {
        self.since_ms.store(now_ms, Ordering::Relaxed);
        self.phase.store(phase, Ordering::Release);
    }

    /// A request has begun.
    pub(super) fn begin(&self) {
        self.phase.store(BUSY, Ordering::Relaxed);
    }

    pub(super) fn phase(&self) -> u8 {
        self.phase.load(Ordering::Acquire)
    }

    /// The phase, and since when it has lasted; if the connection goes on meanwhile, a later time.
    pub(super) fn read(&self) -> (u8, u64) {
        let phase = self.phase();
        (phase, self.since_ms.load(Ordering::Relaxed))
    }

    /// Asks it to leave. `true`: it has to be told, as it was not asked yet.
    pub(super) fn ask(&self) -> bool {
        !self.asked.swap(true, Ordering::Relaxed)
    }

    pub(super) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// It was asked to leave while a request is under way, and stays. It can be asked again.
    pub(super) fn stay(&self) {
        self.asked.swap(false, Ordering::Relaxed);
    }

    #[cfg(test)]
    pub(super) fn set_since(&self, ms: u64) {
        self.since_ms.store(ms, Ordering::Relaxed);
    }
}
