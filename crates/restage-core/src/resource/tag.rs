//! TagResource and UntagResource, of stages, plain resources and compositions.

use std::collections::BTreeSet;

use crate::arn::ResourceArn;
use crate::error::{Error, Fault};
use crate::kernel::decision::{Outcome, Reply};
use crate::kernel::draft::Draft;
use crate::kernel::need::Need;
use crate::kernel::owner::{own_composition, own_plain, own_stage};
use crate::limits::TAGS_MAX;
use crate::row::Tags;

pub(crate) fn needs(resource: &ResourceArn) -> Vec<Need> {
    vec![match resource {
        ResourceArn::Stage(arn) => Need::Stage(arn.id.clone()),
        ResourceArn::Plain(arn) => Need::Plain(arn.id.clone()),
        ResourceArn::Composition(arn) => Need::Composition(arn.id.clone()),
    }]
}

/// Puts tags over those there are.
pub(crate) fn tag(draft: &mut Draft<'_>, resource: &ResourceArn, tags: &Tags) -> Outcome {
    change(draft, resource, |all| {
        all.extend(tags.iter().map(|(key, value)| (key.clone(), value.clone())));
        if all.len() > TAGS_MAX {
            let message = format!(
                "tags: with those it has, {resource} would have {} tags; at most {TAGS_MAX} are allowed",
                all.len()
            );
            return Err(Error::new(Fault::Invalid, message));
        }
        Ok(())
    })
}

/// Removes tags; those that are not there are gone already.
pub(crate) fn untag(
    draft: &mut Draft<'_>,
    resource: &ResourceArn,
    keys: &BTreeSet<String>,
) -> Outcome {
    change(draft, resource, |all| {
        all.retain(|key, _| !keys.contains(key));
        Ok(())
    })
}

fn change(
    draft: &mut Draft<'_>,
    resource: &ResourceArn,
    edit: impl FnOnce(&mut Tags) -> Result<(), Error>,
) -> Outcome {
    match resource {
        ResourceArn::Stage(arn) => {
            let mut row = own_stage(draft, "resourceArn", arn)?.clone();
            edit(&mut row.tags)?;
            draft.put_stage(row);
        }
        ResourceArn::Plain(arn) => {
            let mut row = own_plain(draft, "resourceArn", arn)?.clone();
            edit(row.tags_mut())?;
            draft.put_plain(row);
        }
        ResourceArn::Composition(arn) => {
            let mut row = own_composition(draft, "resourceArn", arn)?.clone();
            edit(&mut row.tags)?;
            draft.put_composition(row);
        }
    }
    Ok(Reply::Done)
}
