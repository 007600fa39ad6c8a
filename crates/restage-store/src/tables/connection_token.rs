//! Connection tokens that were revoked.

use restage_core::row::{ConnectionTokenId, RevokedConnectionToken};

use super::declare::table;
use super::field::ids;

table! {
    RevokedConnectionToken in "revoked_connection_tokens" as "v", row "revoked connection token", since 11,
    newest [],
    key (account, region, id),
    fields (revoked_at)
}

ids!(ConnectionTokenId);
