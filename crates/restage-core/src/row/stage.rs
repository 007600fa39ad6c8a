//! Stages.

use super::{StageRecording, Tags};
use crate::id::{StageId, StageSessionId, Time};

/// A durable room that participants join. It lives until DeleteStage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stage {
    /// The last part of the stage's ARN, and the row's key.
    pub id: StageId,
    /// The owning account: 12 digits.
    pub account: String,
    /// The Region of the ARN: any Region name a client signs for.
    pub region: String,
    /// The customer's name for it. May be empty; not unique.
    pub name: String,
    /// At most 50 tags.
    pub tags: Tags,
    /// How its participants are recorded.
    pub recording: StageRecording,
    /// When the stage was created. Lists are ordered by it, then by id.
    pub created_at: Time,
    /// The stage session in progress, if there is one.
    pub active_session: Option<StageSessionId>,
}
