//! Load generators for the media plane and the API, and the floor that figures of the former are held against.
//!
//! WebRTC clients that share no code with the server: each is an engine of its own on a socket of its own. They
//! publish paced synthetic media whose payloads carry a sequence number and the time of sending, and count what
//! arrives. Arrival is the kernel's time stamp at the receiving socket, so that a late turn of the generator is not
//! charged to the server. For tests and benchmarks only; everything stays on the loopback interface.
//!
//! `fleet` (threads and joining) → `driver` (one thread's sockets and timers) → `client` (one connection, whose
//! WebRTC is a `peer`) → `media` (what payloads look like), `srtp` (how they are protected) and `tally` (what arrived). `floor`, `process` and
//! `api` stand apart.

pub mod api;
mod client;
mod driver;
mod fleet;
pub mod floor;
mod http;
mod media;
pub mod peer;
pub mod process;
mod srtp;
mod tally;

pub use fleet::{Fleet, Join};
pub use http::{Refused, get};
pub use media::{Rate, Stamp, unix_ns};
pub use srtp::Srtp;
pub use tally::{Percentiles, Tally, Window, percent_missing};
