//! Signature Version 4: is this request signed, by whom, and is it what was signed?
//!
//! Follows AWS's "Signature Version 4 for API requests" (IAM User Guide, "Create a signed AWS API
//! request"), header form only, for the service name `ivs`. The way of a request:
//!
//! 1. `authorization.rs` takes the `Authorization` header apart;
//! 2. `date.rs` finds when the request says it was made, and whether that is now;
//! 3. `canonical.rs` writes the request in the one form both sides hash;
//! 4. [`verify_head`] and [`VerifiedHead::verify_body`] sign that with the [key](SigningKey) derived from the secret, and
//!    compare: the first does so if the head says what the body's hash is, so that the body need not be read for who is
//!    refused.

mod authorization;
mod canonical;
mod date;
mod key;
mod verify;

pub use self::date::MAX_SKEW_S;
pub use self::key::{KeyScope, SigningKey};
pub use self::limits::*;
pub use self::verify::{
    Header, Identity, SERVICE, SignedRequest, VerifiedHead, verify, verify_head,
};

/// The sizes nothing in a request may exceed.
mod limits {
    /// Most header fields.
    pub const MAX_HEADERS: usize = 100;
    /// Most bytes of all header names and values together.
    pub const MAX_HEADERS_BYTES: usize = 64 * 1_024;
    /// Most bytes of the `Authorization` header.
    pub const MAX_AUTHORIZATION_BYTES: usize = 4 * 1_024;
    /// Most bytes of path and query together.
    pub const MAX_TARGET_BYTES: usize = 8 * 1_024;
}
