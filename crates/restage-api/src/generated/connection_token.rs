//! Connection tokens.
// Written by scripts/generate_shapes.py from the service's model and scripts/shapes/choices.toml; do not edit.

use crate::error::ApiError;
use crate::generated::constraint::CONNECTION_TOKEN_ID;
use crate::operation::{EmptyResponse, Operation, Request};
use crate::read::Body;

/// Input of RevokeConnectionToken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RevokeConnectionTokenRequest {
    /// `tokenId`: ASCII letters, digits, hyphens and underscores, 1–64 characters.
    pub token_id: String,
}

impl Request for RevokeConnectionTokenRequest {
    const OPERATION: Operation = Operation::RevokeConnectionToken;
    type Response = EmptyResponse;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            token_id: members.required_text("tokenId", &CONNECTION_TOKEN_ID)?,
        })
    }
}
