//! Estimates the rate at which a path carries media, from what its receiver reports, and shares that rate among the connections
//! of one receiver.
//!
//! Pure arithmetic: time is an argument, nothing is read or sent. One [`Estimator`] serves one connection of a subscriber.
//!
//! | module | does | source |
//! |---|---|---|
//! | `records` | when each packet was sent and how large it was | |
//! | `feedback` | reads transport-wide feedback | draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1 |
//! | `group` | packets sent together → one sample of the path's delay | draft-ietf-rmcat-gcc-02 §5.2 |
//! | `detector` | slope of the delay against an adaptive threshold → [`Usage`] | draft-ietf-rmcat-gcc-02 §5.3–5.4 |
//! | `control` | additive and multiplicative increase, multiplicative decrease | draft-ietf-rmcat-gcc-02 §5.5 |
//! | `loss` | loss that grows with the rate lowers it; loss of the path itself does not | draft-ietf-rmcat-gcc-02 §6 |
//! | `probe` | sends more than the estimate for a while, which shows whether it fits | |
//! | `delay` | the least and the newest delay and round trip | |
//! | `fallback` | REMB, or reports of loss and round trip, where a client has no transport-wide feedback | draft-alvestrand-rmcat-remb-03 |
//! | [`Coupling`] | the connections of one receiver share one rate by priority | RFC 8699 |
//! | [`Bucket`] | paces large bursts | |
//!
//! # Driving an estimator
//!
//! The caller writes [`Estimator::next_number`] into each packet and says [`Estimator::on_sent`] when it leaves. It passes in
//! feedback, calls [`Estimator::on_timeout`] at [`Estimator::deadline`], and then sends [`Estimator::probe_due`] bytes of padding.
//!
//! # What a receiver that lies can do
//!
//! It can raise or lower the estimate of its own connection, between [`Config::min`] and [`Config::max`]. Work per message is
//! bounded by [`limits::FEEDBACK_PACKETS_MAX`], the number of messages by [`limits::FEEDBACK_MESSAGES_MAX`].
#![deny(missing_docs)]

mod bucket;
mod control;
mod coupling;
mod delay;
mod detector;
mod estimator;
mod fallback;
mod feedback;
mod group;
pub mod limits;
mod loss;
mod meter;
mod probe;
mod records;
#[cfg(test)]
mod tests;

pub use bucket::Bucket;
pub use coupling::{Coupling, FlowId};
pub use detector::Usage;
pub use estimator::{Batch, Config, Estimator};
