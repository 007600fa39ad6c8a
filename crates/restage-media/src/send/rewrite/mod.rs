//! Continuous numbers for a subscriber, whoever feeds the publication: it sees one sender.

pub(crate) mod rtp;
pub(crate) mod vp8;
