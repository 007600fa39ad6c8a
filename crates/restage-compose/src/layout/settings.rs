//! The settings of a layout, with the names and defaults of the service (API reference, `LayoutConfiguration`).

use serde::{Deserialize, Serialize};

use super::Fill;

/// `gridGap` of a grid that does not name it.
const GRID_GAP_DEFAULT: u32 = 2;

/// `LayoutConfiguration`: one of two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Tiles of one size, below a larger one for the featured person.
    Grid(Grid),
    /// A small picture above the others.
    Pip(Pip),
}

/// `GridConfiguration`. Absent members have the service's defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Grid {
    /// The attribute whose value `true` makes a person a candidate for the featured slot; nobody is if it is empty.
    pub featured_participant_attribute: String,
    /// Persons without a picture have no tile.
    pub omit_stopped_video: bool,
    /// The shape of tiles.
    pub video_aspect_ratio: AspectRatio,
    /// How pictures are fitted into tiles.
    pub video_fill_mode: FillMode,
    /// Pixels between tiles.
    pub grid_gap: u32,
    /// The attribute whose integer orders persons; they are in the order of arrival if it is empty.
    pub participant_order_attribute: String,
}

impl Default for Grid {
    fn default() -> Self {
        Self {
            featured_participant_attribute: String::new(),
            omit_stopped_video: false,
            video_aspect_ratio: AspectRatio::default(),
            video_fill_mode: FillMode::default(),
            grid_gap: GRID_GAP_DEFAULT,
            participant_order_attribute: String::new(),
        }
    }
}

/// `PipConfiguration`. Absent members have the service's defaults.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Pip {
    /// As in a grid.
    pub featured_participant_attribute: String,
    /// As in a grid.
    pub omit_stopped_video: bool,
    /// As in a grid.
    pub video_fill_mode: FillMode,
    /// As in a grid.
    pub grid_gap: u32,
    /// As in a grid.
    pub participant_order_attribute: String,
    /// What becomes of the overlay when nobody else is shown.
    pub pip_behavior: PipBehavior,
    /// Pixels between the overlay and the two edges of its corner.
    pub pip_offset: u32,
    /// The attribute whose value `true` makes a person a candidate for the overlay; nobody is if it is empty.
    pub pip_participant_attribute: String,
    /// The corner of the overlay.
    pub pip_position: PipPosition,
    /// Width of the overlay, in pixels.
    pub pip_width: Option<u32>,
    /// Height of the overlay, in pixels.
    pub pip_height: Option<u32>,
}

/// `videoAspectRatio`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum AspectRatio {
    /// Tiles fill the picture.
    Auto,
    /// 16:9
    #[default]
    Video,
    /// 1:1
    Square,
    /// 3:4
    Portrait,
}

/// `videoFillMode`. The service answers with an empty text where it is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum FillMode {
    /// Not set: pictures are contained in the featured slot of a grid, and cover everything else.
    #[default]
    #[serde(rename = "")]
    Unset,
    /// [`Fill::Fill`]
    Fill,
    /// [`Fill::Cover`]
    Cover,
    /// [`Fill::Contain`]
    Contain,
}

impl FillMode {
    fn or(self, unset: Fill) -> Fill {
        match self {
            Self::Unset => unset,
            Self::Fill => Fill::Fill,
            Self::Cover => Fill::Cover,
            Self::Contain => Fill::Contain,
        }
    }
}

/// `pipBehavior`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum PipBehavior {
    /// The overlay keeps its place and size.
    #[default]
    Static,
    /// It becomes the whole picture.
    Dynamic,
}

/// `pipPosition`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PipPosition {
    /// Top left.
    TopLeft,
    /// Top right.
    TopRight,
    /// Bottom left.
    BottomLeft,
    /// Bottom right.
    #[default]
    BottomRight,
}

impl Layout {
    /// `omitStoppedVideo`
    pub fn omits_stopped_video(&self) -> bool {
        match self {
            Self::Grid(grid) => grid.omit_stopped_video,
            Self::Pip(pip) => pip.omit_stopped_video,
        }
    }

    /// `featuredParticipantAttribute`
    pub fn featured_attribute(&self) -> &str {
        match self {
            Self::Grid(grid) => &grid.featured_participant_attribute,
            Self::Pip(pip) => &pip.featured_participant_attribute,
        }
    }

    /// `pipParticipantAttribute`; empty for a grid.
    pub fn pip_attribute(&self) -> &str {
        match self {
            Self::Grid(_) => "",
            Self::Pip(pip) => &pip.pip_participant_attribute,
        }
    }

    /// `participantOrderAttribute`
    pub fn order_attribute(&self) -> &str {
        match self {
            Self::Grid(grid) => &grid.participant_order_attribute,
            Self::Pip(pip) => &pip.participant_order_attribute,
        }
    }

    pub(super) fn gap(&self) -> u32 {
        match self {
            Self::Grid(grid) => grid.grid_gap,
            Self::Pip(pip) => pip.grid_gap,
        }
    }

    pub(super) fn grid_fill(&self) -> Fill {
        match self {
            Self::Grid(grid) => grid.video_fill_mode.or(Fill::Cover),
            Self::Pip(pip) => pip.video_fill_mode.or(Fill::Cover),
        }
    }

    pub(super) fn featured_fill(&self) -> Fill {
        match self {
            Self::Grid(grid) => grid.video_fill_mode.or(Fill::Contain),
            Self::Pip(pip) => pip.video_fill_mode.or(Fill::Cover),
        }
    }
}
