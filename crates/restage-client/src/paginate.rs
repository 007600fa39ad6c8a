//! Pagination as in botocore, for Rust: `MaxItems`, `PageSize`, `StartingToken`, and a resume
//! token to continue with later, in this crate, in boto3 or in the AWS CLI.
//!
//! [`Pagination`] has all rules and does no I/O. [`Pages`] runs it over any source that can
//! fetch a page ([`PageSource`]). With the feature `aws`, every list operation of
//! `aws-sdk-ivsrealtime` is such a source; see `aws::Paginated`.
//!
//! The rules are exactly those of `botocore/paginate.py`, including the tokens. Where botocore
//! crashes or misbehaves, this crate returns a clear error before it sends any request:
//!
//! | starting token | botocore | here |
//! |---|---|---|
//! | base64 of a JSON number, string, boolean or null | `AttributeError` | [`PaginateError::StartingToken`] |
//! | `boto_truncate_amount` that is no integer | `TypeError` after the first request | the same |
//! | `boto_truncate_amount` null, first page cut | `TypeError` after the first request | counts as 0 |
//! | `boto_truncate_amount` beyond 64 bits | works | the same |
//! | sets another parameter of the request | overrides it, or `ParamValidationError` | the same |
//! | `nextToken` that is not a string | `ParamValidationError` | the same |
//! | carries `boto_encoded_keys` | `KeyError` or `ParamValidationError` | the same |
//!
//! One more difference: a `nextToken` that the request itself had is part of the resume token
//! here, so that resuming after a truncated first page continues in the right place. botocore
//! starts again at the beginning.

mod base64;
mod config;
mod engine;
mod error;
mod pages;
mod pyint;
mod pyjson;
mod token;

pub use config::PaginationConfig;
pub use engine::{PageRequest, Pagination};
pub use error::PaginateError;
pub use pages::{FullResult, Items, JsonPage, JsonSource, PageSource, Pages, Search};
