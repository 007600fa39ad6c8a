//! What of a recording is in its spool, and what is to be done with it. Nothing here touches a file.

use std::collections::{BTreeMap, BTreeSet};

use restage_record::document::{self, End};
use restage_record::journal::{Failure, Journal, Line, SegmentEntry};
use restage_record::playlist::{
    self, HLS_PATH, MEDIA_NAME, MULTIVARIANT_NAME, PlaylistKind, RENDITION, init_name, segment_name,
};

use super::Destination;
use super::error::INTERNAL_ERROR;

/// A note that begins so is about something that was recorded and is lost: the recording ends with a failure.
const LOST: &str = "Lost in the spool: ";
/// Longest message in a document.
const MESSAGE_CHARS_MAX: usize = 1_000;
/// An EVENT playlist says a target duration before the last segments are known, so it says this many times the segments' own.
const EVENT_TARGET_FACTOR: u64 = 2;

/// A kind of file in the spool.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Content {
    /// `init-N.mp4`.
    Init(u64),
    /// `N.mp4`.
    Segment(u64),
    /// Anything else, by its path below the prefix.
    Other(String),
}

impl Content {
    /// Its path below the recording's prefix.
    pub(crate) fn path(&self) -> String {
        match self {
            Self::Init(number) => rendition_path(&init_name(*number)),
            Self::Segment(number) => rendition_path(&segment_name(*number)),
            Self::Other(path) => path.clone(),
        }
    }

    /// Its name in the spool.
    pub(crate) fn file_name(&self) -> String {
        match self {
            Self::Init(number) => init_name(*number),
            Self::Segment(number) => segment_name(*number),
            Self::Other(path) => path.replace('/', "+"),
        }
    }

    /// What a line of the journal says is in the spool, and its size.
    pub(crate) fn of_line(line: &Line) -> Option<(Self, u64)> {
        match line {
            Line::Init(entry) => Some((Self::Init(entry.number), entry.bytes)),
            Line::Segment(entry) => Some((Self::Segment(entry.number), entry.bytes)),
            Line::File { path, bytes } => Some((Self::Other(path.clone()), *bytes)),
            _ => None,
        }
    }

    /// Whether the recording is less without it.
    fn is_media(&self) -> bool {
        !matches!(self, Self::Other(_))
    }
}

fn rendition_path(name: &str) -> String {
    format!("{HLS_PATH}/{RENDITION}/{name}")
}

/// A file that waits for its bucket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Item {
    /// Which file.
    pub(crate) content: Content,
    /// Its size.
    pub(crate) bytes: u64,
    /// When it was written, in seconds since the epoch.
    pub(crate) written_s: u64,
    /// Its place among all files of the recording. A file that is replaced gets another one.
    pub(crate) order: u64,
}

/// What is to be done next for a recording.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Step {
    /// Put a file into the bucket.
    Put(Item),
    /// The capture is over and nobody has said so: write it into the journal.
    EndAbruptly,
    /// Everything is in the bucket: put the playlists and the document of the end.
    Close,
    /// The bucket has everything: report it.
    Report(Finished),
    /// Nothing for now.
    Wait,
}

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

/// What of a recording is in its spool.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    journal: Journal,
    waiting: BTreeMap<u64, Item>,
    /// The places of waiting files.
    places: BTreeMap<Content, u64>,
    waiting_bytes: u64,
    lost: BTreeSet<Content>,
    next_order: u64,
    next_init: u64,
    next_segment: u64,
    /// The document of the end is in the bucket.
    is_closed: bool,
}

impl Contents {
    /// What a journal says is there. `look` finds the size of a file and when it was written; a file that is missing or has
    /// another size is lost, or was replaced by one that does not count.
    pub(crate) fn read(
        journal: Journal,
        mut look: impl FnMut(&Content) -> Option<(u64, u64)>,
    ) -> (Self, Vec<Content>) {
        let mut contents = Self::default();
        for line in journal.lines {
            contents.add(line, 0);
        }
        let mut lost = Vec::new();
        for (order, mut item) in std::mem::take(&mut contents.waiting) {
            match look(&item.content) {
                Some((bytes, written_s)) if bytes == item.bytes => {
                    item.written_s = written_s;
                    contents.waiting.insert(order, item);
                }
                _ => {
                    contents.waiting_bytes -= item.bytes;
                    contents.places.remove(&item.content);
                    contents.lost.insert(item.content.clone());
                    lost.push(item.content);
                }
            }
        }
        (contents, lost)
    }

    /// Adds a line that is in the journal. The bytes of a file that it replaces are returned.
    pub(crate) fn add(&mut self, line: Line, written_s: u64) -> u64 {
        let mut replaced = 0;
        if let Some((content, bytes)) = Content::of_line(&line) {
            replaced = self.forget(&content);
            match content {
                Content::Init(number) => self.next_init = number.saturating_add(1),
                Content::Segment(number) => self.next_segment = number.saturating_add(1),
                Content::Other(_) => {}
            }
            let order = self.next_order;
            self.next_order += 1;
            self.waiting_bytes += bytes;
            self.places.insert(content.clone(), order);
            let item = Item {
                content,
                bytes,
                written_s,
                order,
            };
            self.waiting.insert(order, item);
        }
        if let Line::Uploaded { path } = &line {
            match self.content_of(path) {
                Some(content) => drop(self.forget(&content)),
                None => self.is_closed |= is_end(path),
            }
        }
        // Uploads are known by what waits; a long recording has many.
        if !matches!(line, Line::Uploaded { .. }) {
            self.journal.lines.push(line);
        }
        replaced
    }

    /// The file of this path that waits.
    fn content_of(&self, path: &str) -> Option<Content> {
        let name = path.strip_prefix(&rendition_path(""));
        let number = name.and_then(|name| name.strip_suffix(".mp4"));
        let media = number.and_then(|number| match number.strip_prefix("init-") {
            Some(number) => Some(Content::Init(number.parse().ok()?)),
            None => Some(Content::Segment(number.parse().ok()?)),
        });
        let content = media.unwrap_or_else(|| Content::Other(path.to_owned()));
        self.places.contains_key(&content).then_some(content)
    }

    /// A file does not wait any more. Its bytes are returned.
    fn forget(&mut self, content: &Content) -> u64 {
        let order = self.places.remove(content);
        let item = order.and_then(|order| self.waiting.remove(&order));
        let bytes = item.map_or(0, |item| item.bytes);
        self.waiting_bytes -= bytes;
        bytes
    }

    /// A waiting file is lost. Its bytes are returned.
    pub(crate) fn lose(&mut self, content: &Content) -> u64 {
        self.lost.insert(content.clone());
        self.forget(content)
    }

    /// What is written into the journal about files that are lost. `None` if the recording is no less without them.
    pub(crate) fn note_of_loss(lost: &[Content]) -> Option<Line> {
        let media: Vec<String> = lost
            .iter()
            .filter(|content| content.is_media())
            .map(Content::file_name)
            .collect();
        let shown = media.iter().take(8).cloned().collect::<Vec<_>>().join(", ");
        let more = match media.len() {
            0 => return None,
            1..=8 => String::new(),
            count => format!(" and {} more", count - 8),
        };
        Some(Line::Note {
            message: format!("{LOST}{shown}{more}"),
        })
    }

    /// What is written into the journal when lines of it were damaged.
    pub(crate) fn note_of_damage() -> Line {
        Line::Note {
            message: format!("{LOST}lines of the journal, and the files that they named"),
        }
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Bytes that wait.
    pub(crate) fn waiting_bytes(&self) -> u64 {
        self.waiting_bytes
    }

    /// When the oldest waiting file was written, in seconds since the epoch.
    pub(crate) fn oldest_s(&self) -> Option<u64> {
        self.waiting.values().map(|item| item.written_s).min()
    }

    /// The waiting file at a place.
    pub(crate) fn waiting(&self, order: u64) -> Option<&Item> {
        self.waiting.get(&order)
    }

    /// The waiting file with this path.
    pub(crate) fn waiting_at(&self, path: &str) -> Option<&Item> {
        let content = self.content_of(path)?;
        self.waiting.get(self.places.get(&content)?)
    }

    /// Whether an init or a segment with this number or a higher one was written before.
    pub(crate) fn has_written(&self, content: &Content) -> bool {
        match content {
            Content::Init(number) => *number < self.next_init,
            Content::Segment(number) => *number < self.next_segment,
            Content::Other(_) => false,
        }
    }

    /// Names in the folder that count.
    pub(crate) fn file_names(&self) -> BTreeSet<String> {
        self.places.keys().map(Content::file_name).collect()
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.journal.ended().is_some()
    }

    /// What is to be done next, besides what is `busy` already. A file that replaces one that is on its way waits for it, so
    /// that the older one does not arrive last.
    pub(crate) fn next(&self, id: &str, busy: &BTreeSet<Content>, is_over: bool) -> Step {
        if self.is_closed {
            return Step::Report(self.finished(id));
        }
        let item = self
            .waiting
            .values()
            .find(|item| !busy.contains(&item.content));
        match item {
            Some(item) => Step::Put(item.clone()),
            None if !busy.is_empty() => Step::Wait,
            None if self.is_ended() => Step::Close,
            None if is_over => Step::EndAbruptly,
            None => Step::Wait,
        }
    }

    /// The segments that can be played, in order. `is_waiting_too`: also those that are not in the bucket yet; otherwise those
    /// before the first one that is not.
    fn playable(&self, is_waiting_too: bool) -> Vec<SegmentEntry> {
        let mut playable = Vec::new();
        let mut clock_us: Option<i64> = None;
        let mut has_hole = false;
        for segment in self.journal.segments() {
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
            valid_bytes: 0,
        };
        let Some(multivariant) = playlist::multivariant(&listed) else {
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
        let end = End {
            started_us: self.journal.started_us().unwrap_or(ended_us),
            ended_us,
            duration_us: self.duration_us(),
            message: finished.message.as_deref(),
        };
        let subject = destination.subject();
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

    /// When the media ended, by the times of the segments; UTC in microseconds since 1970.
    pub(crate) fn media_end_us(&self) -> Option<i64> {
        let mut clock_us = self.journal.started_us();
        for segment in self.journal.segments() {
            let start = segment.program_date_time_us.or(clock_us);
            clock_us = start.map(|us| us.saturating_add_unsigned(segment.duration_us));
        }
        clock_us
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

/// Whether an object at this path is the last one of a recording.
fn is_end(path: &str) -> bool {
    path == document::ENDED_PATH || path == document::FAILED_PATH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_waits_for_the_older_one_with_its_path() {
        let mut contents = Contents::default();
        let path = "media/latest_thumbnail/high/thumb.jpg";
        let file = |bytes| Line::File {
            path: path.to_owned(),
            bytes,
        };
        contents.add(file(1), 0);
        let on_its_way = BTreeSet::from([Content::Other(path.to_owned())]);
        assert_eq!(contents.next("r", &on_its_way, false), Step::Wait);
        assert_eq!(contents.add(file(2), 0), 1, "the older one is replaced");
        assert_eq!(contents.next("r", &on_its_way, false), Step::Wait);
        let Step::Put(item) = contents.next("r", &BTreeSet::new(), false) else {
            panic!("nothing to put")
        };
        assert_eq!((item.bytes, item.order), (2, 1));
    }
}
