//! How many connections are open, which of them wait for nothing, and who goes when room is needed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use restage_node::seldom::Seldom;
use tokio::net::TcpStream;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Open connections; events sockets are counted apart. More wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 20_000;
/// Descriptors that connections leave to the store, media, webhooks and files; of few descriptors a quarter.
const DESCRIPTORS_RESERVED: usize = 256;
/// Places that are kept free for newcomers, by closing connections that wait for nothing; of few places an eighth.
const FREE_MIN: usize = 64;
/// A request's head must be there so long after its first byte, the first one of a connection so long after the
/// connection.
pub(crate) const HEAD_MAX: Duration = Duration::from_secs(10);
/// A connection is closed when nothing was asked over it for this long.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// How long one that has just come is spared when room is made.
const NEWCOMER_MIN: Duration = Duration::from_secs(1);
/// How long to wait for a place before looking again whether somebody can be asked to go.
const FREED_MAX: Duration = Duration::from_millis(100);

/// The connection has not come yet.
const EXPECTED: u8 = 3;
/// The first byte of a request is awaited, or its head is coming.
const HEAD: u8 = 0;
/// A request was answered, and nothing of the next has come.
const IDLE: u8 = 1;
/// A request is under way.
const BUSY: u8 = 2;

/// Room for connections.
#[derive(Debug)]
pub(crate) struct Room {
    connections_max: usize,
    /// For connections and events sockets together.
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
    /// For a process that may have so many descriptors open.
    pub(crate) fn new(descriptors: u64) -> Arc<Self> {
        let all = usize::try_from(descriptors).unwrap_or(usize::MAX);
        let usable = all - DESCRIPTORS_RESERVED.min(all / 4);
        let usable = usable.min(Semaphore::MAX_PERMITS);
        let connections_max = CONNECTIONS_MAX.min(usable).max(1);
        Arc::new(Self {
            connections_max,
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

    /// Waits until there is room for one more, closing what has waited longest for nothing if there is little.
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
            // Either is a reason to look again.
            let _ = tokio::time::timeout(FREED_MAX, freed).await;
        }
    }

    /// A place, if there is one.
    fn seat(self: &Arc<Self>) -> Option<Seated> {
        let descriptor = Arc::clone(&self.descriptors).try_acquire_owned().ok()?;
        let mut open = self.open();
        if open.seats.len() >= self.connections_max {
            return None;
        }
        open.next += 1;
        let number = open.next;
        let seat = Arc::new(Seat {
            phase: AtomicU8::new(EXPECTED),
            since_ms: AtomicU64::new(0),
            asked: AtomicBool::new(false),
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

    /// Asks those that have waited longest for nothing to go, if there is little room left. Says how many are going.
    fn make_room(&self) -> usize {
        let open = self.open();
        let by_number = self.connections_max.saturating_sub(open.seats.len());
        let free = by_number.min(self.descriptors.available_permits());
        if free >= self.free_min {
            return 0;
        }
        drop(open);
        // Some more than need be, so that not every newcomer costs a look at all of them. Who has just come is given the
        // time to ask, as long as there is a place left at all.
        let spared = if free == 0 {
            Duration::ZERO
        } else {
            NEWCOMER_MIN
        };
        self.ask_to_go(2 * self.free_min - free, spared)
    }

    /// Asks so many of those that have waited longest for nothing, and for so long at least, to go. Says how many are
    /// going.
    pub(crate) fn ask_to_go(&self, wanted: usize, spared: Duration) -> usize {
        let now_ms = self.now_ms();
        let spared_ms = spared.as_millis() as u64;
        let open = self.open();
        let mut going = 0;
        let mut waiting = Vec::new();
        for seat in open.seats.values() {
            if seat.asked.load(Ordering::Relaxed) {
                going += 1;
            } else if seat.waits() {
                let since = seat.since_ms.load(Ordering::Relaxed);
                if now_ms.saturating_sub(since) >= spared_ms {
                    waiting.push((since, seat));
                }
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

    /// The accept of a connection failed for want of descriptors: makes room, and waits for it a while.
    pub(crate) async fn starved(&self) {
        let freed = self.freed.notified();
        self.ask_to_go(self.free_min, Duration::ZERO);
        let _ = tokio::time::timeout(FREED_MAX, freed).await;
    }

    /// Asks connections to go whose request does not come to an end of its head, or that were not used for long. One look
    /// at all of them costs less than a timer for each.
    pub(crate) fn sweep(&self) {
        self.sweep_at(self.now_ms());
    }

    fn sweep_at(&self, now_ms: u64) {
        let open = self.open();
        for seat in open.seats.values() {
            let since = seat.since_ms.load(Ordering::Relaxed);
            let waited = Duration::from_millis(now_ms.saturating_sub(since));
            let is_over = match seat.phase.load(Ordering::Relaxed) {
                HEAD => waited > HEAD_MAX,
                IDLE => waited > IDLE_MAX,
                _ => false,
            };
            if is_over {
                seat.ask();
            }
        }
    }

    /// Waits until nobody is left.
    pub(crate) async fn is_empty(&self) {
        loop {
            let freed = self.freed.notified();
            if self.open().seats.is_empty() {
                return;
            }
            freed.await;
        }
    }

    /// How many events sockets leave room for connections.
    pub(crate) fn sockets_max(&self, most: usize) -> usize {
        let usable = self.descriptors.available_permits();
        let rest = (usable / 8).max(4 * self.free_min);
        most.min(usable.saturating_sub(rest)).max(1)
    }
}

/// The state of an open connection.
#[derive(Debug)]
pub(crate) struct Seat {
    phase: AtomicU8,
    /// When it came into its phase.
    since_ms: AtomicU64,
    asked: AtomicBool,
    leave: Notify,
    /// Whether something of the last request's body was left unread.
    has_more: AtomicBool,
    /// The stream, when HTTP is done with it and the client may still be sending.
    left: Mutex<Option<TcpStream>>,
}

impl Seat {
    fn is_busy(&self) -> bool {
        self.phase.load(Ordering::Relaxed) == BUSY
    }

    /// Whether it is there and nothing is under way.
    fn waits(&self) -> bool {
        matches!(self.phase.load(Ordering::Relaxed), HEAD | IDLE)
    }

    fn ask(&self) {
        if !self.asked.swap(true, Ordering::Relaxed) {
            self.leave.notify_one();
        }
    }
}

/// A place that is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Seated {
    room: Arc<Room>,
    number: u64,
    seat: Arc<Seat>,
    descriptor: Arc<OwnedSemaphorePermit>,
}

impl Seated {
    /// Shared with what outlives the connection's time as one of HTTP.
    pub(crate) fn descriptor(&self) -> Arc<OwnedSemaphorePermit> {
        Arc::clone(&self.descriptor)
    }

    /// What notes what happens on the connection.
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

    /// Resolves when the connection shall go: it waits for nothing, and somebody needs its place or it has waited too long.
    pub(crate) async fn is_to_leave(&self) {
        loop {
            self.seat.leave.notified().await;
            if !self.is_busy() {
                return;
            }
            self.seat.asked.store(false, Ordering::Relaxed);
        }
    }

    /// The stream, if something of the last request's body was left unread and the client may still be sending it.
    pub(crate) fn left(&self) -> Option<TcpStream> {
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

/// Notes what happens on a connection.
#[derive(Clone, Debug)]
pub(crate) struct Notes {
    room: Arc<Room>,
    seat: Arc<Seat>,
}

impl Notes {
    /// The connection is there.
    pub(crate) fn arrives(&self) {
        self.since(HEAD);
    }

    /// Bytes came.
    pub(crate) fn heard(&self) {
        if self.seat.phase.load(Ordering::Relaxed) == IDLE {
            self.since(HEAD);
        }
    }

    /// A request begins.
    pub(crate) fn begins(&self) {
        self.seat.phase.store(BUSY, Ordering::Relaxed);
    }

    /// It was answered, with its body read to the end or not.
    pub(crate) fn ends(&self, is_at_end: bool) {
        self.seat.has_more.store(!is_at_end, Ordering::Relaxed);
        self.since(IDLE);
    }

    fn since(&self, phase: u8) {
        let now_ms = self.room.now_ms();
        self.seat.since_ms.store(now_ms, Ordering::Relaxed);
        self.seat.phase.store(phase, Ordering::Relaxed);
    }

    /// HTTP is done with the stream.
    pub(crate) fn leaves(&self, stream: TcpStream) {
        if self.seat.has_more.load(Ordering::Relaxed) {
            let mut left = self
                .seat
                .left
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *left = Some(stream);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(seated: &Seated) -> bool {
        seated.seat.asked.load(Ordering::Relaxed)
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
        // Room for 12, of which 1 is kept free.
        let room = Room::new(16);
        let mut seated: Vec<_> = (0..12).map(|_| room.seat().unwrap()).collect();
        for (number, seated) in seated.iter().enumerate() {
            seated.notes().arrives();
            seated.seat.since_ms.store(number as u64, Ordering::Relaxed);
        }
        seated[0].notes().begins();
        assert!(room.seat().is_none());
        let newcomer = tokio::spawn({
            let room = Arc::clone(&room);
            async move { room.admit().await }
        });
        seated[1].is_to_leave().await;
        let going: Vec<_> = seated.iter().map(asked).collect();
        assert_eq!(going.iter().filter(|asked| **asked).count(), 2, "{going:?}");
        assert!(!going[0] && going[1] && going[2], "{going:?}");
        seated.remove(1);
        assert!(!asked(&newcomer.await.unwrap()));
    }

    #[tokio::test]
    async fn who_has_just_come_is_spared_while_there_is_a_place() {
        // Fewer places are free than are kept, and everybody but the newcomer is served.
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
        assert_eq!(room.ask_to_go(1, Duration::ZERO), 1);
        assert!(asked(&newcomer));
        drop(busy);
    }

    #[tokio::test]
    async fn a_head_and_a_pause_have_their_times() {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap();
        let (head, idle_for) = (ms(HEAD_MAX), ms(IDLE_MAX));
        let room = Room::new(64);
        // However long a connection is awaited, it has its time when it comes.
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
        half.notes().heard();
        let all = [&silent, &half, &idle, &busy];
        for (seated, since) in all.into_iter().zip([0, head / 2, 0, 0]) {
            seated.seat.since_ms.store(since, Ordering::Relaxed);
        }
        // More of the same head gives no more time.
        half.notes().heard();
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
        // A request that came meanwhile is served.
        idle.notes().begins();
        let leaves = tokio::time::timeout(Duration::from_millis(50), idle.is_to_leave());
        assert!(leaves.await.is_err());
        assert!(!asked(&idle));
        drop((expected, silent, half, idle, busy));
        room.is_empty().await;
    }
}
