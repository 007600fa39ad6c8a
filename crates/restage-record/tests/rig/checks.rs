//! What holds for every recording.

use std::collections::BTreeMap;

use restage_record::{Output, Segment};

use super::reader::{Recording, Sample};

/// Less than a tick of a track.
const TICK_US: f64 = 25.0;

/// Panics if the recording is not as every recording has to be.
pub(crate) fn check(recording: &Recording) {
    check_numbers(recording);
    let lengths = recording
        .segments()
        .map(|segment| segment.entry.duration_us);
    let shortest = lengths.min().unwrap_or(u64::MAX);
    assert!(shortest > 1_000, "players show no segment of {shortest} µs");
    for (init, segments) in runs(recording) {
        for samples in [&recording.video, &recording.audio] {
            check_track(init, &segments, samples);
        }
        let length: u64 = segments
            .iter()
            .map(|segment| segment.entry.duration_us)
            .sum();
        let of_run = |sample: &&Sample| {
            segments
                .iter()
                .any(|segment| segment.entry.number == sample.segment)
        };
        let all = || {
            recording
                .video
                .iter()
                .chain(&recording.audio)
                .filter(of_run)
        };
        let begin = all().map(|sample| sample.at_us).fold(f64::MAX, f64::min);
        let end = all()
            .map(|sample| sample.at_us + sample.duration_us)
            .fold(0.0, f64::max);
        let difference = (end - begin - length as f64).abs();
        assert!(
            difference < 30_000.0,
            "init {init}: {length} µs are {difference} off"
        );
    }
}

/// The segments of each init.
fn runs(recording: &Recording) -> BTreeMap<u64, Vec<&Segment>> {
    let mut runs: BTreeMap<u64, Vec<&Segment>> = BTreeMap::new();
    for segment in recording.segments() {
        runs.entry(segment.entry.init).or_default().push(segment);
    }
    runs
}

fn check_numbers(recording: &Recording) {
    let mut init: Option<u64> = None;
    let mut next: Option<u64> = None;
    let mut written = Vec::new();
    for output in &recording.outputs {
        match output {
            Output::Init(found) => {
                assert_eq!(found.entry.bytes, found.bytes.len() as u64);
                written.push(found.entry.number);
            }
            Output::Segment(segment) => {
                let entry = &segment.entry;
                assert_eq!(entry.number, next.unwrap_or(entry.number), "numbers go on");
                assert!(
                    written.contains(&entry.init),
                    "an init comes before its segments"
                );
                let is_first = init != Some(entry.init);
                assert_eq!(entry.program_date_time_us.is_some(), is_first, "{entry:?}");
                assert_eq!(
                    entry.discontinuity,
                    is_first && entry.number > 0,
                    "{entry:?}"
                );
                assert!(entry.duration_us > 0, "{entry:?}");
                assert_eq!(entry.bytes, segment.bytes.len() as u64);
                init = Some(entry.init);
                next = Some(entry.number + 1);
            }
            _ => {}
        }
    }
}

/// Within a run, a track has no gap, but where it begins.
fn check_track(init: u64, segments: &[&Segment], samples: &[Sample]) {
    let mut end: Option<f64> = None;
    for segment in segments {
        let number = segment.entry.number;
        let mut is_first = true;
        for sample in samples.iter().filter(|sample| sample.segment == number) {
            if let Some(end) = end {
                let gap = sample.at_us - end;
                assert!(
                    gap.abs() < TICK_US,
                    "init {init}, segment {number}: a gap of {gap} µs"
                );
            }
            if is_first && segment.entry.pictures > 0 && !sample.is_sync {
                assert!(!segment.entry.independent, "segment {number}");
            }
            is_first = false;
            end = Some(sample.at_us + sample.duration_us);
        }
    }
}
