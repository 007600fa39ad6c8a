//! Rows of statements that do not read a whole row of a table: keys and counts.

use restage_core::id::{ParticipantId, StageId, StageSessionId};
use restage_core::{Occupancy, RegionCount, StorageUse};

use super::cells::Cells;
use crate::error::StoreError;
use crate::sql::Row;

pub(crate) fn meta_value(row: &Row<'_>) -> Result<Vec<u8>, StoreError> {
    let mut cells = Cells::new(row, "value");
    let text = cells.str()?;
    hex::decode(text).map_err(|error| cells.corrupt(error.to_string()))
}

pub(crate) fn stage_id(row: &Row<'_>) -> Result<StageId, StoreError> {
    Cells::new(row, "stage id").id()
}

pub(crate) fn place(row: &Row<'_>) -> Result<(StageSessionId, ParticipantId), StoreError> {
    let mut cells = Cells::new(row, "connection");
    Ok((cells.id()?, cells.id()?))
}

pub(crate) fn count(row: &Row<'_>) -> Result<u64, StoreError> {
    Cells::new(row, "count").count()
}

pub(crate) fn occupancy(row: &Row<'_>) -> Result<(StageSessionId, Occupancy), StoreError> {
    let mut cells = Cells::new(row, "count");
    let session = cells.id()?;
    let occupancy = Occupancy {
        publishing: cells.count()?,
        publishers: cells.count()?,
        subscribers: cells.count()?,
    };
    Ok((session, occupancy))
}

pub(crate) fn region_count(row: &Row<'_>) -> Result<RegionCount, StoreError> {
    let mut cells = Cells::new(row, "count");
    Ok(RegionCount {
        publishers: cells.count()?,
        subscriptions: cells.count()?,
    })
}

pub(crate) fn stage_count(row: &Row<'_>) -> Result<(StageId, u64), StoreError> {
    let mut cells = Cells::new(row, "count");
    Ok((cells.id()?, cells.count()?))
}

pub(crate) fn storage_use(row: &Row<'_>) -> Result<StorageUse, StoreError> {
    let mut cells = Cells::new(row, "count");
    Ok(StorageUse {
        stages: cells.count()?,
        recordings: cells.count()?,
        compositions: cells.count()?,
    })
}
