//! Instead of the folders of restage-storage.

/// A folder on a disk that has room.
#[derive(Debug)]
pub(crate) struct Folder;

impl Folder {
    pub(crate) fn free_bytes(&self) -> std::io::Result<u64> {
        Ok(u64::MAX)
    }
}
