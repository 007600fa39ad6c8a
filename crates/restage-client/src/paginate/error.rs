//! Errors of a pagination.

use std::convert::Infallible;

/// Why a pagination stopped before its end. `E` is the error of the operation that fetches pages.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PaginateError<E = Infallible> {
    /// The pagination settings break a rule; nothing was requested.
    #[error("{0}")]
    Config(String),

    /// The starting token cannot be continued from. Nothing was requested,
    /// except for a token without `nextToken`, which can be used as long as its page is not truncated.
    #[error("the starting token cannot be used: {0}")]
    StartingToken(String),

    /// The service answered with the same token twice, which would never end.
    /// The pages before that were delivered.
    #[error("the same next token was received twice: {0:?}")]
    SameTokenTwice(String),

    /// A JMESPath expression that does not parse, or that fails on a page.
    #[error("the JMESPath expression cannot be applied: {0}")]
    Search(String),

    /// The operation failed.
    #[error(transparent)]
    Operation(E),
}

impl PaginateError {
    /// The same error, as the error type of an operation that can also fail itself.
    pub(crate) fn widen<E>(self) -> PaginateError<E> {
        match self {
            Self::Config(why) => PaginateError::Config(why),
            Self::StartingToken(why) => PaginateError::StartingToken(why),
            Self::SameTokenTwice(token) => PaginateError::SameTokenTwice(token),
            Self::Search(why) => PaginateError::Search(why),
            Self::Operation(never) => match never {},
        }
    }
}
