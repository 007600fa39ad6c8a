//! The stage client against a server on loopback.

mod events;
mod hostile;
mod media;
mod server;
mod signalling;

use std::time::Duration;

/// Longest any one step of a test may take. Only a broken client takes that long.
const DEADLINE: Duration = Duration::from_secs(20);

async fn within<T>(what: &str, step: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, step)
        .await
        .unwrap_or_else(|_| panic!("{what}: too late"))
}
