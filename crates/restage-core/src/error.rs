//! Refusals. They know nothing of HTTP; the edge maps each [`Fault`] to the wire.

/// Whose rule was broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The request is wrong in itself (ValidationException, 400).
    Invalid,
    /// Not this caller's (AccessDeniedException, 403).
    Denied,
    /// No such thing (ResourceNotFoundException, 404).
    NotFound,
    /// Not in this state (ConflictException, 409).
    Conflict,
    /// A limit (ServiceQuotaExceededException, 402).
    LimitExceeded,
    /// The token is dead: revoked by DisconnectParticipant.
    TokenRevoked,
    /// The token has expired.
    TokenExpired,
    /// The token is none for this stage, or none any more: its key is not there, or it is from the future.
    TokenInvalid,
    /// The token lacks the capability.
    MissingCapability,
}

/// A refusal with a sentence for the caller.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// The kind.
    pub fault: Fault,
    /// Names the member and the rule.
    pub message: String,
}

impl Error {
    /// A refusal.
    pub fn new(fault: Fault, message: impl Into<String>) -> Self {
        Self {
            fault,
            message: message.into(),
        }
    }
}

/// A refusal that names the limit, its value and the setting. Settings are named after the fields of
/// [`Limits`](crate::Limits), with dashes.
pub(crate) fn limit_reached(what: &str, value: u32, field: &str) -> Error {
    let setting = field.replace('_', "-");
    Error::new(
        Fault::LimitExceeded,
        format!("{what}: the limit of {value} is reached (setting limit-{setting})"),
    )
}
