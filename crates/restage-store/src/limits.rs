//! Bounds that several parts of the store share.

use std::time::Duration;

/// Connections that serve reads.
pub const READERS: u32 = 4;
/// How long a read may wait: for a connection, and for PostgreSQL. SQLite's take as long as a bounded page takes.
pub const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// The most rows a page may have; a larger limit is cut to this.
pub const PAGE_ROWS_MAX: u32 = 1_000;
