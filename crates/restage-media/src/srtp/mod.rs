//! SRTP and SRTCP (RFC 3711, RFC 7714): keys, protecting what is sent, opening what is received.

pub(crate) mod keys;
pub(crate) mod open;
pub(crate) mod protect;
pub(crate) mod srtcp;
