//! Finds a resource of the caller, or refuses.

use std::fmt;

use crate::arn::{Arn, CompositionArn, StageArn};
use crate::error::{Error, Fault};
use crate::kernel::draft::Draft;
use crate::row::{Composition, PlainId, PlainRow, Stage};

/// The caller's stage. `member` is the request member that carried the ARN.
///
/// # Errors
/// `Denied` if the ARN says that it is another account's, `NotFound` if there is nothing under this ARN:
/// whether the id is one of another account or region is not told.
pub(crate) fn own_stage<'a>(
    draft: &'a Draft<'_>,
    member: &str,
    arn: &StageArn,
) -> Result<&'a Stage, Error> {
    own_account(draft, member, &arn.account, arn)?;
    draft
        .stage(&arn.id)
        .filter(|row| row.account == arn.account && row.region == arn.region)
        .ok_or_else(|| {
            Error::new(
                Fault::NotFound,
                format!("{member}: there is no stage {arn}"),
            )
        })
}

/// The caller's plain resource. `member` is the request member that carried the ARN.
///
/// # Errors
/// As [`own_stage`].
pub(crate) fn own_plain<'a>(
    draft: &'a Draft<'_>,
    member: &str,
    arn: &Arn<PlainId>,
) -> Result<&'a PlainRow, Error> {
    own_account(draft, member, &arn.account, arn)?;
    draft
        .plain(&arn.id)
        .filter(|row| (row.account(), row.region()) == (&*arn.account, &*arn.region))
        .ok_or_else(|| {
            let what = arn.id.of_kind().name();
            Error::new(
                Fault::NotFound,
                format!("{member}: there is no {what} {arn}"),
            )
        })
}

/// The caller's composition. `member` is the request member that carried the ARN.
///
/// # Errors
/// As [`own_stage`].
pub(crate) fn own_composition<'a>(
    draft: &'a Draft<'_>,
    member: &str,
    arn: &CompositionArn,
) -> Result<&'a Composition, Error> {
    own_account(draft, member, &arn.account, arn)?;
    draft
        .composition(&arn.id)
        .filter(|row| row.account == arn.account && row.region == arn.region)
        .ok_or_else(|| {
            Error::new(
                Fault::NotFound,
                format!("{member}: there is no composition {arn}; one that has ended is removed after 5 minutes"),
            )
        })
}

/// Refuses what is another account's by its ARN.
///
/// # Errors
/// `Denied`.
pub(crate) fn own_account(
    draft: &Draft<'_>,
    member: &str,
    owner: &str,
    arn: &impl fmt::Display,
) -> Result<(), Error> {
    if owner == draft.context.account {
        return Ok(());
    }
    Err(Error::new(
        Fault::Denied,
        format!("{member}: {arn} belongs to another account"),
    ))
}
