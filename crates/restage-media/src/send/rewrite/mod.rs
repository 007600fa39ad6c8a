//! Making what a subscriber receives look like one sender, whoever feeds it: pure numbers, no packets.

pub(crate) mod rtp;
pub(crate) mod vp8;
