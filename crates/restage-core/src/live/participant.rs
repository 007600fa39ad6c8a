//! Commands about one participant that is, or was, in a stage session.

pub(crate) mod disconnect;
pub(crate) mod exchange_token;
