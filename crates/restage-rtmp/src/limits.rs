//! Bounds of one connection, in bytes, number and time.

use std::time::Duration;

/// Bytes of a chunk's payload that the encoder may choose by Set Chunk Size. More is refused.
pub const CHUNK_BYTES_MAX: usize = 64 << 10;
/// Bytes of a chunk's payload until the encoder says otherwise (RTMP 1.0 §5.4.1).
pub const CHUNK_BYTES_DEFAULT: usize = 128;
/// Chunk streams of a connection. Encoders use four to eight.
pub const CHUNK_STREAMS_MAX: usize = 16;
/// Bytes of a video message.
pub const VIDEO_BYTES_MAX: usize = 4 << 20;
/// Bytes of an aggregate of several messages.
pub const AGGREGATE_BYTES_MAX: usize = 1 << 20;
/// Bytes of an audio message.
pub const AUDIO_BYTES_MAX: usize = 64 << 10;
/// Bytes of any other message: commands, data, control.
pub const COMMAND_BYTES_MAX: usize = 16 << 10;
/// Bytes of all messages that are under way on the chunk streams together.
pub const ASSEMBLY_BYTES_MAX: usize = VIDEO_BYTES_MAX + (256 << 10);
/// Bytes that wait to be sent to the encoder. One that asks and does not read is ended.
pub const OUTPUT_BYTES_MAX: usize = 64 << 10;
/// Bytes that a connection holds at most, its release buffer and the frame that is being handled included.
pub const CONNECTION_BYTES_MAX: usize = 6 << 20;

/// Connections at once that publish.
pub const STREAMS_MAX: usize = 256;
/// Connections at once that do not publish yet.
pub const WAITING_MAX: usize = 256;
/// The same of one client: of an address of IPv4, or of a network of 64 bits of IPv6.
pub const WAITING_PER_CLIENT_MAX: usize = 16;

/// Values within values of AMF0.
pub const AMF_DEPTH_MAX: usize = 8;
/// Values of one message of AMF0, members of objects included. What follows is left unread.
pub const AMF_VALUES_MAX: usize = 1_024;
/// Bytes of the application's name and of the stream key.
pub const NAME_BYTES_MAX: usize = 1_024;
/// Bytes of the encoder's name that are kept.
pub const ENCODER_NAME_BYTES_MAX: usize = 128;

/// Video tracks of a stream: as many as a publication has simulcast layers.
pub const TRACKS_MAX: usize = 4;
/// Tracks in one multitrack message. What follows is left unread.
pub const TRACKS_PER_MESSAGE_MAX: usize = 16;
/// Extensions before a tag of Enhanced RTMP (ModEx).
pub const EXTENSIONS_MAX: usize = 8;
/// Parameter sets in the configuration of a track.
pub const PARAMETER_SETS_MAX: usize = restage_codec::h264::PARAMETER_SETS_MAX;
/// Bytes of the parameter sets in the configuration of a track.
pub const PARAMETER_SETS_BYTES_MAX: usize = restage_codec::h264::PARAMETER_SETS_BYTES_MAX;

/// Longest time of a handshake.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(5);
/// Longest time from the handshake to the command `publish`.
pub const PUBLISH_MAX: Duration = Duration::from_secs(5);
/// Longest silence of an encoder.
pub const SILENCE_MAX: Duration = Duration::from_secs(10);
/// Longest time from the moment at which a stream is accepted until both sound and pictures have come.
pub const BOTH_KINDS_MAX: Duration = Duration::from_secs(10);
/// Damaged pictures in a row after which a stream is ended: two or three seconds.
pub const DAMAGED_PICTURES_MAX: u32 = 60;

/// Characters that are kept of a server's words.
pub const WORDS_CHARS_MAX: usize = 200;

/// Over which time of the stream its bitrate is measured.
pub const BITRATE_WINDOW: Duration = Duration::from_secs(10);
/// By how many percent the bitrate may exceed its limit: encoders do not keep exactly to the rate they are set to.
pub const BITRATE_OVERSHOOT_PERCENT: u64 = 10;
/// Milliseconds by which the composition times of pictures in order may differ, because timestamps are rounded.
pub const COMPOSITION_TOLERANCE_MS: u32 = 5;

/// A jump of the encoder's timestamps beyond this, against the time that has passed, is no pause: its clock was set, and the stream
/// goes on where it was.
pub const TIMESTAMP_JUMP_US: i64 = 3_000_000;
/// The same for steps back within a track. Smaller ones are an encoder's inaccuracy: time stands still until they are over.
pub const TIMESTAMP_BACK_US: i64 = 200_000;
/// The time of the first message of a stream. A track that begins later may begin before it, and is not negative for all that.
pub const TIMESTAMP_FIRST_US: i64 = 5_000_000;

/// Least delay of the release buffer, with which it begins.
pub const RELEASE_DELAY_MIN: Duration = Duration::from_millis(100);
/// Most delay of the release buffer.
pub const RELEASE_DELAY_MAX: Duration = Duration::from_millis(500);
/// A stream that is this late leaves out pictures up to a key frame.
pub const BACKLOG_MAX: Duration = Duration::from_secs(2);
/// A stream that catches up has done so when it got no less late for this time.
pub const CATCH_UP_SETTLE: Duration = Duration::from_millis(300);
/// Bytes that wait in the release buffer. What is more leaves it early.
pub const RELEASE_BYTES_MAX: usize = 1 << 20;
/// Items that wait in the release buffer. What is more leaves it early.
pub const RELEASE_ITEMS_MAX: usize = 1_024;

const _: () = assert!(TIMESTAMP_FIRST_US > TIMESTAMP_JUMP_US);
const _: () = assert!(
    ASSEMBLY_BYTES_MAX + OUTPUT_BYTES_MAX + RELEASE_BYTES_MAX + (512 << 10) < CONNECTION_BYTES_MAX
);
