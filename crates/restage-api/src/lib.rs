//! The wire format of the Amazon IVS Real-Time API: its operations, their requests and
//! responses, errors, page tokens and timestamps, and the verification of a request's
//! signature.
//!
//! Every function here depends only on its arguments. A request is processed in this order:
//!
//! 1. [`sigv4::verify`] verifies the signature and returns the signer.
//! 2. [`Call::resolve`] finds the operation by method and path.
//! 3. [`Request::parse`] parses the body into a typed request that satisfies every constraint of the model, or returns a
//!    message that names the member and the constraint it violates.
//! 4. A `*Response` of [`shape`], or an [`ApiError`], is serialised to JSON.
#![deny(missing_docs)]

pub mod error;
pub mod extension;
mod generated;
mod json;
mod mac;
pub mod operation;
pub mod page;
mod percent;
pub mod position;
mod read;
pub mod shape;
pub mod sigv4;
pub mod time;

pub use error::{ApiError, ErrorCode, RESPONSE_HEADERS};
pub use extension::{Call, Extension};
pub use operation::{Operation, Request};
pub use page::{PageScope, PageTokens};
pub use position::{Position, PositionReader};
pub use time::Timestamp;
