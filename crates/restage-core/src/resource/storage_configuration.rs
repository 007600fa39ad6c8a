//! Storage configurations. One that is used stays: stages that refer to it must be able to record, and recordings must find
//! their bucket.

use crate::error::{Error, Fault};
use crate::kernel::draft::Draft;
use crate::kernel::need::Need;
use crate::row::StorageConfigurationId;

/// What uses the storage configuration.
pub(crate) fn need_to_delete(id: &StorageConfigurationId) -> Need {
    Need::StorageUse(id.clone())
}

/// A storage configuration may not be deleted while a stage refers to it, or a recording or composition with it is neither
/// STOPPED nor FAILED.
pub(crate) fn check_deletion(draft: &Draft<'_>, id: &StorageConfigurationId) -> Result<(), Error> {
    let uses = draft.given().storage_use_of(id);
    let message = if uses.stages > 0 {
        format!(
            "arn: stages that record with this storage configuration: {}; delete them, or set another storageConfigurationArn, or \"\", with UpdateStage",
            uses.stages
        )
    } else if uses.recordings > 0 {
        format!(
            "arn: recordings with this storage configuration that are STARTING, ACTIVE or STOPPING: {}; delete it when they are STOPPED or FAILED",
            uses.recordings
        )
    } else if uses.compositions > 0 {
        format!(
            "arn: compositions with this storage configuration that are STARTING, ACTIVE or STOPPING: {}; delete it when they are STOPPED or FAILED",
            uses.compositions
        )
    } else {
        return Ok(());
    };
    Err(Error::new(Fault::Conflict, message))
}
