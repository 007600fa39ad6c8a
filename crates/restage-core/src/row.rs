//! The rows of the store, as the rules see them. A row is a value: the rules return new ones.
//!
//! Times are microseconds of the wall clock since the Unix epoch, unless a field names the steady clock.

mod connection;
mod event;
mod job;
mod participant;
mod public_key;
mod replica;
mod session;
mod stage;
mod token;

use std::collections::BTreeMap;

pub use self::connection::{Connection, ConnectionKind};
pub use self::event::{StageEvent, StageEventError, StageEventName, TokenExchange};
pub use self::job::{Job, JobState, Lease};
pub use self::participant::{Client, Participant, Protocol, Replication};
pub use self::public_key::PublicKey;
pub use self::replica::{Replica, ReplicaKey};
pub use self::session::StageSession;
pub use self::stage::Stage;
pub use self::token::{Capabilities, Token, TokenGrant};

/// String-to-string attributes of a token or participant, at most 1 KB of UTF-8 in total, keys and values together.
pub type Attributes = BTreeMap<String, String>;

/// Tags of a resource, key to value, at most 50 (`TAGS_MAX`).
pub type Tags = BTreeMap<String, String>;
