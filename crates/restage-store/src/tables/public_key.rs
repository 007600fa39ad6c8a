//! Public keys.

use restage_core::id::PublicKeyId;
use restage_core::row::PublicKey;

use super::declare::plain_table;

plain_table! {
    PublicKey (PublicKeyId) in "public_keys" as "k", row "public key", since 2,
    fields (material, fingerprint, point)
}

/// The key of an account (`$1`) in a Region (`$2`) with a point (`$3`).
pub(crate) const WITH_POINT: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM public_keys k WHERE k.account = $1 AND k.region = $2 AND k.point = $3"
);
