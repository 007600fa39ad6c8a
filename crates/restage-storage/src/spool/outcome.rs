//! What is made of the contents of a recording: playlists, the document of the end, and how it ended.

use restage_record::document::{self, End, LATEST_THUMBNAIL_PATH, Subject, THUMBNAILS_PATH};
use restage_record::journal::{Failure, Journal, Line, SegmentEntry};
use restage_record::playlist::{self, HLS_PATH, MEDIA_NAME, MULTIVARIANT_NAME, PlaylistKind};

use super::Destination;
use super::contents::{Content, Contents, LOST, rendition_path};
use super::error::INTERNAL_ERROR;

/// Longest message in a document.
const MESSAGE_CHARS_MAX: usize = 1_000;
/// An EVENT playlist says a target duration before the last segments are known, so it says this many times the segments' own.
const EVENT_TARGET_FACTOR: u64 = 2;

/// How a recording ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finished {
    /// Id of the recording.
    pub recording: String,
    /// Length of what is in the bucket, in milliseconds.
    pub duration_ms: u64,
    /// Why it failed, if it did; what is there can be played nevertheless.
    pub failure: Option<Failure>,
    /// A sentence for people, if there is something to say.
    pub message: Option<String>,
}

/// A text object: its path below the prefix, and its content.
pub(crate) type Text = (String, Vec<u8>);

impl Contents {
    /// The segments that can be played, in order. `is_waiting_too`: also those that are not in the bucket yet; otherwise those
    /// before the first one that is not.
    fn playable(&self, is_waiting_too: bool) -> Vec<SegmentEntry> {
        let mut playable = Vec::new();
        let mut clock_us = self.journal.started_us();
        let (mut has_hole, mut next) = (false, 0);
        for segment in self.journal.segments() {
            // The lines of the numbers between are damaged. Nothing else says how long those segments were.
            let unsaid = segment.number.saturating_sub(next);
            next = segment.number.saturating_add(1);
            if unsaid > 0 {
                has_hole = true;
                let supposed_us = self.mean_us().saturating_mul(unsaid);
                clock_us = clock_us.map(|us| us.saturating_add_unsigned(supposed_us));
            }
            let own = [
                Content::Segment(segment.number),
                Content::Init(segment.init),
            ];
            if !is_waiting_too && own.iter().any(|content| self.places.contains_key(content)) {
                break;
            }
            clock_us = segment.program_date_time_us.or(clock_us);
            if own.iter().any(|content| self.lost.contains(content)) {
                has_hole = true;
            } else {
                let mut segment = segment.clone();
                if std::mem::take(&mut has_hole) {
                    segment.discontinuity = true;
                    segment.program_date_time_us = clock_us;
                }
                playable.push(segment);
            }
            clock_us = clock_us.map(|us| us.saturating_add_unsigned(segment.duration_us));
        }
        playable
    }

    /// The mean length of the segments, in microseconds.
    fn mean_us(&self) -> u64 {
        let count = self.journal.segments().count() as u64;
        self.journal.duration_us() / count.max(1)
    }

    /// How many segments a playlist of what is in the bucket has.
    pub(crate) fn listed(&self) -> usize {
        self.playable(false).len()
    }

    /// The media playlist and the multivariant playlist: of what is in the bucket so far, or of everything at the end.
    /// Empty while there is no segment.
    pub(crate) fn playlists(&self, destination: &Destination, kind: PlaylistKind) -> Vec<Text> {
        self.playlists_of(destination, kind, &self.playable(false))
    }

    /// The same with the segments that are still in the spool.
    pub(crate) fn whole_playlists(&self, destination: &Destination) -> Vec<Text> {
        let kind = match self.is_ended() {
            true => PlaylistKind::Vod,
            false => PlaylistKind::Event,
        };
        self.playlists_of(destination, kind, &self.playable(true))
    }

    fn playlists_of(
        &self,
        destination: &Destination,
        kind: PlaylistKind,
        segments: &[SegmentEntry],
    ) -> Vec<Text> {
        let target = match kind {
            PlaylistKind::Event => u64::from(destination.segment_seconds) * EVENT_TARGET_FACTOR,
            PlaylistKind::Vod => 0,
        };
        let inits = self.journal.inits().cloned().map(Line::Init);
        let lines = inits
            .chain(segments.iter().cloned().map(Line::Segment))
            .collect();
        let listed = Journal {
            lines,
            ..Journal::default()
        };
        let Some(multivariant) = playlist::multivariant(&listed, destination.rendition()) else {
            return Vec::new();
        };
        let media = playlist::media(kind, target, segments);
        vec![
            (rendition_path(MEDIA_NAME), media.into_bytes()),
            (
                format!("{HLS_PATH}/{MULTIVARIANT_NAME}"),
                multivariant.into_bytes(),
            ),
        ]
    }

    /// The document of the end.
    pub(crate) fn end_document(&self, destination: &Destination) -> Text {
        let (ended_us, _) = self.journal.ended().unwrap_or_default();
        let finished = self.finished("");
        // The line about the start may be damaged.
        let first_us = self
            .journal
            .segments()
            .find_map(|segment| segment.program_date_time_us);
        let started_us = self.journal.started_us().or(first_us).unwrap_or(ended_us);
        let end = End {
            started_us,
            ended_us: ended_us.max(started_us),
            duration_us: self.duration_us(),
            message: finished.message.as_deref(),
        };
        let subject = Subject {
            has_thumbnails: destination.has_thumbnails && self.has_files_in(THUMBNAILS_PATH),
            has_latest_thumbnail: destination.has_latest_thumbnail
                && self.has_files_in(LATEST_THUMBNAIL_PATH),
            ..destination.subject()
        };
        match finished.failure {
            None => (
                document::ENDED_PATH.to_owned(),
                document::ended(&subject, end),
            ),
            Some(_) => (
                document::FAILED_PATH.to_owned(),
                document::ended_with_failure(&subject, end),
            ),
        }
    }

    /// Whether the journal has a file below this path.
    fn has_files_in(&self, path: &str) -> bool {
        let is_below =
            |line: &Line| matches!(line, Line::File { path: own, .. } if own.starts_with(path));
        self.journal.lines.iter().any(is_below)
    }

    fn duration_us(&self) -> u64 {
        self.playable(true)
            .iter()
            .map(|segment| segment.duration_us)
            .sum()
    }

    /// Length of what is in the bucket, in microseconds.
    pub(crate) fn uploaded_us(&self) -> u64 {
        self.playable(false)
            .iter()
            .map(|segment| segment.duration_us)
            .sum()
    }

    /// How the recording ended.
    pub(crate) fn finished(&self, id: &str) -> Finished {
        let notes = self.journal.notes();
        let written = self
            .journal
            .ended()
            .and_then(|(_, failure)| failure.cloned());
        let loss = notes.iter().find(|note| note.starts_with(LOST));
        let failure = written.or_else(|| {
            loss.map(|note| Failure {
                code: INTERNAL_ERROR.to_owned(),
                reason: (*note).to_owned(),
            })
        });
        let reason = failure.as_ref().map(|failure| failure.reason.as_str());
        let others = notes.into_iter().filter(|note| Some(*note) != reason);
        let sentences: Vec<&str> = reason.into_iter().chain(others).collect();
        let message: String = sentences
            .join("; ")
            .chars()
            .take(MESSAGE_CHARS_MAX)
            .collect();
        Finished {
            recording: id.to_owned(),
            duration_ms: self.duration_us() / 1_000,
            failure,
            message: Some(message).filter(|message| !message.is_empty()),
        }
    }
}
