//! The tables: one file per table with its columns, and the code that is the same for all of them.
//!
//! [`ALL`] is the list of tables: backups, checks and the start of the server go through it. The tables of plain resources
//! are named a second time, in `plain_tables!`, for code that has a row or an id of any kind.

pub(crate) mod cells;
pub(crate) mod composition;
pub(crate) mod connection;
pub(crate) mod connection_token;
pub(crate) mod declare;
pub(crate) mod decode;
mod encoder_configuration;
pub(crate) mod event;
mod exchange;
mod field;
pub(crate) mod ingest_configuration;
pub(crate) mod job;
pub(crate) mod participant;
pub(crate) mod public_key;
pub(crate) mod purge;
pub(crate) mod recording;
pub(crate) mod recording_settings;
pub(crate) mod replica;
pub(crate) mod session;
pub(crate) mod stage;
mod storage_configuration;
pub(crate) mod token;
pub(crate) mod write;

use restage_core::row::{
    Composition, Connection, EncoderConfiguration, IngestConfiguration, Job, Participant,
    PlainKind, PlainRow, PublicKey, Recording, Replica, RevokedConnectionToken, Stage, StageEvent,
    StageSession, StorageConfiguration, Token,
};

use self::declare::PlainTable;
pub(crate) use self::declare::Table;
use self::write::Target;
use crate::error::StoreError;
use crate::sql::{Cell, Row};

/// Every table, in the order in which a backup writes them. `meta` holds the keys of this deployment, so a backup is as
/// secret as the database.
pub(crate) const ALL: &[Description] = &[
    Description::bare("meta", 1),
    Description::of::<Stage>(),
    Description::of::<PublicKey>(),
    Description::of::<EncoderConfiguration>(),
    Description::of::<StorageConfiguration>(),
    Description::of::<IngestConfiguration>(),
    Description::bare("stage_counts", 1),
    Description::bare("deleted_stages", 1),
    Description::of::<Token>(),
    Description::of::<RevokedConnectionToken>(),
    Description::of::<StageSession>(),
    Description::of::<Participant>(),
    Description::of::<Replica>(),
    Description::of::<Connection>(),
    Description::of::<Job>(),
    Description::of::<Recording>(),
    Description::of::<Composition>(),
    Description::of::<StageEvent>(),
    Description::bare("outbox", 3),
    Description::bare("dead_letters", 3),
];

/// Declares which kinds of plain resources have tables: all, or it does not compile.
macro_rules! plain_tables {
    ($($row:ident),+) => {
        /// The table of a kind of plain resource.
        pub(crate) const fn plain(kind: PlainKind) -> PlainStatements {
            match kind {
                $(PlainKind::$row => PlainStatements::of::<$row>()),+
            }
        }

        /// The values of the columns of a plain resource's table, in their order.
        fn plain_cells(row: &PlainRow) -> Vec<Cell> {
            match row {
                $(PlainRow::$row(row) => row.cells()),+
            }
        }
    };
}

plain_tables!(
    PublicKey,
    EncoderConfiguration,
    StorageConfiguration,
    IngestConfiguration
);

/// The columns of `participants`, in the order in which they are written.
pub const PARTICIPANT_COLUMNS: &[&str] = Participant::COLUMNS;
/// The columns of `replicas`, in the order in which they are written.
pub const REPLICA_COLUMNS: &[&str] = Replica::COLUMNS;

/// What is to be known of any table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Description {
    /// The table.
    pub(crate) name: &'static str,
    /// The schema that brought it.
    pub(crate) since: i64,
    /// See [`Table::NEWEST`].
    pub(crate) newest: &'static [&'static str],
    /// Reads every row, and what decides whether a row is sound; `None` where rows are not of the rules.
    pub(crate) rows: Option<(&'static str, Check)>,
}

/// Reads a row, only to see whether that works.
type Check = fn(&Row<'_>) -> Result<(), StoreError>;

impl Description {
    const fn of<T: Table>() -> Self {
        Self {
            name: T::NAME,
            since: T::SINCE,
            newest: T::NEWEST,
            rows: Some((T::SELECT, |row| T::read(row).map(drop))),
        }
    }

    const fn bare(name: &'static str, since: i64) -> Self {
        Self {
            name,
            since,
            newest: &[],
            rows: None,
        }
    }
}

/// The table of a kind of plain resource.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlainStatements {
    /// See [`PlainTable::GET`].
    pub(crate) get: &'static str,
    /// See [`PlainTable::LIST`].
    pub(crate) list: &'static str,
    /// See [`PlainTable::COUNT`].
    pub(crate) count: &'static str,
    /// Reads a row of `get` or `list`.
    pub(crate) read: fn(&Row<'_>) -> Result<PlainRow, StoreError>,
    /// Inserts or replaces rows.
    pub(crate) upsert: Target,
    /// Removes rows by id.
    pub(crate) delete: Target,
}

impl PlainStatements {
    const fn of<T: PlainTable>() -> Self {
        Self {
            get: T::GET,
            list: T::LIST,
            count: T::COUNT,
            read: T::read_plain,
            upsert: Target::upsert::<T>(),
            delete: Target::Delete(T::NAME),
        }
    }
}
