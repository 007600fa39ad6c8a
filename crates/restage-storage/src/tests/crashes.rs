//! Crashes and power cuts: at every step of a recording's life, and at random. Every segment that counted arrives, the playlist
//! can be played, and the end is true.

use std::sync::{Arc, Mutex};

use restage_record::journal::Failure;

use super::crash::{Crash, Random};
use super::fixture::{
    ID, Listed, Place, Reports, SEGMENT_US, START_US, destination, init, quick, read_playlist,
    segment, until,
};
use crate::spool::SpoolError;
use crate::{Finished, Spool};

/// Segments of a whole recording.
const SEGMENTS: u64 = 5;

/// What is known outside of the processes that crash.
#[derive(Default)]
struct Known {
    /// The number of the next segment: those before are durable.
    next: u64,
    is_ended: bool,
}

/// A recording whose processes crash.
struct Rig {
    place: Place,
    reports: Reports,
    known: Arc<Mutex<Known>>,
}

impl Rig {
    fn new() -> Self {
        Self {
            place: Place::new(),
            reports: Reports::default(),
            known: Arc::default(),
        }
    }

    fn is_recorded(&self) -> bool {
        self.known.lock().unwrap().is_ended || !self.reports.all().is_empty()
    }

    /// One process: it records on, unless the recording has ended, and uploads. It runs until it crashes, or until everything
    /// is done. `records`: whether it goes on with a recording; otherwise it is told that the capture is over.
    fn run(&self, crash: &Arc<Crash>, records: bool, uploads: bool, seed: u64) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .max_blocking_threads(if seed.is_multiple_of(2) { 1 } else { 4 })
            .enable_all()
            .build()
            .unwrap();
        let gate = crash.gate();
        let Ok(spool) = Spool::gated(
            &self.place.spool_path(),
            crate::SpoolBounds::default(),
            super::fixture::FRESH,
            gate.clone(),
        ) else {
            assert!(crash.is_dead(), "the spool opens after any crash");
            return;
        };
        runtime.block_on(async {
            let recorder = (records && !self.is_recorded()).then(|| {
                let (spool, known) = (spool.clone(), Arc::clone(&self.known));
                tokio::task::spawn_blocking(move || record(&spool, &known))
            });
            let records = recorder.is_some();
            if !uploads {
                if let Some(recorder) = recorder {
                    check(crash, recorder.await.unwrap());
                }
                return;
            }
            let (handle, work) =
                self.reports
                    .uploader(spool.clone(), self.place.buckets(&gate), quick(seed));
            if let Some(recorder) = recorder {
                check(crash, recorder.await.unwrap());
            }
            if !records {
                handle.finish(ID);
            }
            let is_over = || !self.reports.all().is_empty() && spool.recordings().is_empty();
            until("the recording is over, or the process is dead", || {
                crash.is_dead() || is_over()
            })
            .await;
            work.abort();
        });
        // Waits for what is at work with files.
        drop(runtime);
    }

    /// What arrived.
    fn judge(&self) -> (Listed, Finished) {
        let objects = self.place.objects();
        let reports = self.reports.all();
        let finished = reports.first().expect("the end is reported").clone();
        assert!(
            reports.iter().all(|other| *other == finished),
            "every report is the same: {reports:?}"
        );
        let end = match &finished.failure {
            None => "events/recording-ended.json",
            Some(_) => "events/recording-failed.json",
        };
        let ends: Vec<&String> = objects
            .keys()
            .filter(|path| path.ends_with("ed.json") && !path.contains("started"))
            .collect();
        let known = self.known.lock().unwrap();
        if objects.is_empty() {
            assert_eq!(known.next, 0, "nothing was durable");
            return (Listed::default(), finished);
        }
        assert_eq!(ends, [end]);
        let document: serde_json::Value = serde_json::from_slice(&objects[end]).unwrap();
        let duration = &document["media"]["hls"]["duration_ms"];
        assert_eq!(*duration, serde_json::json!(finished.duration_ms));
        if !objects.contains_key("media/hls/high/playlist.m3u8") {
            assert_eq!((known.next, finished.duration_ms), (0, 0));
            return (Listed::default(), finished);
        }
        let listed = read_playlist(&objects);
        assert!(listed.is_over);
        assert_eq!(listed.duration_ms, finished.duration_ms);
        for number in 0..known.next {
            assert!(
                listed.segments.contains(&number),
                "{number} counted: {listed:?}"
            );
        }
        let usage = self.place.spool(&Crash::never().gate()).usage();
        assert_eq!((usage.bytes, usage.recordings), (0, 0));
        let left = std::fs::read_dir(self.place.spool_path()).unwrap().count();
        assert_eq!(
            left, 2,
            "nothing stays in the spool but its lock and its id"
        );
        (listed, finished)
    }
}

/// The recorder of a process: goes on where the journal ends.
fn record(spool: &Spool, known: &Mutex<Known>) -> Result<(), SpoolError> {
    let mut writer = match spool.create(ID, &destination()) {
        Err(SpoolError::Ended) => {
            known.lock().unwrap().is_ended = true;
            return Ok(());
        }
        writer => writer?,
    };
    let resumed = writer.resumed();
    let (number, first) =
        resumed.map_or((0, 0), |resumed| (resumed.next_init, resumed.next_segment));
    assert!(
        first >= known.lock().unwrap().next,
        "what counted is in the journal"
    );
    writer.started(START_US + (first * SEGMENT_US) as i64)?;
    writer.file("events/recording-started.json", b"{}")?;
    writer.init(&init(number))?;
    for segment in (first..SEGMENTS).map(|at| segment(at, number, at == first && first > 0)) {
        writer.segment(&segment)?;
        known.lock().unwrap().next = segment.entry.number + 1;
        let thumbnail = format!("media/thumbnails/high/{}.jpg", segment.entry.number + 1);
        writer.file(&thumbnail, thumbnail.as_bytes())?;
    }
    writer.note("it was windy")?;
    writer.ended(START_US + (SEGMENTS * SEGMENT_US) as i64, None)?;
    known.lock().unwrap().is_ended = true;
    Ok(())
}

/// Errors are those of a dead process.
fn check(crash: &Crash, recorded: Result<(), SpoolError>) {
    if let Err(error) = recorded {
        assert!(crash.is_dead(), "{error}");
    }
}

#[test]
fn a_recording_survives_a_crash_at_every_step_of_its_recorder() {
    for seed in 0..2 {
        let mut steps = 0;
        loop {
            let rig = Rig::new();
            let crash = Crash::after(steps);
            rig.run(&crash, true, false, 0);
            crash.cut_power(seed + steps * 7);
            // The next process goes on with the recording, or only ends it.
            let goes_on = steps % 2 == seed;
            rig.run(&Crash::never(), goes_on, true, seed);
            let (listed, finished) = rig.judge();
            if goes_on {
                assert_eq!(listed.segments, [0, 1, 2, 3, 4], "{steps} steps");
                assert_eq!(
                    (finished.failure, &*finished.message.unwrap()),
                    (None, "it was windy")
                );
            } else if !rig.known.lock().unwrap().is_ended && !crash.is_dead() {
                assert_eq!(finished.failure.unwrap().code, "InternalServerException");
            }
            if !crash.is_dead() {
                break;
            }
            steps += 1;
        }
        assert!(steps > 60, "the crash comes at every step: {steps}");
    }
}

#[test]
fn a_recording_survives_a_crash_at_every_step_of_its_upload() {
    for seed in 0..2 {
        let mut steps = 0;
        loop {
            let rig = Rig::new();
            rig.run(&Crash::never(), true, false, 0);
            let crash = Crash::after(steps);
            rig.run(&crash, false, true, seed);
            crash.cut_power(seed + steps * 7);
            rig.run(&Crash::never(), false, true, seed);
            let (listed, finished) = rig.judge();
            assert_eq!(listed.segments, [0, 1, 2, 3, 4], "{steps} steps");
            assert_eq!(listed.discontinuities, 0);
            assert_eq!(finished.failure, None, "{steps} steps");
            if !crash.is_dead() {
                break;
            }
            steps += 1;
        }
        assert!(steps > 100, "the crash comes at every step: {steps}");
    }
}

#[test]
fn a_recording_survives_crashes_at_random() {
    for seed in 0..50 {
        let rig = Rig::new();
        let mut random = Random(seed);
        for _ in 0..1 + random.below(5) {
            let crash = Crash::after(1 + random.below(120));
            rig.run(&crash, random.below(4) > 0, true, random.next());
            crash.kill();
            crash.cut_power(random.next());
        }
        rig.run(&Crash::never(), true, true, random.next());
        let (listed, finished) = rig.judge();
        assert!(
            listed
                .segments
                .windows(2)
                .all(|pair| pair[0] + 1 == pair[1]),
            "seed {seed}: {listed:?}"
        );
        if let Some(Failure { code, .. }) = finished.failure {
            assert_eq!(code, "InternalServerException", "seed {seed}");
        }
    }
}
