//! Bounds of what an encoder may send, and of what is made of it.

/// Bytes of an access unit of AAC. A raw data block of two channels has at most 1,536 (ISO/IEC 14496-3 §4.5.1.1); the rest is room for
/// fill elements.
pub const ACCESS_UNIT_BYTES_MAX: usize = 8 << 10;
/// Bytes of an Opus packet, which is one RTP payload.
pub const PACKET_BYTES_MAX: usize = 1_000;
/// Samples of one channel in an Opus packet: 20 ms.
pub const PACKET_SAMPLES: usize = 960;
/// Samples per second of one channel in Opus; its RTP timestamps count them (RFC 7587 §4.1).
pub const RATE_HZ: u32 = 48_000;
/// Samples of one channel in an access unit of AAC-LC.
pub const ACCESS_UNIT_SAMPLES: usize = 1_024;

/// Bits per second of Opus that can be asked for.
pub const BITS_PER_S_MIN: u32 = 16_000;
/// Bits per second of Opus that can be asked for.
pub const BITS_PER_S_MAX: u32 = 256_000;

/// Bits per second of AAC that can be asked for.
pub const AAC_BITS_PER_S_MIN: u32 = 32_000;
/// Bits per second of AAC that can be asked for.
pub const AAC_BITS_PER_S_MAX: u32 = 320_000;

/// A gap in the timestamps that is filled with silence, and an overlap that is cut away. A longer gap stays a gap; a longer overlap
/// is an error.
pub const GAP_US_MAX: i64 = 2_000_000;
/// Timestamps beyond this are refused, so that no sum of them can overflow: more than a hundred years.
pub const TIMESTAMP_US_MAX: i64 = 1 << 52;
/// Of the sound that came, the part up to which silence may be added: one sample for so many. What is more is left a gap, so that few
/// bytes cannot ask for much work.
pub const SOUND_PER_SILENCE: usize = 4;

/// Access units that may be damaged in a row. Each good one makes up for half of one, so that a third of them may be damaged for ever.
pub const DAMAGED_MAX: u32 = 50;
/// Times that the decoder may fail by a bug of its own before the sound is given up.
pub const DECODER_PANICS_MAX: u32 = 3;
