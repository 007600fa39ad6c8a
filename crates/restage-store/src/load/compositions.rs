//! The queries for compositions.

use std::collections::BTreeSet;

use restage_core::ChannelArn;
use restage_core::id::{StageId, Time};
use restage_core::limits::{COMPOSITION_IDLE_S, COMPOSITIONS_PER_TICK_MAX};
use restage_core::row::{Composition, CompositionId, EncoderConfigurationId};

use super::rows::ByKeys;
use crate::error::StoreError;
use crate::sql::{self, query};
use crate::tables::{Table as _, composition, decode};

pub(crate) const COMPOSITIONS: ByKeys = ByKeys::one(concat!(
    "SELECT ",
    composition::columns!(),
    " FROM want CROSS JOIN compositions z WHERE z.id = want.k"
));
pub(crate) const BY_TOKEN: &str = concat!(
    "SELECT ",
    composition::columns!(),
    " FROM compositions z WHERE z.account = $1 AND z.region = $2 AND z.token = $3"
);
pub(crate) const OF_STAGE: &str = concat!(
    "SELECT ",
    composition::columns!(),
    " FROM compositions z WHERE z.stage = $1 AND z.is_final = 0"
);
/// Open ones that have lived long enough by `$1`, or of which the row does not say what is known of publishers, or in whose
/// stage nobody has published since `$2`. In an active session without `idle_since` somebody publishes.
pub(crate) const DUE_OPEN: &str = concat!(
    "SELECT ",
    composition::columns!(),
    " FROM compositions z WHERE z.is_open = 1 AND (z.lives_until <= $1 OR CASE WHEN EXISTS \
       (SELECT 1 FROM stages s JOIN stage_sessions x ON x.id = s.active_session \
        WHERE s.id = z.stage AND x.idle_since IS NULL) \
       THEN z.idle_since IS NOT NULL ELSE z.idle_since IS NULL OR z.idle_since <= $2 END) \
     ORDER BY z.id LIMIT $3"
);
/// Those that have ended and are to be removed by `$1`.
pub(crate) const DUE_FINAL: &str = concat!(
    "SELECT ",
    composition::columns!(),
    " FROM compositions z WHERE z.is_final = 1 AND z.gone_at <= $1 ORDER BY z.id LIMIT $2"
);
pub(crate) const COUNT: &str =
    "SELECT COUNT(*) FROM compositions z WHERE z.account = $1 AND z.region = $2 AND z.is_final = 0";
pub(crate) const COUNT_OF_STAGE: &str =
    "SELECT COUNT(*) FROM compositions z WHERE z.stage = $1 AND z.is_final = 0";
// Two look-ups; one that uses it twice is counted in the first.
pub(crate) const ENCODER_USE: &str = "SELECT \
     (SELECT COUNT(*) FROM compositions z WHERE z.first_encoder = $1 AND z.is_final = 0) + \
     (SELECT COUNT(*) FROM compositions z WHERE z.second_encoder = $1 AND z.is_final = 0 \
      AND COALESCE(z.first_encoder, '') <> $1)";
pub(crate) const CHANNEL_USE: &str = "SELECT COUNT(*) FROM compositions z \
     WHERE z.account = $1 AND z.region = $2 AND z.channel = $3 AND z.is_final = 0";

pub(crate) async fn compositions(
    connection: &mut sql::Connection,
    ids: BTreeSet<CompositionId>,
) -> Result<Vec<Composition>, StoreError> {
    COMPOSITIONS.fetch(connection, ids, Composition::read).await
}

/// All compositions.
pub(crate) async fn all(connection: &mut sql::Connection) -> Result<Vec<Composition>, StoreError> {
    query(Composition::SELECT)
        .rows(connection, Composition::read)
        .await
}

pub(crate) async fn by_token(
    connection: &mut sql::Connection,
    account: &str,
    region: &str,
    token: &str,
) -> Result<Vec<Composition>, StoreError> {
    query(BY_TOKEN)
        .bind(account)
        .bind(region)
        .bind(token)
        .rows(connection, Composition::read)
        .await
}

/// The compositions of a stage that are neither STOPPED nor FAILED.
pub(crate) async fn of_stage(
    connection: &mut sql::Connection,
    stage: &StageId,
) -> Result<Vec<Composition>, StoreError> {
    query(OF_STAGE)
        .bind(stage.as_str())
        .rows(connection, Composition::read)
        .await
}

/// The first compositions for which there is something to do by then.
pub(crate) async fn due(
    connection: &mut sql::Connection,
    now: Time,
) -> Result<Vec<Composition>, StoreError> {
    let most = COMPOSITIONS_PER_TICK_MAX;
    let mut rows = query(DUE_OPEN)
        .bind(now.0)
        .bind(now.minus_seconds(COMPOSITION_IDLE_S).0)
        .bind(most as i64)
        .rows(connection, Composition::read)
        .await?;
    let ended = query(DUE_FINAL)
        .bind(now.0)
        .bind(most as i64)
        .rows(connection, Composition::read)
        .await?;
    rows.extend(ended);
    rows.sort_unstable_by(|one, other| one.id.cmp(&other.id));
    rows.truncate(most);
    Ok(rows)
}

/// How many compositions an account has in a Region that are neither STOPPED nor FAILED.
pub(crate) async fn count(
    connection: &mut sql::Connection,
    account: &str,
    region: &str,
) -> Result<u64, StoreError> {
    query(COUNT)
        .bind(account)
        .bind(region)
        .only(connection, decode::count)
        .await
}

/// The same of a stage.
pub(crate) async fn count_of_stage(
    connection: &mut sql::Connection,
    stage: &StageId,
) -> Result<u64, StoreError> {
    query(COUNT_OF_STAGE)
        .bind(stage.as_str())
        .only(connection, decode::count)
        .await
}

pub(crate) async fn encoder_use(
    connection: &mut sql::Connection,
    id: &EncoderConfigurationId,
) -> Result<u64, StoreError> {
    query(ENCODER_USE)
        .bind(id.as_str())
        .only(connection, decode::count)
        .await
}

pub(crate) async fn channel_use(
    connection: &mut sql::Connection,
    arn: &ChannelArn,
) -> Result<u64, StoreError> {
    query(CHANNEL_USE)
        .bind(arn.account.as_str())
        .bind(arn.region.as_str())
        .bind(arn.id.as_str())
        .only(connection, decode::count)
        .await
}
