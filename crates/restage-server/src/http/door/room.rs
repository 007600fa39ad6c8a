//! Counts the open connections, knows which are idle, and closes idle ones when room is needed.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use restage_node::seldom::Seldom;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::super::listener::Stream;
use super::phase::{BUSY, HANDSHAKE, HEAD, IDLE, Progress};

/// Most open connections, without events sockets. Further ones wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 20_000;
/// Descriptors reserved for the store, media, webhooks and files; if there are few descriptors, a quarter of them.
const DESCRIPTORS_RESERVED: usize = 256;
/// Places kept free for new connections, by closing idle ones; if there are few places, an eighth of them.
const FREE_MIN: usize = 64;
/// Time limit for a request's head, from its first byte; for the first request of a connection, from the opening of the
/// connection.
pub(crate) const HEAD_MAX: Duration = Duration::from_secs(10);
/// Time limit for a TLS handshake, from its first byte.
pub(crate) const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// Most TLS handshakes that are not finished; each may hold some ten kilobytes. Beyond that the oldest are ended. With
/// few places for connections, half of these.
const HANDSHAKES_MAX: usize = 2_048;
/// Handshakes that are ended at once when there are too many, as a part of all: so that not every new one causes a scan.
const HANDSHAKES_ENDED: usize = 16;
/// A connection without a request for this long is closed.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// A connection younger than this is not closed to make room.
const NEWCOMER_MIN: Duration = Duration::from_secs(1);
/// Longest wait for a free place before trying again to close idle connections.
const FREED_MAX: Duration = Duration::from_millis(100);

/// The places for connections.
#[derive(Debug)]
pub(crate) struct Room {
    connections_max: usize,
    handshakes_max: usize,
    handshakes: AtomicUsize,
    /// Descriptors of connections and events sockets together.
    descriptors: Arc<Semaphore>,
    free_min: usize,
    began: Instant,
    open: Mutex<Open>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    seats: HashMap<u64, Arc<Seat>>,
}

impl Room {
    /// The places of a process that may have this many descriptors open.
    pub(crate) fn new(descriptors: u64) -> Arc<Self> {
        let all = usize::try_from(descriptors).unwrap_or(usize::MAX);
        let usable = all - DESCRIPTORS_RESERVED.min(all / 4);
        let usable = usable.min(Semaphore::MAX_PERMITS);
        let connections_max = CONNECTIONS_MAX.min(usable).max(1);
        Arc::new(Self {
            connections_max,
            handshakes_max: HANDSHAKES_MAX.min(connections_max / 2).max(1),
            handshakes: AtomicUsize::new(0),
            descriptors: Arc::new(Semaphore::new(usable.max(1))),
            free_min: FREE_MIN.min(connections_max / 8).max(1),
            began: Instant::now(),
            open: Mutex::default(),
            freed: Notify::new(),
        })
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds since this was made.
    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Waits until there is a place for one more connection. If few are left, it closes the connections that are idle
    /// longest.
    pub(crate) async fn admit(self: &Arc<Self>) -> Seated {
        static FULL: Seldom = Seldom::new();
        loop {
            let freed = self.freed.notified();
            let asked = self.make_room();
            if let Some(seated) = self.seat() {
                return seated;
            }
            if asked == 0
                && let Some(kept_back) = FULL.admit()
            {
                tracing::warn!(
                    connections = self.open().seats.len(),
                    "every HTTP connection there may be has a request under way; newcomers wait{kept_back}"
                );
            }
            // The result does not matter: in both cases the loop tries again.
            let _ = tokio::time::timeout(FREED_MAX, freed).await;
        }
    }

    /// Takes a place, if there is one.
    fn seat(self: &Arc<Self>) -> Option<Seated> {
        let descriptor = Arc::clone(&self.descriptors).try_acquire_owned().ok()?;
        let mut open = self.open();
        if open.seats.len() >= self.connections_max {
            return None;
        }
        open.next += 1;
        let number = open.next;
        let seat = Arc::new(Seat {
            progress: Progress::new(),
            leave: Notify::new(),
            has_more: AtomicBool::new(false),
            left: Mutex::default(),
        });
        open.seats.insert(number, Arc::clone(&seat));
        Some(Seated {
            room: Arc::clone(self),
            number,
            seat,
            descriptor: Arc::new(descriptor),
        })
    }

    /// Asks the connections that are idle longest to close, if few places are left. Returns how many are closing.
    fn make_room(&self) -> usize {
        let open = self.open();
        let by_number = self.connections_max.saturating_sub(open.seats.len());
        let free = by_number.min(self.descriptors.available_permits());
        if free >= self.free_min {
            return 0;
        }
        drop(open);
        // Closes some more than necessary, so that not every new connection causes a scan of all of them. A young
        // connection gets time to send its request, as long as any place is left.
        let spared = if free == 0 {
            Duration::ZERO
        } else {
            NEWCOMER_MIN
        };
        self.close_idle(2 * self.free_min - free, spared)
    }

    /// Asks up to `wanted` connections that are idle longest, and at least for `spared`, to close. Returns how many are
    /// closing.
    pub(crate) fn close_idle(&self, wanted: usize, spared: Duration) -> usize {
        self.close_oldest(wanted, spared, waits)
    }

    /// Asks up to `wanted` connections of those that `may_go`, those that wait longest and at least for `spared`, to
    /// close. Returns how many are closing.
    fn close_oldest(&self, wanted: usize, spared: Duration, may_go: fn(u8) -> bool) -> usize {
        let now_ms = self.now_ms();
        let spared_ms = spared.as_millis() as u64;
        let open = self.open();
        let mut going = 0;
        let mut waiting = Vec::new();
        for seat in open.seats.values() {
            let (phase, since) = seat.progress.read();
            if seat.progress.is_asked() {
                going += 1;
            } else if may_go(phase) && now_ms.saturating_sub(since) >= spared_ms {
                waiting.push((since, seat));
            }
        }
        let count = wanted.saturating_sub(going).min(waiting.len());
        if count > 0 && count < waiting.len() {
            waiting.select_nth_unstable_by_key(count, |(since, _)| *since);
        }
        for (_, seat) in &waiting[..count] {
            seat.ask();
        }
        going + count
    }

    /// Called when accepting a connection failed for lack of descriptors: makes room, and waits a while for it.
    pub(crate) async fn starved(&self) {
        let freed = self.freed.notified();
        self.close_idle(self.free_min, Duration::ZERO);
        let _ = tokio::time::timeout(FREED_MAX, freed).await;
    }

    /// Asks connections to close whose request head is incomplete for too long, or that are idle for too long. One scan
    /// of all costs less than a timer for each.
    pub(crate) fn sweep(&self) {
        self.sweep_at(self.now_ms());
    }

    fn sweep_at(&self, now_ms: u64) {
        let open = self.open();
        for seat in open.seats.values() {
            let (phase, since) = seat.progress.read();
            let waited = Duration::from_millis(now_ms.saturating_sub(since));
            let is_over = match phase {
                HEAD => waited > HEAD_MAX,
                HANDSHAKE => waited > HANDSHAKE_MAX,
                IDLE => waited > IDLE_MAX,
                _ => false,
            };
            if is_over {
                seat.ask();
            }
        }
    }

    /// Waits until no connection is open.
    pub(crate) async fn is_empty(&self) {
        loop {
            let freed = self.freed.notified();
            if self.open().seats.is_empty() {
                return;
            }
            freed.await;
        }
    }

    /// The number of events sockets, at most `most`, that leaves enough descriptors for connections.
    pub(crate) fn sockets_max(&self, most: usize) -> usize {
        let usable = self.descriptors.available_permits();
        let rest = (usable / 8).max(4 * self.free_min);
        most.min(usable.saturating_sub(rest)).max(1)
    }
}

/// The state of an open connection.
pub(crate) struct Seat {
    progress: Progress,
    leave: Notify,
    /// Whether something of the last request's body was left unread.
    has_more: AtomicBool,
    /// The stream, once HTTP has finished with it and the client may still be sending.
    left: Mutex<Option<Box<dyn Stream>>>,
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat")
            .field("progress", &self.progress)
            .finish_non_exhaustive()
    }
}

impl Seat {
    fn is_busy(&self) -> bool {
        self.progress.phase() == BUSY
    }

    fn ask(&self) {
        if self.progress.ask() {
            self.leave.notify_one();
        }
    }
}

/// Whether a connection has arrived and has no request under way.
fn waits(phase: u8) -> bool {
    matches!(phase, HEAD | IDLE | HANDSHAKE)
}

fn is_shaking(phase: u8) -> bool {
    phase == HANDSHAKE
}

/// A taken place, which becomes free when this is dropped.
#[derive(Debug)]
pub(crate) struct Seated {
    room: Arc<Room>,
    number: u64,
    seat: Arc<Seat>,
    descriptor: Arc<OwnedSemaphorePermit>,
}

impl Seated {
    /// The descriptor's permit, shared with an events socket, which outlives the HTTP connection.
    pub(crate) fn descriptor(&self) -> Arc<OwnedSemaphorePermit> {
        Arc::clone(&self.descriptor)
    }

    /// A recorder for what happens on the connection.
    pub(crate) fn notes(&self) -> Notes {
        Notes {
            room: Arc::clone(&self.room),
            seat: Arc::clone(&self.seat),
        }
    }

    /// Whether a request is under way.
    pub(crate) fn is_busy(&self) -> bool {
        self.seat.is_busy()
    }

    /// Resolves when the connection must close: it is idle, and its place is needed or it has been idle for too long.
    pub(crate) async fn must_close(&self) {
        loop {
            self.seat.leave.notified().await;
            if !self.is_busy() {
                return;
            }
            self.seat.progress.stay();
        }
    }

    /// The stream, if part of the last request's body was left unread and the client may still be sending it.
    pub(crate) fn left(&self) -> Option<Box<dyn Stream>> {
        let mut left = self
            .seat
            .left
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        left.take()
    }
}

impl Drop for Seated {
    fn drop(&mut self) {
        self.room.open().seats.remove(&self.number);
        self.room.freed.notify_waiters();
    }
}

/// An unfinished TLS handshake, counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Shaking(Arc<Room>);

impl Drop for Shaking {
    fn drop(&mut self) {
        self.0.handshakes.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Records what happens on a connection.
#[derive(Clone, Debug)]
pub(crate) struct Notes {
    room: Arc<Room>,
    seat: Arc<Seat>,
}

impl Notes {
    /// The connection has arrived.
    pub(crate) fn arrives(&self) {
        self.since(HEAD);
    }

    /// A TLS handshake has begun; it is unfinished until the result is dropped. If too many are, the oldest end.
    pub(crate) fn shakes(&self) -> Shaking {
        self.since(HANDSHAKE);
        let count = self.room.handshakes.fetch_add(1, Ordering::Relaxed) + 1;
        if count > self.room.handshakes_max {
            let wanted = (self.room.handshakes_max / HANDSHAKES_ENDED).max(1);
            self.room.close_oldest(wanted, Duration::ZERO, is_shaking);
        }
        Shaking(Arc::clone(&self.room))
    }

    /// Bytes have arrived.
    pub(crate) fn bytes_arrived(&self) {
        if self.seat.progress.phase() == IDLE {
            self.since(HEAD);
        }
    }

    /// A request has begun.
    pub(crate) fn begins(&self) {
        self.seat.progress.begin();
    }

    /// A request was answered; `is_at_end` says whether its body was read to the end.
    pub(crate) fn ends(&self, is_at_end: bool) {
        self.seat.has_more.store(!is_at_end, Ordering::Relaxed);
        self.since(IDLE);
    }

    fn since(&self, phase: u8) {
        let now_ms = self.room.now_ms();
        self.seat.progress.enter(phase, now_ms);
    }

    /// HTTP has finished with the stream.
    pub(crate) fn leaves(&self, stream: impl Stream) {
        if self.seat.has_more.load(Ordering::Relaxed) {
            let mut left = self
                .seat
                .left
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *left = Some(Box::new(stream));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(seated: &Seated) -> bool {
        seated.seat.progress.is_asked()
    }

    #[test]
    fn descriptors_are_left_for_others() {
        for (descriptors, connections) in [
            (1_000_000, CONNECTIONS_MAX),
            (u64::MAX, CONNECTIONS_MAX),
            (4_096, 4_096 - DESCRIPTORS_RESERVED),
            (64, 48),
            (0, 1),
        ] {
            assert_eq!(Room::new(descriptors).connections_max, connections);
        }
        let room = Room::new(4_096);
        assert_eq!(room.sockets_max(100_000), 3_360);
        assert_eq!(room.sockets_max(10), 10);
    }

    #[tokio::test]
    async fn who_has_waited_longest_goes_and_who_is_served_stays() {
        // There are 12 places, of which 1 is kept free.
        let room = Room::new(16);
        let mut seated: Vec<_> = (0..12).map(|_| room.seat().unwrap()).collect();
        for (number, seated) in seated.iter().enumerate() {
            seated.notes().arrives();
            seated.seat.progress.set_since(number as u64);
        }
        seated[0].notes().begins();
        assert!(room.seat().is_none());
        let newcomer = tokio::spawn({
            let room = Arc::clone(&room);
            async move { room.admit().await }
        });
        seated[1].must_close().await;
        let going: Vec<_> = seated.iter().map(asked).collect();
        assert_eq!(going.iter().filter(|asked| **asked).count(), 2, "{going:?}");
        assert!(!going[0] && going[1] && going[2], "{going:?}");
        seated.remove(1);
        assert!(!asked(&newcomer.await.unwrap()));
    }

    #[tokio::test]
    async fn who_has_just_come_is_spared_while_there_is_a_place() {
        // Fewer places are free than should be, and every connection but the new one has a request.
        let room = Room::new(4_096);
        let busy: Vec<_> = (0..3_800)
            .map(|_| {
                let seated = room.seat().unwrap();
                seated.notes().arrives();
                seated.notes().begins();
                seated
            })
            .collect();
        let newcomer = room.admit().await;
        newcomer.notes().arrives();
        let next = room.admit().await;
        assert!(!asked(&newcomer) && !asked(&next));
        assert_eq!(room.close_idle(1, Duration::ZERO), 1);
        assert!(asked(&newcomer));
        drop(busy);
    }

    #[tokio::test]
    async fn a_head_and_a_pause_have_their_times() {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap();
        let (head, idle_for) = (ms(HEAD_MAX), ms(IDLE_MAX));
        let room = Room::new(64);
        // The time limit starts when the connection arrives, however long that takes.
        let expected = room.seat().unwrap();
        let [silent, half, idle, busy] = [(); 4].map(|()| room.seat().unwrap());
        for seated in [&silent, &half, &idle, &busy] {
            seated.notes().arrives();
        }
        for seated in [&half, &idle, &busy] {
            seated.notes().begins();
        }
        half.notes().ends(true);
        idle.notes().ends(true);
        half.notes().bytes_arrived();
        let all = [&silent, &half, &idle, &busy];
        for (seated, since) in all.into_iter().zip([0, head / 2, 0, 0]) {
            seated.seat.progress.set_since(since);
        }
        // More bytes of the same head do not extend the time limit.
        half.notes().bytes_arrived();
        for (now, going) in [
            (head, [false; 4]),
            (head + 1, [true, false, false, false]),
            (head + head / 2 + 1, [true, true, false, false]),
            (idle_for, [true, true, false, false]),
            (idle_for + 1, [true, true, true, false]),
        ] {
            room.sweep_at(now);
            assert_eq!(all.map(asked), going, "{now}");
            assert!(!asked(&expected), "{now}");
        }
        // A request that arrived meanwhile is served.
        idle.notes().begins();
        let leaves = tokio::time::timeout(Duration::from_millis(50), idle.must_close());
        assert!(leaves.await.is_err());
        assert!(!asked(&idle));
        drop((expected, silent, half, idle, busy));
        room.is_empty().await;
    }

    #[tokio::test]
    async fn handshakes_have_a_time_and_a_number() {
        let room = Room::new(256);
        let max = room.handshakes_max;
        let seated: Vec<_> = (0..=max).map(|_| room.seat().unwrap()).collect();
        let mut shaking = Vec::new();
        for (number, seated) in seated[..max].iter().enumerate() {
            shaking.push(seated.notes().shakes());
            seated.seat.progress.set_since(number as u64);
        }
        let limit = u64::try_from(HANDSHAKE_MAX.as_millis()).unwrap();
        room.sweep_at(limit);
        assert!(!seated.iter().any(asked));
        // The number is reached: the oldest go.
        while room.now_ms() <= max as u64 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let newest = seated[max].notes().shakes();
        let going = seated.iter().filter(|seated| asked(seated)).count();
        assert_eq!(going, (max / HANDSHAKES_ENDED).max(1));
        assert!(asked(&seated[0]) && !asked(&seated[max]));
        drop((newest, shaking));
        assert_eq!(room.handshakes.load(Ordering::Relaxed), 0);
        // The head's time begins after the handshake.
        let (finished, slow) = (&seated[max], &seated[max - 1]);
        finished.notes().arrives();
        finished.seat.progress.set_since(limit);
        room.sweep_at(limit + max as u64 + 1);
        assert!(asked(slow) && !asked(finished));
    }
}
