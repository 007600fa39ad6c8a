//! Reading requests: members out of a JSON body, held to the rules of the model, with the sentence for whatever is
//! wrong. What the rules of each member are is in `generated`.

mod object;
mod rule;
mod wire_enum;

use std::collections::BTreeMap;

use crate::error::ApiError;

pub use self::object::MAX_BODY_BYTES;
pub(crate) use self::object::{Body, Object, check_tag_key, check_text, fail};
pub use self::rule::MAX_ATTRIBUTES_BYTES;
pub(crate) use self::rule::{Count, Decimals, Entries, Pattern, Range, Text};
pub(crate) use self::wire_enum::{WireEnum, wire_enum};

/// Attributes or tags.
pub type StringMap = BTreeMap<String, String>;

/// A structure that stands inside of requests.
pub(crate) trait Shape: Sized {
    /// Reads the structure's members and checks their rules.
    ///
    /// # Errors
    /// `ValidationException` that names the member by its path.
    fn read(members: &Object<'_>) -> Result<Self, ApiError>;
}
