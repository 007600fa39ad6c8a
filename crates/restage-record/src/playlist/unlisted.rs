//! Segments that no journal names, behind those that a playlist lists: the journal is lost, and the files are there.

use super::close;
use super::media::write_segment;
use super::{Closed, PlaylistKind, media, multivariant};
use crate::journal::{InitEntry, Journal, Line, SegmentEntry};
use crate::mp4::SegmentTimes;
use crate::utc;

/// Microseconds of a second.
const SECOND_US: f64 = 1_000_000.0;

/// A segment that no journal names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unlisted {
    /// Its number.
    pub number: u64,
    /// Size of its file.
    pub bytes: u64,
    /// What it says of itself.
    pub times: SegmentTimes,
}

/// The end of a media playlist.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ListEnd {
    /// Number of the last segment; `None` if there is none.
    pub segment: Option<u64>,
    /// Number of the last init; `None` if there is none.
    pub init: Option<u64>,
    /// When the last segment ends, UTC in microseconds since 1970, if the playlist says it.
    pub date_us: Option<i64>,
}

impl ListEnd {
    /// Reads the text of a media playlist that [`media`] wrote.
    pub fn read(text: &str) -> Self {
        let mut end = Self::default();
        for line in text.lines() {
            if let Some(seconds) = line.strip_prefix("#EXTINF:") {
                let seconds: f64 = seconds.trim_end_matches(',').parse().unwrap_or(0.0);
                let us = (seconds * SECOND_US).round() as i64;
                end.date_us = end.date_us.map(|date| date.saturating_add(us));
            } else if let Some(date) = line.strip_prefix("#EXT-X-PROGRAM-DATE-TIME:") {
                end.date_us = utc::parse_milliseconds(date);
            } else if let Some(number) = line.strip_prefix("#EXT-X-MAP:URI=\"init-") {
                end.init = number
                    .strip_suffix(".mp4\"")
                    .and_then(|number| number.parse().ok());
            } else if let Some(number) = line.strip_suffix(".mp4") {
                end.segment = number.parse().ok();
            }
        }
        end
    }
}

/// Entries for segments that a playlist does not list yet, in the order of their numbers, all behind its end. Another init and a missing segment are
/// discontinuities. Dates suppose that nothing was missing.
pub fn entries(end: ListEnd, rest: &[Unlisted]) -> Vec<SegmentEntry> {
    let mut before = end.segment.zip(end.init);
    let mut date_us = end.date_us;
    let mut entries = Vec::with_capacity(rest.len());
    for (place, segment) in rest.iter().enumerate() {
        let goes_on = |before: (u64, u64)| {
            before.0.checked_add(1) == Some(segment.number) && before.1 == segment.times.init
        };
        let is_told = !before.is_some_and(goes_on);
        let this = (segment.number, segment.times.init);
        let is_followed = rest.get(place + 1).is_some_and(|next| {
            this.0.checked_add(1) == Some(next.number) && this.1 == next.times.init
        });
        let duration_us = segment.times.duration_us(is_followed);
        entries.push(SegmentEntry {
            number: segment.number,
            init: segment.times.init,
            discontinuity: is_told && before.is_some(),
            program_date_time_us: date_us.filter(|_| is_told),
            duration_us,
            bytes: segment.bytes,
            independent: false,
            pictures: 0,
            crc32: None,
        });
        date_us = date_us.map(|us| us.saturating_add_unsigned(duration_us));
        before = Some(this);
    }
    entries
}

/// Closes a media playlist as [`close`] does, with these segments behind those that it lists.
pub fn close_with(text: &str, more: &[SegmentEntry]) -> Option<Closed> {
    let mut body = text
        .strip_suffix("#EXT-X-ENDLIST\n")
        .unwrap_or(text)
        .to_owned();
    let mut init = ListEnd::read(text).init;
    for segment in more {
        write_segment(&mut body, segment, false, init != Some(segment.init));
        init = Some(segment.init);
    }
    close(&body)
}

/// The media playlist and the multivariant playlist of these segments alone. `None` if there are none. The multivariant playlist does not say how
/// they are encoded: players find that in the inits. `rendition` is the folder of the media playlist.
pub fn playlists_of(segments: &[SegmentEntry], rendition: &str) -> Option<(Closed, String)> {
    let text = media(PlaylistKind::Vod, 1, segments);
    let inits = segments.iter().map(|segment| {
        Line::Init(InitEntry {
            number: segment.init,
            bytes: 0,
            codecs: Vec::new(),
            picture: None,
            crc32: None,
        })
    });
    let lines = segments.iter().cloned().map(Line::Segment);
    let journal = Journal {
        lines: inits.chain(lines).collect(),
        ..Journal::default()
    };
    let multivariant = multivariant(&journal, rendition)?;
    Some((close(&text)?, multivariant))
}
