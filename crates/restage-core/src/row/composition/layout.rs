//! How a composition arranges its participants (`LayoutConfiguration` of the API model), with every default filled in.

/// The arrangement of a picture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LayoutSettings {
    /// Tiles of the same size, or one featured large tile with the others below it.
    Grid(GridLayout),
    /// A full picture with a small one over it.
    Pip(PipLayout),
}

/// The settings of a grid.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GridLayout {
    /// `featuredParticipantAttribute`: who has this attribute with the value `true` is featured; empty for nobody.
    pub featured_attribute: String,
    /// `omitStoppedVideo`: whether participants whose video is stopped have no tile.
    pub omit_stopped_video: bool,
    /// `videoAspectRatio`: the shape of tiles that are not featured.
    pub aspect_ratio: AspectRatio,
    /// `videoFillMode`; `None` for COVER, and CONTAIN in the featured tile.
    pub fill_mode: Option<FillMode>,
    /// `gridGap`: between tiles, in pixels.
    pub gap: u32,
    /// `participantOrderAttribute`: the attribute by whose integer values tiles are ordered; empty for none.
    pub order_attribute: String,
}

/// The settings of a picture in a picture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PipLayout {
    /// `featuredParticipantAttribute`: who has this attribute with the value `true` is featured; empty for nobody.
    pub featured_attribute: String,
    /// `omitStoppedVideo`: whether participants whose video is stopped have no place.
    pub omit_stopped_video: bool,
    /// `videoFillMode`.
    pub fill_mode: FillMode,
    /// `gridGap`: between participants, in pixels.
    pub gap: u32,
    /// `pipParticipantAttribute`: who has this attribute with the value `true` is in the small picture; empty for nobody.
    pub pip_attribute: String,
    /// `pipBehavior`: the size of the small picture when everyone else has left.
    pub behavior: PipBehavior,
    /// `pipOffset`: from the two nearest edges, in pixels.
    pub offset: u32,
    /// `pipPosition`: the corner.
    pub position: PipPosition,
    /// `pipWidth`, in pixels; `None` for one that follows from the composition's size.
    pub width: Option<u32>,
    /// `pipHeight`, in the same way.
    pub height: Option<u32>,
    /// `participantOrderAttribute`: as in [`GridLayout`].
    pub order_attribute: String,
}

/// The shape of a tile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AspectRatio {
    /// That of the video.
    Auto,
    /// 16:9.
    Video,
    /// 1:1.
    Square,
    /// 3:4.
    Portrait,
}

/// How a picture fills a tile of another shape.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FillMode {
    /// It is stretched.
    Fill,
    /// It is cut off.
    Cover,
    /// It has borders.
    Contain,
}

/// The size of the small picture when everyone else has left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PipBehavior {
    /// It stays.
    Static,
    /// It becomes that of the whole picture.
    Dynamic,
}

/// The corner of the small picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum PipPosition {
    TopLeft,
    TopRight,
    BottomLeft,
    BottomRight,
}

impl Default for LayoutSettings {
    /// That of a request without a layout.
    fn default() -> Self {
        Self::Grid(GridLayout::default())
    }
}

impl Default for GridLayout {
    /// The defaults of the API model.
    fn default() -> Self {
        Self {
            featured_attribute: String::new(),
            omit_stopped_video: false,
            aspect_ratio: AspectRatio::Video,
            fill_mode: None,
            gap: 2,
            order_attribute: String::new(),
        }
    }
}

impl Default for PipLayout {
    /// The defaults of the API model.
    fn default() -> Self {
        Self {
            featured_attribute: String::new(),
            omit_stopped_video: false,
            fill_mode: FillMode::Cover,
            gap: 0,
            pip_attribute: String::new(),
            behavior: PipBehavior::Static,
            offset: 0,
            position: PipPosition::BottomRight,
            width: None,
            height: None,
            order_attribute: String::new(),
        }
    }
}

impl AspectRatio {
    /// Every shape.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Video, Self::Square, Self::Portrait];

    /// The word of the API model.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Auto => "AUTO",
            Self::Video => "VIDEO",
            Self::Square => "SQUARE",
            Self::Portrait => "PORTRAIT",
        }
    }
}

impl FillMode {
    /// Every mode.
    pub const ALL: [Self; 3] = [Self::Fill, Self::Cover, Self::Contain];

    /// The word of the API model.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fill => "FILL",
            Self::Cover => "COVER",
            Self::Contain => "CONTAIN",
        }
    }
}

impl PipBehavior {
    /// Every behaviour.
    pub const ALL: [Self; 2] = [Self::Static, Self::Dynamic];

    /// The word of the API model.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Static => "STATIC",
            Self::Dynamic => "DYNAMIC",
        }
    }
}

impl PipPosition {
    /// Every corner.
    pub const ALL: [Self; 4] = [
        Self::TopLeft,
        Self::TopRight,
        Self::BottomLeft,
        Self::BottomRight,
    ];

    /// The word of the API model.
    pub const fn word(self) -> &'static str {
        match self {
            Self::TopLeft => "TOP_LEFT",
            Self::TopRight => "TOP_RIGHT",
            Self::BottomLeft => "BOTTOM_LEFT",
            Self::BottomRight => "BOTTOM_RIGHT",
        }
    }
}
