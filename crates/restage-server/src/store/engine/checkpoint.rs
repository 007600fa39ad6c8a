//! Moving SQLite's write-ahead log into the database beside the writer, which would otherwise do so within a commit
//! now and then, while callers wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::store::sql::SqliteConnection;

/// How often the log is looked at.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);
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
    /// On a connection of its own, whenever there were commits.
    pub(super) fn start(
        connection: SqliteConnection,
        commits: Arc<AtomicU64>,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new()
            .name(THREAD.to_owned())
            .spawn(move || run(&connection, &commits, &stopped))?;
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

fn run(connection: &SqliteConnection, commits: &AtomicU64, stopped: &Receiver<()>) {
    let mut taken = 0;
    while stopped.recv_timeout(CHECKPOINT_EVERY) == Err(RecvTimeoutError::Timeout) {
        let now = commits.load(Ordering::Relaxed);
        if now == taken {
            continue;
        }
        match connection.set(CHECKPOINT) {
            Ok(()) => taken = now,
            Err(error) => tracing::warn!(%error, "the log was not moved into the database"),
        }
    }
}
