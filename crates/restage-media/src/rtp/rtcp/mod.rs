//! RTCP as a receiver of media needs it, and as a sender does.

pub(crate) mod receiver;
pub(crate) mod sender;
