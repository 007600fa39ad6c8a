//! H.265 (ITU-T H.265): NAL units in RTP packets (RFC 7798), where a decoder can start, and the size of the pictures.

mod depacketise;
mod payload;
mod sps;
mod start;

pub use depacketise::{AccessUnit, depacketise};
pub use payload::{UnitType, each_unit};
pub use sps::{SequenceParameters, picture_size};
pub use start::StartDetector;
