//! Ingest configurations: CreateIngestConfiguration, UpdateIngestConfiguration, DeleteIngestConfiguration. One is bound to
//! at most one stage. While an encoder publishes with it, it is not updated, and only deleted if that is forced.

use crate::arn::{Arn, StageArn};
use crate::error::{Error, Fault};
use crate::kernel::decision::{Outcome, Reply};
use crate::kernel::draft::Draft;
use crate::kernel::need::Need;
use crate::kernel::owner::{own_plain, own_stage};
use crate::live::ingest;
use crate::live::participant::disconnect;
use crate::row::{IngestConfiguration, IngestConfigurationId, IngestCredential, Plain as _};

/// The members of UpdateIngestConfiguration.
pub(crate) struct Update<'a> {
    pub(crate) configuration: &'a Arn<IngestConfigurationId>,
    pub(crate) stage: Option<Option<&'a StageArn>>,
    pub(crate) redundant: Option<bool>,
    pub(crate) fresh: &'a [IngestCredential; 2],
}

/// The stage of one that is created.
pub(crate) fn need_to_create(row: &IngestConfiguration) -> Option<Need> {
    row.stage.clone().map(Need::Stage)
}

/// The stage of one that is created must be there.
///
/// # Errors
/// `Invalid`: the operation has no error for what is not found.
pub(crate) fn check_creation(draft: &Draft<'_>, row: &IngestConfiguration) -> Result<(), Error> {
    let Some(id) = &row.stage else { return Ok(()) };
    let arn = Arn::of(row).with_id(|_| id.clone());
    own_stage(draft, "stageArn", &arn)
        .map(drop)
        .map_err(|error| Error::new(Fault::Invalid, error.message))
}

pub(crate) fn needs_to_update(
    configuration: &Arn<IngestConfigurationId>,
    stage: Option<&StageArn>,
) -> Vec<Need> {
    let mut needs = vec![Need::Ingest(configuration.id.clone())];
    needs.extend(stage.map(|arn| Need::Stage(arn.id.clone())));
    needs
}

pub(crate) fn update(draft: &mut Draft<'_>, update: &Update<'_>) -> Outcome {
    let arn = update.configuration;
    let mut row = own(draft, arn)?;
    if ingest::is_active(draft, &row) {
        let message = format!(
            "arn: {arn} is ACTIVE, because an encoder publishes with it; update it when that has ended, or end it with DisconnectParticipant"
        );
        return Err(Error::new(Fault::Conflict, message));
    }
    match update.stage {
        None => {}
        Some(None) => row.stage = None,
        Some(Some(stage)) => {
            own_stage(draft, "stageArn", stage)?;
            if stage.region != row.region {
                let message = format!(
                    "stageArn: {stage} is in another Region than the ingest configuration, which is in {}; both must be in the same one",
                    row.region
                );
                return Err(Error::new(Fault::Invalid, message));
            }
            row.stage = Some(stage.id.clone());
        }
    }
    match update.redundant {
        None => {}
        Some(false) => row.redundant = None,
        Some(true) => {
            row.redundant.get_or_insert_with(|| update.fresh.clone());
        }
    }
    draft.put_plain(row.clone().into());
    Ok(Reply::Plain(row.into()))
}

pub(crate) fn needs_to_delete(id: &IngestConfigurationId) -> Need {
    Need::Ingest(id.clone())
}

pub(crate) fn delete(
    draft: &mut Draft<'_>,
    arn: &Arn<IngestConfigurationId>,
    force: bool,
) -> Outcome {
    let row = own(draft, arn)?;
    if ingest::is_active(draft, &row) {
        if !force {
            let message = format!(
                "arn: {arn} is ACTIVE, because an encoder publishes with it; set force to disconnect it and delete {arn}"
            );
            return Err(Error::new(Fault::Conflict, message));
        }
        if let Some(stage) = &row.stage {
            disconnect::end(draft, stage, &row.participants());
        }
    }
    draft.remove_plain(&arn.id.clone().into());
    Ok(Reply::Done)
}

fn own(draft: &Draft<'_>, arn: &Arn<IngestConfigurationId>) -> Result<IngestConfiguration, Error> {
    let row = own_plain(draft, "arn", &arn.clone().with_id(Into::into))?;
    IngestConfiguration::of(row).cloned().ok_or_else(|| {
        let message = format!("arn: there is no ingest configuration {arn}");
        Error::new(Fault::NotFound, message)
    })
}
