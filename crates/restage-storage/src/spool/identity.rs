//! Which spool a folder is. Each spool has an id in a file, so that a disk that is not mounted, or another one in its place, is not taken
//! for a spool whose recordings are lost.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use crate::folder::{Access, Folder};
use crate::gate::Gate;

/// The file with the id.
pub(super) const NAME: &str = "spool.id";
/// Largest such file.
const BYTES_MAX: u64 = 256;

/// What a folder has of a spool.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SpoolLook {
    /// The id; `None` for a folder that is missing, or was not used as a spool before.
    pub id: Option<String>,
    /// The names of its folders: the ids of the recordings in it.
    pub recordings: BTreeSet<String>,
}

/// Looks at a folder without changing it. A missing folder has nothing.
///
/// # Errors
///
/// The folder cannot be read, or something else is in its place.
pub fn look(path: &Path) -> io::Result<SpoolLook> {
    let folder = match Folder::open(path, Access::Private, Gate::default()) {
        Ok(folder) => folder,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(SpoolLook::default()),
        Err(error) => return Err(error),
    };
    let names = folder.names()?.into_iter();
    Ok(SpoolLook {
        id: read(&folder)?,
        recordings: names
            .filter(|name| folder.subfolder(name).is_ok())
            .collect(),
    })
}

/// The id of a spool. One that cannot be an id counts as none.
fn read(folder: &Folder) -> io::Result<Option<String>> {
    let bytes = match folder.read(NAME, BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let text = String::from_utf8(bytes).unwrap_or_default();
    let id = text.trim();
    Ok(super::check_id(id).is_ok().then(|| id.to_owned()))
}

/// The id of a spool; if it has none, it gets this one.
pub(super) fn read_or_write(folder: &Folder, fresh: &str) -> io::Result<String> {
    if let Some(id) = read(folder)? {
        return Ok(id);
    }
    folder.write(NAME, format!("{fresh}\n").as_bytes())?;
    Ok(fresh.to_owned())
}
