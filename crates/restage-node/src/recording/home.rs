//! The spool of this server: whether the folder is the one in which its recordings wait.
//!
//! A file in the data directory names the spool that belongs to it. A server that starts once without that spool (a disk that is not
//! mounted) must not take its recordings for lost: it leaves them as they are until the spool is back, until an operator says that it is
//! lost, or until they have waited for as long as recordings may.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use restage_storage::spool::look;
use restage_storage::{Spool, SpoolBounds, SpoolError, SpoolLock, SpoolLook};
use restage_store::system::{clock, files, ids};
use restage_store::{Store, StoreError};

use super::{Recordings, composites};

/// How often a missing spool is looked for.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often it is said that it is missing.
const SAY_EVERY: Duration = Duration::from_secs(600);
/// Characters of the id of a spool.
const ID_LEN: usize = 22;
const MICROSECONDS: i64 = 1_000_000;

/// Where the spool is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SpoolHome {
    /// Its folder.
    pub path: PathBuf,
    /// The file that names the spool that belongs to the data directory.
    pub mark: PathBuf,
    /// Its bounds. A missing spool is waited for as long as a file waits for its bucket at most.
    pub bounds: SpoolBounds,
    /// A missing spool is lost: its recordings fail, and the server goes on with another one.
    pub accepts_loss: bool,
}

/// Why the spool could not be opened.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum SpoolHomeError {
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The file in the data directory: a line with the id, and while the spool is missing another one with the time, in seconds since 1970,
/// since when it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Mark {
    id: Option<String>,
    missing_since_s: Option<i64>,
}

impl Mark {
    fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let mut lines = text.lines();
        Self {
            id: lines.next().filter(|id| !id.is_empty()).map(str::to_owned),
            missing_since_s: lines.next().and_then(|since| since.parse().ok()),
        }
    }

    fn write(&self, path: &Path) -> Result<(), SpoolError> {
        let id = self.id.as_deref().unwrap_or_default();
        let since = self.missing_since_s.map(|since| format!("{since}\n"));
        let text = format!("{id}\n{}", since.unwrap_or_default());
        files::replace(path, text.as_bytes(), |_| ()).map_err(|source| SpoolError::Io {
            what: path.display().to_string(),
            source,
        })
    }
}

/// How many recordings are missing with their spool: none, if it is the one that is named, or if it has a folder for each of those that
/// have begun and are not wholly in their buckets.
fn missing(mark: &Mark, found: &SpoolLook, begun: &BTreeSet<String>) -> usize {
    let is_named = mark.id.is_some() && mark.id == found.id;
    match is_named {
        true => 0,
        false => begun.difference(&found.recordings).count(),
    }
}

/// A spool that is missing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MissingSpool {
    /// Where it should be.
    pub path: PathBuf,
    /// How many recordings wait in it.
    pub recordings: usize,
}

impl MissingSpool {
    /// A sentence for everybody, which does not say where the spool is.
    pub fn sentence(&self) -> String {
        "recordings wait for the server's spool, which is missing, and none can begin: mount its disk, or start once with \
         --accept-spool-loss"
            .to_owned()
    }
}

impl Recordings {
    fn lock_slot(&self) -> MutexGuard<'_, Option<SpoolLock>> {
        let lock = self.inner.lock.lock();
        lock.unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the spool, whose folder is locked, unless recordings wait in it and another one, or none, is in its place: then the server goes on without, and
    /// [`serve`](Self::serve) looks for it. Call it before the control plane runs.
    ///
    /// # Errors
    /// The spool cannot be used at all, or the rows cannot be read.
    pub async fn open(
        &self,
        store: &Store,
        home: SpoolHome,
        lock: SpoolLock,
    ) -> Result<(), SpoolHomeError> {
        *self.lock_slot() = Some(lock);
        let absent = self.absent(store, &home).await?;
        if absent == 0 || home.accepts_loss {
            if absent > 0 {
                tracing::error!(
                    recordings = absent,
                    spool = %home.path.display(),
                    "the spool is taken for lost, as it was told: its recordings fail"
                );
            }
            return Ok(self.take(&home)?);
        }
        let mark = Mark::read(&home.mark);
        if mark.missing_since_s.is_none() {
            let since = Some(clock::now().0 / MICROSECONDS);
            let missing_since_s = since;
            Mark {
                missing_since_s,
                ..mark
            }
            .write(&home.mark)?;
        }
        *self.missing_slot() = Some(MissingSpool {
            path: home.path.clone(),
            recordings: absent,
        });
        *self.home_slot() = Some(home);
        Ok(())
    }

    /// How many recordings are missing with their spool.
    async fn absent(&self, store: &Store, home: &SpoolHome) -> Result<usize, SpoolHomeError> {
        let rows = store.unfinished_recordings().await?.into_iter();
        let begun = rows.filter(|row| row.started_at.is_some());
        let mut begun: BTreeSet<String> = begun.map(|row| row.id.to_string()).collect();
        begun.extend(composites::unfinished(&store.all_compositions().await?));
        let found = look(&home.path).map_err(|source| SpoolError::of_folder(&home.path, source))?;
        Ok(missing(&Mark::read(&home.mark), &found, &begun))
    }

    /// Opens what is there, and names it in the data directory.
    fn take(&self, home: &SpoolHome) -> Result<(), SpoolError> {
        drop(self.lock_slot().take());
        let spool = Spool::open(&home.path, home.bounds, &ids::secret(ID_LEN))?;
        let mark = Mark {
            id: Some(spool.id().to_owned()),
            missing_since_s: None,
        };
        if Mark::read(&home.mark) != mark {
            mark.write(&home.mark)?;
        }
        self.take_spool(spool);
        *self.missing_slot() = None;
        Ok(())
    }

    /// Waits until a missing spool is back, or has been missing for too long, and opens it.
    pub(super) async fn await_spool(&self) {
        let Some(home) = self.home_slot().take() else {
            return;
        };
        let mut said = None::<tokio::time::Instant>;
        loop {
            if said.is_none_or(|at| at.elapsed() >= SAY_EVERY) {
                said = Some(tokio::time::Instant::now());
                let missing = self.missing_spool();
                let recordings = missing.map_or(0, |missing| missing.recordings);
                tracing::error!(
                    recordings,
                    spool = %home.path.display(),
                    "the spool is missing, and recordings wait in it: mount its disk, and they go on; or start once with \
                     --accept-spool-loss, and they fail"
                );
            }
            match self.try_take(&home).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => tracing::debug!(%error, "the spool cannot be opened yet"),
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn try_take(&self, home: &SpoolHome) -> Result<bool, SpoolHomeError> {
        let Some(control) = self.control() else {
            return Ok(false);
        };
        let absent = self.absent(control.store(), home).await?;
        let since_s = Mark::read(&home.mark).missing_since_s;
        let waited_s = since_s.map_or(0, |since| clock::now().0 / MICROSECONDS - since);
        let age_max_s = home.bounds.age_max.as_secs();
        let is_too_long =
            age_max_s > 0 && u64::try_from(waited_s).is_ok_and(|waited| waited > age_max_s);
        if absent > 0 && !is_too_long {
            return Ok(false);
        }
        match absent {
            0 => {
                tracing::info!(spool = %home.path.display(), "the spool is back: recordings go on")
            }
            _ => tracing::error!(
                recordings = absent,
                "the spool has been missing for longer than spool-days: its recordings are given up"
            ),
        }
        let (recordings, home) = (self.clone(), home.clone());
        let taken = tokio::task::spawn_blocking(move || recordings.take(&home)).await;
        taken.map_err(|error| SpoolError::Io {
            what: "the spool".to_owned(),
            source: std::io::Error::other(error),
        })??;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(id: Option<&str>) -> Mark {
        Mark {
            id: id.map(str::to_owned),
            missing_since_s: None,
        }
    }

    #[test]
    fn a_spool_is_missing_if_recordings_are_and_it_is_not_the_one_that_is_named() {
        let set = |ids: &[&str]| {
            ids.iter()
                .map(|id| (*id).to_owned())
                .collect::<BTreeSet<_>>()
        };
        let found = |id: Option<&str>, recordings: &[&str]| SpoolLook {
            id: id.map(str::to_owned),
            recordings: set(recordings),
        };
        let (named, none) = (mark(Some("a")), mark(None));
        let both = set(&["r1", "r2"]);
        for (mark, found, begun, expected) in [
            (&named, found(Some("a"), &[]), &both, 0),
            (&named, found(None, &[]), &both, 2),
            (&named, found(Some("b"), &["r1", "other"]), &both, 1),
            (&named, found(Some("b"), &["r1", "r2"]), &both, 0),
            (&named, found(None, &[]), &set(&[]), 0),
            (&none, found(None, &[]), &both, 2),
            (&none, found(None, &["r1", "r2"]), &both, 0),
        ] {
            assert_eq!(missing(mark, &found, begun), expected, "{found:?}");
        }
    }

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("spool.id");
        assert_eq!(Mark::read(&path), Mark::default());
        for id in [None, Some("abc")] {
            for missing_since_s in [None, Some(1_790_932_360)] {
                let mark = Mark {
                    missing_since_s,
                    ..mark(id)
                };
                mark.write(&path).unwrap();
                assert_eq!(Mark::read(&path), mark);
            }
        }
    }
}
