//! `access-keys.toml`: always read and written as a whole.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use restage_store::system::ids;
use serde::{Deserialize, Serialize};

use super::seal::Seal;
use super::{KeyFileError, Permission, is_account};
use crate::data_dir::{Credentials, write_secret};

/// Most keys in the file.
pub const KEYS_MAX: usize = 1_000;
/// Characters after `AKIA`.
const ID_LEN: usize = 16;
const SECRET_LEN: usize = 40;

/// The keys of a data directory. Every call reads the file again, because other processes write it too.
#[derive(Clone, Debug)]
pub struct KeyFile {
    keys: PathBuf,
    seal: PathBuf,
    lock: PathBuf,
}

/// A key as stored in the file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Line {
    access_key_id: String,
    account_id: String,
    permission: String,
    /// Creation time in seconds since the Unix epoch.
    created_at: i64,
    /// The key is refused from this time on.
    #[serde(skip_serializing_if = "Option::is_none")]
    ends_at: Option<i64>,
    secret: String,
}

impl Line {
    /// The data with which the secret is sealed: changing any of it makes the secret unreadable.
    fn about(&self) -> String {
        format!(
            "{} {} {}",
            self.access_key_id, self.account_id, self.permission
        )
    }
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    #[serde(default)]
    key: Vec<Line>,
}

/// A key without its secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// The access key id.
    pub access_key: String,
    /// The account: 12 digits.
    pub account: String,
    /// The operations it may call.
    pub permission: Permission,
    /// Creation time in seconds since the Unix epoch.
    pub created_at: i64,
    /// The key is refused from this time on, in the same unit.
    pub ends_at: Option<i64>,
}

/// A new key. Its secret is shown only once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Made {
    /// The id and secret that clients sign with.
    pub credentials: Credentials,
    /// The other properties.
    pub listed: Listed,
}

impl KeyFile {
    /// The file in this data directory. It need not exist yet.
    pub fn of(data_dir: &Path) -> Self {
        Self {
            keys: data_dir.join("access-keys.toml"),
            seal: data_dir.join("access-keys.key"),
            lock: data_dir.join("access-keys.lock"),
        }
    }

    /// Path of the file.
    pub fn path(&self) -> &Path {
        &self.keys
    }

    /// All keys, oldest first.
    ///
    /// # Errors
    /// [`KeyFileError`] if the file cannot be read or parsed.
    pub fn list(&self) -> Result<Vec<Listed>, KeyFileError> {
        self.read()?
            .key
            .iter()
            .map(|line| self.listed(line))
            .collect()
    }

    /// All keys with their secrets. A key whose secret cannot be decrypted is left out: it was changed, or
    /// sealed with another key.
    pub(super) fn open_all(&self) -> Result<Vec<Made>, KeyFileError> {
        let content = self.read()?;
        if content.key.is_empty() {
            return Ok(Vec::new());
        }
        let seal = Seal::at(&self.seal)?;
        let mut opened = Vec::with_capacity(content.key.len());
        for line in &content.key {
            let Some(secret_key) = seal.open(&line.secret, &line.about()) else {
                tracing::error!(
                    key = line.access_key_id,
                    "the secret of an access key does not open"
                );
                continue;
            };
            opened.push(Made {
                credentials: Credentials {
                    access_key: line.access_key_id.clone(),
                    secret_key,
                },
                listed: self.listed(line)?,
            });
        }
        Ok(opened)
    }

    /// Creates a key for an account. `now` is in seconds since the Unix epoch.
    ///
    /// # Errors
    /// [`KeyFileError::AccountId`], [`KeyFileError::TooMany`], or an error of the file.
    pub fn create(
        &self,
        account: &str,
        permission: &Permission,
        now: i64,
    ) -> Result<Made, KeyFileError> {
        if !is_account(account) {
            return Err(KeyFileError::AccountId(account.to_owned()));
        }
        self.change(now, |content| self.add(content, account, permission, now))
    }

    /// Removes a key, which is refused from now on.
    ///
    /// # Errors
    /// [`KeyFileError::Unknown`], or an error of the file.
    pub fn revoke(&self, access_key: &str, now: i64) -> Result<(), KeyFileError> {
        self.change(now, |content| {
            let before = content.key.len();
            content.key.retain(|line| line.access_key_id != access_key);
            match content.key.len() < before {
                true => Ok(()),
                false => Err(KeyFileError::Unknown(access_key.to_owned())),
            }
        })
    }

    /// Creates a key for the same account with the same permission; the old one is refused after
    /// `overlap_s` seconds.
    ///
    /// # Errors
    /// [`KeyFileError::Unknown`], [`KeyFileError::TooMany`], or an error of the file.
    pub fn rotate(&self, access_key: &str, overlap_s: u32, now: i64) -> Result<Made, KeyFileError> {
        self.change(now, |content| {
            let unknown = || KeyFileError::Unknown(access_key.to_owned());
            let mut lines = content.key.iter_mut();
            let old = lines
                .find(|line| line.access_key_id == access_key)
                .ok_or_else(unknown)?;
            let ends_at = now.saturating_add(i64::from(overlap_s));
            old.ends_at = Some(old.ends_at.map_or(ends_at, |set| set.min(ends_at)));
            let (account, permission) = (old.account_id.clone(), self.permission(old)?);
            self.add(content, &account, &permission, now)
        })
    }

    fn add(
        &self,
        content: &mut Content,
        account: &str,
        permission: &Permission,
        now: i64,
    ) -> Result<Made, KeyFileError> {
        if content.key.len() >= KEYS_MAX {
            return Err(KeyFileError::TooMany);
        }
        let credentials = Credentials {
            access_key: format!("AKIA{}", ids::secret(ID_LEN).to_ascii_uppercase()),
            secret_key: ids::secret(SECRET_LEN),
        };
        let mut line = Line {
            access_key_id: credentials.access_key.clone(),
            account_id: account.to_owned(),
            permission: permission.to_string(),
            created_at: now,
            ends_at: None,
            secret: String::new(),
        };
        let sealed = Seal::at(&self.seal)?.seal(&credentials.secret_key, &line.about());
        line.secret = sealed.ok_or(KeyFileError::Seal)?;
        let listed = self.listed(&line)?;
        content.key.push(line);
        Ok(Made {
            credentials,
            listed,
        })
    }

    /// Reads, changes and writes the file under a lock. Expired keys are removed.
    fn change<T>(
        &self,
        now: i64,
        edit: impl FnOnce(&mut Content) -> Result<T, KeyFileError>,
    ) -> Result<T, KeyFileError> {
        let _lock = self.locked()?;
        let mut content = self.read()?;
        content
            .key
            .retain(|line| line.ends_at.is_none_or(|at| at > now));
        let done = edit(&mut content)?;
        let text = toml::to_string(&content).map_err(|error| self.parse_error(&error))?;
        write_secret(&self.keys, text.as_bytes())?;
        Ok(done)
    }

    fn locked(&self) -> Result<File, KeyFileError> {
        let io = |source| KeyFileError::Io {
            path: self.lock.clone(),
            source,
        };
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&self.lock)
            // A lock file of another user can be opened for reading and locked as well.
            .or_else(|error| File::open(&self.lock).map_err(|_| error))
            .map_err(io)?;
        file.lock().map_err(io)?;
        Ok(file)
    }

    fn read(&self) -> Result<Content, KeyFileError> {
        match std::fs::read_to_string(&self.keys) {
            Ok(text) => toml::from_str(&text).map_err(|error| {
                // The parser's own message would show the text, which contains sealed secrets.
                self.parse_error(&error.message())
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Content::default()),
            Err(source) => Err(KeyFileError::Io {
                path: self.keys.clone(),
                source,
            }),
        }
    }

    fn listed(&self, line: &Line) -> Result<Listed, KeyFileError> {
        Ok(Listed {
            access_key: line.access_key_id.clone(),
            account: line.account_id.clone(),
            permission: self.permission(line)?,
            created_at: line.created_at,
            ends_at: line.ends_at,
        })
    }

    fn permission(&self, line: &Line) -> Result<Permission, KeyFileError> {
        Permission::parse(&line.permission).map_err(|error| self.parse_error(&error))
    }

    fn parse_error(&self, reason: &dyn std::fmt::Display) -> KeyFileError {
        KeyFileError::Parse {
            path: self.keys.clone(),
            reason: reason.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "111122223333";
    const NOW: i64 = 1_790_000_000;

    fn names(file: &KeyFile) -> Vec<String> {
        let listed = file.list().unwrap().into_iter();
        listed.map(|key| key.access_key).collect()
    }

    #[test]
    fn keys_are_made_listed_and_revoked() {
        let dir = tempfile::tempdir().unwrap();
        let file = KeyFile::of(dir.path());
        assert_eq!(file.list().unwrap(), []);
        let one = file.create(ACCOUNT, &Permission::ReadOnly, NOW).unwrap();
        let two = file
            .create("999988887777", &Permission::Full, NOW + 1)
            .unwrap();
        assert_eq!(
            file.list().unwrap(),
            [one.listed.clone(), two.listed.clone()]
        );
        assert_eq!(file.open_all().unwrap(), [one.clone(), two.clone()]);
        assert_eq!(one.listed.permission, Permission::ReadOnly);
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert!(text.contains(&one.credentials.access_key));
        assert!(!text.contains(&one.credentials.secret_key));
        file.revoke(&one.credentials.access_key, NOW).unwrap();
        assert_eq!(names(&file), [two.credentials.access_key]);
        let again = file.revoke(&one.credentials.access_key, NOW);
        assert!(matches!(again, Err(KeyFileError::Unknown(_))));
    }

    #[test]
    fn a_rotated_key_lives_on_until_its_overlap_is_over() {
        let dir = tempfile::tempdir().unwrap();
        let file = KeyFile::of(dir.path());
        let permission = Permission::parse("GetStage").unwrap();
        let old = file.create(ACCOUNT, &permission, NOW).unwrap();
        let new = file
            .rotate(&old.credentials.access_key, 60, NOW + 10)
            .unwrap();
        assert_eq!(new.listed.permission, permission);
        assert_eq!(file.list().unwrap()[0].ends_at, Some(NOW + 70));
        // Rotating the key again does not extend its life.
        file.rotate(&old.credentials.access_key, 600, NOW + 20)
            .unwrap();
        assert_eq!(file.list().unwrap()[0].ends_at, Some(NOW + 70));
        let unknown = file.rotate(&old.credentials.access_key, 0, NOW + 70);
        assert!(matches!(unknown, Err(KeyFileError::Unknown(_))));
        file.create(ACCOUNT, &permission, NOW + 70).unwrap();
        assert!(!names(&file).contains(&old.credentials.access_key));
    }

    #[test]
    fn more_permission_cannot_be_written_into_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = KeyFile::of(dir.path());
        file.create(ACCOUNT, &Permission::ReadOnly, NOW).unwrap();
        let text = std::fs::read_to_string(file.path()).unwrap();
        for (from, to) in [("read-only", "full"), (ACCOUNT, "999988887777")] {
            std::fs::write(file.path(), text.replace(from, to)).unwrap();
            assert_eq!(file.open_all().unwrap(), []);
        }
    }

    #[test]
    fn a_file_that_is_none_is_refused_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let file = KeyFile::of(dir.path());
        for text in ["nonsense", "[[key]]\naccess-key-id = \"A\"\n", "x = 1\n"] {
            std::fs::write(file.path(), text).unwrap();
            assert!(
                matches!(file.list(), Err(KeyFileError::Parse { .. })),
                "{text}"
            );
            assert!(file.create(ACCOUNT, &Permission::Full, NOW).is_err());
            assert_eq!(std::fs::read_to_string(file.path()).unwrap(), text);
        }
        let short = file.create("123", &Permission::Full, NOW);
        assert!(matches!(short, Err(KeyFileError::AccountId(_))));
    }
}
