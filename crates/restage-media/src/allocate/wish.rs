//! What a subscriber wants to be shown of one publication.

use std::fmt;

use crate::limits::LAYER_NAME_BYTES_MAX;
use crate::packet::{Ladder, Rung};

/// What a subscriber wants. It is about one publication and one subscriber; nobody else is shown anything else because of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// Which layer is shown first. `None`: the lowest if the rate of the network is estimated, otherwise the highest.
    pub first: Option<FirstLayer>,
    /// The layer to be shown. If there is no such layer, or the network does not carry it, a smaller one is shown. `None`: the
    /// largest that the network carries.
    pub preferred: Option<PreferredLayer>,
    /// Pictures of more lines are not sent if there is a layer of fewer; otherwise the smallest layer is. `None`: any height.
    pub height_max: Option<u32>,
    /// Sound alone is sent.
    pub is_audio_only: bool,
    /// No pictures are sent until this is taken back. They come back with a key frame.
    pub is_paused: bool,
    /// Who is shown more where not all fits.
    pub priority: Priority,
}

/// Which layer is shown first: the service's `simulcast.initialLayerPreference`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstLayer {
    /// The smallest. It comes sooner and over any network.
    Lowest,
    /// The largest that is wished for. If the network does not carry it the picture falls soon.
    Highest,
}

/// A layer, named by a subscriber.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PreferredLayer {
    /// By its place among the present ones.
    Label(LayerLabel),
    /// By the publisher's name for it: 1 to [`LAYER_NAME_BYTES_MAX`] bytes.
    Rid(String),
    /// By its index; 0 is the smallest. A higher one than there is means the largest.
    Index(u8),
}

/// The service's names of layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerLabel {
    /// The largest layer; also the only one.
    Hi,
    /// Any layer between the two. Where there are two, the smaller is shown to those that wish for this.
    Mid,
    /// The smallest of several.
    Low,
}

impl LayerLabel {
    /// The name, as the service spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hi => "hi",
            Self::Mid => "mid",
            Self::Low => "low",
        }
    }

    /// The label of the layer at this place of so many, the smallest first.
    pub(crate) fn of(place: usize, count: usize) -> Self {
        match place {
            _ if place + 1 >= count => Self::Hi,
            0 => Self::Low,
            _ => Self::Mid,
        }
    }
}

impl PreferredLayer {
    /// A label if the name is one, otherwise the publisher's name. `None` if it is empty or too long to be either.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "hi" => Self::Label(LayerLabel::Hi),
            "mid" => Self::Label(LayerLabel::Mid),
            "low" => Self::Label(LayerLabel::Low),
            _ if name.is_empty() || name.len() > LAYER_NAME_BYTES_MAX => return None,
            rid => Self::Rid(rid.to_owned()),
        })
    }

    /// Its place on the ladder, if it is there. `None` for a ladder without layers.
    fn place(&self, ladder: &Ladder) -> Option<usize> {
        let last = ladder.len().checked_sub(1)?;
        match self {
            Self::Label(LayerLabel::Hi) => Some(last),
            Self::Label(LayerLabel::Mid) => Some(last / 2),
            Self::Label(LayerLabel::Low) => Some(0),
            Self::Index(index) => Some(usize::from(*index).min(last)),
            Self::Rid(name) => ladder
                .iter()
                .position(|rung| rung.rid.is_some_and(|rid| rid.as_str() == name)),
        }
    }

    /// Whether this is the layer at a place of the ladder, and not only the nearest.
    fn is_at(&self, place: usize, ladder: &Ladder) -> bool {
        match self {
            Self::Label(label) => *label == LayerLabel::of(place, ladder.len()),
            Self::Index(index) => usize::from(*index) == place,
            Self::Rid(_) => self.place(ladder) == Some(place),
        }
    }
}

impl fmt::Display for PreferredLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label(label) => f.write_str(label.name()),
            Self::Rid(name) => f.write_str(name),
            Self::Index(index) => write!(f, "{index}"),
        }
    }
}

/// Who is shown more where not all fits: 0 to 10, the highest first. Flows of like priority take turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Priority(u8);

impl Priority {
    /// The highest.
    pub const MAX: u8 = 10;

    /// `None` if it is more than [`Self::MAX`].
    pub const fn new(value: u8) -> Option<Self> {
        match value <= Self::MAX {
            true => Some(Self(value)),
            false => None,
        }
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self(5)
    }
}

impl Wish {
    /// Whether pictures are wanted at all.
    pub(crate) fn wants_pictures(&self) -> bool {
        !self.is_audio_only && !self.is_paused
    }

    /// How many layers, from the smallest on, may be shown. 0 only where pictures are not wanted or there is no layer.
    pub(crate) fn layers(&self, ladder: &Ladder) -> usize {
        if !self.wants_pictures() {
            return 0;
        }
        let preferred = self
            .preferred
            .as_ref()
            .and_then(|layer| layer.place(ladder))
            .map_or(ladder.len(), |place| place + 1);
        let low_enough = |rung: &Rung| match (self.height_max, rung.size) {
            (Some(most), Some(size)) => size.height <= most,
            _ => true,
        };
        let low_enough = ladder.iter().rposition(low_enough).map_or(1, |at| at + 1);
        preferred.min(low_enough).min(ladder.len())
    }

    /// Whether the layer at this place is what was wished for: the preferred one or, without a preference, any.
    pub(crate) fn is_met_by(&self, place: usize, ladder: &Ladder) -> bool {
        let preferred = self.preferred.as_ref();
        preferred.is_none_or(|preferred| preferred.is_at(place, ladder))
    }
}

#[cfg(test)]
mod tests {
    use restage_codec::PictureSize;

    use super::*;
    use crate::packet::{Cut, Cuts, Encoding};
    use crate::rtp::extensions::RidName;

    /// Layers of these names and heights, smallest first. A height of 0 is not known.
    fn ladder(layers: &[(&str, u32)]) -> Vec<Rung> {
        let rung = |(layer, (rid, height)): (u8, &(&str, u32))| Rung {
            encoding: Encoding {
                feed: 1,
                layer,
                epoch: 0,
            },
            cut: Cut::WHOLE,
            rid: RidName::new(rid).filter(|_| !rid.is_empty()),
            size: (*height > 0).then_some(PictureSize {
                width: height * 16 / 9,
                height: *height,
            }),
            bits_per_s: 0,
            wire_bits_per_s: 0,
            peak_bits_per_s: 0,
            least_bits_per_s: 0,
            frames_per_s: 0,
            cuts: Cuts::default(),
        };
        (0..).zip(layers).map(rung).collect()
    }

    fn preferring(name: &str) -> Wish {
        Wish {
            preferred: PreferredLayer::named(name),
            ..Wish::default()
        }
    }

    fn at_index(index: u8) -> Wish {
        Wish {
            preferred: Some(PreferredLayer::Index(index)),
            ..Wish::default()
        }
    }

    fn up_to(height: u32) -> Wish {
        Wish {
            height_max: Some(height),
            ..Wish::default()
        }
    }

    #[test]
    fn a_wish_bounds_the_layers_that_are_shown() {
        let three = ladder(&[("q", 180), ("h", 360), ("f", 720)]);
        let two = ladder(&[("q", 180), ("f", 720)]);
        let one = ladder(&[("", 720)]);
        let unknown = ladder(&[("a", 0), ("b", 0)]);
        let paused = Wish {
            is_paused: true,
            ..Wish::default()
        };
        let deaf_to_pictures = Wish {
            is_audio_only: true,
            ..Wish::default()
        };
        let both = Wish {
            height_max: Some(360),
            ..preferring("hi")
        };
        for (name, wish, ladder, levels) in [
            ("any", Wish::default(), &three, 3),
            ("hi of three", preferring("hi"), &three, 3),
            ("mid of three", preferring("mid"), &three, 2),
            ("low of three", preferring("low"), &three, 1),
            ("mid of two", preferring("mid"), &two, 1),
            ("mid of one", preferring("mid"), &one, 1),
            ("low of one", preferring("low"), &one, 1),
            ("a rid", preferring("h"), &three, 2),
            ("a rid that is missing", preferring("h"), &two, 2),
            ("index 0", at_index(0), &three, 1),
            ("index 1", at_index(1), &three, 2),
            ("an index too high", at_index(200), &three, 3),
            ("height 720", up_to(720), &three, 3),
            ("height 719", up_to(719), &three, 2),
            ("height 360 of two", up_to(360), &two, 1),
            ("a height below all", up_to(100), &three, 1),
            ("a height below the only one", up_to(360), &one, 1),
            ("heights that are not known", up_to(100), &unknown, 2),
            ("the lower of two bounds", both, &three, 2),
            ("paused", paused, &three, 0),
            ("audio only", deaf_to_pictures, &three, 0),
        ] {
            assert_eq!(wish.layers(ladder), levels, "{name}");
        }
        assert_eq!(preferring("hi").layers(&[]), 0);
    }

    #[test]
    fn a_wish_is_met_by_the_layer_itself_and_not_by_the_nearest() {
        let three = ladder(&[("q", 180), ("h", 360), ("f", 720)]);
        let two = ladder(&[("q", 180), ("f", 720)]);
        assert!(preferring("mid").is_met_by(1, &three));
        assert!(!preferring("mid").is_met_by(0, &two));
        assert!(!preferring("mid").is_met_by(0, &three));
        assert!(preferring("f").is_met_by(1, &two));
        assert!(!preferring("h").is_met_by(1, &two));
        assert!(!at_index(7).is_met_by(2, &three));
        assert!(Wish::default().is_met_by(0, &three));
        assert!(preferring("hi").is_met_by(0, &ladder(&[("", 720)])));
    }

    #[test]
    fn names_and_numbers_have_bounds() {
        assert_eq!(PreferredLayer::named(""), None);
        assert_eq!(PreferredLayer::named(&"x".repeat(17)), None);
        let longest = "x".repeat(LAYER_NAME_BYTES_MAX);
        assert_eq!(
            PreferredLayer::named(&longest),
            Some(PreferredLayer::Rid(longest))
        );
        assert_eq!(Priority::new(11), None);
        assert_eq!(Priority::new(10).map(Priority::get), Some(10));
        assert_eq!(Priority::default().get(), 5);
    }
}
