//! Whether a verified participant token is good for its stage.

use crate::error::{Error, Fault};
use crate::kernel::command::{Claims, Signer};
use crate::kernel::draft::Draft;
use crate::kernel::need::Need;
use crate::limits::ISSUED_AHEAD_MAX_S;
use crate::row::{Stage, Token};

/// The rows [`check`] looks at.
pub(crate) fn needs(claims: &Claims) -> Vec<Need> {
    let mut needs = vec![
        Need::Stage(claims.stage.id.clone()),
        Need::Token(claims.stage.id.clone(), claims.participant.clone()),
    ];
    if let Signer::PublicKey(key) = &claims.signer {
        needs.push(Need::Plain(key.id.clone().into()));
    }
    needs
}

/// The stage must exist, the signer must be allowed to sign for it, and the token's identity must be the signer's own and
/// not revoked. The expiry is not checked: that is a rule about joining.
pub(crate) fn check(draft: &Draft<'_>, claims: &Claims) -> Result<(), Error> {
    let (id, arn) = (&claims.participant, &claims.stage);
    let stage = draft
        .stage(&arn.id)
        .filter(|row| row.account == arn.account && row.region == arn.region)
        .ok_or_else(|| Error::new(Fault::NotFound, format!("there is no stage {arn}")))?;
    let row = draft.token(&arn.id, id);
    match &claims.signer {
        Signer::Service if row.is_none_or(|row| row.self_signed.is_some()) => {
            let message = format!("no participant token {id} was issued for {arn}");
            return Err(Error::new(Fault::TokenRevoked, message));
        }
        Signer::Service => {}
        Signer::PublicKey(_) => check_self_signed(draft, stage, row, claims)?,
    }
    if row.is_some_and(|row| row.revoked_at.is_some()) {
        let message = format!("participant {id} was disconnected; its token is dead");
        return Err(Error::new(Fault::TokenRevoked, message));
    }
    Ok(())
}

fn check_self_signed(
    draft: &Draft<'_>,
    stage: &Stage,
    row: Option<&Token>,
    claims: &Claims,
) -> Result<(), Error> {
    let Signer::PublicKey(arn) = &claims.signer else {
        return Ok(());
    };
    let invalid = |message: String| Err(Error::new(Fault::TokenInvalid, message));
    if arn.account != stage.account || arn.region != stage.region {
        return invalid(format!(
            "kid: the key {arn} is not of the account and Region of the stage {}",
            claims.stage
        ));
    }
    let key = draft.plain(&arn.id.clone().into());
    if key.is_none_or(|row| (row.account(), row.region()) != (&*arn.account, &*arn.region)) {
        return invalid(format!(
            "kid: there is no public key {arn}; it was never imported, or it was deleted"
        ));
    }
    if claims.issued_at > draft.context.wall.plus_seconds(ISSUED_AHEAD_MAX_S) {
        return invalid(format!(
            "iat: the token says it was issued more than {ISSUED_AHEAD_MAX_S} seconds from now"
        ));
    }
    if row.is_some_and(|row| row.self_signed.is_none()) {
        let id = &claims.participant;
        let message = format!(
            "jti: {id} is the identity of a token that CreateParticipantToken or CreateStage made"
        );
        return Err(Error::new(Fault::Conflict, message));
    }
    Ok(())
}

/// Writes the row of a self-signed token: its identity, and what the newest token allows.
pub(crate) fn remember(draft: &mut Draft<'_>, claims: &Claims) {
    if claims.signer != Signer::Service {
        draft.put_token(Token {
            stage: claims.stage.id.clone(),
            participant: claims.participant.clone(),
            expires_at: claims.expires_at,
            revoked_at: None,
            self_signed: Some(claims.capabilities),
        });
    }
}
