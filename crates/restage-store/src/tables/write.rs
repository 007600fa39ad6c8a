//! Row changes to SQL. Runs of the same kind of change become one statement, because closing a stage
//! with thousands of connections is thousands of changes.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::LazyLock;

use restage_core::id::{ArnId as _, StageId, StageSessionId};
use restage_core::row::{
    Composition, Connection, Job, Participant, Recording, Replica, RevokedConnectionToken, Stage,
    StageEvent, StageSession, Token,
};
use restage_core::{Census, Change};

use super::{Table, plain, plain_cells, purge};
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

/// Events on their way to a sink.
pub(crate) const OUTBOX: Target = Target::Upsert {
    table: "outbox",
    columns: &["sink", "seq", "id", "stage", "at", "body", "attempts"],
    key: 2,
};
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
            Change::PutToken(row) => (Target::upsert::<Token>(), row.cells()),
            Change::PutRevokedConnectionToken(row) => {
                (Target::upsert::<RevokedConnectionToken>(), row.cells())
            }
            Change::PutPlain(row) => (plain(row.kind()).upsert, plain_cells(row)),
            Change::DeletePlain(id) => (plain(id.of_kind()).delete, vec![Cell::text(id.text())]),
            Change::PutSession(row) => (Target::upsert::<StageSession>(), row.cells()),
            Change::PutParticipant(row) => (Target::upsert::<Participant>(), row.cells()),
            Change::PutReplica(row) => (Target::upsert::<Replica>(), row.cells()),
            Change::PutConnection(row) => (Target::upsert::<Connection>(), row.cells()),
            Change::DeleteConnection(id) => {
                let target = Target::Delete(Connection::NAME);
                (target, vec![Cell::text(id.as_str())])
            }
            Change::PutJob(row) => (Target::upsert::<Job>(), row.cells()),
            Change::DeleteJob(id) => (Target::Delete(Job::NAME), vec![Cell::text(id.as_str())]),
            Change::PutRecording(row) => (Target::upsert::<Recording>(), row.cells()),
            Change::PutComposition(row) => (Target::upsert::<Composition>(), row.cells()),
            Change::DeleteComposition(id) => {
                let target = Target::Delete(Composition::NAME);
                (target, vec![Cell::text(id.as_str())])
            }
            Change::AddEvent(event) => (Target::Event, event.cells()),
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
    /// Insert rows of a table, or replace them.
    pub(super) const fn upsert<T: Table>() -> Self {
        Self::Upsert {
            table: T::NAME,
            columns: T::COLUMNS,
            key: T::KEY,
        }
    }

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
    let columns = StageEvent::COLUMNS;
    let mut sql = format!(
        "INSERT INTO stage_events (seq, {}) VALUES ",
        columns.join(", ")
    );
    for row in 0..rows {
        let first = 1 + row * columns.len();
        let comma = if row == 0 { "" } else { ", " };
        write!(
            sql,
            "{comma}((SELECT COALESCE(MAX(seq), 0) + 1 FROM stage_events \
             WHERE session = ${first} AND participant = ${})",
            first + 1
        )
        .expect("writing to a String succeeds");
        for n in first..first + columns.len() {
            write!(sql, ", ${n}").expect("writing to a String succeeds");
        }
        sql.push(')');
    }
    sql
}

static UPDATE_STAGE: LazyLock<String> = LazyLock::new(update_sql::<Stage>);
static INSERT_STAGE: LazyLock<String> = LazyLock::new(insert_sql::<Stage>);
const COUNT_STAGE: &str = "INSERT INTO stage_counts (account, region, stages) VALUES ($1, $2, 1) \
     ON CONFLICT (account, region) DO UPDATE SET stages = stage_counts.stages + 1";

async fn put_stage(connection: &mut sql::Connection, stage: &Stage) -> Result<(), StoreError> {
    if write_stage(connection, &UPDATE_STAGE, stage).await? == 0 {
        write_stage(connection, &INSERT_STAGE, stage).await?;
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
    let statement = stage.cells().into_iter().fold(query(sql), sql::Query::bind);
    statement.execute(connection).await
}

/// Replaces a row by its key.
fn update_sql<T: Table>() -> String {
    let assign = |(at, column): (usize, &&str)| format!("{column} = ${}", at + 1);
    let mut columns = T::COLUMNS.iter().enumerate().map(assign);
    let key: Vec<String> = columns.by_ref().take(T::KEY).collect();
    let rest: Vec<String> = columns.collect();
    let (rest, key) = (rest.join(", "), key.join(" AND "));
    format!("UPDATE {} SET {rest} WHERE {key}", T::NAME)
}

fn insert_sql<T: Table>() -> String {
    let mut sql = format!(
        "INSERT INTO {} ({}) VALUES ",
        T::NAME,
        T::COLUMNS.join(", ")
    );
    push_tuple(&mut sql, 1, T::COLUMNS.len());
    sql
}
