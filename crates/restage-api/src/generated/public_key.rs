//! Public keys for self-signed participant tokens.
// Written by scripts/generate_shapes.py from the service's model and scripts/shapes/choices.toml; do not edit.

use serde::Serialize;

use crate::error::ApiError;
use crate::generated::constraint::{
    MAX_PUBLIC_KEY_RESULTS, PAGINATION_TOKEN, PUBLIC_KEY_ARN, PUBLIC_KEY_MATERIAL, PUBLIC_KEY_NAME,
    TAGS,
};
use crate::operation::{ByArn, EmptyResponse, Operation, Paged, Request};
use crate::read::{Body, StringMap};

/// Input of ImportPublicKey.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ImportPublicKeyRequest {
    /// `publicKeyMaterial`: any text, 1–4,096 characters.
    pub public_key_material: String,
    /// `name`: ASCII letters, digits, hyphens and underscores, 0–128 characters. Empty unless given.
    pub name: String,
    /// `tags`: 0–50 entries. Empty unless given.
    pub tags: StringMap,
}

impl Request for ImportPublicKeyRequest {
    const OPERATION: Operation = Operation::ImportPublicKey;
    type Response = ImportPublicKeyResponse;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Self {
            public_key_material: members
                .required_text("publicKeyMaterial", &PUBLIC_KEY_MATERIAL)?,
            name: members.text("name", &PUBLIC_KEY_NAME)?.unwrap_or_default(),
            tags: members.tags("tags", &TAGS)?.unwrap_or_default(),
        }
        .checked()
    }
}

/// Output of ImportPublicKey.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct ImportPublicKeyResponse {
    pub public_key: PublicKeyShape,
}

/// Input of GetPublicKey.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GetPublicKeyRequest {
    /// `arn`: the ARN of a public key, 1–128 characters.
    pub arn: String,
}

impl Request for GetPublicKeyRequest {
    const OPERATION: Operation = Operation::GetPublicKey;
    type Response = GetPublicKeyResponse;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            arn: members.required_text("arn", &PUBLIC_KEY_ARN)?,
        })
    }
}

impl ByArn for GetPublicKeyRequest {
    fn arn(&self) -> &str {
        &self.arn
    }
}

/// Output of GetPublicKey.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct GetPublicKeyResponse {
    pub public_key: PublicKeyShape,
}

/// Input of ListPublicKeys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListPublicKeysRequest {
    /// `nextToken`: `None` for the first page.
    pub next_token: Option<String>,
    /// `maxResults`: 1–100, 50 unless given.
    pub max_results: u32,
}

impl Request for ListPublicKeysRequest {
    const OPERATION: Operation = Operation::ListPublicKeys;
    type Response = ListPublicKeysResponse;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            next_token: members.page_token(&PAGINATION_TOKEN)?,
            max_results: members.max_results(50, MAX_PUBLIC_KEY_RESULTS)?,
        })
    }
}

impl ListPublicKeysRequest {
    /// The members that a page token of this request is bound to, besides account and Region.
    pub const fn filters(&self) -> [(&'static str, &str); 0] {
        []
    }
}

impl Paged for ListPublicKeysRequest {
    fn page(&self) -> (Option<&str>, u32) {
        (self.next_token.as_deref(), self.max_results)
    }
}

/// Output of ListPublicKeys.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct ListPublicKeysResponse {
    pub public_keys: Vec<PublicKeySummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// Input of DeletePublicKey.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeletePublicKeyRequest {
    /// `arn`: the ARN of a public key, 1–128 characters.
    pub arn: String,
}

impl Request for DeletePublicKeyRequest {
    const OPERATION: Operation = Operation::DeletePublicKey;
    type Response = EmptyResponse;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            arn: members.required_text("arn", &PUBLIC_KEY_ARN)?,
        })
    }
}

impl ByArn for DeletePublicKeyRequest {
    fn arn(&self) -> &str {
        &self.arn
    }
}

/// A public key. The material is the text that was imported.
/// `PublicKey` in the model.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct PublicKeyShape {
    pub arn: String,
    pub name: String,
    pub public_key_material: String,
    pub fingerprint: String,
    pub tags: StringMap,
}

/// `PublicKeySummary` of the model.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[allow(missing_docs)]
pub struct PublicKeySummary {
    pub arn: String,
    pub name: String,
    pub tags: StringMap,
}
