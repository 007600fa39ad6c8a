//! Row changes to SQL. Runs of the same kind of change become one statement, because closing a stage
//! with thousands of connections is thousands of changes.

use std::collections::HashSet;
use std::fmt::Write as _;

use restage_core::id::{StageId, StageSessionId};
use restage_core::row::Stage;
use restage_core::{Census, Change};

use super::decode::map_text;
use super::encode::{
    connection_cells, event_cells, job_cells, participant_cells, public_key_cells, replica_cells,
    session_cells, token_cells,
};
use super::purge;
use crate::error::StoreError;
use crate::sql::{self, Cell, query};

/// How many rows one statement may carry. Few sizes, so that few statements are prepared.
const RUN_SIZES: [usize; 4] = [64, 16, 4, 1];

/// What the statement for a run of changes looks like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Target {
    /// Insert, or replace by key. The first `key` columns are the key.
    Upsert {
        table: &'static str,
        columns: &'static [&'static str],
        key: usize,
    },
    /// Append to a participant's history.
    Event,
    /// Remove by id from this table.
    Delete(&'static str),
}

const TOKENS: Target = Target::Upsert {
    table: "tokens",
    columns: &[
        "stage",
        "participant",
        "expires_at",
        "revoked_at",
        "allow_publish",
        "allow_subscribe",
    ],
    key: 2,
};
const PUBLIC_KEYS: Target = Target::Upsert {
    table: "public_keys",
    columns: &[
        "id",
        "account",
        "region",
        "name",
        "tags",
        "material",
        "fingerprint",
        "point",
        "created_at",
    ],
    key: 1,
};
const SESSIONS: Target = Target::Upsert {
    table: "stage_sessions",
    columns: &["id", "stage", "started_at", "ended_at", "idle_since"],
    key: 1,
};
/// The columns of `participants`, in the order in which they are written.
pub const PARTICIPANT_COLUMNS: &[&str] = &[
    "session",
    "id",
    "stage",
    "user_id",
    "attributes",
    "connected",
    "publishing",
    "published",
    "first_joined_at",
    "protocol",
    "client",
    "replication",
    "replication_active",
    "source_stage",
    "source_session",
];
const PARTICIPANTS: Target = Target::Upsert {
    table: "participants",
    columns: PARTICIPANT_COLUMNS,
    key: 2,
};
/// The columns of `replicas`, in the order in which they are written.
pub const REPLICA_COLUMNS: &[&str] = &[
    "source_session",
    "participant",
    "destination_session",
    "source_stage",
    "destination_stage",
    "active",
    "attributes",
    "reconnect_window_s",
    "window_ends_at",
    "started_at",
];
const REPLICAS: Target = Target::Upsert {
    table: "replicas",
    columns: REPLICA_COLUMNS,
    key: 3,
};
const CONNECTIONS: Target = Target::Upsert {
    table: "connections",
    columns: &[
        "id",
        "stage",
        "session",
        "participant",
        "kind",
        "publisher",
        "established",
        "opened_at",
    ],
    key: 1,
};
const JOBS: Target = Target::Upsert {
    table: "jobs",
    columns: &[
        "id",
        "kind",
        "stage",
        "session",
        "participant",
        "spec",
        "state",
        "owner",
        "started_at",
        "due_at",
        "generation",
        "attempts",
        "stop_requested",
        "result",
        "created_at",
        "ended_at",
    ],
    key: 1,
};
/// Events on their way to a sink.
pub(crate) const OUTBOX: Target = Target::Upsert {
    table: "outbox",
    columns: &["sink", "seq", "id", "stage", "at", "body", "attempts"],
    key: 2,
};
/// The columns of `stage_events` without `seq`, which the statement counts.
const EVENT_COLUMNS: [&str; 10] = [
    "session",
    "participant",
    "name",
    "at",
    "remote_participant",
    "error",
    "destination_stage",
    "destination_session",
    "replica",
    "exchange",
];

/// Writes the changes of one decision, in order, into the open transaction. With a stage that is
/// deleted go up to `purge_rows` rows of what it had.
pub(crate) async fn apply(
    connection: &mut sql::Connection,
    changes: &[Change],
    purge_rows: u32,
) -> Result<(), StoreError> {
    let mut run = Run::default();
    for change in changes {
        match Row::of(change) {
            Row::Batched { target, cells } => {
                if !run.takes(target, &cells) {
                    run.flush(connection).await?;
                }
                run.push(target, cells);
            }
            Row::PutStage(stage) => {
                run.flush(connection).await?;
                put_stage(connection, stage).await?;
            }
            Row::Count { stage, session, by } => {
                run.flush(connection).await?;
                count(connection, stage, session, by).await?;
            }
            Row::DeleteStage(stage) => {
                run.flush(connection).await?;
                purge::delete_stage(connection, stage, purge_rows).await?;
            }
        }
    }
    run.flush(connection).await
}

/// Writes rows of one kind, in order.
pub(crate) async fn put_rows(
    connection: &mut sql::Connection,
    target: Target,
    rows: Vec<Vec<Cell>>,
) -> Result<(), StoreError> {
    let mut run = Run::default();
    for cells in rows {
        if !run.takes(target, &cells) {
            run.flush(connection).await?;
        }
        run.push(target, cells);
    }
    run.flush(connection).await
}

enum Row<'a> {
    Batched {
        target: Target,
        cells: Vec<Cell>,
    },
    PutStage(&'a Stage),
    DeleteStage(&'a StageId),
    Count {
        stage: &'a StageId,
        session: &'a StageSessionId,
        by: Census,
    },
}

impl<'a> Row<'a> {
    fn of(change: &'a Change) -> Self {
        let (target, cells) = match change {
            Change::PutStage(stage) => return Self::PutStage(stage),
            Change::DeleteStage(stage) => return Self::DeleteStage(stage),
            Change::PutToken(token) => (TOKENS, token_cells(token)),
            Change::PutPublicKey(key) => (PUBLIC_KEYS, public_key_cells(key)),
            Change::DeletePublicKey(id) => {
                (Target::Delete("public_keys"), vec![Cell::text(id.as_str())])
            }
            Change::PutSession(session) => (SESSIONS, session_cells(session)),
            Change::PutParticipant(participant) => (PARTICIPANTS, participant_cells(participant)),
            Change::PutReplica(replica) => (REPLICAS, replica_cells(replica)),
            Change::PutConnection(connection) => (CONNECTIONS, connection_cells(connection)),
            Change::DeleteConnection(id) => {
                (Target::Delete("connections"), vec![Cell::text(id.as_str())])
            }
            Change::PutJob(job) => (JOBS, job_cells(job)),
            Change::DeleteJob(id) => (Target::Delete("jobs"), vec![Cell::text(id.as_str())]),
            Change::AddEvent(event) => (Target::Event, event_cells(event)),
            Change::Count { stage, session, by } => {
                return Self::Count {
                    stage,
                    session,
                    by: *by,
                };
            }
        };
        Self::Batched { target, cells }
    }
}

impl Target {
    /// How many leading cells tell two rows of a run apart. A statement never holds two rows with the
    /// same ones: a row cannot be replaced, nor a history counted, twice in one statement.
    fn key(self) -> usize {
        match self {
            Self::Upsert { key, .. } => key,
            Self::Event => 2,
            Self::Delete(_) => 1,
        }
    }

    fn sql(self, rows: usize) -> String {
        match self {
            Self::Upsert {
                table,
                columns,
                key,
            } => upsert_sql(table, columns, key, rows),
            Self::Event => event_sql(rows),
            Self::Delete(table) => {
                let mut sql = format!("DELETE FROM {table} WHERE id IN ");
                push_tuple(&mut sql, 1, rows);
                sql
            }
        }
    }
}

/// Changes of one kind waiting to be written together.
#[derive(Default)]
struct Run {
    target: Option<Target>,
    rows: Vec<Vec<Cell>>,
    keys: HashSet<Vec<Cell>>,
}

impl Run {
    fn takes(&self, target: Target, cells: &[Cell]) -> bool {
        self.target == Some(target)
            && self.rows.len() < RUN_SIZES[0]
            && !self.keys.contains(&cells[..target.key()])
    }

    fn push(&mut self, target: Target, cells: Vec<Cell>) {
        self.target = Some(target);
        self.keys.insert(cells[..target.key()].to_vec());
        self.rows.push(cells);
    }

    async fn flush(&mut self, connection: &mut sql::Connection) -> Result<(), StoreError> {
        let Some(target) = self.target.take() else {
            return Ok(());
        };
        self.keys.clear();
        let mut rows = std::mem::take(&mut self.rows);
        while let Some(&size) = RUN_SIZES.iter().find(|size| **size <= rows.len()) {
            let mut query = query(target.sql(size));
            for cell in rows.drain(..size).flatten() {
                query = query.bind(cell);
            }
            query.execute(connection).await?;
        }
        Ok(())
    }
}

/// `($first, $first+1, …)`
fn push_tuple(sql: &mut String, first: usize, count: usize) {
    sql.push('(');
    for n in first..first + count {
        let comma = if n == first { "" } else { ", " };
        write!(sql, "{comma}${n}").expect("writing to a String succeeds");
    }
    sql.push(')');
}

fn upsert_sql(table: &str, columns: &[&str], key: usize, rows: usize) -> String {
    let mut sql = format!("INSERT INTO {table} ({}) VALUES ", columns.join(", "));
    for row in 0..rows {
        if row > 0 {
            sql.push_str(", ");
        }
        push_tuple(&mut sql, 1 + row * columns.len(), columns.len());
    }
    let replaced: Vec<String> = columns[key..]
        .iter()
        .map(|column| format!("{column} = excluded.{column}"))
        .collect();
    write!(
        sql,
        " ON CONFLICT ({}) DO UPDATE SET {}",
        columns[..key].join(", "),
        replaced.join(", ")
    )
    .expect("writing to a String succeeds");
    sql
}

fn event_sql(rows: usize) -> String {
    let mut sql = format!(
        "INSERT INTO stage_events (seq, {}) VALUES ",
        EVENT_COLUMNS.join(", ")
    );
    for row in 0..rows {
        let first = 1 + row * EVENT_COLUMNS.len();
        let comma = if row == 0 { "" } else { ", " };
        write!(
            sql,
            "{comma}((SELECT COALESCE(MAX(seq), 0) + 1 FROM stage_events \
             WHERE session = ${first} AND participant = ${})",
            first + 1
        )
        .expect("writing to a String succeeds");
        for n in first..first + EVENT_COLUMNS.len() {
            write!(sql, ", ${n}").expect("writing to a String succeeds");
        }
        sql.push(')');
    }
    sql
}

const UPDATE_STAGE: &str = "UPDATE stages SET account = $2, region = $3, name = $4, tags = $5, \
     recording = $6, created_at = $7, active_session = $8 WHERE id = $1";
const INSERT_STAGE: &str = "INSERT INTO stages \
     (id, account, region, name, tags, recording, created_at, active_session) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const COUNT_STAGE: &str = "INSERT INTO stage_counts (account, region, stages) VALUES ($1, $2, 1) \
     ON CONFLICT (account, region) DO UPDATE SET stages = stage_counts.stages + 1";

async fn put_stage(connection: &mut sql::Connection, stage: &Stage) -> Result<(), StoreError> {
    if write_stage(connection, UPDATE_STAGE, stage).await? == 0 {
        write_stage(connection, INSERT_STAGE, stage).await?;
        query(COUNT_STAGE)
            .bind(stage.account.as_str())
            .bind(stage.region.as_str())
            .execute(connection)
            .await?;
    }
    Ok(())
}

pub(crate) const COUNT_IN_SESSION: &str =
    "UPDATE stage_sessions SET subscribers = subscribers + $2 WHERE id = $1";
pub(crate) const COUNT_IN_REGION: &str = "UPDATE stage_counts \
     SET publishers = publishers + $2, subscriptions = subscriptions + $3 \
     WHERE (account, region) = (SELECT s.account, s.region FROM stages s WHERE s.id = $1)";

/// Keeps the numbers of what is live.
async fn count(
    connection: &mut sql::Connection,
    stage: &StageId,
    session: &StageSessionId,
    by: Census,
) -> Result<(), StoreError> {
    if by.subscribers != 0 {
        query(COUNT_IN_SESSION)
            .bind(session.as_str())
            .bind(by.subscribers)
            .execute(connection)
            .await?;
    }
    if (by.publishers, by.subscriptions) != (0, 0) {
        query(COUNT_IN_REGION)
            .bind(stage.as_str())
            .bind(by.publishers)
            .bind(by.subscriptions)
            .execute(connection)
            .await?;
    }
    Ok(())
}

async fn write_stage(
    connection: &mut sql::Connection,
    sql: &'static str,
    stage: &Stage,
) -> Result<u64, StoreError> {
    let Stage {
        id,
        account,
        region,
        name,
        tags,
        recording,
        created_at,
        active_session,
    } = stage;
    query(sql)
        .bind(id.as_str())
        .bind(account.as_str())
        .bind(region.as_str())
        .bind(name.as_str())
        .bind(map_text(tags))
        .bind(recording.as_str())
        .bind(created_at.0)
        .bind(active_session.as_ref().map(|session| session.as_str()))
        .execute(connection)
        .await
}
