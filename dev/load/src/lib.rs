//! Load generators for the media plane and the API, and the floor with which the media plane is compared.
//!
//! WebRTC clients that share no code with the server. Each is an engine of its own with a socket of its own. They
//! publish paced synthetic media, whose payloads contain a sequence number and the time of sending, and count what
//! arrives. The time of arrival is the kernel's time stamp at the receiving socket, so that a delay of the generator is
//! not counted as the server's. For tests and benchmarks only; all traffic is on the loopback interface.
//!
//! `fleet` (threads and joining) → `driver` (sockets and timers of one thread) → `client` (one connection, whose
//! WebRTC is a `peer`) → `media` (payloads), `srtp` (how they are protected) and `tally` (what arrived). `floor`,
//! `process` and `api` are independent. [`network`] is a network as arithmetic, for simulations without sockets.

pub mod api;
mod client;
mod driver;
mod fleet;
pub mod floor;
mod http;
mod media;
pub mod network;
pub mod peer;
pub mod process;
mod srtp;
mod tally;

pub use fleet::{Fleet, Join};
pub use http::{Refused, get};
pub use media::{Rate, Stamp, unix_ns};
pub use srtp::Srtp;
pub use tally::{Percentiles, Tally, Window, percent_missing};
