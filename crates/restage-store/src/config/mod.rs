//! Which database is opened, and how.

mod address;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub(crate) use address::Address;

use crate::error::StoreError;

/// Rows removed together with the stage row. A stage with no more than this is gone in one commit.
pub(crate) const PURGE_INLINE_ROWS: u32 = 500;

/// Where the database is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoreConfig {
    pub(crate) address: Address,
    pub(crate) purging: Purging,
    pub(crate) listeners: Listeners,
    pub(crate) sync: SqliteSync,
    pub(crate) accepts_loss: bool,
}

/// What a commit to SQLite waits for.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum SqliteSync {
    /// The disk: what was acknowledged survives a power cut
    #[default]
    Full,
    /// The system: what was acknowledged survives kill -9; a power cut may cost the last calls
    Normal,
}

/// Who removes the rows that a deleted stage leaves behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Purging {
    /// How many go together with the stage.
    pub(crate) inline_rows: u32,
    /// Whether the writer removes the rest when it has time.
    pub(crate) in_background: bool,
}

impl StoreConfig {
    /// A SQLite file. It is created if it is not there; its directory must be.
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self::at(Address::Sqlite(path.into()))
    }

    /// From a database address: `postgres://USER@HOST/DATABASE`, `sqlite:PATH`, or a plain path.
    ///
    /// # Errors
    /// [`StoreError::Address`] for an engine there is no support for, or a malformed URL. It does not
    /// contain the address.
    pub fn from_address(address: &str) -> Result<Self, StoreError> {
        Address::parse(address).map(Self::at)
    }

    fn at(address: Address) -> Self {
        let purging = Purging {
            inline_rows: PURGE_INLINE_ROWS,
            in_background: true,
        };
        Self {
            address,
            purging,
            listeners: Listeners::default(),
            sync: SqliteSync::default(),
            accepts_loss: false,
        }
    }

    /// With commits to SQLite that wait for this. PostgreSQL has settings of its own.
    #[must_use]
    pub fn syncing(mut self, sync: SqliteSync) -> Self {
        self.sync = sync;
        self
    }

    /// Goes on when data is damaged or lost, and tells what is, instead of refusing to open.
    #[must_use]
    pub fn accepting_loss(mut self, accepts: bool) -> Self {
        self.accepts_loss = accepts;
        self
    }

    /// Leaves what a deleted stage had, which no read shows any more, in place until [`Store::purge`](crate::Store::purge) is
    /// called.
    #[must_use]
    pub fn purged_by_caller(mut self) -> Self {
        self.purging = Purging {
            inline_rows: 0,
            in_background: false,
        };
        self
    }

    /// Writes events for these sinks with every change.
    #[must_use]
    pub fn telling(mut self, listeners: Listeners) -> Self {
        self.listeners = listeners;
        self
    }

    /// The database file, if it is one.
    pub fn path(&self) -> Option<&Path> {
        self.address.path()
    }

    /// What the database is called in messages: a path, or a URL without its password.
    pub fn name(&self) -> String {
        self.address.name()
    }
}

/// Who is told of what happens.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Listeners {
    /// The names of the sinks.
    pub sinks: Vec<&'static str>,
    /// Also what the service does not tell: joins, subscriptions, sessions.
    pub extra: bool,
}
