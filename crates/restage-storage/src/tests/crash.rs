//! A crash for tests: after a number of steps the process is dead, and what was not synced is lost, or is not, as a seed
//! decides.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// The gate of a process that may crash.
#[derive(Clone, Default, Debug)]
pub(crate) struct Gate(Option<Arc<Crash>>);

/// When the process crashes, and what a power cut would lose.
#[derive(Debug)]
pub(crate) struct Crash(Mutex<Disk>);

#[derive(Debug, Default)]
struct Disk {
    steps: u64,
    crash_after: u64,
    is_dead: bool,
    /// Names in directories that are not synced: with what was there before, if a file was.
    names: BTreeMap<PathBuf, Option<Vec<u8>>>,
    /// Directories whose rename is not synced: the new name, and the old one.
    folders: BTreeMap<PathBuf, PathBuf>,
    /// Files whose content is not synced, and how much of it is.
    contents: BTreeMap<PathBuf, u64>,
    /// Errors to return instead of making a step, by the number of the step.
    faults: BTreeMap<u64, i32>,
}

impl Crash {
    /// A crash after a number of steps.
    pub(crate) fn after(steps: u64) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Disk {
            crash_after: steps,
            ..Disk::default()
        })))
    }

    /// No crash.
    pub(crate) fn never() -> Arc<Self> {
        Self::after(u64::MAX)
    }

    pub(crate) fn gate(self: &Arc<Self>) -> Gate {
        Gate(Some(Arc::clone(self)))
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.0.lock().unwrap().is_dead
    }

    /// Lets the next step fail with an error of the system.
    pub(crate) fn fail_next(&self, errno: nix::errno::Errno) {
        self.fail_after(0, errno);
    }

    /// Lets a step fail with an error of the system, after some that do not.
    pub(crate) fn fail_after(&self, steps: u64, errno: nix::errno::Errno) {
        let mut disk = self.0.lock().unwrap();
        let step = disk.steps + steps + 1;
        disk.faults.insert(step, errno as i32);
    }

    /// The process is dead from here on.
    pub(crate) fn kill(&self) {
        self.0.lock().unwrap().is_dead = true;
    }

    /// Loses what was not synced: all of it, none, or some, as the seed says.
    pub(crate) fn cut_power(&self, seed: u64) {
        let mut random = Random(seed);
        let mut disk = self.0.lock().unwrap();
        for (path, durable) in std::mem::take(&mut disk.contents) {
            let Ok(file) = std::fs::OpenOptions::new().write(true).open(&path) else {
                continue;
            };
            let length = file.metadata().unwrap().len();
            let kept = durable + random.below(length.saturating_sub(durable) + 1);
            file.set_len(kept.min(length)).unwrap();
        }
        for (path, before) in std::mem::take(&mut disk.names) {
            if random.below(2) == 0 {
                continue;
            }
            match before {
                Some(bytes) => std::fs::write(&path, bytes).unwrap(),
                None if path.is_dir() => drop(std::fs::remove_dir(&path)),
                None => drop(std::fs::remove_file(&path)),
            }
        }
        for (to, from) in std::mem::take(&mut disk.folders) {
            if random.below(2) == 0 {
                drop(std::fs::rename(to, from));
            }
        }
    }
}

impl Gate {
    fn with(&self, change: impl FnOnce(&mut Disk)) {
        if let Some(crash) = &self.0 {
            // A step that began before the crash is made, although another thread met the crash meanwhile.
            change(&mut crash.0.lock().unwrap());
        }
    }

    pub(crate) fn step(&self) -> io::Result<()> {
        let Some(crash) = &self.0 else { return Ok(()) };
        let mut disk = crash.0.lock().unwrap();
        disk.steps += u64::from(!disk.is_dead);
        disk.is_dead |= disk.steps > disk.crash_after;
        let step = disk.steps;
        match (disk.is_dead, disk.faults.remove(&step)) {
            (true, _) => Err(io::Error::other("crashed")),
            (false, Some(errno)) => Err(io::Error::from_raw_os_error(errno)),
            (false, None) => Ok(()),
        }
    }

    pub(crate) fn alive(&self) -> io::Result<()> {
        match self.0.as_ref().is_some_and(|crash| crash.is_dead()) {
            true => Err(io::Error::other("crashed")),
            false => Ok(()),
        }
    }

    pub(crate) fn syncs(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn named(&self, path: &Path) {
        self.with(|disk| {
            disk.names.entry(path.to_owned()).or_insert(None);
        });
    }

    pub(crate) fn renaming(&self, from: &Path, to: &Path) {
        self.with(|disk| {
            if from.is_dir() {
                disk.folders.insert(to.to_owned(), from.to_owned());
                return;
            }
            disk.names.remove(from);
            let before = std::fs::read(to).ok();
            disk.names.entry(to.to_owned()).or_insert(before);
            if let Some(durable) = disk.contents.remove(from) {
                disk.contents.insert(to.to_owned(), durable);
            }
        });
    }

    pub(crate) fn gone(&self, path: &Path) {
        self.with(|disk| {
            disk.names.remove(path);
            disk.contents.remove(path);
        });
    }

    pub(crate) fn changed(&self, path: &Path, durable: u64) {
        self.with(|disk| {
            let kept = disk.contents.entry(path.to_owned()).or_insert(durable);
            *kept = durable.min(*kept);
        });
    }

    pub(crate) fn synced(&self, path: &Path) {
        self.with(|disk| {
            disk.contents.remove(path);
        });
    }

    pub(crate) fn synced_folder(&self, folder: &Path) {
        self.with(|disk| {
            disk.names.retain(|path, _| path.parent() != Some(folder));
            disk.folders.retain(|path, _| path.parent() != Some(folder));
        });
    }
}

/// Numbers from a seed (SplitMix64).
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}
