//! Files of encoded media: read to publish, written to keep what was watched.

pub(crate) mod annexb;
pub(crate) mod files;
pub(crate) mod ivf;
pub(crate) mod ogg_opus;
pub(crate) mod save;

use restage_client::EncodedFrame;

/// Longest frame read. A key frame of a 4K stream at its best quality stays far below.
pub(crate) const FRAME_BYTES_MAX: usize = 8 << 20;

/// Frames in order of their time, from a file or made up.
pub(crate) trait Source: Send {
    /// The next frame; `None` at the end.
    fn next_frame(&mut self) -> anyhow::Result<Option<EncodedFrame>>;

    /// Makes the next picture a key frame, where pictures are made and not read.
    fn request_key_frame(&mut self) {}

    /// Leaves out pictures before `time`, where pictures are made and not read.
    fn skip_pictures(&mut self, _time: std::time::Duration) {}
}
