//! What each row is in its table: its columns, the values written to them, and how they are read.

pub(crate) mod cells;
pub(crate) mod decode;
mod encode;
mod exchange;
pub(crate) mod purge;
pub(crate) mod write;
