//! Recordings: journals and playlists of a process that has died, segments, and a recorder with its publisher.

use std::sync::Arc;

use restage_codec::Codec;
use restage_record::journal::{self, Journal, Line, SegmentEntry};
use restage_record::limits::{OUTPUTS_MAX, SEGMENT_BYTES_MAX};
use restage_record::playlist::{self, ListEnd, PlaylistKind, Unlisted};
use restage_record::{
    Anchor, EncodingId, MediaTypes, Output, Packet, Recorder, RecorderConfig, Resumed,
    SegmentTimes, SenderReport,
};

use crate::input::{Input, text};
use crate::target::Target;

/// The targets of this room.
pub(crate) const TARGETS: &[Target] = &[
    Target::new("journal", read_journal, "journals of recordings: torn, damaged, written again, as playlists").from(journal_seeds),
    Target::new("playlist", read_playlist, "playlists that are closed without their journal").from(playlist_seeds),
    Target::new("segment", read_segment, "what a segment says of itself").from(segment_seeds),
    Target::new("recorder", recorder, "a recorder: packets of all codecs in any order, pauses, absence, time; its journal makes the same playlist").from(recorder_seeds),
];

/// The playlists of a journal: none may break a rule.
fn playlists(journal: &Journal) -> Vec<String> {
    let segments: Vec<SegmentEntry> = journal.segments().cloned().collect();
    let vod = playlist::media(PlaylistKind::Vod, 1, &segments);
    let event = playlist::media(PlaylistKind::Event, 14, &segments);
    let multivariant = playlist::multivariant(journal, "media/hls/1080p").unwrap_or_default();
    vec![vod, event, multivariant]
}

fn read_journal(bytes: &[u8]) {
    let journal = journal::parse(bytes);
    assert!(journal.valid_bytes <= bytes.len());
    let cut = journal::parse(&bytes[..journal.valid_bytes]);
    assert_eq!(cut, journal, "what is cut off says nothing");
    let mut written = Vec::new();
    for line in &journal.lines {
        written.extend(line.encode().expect("it was a line"));
    }
    let again = journal::parse(&written);
    assert_eq!(
        (&again.lines, again.damaged, again.valid_bytes),
        (&journal.lines, 0, written.len())
    );
    // A torn line at the end is left out.
    if !written.is_empty() {
        let torn = journal::parse(&written[..written.len() - 1]);
        assert_eq!(torn.lines, journal.lines[..journal.lines.len() - 1]);
    }
    let _ = (
        journal.ended(),
        journal.started_us(),
        journal.end_us(),
        journal.notes(),
        journal.duration_us(),
    );
    let _ = Resumed::from(&journal);
    playlists(&journal);
    lines(bytes);
}

/// Lines with checksums that are right, so that what stands in them is read.
fn lines(bytes: &[u8]) {
    let mut all = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Ok(line) = serde_json::from_slice::<Line>(line)
            && let Ok(line) = line.encode()
        {
            all.extend(line);
        }
    }
    if !all.is_empty() {
        let journal = journal::parse(&all);
        assert!(journal.damaged == 0 && journal.valid_bytes == all.len());
        let _ = (
            journal.ended(),
            journal.end_us(),
            journal.notes(),
            Resumed::from(&journal),
        );
        playlists(&journal);
    }
}

fn read_playlist(bytes: &[u8]) {
    let Some(text) = text(bytes) else {
        return;
    };
    let _ = playlist::broken_rules(text);
    let end = ListEnd::read(text);
    let Some(closed) = playlist::close(text) else {
        return;
    };
    assert!(closed.text.ends_with("#EXT-X-ENDLIST\n"));
    assert_eq!(
        playlist::close(&closed.text).as_ref(),
        Some(&closed),
        "what is closed stays"
    );
    assert_eq!(ListEnd::read(&closed.text).segment, end.segment);
    let rest = playlist::entries(end, &[]);
    assert!(rest.is_empty());
}

fn read_segment(bytes: &[u8]) {
    if let Some(times) = SegmentTimes::read(bytes) {
        let unlisted = [Unlisted {
            number: 1,
            bytes: bytes.len() as u64,
            times,
        }];
        let entries = playlist::entries(ListEnd::default(), &unlisted);
        assert_eq!(entries.len(), 1);
        let _ = playlist::playlists_of(&entries, "media");
    }
}

const CODECS: [Codec; 7] = [
    Codec::H264,
    Codec::Opus,
    Codec::Vp9,
    Codec::Av1,
    Codec::H265,
    Codec::Vp8,
    Codec::Red,
];
/// Payloads that begin a picture, and such that go on with one.
const KEYS: [&[u8]; 7] = [
    &[
        0x78, 0, 23, 0x67, 0x42, 0xd0, 0x0b, 0xda, 0x08, 0x36, 0xc0, 0x44, 0, 0, 3, 0, 4, 0, 0, 3,
        0, 0x52, 0x3c, 0x48, 0x9a, 0x80, 0, 4, 0x68, 0xce, 0x3c, 0x80, 0, 4, 0x65, 0x88, 0x84, 1,
    ],
    &[0xf8, 0xff, 0xfe],
    &[
        0x8c, 1, 0x82, 0x49, 0x83, 0x42, 0x20, 0x09, 0xf0, 0x05, 0x90, 7, 7, 7,
    ],
    &[
        0x18, 0x0a, 0x0a, 0, 0, 0, 0x02, 0xaf, 0xff, 0x9b, 0x5f, 0x30, 0x08, 0x32, 4, 0x10, 0, 1, 2,
    ],
    &[
        0x60, 1, 0, 3, 0x40, 1, 7, 0, 3, 0x42, 1, 7, 0, 3, 0x44, 1, 7,
    ],
    &[0x10, 0, 0, 0, 0x9d, 1, 0x2a, 0x40, 1, 0xb4, 0],
    &[0x6f, 0xf8, 0xff, 0xfe],
];

/// A recorder with its caller: what it gives is written into a journal.
struct Recording {
    recorder: Recorder,
    now_us: u64,
    journal: Vec<u8>,
    segments: Vec<SegmentEntry>,
    inits: Vec<u64>,
    sequences: [u64; 2],
    timestamps: [u64; 2],
}

impl Recording {
    fn new(input: &mut Input<'_>) -> Self {
        let kind = input.byte();
        let config = RecorderConfig {
            media_types: [
                MediaTypes::AudioVideo,
                MediaTypes::AudioVideo,
                MediaTypes::AudioOnly,
                MediaTypes::None,
            ][usize::from(kind & 3)],
            segment_seconds: u32::from(kind >> 2 & 15),
            anchor: Anchor {
                steady_us: 1_000_000,
                utc_us: 1_700_000_000_000_000,
            },
            resumed: None,
            may_return: kind & 0x80 != 0,
        };
        Self {
            recorder: Recorder::new(config),
            now_us: 1_000_000,
            journal: Vec::new(),
            segments: Vec::new(),
            inits: Vec::new(),
            sequences: [1_000, 1_000],
            timestamps: [90_000, 48_000],
        }
    }

    fn packet(&mut self, input: &mut Input<'_>) -> Packet {
        let form = input.byte();
        let codec = CODECS[usize::from(form & 7) % CODECS.len()];
        let key = KEYS[usize::from(form & 7) % CODECS.len()];
        let kind = usize::from(codec.kind() == restage_codec::MediaKind::Audio);
        let steps = input.byte();
        self.sequences[kind] = match steps & 0x0f {
            15 => input.long() >> 16,
            14 => self.sequences[kind].saturating_sub(3),
            step => self.sequences[kind].saturating_add(u64::from(step % 3)),
        };
        self.timestamps[kind] = match steps >> 4 {
            15 => input.long(),
            14 => self.timestamps[kind].saturating_sub(9_000),
            step => self.timestamps[kind].saturating_add(u64::from(step) * 960),
        };
        let payload: Arc<[u8]> = match form >> 3 & 3 {
            0 | 1 => key.into(),
            2 => [key, input.piece()].concat().into(),
            _ => input.piece().into(),
        };
        let report = (form & 0x40 != 0).then(|| SenderReport {
            ntp_us: input.long() as i64,
            rtp_time: input.word(),
            is_of_ingest: form & 0x20 != 0,
        });
        Packet {
            encoding: EncodingId(u64::from(input.byte() & 0x11)),
            codec,
            sequence: self.sequences[kind],
            timestamp: self.timestamps[kind],
            arrived_us: self.now_us.saturating_sub(u64::from(input.byte()) * 100),
            report,
            marker: form & 0x80 == 0,
            starts_key_frame: codec.kind() == restage_codec::MediaKind::Video && form & 8 == 0,
            parameter_sets: None,
            rotation_degrees: 90 * u16::from(input.byte() & 3),
            payload,
        }
    }

    /// Writes what has come into the journal.
    fn drain(&mut self) {
        let mut count = 0;
        while let Some(output) = self.recorder.poll() {
            count += 1;
            let line = match output {
                Output::Init(init) => {
                    assert_eq!(init.entry.bytes, init.bytes.len() as u64);
                    assert!(
                        self.inits
                            .last()
                            .is_none_or(|last| last + 1 == init.entry.number)
                    );
                    self.inits.push(init.entry.number);
                    Line::Init(init.entry)
                }
                Output::Segment(segment) => {
                    self.check(&segment.entry, &segment.bytes);
                    Line::Segment(segment.entry)
                }
                Output::Note(note) => Line::Note {
                    message: note.into(),
                },
                _ => continue,
            };
            self.journal
                .extend(line.encode().expect("a line that fits"));
        }
        assert!(count <= OUTPUTS_MAX + 16, "{count} outputs");
    }

    fn check(&mut self, entry: &SegmentEntry, bytes: &[u8]) {
        assert!(bytes.len() <= SEGMENT_BYTES_MAX && entry.bytes == bytes.len() as u64);
        assert!(self.inits.contains(&entry.init), "its init came before");
        assert!(
            self.segments
                .last()
                .is_none_or(|last| last.number + 1 == entry.number)
        );
        assert!(entry.duration_us > 0, "a segment lasts");
        let times = SegmentTimes::read(bytes).expect("it says its times");
        assert_eq!(times.init, entry.init);
        self.segments.push(entry.clone());
    }
}

fn recorder(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut recording = Recording::new(&mut input);
    while !input.is_empty() {
        match input.below(16) {
            0 => {
                recording.now_us += u64::from(input.short()) * 1_000;
                recording.recorder.tick(recording.now_us);
            }
            1 => recording.recorder.pause(recording.now_us),
            2 | 3 => recording.recorder.resume(recording.now_us),
            4 if input.flag() => recording.recorder.source_gone(recording.now_us),
            5 => recording.recorder.want_picture(recording.now_us),
            6 => recording.recorder.expect([input.pick(&CODECS)]),
            _ => {
                recording.now_us += u64::from(input.byte()) * 400;
                let packet = recording.packet(&mut input);
                recording.recorder.push(recording.now_us, packet);
            }
        }
        recording.drain();
    }
    recording.recorder.finish(recording.now_us);
    recording.drain();
    let journal = journal::parse(&recording.journal);
    assert_eq!(journal.damaged, 0);
    assert!(
        journal.segments().eq(&recording.segments),
        "the journal says what was made"
    );
    let texts = playlists(&journal);
    if !recording.segments.is_empty() {
        assert_eq!(playlist::broken_rules(&texts[0]), [], "{}", texts[0]);
        assert_eq!(playlist::broken_rules(&texts[1]), [], "{}", texts[1]);
    }
    let resumed = Resumed::from(&journal);
    assert_eq!(
        resumed.next_segment,
        recording.segments.last().map_or(0, |last| last.number + 1)
    );
    assert_eq!(
        playlists(&journal::parse(&recording.journal)),
        texts,
        "a journal makes the same playlist again"
    );
}

/// A story of two runs, as its journal and without checksums.
fn journal_seeds() -> Vec<Vec<u8>> {
    let lines = [
        r#"{"line":"started","utc_us":1700000000000000}"#,
        r#"{"line":"init","number":0,"bytes":800,"codecs":["avc1.42d00b","opus"],"picture":{"width":128,"height":96},"crc32":7}"#,
        r#"{"line":"segment","number":0,"init":0,"discontinuity":false,"program_date_time_us":1700000000000000,"duration_us":6000000,"bytes":9000,"independent":true,"pictures":180}"#,
        r#"{"line":"segment","number":1,"init":0,"discontinuity":true,"program_date_time_us":1700000009000000,"duration_us":2500000,"bytes":9000,"independent":true,"pictures":75,"crc32":9}"#,
        r#"{"line":"file","path":"thumbnails/thumb0.jpg","bytes":77}"#,
        r#"{"line":"note","message":"A sentence."}"#,
        r#"{"line":"ended","utc_us":1700000012000000,"failure":null}"#,
    ];
    let plain = lines.join("\n").into_bytes();
    let mut journal = Vec::new();
    for line in lines {
        let line: Line = serde_json::from_str(line).expect("a line");
        journal.extend(line.encode().expect("it fits"));
    }
    vec![plain, journal]
}

fn playlist_seeds() -> Vec<Vec<u8>> {
    let journal = journal::parse(&journal_seeds()[1]);
    playlists(&journal)
        .into_iter()
        .map(String::into_bytes)
        .collect()
}

/// The segments of a recording of sound alone.
fn segment_seeds() -> Vec<Vec<u8>> {
    let mut recorder = Recorder::new(RecorderConfig {
        media_types: MediaTypes::AudioOnly,
        segment_seconds: 2,
        anchor: Anchor {
            steady_us: 0,
            utc_us: 1_700_000_000_000_000,
        },
        resumed: None,
        may_return: false,
    });
    let mut segments = Vec::new();
    for number in 0..150 {
        let now_us = number * 20_000;
        recorder.push(
            now_us,
            Packet {
                encoding: EncodingId(1),
                codec: Codec::Opus,
                sequence: number,
                timestamp: number * 960,
                arrived_us: now_us,
                report: None,
                marker: false,
                starts_key_frame: false,
                parameter_sets: None,
                rotation_degrees: 0,
                payload: [0xf8, 0xff, 0xfe].into(),
            },
        );
    }
    recorder.finish(3_000_000);
    while let Some(output) = recorder.poll() {
        if let Output::Segment(segment) = output {
            segments.push(segment.bytes);
        }
    }
    segments.truncate(1);
    segments
}

fn recorder_seeds() -> Vec<Vec<u8>> {
    let story = |form: u8, step: u8| {
        let mut story = vec![0x88];
        for _ in 0..60 {
            story.extend([8, 100, form, step, 0, 0, 0, 8, 50, 1, 0x11, 0, 0, 0]);
        }
        story.extend([0, 0x40, 0, 5, 4, 1, 1, 2]);
        story
    };
    vec![
        story(0, 0x31),
        story(2, 0x31),
        story(3, 0x31),
        story(4, 0x31),
    ]
}
