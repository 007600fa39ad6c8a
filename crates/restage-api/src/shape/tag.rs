//! Tags of a resource: TagResource, UntagResource, ListTagsForResource.
//!
//! The ARN is part of the path (`/tags/{resourceArn}`, percent-encoded), the keys to remove are in the
//! query, so these requests are read from the whole request target.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::error::ApiError;
use crate::operation::TAGS_PATH;
use crate::percent::{decode_form, decode_path};
use crate::shape::StringMap;
use crate::shape::read::{Body, check_tag_key, check_text, fail};
use crate::shape::rule::{MAX_TAGS, RESOURCE_ARN};

/// Input of TagResource.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TagResourceRequest {
    /// Which.
    pub resource_arn: String,
    /// At most 50; put over those there are.
    pub tags: StringMap,
}

impl TagResourceRequest {
    /// Reads path and body.
    ///
    /// # Errors
    /// As [`Request::parse`](crate::Request::parse).
    pub fn parse(path: &str, body: &[u8]) -> Result<Self, ApiError> {
        let resource_arn = resource_arn(path)?;
        let body = Body::parse(body)?;
        let members = body.members();
        let tags = members.tags()?;
        Ok(Self {
            resource_arn,
            tags: members.required("tags", tags)?,
        })
    }
}

/// Input of UntagResource.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UntagResourceRequest {
    /// Which.
    pub resource_arn: String,
    /// 1–50 keys.
    pub tag_keys: BTreeSet<String>,
}

impl UntagResourceRequest {
    /// Reads path and query, in which `tagKeys` stands once per key.
    ///
    /// # Errors
    /// `ValidationException` naming the member.
    pub fn parse(path: &str, query: &str) -> Result<Self, ApiError> {
        let resource_arn = resource_arn(path)?;
        let mut given = 0;
        let mut tag_keys = BTreeSet::new();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if decode_form(name) != b"tagKeys" {
                continue;
            }
            let place = format!("tagKeys[{given}]");
            given += 1;
            if given > MAX_TAGS {
                let rule = format!("may have at most {MAX_TAGS} entries");
                return Err(fail("tagKeys", &rule));
            }
            let key = String::from_utf8(decode_form(value))
                .map_err(|_| fail(&place, "must be percent-encoded UTF-8"))?;
            check_tag_key(&place, &key)?;
            tag_keys.insert(key);
        }
        if given == 0 {
            return Err(fail("tagKeys", "is required"));
        }
        Ok(Self {
            resource_arn,
            tag_keys,
        })
    }
}

/// Input of ListTagsForResource.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListTagsForResourceRequest {
    /// Which.
    pub resource_arn: String,
}

impl ListTagsForResourceRequest {
    /// Reads the path.
    ///
    /// # Errors
    /// `ValidationException` naming the member.
    pub fn parse(path: &str) -> Result<Self, ApiError> {
        Ok(Self {
            resource_arn: resource_arn(path)?,
        })
    }
}

/// The ARN in a path. Its slash may be encoded, as SDKs do it, or not.
fn resource_arn(path: &str) -> Result<String, ApiError> {
    let encoded = path.strip_prefix(TAGS_PATH).unwrap_or_default();
    let arn = String::from_utf8(decode_path(encoded))
        .map_err(|_| fail("resourceArn", "must be percent-encoded UTF-8"))?;
    check_text("resourceArn", &arn, &RESOURCE_ARN)?;
    Ok(arn)
}

/// Output of ListTagsForResource.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[allow(missing_docs)]
pub struct ListTagsForResourceResponse {
    pub tags: StringMap,
}
