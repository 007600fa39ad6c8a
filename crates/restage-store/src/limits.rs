//! Bounds that several parts of the store share.

use std::time::Duration;

/// Number of connections for reads.
pub const READERS: u32 = 4;
/// Time limit of a read: for getting a connection, and for PostgreSQL's answer. Reads from SQLite are bounded by page
/// size.
pub const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// The most rows a page may have; a larger limit is cut to this.
pub const PAGE_ROWS_MAX: u32 = 1_000;
