//! The layout of a composition's picture.
// Written by scripts/generate_shapes.py from the service's model and scripts/shapes/choices.toml; do not edit.

use serde::Serialize;

use crate::error::ApiError;
use crate::generated::constraint::{ATTRIBUTE_KEY, GRID_GAP, PIP_HEIGHT, PIP_OFFSET, PIP_WIDTH};
use crate::read::{Object, Shape, wire_enum};

wire_enum! {
    /// The layout's behaviour when the participant of the small picture is not there.
    PipBehavior {
        Static = "STATIC",
        Dynamic = "DYNAMIC",
    }
}

wire_enum! {
    /// The corner of the small picture.
    PipPosition {
        TopLeft = "TOP_LEFT",
        TopRight = "TOP_RIGHT",
        BottomLeft = "BOTTOM_LEFT",
        BottomRight = "BOTTOM_RIGHT",
    }
}

wire_enum! {
    /// The shape of each participant's picture.
    VideoAspectRatio {
        Auto = "AUTO",
        Video = "VIDEO",
        Square = "SQUARE",
        Portrait = "PORTRAIT",
    }
}

wire_enum! {
    /// The way in which a picture fills its place when their shapes differ.
    VideoFillMode {
        Fill = "FILL",
        Cover = "COVER",
        Contain = "CONTAIN",
    }
}

/// `GridConfiguration` of the model.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GridConfiguration {
    /// `featuredParticipantAttribute`: ASCII letters, digits, hyphens and underscores, 0–128 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub featured_participant_attribute: Option<String>,
    /// `omitStoppedVideo`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub omit_stopped_video: Option<bool>,
    /// `videoAspectRatio`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video_aspect_ratio: Option<VideoAspectRatio>,
    /// `videoFillMode`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video_fill_mode: Option<VideoFillMode>,
    /// `gridGap`: 0–2,147,483,647.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grid_gap: Option<u32>,
    /// `participantOrderAttribute`: ASCII letters, digits, hyphens and underscores, 0–128 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub participant_order_attribute: Option<String>,
}

impl Shape for GridConfiguration {
    fn read(members: &Object<'_>) -> Result<Self, ApiError> {
        Ok(Self {
            featured_participant_attribute: members
                .text("featuredParticipantAttribute", &ATTRIBUTE_KEY)?,
            omit_stopped_video: members.flag("omitStoppedVideo")?,
            video_aspect_ratio: members.word("videoAspectRatio")?,
            video_fill_mode: members.word("videoFillMode")?,
            grid_gap: members.number("gridGap", GRID_GAP)?,
            participant_order_attribute: members
                .text("participantOrderAttribute", &ATTRIBUTE_KEY)?,
        })
    }
}

/// `LayoutConfiguration` of the model.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct LayoutConfiguration {
    /// `grid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grid: Option<GridConfiguration>,
    /// `pip`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pip: Option<PipConfiguration>,
}

impl Shape for LayoutConfiguration {
    fn read(members: &Object<'_>) -> Result<Self, ApiError> {
        Ok(Self {
            grid: members.shape("grid")?,
            pip: members.shape("pip")?,
        })
    }
}

/// `PipConfiguration` of the model.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PipConfiguration {
    /// `featuredParticipantAttribute`: ASCII letters, digits, hyphens and underscores, 0–128 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub featured_participant_attribute: Option<String>,
    /// `omitStoppedVideo`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub omit_stopped_video: Option<bool>,
    /// `videoFillMode`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video_fill_mode: Option<VideoFillMode>,
    /// `gridGap`: 0–2,147,483,647.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grid_gap: Option<u32>,
    /// `pipParticipantAttribute`: ASCII letters, digits, hyphens and underscores, 0–128 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pip_participant_attribute: Option<String>,
    /// `pipBehavior`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pip_behavior: Option<PipBehavior>,
    /// `pipOffset`: 0–2,147,483,647.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pip_offset: Option<u32>,
    /// `pipPosition`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pip_position: Option<PipPosition>,
    /// `pipWidth`: 1–2,147,483,647.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pip_width: Option<u32>,
    /// `pipHeight`: 1–2,147,483,647.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pip_height: Option<u32>,
    /// `participantOrderAttribute`: ASCII letters, digits, hyphens and underscores, 0–128 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub participant_order_attribute: Option<String>,
}

impl Shape for PipConfiguration {
    fn read(members: &Object<'_>) -> Result<Self, ApiError> {
        Ok(Self {
            featured_participant_attribute: members
                .text("featuredParticipantAttribute", &ATTRIBUTE_KEY)?,
            omit_stopped_video: members.flag("omitStoppedVideo")?,
            video_fill_mode: members.word("videoFillMode")?,
            grid_gap: members.number("gridGap", GRID_GAP)?,
            pip_participant_attribute: members.text("pipParticipantAttribute", &ATTRIBUTE_KEY)?,
            pip_behavior: members.word("pipBehavior")?,
            pip_offset: members.number("pipOffset", PIP_OFFSET)?,
            pip_position: members.word("pipPosition")?,
            pip_width: members.number("pipWidth", PIP_WIDTH)?,
            pip_height: members.number("pipHeight", PIP_HEIGHT)?,
            participant_order_attribute: members
                .text("participantOrderAttribute", &ATTRIBUTE_KEY)?,
        })
    }
}
