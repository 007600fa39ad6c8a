//! Writes messages in chunks.

use super::EXTENDED;

/// Appends a message with the timestamp 0. Chunks have at most `chunk_bytes` of it.
pub(crate) fn write(
    out: &mut Vec<u8>,
    chunk_bytes: usize,
    stream: ChunkStream,
    kind: u8,
    message_stream: u32,
    body: &[u8],
) {
    let head = Head {
        stream,
        kind,
        message_stream,
        timestamp: 0,
    };
    write_timed(out, chunk_bytes, head, body);
}

/// What stands before a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    pub(crate) stream: ChunkStream,
    pub(crate) kind: u8,
    pub(crate) message_stream: u32,
    /// Milliseconds, which wrap around.
    pub(crate) timestamp: u32,
}

/// Appends a message. A timestamp that does not fit three bytes stands in four of its own, in each of the chunks (RTMP 1.0 §5.3.1.3).
pub(crate) fn write_timed(out: &mut Vec<u8>, chunk_bytes: usize, head: Head, body: &[u8]) {
    let is_extended = head.timestamp >= EXTENDED;
    let extended = head.timestamp.to_be_bytes();
    let extended: &[u8] = if is_extended { &extended } else { &[] };
    let time = head.timestamp.min(EXTENDED).to_be_bytes();
    let length = (body.len() as u32).to_be_bytes();
    out.push(head.stream.0);
    out.extend([time[1], time[2], time[3]]);
    out.extend([length[1], length[2], length[3], head.kind]);
    out.extend(head.message_stream.to_le_bytes());
    out.extend(extended);
    for (place, chunk) in body.chunks(chunk_bytes.max(1)).enumerate() {
        if place > 0 {
            out.push(0xc0 | head.stream.0);
            out.extend(extended);
        }
        out.extend(chunk);
    }
}

/// A chunk stream that is written, with an id from 2 to 63.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChunkStream(u8);

impl ChunkStream {
    /// Of protocol control (§5.4).
    pub(crate) const CONTROL: Self = Self(2);
    /// Of commands.
    pub(crate) const COMMANDS: Self = Self(3);
    /// Of sound and what describes a stream.
    pub(crate) const AUDIO: Self = Self(4);
    /// Of pictures.
    pub(crate) const VIDEO: Self = Self(6);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::Reader;
    use crate::message::Message;

    #[test]
    fn what_is_written_is_read() {
        for length in [0, 1, 127, 128, 129, 1_000] {
            let body: Vec<u8> = (0..length).map(|byte| byte as u8).collect();
            let mut out = Vec::new();
            write(&mut out, 128, ChunkStream::COMMANDS, 20, 1, &body);
            let message = Message {
                kind: 20,
                timestamp: 0,
                body,
            };
            let mut input = out.as_slice();
            assert_eq!(Reader::new().receive(&mut input), Ok(Some(message)));
            assert!(input.is_empty());
        }
    }

    #[test]
    fn timestamps_beyond_three_bytes_are_read_as_well() {
        for timestamp in [0, 5, EXTENDED - 1, EXTENDED, EXTENDED + 1, u32::MAX] {
            let head = Head {
                stream: ChunkStream::VIDEO,
                kind: 9,
                message_stream: 1,
                timestamp,
            };
            let mut out = Vec::new();
            write_timed(&mut out, 128, head, &[7; 400]);
            let mut input = out.as_slice();
            let message = Reader::new().receive(&mut input).unwrap().unwrap();
            assert_eq!((message.timestamp, message.body), (timestamp, vec![7; 400]));
            assert!(input.is_empty());
        }
    }
}
