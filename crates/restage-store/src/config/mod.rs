//! The database to open, and how.

mod address;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub(crate) use address::Address;

use crate::error::StoreError;

/// Rows removed together with the stage row. A stage with no more rows than this is removed in one commit.
pub(crate) const PURGE_INLINE_ROWS: u32 = 500;

/// The place of the database, and options.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoreConfig {
    pub(crate) address: Address,
    pub(crate) purging: Purging,
    pub(crate) outbox: OutboxConfig,
    pub(crate) sync: SqliteSync,
    pub(crate) accepts_loss: bool,
}

/// What a commit to SQLite waits for.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum SqliteSync {
    /// The disk: acknowledged calls survive a power cut
    #[default]
    Full,
    /// The system: acknowledged calls survive kill -9; a power cut may lose the last calls
    Normal,
}

/// How the rows of a deleted stage are removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Purging {
    /// Rows removed together with the stage.
    pub(crate) inline_rows: u32,
    /// Whether the writer removes the rest when it is idle.
    pub(crate) in_background: bool,
}

impl StoreConfig {
    /// A SQLite file. It is created if it does not exist; its directory must exist.
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self::at(Address::Sqlite(path.into()))
    }

    /// Parses a database address: `postgres://USER@HOST/DATABASE`, `sqlite:PATH`, or a plain path.
    ///
    /// # Errors
    /// [`StoreError::Address`] for an unsupported engine or a malformed URL. The error does not
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
            outbox: OutboxConfig::default(),
            sync: SqliteSync::default(),
            accepts_loss: false,
        }
    }

    /// Sets what commits to SQLite wait for. PostgreSQL has settings of its own.
    #[must_use]
    pub fn syncing(mut self, sync: SqliteSync) -> Self {
        self.sync = sync;
        self
    }

    /// Opens the database even if data is damaged or lost, and reports the loss, instead of refusing.
    #[must_use]
    pub fn accepting_loss(mut self, accepts: bool) -> Self {
        self.accepts_loss = accepts;
        self
    }

    /// Keeps the rows of deleted stages, which no read shows any more, until [`Store::purge`](crate::Store::purge) is
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
    pub fn with_outbox(mut self, outbox: OutboxConfig) -> Self {
        self.outbox = outbox;
        self
    }

    /// The database file, if there is one.
    pub fn path(&self) -> Option<&Path> {
        self.address.path()
    }

    /// The database's name for messages: a path, or a URL without its password.
    pub fn name(&self) -> String {
        self.address.name()
    }
}

/// The sinks that get events.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OutboxConfig {
    /// The names of the sinks.
    pub sinks: Vec<&'static str>,
    /// Whether they also get events that the service does not have: joins, subscriptions, sessions.
    pub extra: bool,
}
