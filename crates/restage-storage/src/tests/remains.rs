//! Recordings whose journal is lost while their segments wait: they are listed by what the segments say of themselves.

use std::collections::BTreeMap;

use restage_record::Segment;
use restage_record::journal::SegmentEntry;

use super::crash::Crash;
use super::fixture::{ID, Place, Reports, START_US, begin, destination, init, quick, until};
use crate::{Finished, Lost};

const PLAYLIST: &str = "media/hls/high/playlist.m3u8";
/// Ticks of sound in a segment: two seconds.
const TICKS: u64 = 96_000;

fn boxed(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len() + 8).unwrap();
    [&size.to_be_bytes(), &name[..], content].concat()
}

/// A segment of sound that begins at this tick: one sample of two seconds.
fn sound(number: u64, from: u64, init: u64) -> Segment {
    let tfhd = boxed(b"tfhd", &[0, 2, 0, 0, 0, 0, 0, 2]);
    let tfdt = boxed(b"tfdt", &[&[1, 0, 0, 0], &from.to_be_bytes()[..]].concat());
    // Flags: each sample has a duration and a size.
    let duration = u32::try_from(TICKS).unwrap().to_be_bytes();
    let run: [&[u8]; 4] = [&[0, 0, 3, 0], &[0, 0, 0, 1], &duration, &[0, 0, 0, 3]];
    let trun = boxed(b"trun", &run.concat());
    let traf = boxed(b"traf", &[tfhd, tfdt, trun].concat());
    let mfhd = boxed(b"mfhd", &[0; 8]);
    let moof = boxed(b"moof", &[mfhd, traf].concat());
    let free = boxed(b"free", format!("init-{init}.mp4").as_bytes());
    let bytes = [
        boxed(b"styp", b"msdh\0\0\0\0msdh"),
        free,
        moof,
        boxed(b"mdat", &[0xf8, 0xff, 0xfe]),
    ]
    .concat();
    Segment {
        entry: SegmentEntry {
            number,
            init,
            discontinuity: number > 0 && init > 0,
            program_date_time_us: (number == 0 || init > 0).then_some(START_US),
            duration_us: 2_000_000,
            bytes: bytes.len() as u64,
            independent: true,
            pictures: 0,
            crc32: None,
        },
        bytes,
    }
}

/// Takes the journal away, starts again, and waits for the end, and for the end of the folder unless that stays.
async fn lose_journal(place: &Place, stays: bool) -> Finished {
    std::fs::remove_file(place.recording_path().join("journal")).unwrap();
    let spool = place.spool(&Crash::never().gate());
    let reason = spool.restore(ID, &destination()).unwrap_err().to_string();
    let reports = Reports::default();
    let buckets = place.buckets(&Crash::never().gate());
    let (handle, work) = reports.uploader(spool, buckets, quick(1));
    let lost = Lost {
        destination: destination(),
        started_us: START_US,
        ended_us: i64::try_from(crate::spool::now_s()).unwrap() * 1_000_000,
        reason,
    };
    handle.finish_lost(ID, lost);
    until("the end is reported", || !reports.all().is_empty()).await;
    let is_done = || stays || !place.recording_path().exists();
    until("nothing of it waits", is_done).await;
    work.abort();
    let _ = work.await;
    let finished = reports.all().remove(0);
    assert!(finished.failure.is_some());
    assert!(
        finished
            .message
            .as_ref()
            .unwrap()
            .contains("the journal of the recording is lost")
    );
    finished
}

fn text(objects: &BTreeMap<String, Vec<u8>>, path: &str) -> String {
    String::from_utf8(objects[path].clone()).unwrap()
}

#[tokio::test]
async fn what_nobody_has_listed_is_listed() {
    let place = Place::new();
    let spool = place.spool(&Crash::never().gate());
    let mut writer = begin(&spool, ID);
    for number in 0..3 {
        writer.segment(&sound(number, number * TICKS, 0)).unwrap();
    }
    writer.init(&init(1)).unwrap();
    writer.segment(&sound(3, 3 * TICKS + 48, 1)).unwrap();
    drop((writer, spool));
    std::fs::write(
        place.recording_path().join("media+thumbnails+high+1.jpg"),
        "jpeg",
    )
    .unwrap();
    assert_eq!(lose_journal(&place, false).await.duration_ms, 8_000);
    let objects = place.objects();
    let expected = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n#EXT-X-PLAYLIST-TYPE:VOD\n\
        #EXT-X-MAP:URI=\"init-0.mp4\"\n#EXT-X-PROGRAM-DATE-TIME:2026-10-02T09:12:40.118Z\n#EXTINF:2.00000,\n0.mp4\n\
        #EXTINF:2.00000,\n1.mp4\n#EXTINF:2.00000,\n2.mp4\n#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"init-1.mp4\"\n\
        #EXT-X-PROGRAM-DATE-TIME:2026-10-02T09:12:46.118Z\n#EXTINF:2.00000,\n3.mp4\n#EXT-X-ENDLIST\n";
    assert_eq!(text(&objects, PLAYLIST), expected);
    assert!(text(&objects, "media/hls/multivariant.m3u8").contains("#EXT-X-STREAM-INF:BANDWIDTH="));
    assert_eq!(objects["media/hls/high/init-1.mp4"], init(1).bytes);
    assert_eq!(
        objects["media/hls/high/3.mp4"],
        sound(3, 3 * TICKS + 48, 1).bytes
    );
    assert_eq!(objects["media/thumbnails/high/1.jpg"], b"jpeg");
}

#[tokio::test]
async fn what_was_uploaded_after_the_last_playlist_is_listed_too() {
    let place = Place::new();
    let spool = place.spool(&Crash::never().gate());
    let mut writer = begin(&spool, ID);
    let reports = Reports::default();
    let buckets = place.buckets(&Crash::never().gate());
    let (_handle, work) = reports.uploader(spool.clone(), buckets, quick(1));
    let mut listed = Vec::new();
    for number in 0..3 {
        writer.segment(&sound(number, number * TICKS, 0)).unwrap();
        let name = format!("\n{number}.mp4");
        let playlist = || place.objects().get(PLAYLIST).cloned().unwrap_or_default();
        until("it is listed", || {
            String::from_utf8(playlist()).unwrap().contains(&name)
        })
        .await;
        listed.push(playlist());
    }
    work.abort();
    let _ = work.await;
    for number in 3..5 {
        writer.segment(&sound(number, number * TICKS, 0)).unwrap();
    }
    drop((writer, spool));
    let path = place
        .root()
        .join(super::fixture::BUCKET)
        .join(super::fixture::PREFIX);
    std::fs::write(path.join(PLAYLIST), &listed[0]).unwrap();
    assert_eq!(lose_journal(&place, false).await.duration_ms, 10_000);
    let playlist = text(&place.objects(), PLAYLIST);
    let names: Vec<&str> = playlist
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    assert_eq!(names, ["0.mp4", "1.mp4", "2.mp4", "3.mp4", "4.mp4"]);
    assert!(!playlist.contains("DISCONTINUITY") && playlist.ends_with("#EXT-X-ENDLIST\n"));
}

#[tokio::test]
async fn what_cannot_be_listed_is_kept() {
    let place = Place::new();
    let spool = place.spool(&Crash::never().gate());
    let mut writer = begin(&spool, ID);
    writer.segment(&sound(0, 0, 0)).unwrap();
    writer.init(&init(1)).unwrap();
    writer.segment(&sound(1, 2 * TICKS, 1)).unwrap();
    drop((writer, spool));
    std::fs::remove_file(place.recording_path().join("init-0.mp4")).unwrap();
    let finished = lose_journal(&place, true).await;
    assert_eq!(finished.duration_ms, 2_000, "the other one is listed");
    assert!(finished.message.unwrap().contains("stay in the spool"));
    assert!(text(&place.objects(), PLAYLIST).contains("\n1.mp4"));
    assert!(place.objects().contains_key("media/hls/high/1.mp4"));
    assert!(place.recording_path().join("1.mp4").is_file());
}
