//! Receiving connections: one connection of a participant by which it receives all that it watches in a stage. The server makes the
//! offers, over the participant's events socket. That of a connection token receives for each of its participants, whichever stages they are
//! in, and its offers go over the token's own socket.
//!
//! | file | does |
//! |---|---|
//! | `mod` | what a socket asks: opens, adopts and closes connections |
//! | `shared` | the same for the socket of a connection token, whose connection receives in several stages |
//! | `table` | the connections that live, and whose they are |
//! | `task` | one task for each connection: keeps what is received equal to what is wanted, and has one offer open at a time |
//! | `viewing` | what is received for one participant in its stage |
//! | `members` | what is wanted of each publisher, and what became of it |
//! | `outbox` | what the client has to be told, the newest of each |
//! | `attach` | a subscription on such a connection: the same command, admission and checks as for WHEP |

mod attach;
mod members;
mod outbox;
mod shared;
mod table;
mod task;
mod viewing;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use restage_core::id::{ConnectionId, ParticipantId};
use restage_media::{Download, GoneReason, OfferErrorKind, PeerId, Wish};
use restage_store::system::ids;
use tokio::sync::{Notify, mpsc, oneshot};

use super::Control;
use super::connections::SocketClose;
use super::ended::Ending;
use super::join::EventsSocket;
use crate::media::MediaError;
use outbox::Outbox;
pub use outbox::{
    ReceiveNews, ReceiveOffer, ReceiveState, ReceiveStream, ReceivedState, ViewerState,
};
pub use shared::ViewerWant;
pub use table::Viewer;
pub(super) use table::{Holder, Owner, Receivings};
use task::{Configured, Order, Task};

/// Most publishers that one receiving connection is for, in all stages together.
pub const RECEIVE_PARTICIPANTS_MAX: usize = restage_media::limits::CARRIED_MAX;
/// Most stages that the receiving connection of a connection token is for at the same time.
pub const RECEIVE_STAGES_MAX: usize = 16;
/// How long a receiving connection lives on without an events socket of its participant.
pub const RECEIVE_ORPHAN_MAX: Duration = Duration::from_secs(30);
/// How long a client may take to answer an offer.
pub const RECEIVE_ANSWER_MAX: Duration = Duration::from_secs(15);
/// Orders of its sockets that wait for one receiving connection. A socket waits for each.
const ORDERS_MAX: usize = 4;

/// What a participant wants of a publisher.
#[derive(Clone, Debug, PartialEq)]
pub struct ReceiveWant {
    /// The publisher.
    pub publisher: ParticipantId,
    /// Whether pictures are wanted besides sound.
    pub has_video: bool,
    /// What of them.
    pub wish: Wish,
}

/// Why a message about a receiving connection is refused. Nothing is changed then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiveError {
    /// For programs; stable.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

impl ReceiveError {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    fn unknown() -> Self {
        let message = "there is no receiving connection of this id on this socket; send RECEIVE_CONFIGURE first";
        Self::new("NO_CONNECTION", message)
    }

    fn of_media(error: &MediaError) -> Self {
        let code = match error {
            MediaError::Busy => "BUSY",
            MediaError::Offer(offer) => match offer.kind() {
                OfferErrorKind::Full => "BUSY",
                OfferErrorKind::NoOffer => "NO_OFFER",
                OfferErrorKind::TooMany => "TOO_OFTEN",
                OfferErrorKind::UnknownPeer => "NO_CONNECTION",
                _ => "INVALID_SDP",
            },
        };
        Self::new(code, error.to_string())
    }
}

/// Why a receiving connection has ended, as its client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiveClosed {
    /// For programs; stable.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

/// A receiving connection, as others see it.
pub(super) struct Receiving {
    pub(super) id: ConnectionId,
    holder: Holder,
    orders: mpsc::Sender<Order>,
    pub(super) outbox: Outbox,
    /// What has happened to it, for its task, which takes all of it at once: little, as each thing takes a request of its client, or is the
    /// end of a subscription.
    endings: Mutex<Vec<Happened>>,
    wake: Notify,
}

/// What has happened to a receiving connection.
#[derive(Debug)]
enum Happened {
    /// One of its subscriptions has ended.
    Ended(ConnectionId, Ending),
    /// It has ended itself.
    Gone(GoneReason),
    /// This socket has it now.
    Held(ConnectionId),
    /// A viewer has another token.
    Owner(Box<Owner>),
    /// This socket has ended; another one may follow.
    Left(ConnectionId),
    /// This socket has ended for good.
    Over(ConnectionId, Ending),
}

impl Receiving {
    fn tell(&self, happened: Happened) {
        let mut endings = self.endings.lock().unwrap_or_else(PoisonError::into_inner);
        endings.push(happened);
        drop(endings);
        self.wake.notify_one();
    }

    /// One of its subscriptions has ended.
    pub(super) fn ended(&self, subscription: &ConnectionId, ending: Ending) {
        self.tell(Happened::Ended(subscription.clone(), ending));
    }

    /// True for a connection token's, which receives in several stages.
    pub(super) fn is_shared(&self) -> bool {
        matches!(self.holder, Holder::Token(_))
    }

    /// A socket has ended: for good, if an ending says so.
    pub(super) fn left(&self, socket: &ConnectionId, ending: Option<Ending>) {
        let socket = socket.clone();
        self.tell(match ending {
            Some(ending) => Happened::Over(socket, ending),
            None => Happened::Left(socket),
        });
    }

    async fn happened(&self) -> Vec<Happened> {
        loop {
            let taken = {
                let mut endings = self.endings.lock().unwrap_or_else(PoisonError::into_inner);
                std::mem::take(&mut *endings)
            };
            if !taken.is_empty() {
                return taken;
            }
            self.wake.notified().await;
        }
    }

    /// Sets what it is for. `None`: it has ended.
    async fn configure(
        self: &Arc<Self>,
        link: &mut ReceiveLink,
        reader: u64,
        viewers: Vec<Configured>,
    ) -> Option<Vec<ViewerState>> {
        *link = ReceiveLink(Some((Arc::clone(self), reader)));
        self.ask(|reply| Order::Configure { viewers, reply }).await
    }

    async fn ask<T>(&self, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.orders.send(order(reply)).await.ok()?;
        answer.await.ok()
    }
}

impl std::fmt::Debug for Receiving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiving")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// A socket's end of its receiving connection, if it has one, and the number with which it asks what its client has to be told.
#[derive(Debug, Default)]
pub struct ReceiveLink(Option<(Arc<Receiving>, u64)>);

impl ReceiveLink {
    /// A socket has ended.
    pub(super) fn left(&self, socket: &ConnectionId, ending: Option<Ending>) {
        if let Some((receiving, _)) = &self.0 {
            receiving.left(socket, ending);
        }
    }

    /// Waits for something that the client has to be told, and returns it with the connection's id. Cancel-safe.
    pub async fn next(&self) -> (ConnectionId, ReceiveNews) {
        match &self.0 {
            Some((receiving, reader)) => {
                let news = receiving.outbox.next(*reader).await;
                (receiving.id.clone(), news)
            }
            None => std::future::pending().await,
        }
    }

    fn of(&self, id: &ConnectionId) -> Result<&Arc<Receiving>, ReceiveError> {
        let own = self.0.as_ref().map(|(receiving, _)| receiving);
        let own = own.filter(|receiving| receiving.id == *id);
        own.ok_or_else(ReceiveError::unknown)
    }

    /// The number with which it asks, unless another socket has taken over.
    fn reader(&self) -> Option<u64> {
        let (receiving, reader) = self.0.as_ref()?;
        receiving.outbox.is_told_to(*reader).then_some(*reader)
    }
}

/// Why a socket that the server has closed for this reason has ended for good. `None`: another socket of the participant may follow.
fn ending_for_good(close: Option<SocketClose>) -> Option<Ending> {
    use restage_core::CloseReason::{ConnectionTokenRevoked, Disconnected, StageDeleted};
    match close {
        Some(SocketClose::Rules(
            reason @ (Disconnected | StageDeleted | ConnectionTokenRevoked),
        )) => Some(Ending::of_rules(reason)),
        _ => None,
    }
}

impl Control {
    fn receivings(&self) -> std::sync::MutexGuard<'_, Receivings> {
        let receivings = self.inner.receivings.lock();
        receivings.unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets all that the participant of this socket wants to receive by its receiving connection. The first call opens it. With the id
    /// of one that another socket of the participant has left, that one is adopted. Returns the connection's id, and what became of
    /// each.
    ///
    /// # Errors
    /// Nothing is changed then.
    pub async fn receive_configure(
        &self,
        socket: &mut EventsSocket,
        id: Option<&ConnectionId>,
        wanted: Vec<ReceiveWant>,
    ) -> Result<(ConnectionId, Vec<ViewerState>), ReceiveError> {
        may_subscribe(&socket.owner())?;
        let viewer = socket.viewer();
        let holder = Holder::Participant(viewer.clone());
        self.count_changes(&holder)?;
        let download = || self.download(&viewer.stage, &viewer.participant);
        let configured = Configured {
            viewer: viewer.clone(),
            owner: Some(socket.owner()),
            wanted,
        };
        let connection = socket.connection.clone();
        let link = &mut socket.receiving;
        self.configure_receiving((holder, connection), link, id, download, vec![configured])
            .await
    }

    fn count_changes(&self, holder: &Holder) -> Result<(), ReceiveError> {
        match self.may_wish(holder.clone()) {
            true => Ok(()),
            false => Err(ReceiveError::new(
                "TOO_OFTEN",
                "this changes too often; wait a moment",
            )),
        }
    }

    /// Configures the connection that a socket has, or that it adopts with this id, or another one.
    async fn configure_receiving(
        &self,
        (holder, socket): (Holder, ConnectionId),
        link: &mut ReceiveLink,
        id: Option<&ConnectionId>,
        download: impl FnOnce() -> Arc<Download>,
        configured: Vec<Configured>,
    ) -> Result<(ConnectionId, Vec<ViewerState>), ReceiveError> {
        if let Some((known, reader)) = self.known(&holder, &socket, link, id) {
            let states = known.configure(link, reader, configured.clone()).await;
            // It may have ended in this moment.
            if let Some(states) = states {
                return Ok((known.id.clone(), states));
            }
        }
        let opened = self.open_receiving(holder, socket, download()).await?;
        let states = opened.configure(link, 0, configured).await;
        let states = states.ok_or_else(ReceiveError::unknown)?;
        Ok((opened.id.clone(), states))
    }

    fn known(
        &self,
        holder: &Holder,
        socket: &ConnectionId,
        link: &ReceiveLink,
        id: Option<&ConnectionId>,
    ) -> Option<(Arc<Receiving>, u64)> {
        let living = self.receivings().of_holder(holder).cloned()?;
        let is_own = link.of(&living.id).is_ok();
        let is_named = id.is_some_and(|id| living.id == *id);
        if !is_named && (id.is_some() || !is_own) {
            return None;
        }
        let reader = link.reader().filter(|_| is_own);
        let reader = reader.unwrap_or_else(|| living.outbox.adopt());
        living.tell(Happened::Held(socket.clone()));
        Some((living, reader))
    }

    /// Opens a connection in place of the one that its holder had.
    async fn open_receiving(
        &self,
        holder: Holder,
        socket: ConnectionId,
        download: Arc<Download>,
    ) -> Result<Arc<Receiving>, ReceiveError> {
        self.admit_receiving()?;
        let carrier = self.inner.media.open_carrier(download).await;
        let carrier = carrier.map_err(|error| ReceiveError::of_media(&error))?;
        let (orders, inbox) = mpsc::channel(ORDERS_MAX);
        let receiving = Arc::new(Receiving {
            id: ids::connection(),
            holder,
            orders,
            outbox: Outbox::default(),
            endings: Mutex::default(),
            wake: Notify::new(),
        });
        let former = self.receivings().insert(carrier, &receiving);
        if let Some(former) = former {
            let reason = ReceiveClosed {
                code: "REPLACED",
                message: "a newer receiving connection of the same participant took its place"
                    .to_owned(),
            };
            former.ask(|reply| Order::Close { reason, reply }).await;
        }
        let task = Task::new(self.clone(), Arc::clone(&receiving), carrier, socket);
        tokio::spawn(task.run(inbox));
        Ok(receiving)
    }

    /// The client's answer to an offer.
    ///
    /// # Errors
    /// It is no answer to that offer. Another one may follow.
    pub async fn receive_answer(
        &self,
        link: &ReceiveLink,
        id: &ConnectionId,
        revision: u64,
        sdp: String,
    ) -> Result<(), ReceiveError> {
        let receiving = link.of(id)?;
        let answer = |reply| Order::Answer {
            revision,
            sdp,
            reply,
        };
        let taken = receiving.ask(answer).await;
        taken.unwrap_or_else(|| Err(ReceiveError::unknown()))
    }

    /// The next offer restarts ICE.
    ///
    /// # Errors
    /// There is no such connection, or it was restarted too often.
    pub async fn receive_restart(
        &self,
        link: &ReceiveLink,
        id: &ConnectionId,
    ) -> Result<(), ReceiveError> {
        let receiving = link.of(id)?;
        let restarted = receiving.ask(|reply| Order::Restart { reply }).await;
        restarted.unwrap_or_else(|| Err(ReceiveError::unknown()))
    }

    /// The client ends its connection. It is told so with [`ReceiveNews::Closed`].
    ///
    /// # Errors
    /// There is no such connection.
    pub async fn receive_close(
        &self,
        link: &ReceiveLink,
        id: &ConnectionId,
    ) -> Result<(), ReceiveError> {
        let receiving = link.of(id)?;
        let reason = ReceiveClosed {
            code: "CLOSED",
            message: "its client ended it".to_owned(),
        };
        let closed = receiving.ask(|reply| Order::Close { reason, reply }).await;
        closed.ok_or_else(ReceiveError::unknown)
    }

    /// The socket of a participant is open.
    pub(super) fn join_receiving(&self, socket: &EventsSocket) {
        self.receivings().set_member(&socket.owner());
    }

    /// The socket has ended. Its receiving connection waits for another one, unless the participant may not come back.
    pub(super) fn leave_receiving(&self, socket: &EventsSocket) {
        self.receivings().remove_member(&socket.owner());
        let ending = ending_for_good(*socket.close.borrow());
        for receiving in self.receivings_of(socket) {
            receiving.left(&socket.connection, ending.clone());
        }
    }

    /// The socket's token was exchanged.
    pub(super) fn renew_receiving(&self, socket: &EventsSocket) {
        self.receivings().set_member(&socket.owner());
        for receiving in self.receivings_of(socket) {
            receiving.tell(Happened::Owner(Box::new(socket.owner())));
        }
    }

    /// The connections that receive for a participant: its own, and that of its connection token.
    fn receivings_of(&self, socket: &EventsSocket) -> impl Iterator<Item = Arc<Receiving>> {
        let token = socket.connection_token.as_ref();
        let shared = token.and_then(|token| {
            let receivings = self.receivings();
            receivings.of_holder(&Holder::Token(token.key())).cloned()
        });
        let own = socket.receiving.0.as_ref();
        let own = own.map(|(receiving, _)| Arc::clone(receiving));
        own.into_iter().chain(shared)
    }

    /// The media of a connection has ended. False: there is no such receiving connection.
    pub(super) fn carrier_gone(&self, carrier: PeerId, reason: &GoneReason) -> bool {
        let receiving = self.receivings().of_carrier(carrier).cloned();
        let Some(receiving) = receiving else {
            return false;
        };
        receiving.tell(Happened::Gone(reason.clone()));
        true
    }
}

/// # Errors
/// The viewer's token does not allow to receive.
fn may_subscribe(owner: &Owner) -> Result<(), ReceiveError> {
    match owner.claims.capabilities.subscribe {
        true => Ok(()),
        false => Err(ReceiveError::new(
            "TOKEN_NOT_ALLOWED",
            "the participant token lacks the capability SUBSCRIBE",
        )),
    }
}
