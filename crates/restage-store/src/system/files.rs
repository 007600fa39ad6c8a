//! Writes files that survive a power cut: a new file is written beside the old one, synced, renamed into place, and
//! then the directory is synced too, because a rename is not durable before that.

use std::fs::{File, OpenOptions};
use std::io::{Result, Write as _};
use std::path::Path;

/// Replaces a file atomically; the new one is readable by its owner only. `prepare` is called with the new file
/// before it replaces the old one.
pub fn replace(path: &Path, bytes: &[u8], prepare: impl FnOnce(&File)) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let temporary = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(bytes)?;
    prepare(&file);
    file.sync_all()?;
    put(&temporary, path)
}

/// Renames a file that is already durable, and makes the rename durable.
pub fn put(from: &Path, to: &Path) -> Result<()> {
    std::fs::rename(from, to)?;
    sync_folder_of(to)
}

/// Syncs the directory that contains a file.
pub fn sync_folder_of(path: &Path) -> Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file.json");
        for text in ["one", "two"] {
            replace(&path, text.as_bytes(), |_| ()).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}
