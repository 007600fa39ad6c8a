//! When media was taken, on the server's steady clock.
//!
//! RTP timestamps give the pace of a stream. The arrival of its first packets says where it begins ([`Clock`]), and the least delay over
//! longer times how its clock drifts. Sender reports say how sound and pictures belong together ([`Relation`]). What is found out later
//! is approached slowly ([`Slew`]), so that nobody hears or sees it.

mod clock;
mod least;
mod relation;
mod reports;
mod slew;

pub(crate) use clock::{Clock, Place, Verdict};
pub(crate) use relation::Relation;
pub(crate) use reports::Reports;

/// An error above it is not approached: it is a discontinuity.
pub(crate) const JUMP_US: i64 = 200_000;
