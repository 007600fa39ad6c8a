//! Fresh identifiers. The only place that draws them.

use rand::distr::{Alphanumeric, SampleString};
use restage_core::id::{ConnectionId, ParticipantId, PublicKeyId, StageId, StageSessionId};
use restage_core::{PublicKeyArn, StageArn};

/// Length of resource and participant ids, as the service makes them.
const RESOURCE_ID_LEN: usize = 12;
/// Characters after `st-`.
const SESSION_ID_LEN: usize = 13;
/// 131 bits: a connection's URL cannot be guessed.
const CONNECTION_ID_LEN: usize = 22;

fn alphanumeric(len: usize) -> String {
    Alphanumeric.sample_string(&mut rand::rng(), len)
}

/// A fresh stage ARN.
pub fn stage(account: &str, region: &str) -> StageArn {
    StageArn {
        region: region.to_owned(),
        account: account.to_owned(),
        id: StageId::new(alphanumeric(RESOURCE_ID_LEN)),
    }
}

/// A fresh public key ARN.
pub fn public_key(account: &str, region: &str) -> PublicKeyArn {
    PublicKeyArn {
        region: region.to_owned(),
        account: account.to_owned(),
        id: PublicKeyId::new(alphanumeric(RESOURCE_ID_LEN)),
    }
}

/// A fresh participant id.
pub fn participant() -> ParticipantId {
    ParticipantId::new(alphanumeric(RESOURCE_ID_LEN))
}

/// A fresh stage session id.
pub fn stage_session() -> StageSessionId {
    StageSessionId::new(format!("st-{}", alphanumeric(SESSION_ID_LEN)))
}

/// A fresh connection id.
pub fn connection() -> ConnectionId {
    ConnectionId::new(alphanumeric(CONNECTION_ID_LEN))
}

/// A request id in the shape of a UUID.
pub fn request() -> String {
    let bytes: [u8; 16] = rand::random();
    let hex = hex::encode(bytes);
    format!(
        "{}-{}-4{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[13..16],
        &hex[16..20],
        &hex[20..]
    )
}

/// Text for secrets.
pub fn secret(len: usize) -> String {
    alphanumeric(len)
}
