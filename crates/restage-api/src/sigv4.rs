//! Signature Version 4: verifies that a request is signed, by whom, and that it is unchanged; and signs requests.
//!
//! Follows AWS's "Signature Version 4 for API requests" (IAM User Guide, "Create a signed AWS API
//! request"), header form only, for the service name `ivs`. The steps:
//!
//! 1. `authorization.rs` parses the `Authorization` header;
//! 2. `date.rs` finds the request's date, and checks that it is near the present time;
//! 3. `canonical.rs` writes the request in the canonical form that both sides hash;
//! 4. [`verify_head`] and [`VerifiedHead::verify_body`] sign that form with the [key](SigningKey) derived from the secret, and
//!    compare. The first does so if the head contains the body's hash, so that the body of a refused request need not be
//!    read.
//!
//! [`sign`] makes what these steps accept: `restage`'s own commands are clients of the API.

mod authorization;
mod canonical;
mod date;
mod key;
mod sign;
mod verify;

pub use self::date::MAX_SKEW_S;
pub use self::key::{KeyScope, SigningKey};
pub use self::limits::*;
pub use self::sign::{Signer, UnsignedRequest, sign};
pub use self::verify::{
    Header, Identity, SERVICE, SignedRequest, VerifiedHead, verify, verify_head,
};

/// The largest accepted sizes of a request's parts.
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
