//! The task of a receiving connection.

use std::sync::Arc;

use futures_util::future::join_all;
use restage_core::id::{ConnectionId, ParticipantId};
use restage_media::{Control as MediaControl, GoneReason, OfferErrorKind, PeerId};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use super::attach::NotAttached;
use super::members::{Action, Members};
use super::outbox::{ReceiveOffer, ReceiveState, ReceiveStream};
use super::{
    Happened, Owner, RECEIVE_ANSWER_MAX, RECEIVE_ORPHAN_MAX, ReceiveClosed, ReceiveError,
    ReceiveWant, Receiving,
};
use crate::control::connections::{RESTARTS_MAX, RESTARTS_WITHIN};
use crate::control::hub::Shown;
use crate::control::trouble::Trouble;
use crate::control::{Control, Ending};
use crate::media::MediaError;

/// What a socket asks of the task.
pub(super) enum Order {
    Configure {
        wanted: Vec<ReceiveWant>,
        reply: oneshot::Sender<Vec<ReceiveState>>,
    },
    Answer {
        revision: u64,
        sdp: String,
        reply: oneshot::Sender<Result<(), ReceiveError>>,
    },
    Restart {
        reply: oneshot::Sender<Result<(), ReceiveError>>,
    },
    Close {
        reason: ReceiveClosed,
        reply: oneshot::Sender<()>,
    },
}

/// The offer that the client has to answer.
struct Open {
    revision: u64,
    until: Instant,
}

pub(super) struct Task {
    control: Control,
    receiving: Arc<Receiving>,
    carrier: PeerId,
    owner: Owner,
    members: Members,
    /// Who publishes in the stage, and how many states of it were seen.
    shown: watch::Receiver<Option<Arc<[Shown]>>>,
    seen: u64,
    /// What the client was told.
    told: Vec<ReceiveState>,
    open: Option<Open>,
    revision: u64,
    /// Something has changed since the last offer.
    has_changed: bool,
    restarts: bool,
    /// When ICE was restarted last, oldest first; at most [`RESTARTS_MAX`].
    restarted_at: Vec<Instant>,
    /// Set while no socket has it.
    orphaned_until: Option<Instant>,
    /// How the connection has ended, once it has.
    closed: Option<ReceiveClosed>,
    /// It is in the tables of the control plane.
    _entry: Entry,
}

/// Takes the connection out of the tables when its task ends, however that comes.
struct Entry {
    control: Control,
    receiving: Arc<Receiving>,
    carrier: PeerId,
    owner: Owner,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let (receiving, carrier) = (&self.receiving, self.carrier);
        self.control
            .forget_receiving(receiving, carrier, &self.owner);
    }
}

impl Task {
    pub(super) fn new(
        control: Control,
        receiving: Arc<Receiving>,
        carrier: PeerId,
        owner: Owner,
        shown: watch::Receiver<Option<Arc<[Shown]>>>,
    ) -> Self {
        let entry = Entry {
            control: control.clone(),
            receiving: Arc::clone(&receiving),
            carrier,
            owner: owner.clone(),
        };
        Self {
            control,
            receiving,
            carrier,
            owner,
            members: Members::default(),
            shown,
            seen: 0,
            told: Vec::new(),
            open: None,
            revision: 0,
            has_changed: false,
            restarts: false,
            restarted_at: Vec::new(),
            orphaned_until: None,
            closed: None,
            _entry: entry,
        }
    }

    pub(super) async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        // Who publishes is known before anything is configured.
        if self.shown.borrow().is_none() {
            self.shown.changed().await.ok();
        }
        let mut closers = Vec::new();
        while self.closed.is_none() {
            self.offer().await;
            self.tell();
            let deadline = self.deadline();
            let receiving = Arc::clone(&self.receiving);
            tokio::select! {
                // Whose connection it is counts before what is asked.
                biased;
                happened = receiving.happened() => {
                    for one in happened {
                        self.on_happened(one);
                    }
                }
                order = orders.recv() => match order {
                    Some(Order::Close { reason, reply }) => {
                        closers.push(reply);
                        self.closed = Some(reason);
                    }
                    Some(order) => self.obey(order).await,
                    None => return,
                },
                changed = self.shown.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.seen += 1;
                    self.attach_due().await;
                }
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    self.on_deadline();
                }
            }
        }
        self.end().await;
        for closer in closers {
            closer.send(()).ok();
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match (self.orphaned_until, &self.open) {
            // Without a socket no answer can come.
            (Some(until), _) => Some(until),
            (None, open) => open.as_ref().map(|open| open.until),
        }
    }

    fn on_deadline(&mut self) {
        let (code, message) = match self.orphaned_until {
            Some(_) => (
                "ORPHANED",
                format!(
                    "no events socket of its participant came back within {} seconds",
                    RECEIVE_ORPHAN_MAX.as_secs()
                ),
            ),
            None => (
                "NO_ANSWER",
                format!(
                    "its client did not answer an offer within {} seconds",
                    RECEIVE_ANSWER_MAX.as_secs()
                ),
            ),
        };
        self.closed = Some(ReceiveClosed { code, message });
    }

    async fn obey(&mut self, order: Order) {
        match order {
            Order::Configure { wanted, reply } => {
                self.configure(wanted).await;
                let states = self.members.states();
                self.told.clone_from(&states);
                reply.send(states).ok();
            }
            Order::Answer {
                revision,
                sdp,
                reply,
            } => {
                let taken = self.answer(revision, sdp).await;
                reply.send(taken).ok();
            }
            Order::Restart { reply } => {
                reply.send(self.restart()).ok();
            }
            Order::Close { .. } => {}
        }
    }

    async fn configure(&mut self, wanted: Vec<ReceiveWant>) {
        for action in self.members.configure(wanted) {
            match action {
                Action::Detach(attached) => {
                    self.control.detach(&attached).await;
                    self.has_changed = true;
                }
                Action::Take(attached, has_video) => {
                    let peer = attached.peer;
                    let take = MediaControl::Take { peer, has_video };
                    self.control.inner.media.control(peer, take).await;
                    self.has_changed = true;
                }
                Action::Wish(attached, want) => self.control.wish_for(&attached, &want).await,
            }
        }
        self.attach_due().await;
    }

    /// Attaches those that wait and are publishing.
    async fn attach_due(&mut self) {
        let shown = self.shown.borrow_and_update().clone().unwrap_or_default();
        let is_publishing = |who: &ParticipantId| {
            let mut shown = shown.iter();
            shown.any(|one| one.participant.id == *who && one.participant.publishing)
        };
        let due = self.members.to_attach(self.seen, is_publishing);
        let attaching = due.iter().map(|want| async {
            let (control, receiving) = (&self.control, &self.receiving);
            control
                .attach(receiving, self.carrier, &self.owner, want)
                .await
        });
        let outcomes = join_all(attaching).await;
        for (want, outcome) in due.iter().zip(outcomes) {
            let publisher = &want.publisher;
            match outcome {
                Ok(attached) => {
                    self.has_changed = true;
                    self.members.attach(publisher, attached);
                }
                Err(NotAttached::NotThere) => self.members.wait(publisher, self.seen),
                Err(NotAttached::Refused(code, message)) => {
                    self.members.refuse(publisher, (code, message));
                }
            }
        }
    }

    fn restart(&mut self) -> Result<(), ReceiveError> {
        let now = Instant::now();
        self.restarted_at.retain(|at| now < *at + RESTARTS_WITHIN);
        if self.restarted_at.len() >= RESTARTS_MAX {
            let message = format!(
                "ICE was restarted {RESTARTS_MAX} times within {} seconds, the most a connection may; wait a while",
                RESTARTS_WITHIN.as_secs()
            );
            return Err(ReceiveError::new("TOO_OFTEN", message));
        }
        self.restarted_at.push(now);
        self.restarts = true;
        Ok(())
    }

    async fn answer(&mut self, revision: u64, sdp: String) -> Result<(), ReceiveError> {
        let open = self.open.as_ref();
        let open =
            open.ok_or_else(|| ReceiveError::new("NO_OFFER", "no offer waits for an answer"))?;
        if open.revision != revision {
            let message = format!(
                "the offer that waits for an answer has revision {}",
                open.revision
            );
            return Err(ReceiveError::new("WRONG_REVISION", message));
        }
        let answered = self.control.inner.media.answer(self.carrier, sdp).await;
        answered.map_err(|error| ReceiveError::of_media(&error))?;
        self.open = None;
        self.receiving.outbox.close_offer();
        Ok(())
    }

    /// Makes an offer, if something has changed and none is open.
    async fn offer(&mut self) {
        if self.open.is_some() || !(self.has_changed || self.restarts) {
            return;
        }
        self.has_changed = false;
        let restarts = std::mem::take(&mut self.restarts);
        let offered = self.control.inner.media.offer(self.carrier, restarts).await;
        let (sdp, streams) = match offered {
            Ok(offered) => offered,
            Err(MediaError::Offer(error)) if error.kind() == OfferErrorKind::NoMedia => return,
            Err(error) => {
                let code = ReceiveError::of_media(&error).code;
                let message = error.to_string();
                self.closed = Some(ReceiveClosed { code, message });
                return;
            }
        };
        self.revision += 1;
        let streams = streams.into_iter().filter_map(|stream| {
            Some(ReceiveStream {
                publisher: self.members.publisher_of(stream.peer)?.clone(),
                audio_mid: stream.audio,
                video_mid: stream.video,
            })
        });
        let offer = ReceiveOffer {
            revision: self.revision,
            sdp,
            streams: streams.collect(),
        };
        self.open = Some(Open {
            revision: self.revision,
            until: Instant::now() + RECEIVE_ANSWER_MAX,
        });
        self.receiving.outbox.set_offer(offer);
    }

    /// Tells the client what has changed since it was told last.
    fn tell(&mut self) {
        let states = self.members.states();
        if states != self.told {
            self.told.clone_from(&states);
            self.receiving.outbox.set_state(states);
        }
    }

    fn on_happened(&mut self, happened: Happened) {
        match happened {
            Happened::Ended(connection, ending) => self.on_ended(&connection, &ending),
            Happened::Gone(reason) => {
                let place = self.control.inner.media.destination_of(self.carrier);
                let ending = match Trouble::of_peer(&reason, &place) {
                    Some(trouble) => trouble.into(),
                    None => Ending::of_peer(&reason),
                };
                let code = match reason {
                    GoneReason::ClosedByRemote => "CLOSED",
                    _ => ending.code,
                };
                let message = ending.message;
                self.closed = Some(ReceiveClosed { code, message });
            }
            Happened::Owner(owner) => {
                self.owner = *owner;
                self.orphaned_until = None;
                if let Some(open) = &mut self.open {
                    open.until = Instant::now() + RECEIVE_ANSWER_MAX;
                }
            }
            Happened::Left(socket) => {
                if self.owner.socket == socket {
                    self.orphaned_until = Some(Instant::now() + RECEIVE_ORPHAN_MAX);
                }
            }
        }
    }

    fn on_ended(&mut self, connection: &ConnectionId, ending: &Ending) {
        let ends_all = matches!(
            ending.code,
            "PARTICIPANT_DISCONNECTED" | "STAGE_DELETED" | "SERVER_RESTART"
        );
        if !self.members.end(connection, ending, self.seen) {
            return;
        }
        self.has_changed = true;
        if ends_all {
            self.closed = Some(ReceiveClosed {
                code: ending.code,
                message: ending.message.clone(),
            });
        }
    }

    /// Ends everything that is left.
    async fn end(&mut self) {
        let Some(closed) = self.closed.take() else {
            return;
        };
        let (id, code) = (&self.receiving.id, closed.code);
        let (stage, participant) = (&self.owner.claims.stage.id, &self.owner.claims.participant);
        tracing::debug!(%stage, %participant, %id, code, "a receiving connection has ended");
        let left: Vec<_> = self
            .members
            .attached()
            .map(|(_, one)| one.clone())
            .collect();
        join_all(left.iter().map(|attached| self.control.detach(attached))).await;
        self.control.close_peer(self.carrier).await;
        self.receiving.outbox.close(closed);
    }
}
