//! Directories and files by handle. Below the directory that was opened first, no symbolic link is followed, so that nobody
//! who plants one leads a write or a read elsewhere. A file is written beside its place, synced, renamed into place, and then
//! its directory is synced, because a rename is not durable before that.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat, renameat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use crate::gate::Gate;

/// How deep folders are removed that somebody else put into one of ours.
const REMOVAL_DEPTH_MAX: usize = 8;

/// Who may read what is made in a folder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Access {
    /// The server's user only.
    Private,
    /// Also the group, so that another program can serve or copy the files.
    Group,
}

impl Access {
    fn of_folder(self) -> u32 {
        match self {
            Self::Private => 0o700,
            Self::Group => 0o750,
        }
    }

    fn of_file(self) -> Mode {
        match self {
            Self::Private => Mode::S_IRUSR | Mode::S_IWUSR,
            Self::Group => Mode::S_IRUSR | Mode::S_IWUSR | Mode::S_IRGRP,
        }
    }
}

/// An open directory.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    handle: Arc<OwnedFd>,
    /// For messages, and for tests. Nothing is opened by it.
    path: PathBuf,
    access: Access,
    gate: Gate,
}

impl Folder {
    /// Opens a directory. Symbolic links in `path` are followed: an operator may have put one there.
    pub(crate) fn open(path: &Path, access: Access, gate: Gate) -> io::Result<Self> {
        let handle = open(path, OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
        Ok(Self {
            handle: Arc::new(handle),
            path: path.to_owned(),
            access,
            gate,
        })
    }

    /// Opens a directory, and makes it if it is missing.
    pub(crate) fn open_or_make(path: &Path, access: Access, gate: Gate) -> io::Result<Self> {
        match Self::open(path, access, gate.clone()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                std::fs::DirBuilder::new()
                    .recursive(true)
                    .mode(access.of_folder())
                    .create(path)?;
                if let Some(parent) = path
                    .parent()
                    .filter(|parent| !parent.as_os_str().is_empty())
                {
                    File::open(parent)?.sync_all()?;
                }
                Self::open(path, access, gate)
            }
            opened => opened,
        }
    }

    /// Where the directory was when it was opened.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a directory in this one.
    pub(crate) fn subfolder(&self, name: &str) -> io::Result<Self> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let handle = openat(self.handle.as_fd(), name, flags, Mode::empty())?;
        Ok(Self {
            handle: Arc::new(handle),
            path: self.path.join(name),
            access: self.access,
            gate: self.gate.clone(),
        })
    }

    /// Opens a directory in this one, and makes it if it is missing.
    pub(crate) fn subfolder_or_make(&self, name: &str) -> io::Result<Self> {
        match self.subfolder(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.gate.step()?;
                let mode = Mode::from_bits_truncate(self.access.of_folder());
                match mkdirat(self.handle.as_fd(), name, mode) {
                    Ok(()) => self.gate.named(&self.path.join(name)),
                    Err(Errno::EEXIST) => {}
                    Err(error) => return Err(error.into()),
                }
                self.sync()?;
                self.subfolder(name)
            }
            opened => opened,
        }
    }

    /// Writes a file atomically and durably, and replaces one of that name. Another call for the same name must not run at
    /// the same time.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let beside = format!(".{name}.new");
        let written = self.write_beside(&beside, bytes).and_then(|()| {
            self.gate.step()?;
            self.gate
                .renaming(&self.path.join(&beside), &self.path.join(name));
            renameat(self.handle.as_fd(), &*beside, self.handle.as_fd(), name)?;
            self.sync()
        });
        if written.is_err() {
            // What there was room for is of no use to anybody. If it cannot be removed, the next write of this name does it.
            let _ = self.unlink(&beside);
        }
        written
    }

    fn write_beside(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.unlink(name)?;
        self.gate.step()?;
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
        let mode = self.access.of_file();
        let handle = openat(self.handle.as_fd(), name, flags | OFlag::O_CLOEXEC, mode)?;
        let path = self.path.join(name);
        self.gate.named(&path);
        let mut file = File::from(handle);
        self.gate.changed(&path, 0);
        file.write_all(bytes)?;
        self.gate.step()?;
        if self.gate.syncs() {
            file.sync_all()?;
        }
        self.gate.synced(&path);
        Ok(())
    }

    /// Opens a file to append to, and makes it if it is missing.
    pub(crate) fn append(&self, name: &str) -> io::Result<Appender> {
        self.gate.step()?;
        let flags = OFlag::O_RDWR
            | OFlag::O_CREAT
            | OFlag::O_NOFOLLOW
            | OFlag::O_CLOEXEC
            | OFlag::O_NONBLOCK;
        let handle = openat(self.handle.as_fd(), name, flags, self.access.of_file())?;
        let file = regular(File::from(handle))?;
        self.sync()?;
        let length = file.metadata()?.len();
        Ok(Appender {
            file,
            length,
            is_torn: false,
            path: self.path.join(name),
            gate: self.gate.clone(),
        })
    }

    /// Opens a file that is there to be locked, and makes it if it is missing.
    pub(crate) fn lock_file(&self, name: &str) -> io::Result<File> {
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let flags = flags | OFlag::O_NONBLOCK;
        let handle = openat(self.handle.as_fd(), name, flags, self.access.of_file())?;
        regular(File::from(handle))
    }

    /// Opens a file for reading. Only a regular file is opened.
    pub(crate) fn open_file(&self, name: &str) -> io::Result<File> {
        self.gate.alive()?;
        // Without O_NONBLOCK, opening a FIFO that somebody planted would wait for its other end.
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let handle = openat(self.handle.as_fd(), name, flags, Mode::empty())?;
        regular(File::from(handle))
    }

    /// Reads a whole file of at most `max` bytes.
    pub(crate) fn read(&self, name: &str, max: u64) -> io::Result<Vec<u8>> {
        let file = self.open_file(name)?;
        let length = file.metadata()?.len();
        if length > max {
            let text = format!("{name} has {length} bytes, more than {max}");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
        file.take(max).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Removes a file or a symbolic link. A missing one is fine.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        self.gate.step()?;
        self.unlink(name)
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        self.gate.alive()?;
        match unlinkat(self.handle.as_fd(), name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) => {
                self.gate.gone(&self.path.join(name));
                Ok(())
            }
            Err(Errno::ENOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Renames a directory in this one, durably.
    pub(crate) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.gate.step()?;
        self.gate
            .renaming(&self.path.join(from), &self.path.join(to));
        renameat(self.handle.as_fd(), from, self.handle.as_fd(), to)?;
        self.sync()
    }

    /// Removes a directory in this one with all that it contains. Symbolic links are removed, not followed.
    pub(crate) fn remove_folder(&self, name: &str) -> io::Result<()> {
        self.remove_below(name, 0)
    }

    fn remove_below(&self, name: &str, depth: usize) -> io::Result<()> {
        if depth == REMOVAL_DEPTH_MAX {
            return Err(io::Error::other("the folder is too deep to be removed"));
        }
        let folder = match self.subfolder(name) {
            Ok(folder) => folder,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for inner in folder.names()? {
            match folder.remove(&inner) {
                Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
                    folder.remove_below(&inner, depth + 1)?;
                }
                removed => removed?,
            }
        }
        self.gate.step()?;
        unlinkat(self.handle.as_fd(), name, UnlinkatFlags::RemoveDir)?;
        self.gate.gone(&self.path.join(name));
        Ok(())
    }

    /// The names in this directory, in order. Names that are not UTF-8 are left out: none of ours are.
    pub(crate) fn names(&self) -> io::Result<Vec<String>> {
        self.gate.alive()?;
        let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut dir = Dir::openat(self.handle.as_fd(), ".", flags, Mode::empty())?;
        let mut names = Vec::new();
        for entry in dir.iter() {
            let entry = entry?;
            if let Ok(name) = entry.file_name().to_str()
                && name != "."
                && name != ".."
            {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Makes what was made, renamed and removed in this directory durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.gate.step()?;
        if self.gate.syncs() {
            nix::unistd::fsync(self.handle.as_fd())?;
        }
        self.gate.synced_folder(&self.path);
        Ok(())
    }

    /// Bytes that the file system has left for this user.
    pub(crate) fn free_bytes(&self) -> io::Result<u64> {
        let stat = nix::sys::statvfs::fstatvfs(self.handle.as_fd())?;
        Ok(stat.blocks_available().saturating_mul(stat.fragment_size()))
    }
}

/// Refuses what is not a regular file.
fn regular(file: File) -> io::Result<File> {
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "what is there is not a regular file",
        )),
    }
}

/// When the content of an open file was last changed, in seconds since the epoch.
pub(crate) fn changed_at_s(file: &File) -> io::Result<u64> {
    Ok(u64::try_from(file.metadata()?.mtime()).unwrap_or_default())
}

/// A file to which lines are appended. A line that could not be written whole is cut off again, so that a good line never
/// follows half of another.
#[derive(Debug)]
pub(crate) struct Appender {
    file: File,
    /// Bytes that are durable.
    length: u64,
    /// Half a line may be there.
    is_torn: bool,
    path: PathBuf,
    gate: Gate,
}

impl Appender {
    /// Cuts off what follows the first `length` bytes.
    pub(crate) fn cut(&mut self, length: u64) -> io::Result<()> {
        self.gate.step()?;
        self.gate.changed(&self.path, length.min(self.length));
        self.file.set_len(length)?;
        if self.gate.syncs() {
            self.file.sync_all()?;
        }
        self.gate.synced(&self.path);
        self.length = length;
        self.is_torn = false;
        Ok(())
    }

    /// Appends bytes and waits until they are durable.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.is_torn {
            self.cut(self.length)?;
        }
        let appended = self.write(bytes);
        if appended.is_err() {
            self.is_torn = true;
            // If this fails, the next append tries it again, and a reader of the file sees a torn last line.
            let _ = self.cut(self.length);
        }
        appended
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        use std::os::unix::fs::FileExt as _;
        self.gate.step()?;
        self.gate.changed(&self.path, self.length);
        self.file.write_all_at(bytes, self.length)?;
        self.gate.step()?;
        if self.gate.syncs() {
            self.file.sync_data()?;
        }
        self.gate.synced(&self.path);
        self.length += bytes.len() as u64;
        Ok(())
    }
}
