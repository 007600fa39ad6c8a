//! Writes messages in chunks.

/// Appends a message with the timestamp 0. Chunks have at most `chunk_bytes` of it.
pub(crate) fn write(
    out: &mut Vec<u8>,
    chunk_bytes: usize,
    stream: ChunkStream,
    kind: u8,
    message_stream: u32,
    body: &[u8],
) {
    let length = (body.len() as u32).to_be_bytes();
    out.push(stream.0);
    out.extend([0, 0, 0, length[1], length[2], length[3], kind]);
    out.extend(message_stream.to_le_bytes());
    for (place, chunk) in body.chunks(chunk_bytes.max(1)).enumerate() {
        if place > 0 {
            out.push(0xc0 | stream.0);
        }
        out.extend(chunk);
    }
}

/// A chunk stream of the server, with an id from 2 to 63.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChunkStream(u8);

impl ChunkStream {
    /// Of protocol control (§5.4).
    pub(crate) const CONTROL: Self = Self(2);
    /// Of commands.
    pub(crate) const COMMANDS: Self = Self(3);
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
}
