//! What a process takes from its machine: the time, random ids, and files that outlive a power cut.

pub mod clock;
pub mod files;
pub mod ids;
