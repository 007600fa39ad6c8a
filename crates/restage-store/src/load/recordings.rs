//! The queries for recordings, and for the jobs that capture them.

use std::collections::BTreeSet;

use restage_core::StorageUse;
use restage_core::id::{JobId, ParticipantId, StageId, Time};
use restage_core::limits::RECORDINGS_PER_TICK_MAX;
use restage_core::row::{Job, Recording, RecordingId, StorageConfigurationId};

use super::rows::ByKeys;
use crate::error::StoreError;
use crate::sql::{self, query};
use crate::tables::{Table as _, decode, job, recording};

pub(crate) const JOBS: ByKeys = ByKeys::one(concat!(
    "SELECT ",
    job::columns!(),
    " FROM want CROSS JOIN jobs j WHERE j.id = want.k AND j.ended_at IS NULL"
));
pub(crate) const RECORDINGS: ByKeys = ByKeys::one(concat!(
    "SELECT ",
    recording::columns!(),
    " FROM want CROSS JOIN recordings v WHERE v.id = want.k"
));
pub(crate) const OPEN_OF: ByKeys = ByKeys::one(concat!(
    "SELECT ",
    recording::columns!(),
    " FROM want CROSS JOIN recordings v WHERE v.participant = want.k AND v.is_open = 1"
));
pub(crate) const JOB_COUNTS: ByKeys = ByKeys::one(
    "SELECT want.k, \
     (SELECT COUNT(*) FROM jobs j WHERE j.stage = want.k AND j.ended_at IS NULL) FROM want",
);
// Two look-ups; a recording is never of a replica whose source is the stage itself.
pub(crate) const OPEN_OF_STAGE: &str = concat!(
    "SELECT ",
    recording::columns!(),
    " FROM recordings v WHERE v.stage = $1 AND v.is_open = 1 UNION ALL SELECT ",
    recording::columns!(),
    " FROM recordings v WHERE v.source = $1 AND v.is_open = 1"
);
pub(crate) const DUE: &str = concat!(
    "SELECT ",
    recording::columns!(),
    " FROM recordings v WHERE v.is_open = 1 AND v.window_ends_at <= $1 \
     ORDER BY v.window_ends_at, v.id LIMIT $2"
);
pub(crate) const COUNT_OF_STAGE: &str =
    "SELECT COUNT(*) FROM recordings v WHERE v.stage = $1 AND v.is_final = 0";
pub(crate) const STORAGE_USE: &str = "SELECT \
     (SELECT COUNT(*) FROM stages s WHERE s.storage = $1 AND s.storage IS NOT NULL), \
     (SELECT COUNT(*) FROM recordings v WHERE v.storage = $1 AND v.is_final = 0), \
     (SELECT COUNT(*) FROM compositions z WHERE z.storage = $1 AND z.is_final = 0)";
// Used once, at the start.
pub(crate) const UNFINISHED: &str = concat!(
    "SELECT ",
    recording::columns!(),
    " FROM recordings v WHERE v.is_final = 0"
);

/// Those of these jobs that have not ended.
pub(crate) async fn jobs(
    connection: &mut sql::Connection,
    ids: BTreeSet<JobId>,
) -> Result<Vec<Job>, StoreError> {
    JOBS.fetch(connection, ids, Job::read).await
}

pub(crate) async fn recordings(
    connection: &mut sql::Connection,
    ids: BTreeSet<RecordingId>,
) -> Result<Vec<Recording>, StoreError> {
    RECORDINGS.fetch(connection, ids, Recording::read).await
}

/// The open recordings of these participants.
pub(crate) async fn open_of(
    connection: &mut sql::Connection,
    participants: BTreeSet<ParticipantId>,
) -> Result<Vec<Recording>, StoreError> {
    OPEN_OF
        .fetch(connection, participants, Recording::read)
        .await
}

/// The open recordings in a stage, and those of replicas whose source it is.
pub(crate) async fn open_of_stage(
    connection: &mut sql::Connection,
    stage: &StageId,
) -> Result<Vec<Recording>, StoreError> {
    query(OPEN_OF_STAGE)
        .bind(stage.as_str())
        .rows(connection, Recording::read)
        .await
}

/// The first open recordings whose wait is over by then.
pub(crate) async fn due(
    connection: &mut sql::Connection,
    now: Time,
) -> Result<Vec<Recording>, StoreError> {
    query(DUE)
        .bind(now.0)
        .bind(RECORDINGS_PER_TICK_MAX as i64)
        .rows(connection, Recording::read)
        .await
}

/// All recordings that are neither STOPPED nor FAILED.
pub(crate) async fn unfinished(
    connection: &mut sql::Connection,
) -> Result<Vec<Recording>, StoreError> {
    query(UNFINISHED).rows(connection, Recording::read).await
}

/// How many jobs of these stages have not ended.
pub(crate) async fn job_counts(
    connection: &mut sql::Connection,
    stages: BTreeSet<StageId>,
) -> Result<Vec<(StageId, u64)>, StoreError> {
    JOB_COUNTS
        .fetch(connection, stages, decode::stage_count)
        .await
}

/// How many recordings of a stage are neither STOPPED nor FAILED.
pub(crate) async fn count_of_stage(
    connection: &mut sql::Connection,
    stage: &StageId,
) -> Result<u64, StoreError> {
    query(COUNT_OF_STAGE)
        .bind(stage.as_str())
        .only(connection, decode::count)
        .await
}

pub(crate) async fn storage_use(
    connection: &mut sql::Connection,
    id: &StorageConfigurationId,
) -> Result<StorageUse, StoreError> {
    query(STORAGE_USE)
        .bind(id.as_str())
        .only(connection, decode::storage_use)
        .await
}
