//! Parses requests: reads members of a JSON body, checks them against the model's constraints, and describes every
//! fault. The constraints of each member are in `generated`.

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

/// A structure inside of requests.
pub(crate) trait Shape: Sized {
    /// Reads the structure's members and checks their rules.
    ///
    /// # Errors
    /// `ValidationException` that names the member by its path.
    fn read(members: &Object<'_>) -> Result<Self, ApiError>;
}
