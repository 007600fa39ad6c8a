//! What of a recording is in its spool, and what is to be done with it. Nothing here touches a file.

use std::collections::{BTreeMap, BTreeSet};

use restage_record::document;
use restage_record::journal::{InitEntry, Journal, Line, checksum};
use restage_record::playlist::{HLS_PATH, RENDITION, init_name, segment_name};

use super::outcome::Finished;

/// A note that begins so is about something that was recorded and is lost: the recording ends with a failure.
pub(super) const LOST: &str = "Lost in the spool: ";

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

    /// The init or the segment whose file has this name.
    pub(crate) fn of_media(name: &str) -> Option<Self> {
        let number = name.strip_suffix(".mp4")?;
        let (number, is_init) = match number.strip_prefix("init-") {
            Some(number) => (number, true),
            None => (number, false),
        };
        let is_plain = number.bytes().all(|byte| byte.is_ascii_digit());
        let number = number.parse().ok().filter(|_| is_plain)?;
        Some(match is_init {
            true => Self::Init(number),
            false => Self::Segment(number),
        })
    }

    /// What a line of the journal says is in the spool, its size, and its checksum.
    pub(crate) fn of_line(line: &Line) -> Option<(Self, u64, Option<u32>)> {
        match line {
            Line::Init(entry) => Some((Self::Init(entry.number), entry.bytes, entry.crc32)),
            Line::Segment(entry) => Some((Self::Segment(entry.number), entry.bytes, entry.crc32)),
            Line::File { path, bytes, crc32 } => Some((Self::Other(path.clone()), *bytes, *crc32)),
            _ => None,
        }
    }

    /// Whether the recording is less without it.
    fn is_media(&self) -> bool {
        !matches!(self, Self::Other(_))
    }
}

pub(super) fn rendition_path(name: &str) -> String {
    format!("{HLS_PATH}/{RENDITION}/{name}")
}

/// A file that waits for its bucket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Item {
    /// Which file.
    pub(crate) content: Content,
    /// Its size.
    pub(crate) bytes: u64,
    /// Its checksum, if it is known.
    pub(crate) crc32: Option<u32>,
    /// When it was written, in seconds since the epoch.
    pub(crate) written_s: u64,
    /// Its place among all files of the recording. A file that is replaced gets another one.
    pub(crate) order: u64,
}

impl Item {
    /// Whether these bytes are what was written.
    pub(crate) fn is_of(&self, bytes: &[u8]) -> bool {
        let is_whole = bytes.len() as u64 == self.bytes;
        is_whole && self.crc32.is_none_or(|sum| sum == checksum(bytes))
    }
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

/// What of a recording is in its spool.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(super) journal: Journal,
    waiting: BTreeMap<u64, Item>,
    /// The places of waiting files.
    pub(super) places: BTreeMap<Content, u64>,
    waiting_bytes: u64,
    pub(super) lost: BTreeSet<Content>,
    next_order: u64,
    next_init: u64,
    next_segment: u64,
    /// Something is in the bucket.
    has_uploads: bool,
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
        let unsaid = unsaid_inits(&journal);
        for line in journal.lines {
            contents.add(line, 0);
        }
        for (number, is_uploaded) in unsaid {
            let bytes = look(&Content::Init(number)).map(|(bytes, _)| bytes);
            contents.suppose_init(number, bytes, is_uploaded);
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

    /// An init that segments need and that no line names, because its line is damaged: it is in the bucket, or a file in the spool, or
    /// lost.
    fn suppose_init(&mut self, number: u64, bytes: Option<u64>, is_uploaded: bool) {
        let line = Line::Init(InitEntry {
            number,
            bytes: bytes.unwrap_or_default(),
            codecs: Vec::new(),
            picture: None,
            crc32: None,
        });
        match (is_uploaded, bytes) {
            (true, _) => self.journal.lines.push(line),
            (false, Some(_)) => drop(self.add(line, 0)),
            (false, None) => drop(self.lost.insert(Content::Init(number))),
        }
        self.next_init = self.next_init.max(number.saturating_add(1));
    }

    /// Adds a line that is in the journal. The bytes of a file that it replaces are returned.
    pub(crate) fn add(&mut self, line: Line, written_s: u64) -> u64 {
        let mut replaced = 0;
        if let Some((content, bytes, crc32)) = Content::of_line(&line) {
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
                crc32,
                written_s,
                order,
            };
            self.waiting.insert(order, item);
        }
        if let Line::Uploaded { path } = &line {
            self.has_uploads = true;
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

    pub(crate) fn has_uploads(&self) -> bool {
        self.has_uploads
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

    /// Whether this init or segment cannot be what was being written when the process ended, whose line would be the next one.
    pub(crate) fn cannot_follow(&self, content: &Content) -> bool {
        let (number, next) = match content {
            Content::Init(number) => (*number, self.next_init),
            Content::Segment(number) => (*number, self.next_segment),
            Content::Other(_) => return false,
        };
        number > next || (number == next && self.is_ended())
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
}

/// Whether an object at this path is the last one of a recording.
fn is_end(path: &str) -> bool {
    path == document::ENDED_PATH || path == document::FAILED_PATH
}

/// Inits that segments need and that no line names, and whether a line says that they are in the bucket. There are some if lines are
/// damaged.
fn unsaid_inits(journal: &Journal) -> Vec<(u64, bool)> {
    let needed: BTreeSet<u64> = journal.segments().map(|segment| segment.init).collect();
    let named: BTreeSet<u64> = journal.inits().map(|init| init.number).collect();
    let is_uploaded = |number: u64| {
        let own = Content::Init(number).path();
        let mut lines = journal.lines.iter();
        lines.any(|line| matches!(line, Line::Uploaded { path } if *path == own))
    };
    let unsaid = needed.difference(&named);
    unsaid
        .map(|number| (*number, is_uploaded(*number)))
        .collect()
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
            crc32: None,
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
