//! How participants are to be arranged (`LayoutConfiguration` of the service's model).

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

/// A layout with all its settings.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Layout {
    /// Equal tiles, or one large and the others below it.
    Grid(Grid),
    /// One participant over the others.
    Pip(Pip),
}

impl Default for Layout {
    fn default() -> Self {
        Self::Grid(Grid::default())
    }
}

/// The settings of a grid.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Grid {
    /// The attribute that is `true` for the participant in the large slot; empty: there is none.
    pub featured_participant_attribute: String,
    /// Participants without pictures have no tile.
    pub omit_stopped_video: bool,
    /// The shape of tiles besides the featured one.
    pub video_aspect_ratio: AspectRatio,
    /// How pictures fill their tiles.
    #[serde(deserialize_with = "unset_if_null")]
    pub video_fill_mode: FillMode,
    /// Pixels between tiles.
    pub grid_gap: u32,
    /// The attribute with the place of a participant, an integer; empty: the order is that of arrival.
    pub participant_order_attribute: String,
}

impl Default for Grid {
    fn default() -> Self {
        Self {
            featured_participant_attribute: String::new(),
            omit_stopped_video: false,
            video_aspect_ratio: AspectRatio::Video,
            video_fill_mode: FillMode::Unset,
            grid_gap: 2,
            participant_order_attribute: String::new(),
        }
    }
}

/// The settings of a picture in a picture.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Pip {
    /// As in a [`Grid`].
    pub featured_participant_attribute: String,
    /// As in a [`Grid`].
    pub omit_stopped_video: bool,
    /// As in a [`Grid`]; [`FillMode::Cover`] if it is unset.
    #[serde(deserialize_with = "unset_if_null")]
    pub video_fill_mode: FillMode,
    /// As in a [`Grid`].
    pub grid_gap: u32,
    /// The attribute that is `true` for the participant over the others.
    pub pip_participant_attribute: String,
    /// What becomes of it when it is alone.
    pub pip_behavior: PipBehavior,
    /// Pixels between it and the two nearest edges.
    pub pip_offset: u32,
    /// The corner in which it is.
    pub pip_position: PipPosition,
    /// Its width; without it, it follows from the height, or is a quarter of the whole width.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pip_width: Option<u32>,
    /// Its height; without it, it follows from the width and the shape of its pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pip_height: Option<u32>,
    /// As in a [`Grid`].
    pub participant_order_attribute: String,
}

/// The shape of tiles (`VideoAspectRatio`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AspectRatio {
    /// That which fills the picture best.
    Auto,
    /// 16:9.
    #[default]
    Video,
    /// 1:1.
    Square,
    /// 3:4.
    Portrait,
}

/// How a picture fills its tile (`VideoFillMode`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FillMode {
    /// It is stretched.
    Fill,
    /// It covers the tile; what is outside is cut off.
    Cover,
    /// All of it is shown, between bars.
    Contain,
    /// [`Contain`](Self::Contain) for the featured participant of a grid, [`Cover`](Self::Cover) for others.
    #[default]
    #[serde(rename = "")]
    Unset,
}

/// What becomes of the participant over the others when nobody else is there (`PipBehavior`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PipBehavior {
    /// It stays as it is.
    #[default]
    Static,
    /// It fills the picture.
    Dynamic,
}

/// A corner (`PipPosition`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs)]
pub enum PipPosition {
    TopLeft,
    TopRight,
    BottomLeft,
    #[default]
    BottomRight,
}

fn unset_if_null<'de, D: Deserializer<'de>>(from: D) -> Result<FillMode, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

impl Layout {
    pub(super) fn omits_stopped_video(&self) -> bool {
        match self {
            Self::Grid(grid) => grid.omit_stopped_video,
            Self::Pip(pip) => pip.omit_stopped_video,
        }
    }
}

/// What attributes say of a participant's place: whether it is featured, whether it is to be over the others, and its place among them. A
/// place is an integer; what is none counts as no place, and so does a number that no 64 bits hold.
pub fn person(attributes: &BTreeMap<String, String>, layout: &Layout) -> (bool, bool, Option<i64>) {
    let (featured, pip, order) = match layout {
        Layout::Grid(grid) => (
            &grid.featured_participant_attribute,
            "",
            &grid.participant_order_attribute,
        ),
        Layout::Pip(pip) => (
            &pip.featured_participant_attribute,
            pip.pip_participant_attribute.as_str(),
            &pip.participant_order_attribute,
        ),
    };
    let value = |name: &str| match name {
        "" => None,
        name => attributes.get(name),
    };
    let is_true = |name: &str| value(name).is_some_and(|value| value == "true");
    let place = value(order).and_then(|value| value.parse().ok());
    (is_true(featured), is_true(pip), place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_say_who_is_where() {
        let layout = Layout::Pip(Pip {
            featured_participant_attribute: "host".into(),
            pip_participant_attribute: "small".into(),
            participant_order_attribute: "place".into(),
            ..Pip::default()
        });
        for (attributes, expected) in [
            (
                vec![("host", "true"), ("place", "-3")],
                (true, false, Some(-3)),
            ),
            (
                vec![("host", "TRUE"), ("small", "true")],
                (false, true, None),
            ),
            (vec![("place", "10")], (false, false, Some(10))),
            (vec![("place", "1.5")], (false, false, None)),
            (vec![("place", "abc")], (false, false, None)),
            (
                vec![("place", "99999999999999999999")],
                (false, false, None),
            ),
            (vec![("", "true")], (false, false, None)),
        ] {
            let attributes = attributes
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()));
            let attributes: BTreeMap<_, _> = attributes.collect();
            assert_eq!(person(&attributes, &layout), expected, "{attributes:?}");
        }
        let none = BTreeMap::from([(String::new(), "true".to_owned())]);
        assert_eq!(
            person(&none, &Layout::default()),
            (false, false, None),
            "switched off"
        );
    }

    #[test]
    fn the_settings_are_read_as_the_service_writes_them() {
        let text = r#"{"grid":{"featuredParticipantAttribute":"","gridGap":2,"omitStoppedVideo":false,
            "participantOrderAttribute":"","videoAspectRatio":"VIDEO","videoFillMode":""}}"#;
        assert_eq!(
            serde_json::from_str::<Layout>(text).unwrap(),
            Layout::default()
        );
        let unset = text.replace(r#""videoFillMode":"""#, r#""videoFillMode":null"#);
        assert_eq!(
            serde_json::from_str::<Layout>(&unset).unwrap(),
            Layout::default()
        );
        let text = r#"{"pip":{"pipPosition":"TOP_LEFT","pipBehavior":"DYNAMIC","pipWidth":320,"videoFillMode":"FILL"}}"#;
        let Layout::Pip(pip) = serde_json::from_str(text).unwrap() else {
            panic!("a picture in a picture");
        };
        assert_eq!(
            (pip.pip_position, pip.pip_behavior),
            (PipPosition::TopLeft, PipBehavior::Dynamic)
        );
        assert_eq!(
            (pip.pip_width, pip.pip_height, pip.grid_gap),
            (Some(320), None, 0)
        );
    }
}
