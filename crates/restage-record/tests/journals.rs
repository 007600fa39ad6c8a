//! Whatever a journal says, it is read, and what is made from it can be made.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use restage_record::journal::{
    Failure, InitEntry, Journal, Line, PictureEntry, SegmentEntry, parse,
};
use restage_record::playlist::{self, PlaylistKind};
use restage_record::{MediaTypes, Resumed, document};

/// Small numbers, and those at the ends.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..20_u64, Just(u64::MAX), Just(u64::MAX - 1), any::<u64>()]
}

fn time() -> impl Strategy<Value = i64> {
    prop_oneof![
        Just(0),
        Just(i64::MIN),
        Just(i64::MAX),
        Just(1_790_932_360_118_000),
        any::<i64>()
    ]
}

fn init() -> impl Strategy<Value = Line> {
    let picture =
        (any::<u32>(), any::<u32>()).prop_map(|(width, height)| PictureEntry { width, height });
    let codec = prop_oneof![
        Just("avc1.42c01f".to_owned()),
        Just("opus".to_owned()),
        ".{0,8}"
    ];
    let sum = option::of(any::<u32>());
    (
        number(),
        number(),
        vec(codec, 0..3),
        option::of(picture),
        sum,
    )
        .prop_map(|(number, bytes, codecs, picture, crc32)| {
            Line::Init(InitEntry {
                number,
                bytes,
                codecs,
                picture,
                crc32,
            })
        })
}

fn segment() -> impl Strategy<Value = Line> {
    let numbers = (number(), number(), number(), number(), number());
    (numbers, any::<bool>(), any::<bool>(), option::of(time())).prop_map(
        |((number, init, duration_us, bytes, pictures), discontinuity, independent, time)| {
            Line::Segment(SegmentEntry {
                number,
                init,
                discontinuity,
                program_date_time_us: time,
                duration_us,
                bytes,
                independent,
                pictures,
                crc32: Some(pictures as u32).filter(|_| independent),
            })
        },
    )
}

fn line() -> impl Strategy<Value = Line> {
    let failure = (".{0,20}", ".{0,20}").prop_map(|(code, reason)| Failure { code, reason });
    prop_oneof![
        time().prop_map(|utc_us| Line::Started { utc_us }),
        init(),
        segment(),
        (".{0,40}", number(), option::of(any::<u32>()))
            .prop_map(|(path, bytes, crc32)| Line::File { path, bytes, crc32 }),
        ".{0,40}".prop_map(|path| Line::Uploaded { path }),
        ".{0,40}".prop_map(|message| Line::Note { message }),
        (time(), option::of(failure)).prop_map(|(utc_us, failure)| Line::Ended { utc_us, failure }),
    ]
}

fn subject() -> document::Subject {
    document::Subject {
        stage_arn: "arn:aws:ivs:eu-west-1:000000000000:stage/AAAAbbbb1234".into(),
        session_id: "st-1".into(),
        participant_id: "part".into(),
        media_types: MediaTypes::AudioVideo,
        has_thumbnails: true,
        has_latest_thumbnail: true,
        composite: None,
    }
}

/// Makes all that is made from a journal.
fn make(journal: &Journal) {
    let resumed = Resumed::from(journal);
    assert_eq!(resumed.duration_us, journal.duration_us());
    for kind in [PlaylistKind::Event, PlaylistKind::Vod] {
        let text = playlist::media(kind, 14, journal.segments());
        assert!(text.starts_with("#EXTM3U\n"));
    }
    playlist::multivariant(journal, playlist::RENDITION);
    let (ended_us, _) = journal.ended().unwrap_or_default();
    let end = document::End {
        started_us: journal.started_us().unwrap_or_default(),
        ended_us,
        duration_us: journal.duration_us(),
        message: journal.notes().first().copied(),
    };
    document::ended(&subject(), end);
}

proptest! {
    #[test]
    fn whatever_is_written_is_read_and_used(lines in vec(line(), 0..40)) {
        let bytes: Vec<u8> = lines.iter().flat_map(|line| line.encode().unwrap()).collect();
        let journal = parse(&bytes);
        prop_assert_eq!(&journal.lines, &lines);
        prop_assert_eq!(journal.valid_bytes, bytes.len());
        make(&journal);
    }

    #[test]
    fn what_is_changed_is_never_believed(
        lines in vec(line(), 1..12), place in any::<prop::sample::Index>(), change in 1..=u8::MAX,
    ) {
        let mut bytes: Vec<u8> = lines.iter().flat_map(|line| line.encode().unwrap()).collect();
        let place = place.index(bytes.len());
        bytes[place] ^= change;
        let journal = parse(&bytes);
        // A line feed that is changed takes two lines with it; all others are read as they were.
        prop_assert!(journal.lines.len() + 2 >= lines.len());
        prop_assert!(journal.lines.len() < lines.len());
        let mut all = lines.iter();
        prop_assert!(journal.lines.iter().all(|line| all.any(|other| other == line)));
        make(&journal);
    }
}
