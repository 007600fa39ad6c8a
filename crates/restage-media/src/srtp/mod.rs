//! SRTP and SRTCP (RFC 3711, RFC 7714): keys, encryption of sent packets, decryption of received ones.

pub(crate) mod keys;
pub(crate) mod open;
pub(crate) mod protect;
pub(crate) mod srtcp;
