//! What a runner writes into the spool.

use std::sync::Arc;

use restage_record::document::{ENDED_PATH, FAILED_PATH};
use restage_record::journal::{Failure, Journal, Line};
use restage_record::playlist::HLS_PATH;
use restage_record::{Init, Resumed, Segment};

use super::{Destination, Job, SpoolError};

/// Longest sentence of a note, in bytes: with its JSON it fits a line of the journal.
const NOTE_BYTES_MAX: usize = 512;
/// Longest path of a file below the prefix: its name in the spool is as long.
const PATH_BYTES_MAX: usize = 200;

/// Writes one recording. While it exists, the recording is not ended by others. Each call waits for the disk, and when it
/// returns, what it wrote survives a power cut.
#[derive(Debug)]
pub struct SpoolWriter {
    job: Arc<Job>,
}

impl SpoolWriter {
    pub(super) fn new(job: Arc<Job>) -> Result<Self, SpoolError> {
        job.take()?;
        Ok(Self { job })
    }

    /// What was written so far, also by processes before.
    pub fn journal(&self) -> Journal {
        self.job.journal()
    }

    /// Where a recorder goes on; `None` if nothing was recorded yet.
    pub fn resumed(&self) -> Option<Resumed> {
        let journal = self.journal();
        let is_new = journal.inits().next().is_none() && journal.segments().next().is_none();
        (!is_new).then(|| Resumed::from(&journal))
    }

    /// Where the recording goes, as it was given when its folder was made.
    pub fn destination(&self) -> &Destination {
        self.job.destination()
    }

    /// Media is being recorded from now on, UTC in microseconds since 1970.
    pub fn started(&mut self, utc_us: i64) -> Result<(), SpoolError> {
        self.job.note(Line::Started { utc_us })
    }

    /// Adds an init.
    pub fn init(&mut self, init: &Init) -> Result<(), SpoolError> {
        self.job.write(&init.bytes, Line::Init(init.entry.clone()))
    }

    /// Adds a segment. Its init must be there before.
    pub fn segment(&mut self, segment: &Segment) -> Result<(), SpoolError> {
        self.job
            .write(&segment.bytes, Line::Segment(segment.entry.clone()))
    }

    /// Adds a file at a path below the prefix, a thumbnail or a document. One with the same path is replaced.
    pub fn file(&mut self, path: &str, bytes: &[u8]) -> Result<(), SpoolError> {
        self.destination()
            .key(path)
            .map_err(|error| SpoolError::Invalid(error.to_string()))?;
        let is_taken = path.starts_with(HLS_PATH) || path == ENDED_PATH || path == FAILED_PATH;
        if is_taken || !path.contains('/') || path.len() > PATH_BYTES_MAX {
            return Err(SpoolError::Invalid(format!(
                "{path} is not the path of a thumbnail or a document"
            )));
        }
        let line = Line::File {
            path: path.to_owned(),
            bytes: bytes.len() as u64,
            crc32: None,
        };
        self.job.write(bytes, line)
    }

    /// Adds a sentence for people. A long one is cut.
    pub fn note(&mut self, message: &str) -> Result<(), SpoolError> {
        let end = message.floor_char_boundary(NOTE_BYTES_MAX);
        let message = message.get(..end).unwrap_or_default().to_owned();
        self.job.note(Line::Note { message })
    }

    /// The capture is over, UTC in microseconds since 1970. From here on the uploader has the recording.
    pub fn ended(self, utc_us: i64, failure: Option<Failure>) -> Result<(), SpoolError> {
        let failure = failure.map(|failure| Failure {
            reason: shortened(&failure.reason),
            code: shortened(&failure.code),
        });
        self.job.note(Line::Ended { utc_us, failure })
    }
}

fn shortened(text: &str) -> String {
    text.get(..text.floor_char_boundary(NOTE_BYTES_MAX))
        .unwrap_or_default()
        .to_owned()
}

impl Drop for SpoolWriter {
    fn drop(&mut self) {
        self.job.leave();
    }
}
