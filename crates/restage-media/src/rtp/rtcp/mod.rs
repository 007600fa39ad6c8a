//! RTCP for receivers and for senders of media.

pub(crate) mod receiver;
pub(crate) mod sender;
