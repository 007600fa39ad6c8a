//! The position in a list: the sort key of the last row of a page, as bytes for a page token.
//!
//! A position is a sequence of fields, each a whole number or a text. Reading must match the
//! writing field by field; anything else is refused, so that a position of an older layout never becomes
//! a wrong place.

use crate::error::ApiError;
use crate::page;

const NUMBER: u8 = 1;
const TEXT: u8 = 2;

/// Writes a position.
///
/// ```
/// use restage_api::{Position, PositionReader};
///
/// let bytes = Position::new().number(1_790_000_000).text("hT5vN1cGy8Ud").into_bytes();
/// let mut fields = PositionReader::new(&bytes);
/// assert_eq!(fields.number()?, 1_790_000_000);
/// assert_eq!(fields.text()?, "hT5vN1cGy8Ud");
/// fields.end()?;
/// # Ok::<(), restage_api::ApiError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Position(Vec<u8>);

impl Position {
    /// A position without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a number.
    #[must_use]
    pub fn number(mut self, number: i64) -> Self {
        self.0.push(NUMBER);
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// Adds a text of at most 65,535 bytes; a longer one is cut, and would not fit a token anyway.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        let text = &text[..text.floor_char_boundary(usize::from(u16::MAX))];
        let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
        self.0.push(TEXT);
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    /// The bytes for [`PageTokens::seal`](crate::PageTokens::seal).
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Reads a position field by field, in the order of writing.
///
/// Every method fails with the `ValidationException` of a bad `nextToken` if the field is missing
/// or of the other kind.
#[derive(Clone, Debug)]
pub struct PositionReader<'a>(&'a [u8]);

impl<'a> PositionReader<'a> {
    /// Starts at the first field.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next field, a number.
    pub fn number(&mut self) -> Result<i64, ApiError> {
        self.tag(NUMBER)?;
        self.array().map(i64::from_be_bytes)
    }

    /// The next field, a text.
    pub fn text(&mut self) -> Result<&'a str, ApiError> {
        self.tag(TEXT)?;
        let length = usize::from(u16::from_be_bytes(self.array()?));
        let (text, rest) = self
            .0
            .split_at_checked(length)
            .ok_or_else(page::bad_token)?;
        self.0 = rest;
        std::str::from_utf8(text).map_err(|_| page::bad_token())
    }

    /// Checks that nothing is left.
    pub fn end(self) -> Result<(), ApiError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(page::bad_token())
        }
    }

    fn tag(&mut self, wanted: u8) -> Result<(), ApiError> {
        let [tag] = self.array()?;
        if tag == wanted {
            Ok(())
        } else {
            Err(page::bad_token())
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ApiError> {
        let (array, rest) = self.0.split_first_chunk().ok_or_else(page::bad_token)?;
        self.0 = rest;
        Ok(*array)
    }
}
