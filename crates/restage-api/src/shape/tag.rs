//! Tags of a resource: TagResource, UntagResource, ListTagsForResource.
//!
//! The ARN is part of the path (`/tags/{resourceArn}`, percent-encoded), the keys to remove are in the
//! query, so these requests are read from the whole request target.

use std::collections::BTreeSet;

use super::{ListTagsForResourceRequest, TagResourceRequest, UntagResourceRequest};
use crate::error::ApiError;
use crate::generated::constraint::{RESOURCE_ARN, TAG_KEY, TAG_KEY_LIST, TAGS};
use crate::operation::TAGS_PATH;
use crate::percent::{decode_form, decode_path};
use crate::read::{Body, check_tag_key, check_text, fail};

impl TagResourceRequest {
    /// Reads path and body.
    ///
    /// # Errors
    /// As [`Request::parse`](crate::Request::parse).
    pub fn parse(path: &str, body: &[u8]) -> Result<Self, ApiError> {
        let resource_arn = resource_arn(path)?;
        let body = Body::parse(body)?;
        let members = body.members();
        let tags = members.tags("tags", &TAGS)?;
        Ok(Self {
            resource_arn,
            tags: members.required("tags", tags)?,
        })
    }
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
            if given > TAG_KEY_LIST.max {
                let rule = format!("may have at most {} entries", TAG_KEY_LIST.max);
                return Err(fail("tagKeys", &rule));
            }
            let key = String::from_utf8(decode_form(value))
                .map_err(|_| fail(&place, "must be percent-encoded UTF-8"))?;
            check_tag_key(&place, &key, &TAG_KEY)?;
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
    let arn = String::from_utf8(decode_path(encoded).into_owned())
        .map_err(|_| fail("resourceArn", "must be percent-encoded UTF-8"))?;
    check_text("resourceArn", &arn, &RESOURCE_ARN)?;
    Ok(arn)
}
