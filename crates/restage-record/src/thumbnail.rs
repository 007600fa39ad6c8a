//! Which thumbnails a recording has, when, and under which names.

use crate::document::{LATEST_THUMBNAIL_PATH, THUMBNAILS_PATH};
use crate::journal::{Journal, Line};
use crate::playlist::RENDITION;

/// The shortest and the longest time between two thumbnails, in seconds (`targetIntervalSeconds`).
pub const INTERVAL_SECONDS_MIN: u32 = 1;
/// See [`INTERVAL_SECONDS_MIN`].
pub const INTERVAL_SECONDS_MAX: u32 = 86_400;
/// Name of the newest thumbnail in its rendition's folder.
const LATEST_NAME: &str = "thumb.jpg";
const SUFFIX: &str = ".jpg";

/// Which files a thumbnail becomes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ThumbnailStorage {
    /// One with a number for each (`SEQUENTIAL`).
    pub sequential: bool,
    /// One that is overwritten by each (`LATEST`).
    pub latest: bool,
}

/// When the next thumbnail is wanted. The first is wanted at once; the others are an interval apart, counted from the first picture, and
/// those that nobody could take are left out.
///
/// Times are microseconds of the server's steady clock.
#[derive(Debug, Clone)]
pub struct ThumbnailSchedule {
    storage: ThumbnailStorage,
    interval_us: u64,
    due_us: u64,
    next_number: u64,
}

impl ThumbnailSchedule {
    /// A schedule that goes on where a journal ends. An interval outside [`INTERVAL_SECONDS_MIN`] to [`INTERVAL_SECONDS_MAX`] counts as
    /// the nearest inside. `None` if no file is wanted.
    pub fn new(
        storage: ThumbnailStorage,
        interval_seconds: u32,
        journal: &Journal,
    ) -> Option<Self> {
        let seconds = interval_seconds.clamp(INTERVAL_SECONDS_MIN, INTERVAL_SECONDS_MAX);
        (storage.sequential || storage.latest).then(|| Self {
            storage,
            interval_us: u64::from(seconds) * 1_000_000,
            due_us: 0,
            next_number: last_number(journal).saturating_add(1),
        })
    }

    /// Whether the next key frame is wanted.
    pub fn is_due(&self, now_us: u64) -> bool {
        now_us >= self.due_us
    }

    /// A key frame was taken, whatever becomes of it.
    pub fn taken(&mut self, now_us: u64) {
        let since = now_us.saturating_sub(self.due_us);
        self.due_us = match self.due_us {
            0 => now_us.saturating_add(self.interval_us),
            due => due.saturating_add((since / self.interval_us + 1) * self.interval_us),
        };
    }

    /// Where the next thumbnail goes: paths below the recording's prefix.
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        if self.storage.sequential {
            paths.push(sequential_path(self.next_number));
        }
        if self.storage.latest {
            paths.push(format!("{LATEST_THUMBNAIL_PATH}/{RENDITION}/{LATEST_NAME}"));
        }
        paths
    }

    /// A thumbnail was made for these paths. The next one has the next number.
    pub fn kept(&mut self) {
        self.next_number = self.next_number.saturating_add(1);
    }
}

fn sequential_path(number: u64) -> String {
    format!("{THUMBNAILS_PATH}/{RENDITION}/{number}{SUFFIX}")
}

/// The highest number of a thumbnail; 0 if there is none.
fn last_number(journal: &Journal) -> u64 {
    let numbers = journal.lines.iter().filter_map(|line| match line {
        Line::File { path, .. } => path
            .strip_prefix(THUMBNAILS_PATH)?
            .strip_prefix('/')?
            .strip_prefix(RENDITION)?
            .strip_prefix('/')?
            .strip_suffix(SUFFIX)?
            .parse()
            .ok(),
        _ => None,
    });
    numbers.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: ThumbnailStorage = ThumbnailStorage {
        sequential: true,
        latest: true,
    };
    const SECOND: u64 = 1_000_000;

    fn journal(paths: &[&str]) -> Journal {
        let lines = paths.iter().map(|path| Line::File {
            path: (*path).to_owned(),
            bytes: 1,
            crc32: None,
        });
        Journal {
            lines: lines.collect(),
            ..Journal::default()
        }
    }

    fn schedule(interval_seconds: u32) -> ThumbnailSchedule {
        ThumbnailSchedule::new(BOTH, interval_seconds, &Journal::default()).unwrap()
    }

    #[test]
    fn the_first_key_frame_is_wanted_and_then_one_in_each_interval() {
        let mut schedule = schedule(60);
        assert!(schedule.is_due(500 * SECOND));
        schedule.taken(500 * SECOND);
        assert!(!schedule.is_due(560 * SECOND - 1));
        assert!(schedule.is_due(560 * SECOND));
        // A key frame came late: the one after it is due as if it had not.
        schedule.taken(565 * SECOND);
        assert!(!schedule.is_due(620 * SECOND - 1) && schedule.is_due(620 * SECOND));
        // A publisher that was away for three intervals has no thumbnails of them.
        schedule.taken(801 * SECOND);
        assert!(!schedule.is_due(860 * SECOND - 1) && schedule.is_due(860 * SECOND));
    }

    #[test]
    fn intervals_have_bounds() {
        let due_after = |interval_seconds| {
            let mut schedule = schedule(interval_seconds);
            schedule.taken(SECOND);
            schedule.due_us - SECOND
        };
        assert_eq!(due_after(0), SECOND);
        assert_eq!(due_after(u32::MAX), 86_400 * SECOND);
        let mut schedule = schedule(86_400);
        schedule.taken(u64::MAX);
        schedule.taken(u64::MAX);
        assert!(schedule.is_due(u64::MAX));
    }

    #[test]
    fn files_are_named_as_the_service_names_them() {
        let mut schedule = schedule(60);
        let latest = "media/latest_thumbnail/high/thumb.jpg";
        assert_eq!(schedule.paths(), ["media/thumbnails/high/1.jpg", latest]);
        // One that could not be made leaves no gap.
        assert_eq!(schedule.paths(), ["media/thumbnails/high/1.jpg", latest]);
        schedule.kept();
        assert_eq!(schedule.paths(), ["media/thumbnails/high/2.jpg", latest]);
        let only = |sequential, latest| ThumbnailStorage { sequential, latest };
        let paths = |storage| {
            let schedule = ThumbnailSchedule::new(storage, 60, &Journal::default());
            schedule.map(|schedule| schedule.paths())
        };
        assert_eq!(
            paths(only(true, false)).unwrap(),
            ["media/thumbnails/high/1.jpg"]
        );
        assert_eq!(paths(only(false, true)).unwrap(), [latest]);
        assert_eq!(paths(only(false, false)), None);
    }

    #[test]
    fn numbers_go_on_after_what_the_journal_has() {
        let journal = journal(&[
            "media/thumbnails/high/1.jpg",
            "media/thumbnails/high/12.jpg",
            "media/thumbnails/high/3.jpg",
            "media/latest_thumbnail/high/thumb.jpg",
            "media/thumbnails/high/x.jpg",
            "media/thumbnails/99.jpg",
            "events/recording-started.json",
        ]);
        let schedule = ThumbnailSchedule::new(BOTH, 60, &journal).unwrap();
        assert_eq!(schedule.paths()[0], "media/thumbnails/high/13.jpg");
    }
}
