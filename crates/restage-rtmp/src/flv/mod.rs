//! Tags of FLV and Enhanced RTMP: what is in an audio, video or data message.
//!
//! Sources: Adobe Flash Video File Format Specification 10.1, annex E; Enhanced RTMP v2 (Veovera).

mod aac;
mod audio;
mod avc;
mod enhanced;
mod metadata;
mod video;

pub use aac::AacConfig;
pub use audio::AudioCodec;
pub use avc::{AvcConfig, VideoUnits};
pub use metadata::Metadata;
pub use video::VideoCodec;

pub(crate) use aac::OBJECT_TYPE_LC;
pub(crate) use audio::{AudioPacket, AudioPart};
pub(crate) use video::{VideoContent, VideoPacket};
