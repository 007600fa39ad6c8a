//! What is left of a recording whose journal is lost.

use std::io;

use restage_record::limits::{PICTURE_BYTES_MAX, SEGMENT_BYTES_MAX};

use crate::bucket::BucketPlace;

use super::{Content, Destination, Spool, SpoolError};

/// Largest file that is read: a segment with its tables, or anything else.
pub(super) const FILE_BYTES_MAX: u64 = (SEGMENT_BYTES_MAX + 2 * PICTURE_BYTES_MAX) as u64;

impl Spool {
    /// The files of a recording that is not open, as its journal is lost. Temporary files are not among them.
    pub(crate) fn remains(&self, id: &str) -> Result<Vec<Content>, SpoolError> {
        if self.has(id) {
            return Ok(Vec::new());
        }
        let folder = match self.0.folder.subfolder(id) {
            Ok(folder) => folder,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(SpoolError::io(id, error)),
        };
        let names = folder.names().map_err(|error| SpoolError::io(id, error))?;
        Ok(names.iter().filter_map(|name| content_of(name)).collect())
    }

    /// Where something of a recording that is not open was put, if its `job.json` says so.
    pub(crate) fn place_of_remains(&self, id: &str) -> Option<BucketPlace> {
        let folder = self.0.folder.subfolder(id).ok()?;
        let (_, place) = Destination::read(&folder).ok()?;
        place
    }

    /// One of these files.
    pub(crate) fn read_remains(&self, id: &str, content: &Content) -> io::Result<Vec<u8>> {
        let folder = self.0.folder.subfolder(id)?;
        folder.read(&content.file_name(), FILE_BYTES_MAX)
    }

    /// Removes the folder of a recording that is not open.
    pub(crate) fn remove_remains(&self, id: &str) -> Result<(), SpoolError> {
        if self.has(id) {
            return Ok(());
        }
        match self.0.folder.remove_folder(id) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(|error| SpoolError::io(id, error)),
        }
    }
}

fn content_of(name: &str) -> Option<Content> {
    let is_other = name.starts_with("media+") || name.starts_with("events+");
    let other = is_other.then(|| Content::Other(name.replace('+', "/")));
    Content::of_media(name).or(other)
}
