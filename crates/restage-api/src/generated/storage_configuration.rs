//! Storage configurations: where recordings go.
// Written by scripts/generate_shapes.py from the service's model and scripts/shapes/choices.toml; do not edit.

use serde::Serialize;

use crate::error::ApiError;
use crate::generated::constraint::{
    MAX_STORAGE_CONFIGURATION_RESULTS, PAGINATION_TOKEN, S3_BUCKET_NAME, STORAGE_CONFIGURATION_ARN,
    STORAGE_CONFIGURATION_NAME, TAGS,
};
use crate::operation::{ByArn, EmptyResponse, Operation, Paged, Request};
use crate::read::{Body, Object, Shape, StringMap};

/// Input of CreateStorageConfiguration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateStorageConfigurationRequest {
    /// `name`: ASCII letters, digits, hyphens and underscores, 0–128 characters. Empty unless given.
    pub name: String,
    /// `s3`.
    pub s3: S3StorageConfiguration,
    /// `tags`: 0–50 entries. Empty unless given.
    pub tags: StringMap,
}

impl Request for CreateStorageConfigurationRequest {
    const OPERATION: Operation = Operation::CreateStorageConfiguration;
    type Response = CreateStorageConfigurationResponse;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            name: members
                .text("name", &STORAGE_CONFIGURATION_NAME)?
                .unwrap_or_default(),
            s3: members.required("s3", members.shape("s3")?)?,
            tags: members.tags("tags", &TAGS)?.unwrap_or_default(),
        })
    }
}

/// Output of CreateStorageConfiguration.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct CreateStorageConfigurationResponse {
    pub storage_configuration: StorageConfigurationShape,
}

/// Input of GetStorageConfiguration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GetStorageConfigurationRequest {
    /// `arn`: the ARN of a storage configuration, 1–128 characters.
    pub arn: String,
}

impl Request for GetStorageConfigurationRequest {
    const OPERATION: Operation = Operation::GetStorageConfiguration;
    type Response = GetStorageConfigurationResponse;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            arn: members.required_text("arn", &STORAGE_CONFIGURATION_ARN)?,
        })
    }
}

impl ByArn for GetStorageConfigurationRequest {
    fn arn(&self) -> &str {
        &self.arn
    }
}

/// Output of GetStorageConfiguration.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct GetStorageConfigurationResponse {
    pub storage_configuration: StorageConfigurationShape,
}

/// Input of ListStorageConfigurations.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListStorageConfigurationsRequest {
    /// `nextToken`: `None` for the first page.
    pub next_token: Option<String>,
    /// `maxResults`: 1–100, 100 unless given.
    pub max_results: u32,
}

impl Request for ListStorageConfigurationsRequest {
    const OPERATION: Operation = Operation::ListStorageConfigurations;
    type Response = ListStorageConfigurationsResponse;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            next_token: members.page_token(&PAGINATION_TOKEN)?,
            max_results: members.max_results(100, MAX_STORAGE_CONFIGURATION_RESULTS)?,
        })
    }
}

impl ListStorageConfigurationsRequest {
    /// The members that a page token of this request is bound to, besides account and Region.
    pub const fn filters(&self) -> [(&'static str, &str); 0] {
        []
    }
}

impl Paged for ListStorageConfigurationsRequest {
    fn page(&self) -> (Option<&str>, u32) {
        (self.next_token.as_deref(), self.max_results)
    }
}

/// Output of ListStorageConfigurations.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct ListStorageConfigurationsResponse {
    pub storage_configurations: Vec<StorageConfigurationSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// Input of DeleteStorageConfiguration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeleteStorageConfigurationRequest {
    /// `arn`: the ARN of a storage configuration, 1–128 characters.
    pub arn: String,
}

impl Request for DeleteStorageConfigurationRequest {
    const OPERATION: Operation = Operation::DeleteStorageConfiguration;
    type Response = EmptyResponse;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            arn: members.required_text("arn", &STORAGE_CONFIGURATION_ARN)?,
        })
    }
}

impl ByArn for DeleteStorageConfigurationRequest {
    fn arn(&self) -> &str {
        &self.arn
    }
}

/// `S3StorageConfiguration` of the model.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct S3StorageConfiguration {
    /// `bucketName`: ASCII lower-case letters, digits, hyphens and dots, 3–63 characters.
    pub bucket_name: String,
}

impl Shape for S3StorageConfiguration {
    fn read(members: &Object<'_>) -> Result<Self, ApiError> {
        Ok(Self {
            bucket_name: members.required_text("bucketName", &S3_BUCKET_NAME)?,
        })
    }
}

/// `StorageConfiguration` of the model.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[allow(missing_docs)]
pub struct StorageConfigurationShape {
    pub arn: String,
    pub name: String,
    pub s3: S3StorageConfiguration,
    pub tags: StringMap,
}

/// `StorageConfigurationSummary` of the model.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[allow(missing_docs)]
pub struct StorageConfigurationSummary {
    pub arn: String,
    pub name: String,
    pub s3: S3StorageConfiguration,
    pub tags: StringMap,
}
