//! How many objects of one recording are read at the same time, and for how long a reader may stand still.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use restage_core::row::RecordingId;
use restage_storage::bucket::Piece;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Most objects of one recording that are read at the same time, so that one link does not use up what all have.
const READS_PER_RECORDING_MAX: usize = 16;
/// How long a client may take nothing of what it asked for, before its answer is broken off.
pub(super) const STALL_MAX: Duration = Duration::from_secs(30);
/// Pieces that wait for a client.
const PIECES_MAX: usize = 2;

/// The readers of each recording.
#[derive(Debug, Default)]
pub struct RecordingSeats {
    taken: Mutex<HashMap<RecordingId, usize>>,
}

/// The place of one reader. It is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<RecordingSeats>,
    recording: RecordingId,
}

impl RecordingSeats {
    /// A place to read an object of a recording; `None` while [`READS_PER_RECORDING_MAX`] are taken.
    pub(super) fn take(self: &Arc<Self>, recording: &RecordingId) -> Option<Seat> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(recording.clone()).or_default();
        if *count >= READS_PER_RECORDING_MAX {
            return None;
        }
        *count += 1;
        Some(Seat {
            seats: Arc::clone(self),
            recording: recording.clone(),
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let taken = &self.seats.taken;
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.recording) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.recording);
            }
        }
    }
}

/// A body of these pieces, which keeps the seat until all is sent, the client is gone, or has stood still for this long.
pub(super) fn body(mut pieces: BoxStream<'static, Piece>, seat: Seat, stall_max: Duration) -> Body {
    let (sender, receiver) = mpsc::channel(PIECES_MAX);
    tokio::spawn(async move {
        let _seat = seat;
        while let Some(piece) = pieces.next().await {
            let is_last = piece.is_err();
            let sent = timeout(stall_max, sender.send(piece)).await;
            if is_last || !matches!(sent, Ok(Ok(()))) {
                return;
            }
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
    use bytes::Bytes;
    use http_body_util::BodyExt as _;

    use super::*;

    fn recording() -> RecordingId {
        RecordingId::new("aB3dEf6hXy7zAb3dEf6hXy")
    }

    #[test]
    fn one_recording_does_not_take_the_seats_of_another() {
        let seats = Arc::new(RecordingSeats::default());
        let mut held: Vec<Seat> = Vec::new();
        while let Some(seat) = seats.take(&recording()) {
            held.push(seat);
        }
        assert_eq!(held.len(), READS_PER_RECORDING_MAX);
        assert!(seats.take(&RecordingId::new("another")).is_some());
        held.pop();
        assert!(seats.take(&recording()).is_some());
        held.clear();
        assert!(seats.taken.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_client_that_stands_still_loses_its_seat() {
        let seats = Arc::new(RecordingSeats::default());
        let seat = seats.take(&recording()).unwrap();
        let endless = stream::repeat_with(|| Ok(Bytes::from_static(b"x")));
        let mut body = body(endless.boxed(), seat, Duration::from_millis(20));
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "x");
        let is_free = async {
            while !seats.taken.lock().unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let freed = timeout(Duration::from_secs(10), is_free).await;
        freed.expect("the seat is given back although the body is not read");
    }
}
