//! The task of a receiving connection.

use std::sync::Arc;

use futures_util::future::{join_all, pending, select_all};
use restage_core::id::ConnectionId;
use restage_media::{Control as MediaControl, GoneReason, OfferErrorKind, PeerId};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::attach::NotAttached;
use super::members::Action;
use super::outbox::{ReceiveOffer, ReceiveStream, ViewerState};
use super::table::{Holder, Owner, Viewer};
use super::viewing::Viewing;
use super::{
    Happened, RECEIVE_ANSWER_MAX, RECEIVE_ORPHAN_MAX, ReceiveClosed, ReceiveError, ReceiveWant,
    Receiving,
};
use crate::control::connections::{RESTARTS_MAX, RESTARTS_WITHIN};
use crate::control::trouble::Trouble;
use crate::control::{Control, Ending};
use crate::media::MediaError;

/// A viewer's wants, and the owner with which its subscriptions are opened. Without an owner the viewer's subscriptions go on as they are.
#[derive(Clone)]
pub(super) struct Configured {
    pub(super) viewer: Viewer,
    pub(super) owner: Option<Owner>,
    pub(super) wanted: Vec<ReceiveWant>,
}

/// What a socket asks of the task.
pub(super) enum Order {
    /// All viewers. Others receive nothing any more.
    Configure {
        viewers: Vec<Configured>,
        reply: oneshot::Sender<Vec<ViewerState>>,
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
    /// The socket that it goes by.
    socket: ConnectionId,
    /// At most [`RECEIVE_STAGES_MAX`](super::RECEIVE_STAGES_MAX).
    viewings: Vec<Viewing>,
    /// What the client was told.
    told: Vec<ViewerState>,
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
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut receivings = self.control.receivings();
        receivings.remove(self.carrier, &self.receiving);
    }
}

/// Waits for another state of a viewer's stage. Returns its place; `None`: there will be none. Cancel-safe.
async fn changed(viewings: &mut [Viewing]) -> Option<usize> {
    if viewings.is_empty() {
        return pending().await;
    }
    let all = viewings.iter_mut();
    let (is_there, place, _) = select_all(all.map(|one| Box::pin(one.changed()))).await;
    is_there.then_some(place)
}

impl Task {
    pub(super) fn new(
        control: Control,
        receiving: Arc<Receiving>,
        carrier: PeerId,
        socket: ConnectionId,
    ) -> Self {
        let entry = Entry {
            control: control.clone(),
            receiving: Arc::clone(&receiving),
            carrier,
        };
        Self {
            control,
            receiving,
            carrier,
            socket,
            viewings: Vec::new(),
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
                        self.on_happened(one).await;
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
                changed = changed(&mut self.viewings) => match changed {
                    Some(place) => self.attach_due(place).await,
                    None => return,
                },
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    self.on_deadline().await;
                }
            }
        }
        self.end().await;
        for closer in closers {
            closer.send(()).ok();
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let own = match (self.orphaned_until, &self.open) {
            // Without a socket no answer can come.
            (Some(until), _) => Some(until),
            (None, open) => open.as_ref().map(|open| open.until),
        };
        let viewings = self.viewings.iter().filter_map(|one| one.orphaned_until);
        viewings.chain(own).min()
    }

    async fn on_deadline(&mut self) {
        let now = Instant::now();
        let orphan_s = RECEIVE_ORPHAN_MAX.as_secs();
        if self.orphaned_until.is_some_and(|until| until <= now) {
            let message = format!("none of its sockets came back within {orphan_s} seconds");
            let code = "ORPHANED";
            self.closed = Some(ReceiveClosed { code, message });
            return;
        }
        let is_open = self.orphaned_until.is_none();
        if is_open && self.open.as_ref().is_some_and(|open| open.until <= now) {
            let message = format!(
                "its client did not answer an offer within {} seconds",
                RECEIVE_ANSWER_MAX.as_secs()
            );
            let code = "NO_ANSWER";
            self.closed = Some(ReceiveClosed { code, message });
            return;
        }
        let is_orphan = |one: &Viewing| one.orphaned_until.is_some_and(|until| until <= now);
        while let Some(place) = self.viewings.iter().position(is_orphan) {
            self.end_viewing(place).await;
        }
    }

    /// A viewer receives nothing any more.
    async fn end_viewing(&mut self, place: usize) {
        let viewing = self.viewings.swap_remove(place);
        let attached = viewing.members.attached();
        join_all(attached.map(|(_, one)| self.control.detach(one))).await;
        self.has_changed = true;
    }

    async fn obey(&mut self, order: Order) {
        match order {
            Order::Configure { viewers, reply } => {
                self.configure(viewers).await;
                let states = self.states();
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

    fn states(&self) -> Vec<ViewerState> {
        self.viewings.iter().map(Viewing::state).collect()
    }

    async fn configure(&mut self, viewers: Vec<Configured>) {
        let is_there = |one: &Viewing| viewers.iter().any(|other| other.viewer == one.viewer);
        while let Some(place) = self.viewings.iter().position(|one| !is_there(one)) {
            self.end_viewing(place).await;
        }
        for Configured {
            viewer,
            owner,
            wanted,
        } in viewers
        {
            let Some(owner) = owner else {
                continue;
            };
            let mut viewings = self.viewings.iter();
            let place = viewings.position(|one| one.viewer == viewer);
            let place = match place {
                Some(place) => place,
                None => {
                    let shown = self.control.inner.hub.listen(&viewer.stage).shown;
                    let mut viewing = Viewing::new(owner.clone(), shown);
                    viewing.begin().await;
                    self.viewings.push(viewing);
                    self.viewings.len() - 1
                }
            };
            // Its socket may have ended since it was looked up, and nobody would say so again.
            let is_there = self.has_socket(&owner);
            let until = Instant::now() + RECEIVE_ORPHAN_MAX;
            self.viewings[place].owner = owner;
            self.viewings[place].orphaned_until = (!is_there).then_some(until);
            for action in self.viewings[place].members.configure(wanted) {
                self.perform(action).await;
            }
        }
        for place in 0..self.viewings.len() {
            self.attach_due(place).await;
        }
    }

    /// True while the events socket of this owner is open. The connection of a participant goes by that socket itself.
    fn has_socket(&self, owner: &Owner) -> bool {
        let Holder::Token(token) = &self.receiving.holder else {
            return true;
        };
        let receivings = self.control.receivings();
        let member = receivings.member(token, &owner.viewer());
        member.is_some_and(|member| member.socket == owner.socket)
    }

    async fn perform(&mut self, action: Action) {
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

    /// Attaches those of a viewer that wait and are publishing.
    async fn attach_due(&mut self, place: usize) {
        let viewing = &mut self.viewings[place];
        let due = viewing.due();
        let owner = &viewing.owner;
        let attaching = due.iter().map(|want| async {
            let (control, receiving) = (&self.control, &self.receiving);
            control.attach(receiving, self.carrier, owner, want).await
        });
        let outcomes = join_all(attaching).await;
        let (members, seen) = (&mut viewing.members, viewing.seen);
        for (want, outcome) in due.iter().zip(outcomes) {
            let publisher = &want.publisher;
            match outcome {
                Ok(attached) => {
                    self.has_changed = true;
                    members.attach(publisher, attached);
                }
                Err(NotAttached::NotThere) => members.wait(publisher, seen),
                Err(NotAttached::Refused(code, message)) => {
                    members.refuse(publisher, (code, message));
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
            let mut viewings = self.viewings.iter();
            let (viewer, publisher) = viewings.find_map(|one| {
                let publisher = one.members.publisher_of(stream.peer)?;
                Some((&one.viewer, publisher))
            })?;
            Some(ReceiveStream {
                viewer: viewer.clone(),
                publisher: publisher.clone(),
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
        let states = self.states();
        if states != self.told {
            self.told.clone_from(&states);
            self.receiving.outbox.set_state(states);
        }
    }

    async fn on_happened(&mut self, happened: Happened) {
        match happened {
            Happened::Ended(connection, ending) => self.on_ended(&connection, &ending).await,
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
            Happened::Held(socket) => {
                self.socket = socket;
                self.orphaned_until = None;
                if let Some(open) = &mut self.open {
                    open.until = Instant::now() + RECEIVE_ANSWER_MAX;
                }
            }
            Happened::Owner(owner) => {
                let viewer = owner.viewer();
                let mut viewings = self.viewings.iter_mut();
                if let Some(viewing) = viewings.find(|one| one.viewer == viewer) {
                    viewing.owner = *owner;
                }
            }
            Happened::Left(socket) => {
                let until = Some(Instant::now() + RECEIVE_ORPHAN_MAX);
                if self.socket == socket {
                    self.orphaned_until = until;
                }
                let mut viewings = self.viewings.iter_mut();
                if let Some(viewing) = viewings.find(|one| one.is_of_socket(&socket)) {
                    viewing.orphaned_until = until;
                }
            }
            Happened::Over(socket, ending) => {
                let mut viewings = self.viewings.iter();
                let place = viewings.position(|one| one.is_of_socket(&socket));
                if self.socket == socket {
                    self.end_with(&ending);
                } else if let Some(place) = place {
                    self.end_viewing(place).await;
                }
            }
        }
    }

    fn end_with(&mut self, ending: &Ending) {
        self.closed = Some(ReceiveClosed {
            code: ending.code,
            message: ending.message.clone(),
        });
    }

    async fn on_ended(&mut self, connection: &ConnectionId, ending: &Ending) {
        let mut viewings = self.viewings.iter_mut();
        let place = viewings.position(|one| one.members.end(connection, ending, one.seen));
        let Some(place) = place else {
            return;
        };
        self.has_changed = true;
        match (ending.code, &self.receiving.holder) {
            ("SERVER_RESTART" | "TOKEN_REVOKED", _)
            | ("PARTICIPANT_DISCONNECTED" | "STAGE_DELETED", Holder::Participant(_)) => {
                self.end_with(ending);
            }
            ("PARTICIPANT_DISCONNECTED" | "STAGE_DELETED", Holder::Token(_)) => {
                self.end_viewing(place).await;
            }
            _ => {}
        }
    }

    /// Ends everything that is left.
    async fn end(&mut self) {
        let Some(closed) = self.closed.take() else {
            return;
        };
        let (id, code) = (&self.receiving.id, closed.code);
        tracing::debug!(holder = ?self.receiving.holder, %id, code, "a receiving connection has ended");
        while !self.viewings.is_empty() {
            self.end_viewing(0).await;
        }
        self.control.close_peer(self.carrier).await;
        self.receiving.outbox.close(closed);
    }
}
