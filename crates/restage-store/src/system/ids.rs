//! Fresh identifiers. The only place that draws them.

use rand::distr::{Alphanumeric, SampleString};
use restage_core::id::{
    ConnectionId, JobId, ParticipantId, PublicKeyId, RunId, StageId, StageSessionId,
};
use restage_core::{PublicKeyArn, StageArn};

/// Length of resource and participant ids, as the service makes them.
const RESOURCE_ID_LEN: usize = 12;
/// Characters after `st-`.
const SESSION_ID_LEN: usize = 13;
/// Of connections, jobs and runs. 131 bits: a connection's URL cannot be guessed.
const LONG_ID_LEN: usize = 22;

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
    ConnectionId::new(alphanumeric(LONG_ID_LEN))
}

/// A fresh job id.
pub fn job() -> JobId {
    JobId::new(alphanumeric(LONG_ID_LEN))
}

/// A fresh id of a run of this process.
pub fn run() -> RunId {
    RunId::new(alphanumeric(LONG_ID_LEN))
}

/// A request id in the shape of a UUID.
pub fn request() -> String {
    let mut digits = [0; 32];
    hex::encode_to_slice(rand::random::<[u8; 16]>(), &mut digits)
        .expect("two digits for each byte");
    digits[12] = b'4';
    let mut id = String::with_capacity(digits.len() + 4);
    for (at, digit) in digits.into_iter().enumerate() {
        if matches!(at, 8 | 12 | 16 | 20) {
            id.push('-');
        }
        id.push(char::from(digit));
    }
    id
}

/// Text for secrets.
pub fn secret(len: usize) -> String {
    alphanumeric(len)
}
