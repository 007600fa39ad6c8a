//! Rewrites numbers so that a subscriber sees one continuous sender, whoever feeds the publication.

pub(crate) mod rtp;
pub(crate) mod vp8;
