//! Storage configurations: CreateStorageConfiguration, GetStorageConfiguration, ListStorageConfigurations,
//! DeleteStorageConfiguration.

use std::time::Duration;

use restage_api::ApiError;
use restage_api::shape::{
    CreateStorageConfigurationRequest, CreateStorageConfigurationResponse,
    DeleteStorageConfigurationRequest, GetStorageConfigurationRequest,
    GetStorageConfigurationResponse, ListStorageConfigurationsRequest,
    ListStorageConfigurationsResponse, S3StorageConfiguration, StorageConfigurationShape,
    StorageConfigurationSummary,
};
use restage_core::Arn;
use restage_core::id::Time;
use restage_core::row::{StorageConfiguration, StorageConfigurationId};
use restage_storage::BucketError;
use tokio::time::timeout;

use super::App;
use super::plain::PlainShapes;

/// How long the answer of a bucket is waited for.
const PROBE_MAX: Duration = Duration::from_secs(15);

impl PlainShapes for StorageConfiguration {
    type Create = CreateStorageConfigurationRequest;
    type Get = GetStorageConfigurationRequest;
    type List = ListStorageConfigurationsRequest;
    type Delete = DeleteStorageConfigurationRequest;

    fn new(
        arn: Arn<StorageConfigurationId>,
        request: CreateStorageConfigurationRequest,
    ) -> Result<Self, ApiError> {
        Ok(Self {
            id: arn.id,
            account: arn.account,
            region: arn.region,
            name: request.name,
            tags: request.tags,
            bucket: request.s3.bucket_name,
            created_at: Time::default(),
        })
    }

    /// The bucket must be there, and the server must be able to write into it.
    async fn check(&self, app: &App) -> Result<(), ApiError> {
        let buckets = app.recordings.buckets();
        let probing = buckets.probe(&self.account, &self.region, &self.bucket);
        let probed = timeout(PROBE_MAX, probing).await.unwrap_or_else(|_| {
            Err(BucketError::Unavailable(format!(
                "the bucket {} did not answer within {} s; try again",
                self.bucket,
                PROBE_MAX.as_secs()
            )))
        });
        probed.map_err(|error| {
            let message = format!("s3.bucketName: {error}");
            match error {
                BucketError::NotFound(_) | BucketError::Invalid(_) => {
                    ApiError::resource_not_found(message)
                }
                BucketError::Denied(_)
                | BucketError::Unauthenticated(_)
                | BucketError::Rejected(_) => ApiError::access_denied(message),
                BucketError::Unavailable(_) | BucketError::Full(_) | BucketError::NoObject(_) => {
                    ApiError::internal_server(message)
                }
            }
        })
    }

    fn created(&self) -> Result<CreateStorageConfigurationResponse, ApiError> {
        Ok(CreateStorageConfigurationResponse {
            storage_configuration: shape(self),
        })
    }

    fn got(&self) -> Result<GetStorageConfigurationResponse, ApiError> {
        Ok(GetStorageConfigurationResponse {
            storage_configuration: shape(self),
        })
    }

    fn listed(rows: &[Self], next_token: Option<String>) -> ListStorageConfigurationsResponse {
        ListStorageConfigurationsResponse {
            storage_configurations: rows.iter().map(summary).collect(),
            next_token,
        }
    }
}

fn shape(row: &StorageConfiguration) -> StorageConfigurationShape {
    StorageConfigurationShape {
        arn: Arn::of(row).to_string(),
        name: row.name.clone(),
        s3: s3(row),
        tags: row.tags.clone(),
    }
}

fn summary(row: &StorageConfiguration) -> StorageConfigurationSummary {
    StorageConfigurationSummary {
        arn: Arn::of(row).to_string(),
        name: row.name.clone(),
        s3: s3(row),
        tags: row.tags.clone(),
    }
}

fn s3(row: &StorageConfiguration) -> S3StorageConfiguration {
    S3StorageConfiguration {
        bucket_name: row.bucket.clone(),
    }
}
