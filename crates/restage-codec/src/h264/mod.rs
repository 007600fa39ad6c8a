//! H.264 (ITU-T H.264): NAL units as they stand in a byte stream (Annex B) and in RTP packets (RFC 6184), and what they say of
//! themselves.

pub mod annexb;
mod depacketise;
mod nal;
mod packetise;
mod parameter_sets;
mod payload;
mod sps;
mod start;

pub use depacketise::{AccessUnit, depacketise};
pub use nal::{SliceHeader, UnitType, begins_access_unit};
pub use packetise::packetise;
pub use parameter_sets::{
    Lead, PARAMETER_SET_BYTES_MAX, PARAMETER_SETS_BYTES_MAX, PARAMETER_SETS_MAX, ParameterSets,
};
pub use payload::each_unit;
pub use sps::{Colour, SequenceParameters};
pub use start::StartDetector;
