//! Finds a resource of the caller, or refuses.

use std::fmt;

use crate::arn::{PublicKeyArn, StageArn};
use crate::error::{Error, Fault};
use crate::kernel::draft::Draft;
use crate::row::{PublicKey, Stage};

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

/// The caller's public key. `member` is the request member that carried the ARN.
///
/// # Errors
/// As [`own_stage`].
pub(crate) fn own_public_key<'a>(
    draft: &'a Draft<'_>,
    member: &str,
    arn: &PublicKeyArn,
) -> Result<&'a PublicKey, Error> {
    own_account(draft, member, &arn.account, arn)?;
    draft
        .public_key(&arn.id)
        .filter(|row| row.account == arn.account && row.region == arn.region)
        .ok_or_else(|| {
            Error::new(
                Fault::NotFound,
                format!("{member}: there is no public key {arn}"),
            )
        })
}

fn own_account(
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
