//! How a recording is to be made.

use restage_codec::{Codec, MediaKind};
use serde::{Deserialize, Serialize};

use crate::journal::Journal;
use crate::mp4;

/// Which media is recorded, as in a stage's configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MediaTypes {
    /// Sound and pictures.
    #[default]
    AudioVideo,
    /// Sound alone.
    AudioOnly,
    /// Neither: thumbnails only.
    None,
}

/// The relation between the server's steady clock and UTC. All recordings of one stage session are given the same, so that their
/// times agree with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// A time of the steady clock, in microseconds.
    pub steady_us: u64,
    /// The same time in microseconds since 1970, UTC.
    pub utc_us: i64,
}

impl Anchor {
    /// UTC of a time of the steady clock, in microseconds since 1970.
    pub fn utc_us_at(&self, steady_us: i64) -> i64 {
        let since = steady_us.saturating_sub_unsigned(self.steady_us);
        self.utc_us.saturating_add(since)
    }
}

/// Where a recording goes on that has been interrupted: by a restart of the server, or by an absence of the participant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resumed {
    /// Number of the next segment.
    pub next_segment: u64,
    /// Number of the next init.
    pub next_init: u64,
    /// Length of what is recorded, in microseconds: media times go on from there.
    pub duration_us: u64,
    /// When the last segment ends, UTC in microseconds since 1970: what follows is not dated earlier. `None` before the first one.
    pub end_us: Option<i64>,
    /// The tracks that it has.
    pub tracks: Tracks,
    /// How pictures that were sent are encoded; `None` if there are none but black ones.
    pub shown: Option<Codec>,
}

/// Tracks that every init of a recording has, from the first on: those that its publishers may send, and those that it has had. Players take
/// their tracks from the first init; what is not sent is silent, or black.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tracks {
    /// There is sound.
    pub sound: bool,
    /// There are pictures, and black ones are encoded like this.
    pub pictures: Option<Codec>,
}

impl From<&Journal> for Resumed {
    fn from(journal: &Journal) -> Self {
        let after = |last: Option<u64>| last.map_or(0, |last| last.saturating_add(1));
        let segments = journal.segments();
        Self {
            next_segment: after(segments.map(|segment| segment.number).max()),
            next_init: after(journal.inits().map(|init| init.number).max()),
            duration_us: journal.duration_us(),
            end_us: journal.segments().next().and_then(|_| journal.end_us()),
            tracks: Tracks::from(journal),
            shown: shown(journal),
        }
    }
}

/// The codec of the first pictures that were sent.
fn shown(journal: &Journal) -> Option<Codec> {
    let sent = journal.inits().filter(|init| init.picture.is_some());
    let mut names = sent.flat_map(|init| &init.codecs);
    names.find_map(|name| mp4::codec_of(name).filter(|codec| codec.kind() == MediaKind::Video))
}

impl From<&Journal> for Tracks {
    fn from(journal: &Journal) -> Self {
        let mut tracks = Self::default();
        for name in journal.inits().flat_map(|init| &init.codecs) {
            match mp4::codec_of(name) {
                Some(Codec::Opus) => tracks.sound = true,
                other => tracks.pictures = other.or(tracks.pictures),
            }
        }
        tracks
    }
}

/// The shortest and the longest target duration of segments, in seconds (`targetSegmentDurationSeconds`).
pub const SEGMENT_SECONDS_MIN: u32 = 2;
/// See [`SEGMENT_SECONDS_MIN`].
pub const SEGMENT_SECONDS_MAX: u32 = 10;

/// How a recording is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecorderConfig {
    /// Which media is recorded.
    pub media_types: MediaTypes,
    /// How long segments should be, in seconds: a number outside [`SEGMENT_SECONDS_MIN`] to [`SEGMENT_SECONDS_MAX`] counts as the nearest
    /// inside.
    pub segment_seconds: u32,
    /// The clock of the stage session.
    pub anchor: Anchor,
    /// `None` for a recording that begins.
    pub resumed: Option<Resumed>,
    /// Other publications may follow, with other media than the first: so there are both tracks from the beginning, if both kinds are
    /// recorded.
    pub may_return: bool,
}
