//! What every command has: its data, the rows it needs, the context, the draft it is decided on and the decision.
//! Nothing here knows a particular rule.

mod apply;
pub(crate) mod census;
pub mod command;
pub(crate) mod context;
pub(crate) mod decision;
pub(crate) mod draft;
pub(crate) mod need;
mod overlay;
pub(crate) mod owner;
mod select;
pub(crate) mod world;
