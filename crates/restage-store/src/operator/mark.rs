//! Checks that a data directory still has its database.
//!
//! Keys beside an empty database mean that the database was deleted, or that its disk is not
//! mounted. Starting with an empty database would hide that. A file in the directory therefore names its database.

use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};

use crate::config::StoreConfig;
use crate::error::StoreError;
use crate::store::Store;
use crate::system::files;

/// Length of the fingerprint: enough to distinguish databases, and too short to reveal the key.
const FINGERPRINT_LEN: usize = 16;

/// The file that names the database of a data directory.
#[derive(Clone, Debug)]
pub struct Mark {
    path: PathBuf,
    is_used: bool,
}

impl Mark {
    /// The mark in this file; `is_used` says whether a server ran in the directory before.
    pub const fn new(path: PathBuf, is_used: bool) -> Self {
        Self { path, is_used }
    }

    /// Call this before anything is created: if a database file existed before, it must still exist and not be empty.
    ///
    /// # Errors
    /// [`StoreError::Missing`].
    pub fn check_file(&self, config: &StoreConfig) -> Result<(), StoreError> {
        let is_empty = |path: &Path| std::fs::metadata(path).map_or(true, |found| found.len() == 0);
        let is_missing = config.path().is_some_and(is_empty);
        if self.is_used && is_missing {
            return self.missing(config);
        }
        Ok(())
    }

    /// Checks an open database: it is new if it has no value under `key`, because every database that was ever served
    /// has one.
    ///
    /// # Errors
    /// [`StoreError::Missing`], and errors of reading.
    pub async fn check(
        &self,
        store: &Store,
        config: &StoreConfig,
        key: &str,
    ) -> Result<(), StoreError> {
        if self.is_used && store.meta_get(key).await?.is_none() {
            return self.missing(config);
        }
        Ok(())
    }

    /// The database that the mark names, if there is a mark.
    fn named(&self) -> Option<String> {
        let text = std::fs::read_to_string(&self.path).ok()?;
        text.lines().nth(1).map(str::to_owned)
    }

    fn missing(&self, config: &StoreConfig) -> Result<(), StoreError> {
        // A different place is not a loss: the previous database is still in its place.
        if let Some(before) = self.named().filter(|before| *before != config.name()) {
            tracing::warn!(
                before,
                now = config.name(),
                "the data directory was served with another database before, and begins with an empty one: move what it \
                 holds with `restage db backup` and `restage db restore` if it is wanted"
            );
            return Ok(());
        }
        let error = StoreError::Missing {
            database: config.name(),
            marker: self.path.display().to_string(),
        };
        if !config.accepts_loss {
            return Err(error);
        }
        tracing::error!(%error, "the start goes on with an empty database, as it was told");
        Ok(())
    }

    /// Records the database that belongs here from now on, with the value under that key. A change, for example after
    /// a backup of another server was restored, is logged.
    pub fn write(&self, kept: &[u8], config: &StoreConfig) -> std::io::Result<()> {
        let fingerprint = digest(&SHA256, kept);
        let fingerprint = hex::encode(&fingerprint.as_ref()[..FINGERPRINT_LEN]);
        let before = std::fs::read_to_string(&self.path).unwrap_or_default();
        let mark = format!("{fingerprint}\n{}\n", config.name());
        if before == mark {
            return Ok(());
        }
        if before
            .lines()
            .next()
            .is_some_and(|known| known != fingerprint)
        {
            tracing::warn!("the data directory has another database than at the last start");
        }
        files::replace(&self.path, mark.as_bytes(), |_| ())
    }
}
