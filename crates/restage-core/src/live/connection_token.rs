//! Connection tokens: which are good, and RevokeConnectionToken.
//!
//! A connection token says that several connections, perhaps to several stages of its account and Region, are one client's.
//! It permits nothing by itself; what a connection may do is in its participant token.

use crate::error::{ConnectionTokenFault, Error, Fault};
use crate::id::Time;
use crate::kernel::command::ConnectionTokenClaims;
use crate::kernel::context::Context;
use crate::kernel::decision::{CloseReason, Outcome, Reply};
use crate::kernel::draft::Draft;
use crate::kernel::need::Need;
use crate::limits::{ISSUED_AHEAD_MAX_S, REVOCATIONS_MAX};
use crate::live::presence;
use crate::row::{ConnectionTokenId, ConnectionTokenKey, RevokedConnectionToken};

impl ConnectionTokenClaims {
    /// Checks that the token is good at this time of the wall clock. That its key is imported is looked up elsewhere.
    ///
    /// # Errors
    /// `Fault::ConnectionToken`: it has expired, says that it was issued later than now, or was revoked.
    pub fn check(&self, wall: Time, is_revoked: bool) -> Result<(), Error> {
        let id = &self.id;
        if is_revoked {
            let message = format!("the connection token {id} was revoked");
            return Err(fault(ConnectionTokenFault::Revoked, message));
        }
        if wall >= self.expires_at {
            let message = format!("the connection token {id} has expired");
            return Err(fault(ConnectionTokenFault::Expired, message));
        }
        if self.issued_at > wall.plus_seconds(ISSUED_AHEAD_MAX_S) {
            let message = format!(
                "iat: the connection token says it was issued more than {ISSUED_AHEAD_MAX_S} seconds from now"
            );
            return Err(fault(ConnectionTokenFault::Malformed, message));
        }
        Ok(())
    }
}

fn fault(fault: ConnectionTokenFault, message: String) -> Error {
    Error::new(Fault::ConnectionToken(fault), message)
}

/// The rows [`check`] looks at.
pub(crate) fn needs(claims: &ConnectionTokenClaims) -> [Need; 2] {
    [
        Need::Revocation(claims.key()),
        Need::Plain(claims.signer.id.clone().into()),
    ]
}

/// The token must be good, its key be imported, and both be of the account and Region of the stage.
pub(crate) fn check(
    draft: &Draft<'_>,
    claims: &ConnectionTokenClaims,
    (account, region): (&str, &str),
) -> Result<(), Error> {
    let key = &claims.signer;
    if (&*key.account, &*key.region) != (account, region) {
        let message = format!(
            "the connection token is one of account {} in {}, the stage is one of {account} in {region}",
            key.account, key.region
        );
        return Err(fault(ConnectionTokenFault::NotAllowed, message));
    }
    let row = draft.plain(&key.id.clone().into());
    if row.is_none_or(|row| (row.account(), row.region()) != (account, region)) {
        let message =
            format!("kid: there is no public key {key}; it was never imported, or it was deleted");
        return Err(fault(ConnectionTokenFault::Malformed, message));
    }
    claims.check(draft.context.wall, draft.is_revoked(&claims.key()))
}

fn key(context: &Context, region: &str, id: &ConnectionTokenId) -> ConnectionTokenKey {
    ConnectionTokenKey {
        account: context.account.clone(),
        region: region.to_owned(),
        id: id.clone(),
    }
}

pub(crate) fn needs_to_revoke(
    context: &Context,
    region: &str,
    id: &ConnectionTokenId,
) -> Vec<Need> {
    vec![Need::ConnectionToken(key(context, region, id))]
}

/// Revokes a token of the caller. A token that was revoked before is remembered from now on, because one with the same id may
/// have been signed since.
///
/// Participants keep their own tokens, so those who publish may come back with another connection token: reconnect windows of
/// replications and recordings run as they do after any other end of a connection.
pub(crate) fn revoke(draft: &mut Draft<'_>, region: &str, id: &ConnectionTokenId) -> Outcome {
    let token = key(draft.context, region, id);
    let world = draft.given();
    let is_new = !draft.is_revoked(&token);
    if is_new && world.revocation_count_of(&token.account, region) >= REVOCATIONS_MAX {
        let message = format!(
            "tokenId: {REVOCATIONS_MAX} connection tokens of this account and Region are revoked, the most that are \
             remembered; each is forgotten four weeks after its revocation. To forbid all tokens of a public key, delete it"
        );
        return Err(Error::new(Fault::Invalid, message));
    }
    let opened = world
        .opened_with(&token)
        .map(|row| row.id.clone())
        .collect();
    draft.put_revocation(RevokedConnectionToken {
        account: token.account,
        region: token.region,
        id: token.id,
        revoked_at: draft.context.now,
    });
    presence::close_all(draft, opened, CloseReason::ConnectionTokenRevoked);
    Ok(Reply::Done)
}
