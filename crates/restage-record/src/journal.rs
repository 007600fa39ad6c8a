//! The journal of a recording: what is in its spool, one line for each thing that counts.
//!
//! A journal is only appended to. A line is a JSON object, a space, the CRC-32 of the object in eight hexadecimal digits, and a line feed.
//! A process that dies may leave one torn line, at the end. A line that is damaged before the end is left out, and those after it are
//! read: what it said is lost, and nothing else.

use crc::{CRC_32_ISO_HDLC, Crc, Table};
use serde::{Deserialize, Serialize};

/// Bytes of one line: a sentence of [`Line::Note`] and what a segment says are far below.
pub const LINE_BYTES_MAX: usize = 4_096;
/// Bytes of a journal that are read: segments of 2 s for more than ten days.
pub const JOURNAL_BYTES_MAX: usize = 128 << 20;
/// Digits of the checksum.
const CHECKSUM_DIGITS: usize = 8;
const CHECKSUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
/// The same with larger tables, for files: four times as fast.
const FILE_CHECKSUM: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISO_HDLC);

/// The CRC-32 of a file, as lines about files have it.
pub fn checksum(bytes: &[u8]) -> u32 {
    FILE_CHECKSUM.checksum(bytes)
}

/// One thing that has happened to a recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "camelCase")]
pub enum Line {
    /// Media is being recorded from now on. It comes again when a recording goes on after a restart.
    Started {
        /// UTC in microseconds since 1970.
        utc_us: i64,
    },
    /// `init-N.mp4` is in the spool.
    Init(InitEntry),
    /// `N.mp4` is in the spool.
    Segment(SegmentEntry),
    /// Another file is in the spool: a thumbnail or a document.
    File {
        /// Its path below the recording's prefix.
        path: String,
        /// Its size.
        bytes: u64,
        /// Its checksum ([`checksum`]); `None` in journals of earlier versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        crc32: Option<u32>,
    },
    /// A file is in the bucket.
    Uploaded {
        /// Its path below the recording's prefix.
        path: String,
    },
    /// A sentence for `recording_status_message`.
    Note {
        /// The sentence.
        message: String,
    },
    /// The capture is over.
    Ended {
        /// UTC in microseconds since 1970.
        utc_us: i64,
        /// Why it ended, if it was not meant to.
        failure: Option<Failure>,
    },
}

/// Why a recording failed, as the events of the service name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Such as `InternalServerException`.
    pub code: String,
    /// A sentence for people.
    pub reason: String,
}

/// What is known of an init.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InitEntry {
    /// N of `init-N.mp4`.
    pub number: u64,
    /// Size of the file.
    pub bytes: u64,
    /// The formats of its tracks (RFC 6381), pictures first.
    pub codecs: Vec<String>,
    /// Size of the pictures in pixels, as they are shown; `None` for sound alone.
    pub picture: Option<PictureEntry>,
    /// Its checksum ([`checksum`]), once it is in the spool; `None` in journals of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc32: Option<u32>,
}

/// Size of pictures in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PictureEntry {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// What is known of a segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentEntry {
    /// N of `N.mp4`.
    pub number: u64,
    /// Number of the init that it needs.
    pub init: u64,
    /// It does not go on where the one before it ended: clocks, tracks or formats may differ.
    pub discontinuity: bool,
    /// When it begins: UTC in microseconds since 1970. The first one and those after a discontinuity say it.
    pub program_date_time_us: Option<i64>,
    /// Length in microseconds.
    pub duration_us: u64,
    /// Size of the file.
    pub bytes: u64,
    /// A decoder can start with it.
    pub independent: bool,
    /// Pictures in it.
    pub pictures: u64,
    /// Its checksum ([`checksum`]), once it is in the spool; `None` in journals of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc32: Option<u32>,
}

impl Line {
    /// Says the checksum of the file that the line is about, if it is about one.
    pub fn set_checksum(&mut self, sum: u32) {
        match self {
            Self::Init(InitEntry { crc32, .. })
            | Self::Segment(SegmentEntry { crc32, .. })
            | Self::File { crc32, .. } => *crc32 = Some(sum),
            _ => {}
        }
    }

    /// The line as it stands in the journal, with its line feed.
    ///
    /// # Errors
    ///
    /// The line would be longer than [`LINE_BYTES_MAX`].
    pub fn encode(&self) -> Result<Vec<u8>, LineTooLong> {
        let mut bytes = serde_json::to_vec(self).map_err(|_| LineTooLong)?;
        let checksum = CHECKSUM.checksum(&bytes);
        bytes.extend_from_slice(format!(" {checksum:0CHECKSUM_DIGITS$x}\n").as_bytes());
        if bytes.len() > LINE_BYTES_MAX {
            return Err(LineTooLong);
        }
        Ok(bytes)
    }

    /// `None`: the line is damaged, or of a later version. `bytes` are without the line feed.
    fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() >= LINE_BYTES_MAX {
            return None;
        }
        let split = bytes.len().checked_sub(CHECKSUM_DIGITS + 1)?;
        let (json, rest) = bytes.split_at_checked(split)?;
        // Digits count as they are written: a bit that makes one upper-case is damage.
        if rest != format!(" {:08x}", CHECKSUM.checksum(json)).as_bytes() {
            return None;
        }
        serde_json::from_slice(json).ok()
    }
}

/// A line would be longer than [`LINE_BYTES_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a line of the journal would have more than {LINE_BYTES_MAX} bytes; shorten its texts")]
pub struct LineTooLong;

/// A journal that was read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Journal {
    /// Its lines, in the order in which they were written.
    pub lines: Vec<Line>,
    /// Bytes up to the end of the last of those lines. Whoever goes on with the journal cuts it there first.
    pub valid_bytes: usize,
    /// Lines before that end that are damaged, and left out.
    pub damaged: usize,
}

/// Reads a journal, and leaves out lines that are torn or damaged. Any bytes may be given; of more than [`JOURNAL_BYTES_MAX`] the rest
/// is not read.
pub fn parse(bytes: &[u8]) -> Journal {
    let mut journal = Journal::default();
    let bytes = bytes.get(..JOURNAL_BYTES_MAX).unwrap_or(bytes);
    let (mut at, mut damaged) = (0, 0);
    for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
        at += piece.len();
        let line = piece.strip_suffix(b"\n");
        match line.and_then(Line::decode) {
            Some(line) => {
                journal.lines.push(line);
                journal.valid_bytes = at;
                journal.damaged = damaged;
            }
            None => damaged += 1,
        }
    }
    journal
}

impl Journal {
    /// Its inits.
    pub fn inits(&self) -> impl Iterator<Item = &InitEntry> + Clone {
        self.lines.iter().filter_map(|line| match line {
            Line::Init(entry) => Some(entry),
            _ => None,
        })
    }

    /// Its segments.
    pub fn segments(&self) -> impl Iterator<Item = &SegmentEntry> + Clone {
        self.lines.iter().filter_map(|line| match line {
            Line::Segment(entry) => Some(entry),
            _ => None,
        })
    }

    /// Length of what is recorded, in microseconds.
    pub fn duration_us(&self) -> u64 {
        let durations = self.segments().map(|segment| segment.duration_us);
        durations.fold(0, u64::saturating_add)
    }

    /// What the last line about the end says, if nothing was started after it: time (UTC, µs) and failure.
    pub fn ended(&self) -> Option<(i64, Option<&Failure>)> {
        self.lines.iter().rev().find_map(|line| match line {
            Line::Ended { utc_us, failure } => Some(Some((*utc_us, failure.as_ref()))),
            Line::Started { .. } => Some(None),
            _ => None,
        })?
    }

    /// When it started first: UTC in microseconds since 1970.
    pub fn started_us(&self) -> Option<i64> {
        self.lines.iter().find_map(|line| match line {
            Line::Started { utc_us } => Some(*utc_us),
            _ => None,
        })
    }

    /// When the media ended, by the times of the segments; before the first one, when it started. UTC in microseconds since 1970.
    pub fn end_us(&self) -> Option<i64> {
        let mut clock_us = self.started_us();
        for segment in self.segments() {
            let start = segment.program_date_time_us.or(clock_us);
            clock_us = start.map(|us| us.saturating_add_unsigned(segment.duration_us));
        }
        clock_us
    }

    /// Sentences for `recording_status_message`, each once, in the order in which they came.
    pub fn notes(&self) -> Vec<&str> {
        let mut notes = Vec::new();
        for line in &self.lines {
            if let Line::Note { message } = line
                && !notes.contains(&message.as_str())
            {
                notes.push(message.as_str());
            }
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn segment(number: u64) -> Line {
        Line::Segment(SegmentEntry {
            number,
            init: number / 2,
            discontinuity: number == 2,
            program_date_time_us: number.is_multiple_of(2).then_some(1_790_932_360_118_000),
            duration_us: 6_000_000,
            bytes: 1 << 33,
            independent: true,
            pictures: 180,
            crc32: (number > 0).then_some(0xcbf4_3926),
        })
    }

    fn lines() -> Vec<Line> {
        vec![
            Line::Started {
                utc_us: 1_790_932_360_118_000,
            },
            Line::Init(InitEntry {
                number: 0,
                bytes: 700,
                codecs: vec!["avc1.42e01f".into(), "opus".into()],
                picture: Some(PictureEntry {
                    width: 1_280,
                    height: 720,
                }),
                crc32: Some(1),
            }),
            segment(0),
            segment(1),
            Line::Uploaded {
                path: "media/hls/high/0.mp4".into(),
            },
            Line::File {
                path: "media/thumbnails/high/1.jpg".into(),
                bytes: 9_000,
                crc32: None,
            },
            Line::Note {
                message: "a note with \"quotes\"\nand a new line".into(),
            },
            Line::Note {
                message: "another".into(),
            },
            Line::Note {
                message: "another".into(),
            },
            segment(2),
            Line::Ended {
                utc_us: -5,
                failure: Some(Failure {
                    code: "InternalServerException".into(),
                    reason: "full".into(),
                }),
            },
        ]
    }

    fn written(lines: &[Line]) -> Vec<u8> {
        lines
            .iter()
            .flat_map(|line| line.encode().unwrap())
            .collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = written(&lines());
        let journal = parse(&bytes);
        assert_eq!(
            journal,
            Journal {
                lines: lines(),
                valid_bytes: bytes.len(),
                damaged: 0,
            }
        );
        assert_eq!(journal.duration_us(), 18_000_000);
        assert_eq!(journal.notes().len(), 2);
        assert_eq!(journal.started_us(), Some(1_790_932_360_118_000));
        let (ended, failure) = journal.ended().unwrap();
        assert_eq!(
            (ended, failure.unwrap().code.as_str()),
            (-5, "InternalServerException")
        );
        let resumed = crate::Resumed::from(&journal);
        assert_eq!((resumed.next_segment, resumed.next_init), (3, 1));
        assert_eq!(resumed.duration_us, 18_000_000);
        assert_eq!(
            crate::Resumed::from(&Journal::default()),
            crate::Resumed::default()
        );
    }

    #[test]
    fn the_form_on_disk_stays_as_it_is() {
        let line = Line::Started { utc_us: 7 }.encode().unwrap();
        assert_eq!(
            String::from_utf8(line).unwrap(),
            "{\"line\":\"started\",\"utc_us\":7} f9141669\n"
        );
        assert_eq!(
            checksum(b"123456789"),
            0xcbf4_3926,
            "the check value of CRC-32"
        );
    }

    #[test]
    fn a_line_of_an_earlier_version_has_no_checksum_of_its_file() {
        let json = r#"{"line":"file","path":"events/recording-started.json","bytes":2}"#;
        let text = format!("{json} {:08x}\n", CHECKSUM.checksum(json.as_bytes()));
        let line = Line::File {
            path: "events/recording-started.json".into(),
            bytes: 2,
            crc32: None,
        };
        assert_eq!(parse(text.as_bytes()).lines, std::slice::from_ref(&line));
        assert_eq!(line.encode().unwrap(), text.as_bytes());
    }

    #[test]
    fn a_recording_that_goes_on_has_not_ended() {
        let mut lines = lines();
        lines.push(Line::Started { utc_us: 9 });
        assert_eq!(parse(&written(&lines)).ended(), None);
    }

    #[test]
    fn a_torn_end_is_left_out() {
        let bytes = written(&lines());
        for end in 0..bytes.len() {
            let journal = parse(&bytes[..end]);
            let whole = bytes[..end].iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(journal.lines, lines()[..whole]);
            assert_eq!(&bytes[..journal.valid_bytes], written(&lines()[..whole]));
        }
    }

    /// The lines without some of them.
    fn without(lines: &[Line], left_out: std::ops::RangeInclusive<usize>) -> Vec<Line> {
        let kept = lines.iter().enumerate();
        let kept = kept.filter(|(place, _)| !left_out.contains(place));
        kept.map(|(_, line)| line.clone()).collect()
    }

    #[test]
    fn a_damaged_line_is_left_out_and_those_after_it_are_read() {
        let lines = lines();
        let bytes = written(&lines);
        for place in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 0x01;
            let journal = parse(&damaged);
            let number = bytes[..place].iter().filter(|byte| **byte == b'\n').count();
            // Without its line feed, a line takes the next one with it.
            let last = number + usize::from(bytes[place] == b'\n');
            assert_eq!(
                journal.lines,
                without(&lines, number..=last),
                "byte {place}"
            );
            let is_inside = last + 1 < lines.len();
            assert_eq!(journal.damaged > 0, is_inside, "byte {place}");
            assert_eq!(
                journal.valid_bytes == bytes.len(),
                is_inside,
                "byte {place}"
            );
        }
    }

    #[test]
    fn lines_have_a_bound() {
        let message = "x".repeat(LINE_BYTES_MAX);
        assert_eq!(Line::Note { message }.encode(), Err(LineTooLong));
        let message = "x".repeat(LINE_BYTES_MAX - 60);
        let line = Line::Note { message }.encode().unwrap();
        assert_eq!(parse(&line).lines.len(), 1);
        assert_eq!(parse(&vec![b'x'; 3 * LINE_BYTES_MAX]), Journal::default());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(
            good in 0..11_usize, bytes in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let mut journal = written(&lines()[..good]);
            let valid = journal.len();
            journal.extend(bytes);
            let read = parse(&journal);
            prop_assert!(read.lines.len() >= good && read.valid_bytes >= valid);
        }
    }
}
