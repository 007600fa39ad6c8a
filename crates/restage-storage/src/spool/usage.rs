//! How much is in the spool, and how much may be.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::folder::Folder;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Mutex, MutexGuard, PoisonError};

use super::SpoolError;

/// Bytes that are left free on the file system of the spool, because the database is usually on it, too.
const FREE_BYTES_MIN: u64 = 64 << 20;
/// Most recordings in the spool at the same time.
pub(super) const RECORDINGS_MAX: usize = 10_000;
/// The part of a bound, in percent, from which an alarm is raised.
const ALARM_PERCENT: u64 = 80;

/// Bounds of the spool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SpoolBounds {
    /// Bytes of one recording that are not in its bucket yet.
    pub recording_bytes_max: u64,
    /// Bytes of all recordings together.
    pub bytes_max: u64,
    /// How long a file waits for its bucket at most; zero means without limit. Then its recording is given up.
    pub age_max: Duration,
}

impl Default for SpoolBounds {
    /// An hour of 8.5 Mbit/s for one recording, 16 GB in total, a week.
    fn default() -> Self {
        Self {
            recording_bytes_max: 4 << 30,
            bytes_max: 16 << 30,
            age_max: Duration::from_secs(7 * 24 * 3_600),
        }
    }
}

/// How full the spool is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// There is room.
    Ok,
    /// 80 percent of a bound are used.
    Alarm,
    /// The last recording that needed more has found none, and ends.
    Full,
}

/// How much is in the spool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Usage {
    /// Recordings that are not wholly in their buckets.
    pub recordings: usize,
    /// Bytes that are not in their buckets.
    pub bytes: u64,
    /// Most bytes that may be.
    pub bytes_max: u64,
    /// How long the oldest file has been waiting.
    pub oldest: Option<Duration>,
    /// Bytes that the file system of the spool has left.
    pub disk_free_bytes: u64,
    /// How full that is.
    pub level: Level,
}

/// The room that recordings share.
#[derive(Debug)]
pub(crate) struct Room {
    bounds: SpoolBounds,
    folder: Folder,
    fill: Mutex<Fill>,
    jobs: AtomicUsize,
    /// Files that were found missing or without a line when recordings were opened.
    lost: AtomicU64,
}

/// How full it is. One lock, because a file that finds no room and one that gives room back come from different threads.
#[derive(Debug)]
struct Fill {
    bytes: u64,
    /// The last file found no room.
    is_refusing: bool,
    /// The level that was last logged.
    logged: Level,
}

impl Fill {
    fn level(&self, bounds: &SpoolBounds) -> Level {
        let bytes = u128::from(self.bytes) * 100;
        let alarm = u128::from(bounds.bytes_max) * u128::from(ALARM_PERCENT);
        match self.is_refusing {
            true => Level::Full,
            false if bytes >= alarm => Level::Alarm,
            false => Level::Ok,
        }
    }

    /// Warns when the level rises, and says so when it is well again.
    fn log(&mut self, bounds: &SpoolBounds) {
        let level = self.level(bounds);
        let logged = std::mem::replace(&mut self.logged, level);
        let (bytes, max) = (self.bytes, bounds.bytes_max);
        if level > logged {
            tracing::warn!(
                bytes,
                max,
                "the spool fills up: recordings wait for their buckets"
            );
        } else if level == Level::Ok && logged > Level::Ok {
            tracing::info!(bytes, max, "the spool has room again");
        }
    }
}

impl Room {
    pub(super) fn new(bounds: SpoolBounds, folder: Folder) -> Self {
        Self {
            bounds,
            folder,
            fill: Mutex::new(Fill {
                bytes: 0,
                is_refusing: false,
                logged: Level::Ok,
            }),
            jobs: AtomicUsize::new(0),
            lost: AtomicU64::new(0),
        }
    }

    pub(super) fn bounds(&self) -> SpoolBounds {
        self.bounds
    }

    /// Whether one more recording may begin.
    pub(super) fn admit_job(&self) -> Result<(), SpoolError> {
        if self.jobs.load(Ordering::Relaxed) >= RECORDINGS_MAX {
            return Err(SpoolError::Full(format!(
                "the spool has {RECORDINGS_MAX} recordings that wait for their buckets: see to it that the buckets accept them"
            )));
        }
        self.reserve(0, 0)
    }

    /// Takes room for a file of a recording that has `has` bytes. [`Self::release`] gives it back.
    pub(super) fn reserve(&self, has: u64, more: u64) -> Result<(), SpoolError> {
        let SpoolBounds {
            recording_bytes_max,
            bytes_max,
            ..
        } = self.bounds;
        let see_to = "see to it that the bucket accepts uploads, or raise";
        if has.saturating_add(more) > recording_bytes_max {
            return Err(SpoolError::Full(format!(
                "the recording has {has} bytes that wait for its bucket, and {recording_bytes_max} are allowed: {see_to} \
                 spool-recording-mb"
            )));
        }
        if let Ok(free) = self.folder.free_bytes()
            && free < FREE_BYTES_MIN.saturating_add(more)
        {
            return Err(SpoolError::Full(format!(
                "the disk with the spool has {free} bytes left: free some of it, or set data-dir to a larger one"
            )));
        }
        let mut fill = self.fill();
        let bytes = fill.bytes;
        let sum = bytes.checked_add(more).filter(|sum| *sum <= bytes_max);
        fill.is_refusing = sum.is_none();
        fill.bytes = sum.unwrap_or(bytes);
        fill.log(&self.bounds);
        match sum {
            Some(_) => Ok(()),
            None => Err(SpoolError::Full(format!(
                "{bytes} bytes in the spool wait for their buckets, and {bytes_max} are allowed: {see_to} spool-mb"
            ))),
        }
    }

    pub(super) fn count_lost(&self, files: usize) {
        self.lost.fetch_add(files as u64, Ordering::Relaxed);
    }

    /// Files that were found missing or without a line when recordings were opened.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.fill().bytes
    }

    pub(super) fn add_job(&self) {
        self.jobs.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn remove_job(&self) {
        self.jobs.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts bytes that are there whether there is room for them or not.
    pub(super) fn add(&self, bytes: u64) {
        let mut fill = self.fill();
        fill.bytes += bytes;
        fill.log(&self.bounds);
    }

    /// Gives room back.
    pub(super) fn release(&self, bytes: u64) {
        let mut fill = self.fill();
        // What is released was reserved or added before, so this never goes below zero.
        fill.bytes = fill.bytes.saturating_sub(bytes);
        fill.is_refusing &= bytes == 0;
        fill.log(&self.bounds);
    }

    fn level(&self) -> Level {
        self.fill().level(&self.bounds)
    }

    fn fill(&self) -> MutexGuard<'_, Fill> {
        self.fill.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn usage(&self, recordings: usize, oldest_s: Option<u64>) -> Usage {
        let free = self.folder.free_bytes().unwrap_or_default();
        let oldest = oldest_s.map(|at| Duration::from_secs(now_s().saturating_sub(at)));
        let mut level = self.level();
        if free < FREE_BYTES_MIN {
            level = Level::Full;
        } else if free < FREE_BYTES_MIN * 2 || self.is_old(oldest) {
            level = level.max(Level::Alarm);
        }
        Usage {
            recordings,
            bytes: self.bytes(),
            bytes_max: self.bounds.bytes_max,
            oldest,
            disk_free_bytes: free,
            level,
        }
    }

    fn is_old(&self, oldest: Option<Duration>) -> bool {
        let alarm_s = self.bounds.age_max.as_secs() * ALARM_PERCENT / 100;
        alarm_s > 0 && oldest.is_some_and(|age| age.as_secs() >= alarm_s)
    }
}

/// Seconds since the epoch, as files have them.
pub(crate) fn now_s() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
