//! The keys a running server knows.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Arc, Mutex, PoisonError};

use super::{KeyFile, KeyFileError, Permission};
use crate::data_dir::Credentials;

/// Whose a key is and what it may do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holder {
    /// 12 digits.
    pub account: String,
    /// What it may call.
    pub permission: Permission,
}

/// A key with its secret, which is never shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Known {
    /// What requests are signed with.
    pub credentials: Credentials,
    /// Whose it is.
    pub holder: Holder,
    /// From then on it is refused, in seconds since the Unix epoch.
    pub ends_at: Option<i64>,
}

/// Which version of a file was read. A file is replaced, never changed in place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Version {
    inode: u64,
    modified: (i64, i64),
    len: u64,
}

type ById = HashMap<String, Arc<Known>>;

/// Looks keys up by their id. Asking costs one look at the file's metadata; the keys themselves are read
/// again only when it was replaced, and there are at most [`super::KEYS_MAX`] of them.
#[derive(Debug)]
pub struct KeyRing {
    file: KeyFile,
    fixed: ById,
    from_file: Mutex<(Option<Version>, ById)>,
}

impl KeyRing {
    /// Of keys that stay as they are, and those in the file.
    ///
    /// # Errors
    /// [`KeyFileError`] if there is a file that cannot be used.
    pub fn new(fixed: Vec<Known>, file: KeyFile) -> Result<Self, KeyFileError> {
        let version = version_of(&file);
        let keys = read(&file)?;
        Ok(Self {
            file,
            fixed: by_id(fixed),
            from_file: Mutex::new((version, keys)),
        })
    }

    /// The key of this id, if it is good now. `now` is in seconds since the Unix epoch.
    pub fn find(&self, access_key: &str, now: i64) -> Option<Arc<Known>> {
        if let Some(known) = self.fixed.get(access_key) {
            return Some(Arc::clone(known));
        }
        let mut held = self
            .from_file
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let version = version_of(&self.file);
        if version != held.0 {
            match read(&self.file) {
                Ok(keys) => held.1 = keys,
                // Who cannot be read cannot have revoked anything: what was good stays good.
                Err(error) => tracing::error!(%error, "access keys could not be read again"),
            }
            held.0 = version;
        }
        let found = held.1.get(access_key)?;
        found
            .ends_at
            .is_none_or(|at| now < at)
            .then(|| Arc::clone(found))
    }
}

fn version_of(file: &KeyFile) -> Option<Version> {
    let found = std::fs::metadata(file.path()).ok()?;
    Some(Version {
        inode: found.ino(),
        modified: (found.mtime(), found.mtime_nsec()),
        len: found.len(),
    })
}

fn read(file: &KeyFile) -> Result<HashMap<String, Arc<Known>>, KeyFileError> {
    let opened = file.open_all()?.into_iter().map(|made| Known {
        credentials: made.credentials,
        holder: Holder {
            account: made.listed.account,
            permission: made.listed.permission,
        },
        ends_at: made.listed.ends_at,
    });
    Ok(by_id(opened))
}

fn by_id(keys: impl IntoIterator<Item = Known>) -> HashMap<String, Arc<Known>> {
    keys.into_iter()
        .map(|known| (known.credentials.access_key.clone(), Arc::new(known)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_790_000_000;

    #[test]
    fn keys_come_and_go_while_the_server_runs() {
        let dir = tempfile::tempdir().unwrap();
        let file = KeyFile::of(dir.path());
        let root = Known {
            credentials: Credentials {
                access_key: "ROOT".to_owned(),
                secret_key: "s".to_owned(),
            },
            holder: Holder {
                account: "000000000000".to_owned(),
                permission: Permission::Full,
            },
            ends_at: None,
        };
        let ring = KeyRing::new(vec![root.clone()], file.clone()).unwrap();
        assert_eq!(ring.find("ROOT", NOW).as_deref(), Some(&root));
        assert_eq!(ring.find("AKIANOBODY", NOW), None);
        let made = file
            .create("111122223333", &Permission::ReadOnly, NOW)
            .unwrap();
        let id = &made.credentials.access_key;
        let found = ring.find(id, NOW).unwrap();
        assert_eq!(found.credentials, made.credentials);
        assert_eq!(found.holder.account, "111122223333");
        let newer = file.rotate(id, 60, NOW).unwrap();
        assert!(ring.find(id, NOW + 59).is_some());
        assert_eq!(ring.find(id, NOW + 60), None);
        file.revoke(&newer.credentials.access_key, NOW).unwrap();
        assert_eq!(ring.find(&newer.credentials.access_key, NOW), None);
    }

    #[test]
    fn a_damaged_file_takes_nothing_away_and_gives_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = KeyFile::of(dir.path());
        let made = file.create("111122223333", &Permission::Full, NOW).unwrap();
        let ring = KeyRing::new(Vec::new(), file.clone()).unwrap();
        std::fs::write(file.path(), "nonsense").unwrap();
        assert!(ring.find(&made.credentials.access_key, NOW).is_some());
        assert_eq!(ring.find("AKIANOBODY", NOW), None);
        std::fs::remove_file(file.path()).unwrap();
        assert_eq!(ring.find(&made.credentials.access_key, NOW), None);
        std::fs::write(file.path(), "nonsense").unwrap();
        assert!(KeyRing::new(Vec::new(), file).is_err());
    }
}
