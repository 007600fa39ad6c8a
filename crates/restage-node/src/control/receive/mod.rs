//! Receiving connections: one connection of a participant by which it receives all that it watches in a stage. The server makes the
//! offers, over the participant's events socket.
//!
//! | file | does |
//! |---|---|
//! | `mod` | what a socket asks: opens, adopts and closes connections |
//! | `task` | one task for each connection: keeps what is received equal to what is wanted, and has one offer open at a time |
//! | `members` | what is wanted of each publisher, and what became of it |
//! | `outbox` | what the client has to be told, the newest of each |
//! | `attach` | a subscription on such a connection: the same command, admission and checks as for WHEP |

mod attach;
mod members;
mod outbox;
mod task;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use restage_core::command::{Claims, ConnectionTokenClaims};
use restage_core::id::{ConnectionId, ParticipantId, StageId};
use restage_core::row::Client;
use restage_media::{GoneReason, OfferErrorKind, PeerId, Wish};
use restage_store::system::ids;
use tokio::sync::{Notify, mpsc, oneshot};

use super::Control;
use super::connections::TokenDigest;
use super::ended::Ending;
use super::join::EventsSocket;
use crate::media::MediaError;
use outbox::Outbox;
pub use outbox::{ReceiveNews, ReceiveOffer, ReceiveState, ReceiveStream, ReceivedState};
use task::{Order, Task};

/// Most publishers that one receiving connection is for.
pub const RECEIVE_PARTICIPANTS_MAX: usize = restage_media::limits::CARRIED_MAX;
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

/// Whose connection it is: what its subscriptions are opened with.
#[derive(Clone, Debug)]
pub(super) struct Owner {
    pub(super) claims: Claims,
    pub(super) token: TokenDigest,
    pub(super) client: Client,
    /// The connection token of its events socket, which each of its subscriptions carries too.
    pub(super) connection_token: Option<ConnectionTokenClaims>,
    /// The events socket that it goes by.
    pub(super) socket: ConnectionId,
}

/// A receiving connection, as others see it.
pub(super) struct Receiving {
    pub(super) id: ConnectionId,
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
    /// A socket has it now, or has another token.
    Owner(Box<Owner>),
    /// This socket has ended.
    Left(ConnectionId),
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

    fn tell_owner(&self, owner: Owner) {
        self.tell(Happened::Owner(Box::new(owner)));
    }

    fn tell_left(&self, socket: ConnectionId) {
        self.tell(Happened::Left(socket));
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

/// The receiving connections that live: one of each participant in each stage, at most as many as media has peers.
#[derive(Default)]
pub(super) struct Receivings {
    by_owner: HashMap<(StageId, ParticipantId), Arc<Receiving>>,
    by_carrier: HashMap<PeerId, Arc<Receiving>>,
}

/// A socket's end of its receiving connection, if it has one.
#[derive(Debug, Default)]
pub struct ReceiveLink(Option<Arc<Receiving>>);

impl ReceiveLink {
    /// Waits for something that the client has to be told, and returns it with the connection's id. Cancel-safe.
    pub async fn next(&self) -> (ConnectionId, ReceiveNews) {
        match &self.0 {
            Some(receiving) => (receiving.id.clone(), receiving.outbox.next().await),
            None => std::future::pending().await,
        }
    }

    fn of(&self, id: &ConnectionId) -> Result<&Arc<Receiving>, ReceiveError> {
        let own = self.0.as_ref().filter(|receiving| receiving.id == *id);
        own.ok_or_else(ReceiveError::unknown)
    }
}

async fn configure(
    socket: &mut EventsSocket,
    receiving: &Arc<Receiving>,
    wanted: Vec<ReceiveWant>,
) -> Option<Vec<ReceiveState>> {
    socket.receiving = ReceiveLink(Some(Arc::clone(receiving)));
    let configured = receiving.ask(|reply| Order::Configure { wanted, reply });
    configured.await
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
    ) -> Result<(ConnectionId, Vec<ReceiveState>), ReceiveError> {
        if !socket.claims.capabilities.subscribe {
            let message = "the participant token lacks the capability SUBSCRIBE";
            return Err(ReceiveError::new("TOKEN_NOT_ALLOWED", message));
        }
        self.count_wish(socket)
            .map_err(|error| ReceiveError::new("TOO_OFTEN", error.to_string()))?;
        if let Some(known) = self.known(socket, id) {
            let wanted = wanted.clone();
            let states = configure(socket, &known, wanted).await;
            // It may have ended in this moment.
            if let Some(states) = states {
                return Ok((known.id.clone(), states));
            }
        }
        let opened = self.open_receiving(socket).await?;
        let states = configure(socket, &opened, wanted).await;
        let states = states.ok_or_else(ReceiveError::unknown)?;
        Ok((opened.id.clone(), states))
    }

    /// The connection that a socket has, or that it adopts with this id.
    fn known(&self, socket: &EventsSocket, id: Option<&ConnectionId>) -> Option<Arc<Receiving>> {
        let owner = (socket.stage.clone(), socket.participant.clone());
        let receivings = self.receivings();
        let living = receivings.by_owner.get(&owner)?;
        let is_own = socket.receiving.of(&living.id).is_ok();
        let is_named = id.is_some_and(|id| living.id == *id);
        if !is_named && (id.is_some() || !is_own) {
            return None;
        }
        let living = Arc::clone(living);
        drop(receivings);
        if !is_own {
            living.outbox.adopt();
        }
        living.tell_owner(socket.owner());
        Some(living)
    }

    /// Opens a connection in place of the one that the participant had.
    async fn open_receiving(&self, socket: &EventsSocket) -> Result<Arc<Receiving>, ReceiveError> {
        let owner = socket.owner();
        let (stage, participant) = (&socket.stage, &socket.participant);
        self.admit_receiving(&owner.claims)?;
        let download = self.download(stage, participant);
        let carrier = self.inner.media.open_carrier(download).await;
        let carrier = carrier.map_err(|error| ReceiveError::of_media(&error))?;
        let (orders, inbox) = mpsc::channel(ORDERS_MAX);
        let receiving = Arc::new(Receiving {
            id: ids::connection(),
            orders,
            outbox: Outbox::default(),
            endings: Mutex::default(),
            wake: Notify::new(),
        });
        let former = {
            let mut receivings = self.receivings();
            receivings
                .by_carrier
                .insert(carrier, Arc::clone(&receiving));
            let key = (stage.clone(), participant.clone());
            receivings.by_owner.insert(key, Arc::clone(&receiving))
        };
        if let Some(former) = former {
            let reason = ReceiveClosed {
                code: "REPLACED",
                message: "a newer receiving connection of the same participant took its place"
                    .to_owned(),
            };
            former.ask(|reply| Order::Close { reason, reply }).await;
        }
        let shown = self.inner.hub.listen(stage).shown;
        let task = Task::new(self.clone(), Arc::clone(&receiving), carrier, owner, shown);
        tokio::spawn(task.run(inbox));
        Ok(receiving)
    }

    /// The client's answer to an offer.
    ///
    /// # Errors
    /// It is no answer to that offer. Another one may follow.
    pub async fn receive_answer(
        &self,
        socket: &EventsSocket,
        id: &ConnectionId,
        revision: u64,
        sdp: String,
    ) -> Result<(), ReceiveError> {
        let receiving = socket.receiving.of(id)?;
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
        socket: &EventsSocket,
        id: &ConnectionId,
    ) -> Result<(), ReceiveError> {
        let receiving = socket.receiving.of(id)?;
        let restarted = receiving.ask(|reply| Order::Restart { reply }).await;
        restarted.unwrap_or_else(|| Err(ReceiveError::unknown()))
    }

    /// The client ends its connection. It is told so with [`ReceiveNews::Closed`].
    ///
    /// # Errors
    /// There is no such connection.
    pub async fn receive_close(
        &self,
        socket: &EventsSocket,
        id: &ConnectionId,
    ) -> Result<(), ReceiveError> {
        let receiving = socket.receiving.of(id)?;
        let reason = ReceiveClosed {
            code: "CLOSED",
            message: "its client ended it".to_owned(),
        };
        let closed = receiving.ask(|reply| Order::Close { reason, reply }).await;
        closed.ok_or_else(ReceiveError::unknown)
    }

    /// The socket has ended. Its receiving connection waits for another one.
    pub(super) fn leave_receiving(&self, socket: &EventsSocket) {
        if let Some(receiving) = &socket.receiving.0 {
            receiving.tell_left(socket.connection.clone());
        }
    }

    /// The socket's token was exchanged.
    pub(super) fn renew_receiving(&self, socket: &EventsSocket) {
        if let Some(receiving) = &socket.receiving.0 {
            receiving.tell_owner(socket.owner());
        }
    }

    /// The media of a connection has ended. False: there is no such receiving connection.
    pub(super) fn carrier_gone(&self, carrier: PeerId, reason: &GoneReason) -> bool {
        let receiving = self.receivings().by_carrier.get(&carrier).cloned();
        let Some(receiving) = receiving else {
            return false;
        };
        receiving.tell(Happened::Gone(reason.clone()));
        true
    }

    /// A connection has ended and is not in the tables any more.
    fn forget_receiving(&self, receiving: &Arc<Receiving>, carrier: PeerId, owner: &Owner) {
        let mut receivings = self.receivings();
        receivings.by_carrier.remove(&carrier);
        let key = (
            owner.claims.stage.id.clone(),
            owner.claims.participant.clone(),
        );
        if receivings
            .by_owner
            .get(&key)
            .is_some_and(|living| Arc::ptr_eq(living, receiving))
        {
            receivings.by_owner.remove(&key);
        }
    }
}
