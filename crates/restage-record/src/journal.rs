//! The journal of a recording: what is in its spool, one line for each thing that counts.
//!
//! A journal is only appended to. A line is a JSON object, a space, the CRC-32 of the object in eight hexadecimal digits, and a line feed.
//! The first line that is torn or damaged ends a journal, since a process that died has written nothing after it.

use crc::{CRC_32_ISO_HDLC, Crc};
use serde::{Deserialize, Serialize};

/// Bytes of one line: a sentence of [`Line::Note`] and what a segment says are far below.
pub const LINE_BYTES_MAX: usize = 4_096;
/// Bytes of a journal that are read: segments of 2 s for more than ten days.
pub const JOURNAL_BYTES_MAX: usize = 128 << 20;
/// Digits of the checksum.
const CHECKSUM_DIGITS: usize = 8;
const CHECKSUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

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
}

impl Line {
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
        let split = bytes.len().checked_sub(CHECKSUM_DIGITS + 1)?;
        let (json, rest) = bytes.split_at_checked(split)?;
        let digits = std::str::from_utf8(rest.strip_prefix(b" ")?).ok()?;
        let checksum = u32::from_str_radix(digits, 16).ok()?;
        if checksum != CHECKSUM.checksum(json) {
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
    /// How many bytes those lines have. Whoever goes on with the journal cuts it there first.
    pub valid_bytes: usize,
}

/// Reads a journal up to the first line that is torn or damaged. Any bytes may be given; of more than [`JOURNAL_BYTES_MAX`] the rest
/// is not read.
pub fn parse(bytes: &[u8]) -> Journal {
    let mut journal = Journal::default();
    let mut rest = bytes.get(..JOURNAL_BYTES_MAX).unwrap_or(bytes);
    loop {
        let head = rest.get(..LINE_BYTES_MAX).unwrap_or(rest);
        let Some(end) = head.iter().position(|byte| *byte == b'\n') else {
            return journal;
        };
        let (line, after) = rest.split_at(end);
        let Some(line) = Line::decode(line) else {
            return journal;
        };
        journal.lines.push(line);
        journal.valid_bytes += end + 1;
        rest = after.get(1..).unwrap_or_default();
    }
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
            }),
            segment(0),
            segment(1),
            Line::Uploaded {
                path: "media/hls/high/0.mp4".into(),
            },
            Line::File {
                path: "media/thumbnails/high/1.jpg".into(),
                bytes: 9_000,
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
                valid_bytes: bytes.len()
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

    #[test]
    fn damage_ends_the_journal() {
        let lines = lines();
        let bytes = written(&lines);
        for place in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 0x01;
            let journal = parse(&damaged);
            assert!(journal.valid_bytes <= place, "byte {place}");
            assert_eq!(journal.lines, lines[..journal.lines.len()]);
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
