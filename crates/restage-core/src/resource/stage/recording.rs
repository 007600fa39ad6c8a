//! The recording block of a stage that is created or updated.

use crate::error::{Error, Fault};
use crate::kernel::command::NewStageRecording;
use crate::kernel::draft::Draft;
use crate::kernel::need::Need;
use crate::kernel::owner::own_plain;
use crate::row::{Plain as _, RecordingStorage, StageRecording, StorageConfiguration};

/// The request member that names the storage configuration.
const MEMBER: &str = "autoParticipantRecordingConfiguration.storageConfigurationArn";

/// The storage configuration that the block names.
pub(super) fn need(new: &NewStageRecording) -> Option<Need> {
    let arn = new.storage.as_ref()?;
    Some(Need::Plain(arn.id.clone().into()))
}

/// The block as the stage has it. Its storage configuration must be the caller's, in the Region of the stage.
///
/// # Errors
/// `Denied` for another account's, `NotFound` where there is none, `Invalid` for another Region.
pub(super) fn found(
    draft: &Draft<'_>,
    new: &NewStageRecording,
    region: &str,
) -> Result<StageRecording, Error> {
    let settings = new.settings.clone();
    let Some(arn) = &new.storage else {
        return Ok(StageRecording {
            storage: None,
            settings,
        });
    };
    let named = arn.clone().with_id(Into::into);
    let row = own_plain(draft, MEMBER, &named)?;
    if arn.region != region {
        let message = format!(
            "{MEMBER}: {arn} is in another Region than the stage, which is in {region}; both must be in the same one"
        );
        return Err(Error::new(Fault::Invalid, message));
    }
    let storage = StorageConfiguration::of(row).map(|row| RecordingStorage {
        configuration: row.id.clone(),
        bucket: row.bucket.clone(),
    });
    Ok(StageRecording { storage, settings })
}
