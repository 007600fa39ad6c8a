//! Public keys that verify self-signed participant tokens. A key that is imported lets tokens signed with its private half
//! in; once it is deleted they are refused, and participants that have joined stay.

use crate::arn::Arn;
use crate::error::{Error, Fault};
use crate::kernel::need::Need;
use crate::kernel::world::World;
use crate::row::PublicKey;

/// The key that an account may not import twice.
pub(crate) fn need_to_import(row: &PublicKey) -> Need {
    Need::PublicKeyPoint {
        account: row.account.clone(),
        region: row.region.clone(),
        point: row.point.clone(),
    }
}

/// An account has a key once in a Region, however it is written.
pub(crate) fn check_import(world: &World, row: &PublicKey) -> Result<(), Error> {
    let same = world.plain_of::<PublicKey>().find(|other| {
        (&other.account, &other.region, &other.point) == (&row.account, &row.region, &row.point)
    });
    let Some(known) = same.map(Arn::of) else {
        return Ok(());
    };
    Err(Error::new(
        Fault::Conflict,
        format!("publicKeyMaterial: this key was imported before, as {known}"),
    ))
}
