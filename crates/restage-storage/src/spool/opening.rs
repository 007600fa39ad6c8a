//! What is looked at when a recording's folder is opened: whether its journal is one and names what is there, and what is left over.

use std::io;

use nix::errno::Errno;
use restage_record::SegmentTimes;

use crate::folder::{Folder, changed_at_s};

use super::Destination;
use super::contents::{Content, Contents};
use super::job::JOURNAL;
use super::remains::FILE_BYTES_MAX;

/// Size of a file, and when it was written.
pub(super) fn look(folder: &Folder, content: &Content) -> io::Result<(u64, u64)> {
    let file = folder.open_file(&content.file_name())?;
    Ok((file.metadata()?.len(), changed_at_s(&file)?))
}

/// Whether a file is a segment. A journal has lines before the first of them is written.
pub(super) fn is_segment(name: &str) -> bool {
    matches!(Content::of_media(name), Some(Content::Segment(_)))
}

/// Whether a file is a segment that the journal should name and does not. What somebody else has put there is none.
pub(super) fn is_unnamed(folder: &Folder, contents: &Contents, name: &str) -> bool {
    let content = Content::of_media(name).filter(|_| is_segment(name));
    if !content.is_some_and(|content| contents.cannot_follow(&content)) {
        return false;
    }
    let bytes = folder.read(name, FILE_BYTES_MAX).unwrap_or_default();
    SegmentTimes::read(&bytes).is_some()
}

/// Whether something else is in the place of the journal, or something larger than any journal.
pub(super) fn is_no_journal(error: &io::Error) -> bool {
    let is_odd = matches!(
        error.kind(),
        io::ErrorKind::IsADirectory | io::ErrorKind::FileTooLarge | io::ErrorKind::InvalidInput
    );
    is_odd || error.raw_os_error().map(Errno::from_raw) == Some(Errno::ELOOP)
}

/// Removes files that do not count: of a write that a crash cut off, or whose removal it did. Returns how many of them were media.
pub(super) fn clean(folder: &Folder, contents: &Contents) -> io::Result<usize> {
    let counting = contents.file_names();
    let mut media = 0;
    for name in folder.names()? {
        let is_own = name == JOURNAL || Destination::is_file(&name);
        if is_own || counting.contains(&name) {
            continue;
        }
        media += usize::from(Content::of_media(&name).is_some());
        match folder.remove(&name) {
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
                folder.remove_folder(&name)?
            }
            removed => removed?,
        }
    }
    Ok(media)
}
