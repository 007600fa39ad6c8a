//! Generates identifiers and secrets. No other place does.

use rand::distr::{Alphanumeric, SampleString};
use restage_core::id::{ConnectionId, JobId, ParticipantId, ResourceId, RunId, StageSessionId};
use restage_core::row::{CompositionDestinationId, RecordingId};
use restage_core::{Arn, StageArn};

/// Length of resource and participant ids, as in the service.
const RESOURCE_ID_LEN: usize = 12;
/// Characters after `st-`.
const SESSION_ID_LEN: usize = 13;
/// Of connections, jobs and runs. 131 bits: a connection's URL cannot be guessed.
const LONG_ID_LEN: usize = 22;

fn alphanumeric(len: usize) -> String {
    Alphanumeric.sample_string(&mut rand::rng(), len)
}

/// The ARN of a resource, with a fresh id.
pub fn resource<I: ResourceId>(account: &str, region: &str) -> Arn<I> {
    Arn {
        region: region.to_owned(),
        account: account.to_owned(),
        id: I::from(&alphanumeric(RESOURCE_ID_LEN)),
    }
}

/// A fresh stage ARN.
pub fn stage(account: &str, region: &str) -> StageArn {
    resource(account, region)
}

/// A new participant id.
pub fn participant() -> ParticipantId {
    ParticipantId::new(alphanumeric(RESOURCE_ID_LEN))
}

/// A new stage session id.
pub fn stage_session() -> StageSessionId {
    StageSessionId::new(format!("st-{}", alphanumeric(SESSION_ID_LEN)))
}

/// A new connection id.
pub fn connection() -> ConnectionId {
    ConnectionId::new(alphanumeric(LONG_ID_LEN))
}

/// A new job id.
pub fn job() -> JobId {
    JobId::new(alphanumeric(LONG_ID_LEN))
}

/// A new recording id.
pub fn recording() -> RecordingId {
    RecordingId::new(alphanumeric(LONG_ID_LEN))
}

/// A new id of a destination of a composition.
pub fn composition_destination() -> CompositionDestinationId {
    CompositionDestinationId::new(alphanumeric(RESOURCE_ID_LEN))
}

/// A new id of a run of this process.
pub fn run() -> RunId {
    RunId::new(alphanumeric(LONG_ID_LEN))
}

/// A new request id in the form of a UUID.
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

/// A random text for secrets.
pub fn secret(len: usize) -> String {
    alphanumeric(len)
}
