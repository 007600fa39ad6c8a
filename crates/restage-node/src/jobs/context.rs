//! The job as its runner sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use restage_core::row::Job;
use tokio::sync::watch;

/// What a runner must do now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// Continue with the job.
    GoOn,
    /// End the job and keep its result so far, because it was stopped.
    Stop,
    /// Interrupt the job so that a later start can continue, because the server stops.
    Pause,
}

/// What a running job is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum News {
    /// The runner must end the job, or interrupt it.
    Ordered(Order),
    /// What the job is to do has changed: the row as it is now.
    Changed(Box<Job>),
}

/// A job as its runner sees it.
#[derive(Debug)]
pub struct JobContext {
    pub(super) job: Job,
    pub(super) rows: watch::Receiver<Job>,
    pub(super) orders: watch::Receiver<Order>,
    pub(super) signs: Arc<AtomicBool>,
}

impl JobContext {
    /// The row as it was when this start began.
    pub const fn job(&self) -> &Job {
        &self.job
    }

    /// The row as it is now. The rules may change [`Job::spec`] while the job runs.
    pub fn latest(&self) -> Job {
        self.rows.borrow().clone()
    }

    /// Waits until the rules have changed what the job is to do, and returns the row as it is then. Several changes may
    /// come as one. Cancel-safe.
    pub async fn changed(&mut self) -> Job {
        match self.rows.changed().await {
            Ok(()) => self.rows.borrow_and_update().clone(),
            // After the job was given up, nothing changes.
            Err(_) => std::future::pending().await,
        }
    }

    /// Waits until there is an order other than [`Order::GoOn`], as [`ordered`](Self::ordered) does, or until what the job
    /// is to do has changed, as [`changed`](Self::changed) does. An order comes first, and comes again. Cancel-safe.
    pub async fn news(&mut self) -> News {
        let Self { orders, rows, .. } = self;
        let ordered = async {
            let found = orders.wait_for(|order| *order != Order::GoOn).await;
            found.map_or(Order::Pause, |order| *order)
        };
        tokio::select! {
            biased;
            order = ordered => News::Ordered(order),
            Ok(()) = rows.changed() => News::Changed(Box::new(rows.borrow_and_update().clone())),
        }
    }

    /// The number of this start; it is higher than that of every earlier one.
    pub const fn generation(&self) -> u32 {
        self.job.generation
    }

    /// Shows that the runner is alive, so that it keeps the lease. Very cheap.
    pub fn alive(&self) {
        self.signs.store(true, Ordering::Relaxed);
    }

    /// The present order.
    pub fn order(&self) -> Order {
        *self.orders.borrow()
    }

    /// Waits until there is an order other than [`Order::GoOn`].
    pub async fn ordered(&mut self) -> Order {
        let found = self.orders.wait_for(|order| *order != Order::GoOn).await;
        // After the job was given up, no orders follow.
        found.map_or(Order::Pause, |order| *order)
    }
}
