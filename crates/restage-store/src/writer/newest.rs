//! The newest time in the rows, for the start: a clock that was ahead leaves rows with times in the future.

use restage_core::id::Time;

use crate::error::StoreError;
use crate::sql::{self, query};
use crate::system::clock;
use crate::tables;

/// How far the times of new rows may be ahead of the wall clock to follow earlier rows. If rows are further ahead,
/// the clock was wrong: these rows keep their places in their lists and are not followed.
pub(crate) const AHEAD_MAX_S: u32 = 48 * 3_600;
/// Rows that are ahead by less are not reported.
const SAID_FROM_S: u32 = 1;

/// The time that new rows must not be before, [`Time::default`] if any will do.
pub(crate) async fn time(connection: &mut sql::Connection) -> Result<Time, StoreError> {
    let mut newest = Time::default();
    for sql in tables::ALL.iter().flat_map(|table| table.newest) {
        newest = newest.max(Time(query(*sql).number(connection).await?));
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
