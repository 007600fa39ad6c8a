//! What a session is told, and what it tells.

use thiserror::Error;

use crate::event::StreamKey;
use crate::fault::Fault;
use crate::limits::{NAME_BYTES_MAX, WORDS_CHARS_MAX};

/// Where a stream is published: what stands in `connect` and `publish`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushName {
    pub(super) app: String,
    pub(super) url: String,
    pub(super) key: StreamKey,
}

impl PushName {
    /// `app` is the path of the URL without slashes at its ends, `url` (`tcUrl`) all of it up to there, `key` the stream key.
    ///
    /// # Errors
    ///
    /// A clause that says which of them is empty, longer than [`NAME_BYTES_MAX`], or has a control character.
    pub fn new(app: &str, url: &str, key: &str) -> Result<Self, String> {
        for (what, text) in [("path", app), ("URL", url), ("stream key", key)] {
            if !(1..=NAME_BYTES_MAX).contains(&text.len()) {
                return Err(format!("the {what} must have 1 to {NAME_BYTES_MAX} bytes"));
            }
            if text.chars().any(char::is_control) {
                return Err(format!("the {what} must have no control characters"));
            }
        }
        Ok(Self {
            app: app.to_owned(),
            url: url.to_owned(),
            key: StreamKey(key.to_owned()),
        })
    }
}

/// What an encoder says of a stream before its media (`onMetaData`).
#[derive(Debug, Clone, PartialEq)]
pub struct StreamDescription {
    /// Pixels of the picture.
    pub width: u32,
    /// Pixels of the picture.
    pub height: u32,
    /// Pictures a second.
    pub framerate: f64,
    /// Bits per second of the pictures.
    pub video_bits_per_s: u32,
    /// Bits per second of the sound.
    pub audio_bits_per_s: u32,
    /// Samples per second of the sound.
    pub audio_rate_hz: u32,
    /// 1 or 2.
    pub audio_channels: u8,
}

/// An output of a [`PushSession`](crate::PushSession).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PushEvent {
    /// The server takes pictures and sound from now on. Comes at most once.
    Publishing,
    /// The stream is over. Comes last and once, but not after [`finish`](crate::PushSession::finish).
    End(PushEnd),
}

/// The end of a stream that was published.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PushEnd {
    /// The caller has ended it.
    #[error("the stream is over")]
    Finished,
    /// Somebody else publishes under this name.
    #[error("the stream key is in use, the server says: {words}")]
    Busy {
        /// The server's code and words, cut and without the key.
        words: String,
    },
    /// The server does not let it be published, or not any longer.
    #[error("the server refuses the stream: {words}")]
    Refused {
        /// The server's code and words, cut and without the key.
        words: String,
    },
    /// The server wants the stream at another place.
    #[error("the server sends the stream to another place, which is not followed: {words}")]
    Redirected {
        /// The server's code and words, cut and without the key.
        words: String,
    },
    /// The server has not answered.
    #[error("the server did not let the stream be published in time")]
    Timeout,
    /// The server broke the protocol or a bound.
    #[error("the server breaks the protocol: {0}")]
    Fault(Fault),
}

/// Words of a server that can be shown: without control characters and the stream key, and not long.
pub(super) fn words(parts: &[Option<&str>], key: &StreamKey) -> String {
    let parts: Vec<&str> = parts.iter().flatten().copied().collect();
    let all = parts.join(": ").replace(key.expose(), "(stream key)");
    let shown = all.chars().filter(|character| !character.is_control());
    shown.take(WORDS_CHARS_MAX).collect()
}
