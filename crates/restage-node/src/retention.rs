//! Removes old history, and what is remembered of revoked connection tokens, while the server runs, in small steps.

use std::time::Duration;

use restage_core::id::Time;
use restage_core::limits::{CONNECTION_TOKEN_LIFE_MAX_S, ISSUED_AHEAD_MAX_S};
use restage_store::system::clock;
use restage_store::{RETENTION_STEP_ROWS, Store, StoreError, Sweep};

/// Delay after the start, when the server has other work.
const FIRST_AFTER: Duration = Duration::from_secs(60);
/// From the end of one sweep to the beginning of the next.
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);
/// Pause between two steps of a sweep, so that callers reach the writer.
const STEP_PAUSE: Duration = Duration::from_millis(50);

/// How long a revoked connection token is remembered, in seconds: no token that was signed before can be good any more.
const REVOCATION_KEPT_S: u32 = CONNECTION_TOKEN_LIFE_MAX_S as u32 + ISSUED_AHEAD_MAX_S;

/// Removes what ended more than `days` ago, until the store is closed; with 0 no history is removed. What is remembered of
/// connection tokens has an end of its own.
pub async fn run(store: Store, days: u32) {
    tokio::time::sleep(FIRST_AFTER).await;
    loop {
        // A clock that is set ahead while the server runs must not make rows old.
        let now = clock::now().min(clock::steady());
        let swept = async {
            let rows = history(&store, days, now).await?;
            let revoked = Sweep::of_revocations(now.minus_seconds(REVOCATION_KEPT_S));
            sweep(&store, revoked).await?;
            Ok(rows)
        };
        match swept.await {
            Ok(0) => {}
            Ok(rows) => tracing::info!(rows, days, "old history was removed"),
            Err(StoreError::Closed) => return,
            Err(error) => tracing::error!(%error, "old history could not be removed yet"),
        }
        tokio::time::sleep(SWEEP_EVERY).await;
    }
}

/// Removes what ended more than `days` ago, and returns the number of rows.
async fn history(store: &Store, days: u32, now: Time) -> Result<u64, StoreError> {
    if days == 0 {
        return Ok(0);
    }
    let before = now.minus_seconds(days.saturating_mul(86_400));
    sweep(store, Sweep::before(before)).await
}

/// Runs one sweep to its end and returns the number of removed rows.
async fn sweep(store: &Store, mut sweep: Sweep) -> Result<u64, StoreError> {
    while !sweep.is_done() {
        sweep = store.sweep(sweep, RETENTION_STEP_ROWS).await?;
        tokio::time::sleep(STEP_PAUSE).await;
    }
    Ok(sweep.removed())
}
