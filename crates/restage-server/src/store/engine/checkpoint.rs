//! Moving SQLite's write-ahead log into the database beside the writer, which would otherwise do so within a commit
//! now and then, while callers wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::store::sql::SqliteConnection;

/// How often the log is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// It is moved when so many rows were written since: half of the log there may be, at four pages a row. Moving it
/// waits for the disk, and commits may wait with it, so it is not done more often than needed.
const ROWS_MAX: u64 = 4_000;
/// And when it was looked at so often since: every ten seconds, if there is anything to move.
const LOOKS_MAX: u32 = 40;
const THREAD: &str = "restage-checkpoint";
/// Takes what no reader needs and waits for nobody.
const CHECKPOINT: &str = "PRAGMA wal_checkpoint(PASSIVE)";

/// A thread that does it. It has ended when this is dropped.
#[derive(Debug)]
pub(in crate::store) struct Checkpoints {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    /// On a connection of its own. `rows` counts what is written.
    pub(super) fn start(
        connection: SqliteConnection,
        rows: Arc<AtomicU64>,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new()
            .name(THREAD.to_owned())
            .spawn(move || run(&connection, &rows, &stopped))?;
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
            // A panic there has been reported, and harmed nothing here.
            thread.join().ok();
        }
    }
}

fn run(connection: &SqliteConnection, rows: &AtomicU64, stopped: &Receiver<()>) {
    let (mut taken, mut looks) = (0, 0);
    while stopped.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
        looks += 1;
        let now = rows.load(Ordering::Relaxed);
        if !is_due(now - taken, looks) {
            continue;
        }
        if let Err(error) = connection.set(CHECKPOINT) {
            tracing::warn!(%error, "the log was not moved into the database");
        }
        (taken, looks) = (now, 0);
    }
}

/// Whether the log is to be moved, after so many rows and looks since it was.
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
}
