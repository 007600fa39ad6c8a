//! Storage configurations.

use super::Tags;
use crate::id::{Time, text_id};

text_id! {
    /// The last part of a storage configuration's ARN: 12 mixed-case alphanumerics, unique over all accounts and Regions.
    StorageConfigurationId of "storage-configuration", "storage configuration"
}

/// Where recordings go: a bucket, by a name that stages refer to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StorageConfiguration {
    /// The last part of its ARN, and the row's key.
    pub id: StorageConfigurationId,
    /// The owning account: 12 digits.
    pub account: String,
    /// The Region of the ARN: any Region name a client signs for.
    pub region: String,
    /// The customer's name for it. May be empty; not unique.
    pub name: String,
    /// At most 50 tags.
    pub tags: Tags,
    /// The name of the bucket. It never changes, so stages and recordings have copies of it.
    pub bucket: String,
    /// When it was created. Lists are ordered by it, then by id.
    pub created_at: Time,
}
