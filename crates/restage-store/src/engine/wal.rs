//! Checks SQLite's write-ahead log before SQLite reads it. After a crash SQLite applies the log up to the first frame
//! whose checksum is wrong and silently drops the rest, whether that is an unfinished write or a damaged byte in the
//! middle.
//!
//! The format is that of <https://www.sqlite.org/fileformat2.html#walformat>.

use std::fs::File;
use std::io::{BufReader, Read, Result, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::sqlite::log_path;
use crate::config::SqliteSync;
use crate::error::StoreError;
use crate::system::{clock, files};

const HEADER_LEN: usize = 32;
const FRAME_HEADER_LEN: usize = 24;
/// The lowest bit gives the byte order of the words in checksums.
const MAGIC: u32 = 0x377f_0682;
/// Offset of the page size in a database file, big-endian; 1 means 65,536.
const PAGE_SIZE_AT: u64 = 16;
const PAGE_LEN_MAX: usize = 65_536;
/// A power cut may leave one commit unfinished, which was not acknowledged. If more commits follow the damaged place,
/// some of them were acknowledged.
const UNFINISHED_COMMITS_MAX: u64 = 1;
/// Most starts on a damaged log within a second, each of which keeps a copy.
const KEPT_PER_SECOND_MAX: u32 = 100;

/// A damaged place beyond which SQLite will not read, with data behind it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Damage {
    /// Its offset in bytes.
    at: u64,
    /// Number of complete commits behind it, including that of the damaged transaction itself.
    commits: u64,
    /// Whether the damaged frame ends a transaction. Then any complete commit behind it belongs to another
    /// transaction, which began after the damaged one was acknowledged.
    is_commit: bool,
}

/// Checks the log of a database that nobody has open. A loss is refused, unless `accepted`: then the log is
/// copied, and truncated at the damage, so that later writes do not look damaged at the next start.
pub(super) fn check(
    path: &Path,
    sync: SqliteSync,
    accepted: bool,
) -> std::result::Result<(), StoreError> {
    let log = log_path(path);
    let failed = |error: std::io::Error| StoreError::Open {
        database: path.display().to_string(),
        reason: format!("its log cannot be read: {error}"),
    };
    let Some(damage) = inspect(path, &log).map_err(failed)? else {
        return Ok(());
    };
    let Damage {
        at,
        commits,
        is_commit,
    } = damage;
    // With `normal`, commits do not wait for the disk, so a power cut may leave several unfinished.
    let is_loss = (is_commit || commits > UNFINISHED_COMMITS_MAX) && sync == SqliteSync::Full;
    if is_loss && !accepted {
        return Err(StoreError::DamagedLog {
            log: log.display().to_string(),
            at,
            changes: commits,
        });
    }
    let kept = keep(&log).map_err(failed)?;
    let cut = File::options().write(true).open(&log);
    cut.and_then(|log| log.set_len(at).and_then(|()| log.sync_all()))
        .map_err(failed)?;
    tracing::error!(
        log = %log.display(), at, commits, kept = %kept.display(),
        "the log of the last run is damaged: it is applied up to there, and kept"
    );
    Ok(())
}

/// Copies a log durably to a new file beside it.
fn keep(log: &Path) -> Result<PathBuf> {
    let second = clock::now().0 / 1_000_000;
    for number in 0..KEPT_PER_SECOND_MAX {
        let mut name = log.as_os_str().to_owned();
        name.push(match number {
            0 => format!(".damaged-{second}"),
            _ => format!(".damaged-{second}-{number}"),
        });
        let kept = PathBuf::from(name);
        let mut copy = match File::options().write(true).create_new(true).open(&kept) {
            Ok(copy) => copy,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(error),
        };
        let mut from = File::open(log)?;
        copy.set_permissions(from.metadata()?.permissions())?;
        std::io::copy(&mut from, &mut copy)?;
        copy.sync_all()?;
        files::sync_folder_of(&kept)?;
        return Ok(kept);
    }
    Err(std::io::Error::other(
        "too many copies of damaged logs were made within a second",
    ))
}

/// The first damaged place, if complete commits follow it.
fn inspect(path: &Path, log: &Path) -> Result<Option<Damage>> {
    let file = match File::open(log) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut header = [0; HEADER_LEN];
    if !fill(&mut reader, &mut header)? {
        return Ok(None);
    }
    let order = match word(&header, 0) {
        MAGIC => Order::Little,
        _ => Order::Big,
    };
    let sum = order.sum((0, 0), &header[..24]);
    let is_whole = word(&header, 0) & !1 == MAGIC && sum == stored(&header, 24);
    let page_len = match page_len(path)? {
        Some(len) => len,
        None if is_whole => word(&header, 8) as usize,
        None => return Ok(None),
    };
    if !page_len.is_power_of_two() || !(512..=PAGE_LEN_MAX).contains(&page_len) {
        return Ok(None);
    }
    // A damaged header gives neither byte order nor salt; the frames do.
    let salt = is_whole.then(|| stored(&header, 16));
    if is_whole {
        return Scan::new(order, page_len, sum, salt).run(&mut reader);
    }
    for order in [Order::Little, Order::Big] {
        reader.seek(SeekFrom::Start(HEADER_LEN as u64))?;
        let mut scan = Scan::new(order, page_len, sum, salt);
        scan.damaged_at = Some(0);
        if let Some(damage) = scan.run(&mut reader)? {
            return Ok(Some(damage));
        }
    }
    Ok(None)
}

struct Scan {
    order: Order,
    page_len: usize,
    /// The checksum up to this frame, as stored in the frame before.
    chain: (u32, u32),
    /// The salt of all frames of the current round through the file; that of the first frame if the header is damaged.
    salt: Option<(u32, u32)>,
    damaged_at: Option<u64>,
    is_commit: bool,
    commits: u64,
}

impl Scan {
    const fn new(
        order: Order,
        page_len: usize,
        chain: (u32, u32),
        salt: Option<(u32, u32)>,
    ) -> Self {
        Self {
            order,
            page_len,
            chain,
            salt,
            damaged_at: None,
            is_commit: false,
            commits: 0,
        }
    }

    fn run(mut self, reader: &mut impl Read) -> Result<Option<Damage>> {
        let mut frame = vec![0; FRAME_HEADER_LEN + self.page_len];
        let mut at = HEADER_LEN as u64;
        while fill(reader, &mut frame)? {
            self.take(&frame, at);
            at += frame.len() as u64;
        }
        let damage = self.damaged_at.map(|at| Damage {
            at,
            commits: self.commits,
            is_commit: self.is_commit,
        });
        Ok(damage.filter(|damage| damage.commits > 0))
    }

    /// Processes a frame. Behind a damaged frame, the next one is checked against the checksum stored in the damaged
    /// frame: if only a byte of its page was changed, that checksum is still correct.
    fn take(&mut self, frame: &[u8], at: u64) {
        let (head, page) = frame.split_at(FRAME_HEADER_LEN);
        let sum = self.order.sum(self.order.sum(self.chain, &head[..8]), page);
        let said = stored(head, 16);
        let salt = *self.salt.get_or_insert_with(|| stored(head, 8));
        let is_whole = sum == said && stored(head, 8) == salt;
        self.chain = said;
        match self.damaged_at {
            None if !is_whole => {
                self.damaged_at = Some(at);
                // Only if the frame belongs to the current round through the file; an older one is irrelevant.
                self.is_commit = word(head, 4) != 0 && stored(head, 8) == salt;
            }
            Some(_) if is_whole && word(head, 4) != 0 => self.commits += 1,
            _ => {}
        }
    }
}

#[derive(Clone, Copy)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn sum(self, (mut a, mut b): (u32, u32), bytes: &[u8]) -> (u32, u32) {
        for pair in bytes.chunks_exact(8) {
            let (x, y) = match self {
                Self::Little => (
                    u32::from_le_bytes([pair[0], pair[1], pair[2], pair[3]]),
                    u32::from_le_bytes([pair[4], pair[5], pair[6], pair[7]]),
                ),
                Self::Big => (word(pair, 0), word(pair, 4)),
            };
            a = a.wrapping_add(x).wrapping_add(b);
            b = b.wrapping_add(y).wrapping_add(a);
        }
        (a, b)
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn stored(bytes: &[u8], at: usize) -> (u32, u32) {
    (word(bytes, at), word(bytes, at + 4))
}

/// The page size in the header of a database file, if the file is long enough.
fn page_len(path: &Path) -> Result<Option<usize>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut said = [0; 2];
    file.seek(SeekFrom::Start(PAGE_SIZE_AT))?;
    if !fill(&mut file, &mut said)? {
        return Ok(None);
    }
    Ok(Some(match u16::from_be_bytes(said) {
        1 => PAGE_LEN_MAX,
        len => usize::from(len),
    }))
}

/// Fills the buffer; false if the file ended before.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> Result<bool> {
    match reader.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    const COMMITS: u64 = 6;

    /// A database and its log as a crash leaves them, with some commits in the log.
    fn crashed(dir: &Path) -> (PathBuf, PathBuf, Vec<u8>) {
        let (live, path) = (dir.join("live.db"), dir.join("restage.db"));
        let connection = rusqlite::Connection::open(&live).unwrap();
        connection
            .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (x TEXT); PRAGMA wal_checkpoint(TRUNCATE);")
            .unwrap();
        for number in 0..COMMITS {
            let text = format!("{number}").repeat(6_000);
            connection
                .execute("INSERT INTO t VALUES (?1)", [text])
                .unwrap();
        }
        std::fs::copy(&live, &path).unwrap();
        let log = log_path(&path);
        std::fs::copy(log_path(&live), &log).unwrap();
        let bytes = std::fs::read(&log).unwrap();
        (path, log, bytes)
    }

    #[test]
    fn a_log_that_is_whole_or_ends_unfinished_is_no_damage() {
        let dir = tempfile::tempdir().unwrap();
        let (path, log, bytes) = crashed(dir.path());
        assert_eq!(inspect(&path, &log).unwrap(), None);
        for cut in [
            0,
            10,
            HEADER_LEN,
            HEADER_LEN + 100,
            bytes.len() - 1,
            bytes.len() - 5_000,
        ] {
            std::fs::write(&log, &bytes[..cut]).unwrap();
            assert_eq!(inspect(&path, &log).unwrap(), None, "cut at {cut}");
        }
        std::fs::remove_file(&log).unwrap();
        assert_eq!(inspect(&path, &log).unwrap(), None);
    }

    #[test]
    fn a_changed_byte_anywhere_is_found_with_what_it_hides() {
        let dir = tempfile::tempdir().unwrap();
        let (path, log, bytes) = crashed(dir.path());
        let frame = FRAME_HEADER_LEN + page_len(&path).unwrap().unwrap();
        // In the header; in the first frame's page, its checksum, its salt; in the second frame.
        let places = [
            0,
            9,
            17,
            25,
            HEADER_LEN + 4_000,
            HEADER_LEN + 17,
            HEADER_LEN + 9,
            HEADER_LEN + frame + 2_000,
        ];
        for place in places {
            let mut damaged = bytes.clone();
            damaged[place] ^= 0x40;
            std::fs::write(&log, &damaged).unwrap();
            let found = inspect(&path, &log).unwrap();
            let found = found.unwrap_or_else(|| panic!("byte {place}"));
            assert!(
                found.at <= place as u64 && found.commits >= COMMITS - 1,
                "byte {place}: {found:?}"
            );
            let refused = check(&path, SqliteSync::Full, false).unwrap_err();
            assert!(
                refused.to_string().contains("--accept-data-loss"),
                "{refused}"
            );
        }
    }

    #[test]
    fn what_is_accepted_is_kept_aside_and_one_unfinished_commit_is_no_reason_to_refuse() {
        let dir = tempfile::tempdir().unwrap();
        let (path, log, bytes) = crashed(dir.path());
        let kept = || {
            let names = std::fs::read_dir(dir.path()).unwrap();
            let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            names.filter(|name| name.contains(".damaged-")).count()
        };
        let mut damaged = bytes.clone();
        damaged[HEADER_LEN + 4_000] ^= 1;
        std::fs::write(&log, &damaged).unwrap();
        check(&path, SqliteSync::Full, true).unwrap();
        assert_eq!(kept(), 1);
        // Of the last transaction, as a power cut leaves it, all but its first frame.
        let mut torn = bytes.clone();
        let frame = FRAME_HEADER_LEN + page_len(&path).unwrap().unwrap();
        let frames = (bytes.len() - HEADER_LEN) / frame;
        let is_commit = |number: &usize| word(&bytes, HEADER_LEN + number * frame + 4) != 0;
        let before_last = (0..frames - 1).rev().find(is_commit).unwrap();
        let first = HEADER_LEN + (before_last + 1) * frame;
        torn[first..first + frame].fill(0);
        std::fs::write(&log, &torn).unwrap();
        check(&path, SqliteSync::Full, false).unwrap();
    }
}
