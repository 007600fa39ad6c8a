//! Identifiers. Each is a newtype over the text that goes on the wire and into the store.

use std::fmt;
use std::sync::Arc;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes text that is already known to be well formed (made by us, or read from the store).
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// The text as it goes on the wire.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }
    };
}

text_id! {
    /// The last part of a stage ARN: 12 mixed-case alphanumerics, unique over all accounts and regions.
    StageId
}
text_id! {
    /// The last part of a public key's ARN: 12 mixed-case alphanumerics, unique over all accounts and regions.
    PublicKeyId
}
text_id! {
    /// `st-` and 13 alphanumerics.
    StageSessionId
}
text_id! {
    /// One token's identity: 12 alphanumerics when restage makes it, up to 64 of `[A-Za-z0-9_-]` otherwise.
    ParticipantId
}
text_id! {
    /// One HTTP session (WHIP, WHEP) or events WebSocket of a participant. Never reused.
    ConnectionId
}

text_id! {
    /// A job: 22 alphanumerics. Never reused.
    JobId
}
text_id! {
    /// One run of a server process: 22 alphanumerics, drawn at its start.
    RunId
}

/// A time in microseconds: of the wall clock since the Unix epoch, UTC, unless the steady clock is named.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Time(pub i64);

impl Time {
    /// This time plus whole seconds, saturating.
    #[must_use]
    pub const fn plus_seconds(self, seconds: u32) -> Self {
        Self(self.0.saturating_add(seconds as i64 * 1_000_000))
    }

    /// This time minus whole seconds, saturating.
    #[must_use]
    pub const fn minus_seconds(self, seconds: u32) -> Self {
        Self(self.0.saturating_sub(seconds as i64 * 1_000_000))
    }
}
