//! Refusals. They know nothing of HTTP; the edge maps each [`Fault`] to the wire.

use crate::row::StageEventError;

/// The kind of a refusal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The request is wrong in itself (ValidationException, 400).
    Invalid,
    /// The resource belongs to another account (AccessDeniedException, 403).
    Denied,
    /// What the request names does not exist (ResourceNotFoundException, 404).
    NotFound,
    /// The state of the resource does not allow it (ConflictException, 409).
    Conflict,
    /// A limit is reached (ServiceQuotaExceededException, 402).
    LimitExceeded,
    /// The token was revoked by DisconnectParticipant.
    TokenRevoked,
    /// The token has expired.
    TokenExpired,
    /// The token is not valid for this stage: its key is not imported, or its `iat` lies in the future.
    TokenInvalid,
    /// The token lacks the capability.
    MissingCapability,
    /// The connection token is no good.
    ConnectionToken(ConnectionTokenFault),
}

/// The fault of a connection token. The participant token beside it may be good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConnectionTokenFault {
    /// It has not the form, its signature is wrong, its key is not imported, or its `iat` lies in the future.
    Malformed,
    /// It has expired.
    Expired,
    /// It is one of another account or Region than the stage.
    NotAllowed,
    /// RevokeConnectionToken has revoked it.
    Revoked,
}

/// A refusal with a sentence for the caller.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// Which kind of rule was broken.
    pub fault: Fault,
    /// Names the member and the rule.
    pub message: String,
    /// Of an encoder that may not publish: the code by which the service's documentation names the reason.
    pub code: Option<StageEventError>,
}

impl Error {
    /// A refusal of this kind with this sentence.
    pub fn new(fault: Fault, message: impl Into<String>) -> Self {
        Self {
            fault,
            message: message.into(),
            code: None,
        }
    }

    /// The same refusal with the code of its reason.
    #[must_use]
    pub(crate) fn with_code(self, code: StageEventError) -> Self {
        Self {
            code: Some(code),
            ..self
        }
    }
}

/// A refusal that names the limit, its value and the setting. Settings are named after the fields of
/// [`Limits`](crate::Limits) and [`PlainLimits`](crate::row::PlainLimits), with dashes.
pub(crate) fn limit_reached(what: &str, value: u32, field: &str) -> Error {
    let setting = field.replace('_', "-");
    Error::new(
        Fault::LimitExceeded,
        format!("{what}: the limit of {value} is reached (setting limit-{setting})"),
    )
}
