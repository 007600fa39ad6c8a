//! DeletePublicKey: no token signed with its private half joins any more. Who has joined stays.

use super::{Outcome, own_public_key};
use crate::arn::PublicKeyArn;
use crate::command::Need;
use crate::decision::Reply;
use crate::draft::Draft;

pub(super) fn needs(key: &PublicKeyArn) -> Vec<Need> {
    vec![Need::PublicKey(key.id.clone())]
}

pub(super) fn decide(draft: &mut Draft<'_>, arn: &PublicKeyArn) -> Outcome {
    own_public_key(draft, "arn", arn)?;
    draft.remove_public_key(&arn.id);
    Ok(Reply::Done)
}
