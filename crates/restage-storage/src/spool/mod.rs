//! The spool: what has been recorded and is not in its bucket yet. Each recording has a folder, named by its id:
//!
//! | file | holds |
//! |---|---|
//! | `job.json` | whose recording it is, and where it goes ([`Destination`]) |
//! | `journal` | a line for each file that is there, and for each that is in the bucket ([`restage_record::journal`]) |
//! | `init-N.mp4`, `N.mp4` | inits and segments |
//! | `media+thumbnails+…`, `events+…` | other files, named by their path below the prefix with `+` for `/` |
//!
//! Beside them is `spool.id`, which tells one spool from another.
//!
//! A file counts when its line is in the journal, and the line is written when the file is durable. A file that is in the
//! bucket is removed from the spool after a line says so. So after a crash the journal and the files tell what is to be done.

mod contents;
mod destination;
mod error;
mod identity;
mod job;
mod moved;
mod opening;
mod outcome;
mod remains;
mod usage;
mod writer;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;

use crate::folder::{Access, Folder};
use crate::gate::Gate;

pub(crate) use self::contents::{Content, Item, Step};
pub use self::destination::Destination;
pub(crate) use self::error::INTERNAL_ERROR;
pub use self::error::SpoolError;
pub use self::identity::{SpoolLook, look};
pub(crate) use self::job::{Job, Mark};
pub use self::moved::moved;
pub use self::outcome::Finished;
pub(crate) use self::usage::Room;
pub(crate) use self::usage::now_s;
pub use self::usage::{Level, SpoolBounds, Usage};
pub use self::writer::SpoolWriter;

/// A folder that is to be removed has this before its name, so that a crash in the middle does not leave half a recording.
const REMOVED: &str = "removed-";
/// The file whose lock says that a process uses the spool.
const LOCK: &str = ".lock";
/// Longest id of a recording.
const ID_BYTES_MAX: usize = 64;

/// The spool of a node. Its calls wait for a disk: call them where that holds up nobody else.
#[derive(Clone, Debug)]
pub struct Spool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: Folder,
    id: String,
    room: Arc<Room>,
    jobs: Mutex<BTreeMap<String, Arc<Job>>>,
    /// Held while a recording's folder is made or removed, which waits for the disk; `jobs` is held for a moment only.
    changing: Mutex<()>,
    news: Arc<News>,
    /// Locked for as long as the spool is open.
    _lock: File,
}

/// Most recordings of which something is new. Those in the spool are no more, and each is there once.
const NEWS_MAX: usize = 2 * usage::RECORDINGS_MAX;

/// Recordings of which something is new that the uploader has not seen.
#[derive(Debug, Default)]
pub(crate) struct News {
    ids: Mutex<BTreeSet<String>>,
    notify: Notify,
}

impl News {
    /// Adds a recording; `false`: there is no room.
    pub(crate) fn tell(&self, id: &str) -> bool {
        let mut ids = locked(&self.ids);
        if ids.len() >= NEWS_MAX && !ids.contains(id) {
            return false;
        }
        ids.insert(id.to_owned());
        self.notify.notify_one();
        true
    }

    pub(crate) fn take(&self) -> BTreeSet<String> {
        std::mem::take(&mut *locked(&self.ids))
    }

    pub(crate) async fn wait(&self) {
        self.notify.notified().await;
    }
}

/// A lock whose holder may have panicked: what it guards is changed in steps that are whole.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Spool {
    /// Opens a spool, makes its folder if it is missing, and reads what a process before left in it. One without an id gets `fresh`,
    /// which is made as the id of a recording is. Files that do not count are removed; folders that are no recordings stay, with a
    /// warning. The error is [`SpoolError::InUse`] while another process has the spool: what it is writing would look as if a crash
    /// had cut it off.
    pub fn open(path: &Path, bounds: SpoolBounds, fresh: &str) -> Result<Self, SpoolError> {
        Self::gated(path, bounds, fresh, Gate::default())
    }

    pub(crate) fn gated(
        path: &Path,
        bounds: SpoolBounds,
        fresh: &str,
        gate: Gate,
    ) -> Result<Self, SpoolError> {
        check_id(fresh)?;
        let io = |error| SpoolError::of_folder(path, error);
        let folder = Folder::open_or_make(path, Access::Private, gate).map_err(io)?;
        let lock = locked_file(&folder, path)?;
        let id = identity::read_or_write(&folder, fresh).map_err(io)?;
        let room = Arc::new(Room::new(bounds, folder.clone()));
        let news = Arc::new(News::default());
        let mut jobs = BTreeMap::new();
        for name in folder.names().map_err(io)? {
            if name == LOCK || name == identity::NAME {
                continue;
            }
            if name.starts_with(REMOVED) {
                folder.remove_folder(&name).map_err(io)?;
                continue;
            }
            match reopen(&folder, &name, &room, &news) {
                Ok(Some(job)) => drop(jobs.insert(name, Arc::new(job))),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, recording = name, "a folder in the spool cannot be opened by what it has")
                }
            }
        }
        for id in jobs.keys() {
            news.tell(id);
        }
        Ok(Self(Arc::new(Inner {
            folder,
            id,
            room,
            jobs: Mutex::new(jobs),
            changing: Mutex::new(()),
            news,
            _lock: lock,
        })))
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Makes the folder of a recording, or opens it if the recording goes on. The error is [`SpoolError::Ended`] if its capture
    /// is over, [`SpoolError::Busy`] while another writer has it, [`SpoolError::Full`] if there is no room.
    pub fn create(&self, id: &str, destination: &Destination) -> Result<SpoolWriter, SpoolError> {
        check_id(id)?;
        destination.check()?;
        let _changing = locked(&self.0.changing);
        let job = match self.job(id) {
            Some(job) => job,
            None => {
                self.0.room.admit_job()?;
                let io = |error| SpoolError::io(id, error);
                let folder = self.0.folder.subfolder_or_make(id).map_err(io)?;
                // A folder without a readable `job.json` gets one: what its journal says still counts.
                let place = Destination::read(&folder).ok().and_then(|(_, place)| place);
                destination.write(&folder, place.as_ref()).map_err(io)?;
                let goes = (destination.clone(), place);
                let opened = Job::open(id, folder, goes, &self.0.room, &self.0.news)?;
                let job = Arc::new(opened);
                locked(&self.0.jobs).insert(id.to_owned(), Arc::clone(&job));
                job
            }
        };
        SpoolWriter::new(job)
    }

    /// Opens the folder of a recording that was not opened because its `job.json` cannot be read, and writes that again: everything else
    /// is as it was. Returns whether there is such a folder. The error is [`SpoolError::Invalid`] if its journal is lost.
    pub fn restore(&self, id: &str, destination: &Destination) -> Result<bool, SpoolError> {
        check_id(id)?;
        if self.has(id) {
            return Ok(true);
        }
        match self.0.folder.subfolder(id) {
            Ok(_) => self
                .create(id, destination)
                .map(|_writer| {
                    tracing::info!(
                        recording = id,
                        "job.json was written again: the recording goes on"
                    );
                    true
                })
                .or_else(|error| match error {
                    SpoolError::Ended => Ok(true),
                    error => Err(error),
                }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(SpoolError::io(id, error)),
        }
    }

    /// Opens a recording that is in the spool already; `None` if nothing of it is. The error is [`SpoolError::Ended`] if its capture
    /// is over, [`SpoolError::Busy`] while another writer has it.
    pub fn resume(&self, id: &str) -> Result<Option<SpoolWriter>, SpoolError> {
        self.job(id).map(SpoolWriter::new).transpose()
    }

    /// Where a recording in the spool goes.
    pub fn destination(&self, id: &str) -> Option<Destination> {
        Some(self.job(id)?.destination().clone())
    }

    /// Whether anything of a recording is in the spool.
    pub fn has(&self, id: &str) -> bool {
        locked(&self.0.jobs).contains_key(id)
    }

    /// The ids of the recordings in the spool, in order.
    pub fn recordings(&self) -> Vec<String> {
        locked(&self.0.jobs).keys().cloned().collect()
    }

    /// How much is in the spool.
    pub fn usage(&self) -> Usage {
        let jobs: Vec<Arc<Job>> = locked(&self.0.jobs).values().cloned().collect();
        let oldest = jobs.iter().filter_map(|job| job.oldest_s()).min();
        self.0.room.usage(jobs.len(), oldest)
    }

    pub(crate) fn job(&self, id: &str) -> Option<Arc<Job>> {
        locked(&self.0.jobs).get(id).cloned()
    }

    pub(crate) fn jobs(&self) -> Vec<Arc<Job>> {
        locked(&self.0.jobs).values().cloned().collect()
    }

    pub(crate) fn room(&self) -> &Arc<Room> {
        &self.0.room
    }

    pub(crate) fn news(&self) -> &Arc<News> {
        &self.0.news
    }

    pub(crate) fn age_max_s(&self) -> u64 {
        self.0.room.bounds().age_max.as_secs()
    }

    /// Removes a recording whose end is known where it must be known.
    pub(crate) fn remove(&self, id: &str) -> Result<(), SpoolError> {
        let io = |error| SpoolError::io(id, error);
        let _changing = locked(&self.0.changing);
        let Some(job) = self.job(id) else {
            return Ok(());
        };
        let removed = format!("{REMOVED}{id}");
        // What a crash left of an earlier removal of the same id.
        self.0.folder.remove_folder(&removed).map_err(io)?;
        self.0.folder.rename(id, &removed).map_err(io)?;
        locked(&self.0.jobs).remove(id);
        job.release();
        self.0.folder.remove_folder(&removed).map_err(io)
    }
}

/// Says that this process uses a spool, before it is opened. To be dropped before that.
#[derive(Debug)]
pub struct SpoolLock {
    _file: File,
}

/// Locks a folder that is a spool or will be one, and makes it if it is missing. The error is [`SpoolError::InUse`] while another process
/// has it.
pub fn lock(path: &Path) -> Result<SpoolLock, SpoolError> {
    let folder = Folder::open_or_make(path, Access::Private, Gate::default());
    let folder = folder.map_err(|error| SpoolError::of_folder(path, error))?;
    locked_file(&folder, path).map(|_file| SpoolLock { _file })
}

fn locked_file(folder: &Folder, path: &Path) -> Result<File, SpoolError> {
    let io = |error| SpoolError::of_folder(path, error);
    let file = folder.lock_file(LOCK).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SpoolError::InUse(path.display().to_string())),
        Err(TryLockError::Error(error)) => Err(io(error)),
    }
}

/// Opens what a process before left of a recording. `None`: nothing that counts was there.
fn reopen(
    spool: &Folder,
    name: &str,
    room: &Arc<Room>,
    news: &Arc<News>,
) -> Result<Option<Job>, SpoolError> {
    let io = |error| SpoolError::io(name, error);
    check_id(name)?;
    let folder = spool.subfolder(name).map_err(io)?;
    let goes = match Destination::read(&folder) {
        Ok(goes) => goes,
        // A crash while the folder was made. What else is in it is somebody's, and stays.
        Err(_) if holds_nothing(&folder).map_err(io)? => {
            spool.remove_folder(name).map_err(io)?;
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    Job::open(name, folder, goes, room, news).map(Some)
}

/// Whether a folder has nothing but a destination, or what a crash has left of one.
fn holds_nothing(folder: &Folder) -> io::Result<bool> {
    let names = folder.names()?;
    let is_of_start = |name: &String| Destination::is_file(name) || name.starts_with('.');
    Ok(names.iter().all(is_of_start))
}

/// Refuses what cannot be the id of a recording: it becomes the name of a folder.
fn check_id(id: &str) -> Result<(), SpoolError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let is_id = (1..=ID_BYTES_MAX).contains(&id.len())
        && id.bytes().all(is_plain)
        && !id.starts_with(REMOVED);
    match is_id {
        true => Ok(()),
        false => Err(SpoolError::Invalid(
            "the id of a recording has 1 to 64 letters, digits, '-' and '_'".to_owned(),
        )),
    }
}
