//! A bucket that is a folder.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use nix::errno::Errno;

use crate::folder::{Access, Folder};
use crate::gate::Gate;
use crate::key::{BucketName, Key};

use super::{Asked, BucketError, Object, PIECE_BYTES, PROBE_KEY};

/// Bytes that are left free on the file system of a folder bucket: a full disk would stop other programs too, and the
/// database of this one.
const FREE_BYTES_MIN: u64 = 64 << 20;

/// A folder below a root.
#[derive(Debug)]
pub(super) struct LocalBucket {
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    root: PathBuf,
    makes_buckets: bool,
    name: BucketName,
    gate: Gate,
    /// Taken while the probe is written: it is the only object that may be written twice at the same time, and both would use
    /// the same temporary file. All folder buckets share it, because accounts may share a folder.
    probing: Arc<Mutex<()>>,
}

impl LocalBucket {
    pub(super) fn new(
        root: PathBuf,
        makes_buckets: bool,
        name: BucketName,
        gate: Gate,
        probing: Arc<Mutex<()>>,
    ) -> Self {
        let state = State {
            root,
            makes_buckets,
            name,
            gate,
            probing,
        };
        Self {
            state: Arc::new(state),
        }
    }

    /// Writes an object. The folder of `within`, a prefix of `key`, must be there; other folders are made.
    pub(super) async fn put(
        &self,
        key: &Key,
        bytes: Bytes,
        within: Option<&Key>,
    ) -> Result<(), BucketError> {
        let state = Arc::clone(&self.state);
        let (key, within) = (key.clone(), within.cloned());
        blocking(move || state.put(&key, &bytes, within.as_ref())).await
    }

    pub(super) async fn get(&self, key: &Key, asked: Asked) -> Result<Object, BucketError> {
        let (state, key) = (Arc::clone(&self.state), key.clone());
        let file = blocking(move || state.open(&key)).await?;
        of_file(file, asked, self.state.name.as_str())
    }
}

impl State {
    fn put(&self, key: &Key, bytes: &[u8], within: Option<&Key>) -> Result<(), BucketError> {
        let lock = || {
            self.probing
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
        };
        let is_probe = key.as_str() == PROBE_KEY;
        let _probing = is_probe.then(lock);
        // A bucket that was removed is not made again behind the back of whoever has recordings in it.
        let bucket = self.open_bucket(is_probe && self.makes_buckets)?;
        let fault = |error| self.fault(&error, key.as_str());
        let free = bucket.free_bytes().map_err(fault)?;
        if free < FREE_BYTES_MIN.saturating_add(bytes.len() as u64) {
            return Err(self.full());
        }
        let (mut folders, name) = key.split();
        let mut folder = bucket;
        if let Some(within) = within {
            for part in folders.by_ref().take(within.parts()) {
                folder = folder.subfolder(part).map_err(|error| match error.kind() {
                    io::ErrorKind::NotFound => self.removed(within),
                    _ => fault(error),
                })?;
            }
        }
        for part in folders {
            folder = folder.subfolder_or_make(part).map_err(fault)?;
        }
        folder.write(name, bytes).map_err(fault)
    }

    fn open(&self, key: &Key) -> Result<File, BucketError> {
        let mut folder = self.open_bucket(false)?;
        let fault = |error: io::Error| match error.kind() {
            // A folder, or what else is not a file, is no object.
            io::ErrorKind::NotFound | io::ErrorKind::InvalidInput => {
                BucketError::NoObject(format!("there is no {key} in the bucket {}", self.name))
            }
            _ => self.fault(&error, key.as_str()),
        };
        let (folders, name) = key.split();
        for part in folders {
            folder = folder.subfolder(part).map_err(fault)?;
        }
        folder.open_file(name).map_err(fault)
    }

    fn open_bucket(&self, makes: bool) -> Result<Folder, BucketError> {
        let access = match self.makes_buckets {
            true => Access::Private,
            false => Access::Group,
        };
        let root = match makes {
            true => Folder::open_or_make(&self.root, access, self.gate.clone()),
            false => Folder::open(&self.root, access, self.gate.clone()),
        };
        let root = root.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                self.log(&error, "");
                BucketError::NotFound(
                    "the storage root does not exist: make that folder, mount it, or set storage-root to another one".to_owned(),
                )
            }
            _ => self.fault(&error, ""),
        })?;
        let opened = match makes {
            true => root.subfolder_or_make(self.name.as_str()),
            false => root.subfolder(self.name.as_str()),
        };
        opened.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                self.log(&error, "");
                BucketError::NotFound(format!(
                    "there is no folder {} in the storage root: make it, it is the bucket",
                    self.name
                ))
            }
            _ => self.fault(&error, ""),
        })
    }

    fn removed(&self, within: &Key) -> BucketError {
        BucketError::Rejected(format!(
            "the folder of the recording, {within} in the bucket {}, was removed with what had been uploaded: bring it back, and \
             the rest follows",
            self.name
        ))
    }

    fn full(&self) -> BucketError {
        BucketError::Full(format!(
            "the file system of the bucket {} has less than {} MB free: remove what is not needed, or move the bucket to a larger one",
            self.name,
            FREE_BYTES_MIN >> 20
        ))
    }

    /// Says where it is what an error is about. The error itself does not: callers of the API read it.
    fn log(&self, error: &io::Error, key: &str) {
        let place = self.root.join(self.name.as_str()).join(key);
        tracing::warn!(place = %place.display(), %error, "a folder that is a bucket cannot be used");
    }

    /// The error for an error of the system. `key` is empty if the bucket's own folder is meant.
    fn fault(&self, error: &io::Error, key: &str) -> BucketError {
        self.log(error, key);
        let place = match key {
            "" => format!("the bucket {}", self.name),
            key => format!("{key} in the bucket {}", self.name),
        };
        match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ENOSPC | Errno::EDQUOT) => self.full(),
            Some(Errno::ELOOP | Errno::ENOTDIR) => BucketError::Denied(format!(
                "{place}: a symbolic link or a file is where a folder must be, and links are not followed: remove it"
            )),
            Some(Errno::EACCES | Errno::EPERM | Errno::EROFS) => BucketError::Denied(format!(
                "{place}: {error}: let the server's user write there"
            )),
            Some(Errno::EISDIR) => BucketError::Rejected(format!(
                "{place}: a folder is where an object must be: remove it"
            )),
            _ => BucketError::Unavailable(format!("{place}: {error}")),
        }
    }
}

/// A file as an object.
pub(crate) fn of_file(file: File, asked: Asked, of: &str) -> Result<Object, BucketError> {
    let unavailable = |error: io::Error| BucketError::Unavailable(format!("{of}: {error}"));
    let size = file.metadata().map_err(unavailable)?.len();
    let range = asked.of(size)?;
    let of: Arc<str> = of.into();
    let pieces = stream::try_unfold((Arc::new(file), range.clone()), move |(file, left)| {
        let of = Arc::clone(&of);
        async move {
            if left.is_empty() {
                return Ok(None);
            }
            let count = (left.end - left.start).min(PIECE_BYTES as u64);
            let reader = Arc::clone(&file);
            let at = left.start;
            let piece = blocking(move || {
                let mut bytes = vec![0; usize::try_from(count).unwrap_or(PIECE_BYTES)];
                let read = reader.read_exact_at(&mut bytes, at);
                read.map(|()| Bytes::from(bytes))
                    .map_err(|error| BucketError::Unavailable(format!("{of}: {error}")))
            });
            let piece = piece.await?;
            Ok(Some((piece, (file, left.start + count..left.end))))
        }
    });
    Ok(Object {
        size,
        range,
        bytes: pieces.boxed(),
    })
}

/// Runs what may wait for a disk where it does not hold up others.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BucketError> + Send + 'static,
) -> Result<T, BucketError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(_) => Err(BucketError::Unavailable(
            "the server is stopping".to_owned(),
        )),
    }
}
