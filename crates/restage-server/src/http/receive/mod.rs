//! Receiving connections in messages of the events socket, and of the socket of a connection token: RECEIVE_CONFIGURE, RECEIVE_ANSWER,
//! RECEIVE_RESTART and RECEIVE_CLOSE of a client, and what the server says of its connection.

pub(in crate::http) mod read;
mod tell;

use restage_core::id::ConnectionId;
use restage_node::control::{ConnectionSocket, EventsSocket, ReceiveError, ReceiveLink};
use serde_json::{Value, json};

use super::App;
use read::{Fault, missing_id};
pub(super) use tell::news;

const AUDIO_VIDEO: &str = "AUDIO_VIDEO";
const AUDIO_ONLY: &str = "AUDIO_ONLY";

/// A message about receiving connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Configure,
    Answer,
    Restart,
    Close,
}

impl Kind {
    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            "RECEIVE_CONFIGURE" => Some(Self::Configure),
            "RECEIVE_ANSWER" => Some(Self::Answer),
            "RECEIVE_RESTART" => Some(Self::Restart),
            "RECEIVE_CLOSE" => Some(Self::Close),
            _ => None,
        }
    }
}

/// For whom a connection is: for the participant of an events socket, or for all those of a connection token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Participant,
    Token,
}

/// A socket with a receiving connection.
pub(super) enum Asking<'a> {
    Participant(&'a mut EventsSocket),
    Token(&'a mut ConnectionSocket),
}

impl Asking<'_> {
    fn link(&self) -> &ReceiveLink {
        match self {
            Self::Participant(socket) => &socket.receiving,
            Self::Token(socket) => &socket.receiving,
        }
    }
}

/// Answers a message: the type and the payload of the answer. Nothing: the answer comes as news of the connection.
pub(super) async fn answer(
    app: &App,
    mut socket: Asking<'_>,
    kind: Kind,
    payload: &Value,
) -> Option<(&'static str, Value)> {
    match kind {
        Kind::Configure => Some(configure(app, &mut socket, payload).await),
        Kind::Answer => Some(take_answer(app, socket.link(), payload).await),
        Kind::Restart | Kind::Close => {
            let name = match kind {
                Kind::Restart => "RECEIVE_RESTART_ERROR",
                _ => "RECEIVE_CLOSE_ERROR",
            };
            let link = socket.link();
            let outcome = match &read::connection_id(payload) {
                Ok(Some(id)) if kind == Kind::Restart => {
                    app.control.receive_restart(link, id).await
                }
                Ok(Some(id)) => app.control.receive_close(link, id).await,
                Ok(None) => return Some((name, invalid(&missing_id(), payload))),
                Err(fault) => return Some((name, invalid(fault, payload))),
            };
            outcome.err().map(|error| (name, refused(&error, payload)))
        }
    }
}

async fn configure(app: &App, socket: &mut Asking<'_>, payload: &Value) -> (&'static str, Value) {
    match try_configure(app, socket, payload).await {
        Ok(told) => ("RECEIVE_CONFIGURED", told),
        Err(told) => ("RECEIVE_CONFIGURE_ERROR", told),
    }
}

async fn try_configure(
    app: &App,
    socket: &mut Asking<'_>,
    payload: &Value,
) -> Result<Value, Value> {
    let invalid = |fault| invalid(&fault, payload);
    let id = read::connection_id(payload).map_err(invalid)?;
    let id: Option<&ConnectionId> = id.as_ref();
    let (scope, configured) = match socket {
        Asking::Participant(socket) => {
            let wanted = read::wants(payload, "").map_err(invalid)?;
            let configured = app.control.receive_configure(socket, id, wanted).await;
            (Scope::Participant, configured)
        }
        Asking::Token(socket) => {
            let wanted = read::viewer_wants(payload).map_err(invalid)?;
            let configured = app.control.receive_configure_shared(socket, id, wanted);
            (Scope::Token, configured.await)
        }
    };
    let (id, states) = configured.map_err(|error| refused(&error, payload))?;
    Ok(tell::state_of(&id, &states, scope))
}

async fn take_answer(app: &App, link: &ReceiveLink, payload: &Value) -> (&'static str, Value) {
    const REFUSED: &str = "RECEIVE_ANSWER_ERROR";
    let (id, revision, sdp) = match read::answer(payload) {
        Ok(read) => read,
        Err(fault) => return (REFUSED, invalid(&fault, payload)),
    };
    let about = json!({ "connectionId": id.as_str(), "revision": revision });
    match app.control.receive_answer(link, &id, revision, sdp).await {
        Ok(()) => ("RECEIVE_ANSWERED", about),
        Err(error) => (REFUSED, refused(&error, payload)),
    }
}

/// Says which connection and which revision a refusal is about, as far as the message did.
fn about(mut told: Value, payload: &Value) -> Value {
    for member in ["connectionId", "revision"] {
        if let Some(value) = payload
            .get(member)
            .filter(|value| value.is_string() || value.is_u64())
        {
            told[member] = value.clone();
        }
    }
    told
}

fn invalid((member, rule): &Fault, payload: &Value) -> Value {
    let message = format!("payload.{member} {rule}");
    about(
        json!({ "code": "INVALID", "message": message, "member": member }),
        payload,
    )
}

fn refused(error: &ReceiveError, payload: &Value) -> Value {
    about(
        json!({ "code": error.code, "message": error.message }),
        payload,
    )
}
