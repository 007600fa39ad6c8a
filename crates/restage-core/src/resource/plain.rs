//! Creates and deletes plain resources of any kind.

use super::{encoder_configuration, ingest_configuration, public_key, storage_configuration};
use crate::arn::Arn;
use crate::error::{Error, Fault, limit_reached};
use crate::kernel::decision::{Outcome, Reply};
use crate::kernel::draft::Draft;
use crate::kernel::need::Need;
use crate::kernel::owner::own_plain;
use crate::row::{IngestConfiguration, Plain as _, PlainId, PlainRow, PublicKey};

/// The rows that creating this row needs: the number of its kind, and what the kind's own rule needs.
pub(crate) fn needs_to_create(row: &PlainRow) -> Vec<Need> {
    let mut needs = vec![Need::PlainCount {
        kind: row.kind(),
        account: row.account().to_owned(),
        region: row.region().to_owned(),
    }];
    if let Some(row) = PublicKey::of(row) {
        needs.push(public_key::need_to_import(row));
    }
    let ingest = IngestConfiguration::of(row);
    needs.extend(ingest.and_then(ingest_configuration::need_to_create));
    needs
}

/// Creates a resource of the caller, unless a rule of its kind refuses it or the limit is reached.
pub(crate) fn create(draft: &mut Draft<'_>, row: &PlainRow) -> Outcome {
    let context = draft.context;
    if row.account() != context.account {
        let arn = arn(row);
        return Err(Error::new(
            Fault::Denied,
            format!("{arn} would belong to another account"),
        ));
    }
    // A duplicate is reported as one even when the limit is reached.
    if let Some(row) = PublicKey::of(row) {
        public_key::check_import(draft.given(), row)?;
    }
    if let Some(row) = IngestConfiguration::of(row) {
        ingest_configuration::check_creation(draft, row)?;
    }
    let kind = row.kind();
    let (limit, field) = kind.limit(&context.limits.plain);
    let there_are = draft
        .given()
        .plain_count_of(kind, row.account(), row.region());
    if there_are >= u64::from(limit) {
        let what = format!("{} per account and Region", kind.title());
        return Err(limit_reached(&what, limit, field));
    }
    let row = row.clone().created(context.now);
    draft.put_plain(row.clone());
    Ok(Reply::Plain(row))
}

pub(crate) fn needs_to_delete(resource: &Arn<PlainId>) -> Vec<Need> {
    let mut needs = vec![Need::Plain(resource.id.clone())];
    match &resource.id {
        PlainId::StorageConfiguration(id) => {
            needs.push(storage_configuration::need_to_delete(id));
        }
        PlainId::IngestConfiguration(id) => needs.push(ingest_configuration::needs_to_delete(id)),
        PlainId::EncoderConfiguration(id) => {
            needs.push(encoder_configuration::need_to_delete(id));
        }
        PlainId::PublicKey(_) => {}
    }
    needs
}

/// Deletes a resource of the caller, unless a rule of its kind refuses it. What it was used for before stays valid.
pub(crate) fn delete(draft: &mut Draft<'_>, arn: &Arn<PlainId>) -> Outcome {
    own_plain(draft, "arn", arn)?;
    match &arn.id {
        PlainId::StorageConfiguration(id) => storage_configuration::check_deletion(draft, id)?,
        PlainId::IngestConfiguration(id) => {
            let arn = arn.clone().with_id(|_| id.clone());
            return ingest_configuration::delete(draft, &arn, false);
        }
        PlainId::EncoderConfiguration(id) => encoder_configuration::check_deletion(draft, id)?,
        PlainId::PublicKey(_) => {}
    }
    draft.remove_plain(&arn.id);
    Ok(Reply::Done)
}

fn arn(row: &PlainRow) -> Arn<PlainId> {
    Arn {
        region: row.region().to_owned(),
        account: row.account().to_owned(),
        id: row.id(),
    }
}
