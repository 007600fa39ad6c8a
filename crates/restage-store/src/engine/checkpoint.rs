//! Moves SQLite's write-ahead log into the database in a thread of its own. Otherwise the writer would do so during
//! some commits, while callers wait. Also truncates the log's file, which would otherwise keep its largest size.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::sql::SqliteConnection;

/// Interval at which the log is checked.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// The log is moved when this many rows were written since the last time: half of the log's maximum, at four pages per
/// row. Moving it waits for the disk, and commits may wait with it, so it is not done more often than needed.
const ROWS_MAX: u64 = 4_000;
/// It is also moved after this many checks: every ten seconds, if there is anything to move.
const LOOKS_MAX: u32 = 40;
const THREAD: &str = "restage-checkpoint";
/// Moves what no reader needs, and waits for nobody.
const CHECKPOINT: &str = "PRAGMA wal_checkpoint(PASSIVE)";
/// Moves everything, waits for commits and reads under way, blocks new ones meanwhile, and empties the file. The
/// passive checkpoint before has moved most of the log already.
const TRUNCATE: &str = "PRAGMA wal_checkpoint(TRUNCATE)";
/// A log longer than this is emptied even while callers write, because under constant load it is never idle.
const LOG_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// A log longer than this is emptied when nobody has written for [`IDLE_LOOKS`].
const IDLE_LOG_BYTES: u64 = 1024 * 1024;
const IDLE_LOOKS: u32 = 8;

/// The thread that moves the log. Dropping this ends it.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    /// Starts the thread with a connection of its own. `rows` counts written rows.
    pub(super) fn start(
        connection: SqliteConnection,
        log: PathBuf,
        rows: Arc<AtomicU64>,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new()
            .name(THREAD.to_owned())
            .spawn(move || {
                // No state is kept between two checks, so a panic costs one check.
                while catch_unwind(AssertUnwindSafe(|| run(&connection, &log, &rows, &stopped)))
                    .is_err()
                {
                    tracing::error!("moving the log panicked; it goes on");
                }
            })?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in the thread was already reported and has no effect here.
            thread.join().ok();
        }
    }
}

fn run(connection: &SqliteConnection, log: &Path, rows: &AtomicU64, stopped: &Receiver<()>) {
    let (mut taken, mut looks) = (0, 0);
    let (mut seen, mut idle) = (0, 0);
    while stopped.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
        looks += 1;
        let now = rows.load(Ordering::Relaxed);
        idle = if now == seen { idle + 1 } else { 0 };
        seen = now;
        if is_due(now - taken, looks) {
            command(connection, CHECKPOINT);
            (taken, looks) = (now, 0);
        }
        let bytes = std::fs::metadata(log).map_or(0, |found| found.len());
        if is_long(bytes, idle) {
            command(connection, CHECKPOINT);
            command(connection, TRUNCATE);
            (taken, looks, idle) = (now, 0, 0);
        }
    }
}

fn command(connection: &SqliteConnection, pragma: &str) {
    if let Err(error) = connection.set(pragma) {
        tracing::warn!(%error, "the log was not moved into the database");
    }
}

/// Whether the log's file must be emptied.
fn is_long(bytes: u64, idle: u32) -> bool {
    bytes > LOG_BYTES_MAX || (bytes > IDLE_LOG_BYTES && idle >= IDLE_LOOKS)
}

/// Whether the log must be moved, given the rows and checks since the last time.
fn is_due(rows: u64, looks: u32) -> bool {
    rows >= ROWS_MAX || (rows > 0 && looks >= LOOKS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_moved_when_it_is_long_or_old() {
        assert!(is_due(ROWS_MAX, 1) && is_due(1, LOOKS_MAX));
        assert!(!is_due(ROWS_MAX - 1, 1) && !is_due(0, LOOKS_MAX));
    }

    #[test]
    fn the_logs_file_is_emptied_when_it_is_long_or_nobody_writes() {
        assert!(is_long(LOG_BYTES_MAX + 1, 0) && is_long(IDLE_LOG_BYTES + 1, IDLE_LOOKS));
        assert!(!is_long(LOG_BYTES_MAX, 0) && !is_long(IDLE_LOG_BYTES, IDLE_LOOKS));
    }
}
