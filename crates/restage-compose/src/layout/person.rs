//! Who is to be in the picture.

use serde::{Deserialize, Serialize};

/// Whether a participant sends pictures.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Video {
    /// As far as is known.
    #[default]
    Publishing,
    /// It says that it does not, for now.
    Stopped,
    /// It has none.
    None,
}

/// A participant.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Person {
    /// Its number. One that was there before is the same participant.
    pub input: u32,
    /// What a placeholder calls it.
    pub name: String,
    /// It is a candidate for the large slot.
    pub is_featured: bool,
    /// It is a candidate for the place over the others.
    pub is_pip: bool,
    /// Its place.
    pub order: Option<i64>,
    /// When it came; only the order counts.
    pub arrived: u64,
    /// Whether it sends pictures.
    pub video: Video,
    /// Why its pictures cannot be shown.
    pub why_no_picture: Option<String>,
    /// It says that it sends no sound.
    pub is_muted: bool,
}
