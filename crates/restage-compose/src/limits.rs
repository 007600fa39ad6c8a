//! Bounds of a composition: inputs, sizes, queues, times.

use restage_picture::sandbox::Limits;

/// Inputs of a composition. More than the service's quota of publishers in a stage, for servers with open limits.
pub const INPUTS_MAX: usize = 24;
/// Tiles of a picture: of more persons the first are shown.
pub const TILES_MAX: usize = INPUTS_MAX;
/// Pictures of different sizes or rates that one composition makes.
pub const RENDITIONS_MAX: usize = 2;
/// Bytes of a message between server and child, without the four of its length.
pub const FRAME_BYTES_MAX: usize = 4 << 20;
/// Bytes of a person's name; what is beyond is cut off.
pub const NAME_BYTES_MAX: usize = 256;
/// Bytes of the text that says why a person has no picture.
pub const REASON_BYTES_MAX: usize = 256;
/// Bytes of an Opus packet: the longest that RFC 6716 §3.4 allows in one packet of 120 ms.
pub const OPUS_BYTES_MAX: usize = 6 * 1_275 + 7;
/// Width and height of what a composition makes, at least: what the encoder takes.
pub const RENDITION_SIDE_MIN: u32 = 16;
/// Width and height of what a composition makes, at most.
pub const RENDITION_SIDE_MAX: u32 = 1_920;
/// Pixels of what a composition makes: 1,920 by 1,080.
pub const RENDITION_PIXELS_MAX: u32 = 1_920 * 1_080;
/// Thousandths of pictures per second.
pub const FRAMERATE_MILLI_MIN: u32 = 1_000;
/// Thousandths of pictures per second.
pub const FRAMERATE_MILLI_MAX: u32 = 60_000;
/// Bits per second of what a composition makes.
pub const BITRATE_MIN: u32 = 1;
/// Bits per second of what a composition makes.
pub const BITRATE_MAX: u32 = 8_500_000;
/// Pixels of a picture that is decoded: 1,920 by 1,080. Who sends larger ones is heard and not seen.
pub const SOURCE_PIXELS_MAX: u64 = 1_920 * 1_080;
/// Width and height of a picture that is decoded.
pub const SOURCE_SIDE_MAX: u32 = 1_920;
/// Microseconds from one key frame of a rendition to the next. The targets of segments are whole multiples of it.
pub const KEY_FRAME_INTERVAL_US: u64 = 2_000_000;
/// Microseconds by which pictures and sound are behind the clock, so that what comes late or in bursts is there when it is wanted.
pub const DELAY_US: u64 = 120_000;
/// Microseconds after which a person whose pictures have stopped is shown without one.
pub const PICTURE_OLD_US: u64 = 5_000_000;
/// Pictures of an input that wait for their time. They are encoded: a few seconds of 60 a second.
pub const QUEUED_PICTURES_MAX: usize = 240;
/// Bytes of an input's pictures that wait for their time.
pub const QUEUED_BYTES_MAX: usize = 8 << 20;
/// Microseconds between two requests for a key frame of an input.
pub const KEY_FRAME_REQUEST_US: u64 = 1_000_000;
/// Microseconds between a key frame of a rendition and the next one that somebody may have by asking.
pub const KEY_FRAME_SPACING_US: u64 = 300_000;
/// Ticks in a row that take longer than there is time before every second picture is left out.
pub const OVER_BUDGET_TICKS: u32 = 3;
/// Microseconds during which all ticks must take less than [`ROOM_PERCENT`] of their time before every picture is made again.
pub const ROOM_US: u64 = 2_000_000;
/// Part of the time between two pictures, in percent.
pub const ROOM_PERCENT: u64 = 80;
/// Microseconds between two figures of health.
pub const HEALTH_US: u64 = 1_000_000;

/// Memory that a child may map beside what it has when it starts: [`INPUTS_MAX`] decoders of 1080p with 16 reference pictures, what waits to be
/// decoded, and two encoders.
pub const CHILD_MEMORY_MAX: u64 = 2 << 30;
/// How much less of the processor a child gets than the server, where both want it: 0 to 19.
pub const CHILD_NICENESS: i32 = 5;
/// What a child may have and do. It lives as long as its composition.
pub const CHILD_LIMITS: Limits = Limits {
    memory: CHILD_MEMORY_MAX,
    cpu_seconds: None,
    may_wait: true,
};
/// Bytes that wait for the server to read them. A child that has more ends: nobody reads.
pub const OUT_BYTES_MAX: usize = 16 << 20;
/// Bytes that are read before the clock is looked at again.
pub const READ_BYTES_MAX: usize = 1 << 20;
