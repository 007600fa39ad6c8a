//! What tests of this crate share: a recording with known bytes, a folder as its bucket, and a judge of what arrived there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use restage_record::journal::{InitEntry, PictureEntry, SegmentEntry};
use restage_record::{Init, MediaTypes, Segment};

use super::crash::Crash;
use crate::bucket::Backend;
use crate::gate::Gate;
use crate::upload::{Pace, UploadHandle, uploader};
use crate::{
    Buckets, Destination, Finished, Spool, SpoolBounds, SpoolError, SpoolWriter, StorageSettings,
    UploadSettings,
};

pub(crate) const ID: &str = "rec-1";
/// The id of a spool that has none.
pub(crate) const FRESH: &str = "spool-1";
pub(crate) const PREFIX: &str = "stage/st-1/part/2026-10-02T09-12-40Z";
pub(crate) const BUCKET: &str = "recordings";
pub(crate) const START_US: i64 = 1_790_932_360_118_000;
pub(crate) const SEGMENT_US: u64 = 6_000_000;
/// Longest wait of a test for a state.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) fn destination() -> Destination {
    to_bucket(BUCKET)
}

pub(crate) fn to_bucket(bucket: &str) -> Destination {
    Destination {
        account: "000000000000".into(),
        region: "eu-west-1".into(),
        bucket: bucket.into(),
        prefix: PREFIX.into(),
        stage_arn: "arn:aws:ivs:eu-west-1:000000000000:stage/stage".into(),
        session: "st-1".into(),
        participant: "part".into(),
        media_types: MediaTypes::AudioVideo,
        segment_seconds: 6,
        has_thumbnails: true,
        has_latest_thumbnail: false,
        composite: None,
    }
}

fn bytes_of(name: &str, count: usize) -> Vec<u8> {
    name.bytes().cycle().take(count).collect()
}

pub(crate) fn init(number: u64) -> Init {
    let bytes = bytes_of(&format!("init {number} "), 700);
    Init {
        entry: InitEntry {
            number,
            bytes: bytes.len() as u64,
            codecs: vec!["avc1.42c01f".into(), "opus".into()],
            picture: Some(PictureEntry {
                width: 1_280,
                height: 720,
            }),
            crc32: None,
        },
        bytes,
    }
}

pub(crate) fn segment(number: u64, init: u64, discontinuity: bool) -> Segment {
    let bytes = bytes_of(
        &format!("segment {number} "),
        3_000 + usize::try_from(number).unwrap(),
    );
    let is_told = number == 0 || discontinuity;
    Segment {
        entry: SegmentEntry {
            number,
            init,
            discontinuity,
            program_date_time_us: is_told.then(|| START_US + (number * SEGMENT_US) as i64),
            duration_us: SEGMENT_US,
            bytes: bytes.len() as u64,
            independent: true,
            pictures: 180,
            crc32: None,
        },
        bytes,
    }
}

/// Upload settings that do not make a test wait.
pub(crate) fn quick(seed: u64) -> UploadSettings {
    UploadSettings {
        pace: Pace {
            first: Duration::from_millis(2),
            max: Duration::from_millis(20),
        },
        playlist_interval: Duration::from_millis(1),
        seed,
    }
}

/// How long a spool may be in use that an ended uploader had.
const IN_USE_MAX: Duration = Duration::from_secs(30);

/// A directory with a spool and folder buckets.
pub(crate) struct Place {
    pub(crate) dir: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn spool_path(&self) -> PathBuf {
        self.dir.path().join("spool")
    }

    pub(crate) fn recording_path(&self) -> PathBuf {
        self.spool_path().join(ID)
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("recordings")
    }

    pub(crate) fn spool(&self, gate: &Gate) -> Spool {
        self.bounded(SpoolBounds::default(), gate)
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "it waits for a state with a deadline"
    )]
    pub(crate) fn bounded(&self, bounds: SpoolBounds, gate: &Gate) -> Spool {
        let ends_at = std::time::Instant::now() + IN_USE_MAX;
        loop {
            match Spool::gated(&self.spool_path(), bounds, FRESH, gate.clone()) {
                // A thread that works for an uploader which has ended may hold the spool for a moment.
                Err(SpoolError::InUse(_)) if std::time::Instant::now() < ends_at => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                opened => return opened.unwrap(),
            }
        }
    }

    /// Folder buckets in the default root, of which one has been probed.
    pub(crate) fn buckets(&self, gate: &Gate) -> Buckets {
        use std::os::unix::fs::DirBuilderExt as _;
        let mut folders = std::fs::DirBuilder::new();
        // A test may have put something else there.
        let _ = folders
            .recursive(true)
            .mode(0o700)
            .create(self.root().join(BUCKET));
        let backend = Backend::Folder {
            root: self.root(),
            makes_buckets: true,
        };
        Buckets::gated(StorageSettings::all(backend), gate.clone())
    }

    /// The objects under the recording's prefix in the folder bucket.
    pub(crate) fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        objects_below(&self.root().join(BUCKET).join(PREFIX))
    }
}

pub(crate) fn objects_below(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut objects = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inner) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&inner) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            let name = path
                .strip_prefix(folder)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            let is_temporary = path.file_name().unwrap().to_str().unwrap().starts_with('.');
            if path.is_dir() {
                folders.push(path);
            } else if !is_temporary {
                objects.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    objects
}

/// Ends that were reported.
#[derive(Clone, Default)]
pub(crate) struct Reports(Arc<Mutex<Vec<Finished>>>);

impl Reports {
    pub(crate) fn all(&self) -> Vec<Finished> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn add(&self, finished: Finished) {
        self.0.lock().unwrap().push(finished);
    }

    /// Starts an uploader that reports here.
    pub(crate) fn uploader(
        &self,
        spool: Spool,
        buckets: Buckets,
        settings: UploadSettings,
    ) -> (UploadHandle, tokio::task::JoinHandle<()>) {
        let reports = self.clone();
        let (handle, work) = uploader(spool, buckets, settings, move |finished| {
            reports.add(finished);
            async { true }
        });
        (handle, tokio::spawn(work))
    }
}

/// Waits for a state.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while !is_so() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "not within a minute: {what}"
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Begins a recording.
pub(crate) fn begin(spool: &Spool, id: &str) -> SpoolWriter {
    let mut writer = spool.create(id, &destination()).unwrap();
    writer.started(START_US).unwrap();
    writer.init(&init(0)).unwrap();
    writer
}

/// Records segments into the spool of a place, and does not end.
pub(crate) fn record(place: &Place, segments: u64) {
    let spool = place.spool(&Crash::never().gate());
    let mut writer = begin(&spool, ID);
    for number in 0..segments {
        writer.segment(&segment(number, 0, false)).unwrap();
    }
}

/// Ends what is in the spool, and returns how.
pub(crate) async fn upload(place: &Place, spool: &Spool) -> Finished {
    let reports = Reports::default();
    let (handle, work) = reports.uploader(
        spool.clone(),
        place.buckets(&Crash::never().gate()),
        quick(1),
    );
    handle.finish(ID);
    until("the end is reported", || !reports.all().is_empty()).await;
    until("the folder is gone", || spool.recordings().is_empty()).await;
    assert_eq!(spool.usage().bytes, 0);
    work.abort();
    reports.all().remove(0)
}

/// What a playlist lists.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Listed {
    pub(crate) segments: Vec<u64>,
    pub(crate) inits: Vec<u64>,
    pub(crate) discontinuities: usize,
    pub(crate) duration_ms: u64,
    pub(crate) is_over: bool,
}

/// Reads a media playlist strictly, and checks that all that it names is among the objects.
pub(crate) fn read_playlist(objects: &BTreeMap<String, Vec<u8>>) -> Listed {
    let text = String::from_utf8(objects["media/hls/high/playlist.m3u8"].clone()).unwrap();
    let mut listed = Listed::default();
    let (mut needs_map, mut needs_time, mut length) = (true, true, None);
    assert!(text.starts_with("#EXTM3U\n"), "{text}");
    for line in text.lines().skip(1) {
        let (tag, value) = line.split_once(':').unwrap_or((line, ""));
        match tag {
            "#EXT-X-DISCONTINUITY" => {
                listed.discontinuities += 1;
                needs_time = true;
            }
            "#EXT-X-MAP" => {
                let name = value
                    .strip_prefix("URI=\"init-")
                    .unwrap()
                    .strip_suffix(".mp4\"")
                    .unwrap();
                let number = name.parse::<u64>().unwrap();
                listed.inits.push(number);
                needs_map = false;
                let bytes = &objects[&format!("media/hls/high/init-{name}.mp4")];
                assert_eq!(*bytes, init(number).bytes, "{name}");
            }
            "#EXT-X-PROGRAM-DATE-TIME" => needs_time = false,
            "#EXTINF" => length = Some(value.trim_end_matches(',').parse::<f64>().unwrap()),
            "#EXT-X-ENDLIST" => listed.is_over = true,
            "#EXT-X-VERSION" | "#EXT-X-TARGETDURATION" | "#EXT-X-PLAYLIST-TYPE" => {}
            name => {
                assert!(!name.starts_with('#'), "{name}");
                assert!(!needs_map && !needs_time, "{text}");
                let number: u64 = name.strip_suffix(".mp4").unwrap().parse().unwrap();
                assert!(listed.segments.last().is_none_or(|last| *last < number));
                let bytes = &objects[&format!("media/hls/high/{name}")];
                assert_eq!(*bytes, segment(number, 0, false).bytes, "{name}");
                listed.segments.push(number);
                listed.duration_ms += (length.take().unwrap() * 1_000.0).round() as u64;
            }
        }
    }
    assert!(objects.contains_key("media/hls/multivariant.m3u8"));
    listed
}
