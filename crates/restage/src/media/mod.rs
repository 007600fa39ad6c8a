//! Files of encoded media: read for publishing, and written by `watch`.

pub(crate) mod annexb;
pub(crate) mod files;
pub(crate) mod ivf;
pub(crate) mod ogg_opus;
pub(crate) mod save;

use restage_client::EncodedFrame;

/// Longest frame read. A key frame of a 4K stream in the best quality is much smaller.
pub(crate) const FRAME_BYTES_MAX: usize = 8 << 20;

/// Frames in order of their time, read from a file or generated.
pub(crate) trait Source: Send {
    /// The next frame; `None` at the end.
    fn next_frame(&mut self) -> anyhow::Result<Option<EncodedFrame>>;

    /// Makes the next picture a key frame, if the source generates its pictures.
    fn request_key_frame(&mut self) {}

    /// Leaves out pictures before `time`, if the source generates its pictures.
    fn skip_pictures(&mut self, _time: std::time::Duration) {}
}
