//! The invariants of the rules: what must hold of rows, history and effects after every decision.
//!
//! The tests of `restage-core` and the simulator check each step with the same functions. A check that fails panics and says
//! which row breaks which rule.

mod compositions;
mod counted;
mod edge;
mod rows;

pub use counted::Counted;
pub use edge::Edge;
pub use rows::{audit, changes_are_minimal};
