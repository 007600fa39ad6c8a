//! Fragmented MP4 (ISO/IEC 14496-12): inits and segments.

/// Opus in a `CODECS` attribute. Players have refused the upper-case form of the sample entry's name.
pub(crate) const OPUS: &str = "opus";
