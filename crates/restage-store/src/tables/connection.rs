//! Open connections.

use restage_core::id::ParticipantId;
use restage_core::row::{Connection, ConnectionKind};

use super::cells::Cells;
use super::declare::table;
use super::field::Field;
use crate::error::StoreError;
use crate::sql::Cell;

table! {
    Connection in "connections" as "c", row "connection", since 1, newest [],
    key (id),
    fields (
        stage, session, participant, kind ("kind", "publisher"), established, opened_at, connection_token
    )
}

/// The purpose of a connection: a word, and the publisher that is subscribed to.
impl Field for ConnectionKind {
    fn put(&self, cells: &mut Vec<Cell>) {
        let (word, publisher) = match self {
            Self::Publish => ("PUBLISH", None),
            Self::Subscribe { publisher } => ("SUBSCRIBE", Some(publisher.as_str())),
            Self::Events => ("EVENTS", None),
        };
        cells.extend([Cell::text(word), Cell::opt_text(publisher)]);
    }

    fn take(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        let word = cells.text()?;
        let publisher: Option<ParticipantId> = cells.opt_id()?;
        match (word.as_str(), publisher) {
            ("PUBLISH", None) => Ok(Self::Publish),
            ("SUBSCRIBE", Some(publisher)) => Ok(Self::Subscribe { publisher }),
            ("EVENTS", None) => Ok(Self::Events),
            _ => Err(cells.corrupt(format!("{word:?} does not go with its publisher column"))),
        }
    }
}
