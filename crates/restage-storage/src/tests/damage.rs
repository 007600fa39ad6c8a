//! Damage in the spool: bytes that change, lines of the journal that cannot be read, files that are gone. What is whole arrives, and the
//! end says what is missing.

use super::crash::Crash;
use super::fixture::{
    ID, Listed, Place, Reports, START_US, begin, destination, quick, read_playlist, record,
    segment, until, upload,
};
use crate::Lost;

/// Changes one bit of a file, in its middle.
fn flip(path: &std::path::Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

/// Writes the journal with one bit of a line changed. The line is at this place.
fn damage_line(place: &Place, journal: &[u8], line: usize) {
    let mut lines: Vec<Vec<u8>> = journal
        .split_inclusive(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    let middle = lines[line].len() / 2;
    lines[line][middle] ^= 1;
    std::fs::write(place.recording_path().join("journal"), lines.concat()).unwrap();
}

fn listed(place: &Place) -> Listed {
    let objects = place.objects();
    let failed = &objects["events/recording-failed.json"];
    let document: serde_json::Value = serde_json::from_slice(failed).unwrap();
    assert_eq!(document["recording_status"], "RECORDING_ENDED_WITH_FAILURE");
    let listed = read_playlist(&objects);
    assert!(listed.is_over);
    listed
}

#[tokio::test]
async fn a_changed_byte_in_a_segment_is_found_before_it_is_uploaded() {
    let place = Place::new();
    record(&place, 5);
    flip(&place.recording_path().join("2.mp4"));
    let spool = place.spool(&Crash::never().gate());
    let finished = upload(&place, &spool).await;
    assert_eq!(finished.duration_ms, 24_000);
    assert_eq!(finished.failure.unwrap().code, "InternalServerException");
    let message = finished.message.unwrap();
    assert!(message.contains("Lost in the spool: 2.mp4"), "{message}");
    assert!(!place.objects().contains_key("media/hls/high/2.mp4"));
    let listed = listed(&place);
    assert_eq!(
        (listed.segments, listed.discontinuities),
        (vec![0, 1, 3, 4], 1)
    );
}

#[tokio::test]
async fn a_changed_byte_in_an_ended_recording_is_found_after_a_restart() {
    let place = Place::new();
    let spool = place.spool(&Crash::never().gate());
    let mut writer = begin(&spool, ID);
    for number in 0..3 {
        writer.segment(&segment(number, 0, false)).unwrap();
    }
    writer.ended(START_US, None).unwrap();
    drop(spool);
    std::fs::remove_file(place.recording_path().join("0.mp4")).unwrap();
    flip(&place.recording_path().join("2.mp4"));
    let spool = place.spool(&Crash::never().gate());
    let finished = upload(&place, &spool).await;
    assert!(finished.failure.is_some());
    assert_eq!(listed(&place).segments, [1]);
}

#[tokio::test]
async fn a_file_of_a_journal_without_checksums_is_taken_as_it_is() {
    let place = Place::new();
    record(&place, 2);
    // As an earlier version wrote it.
    let path = place.recording_path().join("journal");
    let read = restage_record::journal::parse(&std::fs::read(&path).unwrap());
    let mut lines = Vec::new();
    for mut line in read.lines {
        use restage_record::journal::Line;
        match &mut line {
            Line::Init(entry) => entry.crc32 = None,
            Line::Segment(entry) => entry.crc32 = None,
            _ => {}
        }
        lines.extend(line.encode().unwrap());
    }
    std::fs::write(&path, lines).unwrap();
    let spool = place.spool(&Crash::never().gate());
    spool
        .create(ID, &destination())
        .unwrap()
        .ended(START_US, None)
        .unwrap();
    assert_eq!(upload(&place, &spool).await.failure, None);
    assert_eq!(read_playlist(&place.objects()).segments, [0, 1]);
}

#[tokio::test]
async fn a_damaged_line_of_the_journal_costs_what_it_said_and_nothing_else() {
    // Lines: the start, the init, then six segments.
    for line in 0..8_usize {
        let place = Place::new();
        record(&place, 6);
        let journal = std::fs::read(place.recording_path().join("journal")).unwrap();
        damage_line(&place, &journal, line);
        let spool = place.spool(&Crash::never().gate());
        let finished = upload(&place, &spool).await;
        let message = finished.message.unwrap();
        // The last line may have been torn by a crash, before its file counted.
        let is_said = message.contains("Lost in the spool: lines of the journal");
        assert_eq!(is_said, line < 7, "{message}");
        assert_eq!(finished.failure.unwrap().code, "InternalServerException");
        let expected: Vec<u64> = (0..6).filter(|number| line as u64 != number + 2).collect();
        let listed = listed(&place);
        assert_eq!(listed.segments, expected, "line {line}");
        assert_eq!(listed.inits, [0], "line {line}");
        let is_between = (3..7).contains(&line);
        assert_eq!(listed.discontinuities, usize::from(is_between));
    }
}

#[tokio::test]
async fn a_recording_goes_on_after_a_damaged_line() {
    let place = Place::new();
    record(&place, 4);
    let journal = std::fs::read(place.recording_path().join("journal")).unwrap();
    damage_line(&place, &journal, 3);
    for restart in 0..2 {
        let spool = place.spool(&Crash::never().gate());
        let mut writer = spool.create(ID, &destination()).unwrap();
        let number = 4 + restart;
        assert_eq!(writer.resumed().unwrap().next_segment, number);
        writer.segment(&segment(number, 0, true)).unwrap();
        assert_eq!(writer.journal().notes().len(), 1, "it is said once");
    }
    let spool = place.spool(&Crash::never().gate());
    upload(&place, &spool).await;
    assert_eq!(listed(&place).segments, [0, 2, 3, 4, 5]);
}

#[tokio::test]
async fn an_init_whose_line_is_damaged_is_found_where_it_is() {
    let place = Place::new();
    let spool = place.spool(&Crash::never().gate());
    let mut writer = begin(&spool, ID);
    writer.segment(&segment(0, 0, false)).unwrap();
    // The init and the first segment are in the bucket already.
    let reports = Reports::default();
    let (_handle, work) = reports.uploader(
        spool.clone(),
        place.buckets(&Crash::never().gate()),
        quick(1),
    );
    until("all is uploaded", || spool.usage().bytes == 0).await;
    work.abort();
    let _ = work.await;
    writer.segment(&segment(1, 0, false)).unwrap();
    drop((writer, spool));
    let journal = std::fs::read(place.recording_path().join("journal")).unwrap();
    damage_line(&place, &journal, 1);
    let spool = place.spool(&Crash::never().gate());
    upload(&place, &spool).await;
    assert_eq!(listed(&place).segments, [0, 1]);
}

#[tokio::test]
async fn missing_and_damaged_files_are_left_out_and_said() {
    let place = Place::new();
    record(&place, 6);
    std::fs::remove_file(place.recording_path().join("1.mp4")).unwrap();
    std::fs::write(place.recording_path().join("4.mp4"), "short").unwrap();
    let spool = place.spool(&Crash::never().gate());
    let finished = upload(&place, &spool).await;
    assert_eq!(finished.duration_ms, 24_000);
    let message = finished.message.unwrap();
    assert!(
        message.contains("Lost in the spool: 1.mp4, 4.mp4"),
        "{message}"
    );
    let listed = read_playlist(&place.objects());
    assert_eq!(
        (listed.segments, listed.discontinuities),
        (vec![0, 2, 3, 5], 2)
    );
    assert!(place.objects().contains_key("events/recording-failed.json"));
}

/// A server that records and uploads three segments; then its process ends.
async fn interrupted(place: &Place) {
    let spool = place.spool(&Crash::never().gate());
    let mut writer = begin(&spool, ID);
    let reports = Reports::default();
    let buckets = place.buckets(&Crash::never().gate());
    let (_handle, work) = reports.uploader(spool.clone(), buckets, quick(1));
    for number in 0..3 {
        writer.segment(&segment(number, 0, false)).unwrap();
    }
    let playlist = || place.objects().get("media/hls/high/playlist.m3u8").cloned();
    let has_all = |text: Vec<u8>| String::from_utf8(text).unwrap().contains("\n2.mp4");
    until("all is listed", || playlist().is_some_and(has_all)).await;
    work.abort();
    let _ = work.await;
}

fn lost() -> Lost {
    Lost {
        destination: destination(),
        started_us: START_US,
        ended_us: i64::try_from(crate::spool::now_s()).unwrap() * 1_000_000,
        reason: "nothing of the recording can be read in the spool".to_owned(),
    }
}

#[tokio::test]
async fn a_recording_whose_folder_is_gone_is_closed_by_what_is_in_its_bucket() {
    let place = Place::new();
    interrupted(&place).await;
    std::fs::remove_dir_all(place.recording_path()).unwrap();
    let spool = place.spool(&Crash::never().gate());
    assert!(!spool.restore(ID, &destination()).unwrap());
    let reports = Reports::default();
    let buckets = place.buckets(&Crash::never().gate());
    let (handle, work) = reports.uploader(spool, buckets, quick(1));
    handle.finish_lost(ID, lost());
    until("the end is reported", || !reports.all().is_empty()).await;
    work.abort();
    assert_eq!(reports.all()[0].duration_ms, 18_000);
    assert_eq!(listed(&place).segments, [0, 1, 2]);
}

#[tokio::test]
async fn a_lost_recording_waits_for_its_bucket() {
    let place = Place::new();
    let spool = place.spool(&Crash::never().gate());
    let reports = Reports::default();
    // The root of the buckets is a file.
    std::fs::write(place.root(), "").unwrap();
    let buckets = place.buckets(&Crash::never().gate());
    let (handle, work) = reports.uploader(spool, buckets, quick(1));
    handle.finish_lost(ID, lost());
    until("it is tried again", || handle.status().failures > 2).await;
    assert_eq!(reports.all(), []);
    // One that has waited for longer than a week is given up.
    handle.finish_lost("old", lost_for_long());
    until("the old one is reported", || !reports.all().is_empty()).await;
    assert_eq!(reports.all()[0].recording, "old");
    std::fs::remove_file(place.root()).unwrap();
    std::fs::create_dir_all(place.root().join(super::fixture::BUCKET)).unwrap();
    until("the end is reported", || reports.all().len() == 2).await;
    work.abort();
    let objects = place.objects();
    assert_eq!(
        objects.keys().collect::<Vec<_>>(),
        ["events/recording-failed.json"]
    );
}

fn lost_for_long() -> Lost {
    Lost {
        started_us: 0,
        ended_us: 1,
        ..lost()
    }
}

#[tokio::test]
async fn a_folder_whose_destination_is_lost_is_restored() {
    let place = Place::new();
    record(&place, 2);
    for damage in ["{", ""] {
        std::fs::write(place.recording_path().join("job.json"), damage).unwrap();
        let spool = place.spool(&Crash::never().gate());
        assert!(!spool.has(ID));
        assert!(spool.restore(ID, &destination()).unwrap() && spool.has(ID));
        assert!(spool.restore(ID, &destination()).unwrap());
    }
    std::fs::remove_file(place.recording_path().join("job.json")).unwrap();
    let spool = place.spool(&Crash::never().gate());
    assert!(spool.restore(ID, &destination()).unwrap());
    upload(&place, &spool).await;
    assert_eq!(read_playlist(&place.objects()).segments, [0, 1]);
}
