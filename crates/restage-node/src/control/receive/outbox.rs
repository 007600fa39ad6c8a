//! What the client of a receiving connection has to be told. Only the newest of each kind is kept, so nothing queues up for a client
//! that reads slowly, or has no socket at the moment.

use std::sync::{Mutex, MutexGuard, PoisonError};

use restage_core::id::ParticipantId;
use tokio::sync::Notify;

use super::{ReceiveClosed, ReceiveError, Viewer};

/// One of the things that a client is told.
#[derive(Debug, Clone, PartialEq)]
pub enum ReceiveNews {
    /// What became of all that is wanted.
    State(Vec<ViewerState>),
    /// An offer.
    Offer(ReceiveOffer),
    /// The connection has ended. Nothing follows.
    Closed(ReceiveClosed),
}

/// The state of everything that a viewer receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewerState {
    /// The receiving participant.
    pub viewer: Viewer,
    /// The state of each publisher.
    pub received: Vec<ReceiveState>,
    /// Why nothing was changed for this viewer, if so.
    pub refused: Option<ReceiveError>,
}

/// What became of what is wanted of a publisher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiveState {
    /// The publisher.
    pub publisher: ParticipantId,
    /// Whether pictures are wanted besides sound.
    pub has_video: bool,
    /// What became of it.
    pub state: ReceivedState,
}

/// Whether a publisher is received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceivedState {
    /// It is subscribed to.
    Attached,
    /// It is not publishing; it is attached by itself when it does.
    Waiting,
    /// It cannot be received; the next RECEIVE_CONFIGURE tries again.
    Refused {
        /// For programs.
        code: &'static str,
        /// For people.
        message: String,
    },
}

/// An offer to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiveOffer {
    /// Counts the offers of the connection.
    pub revision: u64,
    /// The SDP offer.
    pub sdp: String,
    /// Which sections are for whom.
    pub streams: Vec<ReceiveStream>,
}

/// The sections of a publisher in an offer, by their `a=mid`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiveStream {
    /// The receiving participant.
    pub viewer: Viewer,
    /// The publisher.
    pub publisher: ParticipantId,
    /// Its sound.
    pub audio_mid: Option<String>,
    /// Its pictures.
    pub video_mid: Option<String>,
}

#[derive(Debug, Default)]
struct Contents {
    state: Option<Vec<ViewerState>>,
    /// The offer that is open.
    offer: Option<ReceiveOffer>,
    is_offer_told: bool,
    closed: Option<ReceiveClosed>,
    /// The number of the socket that is told.
    reader: u64,
}

#[derive(Debug, Default)]
pub(in crate::control) struct Outbox {
    contents: Mutex<Contents>,
    wake: Notify,
}

impl Outbox {
    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_state(&self, state: Vec<ViewerState>) {
        self.contents().state = Some(state);
        self.wake.notify_one();
    }

    pub(super) fn set_offer(&self, offer: ReceiveOffer) {
        let mut contents = self.contents();
        contents.offer = Some(offer);
        contents.is_offer_told = false;
        drop(contents);
        self.wake.notify_one();
    }

    /// The offer is answered.
    pub(super) fn close_offer(&self) {
        self.contents().offer = None;
    }

    pub(super) fn close(&self, closed: ReceiveClosed) {
        self.contents().closed = Some(closed);
        self.wake.notify_one();
    }

    /// Another socket takes over: it is told the offer that is open again, because the answer may be lost. From now on nothing is told to
    /// the one before, which may be waiting although its client is gone. Returns the number with which the new one asks.
    pub(super) fn adopt(&self) -> u64 {
        let mut contents = self.contents();
        contents.is_offer_told = false;
        contents.reader += 1;
        self.wake.notify_one();
        contents.reader
    }

    /// Whether this socket is told.
    pub(super) fn is_told_to(&self, reader: u64) -> bool {
        self.contents().reader == reader
    }

    /// What the socket with this number is told next; nothing, if another one has taken over.
    pub(super) async fn next(&self, reader: u64) -> ReceiveNews {
        loop {
            if !self.is_told_to(reader) {
                // It may have been woken in place of the other one.
                self.wake.notify_one();
                return std::future::pending().await;
            }
            if let Some(news) = self.take(reader) {
                return news;
            }
            self.wake.notified().await;
        }
    }

    fn take(&self, reader: u64) -> Option<ReceiveNews> {
        let mut contents = self.contents();
        if contents.reader != reader {
            return None;
        }
        if let Some(closed) = contents.closed.take() {
            contents.offer = None;
            contents.state = None;
            return Some(ReceiveNews::Closed(closed));
        }
        if let Some(state) = contents.state.take() {
            return Some(ReceiveNews::State(state));
        }
        if contents.is_offer_told {
            return None;
        }
        let offer = contents.offer.clone()?;
        contents.is_offer_told = true;
        Some(ReceiveNews::Offer(offer))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    fn offer(revision: u64) -> ReceiveOffer {
        ReceiveOffer {
            revision,
            sdp: String::new(),
            streams: Vec::new(),
        }
    }

    #[test]
    fn only_the_newest_is_told_and_an_open_offer_again_to_another_socket() {
        let outbox = Outbox::default();
        assert_eq!(outbox.take(0), None);
        outbox.set_offer(offer(1));
        outbox.set_offer(offer(2));
        outbox.set_state(Vec::new());
        assert_eq!(outbox.take(0), Some(ReceiveNews::State(Vec::new())));
        assert_eq!(outbox.take(0), Some(ReceiveNews::Offer(offer(2))));
        assert_eq!(outbox.take(0), None);
        let second = outbox.adopt();
        assert_eq!(outbox.take(0), None, "it is told to the other socket");
        let told = outbox.take(second);
        assert_eq!(told, Some(ReceiveNews::Offer(offer(2))));
        outbox.close_offer();
        let third = outbox.adopt();
        assert_eq!(outbox.take(third), None);
    }

    #[test]
    fn the_end_comes_before_everything_and_is_told_once() {
        let outbox = Outbox::default();
        outbox.set_offer(offer(1));
        outbox.set_state(Vec::new());
        let closed = ReceiveClosed {
            code: "CLOSED",
            message: String::new(),
        };
        outbox.close(closed.clone());
        assert_eq!(outbox.take(0), Some(ReceiveNews::Closed(closed)));
        assert_eq!(outbox.take(0), None);
    }

    /// The first socket still waits, because nobody has noticed that its client is gone.
    #[tokio::test]
    async fn a_socket_that_was_replaced_takes_nothing_and_wakes_the_other_one() {
        let outbox = Arc::new(Outbox::default());
        let waiting = |reader| {
            let outbox = Arc::clone(&outbox);
            tokio::spawn(async move { outbox.next(reader).await })
        };
        let first = waiting(0);
        // On this runtime of one thread, the tasks run until they wait.
        tokio::task::yield_now().await;
        let second = waiting(outbox.adopt());
        tokio::task::yield_now().await;
        outbox.set_offer(offer(1));
        let told = tokio::time::timeout(Duration::from_secs(30), second).await;
        assert_eq!(told.unwrap().unwrap(), ReceiveNews::Offer(offer(1)));
        assert!(!first.is_finished());
        first.abort();
    }
}
