//! The wall clock. The only place that reads it for the rules.

use std::time::{SystemTime, UNIX_EPOCH};

use restage_api::Timestamp;
use restage_core::id::Time;

/// Now, in microseconds since the Unix epoch.
#[allow(clippy::disallowed_methods)]
pub fn now() -> Time {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Time(i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX))
}

/// A time as the service writes it: ISO 8601 in UTC.
pub fn iso(unix_seconds: i64) -> String {
    Timestamp::from_unix_seconds(unix_seconds).to_string()
}
