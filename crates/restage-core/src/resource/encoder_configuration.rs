//! Encoder configurations. One that a composition is encoded by stays until that has ended.

use crate::error::{Error, Fault};
use crate::kernel::draft::Draft;
use crate::kernel::need::Need;
use crate::row::EncoderConfigurationId;

/// What uses the encoder configuration.
pub(crate) fn need_to_delete(id: &EncoderConfigurationId) -> Need {
    Need::EncoderUse(id.clone())
}

/// An encoder configuration may not be deleted while a composition with it is neither STOPPED nor FAILED.
pub(crate) fn check_deletion(draft: &Draft<'_>, id: &EncoderConfigurationId) -> Result<(), Error> {
    let compositions = draft.given().encoder_use_of(id);
    if compositions == 0 {
        return Ok(());
    }
    let message = format!(
        "arn: compositions with this encoder configuration that are STARTING, ACTIVE or STOPPING: {compositions}; delete it when they are STOPPED or FAILED"
    );
    Err(Error::new(Fault::Conflict, message))
}
