//! What a runner has of the job it does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use restage_core::row::Job;
use tokio::sync::watch;

/// What a runner is to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// Go on with the job.
    GoOn,
    /// End the job as it should, and keep what there is: it was stopped.
    Stop,
    /// Leave off so that a later start can go on: the server stops.
    Pause,
}

/// A job as its runner sees it.
#[derive(Debug)]
pub struct JobContext {
    pub(super) job: Job,
    pub(super) orders: watch::Receiver<Order>,
    pub(super) signs: Arc<AtomicBool>,
}

impl JobContext {
    /// The row as it was when this start began.
    pub const fn job(&self) -> &Job {
        &self.job
    }

    /// The number of this start: greater than that of every earlier one.
    pub const fn generation(&self) -> u32 {
        self.job.generation
    }

    /// Shows that the runner is alive, so that it keeps the lease. It costs next to nothing.
    pub fn alive(&self) {
        self.signs.store(true, Ordering::Relaxed);
    }

    /// What is to be done right now.
    pub fn order(&self) -> Order {
        *self.orders.borrow()
    }

    /// Waits until there is another order than [`Order::GoOn`].
    pub async fn ordered(&mut self) -> Order {
        let found = self.orders.wait_for(|order| *order != Order::GoOn).await;
        // Nobody gives orders any more once the job was given up.
        found.map_or(Order::Pause, |order| *order)
    }
}
