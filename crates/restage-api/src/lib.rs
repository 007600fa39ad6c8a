//! The wire of the Amazon IVS Real-Time API: which operations there are, what their requests and
//! responses look like, how errors, page tokens and timestamps are written, and whether a request's
//! signature is right.
//!
//! Everything here is a function of its arguments. A request goes through in this order:
//!
//! 1. [`sigv4::verify`]: who signed this, and is it what was signed?
//! 2. [`Operation::resolve`]: which operation do method and path name?
//! 3. [`Request::parse`]: the body as a typed request that keeps every rule of the model, or a
//!    sentence naming the member and the rule it broke.
//! 4. A `*Response` of [`shape`], or an [`ApiError`], turned into JSON.
#![deny(missing_docs)]

pub mod error;
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
pub use operation::{Operation, Request};
pub use page::{PageScope, PageTokens};
pub use position::{Position, PositionReader};
pub use time::Timestamp;
