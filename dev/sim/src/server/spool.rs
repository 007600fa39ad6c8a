//! The disk on which recordings wait for their bucket. What is written outlives the server; what is about to be written does not.

use std::collections::{BTreeMap, VecDeque};

use restage_core::row::RecordingId;
use restage_record::journal::{self, Journal, Line, checksum};
use restage_record::playlist::{self, PlaylistKind};

/// One recording on the disk.
#[derive(Debug, Default)]
pub(crate) struct Folder {
    /// The journal's bytes.
    pub(crate) journal: Vec<u8>,
    /// Sizes and checksums of the files.
    pub(crate) files: BTreeMap<String, (usize, u32)>,
    /// The capture has ended.
    pub(crate) wants_upload: bool,
    /// It was reported as finished.
    pub(crate) is_reported: bool,
    /// Segments whose line in the journal is on the disk: none of these may be lost.
    pub(crate) kept: Vec<u64>,
}

/// A file and its line, or a line alone.
#[derive(Debug)]
struct Write {
    recording: RecordingId,
    file: Option<(String, Vec<u8>)>,
    line: Line,
}

/// All recordings on the disk, and what is about to be written.
#[derive(Debug, Default)]
pub(crate) struct Spool {
    pub(crate) folders: BTreeMap<RecordingId, Folder>,
    waiting: VecDeque<Write>,
}

impl Spool {
    /// A file is to be written, and then the line about it.
    pub(crate) fn put(
        &mut self,
        recording: &RecordingId,
        file: Option<(String, Vec<u8>)>,
        line: Line,
    ) {
        let recording = recording.clone();
        self.waiting.push_back(Write {
            recording,
            file,
            line,
        });
    }

    /// Number of writes that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Writes the oldest thing that waits: the file first, so that no line is about a file that is not there.
    pub(crate) fn write(&mut self) {
        let Some(mut write) = self.waiting.pop_front() else {
            return;
        };
        let folder = self.folders.entry(write.recording).or_default();
        if let Some((name, bytes)) = write.file {
            let sum = checksum(&bytes);
            folder.files.insert(name, (bytes.len(), sum));
            write.line.set_checksum(sum);
        }
        if let Line::Segment(entry) = &write.line {
            folder.kept.push(entry.number);
        }
        folder
            .journal
            .extend(write.line.encode().expect("a short line"));
    }

    /// The process is gone: what was not written is lost, and half a line may have been.
    pub(crate) fn crash(&mut self) {
        if let Some(write) = self.waiting.pop_front()
            && let Some(folder) = self.folders.get_mut(&write.recording)
        {
            let line = write.line.encode().unwrap_or_default();
            folder.journal.extend(&line[..line.len() / 2]);
        }
        self.waiting.clear();
    }

    /// The journal of a recording, if it has begun.
    pub(crate) fn journal(&self, recording: &RecordingId) -> Option<Journal> {
        let folder = self.folders.get(recording)?;
        Some(journal::parse(&folder.journal))
    }

    /// The capture is over: everything is to be brought to the bucket.
    pub(crate) fn want_upload(&mut self, recording: &RecordingId) {
        self.folders
            .entry(recording.clone())
            .or_default()
            .wants_upload = true;
    }
}

impl Folder {
    /// Checks that everything which was kept is in the playlist, and that a journal which is read again gives the same one.
    pub(crate) fn check(&self, id: &RecordingId) {
        let journal = journal::parse(&self.journal);
        let numbers: Vec<u64> = journal.segments().map(|segment| segment.number).collect();
        for number in &self.kept {
            assert!(numbers.contains(number), "{id:?} has lost segment {number}");
        }
        for segment in journal.segments() {
            let name = playlist::segment_name(segment.number);
            self.check_file(id, &name, segment.bytes, segment.crc32);
            assert!(
                journal.inits().any(|init| init.number == segment.init),
                "{id:?}: {segment:?} has no init"
            );
        }
        for init in journal.inits() {
            let name = playlist::init_name(init.number);
            self.check_file(id, &name, init.bytes, init.crc32);
        }
        let text = playlist_of(&journal);
        assert_eq!(
            text,
            playlist_of(&journal::parse(&self.journal)),
            "{id:?}: a journal gives two playlists"
        );
        let broken = playlist::broken_rules(&text);
        assert!(
            numbers.is_empty() || broken.is_empty(),
            "{id:?}: {broken:?} in\n{text}"
        );
    }

    fn check_file(&self, id: &RecordingId, name: &str, bytes: u64, sum: Option<u32>) {
        let file = self.files.get(name);
        assert!(
            file.is_some_and(|file| file.0 as u64 == bytes && Some(file.1) == sum),
            "{id:?}: {name} is not what the journal says: {file:?}"
        );
    }
}

/// The playlist of a journal.
fn playlist_of(journal: &Journal) -> String {
    playlist::media(PlaylistKind::Vod, 1, journal.segments())
}
