//! The newest time in the rows, for the start: a clock that was ahead leaves rows with times in the future.

use restage_core::id::Time;

use crate::error::StoreError;
use crate::sql::{self, query};
use crate::system::clock;

/// How far the times of new rows may be ahead of the wall clock to follow earlier rows. If rows are further ahead,
/// the clock was wrong: these rows keep their places in their lists and are not followed.
pub(crate) const AHEAD_MAX_S: u32 = 48 * 3_600;
/// Rows that are ahead by less are not reported.
const SAID_FROM_S: u32 = 1;

/// The times that order lists, where an index has them, and the times in sessions in progress. In a session that
/// has ended, no time is after its end.
const NEWEST: [&str; 5] = [
    "SELECT COALESCE(MAX(created_at), 0) FROM stages",
    "SELECT COALESCE(MAX(created_at), 0) FROM public_keys",
    "SELECT COALESCE(MAX(ended_at), 0) FROM stage_sessions WHERE ended_at IS NOT NULL",
    "SELECT COALESCE(MAX(started_at), 0) FROM stage_sessions WHERE ended_at IS NULL",
    "SELECT COALESCE(MAX((SELECT MAX(p.first_joined_at) FROM participants p WHERE p.session = x.id)), 0) \
     FROM stage_sessions x WHERE x.ended_at IS NULL",
];

/// The time that new rows must follow; [`Time::default`] if there is none.
pub(crate) async fn time(connection: &mut sql::Connection) -> Result<Time, StoreError> {
    let mut newest = Time::default();
    for sql in NEWEST {
        newest = newest.max(Time(query(sql).number(connection).await?));
    }
    let now = clock::now();
    if newest <= now.plus_seconds(SAID_FROM_S) {
        return Ok(newest);
    }
    let ahead_s = newest.0.saturating_sub(now.0) / 1_000_000;
    let written = clock::iso(newest.0 / 1_000_000);
    let is_followed = newest <= now.plus_seconds(AHEAD_MAX_S);
    tracing::warn!(
        ahead_s,
        "the database has rows of {written}, which is {ahead_s} s from now: the clock of this machine was ahead when they \
         were written, or is behind; see that its time service runs (timedatectl). {}",
        if is_followed {
            "New rows are written with times that follow those, until the clock has caught up"
        } else {
            "New rows are written with the clock's time, and stand before those in lists"
        }
    );
    Ok(if is_followed { newest } else { Time::default() })
}
