//! What a process takes from its machine: the time, random ids, and durable files.

pub mod clock;
pub mod files;
pub mod ids;
