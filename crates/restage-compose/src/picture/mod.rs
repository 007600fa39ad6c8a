//! Pictures in memory: planes of light and colour, scaled, turned, drawn into others, and the tile of a person without a picture.
//!
//! All planes are 4:2:0 with 8 bits, in BT.601 and limited range. Browsers send that and do not say so; the few streams that say something
//! else are converted when they are decoded ([`Conversion`]). What is encoded says BT.601 in its parameter sets.

mod conversion;
mod frame;
mod painter;
mod placeholder;
#[cfg(test)]
mod tests;

pub use conversion::Conversion;
pub use frame::{Frame, PlaneRef};
pub use painter::Painter;
pub use placeholder::Placeholders;
