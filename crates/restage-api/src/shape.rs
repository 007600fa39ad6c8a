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
//! The structs and the rules of their members are generated from the service's model, for all operations, built or not
//! (`generated`, written by `scripts/generate_shapes.py`). The files here hold what the model does not say: rules that
//! are no member's own, defaults, and conversions.
//!
//! Responses are plain data that serialises to exactly what SDKs expect: an `Option` is left out when
//! it is `None`; a `String` is always there and empty when there is nothing to say.

mod composition;
mod encoder_configuration;
mod ingest_configuration;
mod participant;
mod public_key;
mod recording;
mod recordings;
mod tag;
mod token;

pub use crate::generated::composition::*;
pub use crate::generated::connection_token::*;
pub use crate::generated::encoder_configuration::*;
pub use crate::generated::event::*;
pub use crate::generated::ingest_configuration::*;
pub use crate::generated::layout::*;
pub use crate::generated::participant::*;
pub use crate::generated::public_key::*;
pub use crate::generated::recording::*;
pub use crate::generated::replication::*;
pub use crate::generated::session::*;
pub use crate::generated::stage::*;
pub use crate::generated::storage_configuration::*;
pub use crate::generated::tag::*;
pub use crate::generated::token::*;
pub use crate::json::to_json;
pub use crate::operation::{ByArn, EmptyResponse, Paged, Request};
pub use crate::read::{MAX_ATTRIBUTES_BYTES, MAX_BODY_BYTES, StringMap};

pub use self::public_key::{pem_base64, pem_space};
pub use self::recordings::*;
pub use self::token::DEFAULT_TOKEN_DURATION_MINUTES;
