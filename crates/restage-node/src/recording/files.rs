//! Writes to the spool, which wait for a disk, on threads that may wait.

use std::collections::VecDeque;

use restage_record::document::STARTED_PATH;
use restage_record::journal::Failure;
use restage_storage::{SpoolError, SpoolWriter};
use tokio::task::{JoinHandle, spawn_blocking};

use super::capture::Work;
use super::figures::Figures;

/// What has been written.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Written {
    /// The journal says that the recording has started.
    pub(super) has_started: bool,
}

/// The files of one recording. One batch is written at a time; a batch that was begun is written to its end even if this is dropped.
#[derive(Debug)]
pub(super) struct Files {
    idle: Option<SpoolWriter>,
    writing: Option<JoinHandle<(SpoolWriter, Result<Written, SpoolError>)>>,
    figures: Figures,
}

impl Files {
    pub(super) fn new(writer: SpoolWriter, figures: Figures) -> Self {
        Self {
            idle: Some(writer),
            writing: None,
            figures,
        }
    }

    /// Whether a batch can be begun.
    pub(super) fn is_idle(&self) -> bool {
        self.idle.is_some()
    }

    /// Begins to write. It must be idle.
    pub(super) fn begin(&mut self, work: VecDeque<Work>) {
        let Some(mut writer) = self.idle.take() else {
            return;
        };
        let figures = self.figures.clone();
        self.writing = Some(spawn_blocking(move || {
            let written = write(&mut writer, work, &figures);
            (writer, written)
        }));
    }

    /// Waits until the batch that is being written is. It waits for ever if there is none, and can be cancelled.
    pub(super) async fn written(&mut self) -> Result<Written, SpoolError> {
        let Some(writing) = &mut self.writing else {
            return std::future::pending().await;
        };
        let joined = writing.await;
        self.writing = None;
        let (writer, written) = joined.map_err(|error| SpoolError::Io {
            what: "a recording".to_owned(),
            source: std::io::Error::other(error),
        })?;
        self.idle = Some(writer);
        written
    }

    /// Writes the last batch after the one that is being written.
    pub(super) async fn flush(&mut self, work: VecDeque<Work>) -> Result<Written, SpoolError> {
        let mut all = Written::default();
        if self.writing.is_some() {
            all = self.written().await?;
        }
        self.begin(work);
        let last = self.written().await?;
        all.has_started |= last.has_started;
        Ok(all)
    }

    /// Writes that the capture is over. Nothing can be written after it.
    pub(super) async fn end(
        &mut self,
        utc_us: i64,
        failure: Option<Failure>,
    ) -> Result<(), SpoolError> {
        if self.writing.is_some() {
            self.written().await.ok();
        }
        let Some(writer) = self.idle.take() else {
            return Err(SpoolError::Busy);
        };
        let ended = spawn_blocking(move || writer.ended(utc_us, failure)).await;
        ended.map_err(|error| SpoolError::Io {
            what: "a recording".to_owned(),
            source: std::io::Error::other(error),
        })?
    }
}

fn write(
    writer: &mut SpoolWriter,
    work: VecDeque<Work>,
    figures: &Figures,
) -> Result<Written, SpoolError> {
    let mut written = Written::default();
    for one in work {
        match one {
            Work::Started { utc_us, document } => {
                if let Some(document) = document {
                    writer.file(STARTED_PATH, &document)?;
                }
                writer.started(utc_us)?;
                written.has_started = true;
            }
            Work::Init(init) => {
                writer.init(&init)?;
                figures.bytes(init.bytes.len());
            }
            Work::Segment(segment) => {
                writer.segment(&segment)?;
                figures.bytes(segment.bytes.len());
                figures.segment();
            }
            Work::Thumbnail { path, jpeg } => writer.file(&path, &jpeg)?,
            Work::Note(message) => writer.note(&message)?,
        }
    }
    Ok(written)
}
