//! Playlists (RFC 8216) in the layout of the service: one media playlist in `media/hls/high/`, and a multivariant playlist that names it.

mod close;
mod media;
mod multivariant;
mod rules;
mod unlisted;

pub use close::{Closed, close};
pub use media::{PlaylistKind, event_target_seconds, media};
pub use multivariant::multivariant;
pub use rules::{BrokenRule, broken_rules};
pub use unlisted::{ListEnd, Unlisted, close_with, entries, playlists_of};

/// Folder of the playlist of all playlists, below a recording's prefix.
pub const HLS_PATH: &str = "media/hls";
/// Name of the multivariant playlist in [`HLS_PATH`].
pub const MULTIVARIANT_NAME: &str = "multivariant.m3u8";
/// Name of the one rendition of a participant: a folder in [`HLS_PATH`].
pub const RENDITION: &str = "high";
/// Name of the media playlist in the rendition's folder.
pub const MEDIA_NAME: &str = "playlist.m3u8";

/// Name of an init in the rendition's folder.
pub fn init_name(number: u64) -> String {
    crate::mp4::init_name(number)
}

/// Name of a segment in the rendition's folder.
pub fn segment_name(number: u64) -> String {
    format!("{number}.mp4")
}
