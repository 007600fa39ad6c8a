//! The spool: its bounds, and what it makes of files that a crash or somebody else left.

use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use nix::errno::Errno;

use super::crash::Crash;
use super::fixture::{
    FRESH, ID, Place, Reports, SEGMENT_US, START_US, begin, destination, init, quick,
    read_playlist, record, segment, until, upload,
};
use crate::spool::{Level, SpoolError};
use crate::{Spool, SpoolBounds};

#[test]
fn a_recording_goes_on_where_its_journal_ends() {
    let place = Place::new();
    record(&place, 3);
    let spool = place.spool(&Crash::never().gate());
    let mut writer = spool.create(ID, &destination()).unwrap();
    let resumed = writer.resumed().unwrap();
    assert_eq!((resumed.next_segment, resumed.next_init), (3, 1));
    assert_eq!(resumed.duration_us, 3 * SEGMENT_US);
    assert!(matches!(
        spool.create(ID, &destination()),
        Err(SpoolError::Busy)
    ));
    for known in [segment(2, 0, false), segment(0, 0, false)] {
        assert!(
            matches!(writer.segment(&known), Err(SpoolError::Invalid(_))),
            "numbers go on"
        );
    }
    writer.init(&init(1)).unwrap();
    writer.segment(&segment(3, 1, true)).unwrap();
    writer.ended(START_US, None).unwrap();
    assert!(matches!(
        spool.create(ID, &destination()),
        Err(SpoolError::Ended)
    ));
}

#[test]
fn one_process_uses_a_spool() {
    let place = Place::new();
    let first = place.spool(&Crash::never().gate());
    let mut writer = begin(&first, ID);
    let second = Spool::open(&place.spool_path(), SpoolBounds::default(), FRESH).unwrap_err();
    assert!(matches!(second, SpoolError::InUse(_)), "{second}");
    writer.segment(&segment(0, 0, false)).unwrap();
    drop((writer, first));
    let third = Spool::open(&place.spool_path(), SpoolBounds::default(), FRESH).unwrap();
    assert_eq!(third.recordings(), [ID]);
}

#[test]
fn a_spool_keeps_the_id_that_it_was_given_first() {
    use crate::spool::{SpoolLook, look};
    let place = Place::new();
    let path = place.spool_path();
    assert_eq!(look(&path).unwrap(), SpoolLook::default());
    record(&place, 1);
    let open = |fresh| Spool::open(&path, SpoolBounds::default(), fresh);
    assert_eq!(open("another").unwrap().id(), FRESH);
    let found = look(&path).unwrap();
    assert_eq!(found.id.as_deref(), Some(FRESH));
    assert_eq!(found.recordings.into_iter().collect::<Vec<_>>(), [ID]);
    std::fs::write(path.join("spool.id"), "../no id\n").unwrap();
    assert_eq!(look(&path).unwrap().id, None);
    assert_eq!(open("another").unwrap().id(), "another");
}

#[test]
fn a_file_in_the_place_of_the_spool_is_named() {
    let place = Place::new();
    std::fs::write(place.spool_path(), "a file").unwrap();
    let error = Spool::open(&place.spool_path(), SpoolBounds::default(), FRESH).unwrap_err();
    assert!(error.to_string().contains("is not a folder"), "{error}");
    assert!(crate::spool::look(&place.spool_path()).is_err());
}

#[test]
fn files_are_for_the_server_alone() {
    let place = Place::new();
    record(&place, 1);
    for (path, expected) in [
        (place.spool_path(), 0o700),
        (place.recording_path(), 0o700),
        (place.recording_path().join("journal"), 0o600),
        (place.recording_path().join("job.json"), 0o600),
        (place.recording_path().join("0.mp4"), 0o600),
    ] {
        let mode = path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, expected, "{}", path.display());
    }
}

#[test]
fn what_cannot_be_an_id_or_a_path_is_refused() {
    let place = Place::new();
    let spool = place.spool(&Crash::never().gate());
    for id in [
        "",
        "..",
        "a/b",
        ".hidden",
        "removed-x",
        "ä",
        &"a".repeat(65),
    ] {
        assert!(
            matches!(
                spool.create(id, &destination()),
                Err(SpoolError::Invalid(_))
            ),
            "{id:?}"
        );
    }
    let mut leaving = destination();
    leaving.prefix = "../other".into();
    assert!(matches!(
        spool.create(ID, &leaving),
        Err(SpoolError::Invalid(_))
    ));
    let mut writer = begin(&spool, ID);
    for path in [
        "journal",
        "../x/y",
        "media/hls/high/0.mp4",
        "events/recording-ended.json",
        "a//b",
        "a/..",
    ] {
        assert!(
            matches!(writer.file(path, b"x"), Err(SpoolError::Invalid(_))),
            "{path:?}"
        );
    }
    let mut lying = segment(0, 0, false);
    lying.entry.bytes += 1;
    assert!(matches!(
        writer.segment(&lying),
        Err(SpoolError::Invalid(_))
    ));
}

#[test]
fn bounds_end_a_recording_and_leave_room_for_its_end() {
    let place = Place::new();
    let bounds = SpoolBounds {
        recording_bytes_max: 8_000,
        bytes_max: 12_000,
        ..SpoolBounds::default()
    };
    let spool = place.bounded(bounds, &Crash::never().gate());
    let mut first = begin(&spool, "first");
    first.segment(&segment(0, 0, false)).unwrap();
    first.segment(&segment(1, 0, false)).unwrap();
    let full = first.segment(&segment(2, 0, false)).unwrap_err();
    assert!(full.to_string().contains("spool-recording-mb"), "{full}");
    assert_eq!(full.failure().code, "InternalServerException");
    let mut second = begin(&spool, "second");
    assert_eq!(spool.usage().level, Level::Ok);
    second.segment(&segment(0, 0, false)).unwrap();
    assert_eq!(
        (spool.usage().bytes, spool.usage().level),
        (10_401, Level::Alarm)
    );
    let full = second.segment(&segment(1, 0, false)).unwrap_err();
    assert!(full.to_string().contains("spool-mb"), "{full}");
    assert_eq!(spool.usage().level, Level::Full);
    assert_eq!(
        spool.usage().bytes,
        10_401,
        "what found no room does not count"
    );
    assert!(!place.spool_path().join("second/1.mp4").exists());
    first.ended(START_US, Some(full.failure())).unwrap();
    second.ended(START_US, Some(full.failure())).unwrap();
}

#[tokio::test]
async fn what_is_uploaded_makes_room_again() {
    let place = Place::new();
    let bounds = SpoolBounds {
        recording_bytes_max: 4_000,
        ..SpoolBounds::default()
    };
    let spool = place.bounded(bounds, &Crash::never().gate());
    let reports = Reports::default();
    let (_handle, work) = reports.uploader(
        spool.clone(),
        place.buckets(&Crash::never().gate()),
        quick(1),
    );
    let mut writer = begin(&spool, ID);
    for number in 0..20 {
        until("there is room", || spool.usage().bytes == 0).await;
        writer.segment(&segment(number, 0, false)).unwrap();
    }
    writer.ended(START_US, None).unwrap();
    until("the end is reported", || !reports.all().is_empty()).await;
    assert_eq!(read_playlist(&place.objects()).segments.len(), 20);
    work.abort();
}

#[tokio::test]
async fn errors_of_the_disk_end_the_recording_and_nothing_else() {
    let place = Place::new();
    let crash = Crash::never();
    let spool = place.spool(&crash.gate());
    let mut writer = begin(&spool, ID);
    writer.segment(&segment(0, 0, false)).unwrap();
    for errno in [Errno::ENOSPC, Errno::EIO] {
        // At each step of a write: the file, its name, and the line.
        for step in 0..6 {
            crash.fail_after(step, errno);
            let before = spool.usage().bytes;
            match writer.segment(&segment(1, 0, false)) {
                Err(SpoolError::Full(text)) => {
                    assert!(errno == Errno::ENOSPC && text.contains("disk"))
                }
                Err(SpoolError::Io { .. }) => assert_eq!(errno, Errno::EIO),
                other => panic!("{errno} at {step}: {other:?}"),
            }
            assert_eq!(spool.usage().bytes, before);
        }
    }
    // The recording could go on, and the journal is whole.
    writer.segment(&segment(1, 0, false)).unwrap();
    let mut other = begin(&spool, "other");
    other.segment(&segment(0, 0, false)).unwrap();
    drop((writer, other, spool));
    let spool = place.spool(&Crash::never().gate());
    let journal = spool.create(ID, &destination()).unwrap().journal();
    assert_eq!(journal.segments().count(), 2);
    assert_eq!(spool.recordings().len(), 2);
}

#[tokio::test]
async fn a_torn_line_is_cut_off_and_the_recording_goes_on() {
    let place = Place::new();
    record(&place, 2);
    let path = place.recording_path().join("journal");
    let whole = std::fs::read(&path).unwrap();
    let last = whole[..whole.len() - 1]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .unwrap()
        + 1;
    for cut in [last + 1, (last + whole.len()) / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let spool = place.spool(&Crash::never().gate());
        let mut writer = spool.create(ID, &destination()).unwrap();
        assert_eq!(
            writer.resumed().unwrap().next_segment,
            1,
            "the second did not count"
        );
        assert!(!place.recording_path().join("1.mp4").exists());
        assert_eq!(writer.journal().notes(), Vec::<&str>::new());
        writer.segment(&segment(1, 0, true)).unwrap();
    }
    let spool = place.spool(&Crash::never().gate());
    let finished = upload(&place, &spool).await;
    assert_eq!(finished.duration_ms, 12_000);
    assert_eq!(read_playlist(&place.objects()).segments, [0, 1]);
}

#[tokio::test]
async fn files_that_vanish_while_the_server_runs_are_left_out_and_said() {
    let place = Place::new();
    record(&place, 4);
    let spool = place.spool(&Crash::never().gate());
    std::fs::remove_file(place.recording_path().join("2.mp4")).unwrap();
    std::fs::remove_file(place.recording_path().join("3.mp4")).unwrap();
    symlink("/dev/zero", place.recording_path().join("3.mp4")).unwrap();
    let reports = Reports::default();
    let (handle, work) = reports.uploader(
        spool.clone(),
        place.buckets(&Crash::never().gate()),
        quick(1),
    );
    until("the missing one is noticed", || handle.status().lost == 1).await;
    // A link is no file of ours, but an error of the disk; somebody may put the file back.
    until("the link is tried again", || handle.status().failures > 2).await;
    std::fs::remove_file(place.recording_path().join("3.mp4")).unwrap();
    std::fs::write(
        place.recording_path().join("3.mp4"),
        segment(3, 0, false).bytes,
    )
    .unwrap();
    handle.finish(ID);
    until("the end is reported", || !reports.all().is_empty()).await;
    assert_eq!(read_playlist(&place.objects()).segments, [0, 1, 3]);
    work.abort();
}

#[tokio::test]
async fn files_and_links_that_somebody_planted_do_no_harm() {
    let place = Place::new();
    record(&place, 1);
    let outside = place.dir.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("secret"), "secret").unwrap();
    let folder = place.recording_path();
    std::fs::write(folder.join("9.mp4"), "extra").unwrap();
    std::fs::write(folder.join(".1.mp4.new"), "half").unwrap();
    std::fs::create_dir(folder.join("folder")).unwrap();
    symlink(&outside, folder.join("link")).unwrap();
    symlink(outside.join("secret"), folder.join("1.mp4")).unwrap();
    symlink(&outside, place.spool_path().join("linked")).unwrap();
    std::fs::write(place.spool_path().join("file"), "x").unwrap();
    std::fs::create_dir(place.spool_path().join("empty")).unwrap();
    std::fs::create_dir_all(place.spool_path().join("removed-old/inner")).unwrap();
    let spool = place.spool(&Crash::never().gate());
    assert_eq!(spool.recordings(), [ID]);
    let mut writer = spool.create(ID, &destination()).unwrap();
    writer.segment(&segment(1, 0, false)).unwrap();
    drop(writer);
    upload(&place, &spool).await;
    assert_eq!(read_playlist(&place.objects()).segments, [0, 1]);
    assert_eq!(std::fs::read(outside.join("secret")).unwrap(), b"secret");
    assert!(!place.spool_path().join("removed-old").exists());
}

#[test]
fn a_folder_whose_destination_is_lost_gets_it_again() {
    let place = Place::new();
    record(&place, 2);
    std::fs::write(place.recording_path().join("job.json"), "{").unwrap();
    let spool = place.spool(&Crash::never().gate());
    assert!(spool.recordings().is_empty());
    assert!(
        place.recording_path().join("1.mp4").exists(),
        "it is not removed"
    );
    let writer = spool.create(ID, &destination()).unwrap();
    assert_eq!(writer.resumed().unwrap().next_segment, 2);
}

#[tokio::test]
async fn a_file_that_is_replaced_is_put_with_its_last_content() {
    let place = Place::new();
    let spool = place.spool(&Crash::never().gate());
    let mut writer = begin(&spool, ID);
    let path = "media/latest_thumbnail/high/thumb.jpg";
    for content in ["first", "the second", "the last one"] {
        writer.file(path, content.as_bytes()).unwrap();
    }
    assert_eq!(spool.usage().bytes, 700 + 12);
    writer.ended(START_US, None).unwrap();
    let finished = upload(&place, &spool).await;
    assert_eq!(finished.failure, None);
    assert_eq!(place.objects()[path], b"the last one");
    assert!(
        !place.objects().contains_key("media/hls/high/playlist.m3u8"),
        "without segments there is no playlist"
    );
}

#[test]
fn a_journal_of_noise_is_not_believed() {
    let place = Place::new();
    record(&place, 1);
    let mut file = std::fs::File::create(place.recording_path().join("journal")).unwrap();
    let noise: Vec<u8> = (0..100_000_u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    file.write_all(&noise).unwrap();
    let spool = place.spool(&Crash::never().gate());
    // What it said is lost, but not the segments: somebody can still copy them.
    assert!(spool.create(ID, &destination()).is_err());
    assert!(place.recording_path().join("0.mp4").is_file());
}

#[test]
fn segments_stay_when_their_journal_is_gone() {
    let place = Place::new();
    record(&place, 2);
    std::fs::remove_file(place.recording_path().join("journal")).unwrap();
    let spool = place.spool(&Crash::never().gate());
    assert!(spool.create(ID, &destination()).is_err());
    assert!(place.recording_path().join("1.mp4").is_file());
}

#[test]
fn a_folder_of_somebody_stays() {
    let place = Place::new();
    let folder = place.recording_path().with_file_name("notes");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("mine.txt"), "mine").unwrap();
    drop(place.spool(&Crash::never().gate()));
    assert!(folder.join("mine.txt").is_file());
}
