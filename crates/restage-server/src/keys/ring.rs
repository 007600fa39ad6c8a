//! The access keys of a running server.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Arc, Mutex, PoisonError};

use restage_api::sigv4::SigningKey;

use super::{KeyFile, KeyFileError, Permission};
use crate::data_dir::Credentials;

/// The account and the permission of a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holder {
    /// The account: 12 digits.
    pub account: String,
    /// The operations it may call.
    pub permission: Permission,
}

/// A key with its secret, which is never shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Known {
    /// The id and secret that requests are signed with.
    pub credentials: Credentials,
    /// The account and the permission.
    pub holder: Holder,
    /// The key is refused from this time on, in seconds since the Unix epoch.
    pub ends_at: Option<i64>,
    /// Signing keys that were derived from the secret.
    pub derived: Derived,
}

impl Known {
    /// The key that signs requests of one day in one Region.
    pub fn signing_key(&self, day: &str, region: &str) -> SigningKey {
        let mut derived = self
            .derived
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(of_day) = derived
            .iter()
            .find(|one| one.day == day && one.region == region)
        {
            return of_day.key.clone();
        }
        if derived.len() == DERIVED_MAX {
            derived.remove(0);
        }
        let key = SigningKey::derive(&self.credentials.secret_key, day, region);
        derived.push(OfDay {
            day: day.to_owned(),
            region: region.to_owned(),
            key: key.clone(),
        });
        key
    }
}

/// Derived keys cached per secret, the latest ones: more than the number of Regions in use at a time, around midnight.
const DERIVED_MAX: usize = 8;

/// Cache of keys derived from a secret, so that not every request derives one. It is not part of the key's identity.
#[derive(Default)]
pub struct Derived(Mutex<Vec<OfDay>>);

struct OfDay {
    day: String,
    region: String,
    key: SigningKey,
}

impl Clone for Derived {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Derived {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Derived {}

impl std::fmt::Debug for Derived {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Derived")
    }
}

/// Identifies the version of the file that was read. The file is replaced, never changed in place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Version {
    inode: u64,
    modified: (i64, i64),
    /// The inode's change time, which changes with permissions too.
    changed: (i64, i64),
    len: u64,
}

type ById = HashMap<String, Arc<Known>>;

/// Looks up keys by their id. A look-up checks the file's metadata; the keys are read
/// again only when the file was replaced. There are at most [`super::KEYS_MAX`] keys.
#[derive(Debug)]
pub struct KeyRing {
    file: KeyFile,
    fixed: ById,
    from_file: Mutex<(Option<Version>, ById)>,
}

impl KeyRing {
    /// A ring of fixed keys and those in the file.
    ///
    /// # Errors
    /// [`KeyFileError`] if the file exists and cannot be used.
    pub fn new(fixed: Vec<Known>, file: KeyFile) -> Result<Self, KeyFileError> {
        let version = version_of(&file);
        let keys = read(&file)?;
        Ok(Self {
            file,
            fixed: by_id(fixed),
            from_file: Mutex::new((version, keys)),
        })
    }

    /// The key with this id, if it is valid now. `now` is in seconds since the Unix epoch.
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
                // If the file cannot be read, keep the keys that were loaded last.
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
        changed: (found.ctime(), found.ctime_nsec()),
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
        derived: Derived::default(),
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

    fn root() -> Known {
        Known {
            credentials: Credentials {
                access_key: "ROOT".to_owned(),
                secret_key: "s".to_owned(),
            },
            holder: Holder {
                account: "000000000000".to_owned(),
                permission: Permission::Full,
            },
            ends_at: None,
            derived: Derived::default(),
        }
    }

    #[test]
    fn signing_keys_are_kept_for_some_days_and_regions() {
        let known = root();
        for _ in 0..2 {
            for number in 0..DERIVED_MAX + 3 {
                let region = format!("r-{number}");
                let key = known.signing_key("20261123", &region);
                assert_eq!(key, SigningKey::derive("s", "20261123", &region));
                assert_eq!(key, known.signing_key("20261123", &region));
                assert_ne!(key, known.signing_key("20261124", &region));
            }
        }
        assert_eq!(known.derived.0.lock().unwrap().len(), DERIVED_MAX);
        assert!(!format!("{known:?}").contains("r-1"));
    }

    #[test]
    fn keys_come_and_go_while_the_server_runs() {
        let dir = tempfile::tempdir().unwrap();
        let file = KeyFile::of(dir.path());
        let root = root();
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
