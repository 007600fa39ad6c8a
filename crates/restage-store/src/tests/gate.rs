//! Holds the writer, so that a test knows what is in its queue.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use restage_core::Command;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::Bench;
use super::writer::rename;
use crate::{EffectSink, Execution, Outcome, StoreError, StoreStats};

/// A stage that never exists: renaming it changes nothing, and stops the writer.
const NOWHERE: &str = "gate";

/// The gate at which the writer waits.
pub(super) struct Gate {
    is_reached: Notify,
    open: Sender<()>,
    opened: Mutex<Receiver<()>>,
}

impl Default for Gate {
    fn default() -> Self {
        let (open, opened) = channel();
        Self {
            is_reached: Notify::new(),
            open,
            opened: Mutex::new(opened),
        }
    }
}

impl Gate {
    pub(super) fn around(gate: &Arc<Self>, mut sink: EffectSink) -> EffectSink {
        let gate = Arc::clone(gate);
        Box::new(move |command, decision, place| match command {
            Command::UpdateStage { stage, .. } if stage.id.as_str() == NOWHERE => {
                gate.is_reached.notify_one();
                gate.opened.lock().unwrap().recv().unwrap();
            }
            _ => sink(command, decision, place),
        })
    }
}

/// While this exists, the writer takes nothing from its queue.
pub(super) struct Held(Option<Sender<()>>);

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(open) = &self.0 {
            open.send(()).unwrap();
        }
    }
}

impl Bench {
    /// SQLite's writer has a thread and is stopped there. PostgreSQL's shares the test's only one, so that it does
    /// nothing before the test waits for something.
    pub(super) async fn hold(&self) -> Held {
        if !self.rows.is_sqlite() {
            return Held(None);
        }
        let store = self.store.clone();
        tokio::spawn(async move { store.execute(rename(NOWHERE, "x")).await });
        self.gate.is_reached.notified().await;
        Held(Some(self.gate.open.clone()))
    }

    /// Stops SQLite's writer in the middle of a command whose caller waits for its turn this long, or longer on a machine so
    /// busy that the writer does not begin within it; `None` on PostgreSQL.
    pub(super) async fn hold_at(
        &self,
        turn_max: Duration,
    ) -> Option<(Held, JoinHandle<Result<Outcome, StoreError>>)> {
        if !self.rows.is_sqlite() {
            return None;
        }
        let mut turn_max = turn_max;
        loop {
            let store = self.store.clone();
            let execution = rename(NOWHERE, "x");
            let mut caller =
                tokio::spawn(async move { store.execute_within(execution, turn_max).await });
            tokio::select! {
                () = self.gate.is_reached.notified() => {
                    return Some((Held(Some(self.gate.open.clone())), caller));
                }
                late = &mut caller => {
                    let late = late.unwrap();
                    assert!(matches!(late, Err(StoreError::Late { .. })), "{late:?}");
                    turn_max *= 2;
                }
            }
        }
    }

    /// Executes commands that are queued together before the writer takes the first, and returns what the writer did
    /// for them. Runs without tokio's budget: a used-up budget would let later commands overtake.
    pub(super) async fn together(
        &self,
        executions: impl IntoIterator<Item = Execution>,
    ) -> (Vec<Result<Outcome, StoreError>>, StoreStats) {
        let held = self.hold().await;
        let before = self.store.stats();
        let executions = executions
            .into_iter()
            .map(|execution| self.store.execute(execution));
        let all = tokio::task::unconstrained(futures_util::future::join_all(executions));
        let mut all = std::pin::pin!(all);
        assert!(all.as_mut().now_or_never().is_none(), "they are queued");
        drop(held);
        let outcomes = all.await;
        let after = self.store.stats();
        let done = StoreStats {
            commits: after.commits - before.commits,
            commands: after.commands - before.commands,
            queued: after.queued,
        };
        (outcomes, done)
    }
}
