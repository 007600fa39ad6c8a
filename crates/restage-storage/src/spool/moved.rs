//! Recordings that wait in a spool for a bucket that is in another place than when they began. For `restage doctor`: nothing is changed, and a
//! server may be using the spool.

use std::path::Path;

use restage_record::journal::{self, JOURNAL_BYTES_MAX, Line};

use crate::bucket::{BucketPlace, StorageSettings};
use crate::folder::{Access, Folder};
use crate::gate::Gate;

use super::Destination;
use super::job::JOURNAL;

/// The ids of these recordings, and where each was begun. A spool or a folder that cannot be read has none.
pub fn moved(spool: &Path, settings: &StorageSettings) -> Vec<(String, BucketPlace)> {
    let Ok(spool) = Folder::open(spool, Access::Private, Gate::default()) else {
        return Vec::new();
    };
    let names = spool.names().unwrap_or_default().into_iter();
    let place = |name: String| {
        let folder = spool.subfolder(&name).ok()?;
        let (goes, place) = Destination::read(&folder).ok()?;
        let now = BucketPlace::of(settings, &goes.account, &goes.region);
        let place = place.filter(|place| *place != now)?;
        has_uploads(&folder).then_some((name, place))
    };
    names.filter_map(place).collect()
}

fn has_uploads(folder: &Folder) -> bool {
    let bytes = folder.read(JOURNAL, JOURNAL_BYTES_MAX as u64);
    let read = journal::parse(&bytes.unwrap_or_default());
    let mut lines = read.lines.iter();
    lines.any(|line| matches!(line, Line::Uploaded { .. }))
}
