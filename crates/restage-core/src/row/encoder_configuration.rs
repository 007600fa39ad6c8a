//! Encoder configurations.

use super::Tags;
use crate::id::{Time, text_id};

text_id! {
    /// The last part of an encoder configuration's ARN: 12 mixed-case alphanumerics, unique over all accounts and Regions.
    EncoderConfigurationId of "encoder-configuration", "encoder configuration"
}

/// What the video of a composition is encoded as: a template that compositions name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EncoderConfiguration {
    /// The last part of its ARN, and the row's key.
    pub id: EncoderConfigurationId,
    /// The owning account: 12 digits.
    pub account: String,
    /// The Region of the ARN: any Region name a client signs for.
    pub region: String,
    /// The customer's name for it. May be empty; not unique.
    pub name: String,
    /// At most 50 tags.
    pub tags: Tags,
    /// Size, frame rate and bit rate with every default filled in, as canonical JSON. The rules do not read it.
    pub video: String,
    /// When it was created. Lists are ordered by it, then by id.
    pub created_at: Time,
}
