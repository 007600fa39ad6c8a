//! Connection tokens: what they are called, and which of them were revoked.

use crate::id::Time;

crate::id::text_id! {
    /// The identity of a connection token (`jti`): 1 to 64 of `[A-Za-z0-9_-]`, chosen by whoever signs it. It is unique in
    /// its account and Region only.
    ConnectionTokenId
}

/// A connection token among those of all accounts and Regions.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionTokenKey {
    /// The account: 12 digits.
    pub account: String,
    /// The name of the Region.
    pub region: String,
    /// The token's identity there.
    pub id: ConnectionTokenId,
}

/// A connection token that RevokeConnectionToken has revoked. Other connection tokens have no rows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RevokedConnectionToken {
    /// The account: 12 digits. With the Region and the id it is the row's key.
    pub account: String,
    /// The name of the Region.
    pub region: String,
    /// The token's identity.
    pub id: ConnectionTokenId,
    /// When it was revoked last.
    pub revoked_at: Time,
}

impl RevokedConnectionToken {
    /// The row's key.
    pub fn key(&self) -> ConnectionTokenKey {
        ConnectionTokenKey {
            account: self.account.clone(),
            region: self.region.clone(),
            id: self.id.clone(),
        }
    }
}
