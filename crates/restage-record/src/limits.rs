//! Bounds of one recorder, in time, number and bytes.

/// How long a missing packet is waited for: retransmissions come within it. Then the hole is final.
pub const REORDER_WINDOW_US: u64 = 1_000_000;
/// How long a missing packet of a picture is waited for before a key frame is asked for, so that it is there when the hole is final. Most
/// retransmissions come before.
pub const REORDER_DOUBT_US: u64 = 400_000;
/// Packets of one stream that wait behind a hole: 1 s at 8.5 Mbit/s are about 900.
pub const REORDER_PACKETS_MAX: usize = 4_096;
/// Bytes of one stream that wait behind a hole: 1 s at 30 Mbit/s.
pub const REORDER_BYTES_MAX: usize = 4 << 20;
/// Bytes of one picture, and of the packets of it that have come.
pub const PICTURE_BYTES_MAX: usize = 4 << 20;
/// Bytes of whole pictures and sound of one stream that wait for its clock, or for the other stream.
pub const WAITING_BYTES_MAX: usize = 8 << 20;
/// Samples that wait in the same way.
pub const WAITING_SAMPLES_MAX: usize = 2_048;
/// Bytes of media in one segment. What is larger is cut, wherever that is.
pub const SEGMENT_BYTES_MAX: usize = 32 << 20;
/// Samples of one track in one segment.
pub const SEGMENT_SAMPLES_MAX: usize = 16_384;
/// Outputs that wait for [`Recorder::poll`](crate::Recorder::poll), besides inits and segments.
pub const OUTPUTS_MAX: usize = 256;
/// Bytes that a recorder holds at most: of two streams, of the segment that is being made, and of those that wait to be polled, as the
/// caller polls after each input.
pub const RECORDER_BYTES_MAX: usize = 2
    * (REORDER_BYTES_MAX + PICTURE_BYTES_MAX + WAITING_BYTES_MAX)
    + 3 * (SEGMENT_BYTES_MAX + PICTURE_BYTES_MAX);

/// How long the arrival of a stream's packets is watched before its clock starts: the least delay among them counts.
pub const START_WINDOW_US: u64 = 500_000;
/// How long sound waits at the beginning of a publication for the pictures that it may send. What waits is bounded as well, by
/// [`WAITING_BYTES_MAX`] and [`WAITING_SAMPLES_MAX`].
pub const PICTURES_WAIT_US: u64 = 5_000_000;
/// A stream of which nothing came for so long is not waited for.
pub const STALL_US: u64 = 2_000_000;
/// How long a picture is shown, and a gap of sound is filled, where nothing came. A longer hole is a discontinuity.
pub const HOLE_MAX_US: u64 = 2_000_000;
/// Least time between requests for key frames.
pub const KEY_FRAME_REQUEST_US: u64 = 1_000_000;
/// Changes of one kind's parameters, encoder or clock within [`CHANGES_WINDOW_US`] that are followed, each with another init: a simulcast
/// publisher on a bad network changes its layer every few seconds. After more, this kind is left out, so that a publisher cannot make files
/// without end.
pub const CHANGES_MAX: usize = 10;
/// See [`CHANGES_MAX`].
pub const CHANGES_WINDOW_US: u64 = 10_000_000;
/// How long nothing of a kind that was left out may change before it is recorded again.
pub const CALM_US: u64 = 5_000_000;
/// How long sender reports of a kind are awaited from its first packet on: they come every one to five seconds.
pub const REPORTS_AWAITED_US: u64 = 15_000_000;
