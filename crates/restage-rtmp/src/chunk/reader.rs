//! Puts messages together from chunks.

#[cfg(test)]
mod tests;

use super::header::{HEADER_BYTES_MAX, Header};
use crate::fault::Fault;
use crate::limits::{ASSEMBLY_BYTES_MAX, CHUNK_BYTES_DEFAULT, CHUNK_BYTES_MAX, CHUNK_STREAMS_MAX};
use crate::message::{Message, check_length};

/// Reads the chunks of a connection. It holds the bytes of messages that are under way, and of one header.
#[derive(Debug)]
pub(crate) struct Reader {
    chunk_bytes: usize,
    streams: Vec<Stream>,
    /// The beginning of a chunk, until its header is whole.
    head: Vec<u8>,
    /// The chunk whose payload is arriving.
    chunk: Option<Chunk>,
}

/// A chunk stream.
#[derive(Debug)]
struct Stream {
    id: u32,
    /// Of the newest message.
    timestamp: u32,
    /// The newest timestamp field: what the timestamp grows by where a chunk does not say it.
    time: u32,
    is_extended: bool,
    /// Of the newest message.
    length: usize,
    kind: u8,
    /// The message that is under way.
    partial: Option<Vec<u8>>,
}

#[derive(Debug)]
struct Chunk {
    /// Index of its stream.
    stream: usize,
    /// Bytes of its payload that are to come.
    left: usize,
}

impl Reader {
    pub(crate) fn new() -> Self {
        Self {
            chunk_bytes: CHUNK_BYTES_DEFAULT,
            streams: Vec::new(),
            head: Vec::new(),
            chunk: None,
        }
    }

    /// Takes bytes until a message is whole, or none are left.
    ///
    /// # Errors
    ///
    /// A fault of the protocol, or a bound that is crossed. Nothing can be read after it.
    pub(crate) fn receive(&mut self, input: &mut &[u8]) -> Result<Option<Message>, Fault> {
        loop {
            if self.chunk.is_none() && !self.read_head(input)? {
                return Ok(None);
            }
            let Some(chunk) = &mut self.chunk else {
                continue;
            };
            let stream = &mut self.streams[chunk.stream];
            // What was read beyond the header belongs to the payload.
            let carried = self.head.len().min(chunk.left);
            stream.append(&self.head[..carried]);
            self.head.drain(..carried);
            chunk.left -= carried;
            let (payload, rest) = input.split_at(input.len().min(chunk.left));
            stream.append(payload);
            chunk.left -= payload.len();
            *input = rest;
            if chunk.left > 0 {
                return Ok(None);
            }
            self.chunk = None;
            if let Some(message) = stream.finish() {
                return Ok(Some(message));
            }
        }
    }

    /// Reads on until a chunk's header is whole. Returns whether it is.
    fn read_head(&mut self, input: &mut &[u8]) -> Result<bool, Fault> {
        loop {
            if let Some(header) = Header::parse(&self.head)
                && let Some(used) = self.with_extension(&header)
            {
                self.begin_chunk(&header)?;
                self.head.drain(..used);
                return Ok(true);
            }
            let Some((&byte, rest)) = input.split_first() else {
                return Ok(false);
            };
            debug_assert!(self.head.len() < HEADER_BYTES_MAX);
            self.head.push(byte);
            *input = rest;
        }
    }

    /// Bytes of the whole header. After a message with an extended timestamp, chunks of type 3 repeat it (§5.3.1.3), but some encoders
    /// leave it out: four bytes that say something else belong to the payload. `None`: they have not come yet.
    fn with_extension(&self, header: &Header) -> Option<usize> {
        let stream = self.streams.iter().find(|stream| stream.id == header.id);
        let Some(stream) = stream.filter(|stream| header.format == 3 && stream.is_extended) else {
            return Some(header.length);
        };
        let (repeated, _) = self.head[header.length..].split_first_chunk::<4>()?;
        let repeated = u32::from_be_bytes(*repeated);
        let is_repeated = repeated == stream.time || repeated == stream.timestamp;
        Some(header.length + if is_repeated { 4 } else { 0 })
    }

    fn begin_chunk(&mut self, header: &Header) -> Result<(), Fault> {
        let index = self.stream(header)?;
        let stream = &mut self.streams[index];
        if !stream.goes_on_with(header) {
            stream.begin(header)?;
            let declared = self
                .streams
                .iter()
                .filter(|stream| stream.partial.is_some());
            let declared: usize = declared.map(|stream| stream.length).sum();
            if declared > ASSEMBLY_BYTES_MAX {
                return Err(Fault::Assembly);
            }
        }
        let left = self.streams[index].left().min(self.chunk_bytes);
        self.chunk = Some(Chunk {
            stream: index,
            left,
        });
        Ok(())
    }

    /// The index of a header's stream, which may be new. Encoders may begin one with a chunk of type 1: its timestamp counts from 0.
    fn stream(&mut self, header: &Header) -> Result<usize, Fault> {
        let id = header.id;
        if let Some(index) = self.streams.iter().position(|stream| stream.id == id) {
            return Ok(index);
        }
        if header.message.is_none() {
            let format = header.format;
            return Err(Fault::FirstChunk { id, format });
        }
        if self.streams.len() >= CHUNK_STREAMS_MAX {
            return Err(Fault::ChunkStreams { id });
        }
        self.streams.push(Stream {
            id,
            timestamp: 0,
            time: 0,
            is_extended: false,
            length: 0,
            kind: 0,
            partial: None,
        });
        Ok(self.streams.len() - 1)
    }

    /// Set Chunk Size (§5.4.1).
    ///
    /// # Errors
    ///
    /// The size is 0, or over [`CHUNK_BYTES_MAX`].
    pub(crate) fn set_chunk_bytes(&mut self, bytes: u32) -> Result<(), Fault> {
        let size = bytes as usize;
        if size == 0 || size > CHUNK_BYTES_MAX {
            return Err(Fault::ChunkSize { bytes });
        }
        self.chunk_bytes = size;
        Ok(())
    }

    /// Set Chunk Size of a server, which may choose a larger one than encoders may: what is held depends on the messages' lengths alone.
    ///
    /// # Errors
    ///
    /// The size is 0.
    pub(crate) fn set_chunk_bytes_of_server(&mut self, bytes: u32) -> Result<(), Fault> {
        if bytes == 0 {
            return Err(Fault::ChunkSize { bytes });
        }
        self.chunk_bytes = bytes as usize;
        Ok(())
    }

    /// Abort Message (§5.4.2).
    pub(crate) fn abort(&mut self, id: u32) {
        if let Some(stream) = self.streams.iter_mut().find(|stream| stream.id == id) {
            stream.partial = None;
        }
    }

    /// Bytes that are held.
    pub(crate) fn memory(&self) -> usize {
        let partials = self
            .streams
            .iter()
            .filter_map(|stream| stream.partial.as_ref());
        let partials: usize = partials.map(Vec::capacity).sum();
        partials + self.head.capacity() + self.streams.capacity() * size_of::<Stream>()
    }
}

impl Stream {
    /// Whether a chunk goes on with the message that is under way. Some encoders repeat its header instead of writing type 3.
    fn goes_on_with(&self, header: &Header) -> bool {
        let is_same = |message| message == (self.length, self.kind);
        self.partial.is_some() && header.message.is_none_or(is_same)
    }

    fn begin(&mut self, header: &Header) -> Result<(), Fault> {
        if header.format != 3 {
            (self.time, self.is_extended) = (header.time, header.is_extended);
        }
        self.timestamp = match header.format {
            0 => header.time,
            _ => self.timestamp.wrapping_add(self.time),
        };
        if let Some((length, kind)) = header.message {
            check_length(kind, length)?;
            (self.length, self.kind) = (length, kind);
        }
        self.partial = Some(Vec::new());
        Ok(())
    }

    /// Bytes of the message that are to come.
    fn left(&self) -> usize {
        let partial = self.partial.as_ref();
        self.length - partial.map_or(0, Vec::len)
    }

    /// Adds bytes. Room is made for what has come, not for what was announced, and never for more than that.
    fn append(&mut self, payload: &[u8]) {
        let Some(partial) = &mut self.partial else {
            return;
        };
        let needed = partial.len() + payload.len();
        if partial.capacity() < needed {
            let capacity = (2 * needed).min(self.length);
            partial.reserve_exact(capacity - partial.len());
        }
        partial.extend_from_slice(payload);
    }

    /// The message, if it is whole.
    fn finish(&mut self) -> Option<Message> {
        let body = self
            .partial
            .take_if(|partial| partial.len() >= self.length)?;
        Some(Message {
            kind: self.kind,
            timestamp: self.timestamp,
            body,
        })
    }
}
