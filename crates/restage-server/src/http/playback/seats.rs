//! How many objects of one recording are read at the same time, by whom, and how slow a reader may be.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use restage_core::row::RecordingId;
use restage_storage::bucket::Piece;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use super::super::door::ClientKey;

/// Most objects of one recording that are read at the same time, so that one recording does not use up the 64 that all have.
const READS_PER_RECORDING_MAX: usize = 48;
/// Most objects, of all recordings, by one client: a player reads one or two at a time, and several viewers may share an address.
const READS_PER_CLIENT_MAX: usize = 12;
/// Once so many of one recording are read, only clients that read nothing get a seat: so a few clients cannot keep others away.
const READS_BEFORE_RESERVE: usize = 32;
/// How long a client may take nothing of what it asked for, before its answer is broken off.
pub(super) const STALL_MAX: Duration = Duration::from_secs(30);
/// How long an answer of any size may take. Slower clients must take [`BYTES_PER_S_MIN`] on average, or their answer is broken off: one
/// that takes a byte now and then would keep its seat for days.
const SLOW_FOR: Duration = Duration::from_secs(60);
/// See [`SLOW_FOR`]. A recording of sound alone has about as many.
const BYTES_PER_S_MIN: u64 = 8_000;
/// Pieces that wait for a client.
const PIECES_MAX: usize = 2;

/// Who reads: `None` for this machine, and for a proxy that does not say who asks. These are bounded with the recording alone.
pub(super) type Reader = Option<ClientKey>;

/// The readers of each recording.
#[derive(Debug, Default)]
pub struct RecordingSeats {
    taken: Mutex<Taken>,
}

/// How many objects are read of each recording, and by each client that can be told apart.
#[derive(Debug, Default, PartialEq, Eq)]
struct Taken {
    recordings: HashMap<RecordingId, usize>,
    clients: HashMap<ClientKey, usize>,
}

/// The place of one reader. It is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<RecordingSeats>,
    recording: RecordingId,
    reader: Reader,
}

/// Why there is no seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Busy {
    /// The client reads as many objects of the recording as one client may.
    Client,
    /// All clients together read as many as may be.
    Recording,
}

/// How slow a reader may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// See [`STALL_MAX`].
    pub(super) stall_max: Duration,
    slow_for: Duration,
    bytes_per_s_min: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            stall_max: STALL_MAX,
            slow_for: SLOW_FOR,
            bytes_per_s_min: BYTES_PER_S_MIN,
        }
    }
}

impl Pace {
    /// When an answer that began then, and of which so many bytes were taken, is broken off.
    fn deadline(&self, began: Instant, bytes: u64) -> Instant {
        began + self.slow_for + Duration::from_secs(bytes / self.bytes_per_s_min.max(1))
    }
}

impl Taken {
    fn take(&mut self, recording: &RecordingId, reader: Reader) -> Result<(), Busy> {
        let all = self.recordings.get(recording).copied().unwrap_or_default();
        let own = reader.and_then(|key| self.clients.get(&key).copied());
        let own = own.unwrap_or_default();
        if all >= READS_PER_RECORDING_MAX {
            return Err(Busy::Recording);
        }
        if own >= READS_PER_CLIENT_MAX || all >= READS_BEFORE_RESERVE && own > 0 {
            return Err(Busy::Client);
        }
        self.recordings.insert(recording.clone(), all + 1);
        if let Some(key) = reader {
            self.clients.insert(key, own + 1);
        }
        Ok(())
    }
}

/// Counts one less; what has none left is forgotten.
fn give_back<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

impl RecordingSeats {
    /// A place to read an object of a recording.
    ///
    /// # Errors
    /// A bound is reached.
    pub(super) fn take(
        self: &Arc<Self>,
        recording: &RecordingId,
        reader: Reader,
    ) -> Result<Seat, Busy> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.take(recording, reader)?;
        Ok(Seat {
            seats: Arc::clone(self),
            recording: recording.clone(),
            reader,
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let taken = &self.seats.taken;
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        give_back(&mut taken.recordings, &self.recording);
        if let Some(key) = &self.reader {
            give_back(&mut taken.clients, key);
        }
    }
}

/// A body of these pieces, which keeps the seat until all is sent, the client is gone, or too slow.
pub(super) fn body(mut pieces: BoxStream<'static, Piece>, seat: Seat, pace: Pace) -> Body {
    let (sender, receiver) = mpsc::channel(PIECES_MAX);
    tokio::spawn(async move {
        let _seat = seat;
        // What the bucket takes does not count against the client.
        let (mut began, mut bytes) = (Instant::now(), 0);
        loop {
            let asked = Instant::now();
            let Some(piece) = pieces.next().await else {
                return;
            };
            began += asked.elapsed();
            let is_last = piece.is_err();
            let length = piece.as_ref().map_or(0, |piece| piece.len() as u64);
            let sent = timeout(pace.stall_max, sender.send(piece));
            let sent = timeout_at(pace.deadline(began, bytes), sent).await;
            if is_last || !matches!(sent, Ok(Ok(Ok(())))) {
                return;
            }
            bytes += length;
        }
    });
    let pieces = stream::unfold(receiver, |mut receiver: mpsc::Receiver<Piece>| async {
        let piece = receiver.recv().await?;
        Some((piece, receiver))
    });
    Body::from_stream(pieces)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use bytes::Bytes;
    use http_body_util::BodyExt as _;

    use super::*;

    fn recording() -> RecordingId {
        RecordingId::new("aB3dEf6hXy7zAb3dEf6hXy")
    }

    fn client(number: u8) -> Reader {
        let address = IpAddr::from([203, 0, 113, number]);
        Some(ClientKey::of(address))
    }

    /// Takes all seats that a reader gets.
    fn take_all(seats: &Arc<RecordingSeats>, reader: Reader) -> Vec<Seat> {
        let take = || seats.take(&recording(), reader).ok();
        std::iter::from_fn(take).collect()
    }

    #[test]
    fn one_recording_does_not_take_the_seats_of_another() {
        let seats = Arc::new(RecordingSeats::default());
        let mut held = take_all(&seats, None);
        assert_eq!(held.len(), READS_PER_RECORDING_MAX);
        assert_eq!(
            seats.take(&recording(), client(1)).unwrap_err(),
            Busy::Recording
        );
        assert!(seats.take(&RecordingId::new("another"), None).is_ok());
        held.pop();
        assert!(seats.take(&recording(), client(1)).is_ok());
        held.clear();
        assert!(seats.taken.lock().unwrap().recordings.is_empty());
    }

    #[test]
    fn one_client_does_not_take_the_seats_of_others() {
        let seats = Arc::new(RecordingSeats::default());
        let mut held = Vec::new();
        for number in 0..4 {
            held.push(take_all(&seats, client(number)));
        }
        let counts: Vec<usize> = held.iter().map(Vec::len).collect();
        assert_eq!(counts, [12, 12, 8, 1]);
        assert_eq!(
            seats.take(&recording(), client(1)).unwrap_err(),
            Busy::Client
        );
        // What is left is for those who have nothing.
        for number in 10..25 {
            held.push(take_all(&seats, client(number)));
            assert_eq!(held.last().unwrap().len(), 1, "{number}");
        }
        assert_eq!(
            seats.take(&recording(), client(99)).unwrap_err(),
            Busy::Recording
        );
        held.remove(0);
        assert!(seats.take(&recording(), client(0)).is_ok());
        let other = RecordingId::new("another");
        assert_eq!(seats.take(&other, client(1)).unwrap_err(), Busy::Client);
        assert!(seats.take(&other, client(99)).is_ok());
        held.clear();
        assert_eq!(*seats.taken.lock().unwrap(), Taken::default());
    }

    #[tokio::test]
    async fn a_client_that_takes_little_loses_its_seat() {
        let seats = Arc::new(RecordingSeats::default());
        let seat = seats.take(&recording(), client(1)).unwrap();
        let endless = stream::repeat_with(|| Ok(Bytes::from_static(&[0; 10])));
        let pace = Pace {
            stall_max: Duration::from_secs(60),
            slow_for: Duration::from_millis(50),
            bytes_per_s_min: 1_000_000,
        };
        let mut body = body(endless.boxed(), seat, pace);
        let read_until_it_ends = async {
            while body.frame().await.is_some() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let ended = timeout(Duration::from_secs(20), read_until_it_ends).await;
        ended.expect("it is broken off, although something of it is taken all the time");
        assert!(seats.taken.lock().unwrap().recordings.is_empty());
    }

    #[tokio::test]
    async fn a_client_that_stands_still_loses_its_seat() {
        let seats = Arc::new(RecordingSeats::default());
        let seat = seats.take(&recording(), None).unwrap();
        let endless = stream::repeat_with(|| Ok(Bytes::from_static(b"x")));
        let pace = Pace {
            stall_max: Duration::from_millis(20),
            ..Pace::default()
        };
        let mut body = body(endless.boxed(), seat, pace);
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "x");
        let is_free = async {
            while !seats.taken.lock().unwrap().recordings.is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let freed = timeout(Duration::from_secs(10), is_free).await;
        freed.expect("the seat is given back although the body is not read");
    }
}
