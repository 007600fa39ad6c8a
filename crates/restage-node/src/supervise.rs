//! Supervises the vital parts of the server: tasks that run from the start to the end.
//!
//! A part without state between its rounds is restarted a few times after a panic. If any other part
//! ends, the server ends too: without one of its parts it would seem healthy while nothing works.

use std::any::Any;
use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

/// A part that panics this often within [`RESTARTS_WITHIN`] is not restarted again.
const RESTARTS_MAX: usize = 5;
const RESTARTS_WITHIN: Duration = Duration::from_secs(60);
/// Pause between a panic and the restart.
const RESTART_PAUSE: Duration = Duration::from_millis(100);

/// The running parts.
#[derive(Debug, Default)]
pub struct Parts {
    running: JoinSet<()>,
    names: HashMap<Id, &'static str>,
}

/// A part that ended while the server was running.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ended {
    /// The name of the part.
    pub part: &'static str,
    /// The reason, in a few words.
    pub reason: String,
}

impl Parts {
    /// Starts a part that cannot be restarted, for example because it owns the end of a queue.
    pub fn spawn(&mut self, name: &'static str, part: impl Future<Output = ()> + Send + 'static) {
        let id = self.running.spawn(part).id();
        self.names.insert(id, name);
    }

    /// Starts a part that can be restarted at any time.
    pub fn restarting<F>(&mut self, name: &'static str, start: impl Fn() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.spawn(name, restart(name, start));
    }

    /// Waits until one of the parts has ended; forever if there is none.
    pub async fn ended(&mut self) -> Ended {
        let (id, reason) = match self.running.join_next_with_id().await {
            None => std::future::pending().await,
            Some(Ok((id, ()))) => (id, "it returned".to_owned()),
            Some(Err(error)) => (error.id(), why(error)),
        };
        Ended {
            part: self.names.remove(&id).unwrap_or("a task"),
            reason,
        }
    }

    /// Ends all parts.
    pub async fn shutdown(&mut self) {
        self.running.shutdown().await;
    }
}

/// The reason for a task that ended without returning.
pub fn why(error: JoinError) -> String {
    match error.try_into_panic() {
        Ok(panic) => format!("it panicked: {}", said(&*panic)),
        Err(_) => "it was cancelled".to_owned(),
    }
}

async fn restart<F>(name: &'static str, start: impl Fn() -> F)
where
    F: Future<Output = ()>,
{
    let mut panics: Vec<Instant> = Vec::new();
    loop {
        // The state of the panicked round is dropped; the next one starts without state.
        let Err(panic) = AssertUnwindSafe(start()).catch_unwind().await else {
            return;
        };
        let now = Instant::now();
        panics.retain(|at| now.duration_since(*at) < RESTARTS_WITHIN);
        panics.push(now);
        if panics.len() > RESTARTS_MAX {
            std::panic::resume_unwind(panic);
        }
        tracing::error!(
            part = name,
            reason = said(&*panic),
            "a part of the server panicked; it is started again"
        );
        tokio::time::sleep(RESTART_PAUSE).await;
    }
}

fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&'static str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a word")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_part_that_ends_is_named_with_its_reason() {
        let mut parts = Parts::default();
        parts.spawn("the one that stays", std::future::pending());
        parts.spawn("the one that goes", async {});
        let ended = parts.ended().await;
        assert_eq!(
            (ended.part, ended.reason.as_str()),
            ("the one that goes", "it returned")
        );
        parts.spawn("the one that fails", async { panic!("number {}", 7) });
        let ended = parts.ended().await;
        assert_eq!(ended.part, "the one that fails");
        assert_eq!(ended.reason, "it panicked: number 7");
    }

    #[tokio::test]
    async fn a_part_is_started_again_but_not_for_ever() {
        let starts = Arc::new(AtomicUsize::new(0));
        let mut parts = Parts::default();
        let count = Arc::clone(&starts);
        parts.restarting("the one that panics twice", move || {
            let number = count.fetch_add(1, Ordering::Relaxed);
            async move { assert!(number >= 2, "a defect") }
        });
        assert_eq!(parts.ended().await.reason, "it returned");
        assert_eq!(starts.load(Ordering::Relaxed), 3);
        let count = Arc::clone(&starts);
        parts.restarting("the one that always panics", move || {
            count.fetch_add(1, Ordering::Relaxed);
            async { panic!("a defect") }
        });
        let ended = parts.ended().await;
        assert_eq!(ended.part, "the one that always panics");
        assert_eq!(ended.reason, "it panicked: a defect");
        assert_eq!(starts.load(Ordering::Relaxed), 3 + RESTARTS_MAX + 1);
    }
}
