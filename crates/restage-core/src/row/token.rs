//! Participant tokens.

use super::Attributes;
use crate::id::{ParticipantId, StageId, Time};

/// A token's identity in a stage, and whether it is still good. The token text itself is never stored.
///
/// The row of a token that restage makes exists from the start; that of a self-signed token from its first join on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// The one stage it is for.
    pub stage: StageId,
    /// The token's identity, which becomes the participant's. With the stage it is the row's key.
    pub participant: ParticipantId,
    /// After this time no new join is accepted.
    pub expires_at: Time,
    /// When DisconnectParticipant revoked the token; `None` while it is good.
    pub revoked_at: Option<Time>,
    /// `None` for a token that restage made. Otherwise the identity is one that self-signed tokens gave
    /// themselves, and this is what the latest of them allows.
    pub self_signed: Option<Capabilities>,
}

/// What a participant may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capabilities {
    /// Whether it may publish (`PUBLISH`).
    pub publish: bool,
    /// Whether it may subscribe (`SUBSCRIBE`).
    pub subscribe: bool,
}

/// What a token says about its bearer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TokenGrant {
    /// What the token allows.
    pub capabilities: Capabilities,
    /// The token's attributes; may be empty.
    pub attributes: Attributes,
    /// The customer's label of the participant; may be empty.
    pub user_id: String,
    /// After this time no new join is accepted.
    pub expires_at: Time,
}
