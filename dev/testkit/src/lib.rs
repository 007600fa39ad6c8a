//! Starts programs for tests and measurements, the server among them, and waits for them.
//!
//! `program` runs a program and waits for its lines and its end; `server` runs `restage serve`; `golden` compares output
//! with files; `wait` waits for a state with a deadline.

mod golden;
mod program;
mod server;
mod wait;

pub use golden::golden;
pub use program::Program;
pub use server::{Serve, Server, without_settings};
pub use wait::{DEADLINE, eventually};
