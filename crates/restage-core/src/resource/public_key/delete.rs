//! DeletePublicKey: tokens signed with the private half are refused from now on. Participants that have joined stay.

use crate::arn::PublicKeyArn;
use crate::kernel::decision::Outcome;
use crate::kernel::decision::Reply;
use crate::kernel::draft::Draft;
use crate::kernel::need::Need;
use crate::kernel::owner::own_public_key;

pub(crate) fn needs(key: &PublicKeyArn) -> Vec<Need> {
    vec![Need::PublicKey(key.id.clone())]
}

pub(crate) fn decide(draft: &mut Draft<'_>, arn: &PublicKeyArn) -> Outcome {
    own_public_key(draft, "arn", arn)?;
    draft.remove_public_key(&arn.id);
    Ok(Reply::Done)
}
