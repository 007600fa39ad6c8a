//! Whether a data directory still has the database it had.
//!
//! Keys beside an empty database are what is left of a server whose database was deleted, or lies on a disk that is not
//! mounted: to start as if all were new would hide that. A mark in the directory names the database that belongs there.

use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};

use crate::config::StoreConfig;
use crate::error::StoreError;
use crate::store::Store;
use crate::system::files;

/// Bytes of the fingerprint: enough to tell databases apart, and nothing to learn the key from.
const FINGERPRINT_LEN: usize = 16;

/// The mark of a data directory.
#[derive(Clone, Debug)]
pub struct Mark {
    path: PathBuf,
    is_used: bool,
}

impl Mark {
    /// The mark in this file, of a directory in which a server ran before or did not.
    pub const fn new(path: PathBuf, is_used: bool) -> Self {
        Self { path, is_used }
    }

    /// Before anything is made: a database that is a file must be there, with something in it, if it was.
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

    /// A database that is open and has nothing under `key`, where every one that was ever served has something, is new.
    ///
    /// # Errors
    /// [`StoreError::Missing`], and those of reading.
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

    /// The database that the mark names, if it does.
    fn named(&self) -> Option<String> {
        let text = std::fs::read_to_string(&self.path).ok()?;
        text.lines().nth(1).map(str::to_owned)
    }

    fn missing(&self, config: &StoreConfig) -> Result<(), StoreError> {
        // Another place is no loss: what was before is where it was.
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

    /// Notes the database that belongs here from now on, by what it has under that key. Another one than before, of a
    /// backup of another server, say, is told.
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
