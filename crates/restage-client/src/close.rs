//! Why a connection ended.

use std::fmt;

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// This program closed or dropped it.
    Local,
    /// The server ended it and does not say why.
    Remote,
    /// The server ended it, and says why: the participant was disconnected or replaced, the stage deleted, the publisher
    /// left.
    Ended {
        /// The server's name for it, such as `PARTICIPANT_DISCONNECTED`.
        code: String,
        /// The server's words.
        message: String,
    },
    /// The server stopped, or another process took its place: a new connection may begin as soon as it is back.
    Restarted,
    /// Nothing came from the server any more.
    Lost,
    /// The media transport failed; the text says how.
    Failed(String),
}

impl CloseReason {
    /// True if the same participant may come back with a new connection: nobody ended this one on purpose.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Restarted | Self::Lost | Self::Failed(_))
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("by this program"),
            Self::Remote => f.write_str("by the server"),
            Self::Ended { message, .. } if !message.is_empty() => f.write_str(message),
            Self::Ended { code, .. } => f.write_str(code),
            Self::Restarted => f.write_str("the server restarts"),
            Self::Lost => f.write_str("nothing came from the server any more"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}
