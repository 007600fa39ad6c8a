//! Bounds of one picture, in pixels, bytes, seconds and memory.

/// Bytes of a key frame with its parameter sets.
pub const KEY_FRAME_BYTES_MAX: usize = 4 << 20;
/// Width and height of a picture that is decoded.
pub const PICTURE_SIDE_MAX: u32 = 4_096;
/// Pixels of a picture that is decoded: 4,096 by 2,304, as level 5.1 of H.264 has them.
pub const PICTURE_PIXELS_MAX: u64 = 4_096 * 2_304;
/// Width and height of a thumbnail. Larger pictures are scaled down.
pub const THUMBNAIL_SIDE_MAX: u32 = 1_280;
/// Bytes of a thumbnail: noise of 1,280 by 1,280 pixels is below.
pub const JPEG_BYTES_MAX: usize = 4 << 20;
/// Quality of thumbnails, 1 to 100.
pub const JPEG_QUALITY: u8 = 80;

/// Memory that a child may map beside what it has when it starts: a decoder with 16 reference pictures of the largest size takes most of it.
pub const CHILD_MEMORY_MAX: u64 = 512 << 20;
/// Processor time of a child, in seconds. The largest picture takes a tenth.
pub const CHILD_CPU_SECONDS_MAX: u64 = 5;
/// How much less of the processor a child gets than the server, where both want it: 0 to 19.
pub const CHILD_NICENESS: i32 = 10;
/// All that is in a child's environment: the allocator reserves no address space in advance. What it had reserved, a child could use
/// beyond [`CHILD_MEMORY_MAX`].
pub const CHILD_ENVIRONMENT: (&str, &str) = ("MIMALLOC_ARENA_RESERVE", "0");
