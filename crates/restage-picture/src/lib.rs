//! Pictures that strangers have sent, decoded and made into thumbnails by a process that can do nothing else.
//!
//! The decoder is C and C++ that reads what a publisher wrote, so a picture may take over the process that decodes it. Therefore the
//! server starts a [`child`] for each picture. It locks itself in a [`sandbox`] before it reads the first byte, gives back one answer
//! ([`protocol`]) and ends: whatever a picture does, it does to its own thumbnail.
#![deny(missing_docs)]

pub mod child;
pub mod limits;
pub mod protocol;
pub mod sandbox;
mod thumbnail;

pub use thumbnail::{PictureError, jpeg_size, thumbnail};
