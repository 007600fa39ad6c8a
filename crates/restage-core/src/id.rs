//! Identifiers. Each is a newtype over the text that goes on the wire and into the store.

/// What stands at the end of an ARN: a kind of resource, and one of that kind.
pub trait ArnId: Clone + Sized {
    /// The id of this kind with this text; `None` if it is another kind's.
    fn of(kind: &str, id: &str) -> Option<Self>;
    /// The kind as ARNs spell it: lower-case letters and hyphens, such as `public-key`.
    fn kind(&self) -> &'static str;
    /// The id without its kind.
    fn text(&self) -> &str;
}

/// The id of one kind of resource.
pub trait ResourceId: ArnId + for<'a> From<&'a str> {
    /// The kind as ARNs spell it, such as `public-key`.
    const KIND: &'static str;
    /// The kind as sentences spell it, such as `public key`.
    const NAME: &'static str;
}

/// Declares an identifier. With a kind it is the last part of an ARN: first the kind as ARNs spell it, then as
/// sentences do.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident of $kind:literal, $words:literal) => {
        $crate::id::text_id! { $(#[$doc])* $name }

        impl $crate::id::ArnId for $name {
            fn of(kind: &str, id: &str) -> Option<Self> {
                (kind == $kind).then(|| Self::new(id))
            }

            fn kind(&self) -> &'static str {
                $kind
            }

            fn text(&self) -> &str {
                self.as_str()
            }
        }

        impl $crate::id::ResourceId for $name {
            const KIND: &'static str = $kind;
            const NAME: &'static str = $words;
        }
    };
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// Takes text that is already known to be well formed (made by us, or read from the store).
            pub fn new(text: impl Into<std::sync::Arc<str>>) -> Self {
                Self(text.into())
            }

            /// The text as it goes on the wire.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
pub(crate) use text_id;

text_id! {
    /// The last part of a stage ARN: 12 mixed-case alphanumerics, unique over all accounts and regions.
    StageId of "stage", "stage"
}
text_id! {
    /// The last part of a public key's ARN: 12 mixed-case alphanumerics, unique over all accounts and regions.
    PublicKeyId of "public-key", "public key"
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
    /// The last part of the ARN of a channel. Channels are another service's; here each stands for an RTMP server that the
    /// configuration names.
    ChannelId of "channel", "channel"
}
text_id! {
    /// A job: 22 alphanumerics, or the id of the composition that it makes. Never reused.
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
