//! Recordings: the packets of a publication become segments, playlists and documents.
//!
//! Nothing here knows a file, a bucket or a clock. [`Recorder`] takes packets with their times of arrival and gives back files;
//! [`journal`] writes down which files there are; [`playlist`] and [`document`] are made from the journal alone, so that they can be
//! made again after any crash.
#![deny(missing_docs)]

mod config;
pub mod document;
mod drops;
pub mod journal;
pub mod limits;
mod mp4;
mod mux;
mod output;
mod packet;
pub mod playlist;
mod recorder;
mod stream;
mod thumbnail;
mod timeline;
mod utc;

pub use config::{
    Anchor, MediaTypes, RecorderConfig, Resumed, SEGMENT_SECONDS_MAX, SEGMENT_SECONDS_MIN, Tracks,
};
pub use mp4::SegmentTimes;
pub use output::{DropReason, Dropped, Init, Output, Picture, Segment};
pub use packet::{EncodingId, Packet, SenderReport};
pub use recorder::Recorder;
pub use thumbnail::{
    INTERVAL_SECONDS_MAX, INTERVAL_SECONDS_MIN, ThumbnailSchedule, ThumbnailStorage,
};
