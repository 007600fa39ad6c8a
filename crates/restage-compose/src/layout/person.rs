//! A person of the scene, and what the attributes of their token say to a layout.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Layout;

/// The value by which an attribute says that a person is featured, or is the overlay.
const TRUE: &str = "true";

/// Whether a person sends pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Video {
    /// Pictures come, or will come at once.
    Publishing,
    /// The person has switched the camera off.
    Stopped,
    /// There is no video track.
    None,
}

/// A person who publishes in the stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The number of the input on which the pictures and the sound of this person come.
    pub input: u32,
    /// What is written where there is no picture. It comes from strangers.
    pub name: String,
    /// A candidate for the featured slot.
    pub is_featured: bool,
    /// A candidate for the overlay of a picture in picture.
    pub is_pip: bool,
    /// The integer of the order attribute.
    pub order: Option<i64>,
    /// The place in the order of arrival.
    pub arrived: u64,
    /// Whether pictures come.
    pub has_video: Video,
    /// Why no picture can be shown although one is sent, in a few words: it is written into the tile.
    pub why_no_picture: Option<String>,
    /// The sound is switched off.
    pub is_muted: bool,
}

impl Person {
    /// The place among all persons: with an integer before without, then by it, then by arrival, then by input.
    pub(super) fn place(&self) -> (Reverse<bool>, i64, u64, u32) {
        (
            Reverse(self.order.is_some()),
            self.order.unwrap_or(0),
            self.arrived,
            self.input,
        )
    }
}

/// What the attributes of a token say to a layout: whether the person is a candidate for the featured slot, whether for the overlay, and the
/// integer of their order. Candidates have the value `true`, in these four letters; a value that is no integer of 64 bits is no order.
pub fn person(attributes: &BTreeMap<String, String>, layout: &Layout) -> (bool, bool, Option<i64>) {
    let value = |name: &str| match name {
        "" => None,
        name => attributes.get(name).map(String::as_str),
    };
    let is_true = |name: &str| value(name) == Some(TRUE);
    (
        is_true(layout.featured_attribute()),
        is_true(layout.pip_attribute()),
        value(layout.order_attribute()).and_then(|value| value.parse().ok()),
    )
}
