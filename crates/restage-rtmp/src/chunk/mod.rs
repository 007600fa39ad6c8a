//! The chunk stream: messages in pieces (RTMP 1.0 §5).

mod header;
mod reader;
mod writer;

pub(crate) use reader::Reader;
pub(crate) use writer::{ChunkStream, Head, write, write_timed};

/// The field of a timestamp that follows in four bytes (§5.3.1.3).
const EXTENDED: u32 = 0x00ff_ffff;
