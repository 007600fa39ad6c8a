//! The outbox: events are written with the change that they report, one row per sink, and removed when the sink has
//! them.
//!
//! Events are ordered by commits. A row that a sink refuses permanently moves to the dead letters, from which it
//! can be [replayed](replay). Without sinks nothing is written.

pub(crate) mod decode;
mod envelope;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use restage_core::id::{StageId, Time};
use restage_core::notice::{Notice, Occurrence};
use tokio::sync::Notify;

use crate::config::OutboxConfig;
use crate::error::StoreError;
use crate::load::rows;
use crate::sql::{self, Cell, query};
use crate::system::ids;
use crate::tables::write;
use envelope::Owner;

/// Most events that may wait for a sink. The oldest beyond that become dead letters, so that a sink that is unreachable
/// for long cannot fill the disk.
pub const OUTBOX_ROWS_MAX: u64 = 100_000;
/// Most dead letters that are kept; the oldest beyond that are removed.
pub const DEAD_LETTERS_MAX: u32 = 100_000;
/// Rows that are moved at once when the outbox is full.
const OVERFLOW_ROWS: i64 = 256;

/// An event to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outgoing {
    /// Its position in the order.
    pub seq: i64,
    /// The event's id, the same for every attempt.
    pub id: String,
    /// The stage of the event.
    pub stage: StageId,
    /// The time of the event.
    pub at: Time,
    /// The event as JSON.
    pub body: String,
    /// Number of refusals by the sink.
    pub attempts: u32,
}

/// A waiting event without its body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Waiting {
    /// Its position in the order.
    pub seq: i64,
    /// The stage of the event.
    pub stage: StageId,
    /// The time of the event.
    pub at: Time,
}

/// An event that a sink refused permanently.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeadLetter {
    /// The name of the sink.
    pub sink: String,
    /// The event.
    pub event: Outgoing,
    /// The time of the last refusal.
    pub failed_at: Time,
    /// The sink's last reason.
    pub reason: String,
}

/// The results for the events that were sent to a sink.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Settlement {
    /// Positions of events that the sink accepted.
    pub delivered: Vec<i64>,
    /// Positions of events that it refused and that are sent again.
    pub refused: Vec<i64>,
    /// Positions of events that are not sent again, with the reason.
    pub dead: Vec<(i64, String)>,
}

/// The state of a sink.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OutboxStats {
    /// Number of waiting events.
    pub waiting: u64,
    /// Time of the oldest waiting event, in microseconds since the epoch; 0 if there is none.
    pub oldest_at: i64,
    /// Events accepted since the start.
    pub delivered: u64,
    /// Refused attempts since the start.
    pub refused: u64,
    /// Events given up since the start.
    pub dead: u64,
}

#[derive(Default, Debug)]
struct Gauge {
    waiting: AtomicU64,
    delivered: AtomicU64,
    refused: AtomicU64,
    dead: AtomicU64,
    oldest_at: Mutex<i64>,
}

impl Gauge {
    fn set_oldest(&self, at: Option<Time>) {
        let mut oldest = self
            .oldest_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *oldest = at.map_or(0, |at| at.0);
    }
}

/// State shared by the writer and the senders.
#[derive(Debug)]
pub(crate) struct Board {
    config: OutboxConfig,
    gauges: Vec<Gauge>,
    /// Notified after a commit that contains events.
    pub(crate) bell: Notify,
}

impl Board {
    fn gauge(&self, sink: &str) -> Option<&Gauge> {
        let place = self.config.sinks.iter().position(|name| *name == sink)?;
        self.gauges.get(place)
    }

    pub(crate) fn stats(&self) -> Vec<(&'static str, OutboxStats)> {
        let read = |gauge: &Gauge| OutboxStats {
            waiting: gauge.waiting.load(Ordering::Relaxed),
            oldest_at: *gauge
                .oldest_at
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
            delivered: gauge.delivered.load(Ordering::Relaxed),
            refused: gauge.refused.load(Ordering::Relaxed),
            dead: gauge.dead.load(Ordering::Relaxed),
        };
        let gauges = self.gauges.iter().map(read);
        self.config.sinks.iter().copied().zip(gauges).collect()
    }

    /// Records the time of a sink's oldest waiting event.
    pub(crate) fn set_oldest(&self, sink: &str, at: Option<Time>) {
        if let Some(gauge) = self.gauge(sink) {
            gauge.set_oldest(at);
        }
    }

    pub(crate) fn settled(&self, sink: &str, settlement: &Settlement) {
        let Some(gauge) = self.gauge(sink) else {
            return;
        };
        let (delivered, dead) = (settlement.delivered.len(), settlement.dead.len());
        take(&gauge.waiting, (delivered + dead) as u64);
        add(&gauge.delivered, delivered as u64);
        add(&gauge.dead, dead as u64);
        add(&gauge.refused, (settlement.refused.len() + dead) as u64);
    }
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

fn take(counter: &AtomicU64, count: u64) {
    let less = |now: u64| Some(now.saturating_sub(count));
    let _ = counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
}

/// The writer's part of the outbox.
#[derive(Debug)]
pub(crate) struct Outbox {
    pub(crate) board: Arc<Board>,
    next_seq: i64,
    /// Rows of the open transaction, by sink.
    appended: u64,
}

const LAST_SEQ: &str = "SELECT COALESCE(MAX(t.seq), 0) FROM ( \
     SELECT MAX(seq) AS seq FROM outbox UNION ALL SELECT MAX(seq) AS seq FROM dead_letters) AS t";
const COUNT: &str = "SELECT COUNT(*) FROM outbox WHERE sink = $1";
const BURY_OLDEST: &str = "INSERT INTO dead_letters \
     (sink, seq, id, stage, at, body, attempts, failed_at, reason) \
     SELECT sink, seq, id, stage, at, body, attempts, $2, $3 FROM outbox \
     WHERE sink = $1 ORDER BY seq LIMIT $4 ON CONFLICT (sink, seq) DO NOTHING";
const REMOVE_OLDEST: &str = "DELETE FROM outbox WHERE sink = $1 AND seq IN \
     (SELECT seq FROM outbox WHERE sink = $1 ORDER BY seq LIMIT $2)";

impl Outbox {
    pub(crate) async fn open(
        connection: &mut sql::Connection,
        config: OutboxConfig,
    ) -> Result<Self, StoreError> {
        let last = query(LAST_SEQ).number(connection).await?;
        let mut gauges = Vec::new();
        for sink in &config.sinks {
            let waiting = query(COUNT).bind(*sink).number(connection).await?;
            let gauge = Gauge::default();
            add(&gauge.waiting, u64::try_from(waiting).unwrap_or_default());
            gauges.push(gauge);
        }
        let board = Board {
            config,
            gauges,
            bell: Notify::new(),
        };
        Ok(Self {
            board: Arc::new(board),
            next_seq: last + 1,
            appended: 0,
        })
    }

    /// The events of a decision. Called before its changes are written, because a deleted stage still has an owner
    /// then.
    pub(crate) async fn compose(
        &self,
        connection: &mut sql::Connection,
        notices: &[Notice],
    ) -> Result<Vec<(StageId, Time, String, String)>, StoreError> {
        if self.board.config.sinks.is_empty() || notices.is_empty() {
            return Ok(Vec::new());
        }
        let stages = notices.iter().map(|notice| notice.stage.clone()).collect();
        let stages = rows::stages(connection, stages).await?;
        let mut events = Vec::new();
        for notice in notices {
            let stage = stages.iter().find(|stage| stage.id == notice.stage);
            let owner = match (&notice.what, stage) {
                // A recording outlives its stage.
                (Occurrence::Recording { recording, .. }, _) => Owner {
                    account: recording.account.clone(),
                    region: recording.region.clone(),
                },
                // So does a composition.
                (Occurrence::Composition { composition, .. }, _) => Owner {
                    account: composition.account.clone(),
                    region: composition.region.clone(),
                },
                (_, Some(stage)) => Owner {
                    account: stage.account.clone(),
                    region: stage.region.clone(),
                },
                (_, None) => continue,
            };
            let id = ids::request();
            let extra = self.board.config.extra;
            if let Some(body) = envelope::event(notice, &owner, &id, extra) {
                events.push((notice.stage.clone(), notice.at, id, body));
            }
        }
        Ok(events)
    }

    /// Queues events for every sink, in the open transaction.
    pub(crate) async fn append(
        &mut self,
        connection: &mut sql::Connection,
        events: &[(StageId, Time, String, String)],
    ) -> Result<(), StoreError> {
        let board = Arc::clone(&self.board);
        for (sink, gauge) in board.config.sinks.iter().zip(&board.gauges) {
            let mut cells = Vec::with_capacity(events.len());
            for (number, (stage, at, id, body)) in (self.next_seq..).zip(events) {
                cells.push(vec![
                    Cell::text(sink),
                    Cell::Int(number),
                    Cell::text(id),
                    Cell::text(stage.as_str()),
                    Cell::Int(at.0),
                    Cell::text(body),
                    Cell::Int(0),
                ]);
            }
            write::put_rows(connection, write::OUTBOX, cells).await?;
            if gauge.waiting.load(Ordering::Relaxed) > OUTBOX_ROWS_MAX
                && let Some((_, at, ..)) = events.last()
            {
                let buried = bury_oldest(connection, sink, *at).await?;
                take(&gauge.waiting, buried);
                add(&gauge.dead, buried);
            }
        }
        self.next_seq += events.len() as i64;
        self.appended += events.len() as u64;
        Ok(())
    }

    /// Forgets what was appended since `mark`, because it was rolled back.
    pub(crate) fn roll_back(&mut self, mark: u64) {
        self.appended = mark;
    }

    /// The number of rows appended in the open transaction.
    pub(crate) const fn mark(&self) -> u64 {
        self.appended
    }

    /// Called after a commit: notifies the senders.
    pub(crate) fn committed(&mut self) {
        let appended = std::mem::take(&mut self.appended);
        self.committed_later(appended);
    }

    /// The same for a transaction other than the open one.
    pub(crate) fn committed_later(&self, appended: u64) {
        if appended > 0 {
            for gauge in &self.board.gauges {
                add(&gauge.waiting, appended);
            }
            self.board.bell.notify_waiters();
        }
    }
}

async fn bury_oldest(
    connection: &mut sql::Connection,
    sink: &str,
    now: Time,
) -> Result<u64, StoreError> {
    query(BURY_OLDEST)
        .bind(sink)
        .bind(now.0)
        .bind("the outbox was full")
        .bind(OVERFLOW_ROWS)
        .execute(connection)
        .await?;
    query(REMOVE_OLDEST)
        .bind(sink)
        .bind(OVERFLOW_ROWS)
        .execute(connection)
        .await
}

const DELIVERED: &str = "DELETE FROM outbox WHERE sink = $1 AND seq = $2";
const REFUSED: &str = "UPDATE outbox SET attempts = attempts + 1 WHERE sink = $1 AND seq = $2";
const BURY: &str = "INSERT INTO dead_letters \
     (sink, seq, id, stage, at, body, attempts, failed_at, reason) \
     SELECT sink, seq, id, stage, at, body, attempts + 1, $3, $4 FROM outbox \
     WHERE sink = $1 AND seq = $2 ON CONFLICT (sink, seq) DO NOTHING";

/// Records the results of sending.
pub(crate) async fn settle(
    connection: &mut sql::Connection,
    sink: &str,
    now: Time,
    settlement: &Settlement,
) -> Result<(), StoreError> {
    for (seq, reason) in &settlement.dead {
        query(BURY)
            .bind(sink)
            .bind(*seq)
            .bind(now.0)
            .bind(reason.replace('\0', ""))
            .execute(connection)
            .await?;
    }
    let gone = settlement
        .delivered
        .iter()
        .chain(settlement.dead.iter().map(|(seq, _)| seq));
    let gone = gone.map(|seq| (DELIVERED, seq));
    let refused = settlement.refused.iter().map(|seq| (REFUSED, seq));
    for (sql, seq) in gone.chain(refused) {
        query(sql).bind(sink).bind(*seq).execute(connection).await?;
    }
    Ok(())
}

pub(crate) const WAITING: &str = "SELECT o.seq, o.id, o.stage, o.at, o.body, o.attempts \
     FROM outbox o WHERE o.sink = $1 AND o.seq > $2 ORDER BY o.seq LIMIT $3";

pub(crate) const WAITING_KEYS: &str = "SELECT o.seq, o.stage, o.at \
     FROM outbox o WHERE o.sink = $1 AND o.seq > $2 ORDER BY o.seq LIMIT $3";
pub(crate) const WAITING_COUNT: &str =
    "SELECT COUNT(*) FROM outbox o WHERE o.sink = $1 AND o.seq <= $2";

const DEAD_LETTERS: &str = "SELECT d.sink, d.seq, d.id, d.stage, d.at, d.body, d.attempts, \
     d.failed_at, d.reason FROM dead_letters d ORDER BY d.seq LIMIT $1";
const REVIVE: &str = "INSERT INTO outbox (sink, seq, id, stage, at, body, attempts) \
     SELECT sink, seq, id, stage, at, body, 0 FROM dead_letters WHERE sink = $1 AND seq = $2 \
     ON CONFLICT (sink, seq) DO NOTHING";
const UNBURY: &str = "DELETE FROM dead_letters WHERE sink = $1 AND seq = $2";

/// The oldest dead letters, for an operator. Can run beside a server.
pub(crate) async fn dead_letters(
    connection: &mut sql::Connection,
    limit: u32,
) -> Result<Vec<DeadLetter>, StoreError> {
    query(DEAD_LETTERS)
        .bind(i64::from(limit))
        .rows(connection, decode::dead_letter)
        .await
}

/// Queues a dead letter again, in its old position. The caller holds the transaction.
pub(crate) async fn replay(
    connection: &mut sql::Connection,
    sink: &str,
    seq: i64,
) -> Result<(), StoreError> {
    for sql in [REVIVE, UNBURY] {
        query(sql).bind(sink).bind(seq).execute(connection).await?;
    }
    Ok(())
}
