//! Tags of resources.
// Written by scripts/generate_shapes.py from the service's model and scripts/shapes/choices.toml; do not edit.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::read::StringMap;

/// Input of TagResource.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TagResourceRequest {
    /// `resourceArn`: an ARN of any kind of resource, 1–128 characters.
    pub resource_arn: String,
    /// `tags`: 0–50 entries.
    pub tags: StringMap,
}

/// Input of UntagResource.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UntagResourceRequest {
    /// `resourceArn`: an ARN of any kind of resource, 1–128 characters.
    pub resource_arn: String,
    /// `tagKeys`: 0–50 entries.
    pub tag_keys: BTreeSet<String>,
}

/// Input of ListTagsForResource.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListTagsForResourceRequest {
    /// `resourceArn`: an ARN of any kind of resource, 1–128 characters.
    pub resource_arn: String,
}

/// Output of ListTagsForResource.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[allow(missing_docs)]
pub struct ListTagsForResourceResponse {
    pub tags: StringMap,
}
