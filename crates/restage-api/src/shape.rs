//! What goes over the wire: one struct per request and response, with the members of the model.
//!
//! Requests are read by [`Request::parse`], which applies every rule of the model and the further
//! ones of the API reference, and answers with a typed value or one sentence. The reading rules:
//!
//! * an empty body is `{}`; a body that is not a JSON object is a `SerializationException`;
//! * everything wrong with a member, its JSON type included, is a `ValidationException` that names
//!   the member by its path, such as `participantTokenConfigurations[3].duration`;
//! * unknown members are ignored, `null` means absent, of a member given twice the last one counts;
//! * lengths are counted in Unicode characters, patterns match the whole text;
//! * a whole number may be written `2` or `2.0`, not `"2"`.
//!
//! Responses are plain data that serialises to exactly what SDKs expect: an `Option` is left out when
//! it is `None`; a `String` is always there and empty when there is nothing to say.

pub mod event;
pub mod participant;
pub mod public_key;
mod read;
pub mod recording;
pub mod replica;
mod rule;
pub mod session;
pub mod stage;
pub mod tag;
pub mod token;
mod wire_enum;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::error::ApiError;
use crate::operation::Operation;

pub use self::event::*;
pub use self::participant::*;
pub use self::public_key::*;
pub use self::read::MAX_BODY_BYTES;
pub use self::recording::*;
pub use self::replica::*;
pub use self::rule::MAX_ATTRIBUTES_BYTES;
pub(crate) use self::rule::MAX_PAGE_TOKEN;
pub use self::session::*;
pub use self::stage::*;
pub use self::tag::*;
pub use self::token::*;

/// Attributes or tags.
pub type StringMap = BTreeMap<String, String>;

/// The input of one operation, from its body. (Those about tags have a path and a query to read as well:
/// see [`tag`].)
pub trait Request: Sized {
    /// Whose input it is.
    const OPERATION: Operation;

    /// Reads a body and checks every rule that can be checked without looking at a stage.
    ///
    /// # Errors
    /// `SerializationException` or `RequestEntityTooLargeException` for the body as a whole,
    /// `ValidationException` for a member.
    fn parse(body: &[u8]) -> Result<Self, ApiError>;
}

/// The answer of operations that have nothing to say (DeleteStage, DisconnectParticipant,
/// StartParticipantReplication, StopParticipantReplication, DeletePublicKey, TagResource,
/// UntagResource): `{}`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct EmptyResponse {}

/// Serialises a response body. The shapes here are trees of strings, numbers and string-keyed maps,
/// which always serialise.
pub fn to_json<T: Serialize>(shape: &T) -> String {
    serde_json::to_string(shape).expect("shapes have string keys and no fallible parts")
}
