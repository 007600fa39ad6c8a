//! ImportPublicKey: participant tokens signed with the private half are accepted from now on.

use crate::arn::PublicKeyArn;
use crate::error::limit_reached;
use crate::error::{Error, Fault};
use crate::kernel::decision::Outcome;
use crate::kernel::decision::Reply;
use crate::kernel::draft::Draft;
use crate::kernel::need::Need;
use crate::row::{PublicKey, Tags};

/// The command's members.
pub(crate) struct Request<'a> {
    pub(crate) key: &'a PublicKeyArn,
    pub(crate) name: &'a str,
    pub(crate) tags: &'a Tags,
    pub(crate) material: &'a str,
    pub(crate) fingerprint: &'a str,
    pub(crate) point: &'a str,
}

pub(crate) fn needs(key: &PublicKeyArn, point: &str) -> Vec<Need> {
    let (account, region) = (key.account.clone(), key.region.clone());
    vec![
        Need::PublicKeyCount {
            account: account.clone(),
            region: region.clone(),
        },
        Need::PublicKeyPoint {
            account,
            region,
            point: point.to_owned(),
        },
    ]
}

pub(crate) fn decide(draft: &mut Draft<'_>, request: &Request<'_>) -> Outcome {
    let (context, arn) = (draft.context, request.key);
    if arn.account != context.account {
        return Err(Error::new(
            Fault::Denied,
            format!("{arn} would belong to another account"),
        ));
    }
    let world = draft.given();
    let same = world.public_keys.values().find(|row| {
        row.account == arn.account && row.region == arn.region && row.point == request.point
    });
    if let Some(row) = same {
        let known = PublicKeyArn {
            id: row.id.clone(),
            ..arn.clone()
        };
        return Err(Error::new(
            Fault::Conflict,
            format!("publicKeyMaterial: this key was imported before, as {known}"),
        ));
    }
    let limit = context.limits.public_keys;
    if world.public_key_count_of(&arn.account, &arn.region) >= u64::from(limit) {
        return Err(limit_reached(
            "Public keys per account and Region",
            limit,
            "public_keys",
        ));
    }
    let row = PublicKey {
        id: arn.id.clone(),
        account: arn.account.clone(),
        region: arn.region.clone(),
        name: request.name.to_owned(),
        tags: request.tags.clone(),
        material: request.material.to_owned(),
        fingerprint: request.fingerprint.to_owned(),
        point: request.point.to_owned(),
        created_at: context.now,
    };
    draft.put_public_key(row.clone());
    Ok(Reply::PublicKey(row))
}
