//! Where recordings are kept: buckets, the spool before them, and the uploader between.
//!
//! | module | does |
//! |---|---|
//! | [`bucket`] | writes and reads objects in folders, S3, and what speaks its protocol |
//! | [`spool`] | keeps on disk what has been recorded until it is in its bucket |
//! | [`upload`] | puts what is in the spool into buckets, for as long as it takes |
#![deny(missing_docs)]

pub mod bucket;
mod folder;
mod gate;
mod key;
mod reader;
pub mod spool;
mod sync;
#[cfg(test)]
mod tests;
pub mod upload;

pub use bucket::{Bucket, BucketError, Buckets, StorageSettings};
pub use key::{BucketName, InvalidName, KEY_BYTES_MAX, Key};
pub use reader::{RecordingPlace, RecordingReader, playlist_path};
pub use spool::{Destination, Spool, SpoolBounds, SpoolError, SpoolLock, SpoolLook, SpoolWriter};
pub use upload::{Finished, Lost, UploadHandle, UploadSettings, uploader};
