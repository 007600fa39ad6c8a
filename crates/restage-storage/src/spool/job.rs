//! One recording in the spool: its files and its journal.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex};

use restage_record::journal::{self, Failure, JOURNAL_BYTES_MAX, Journal, Line};
use restage_record::playlist::PlaylistKind;

use crate::bucket::BucketPlace;
use crate::folder::{Appender, Folder};

use super::contents::{Content, Contents, Item, Step};
use super::opening::{clean, is_no_journal, is_segment, is_unnamed, look};
use super::outcome::{Finished, Text};
use super::usage::{Room, now_s};
use super::{Destination, News, SpoolError, locked};

/// The journal's file.
pub(super) const JOURNAL: &str = "journal";
/// Bytes of the journal that only the lines about uploads and the end may use.
const JOURNAL_RESERVE_BYTES: usize = 16 << 20;
const MICROSECONDS: i64 = 1_000_000;
/// What is said of a recording without a journal.
const JOURNAL_LOST: &str =
    "the journal of the recording is lost; what its segments do not say by themselves is missing";
/// What is said of a recording with a journal that does not name all its segments.
const JOURNAL_CUT: &str = "the end of the recording's journal is lost, so segments that wait were not listed in it; what they do not \
    say by themselves is missing";

/// A recording in the spool. Whoever changes it takes `files` first, and then `state` for a moment.
#[derive(Debug)]
pub(crate) struct Job {
    id: String,
    destination: Destination,
    /// Where the bucket was when something was put into it for the first time.
    place: Mutex<Option<BucketPlace>>,
    room: Arc<Room>,
    news: Arc<News>,
    files: Mutex<Files>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct Files {
    folder: Folder,
    journal: Appender,
    journal_bytes: usize,
}

#[derive(Debug)]
struct State {
    contents: Contents,
    /// A writer has it.
    is_open: bool,
    /// The rules say that its capture is over.
    is_over: bool,
    /// It was in the spool for too long: nothing is uploaded any more.
    is_given_up: bool,
}

/// What a file turned out to be when its upload was over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mark {
    /// It is in the bucket.
    Uploaded,
    /// It was replaced meanwhile: the new one is still to be put.
    Replaced,
}

impl Job {
    /// Opens a recording's folder: reads its journal, cuts off what is torn, and removes files that do not count.
    pub(super) fn open(
        id: &str,
        folder: Folder,
        (destination, place): (Destination, Option<BucketPlace>),
        room: &Arc<Room>,
        news: &Arc<News>,
    ) -> Result<Self, SpoolError> {
        let io = |error| SpoolError::io(id, error);
        let lost = |what| SpoolError::Invalid(format!("{id}: {what}"));
        let opened = folder.append(JOURNAL).and_then(|journal| {
            let bytes = folder.read(JOURNAL, JOURNAL_BYTES_MAX as u64)?;
            Ok((journal, bytes))
        });
        let (mut journal, bytes) = opened.map_err(|error| match is_no_journal(&error) {
            true => lost(JOURNAL_LOST),
            false => io(error),
        })?;
        let read = journal::parse(&bytes);
        let names = folder.names().map_err(io)?;
        if read.valid_bytes == 0 && names.iter().any(|name| is_segment(name)) {
            return Err(lost(JOURNAL_LOST));
        }
        let valid_bytes = read.valid_bytes;
        let rest = bytes.get(read.valid_bytes..).unwrap_or_default();
        // A crash tears one line, which may or may not have its end.
        let is_more_than_torn = rest
            .split_last()
            .is_some_and(|(_, inner)| inner.contains(&b'\n'));
        let is_damaged = read.damaged > 0 || is_more_than_torn;
        let has_rest = !rest.is_empty();
        let (contents, missing) = Contents::read(read, |content| look(&folder, content).ok());
        if names
            .iter()
            .any(|name| is_unnamed(&folder, &contents, name))
        {
            return Err(lost(JOURNAL_CUT));
        }
        if has_rest {
            journal.cut(valid_bytes as u64).map_err(io)?;
        }
        let removed = clean(&folder, &contents).map_err(io)?;
        // One file was being written when the process ended.
        room.count_lost(missing.len() + if is_damaged { removed } else { 0 });
        room.add(contents.waiting_bytes());
        room.add_job();
        let job = Self {
            id: id.to_owned(),
            destination,
            place: Mutex::new(place),
            room: Arc::clone(room),
            news: Arc::clone(news),
            files: Mutex::new(Files {
                folder,
                journal,
                journal_bytes: valid_bytes,
            }),
            state: Mutex::new(State {
                contents,
                is_open: false,
                is_over: false,
                is_given_up: false,
            }),
        };
        let notes = Contents::note_of_loss(&missing).into_iter();
        for note in notes.chain(is_damaged.then(Contents::note_of_damage)) {
            job.note_loss(note)?;
        }
        Ok(job)
    }

    /// Says in the journal what is lost, once; an ended recording says it, too.
    fn note_loss(&self, note: Line) -> Result<(), SpoolError> {
        let mut files = locked(&self.files);
        if locked(&self.state).contents.journal().lines.contains(&note) {
            return Ok(());
        }
        tracing::error!(recording = self.id, ?note, "files of a recording are lost");
        self.append(&mut files, &note)?;
        locked(&self.state).contents.add(note, 0);
        Ok(())
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn destination(&self) -> &Destination {
        &self.destination
    }

    /// Where something of it is, if that is not where its bucket is `now`. Of a recording that has put nothing yet there is nothing.
    pub(crate) fn elsewhere(&self, now: &BucketPlace) -> Option<BucketPlace> {
        let place = locked(&self.place).clone().filter(|place| place != now);
        place.filter(|_| self.has_uploads())
    }

    /// Whether it is known to go there.
    pub(crate) fn is_at(&self, place: &BucketPlace) -> bool {
        locked(&self.place).as_ref() == Some(place)
    }

    /// From here on it goes there, also after a restart.
    pub(crate) fn settle(&self, place: &BucketPlace) -> Result<(), SpoolError> {
        let files = locked(&self.files);
        let written = self.destination.write(&files.folder, Some(place));
        written.map_err(|error| SpoolError::io(&self.id, error))?;
        *locked(&self.place) = Some(place.clone());
        Ok(())
    }

    /// Takes the recording for a writer.
    pub(super) fn take(&self) -> Result<(), SpoolError> {
        let mut state = locked(&self.state);
        match (state.contents.is_ended(), state.is_open) {
            (true, _) => Err(SpoolError::Ended),
            (_, true) => Err(SpoolError::Busy),
            (false, false) => {
                state.is_open = true;
                Ok(())
            }
        }
    }

    /// The writer is gone.
    pub(super) fn leave(&self) {
        locked(&self.state).is_open = false;
        self.news.tell(&self.id);
    }

    /// A copy of the journal.
    pub(super) fn journal(&self) -> Journal {
        locked(&self.state).contents.journal().clone()
    }

    /// Writes a file, and then the line that makes it count.
    pub(super) fn write(&self, bytes: &[u8], mut line: Line) -> Result<(), SpoolError> {
        line.set_checksum(journal::checksum(bytes));
        let Some((content, size, _)) = Content::of_line(&line) else {
            return Err(SpoolError::Invalid("the line names no file".to_owned()));
        };
        if size != bytes.len() as u64 {
            let text = format!(
                "{} has {} bytes, and its entry says {size}",
                content.path(),
                bytes.len()
            );
            return Err(SpoolError::Invalid(text));
        }
        let mut files = locked(&self.files);
        let waiting = {
            let state = locked(&self.state);
            self.check_open(&state)?;
            if state.contents.has_written(&content) {
                let text = format!("{} is in the journal already", content.path());
                return Err(SpoolError::Invalid(text));
            }
            state.contents.waiting_bytes()
        };
        self.room.reserve(waiting, size)?;
        let name = content.file_name();
        let written = files
            .folder
            .write(&name, bytes)
            .map_err(|error| SpoolError::io(&self.id, error));
        let written = written.and_then(|()| self.append(&mut files, &line));
        if let Err(error) = written {
            self.room.release(size);
            // Without a line it does not count, and the next start removes it.
            let _ = files.folder.remove(&name);
            return Err(error);
        }
        let replaced = locked(&self.state).contents.add(line, now_s());
        self.room.release(replaced);
        drop(files);
        self.news.tell(&self.id);
        Ok(())
    }

    /// Writes a line that names no file.
    pub(super) fn note(&self, line: Line) -> Result<(), SpoolError> {
        let mut files = locked(&self.files);
        self.check_open(&locked(&self.state))?;
        self.append(&mut files, &line)?;
        locked(&self.state).contents.add(line, 0);
        drop(files);
        self.news.tell(&self.id);
        Ok(())
    }

    fn check_open(&self, state: &State) -> Result<(), SpoolError> {
        if state.is_given_up {
            return Err(SpoolError::Full(format!(
                "files of the recording have been waiting for the bucket {} for too long: see to it that it accepts uploads, or raise \
                 spool-days",
                self.destination.bucket
            )));
        }
        match state.contents.is_ended() {
            true => Err(SpoolError::Ended),
            false => Ok(()),
        }
    }

    fn append(&self, files: &mut Files, line: &Line) -> Result<(), SpoolError> {
        let bytes = line
            .encode()
            .map_err(|error| SpoolError::Invalid(error.to_string()))?;
        let max = match line {
            Line::Uploaded { .. } | Line::Ended { .. } => JOURNAL_BYTES_MAX,
            _ => JOURNAL_BYTES_MAX - JOURNAL_RESERVE_BYTES,
        };
        if files.journal_bytes + bytes.len() > max {
            return Err(SpoolError::Full(
                "the journal of the recording is full: begin another recording".to_owned(),
            ));
        }
        files
            .journal
            .append(&bytes)
            .map_err(|error| SpoolError::io(&self.id, error))?;
        files.journal_bytes += bytes.len();
        Ok(())
    }

    /// The rules say that the capture is over.
    pub(crate) fn set_over(&self) {
        locked(&self.state).is_over = true;
        self.news.tell(&self.id);
    }

    /// What the uploader is to do next, besides what is busy already.
    pub(crate) fn next(&self, busy: &BTreeSet<Content>) -> Step {
        let state = locked(&self.state);
        let is_over = state.is_over && !state.is_open;
        if state.is_given_up && !state.is_open && busy.is_empty() {
            return match state.contents.is_ended() {
                true => Step::Report(self.given_up(&state)),
                false => Step::EndAbruptly,
            };
        }
        state.contents.next(&self.id, busy, is_over)
    }

    /// The end of a recording that was given up: what is in the bucket stays there.
    fn given_up(&self, state: &State) -> Finished {
        let failure = Failure {
            code: super::error::INTERNAL_ERROR.to_owned(),
            reason: self.refused_for_too_long(),
        };
        Finished {
            duration_ms: state.contents.uploaded_us() / 1_000,
            message: Some(failure.reason.clone()),
            failure: Some(failure),
            recording: self.id.clone(),
        }
    }

    fn refused_for_too_long(&self) -> String {
        format!(
            "the bucket {} did not accept uploads for too long",
            self.destination.bucket
        )
    }

    /// Gives the recording up if a file of it has been waiting for longer than `age_max_s`; zero means without limit.
    pub(crate) fn give_up_if_old(&self, age_max_s: u64) -> bool {
        let mut state = locked(&self.state);
        let age_s = state
            .contents
            .oldest_s()
            .map_or(0, |at| now_s().saturating_sub(at));
        let is_old = age_max_s > 0 && age_s > age_max_s;
        let is_new = is_old && !state.is_given_up;
        state.is_given_up |= is_old;
        is_new
    }

    /// Reads a waiting file. `None`: it has been replaced or uploaded meanwhile. An error of the kind `InvalidData`: it is
    /// not what was written.
    pub(crate) fn read(&self, item: &Item) -> io::Result<Option<Vec<u8>>> {
        let folder = locked(&self.files).folder.clone();
        let read = folder.read(&item.content.file_name(), item.bytes);
        if locked(&self.state).contents.waiting(item.order) != Some(item) {
            return Ok(None);
        }
        match read {
            Ok(bytes) if item.is_of(&bytes) => Ok(Some(bytes)),
            Ok(_) => Err(io::ErrorKind::InvalidData.into()),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound
                | io::ErrorKind::FileTooLarge
                | io::ErrorKind::InvalidInput => Err(io::ErrorKind::InvalidData.into()),
                _ => Err(error),
            },
        }
    }

    /// Opens a waiting file, for people who read the recording.
    pub(crate) fn open_waiting(&self, path: &str) -> Option<std::fs::File> {
        let folder = locked(&self.files).folder.clone();
        let name = locked(&self.state)
            .contents
            .waiting_at(path)?
            .content
            .file_name();
        folder.open_file(&name).ok()
    }

    /// Playlists with what is still in the spool, for people who read the recording.
    pub(crate) fn whole_playlists(&self) -> Vec<Text> {
        locked(&self.state)
            .contents
            .whole_playlists(&self.destination)
    }

    /// A file is in the bucket: says so in the journal, and removes it from the spool.
    pub(crate) fn uploaded(&self, item: &Item) -> Result<Mark, SpoolError> {
        let mut files = locked(&self.files);
        if locked(&self.state).contents.waiting(item.order) != Some(item) {
            return Ok(Mark::Replaced);
        }
        let line = Line::Uploaded {
            path: item.content.path(),
        };
        self.append(&mut files, &line)?;
        locked(&self.state).contents.add(line, 0);
        self.drop_file(&files, item);
        Ok(Mark::Uploaded)
    }

    /// A waiting file is missing or damaged: says so in the journal.
    pub(crate) fn lost(&self, item: &Item) -> Result<(), SpoolError> {
        let mut files = locked(&self.files);
        if let Some(line) = Contents::note_of_loss(std::slice::from_ref(&item.content)) {
            self.append(&mut files, &line)?;
            locked(&self.state).contents.add(line, 0);
        }
        locked(&self.state).contents.lose(&item.content);
        self.drop_file(&files, item);
        Ok(())
    }

    fn drop_file(&self, files: &Files, item: &Item) {
        self.room.release(item.bytes);
        if let Err(error) = files.folder.remove(&item.content.file_name()) {
            tracing::warn!(recording = self.id, %error, "an uploaded file stays in the spool until its recording ends");
        }
    }

    /// Whether something of it is in the bucket.
    pub(crate) fn has_uploads(&self) -> bool {
        locked(&self.state).contents.has_uploads()
    }

    /// How many segments a playlist of what is in the bucket has; none after the capture, because the last playlists follow.
    pub(crate) fn listed(&self) -> usize {
        let state = locked(&self.state);
        match state.contents.is_ended() {
            true => 0,
            false => state.contents.listed(),
        }
    }

    /// Playlists of what is in the bucket, for while the recording goes on.
    pub(crate) fn event_playlists(&self) -> Vec<Text> {
        let state = locked(&self.state);
        state
            .contents
            .playlists(&self.destination, PlaylistKind::Event)
    }

    /// The last objects of the recording, in the order in which they are put.
    pub(crate) fn last_texts(&self) -> Vec<Text> {
        let state = locked(&self.state);
        let mut texts = state
            .contents
            .playlists(&self.destination, PlaylistKind::Vod);
        texts.push(state.contents.end_document(&self.destination));
        texts
    }

    /// The document of the end is in the bucket.
    pub(crate) fn closed(&self) -> Result<(), SpoolError> {
        let mut files = locked(&self.files);
        let (path, _) = locked(&self.state).contents.end_document(&self.destination);
        let line = Line::Uploaded { path };
        self.append(&mut files, &line)?;
        locked(&self.state).contents.add(line, 0);
        Ok(())
    }

    /// Ends the recording of which no writer has said that it ended.
    pub(crate) fn end_abruptly(&self) -> Result<(), SpoolError> {
        let mut files = locked(&self.files);
        let (reason, ended_us) = {
            let state = locked(&self.state);
            if state.contents.is_ended() {
                return Ok(());
            }
            let now_us = i64::try_from(now_s())
                .unwrap_or_default()
                .saturating_mul(MICROSECONDS);
            let reason = match state.is_given_up {
                true => self.refused_for_too_long(),
                false => "the server stopped before the recording ended".to_owned(),
            };
            (reason, state.contents.journal().end_us().unwrap_or(now_us))
        };
        let line = Line::Ended {
            utc_us: ended_us,
            failure: Some(Failure {
                code: super::error::INTERNAL_ERROR.to_owned(),
                reason,
            }),
        };
        self.append(&mut files, &line)?;
        locked(&self.state).contents.add(line, 0);
        Ok(())
    }

    /// The recording was removed from the spool.
    pub(super) fn release(&self) {
        let waiting = locked(&self.state).contents.waiting_bytes();
        self.room.release(waiting);
        self.room.remove_job();
    }

    pub(super) fn oldest_s(&self) -> Option<u64> {
        locked(&self.state).contents.oldest_s()
    }
}
