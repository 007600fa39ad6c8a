//! The media playlist.

use std::fmt::Write;

use super::{init_name, segment_name};
use crate::journal::SegmentEntry;
use crate::limits::HOLE_MAX_US;
use crate::utc;

/// Whether a playlist grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaylistKind {
    /// The recording goes on: segments are only added.
    Event,
    /// The recording is over.
    Vod,
}

/// Microseconds of a second.
const SECOND_US: u64 = 1_000_000;

/// The target duration that a growing playlist says, in whole seconds, for segments with this target: as long as segments get without key
/// frames, with a hole at their end.
pub const fn event_target_seconds(segment_seconds: u32) -> u64 {
    2 * segment_seconds as u64 + HOLE_MAX_US.div_ceil(SECOND_US)
}

/// The media playlist of these segments, which are in the order of their numbers. `target_seconds` is the least target duration that it
/// says. A playlist that grows must not change it (RFC 8216 §6.2.1): [`event_target_seconds`] is for it. One that is over says the longest
/// duration, rounded up, if 1 is given.
pub fn media<'a>(
    kind: PlaylistKind,
    target_seconds: u64,
    segments: impl IntoIterator<Item = &'a SegmentEntry> + Clone,
) -> String {
    let longest = segments
        .clone()
        .into_iter()
        .map(|segment| segment.duration_us);
    let longest = longest.max().unwrap_or(0).div_ceil(SECOND_US);
    let target = longest.max(target_seconds).max(1);
    let name = match kind {
        PlaylistKind::Event => "EVENT",
        PlaylistKind::Vod => "VOD",
    };
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{target}\n#EXT-X-PLAYLIST-TYPE:{name}\n"
    );
    let mut init = None;
    for (place, segment) in segments.into_iter().enumerate() {
        write_segment(&mut text, segment, place == 0, init != Some(segment.init));
        init = Some(segment.init);
    }
    if kind == PlaylistKind::Vod {
        text.push_str("#EXT-X-ENDLIST\n");
    }
    text
}

pub(super) fn write_segment(
    text: &mut String,
    segment: &SegmentEntry,
    is_first: bool,
    has_new_init: bool,
) {
    // Players ignore another init that is not a discontinuity.
    if !is_first && (segment.discontinuity || has_new_init) {
        text.push_str("#EXT-X-DISCONTINUITY\n");
    }
    if has_new_init {
        let _ = writeln!(text, "#EXT-X-MAP:URI=\"{}\"", init_name(segment.init));
    }
    if let Some(time) = segment.program_date_time_us.and_then(utc::milliseconds) {
        let _ = writeln!(text, "#EXT-X-PROGRAM-DATE-TIME:{time}");
    }
    let (seconds, rest) = (
        segment.duration_us / SECOND_US,
        segment.duration_us % SECOND_US,
    );
    // Five digits, as the service writes them; a segment of nothing is not written.
    let _ = writeln!(
        text,
        "#EXTINF:{seconds}.{:05},\n{}",
        rest / 10,
        segment_name(segment.number)
    );
}
