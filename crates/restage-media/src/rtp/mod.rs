//! The wire formats of RTP (RFC 3550 §5) and RTCP (RFC 3550 §6): reading and writing, without state.

pub(crate) mod extensions;
pub(crate) mod header;
pub(crate) mod rtcp;
pub(crate) mod write;
