//! Bounds of a push, in bytes, number and time.

use std::time::Duration;

/// Longest time until a connection is open, TLS included.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Longest time from then on until the server lets the stream be published.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// A server that takes no byte for so long, although some wait, is left.
const STALL_MAX: Duration = Duration::from_secs(10);
/// Longest time for the last words, and for what still waits.
const FINISH_MAX: Duration = Duration::from_secs(2);
/// The first pause before connecting again; each is twice as long as the one before.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(16);
/// After so long without being published the push has failed.
const RECONNECT_MAX: Duration = Duration::from_secs(120);
/// A connection that has published for so long makes up for those that failed before it.
const STEADY_MIN: Duration = Duration::from_secs(10);

/// Time of the stream that may wait to be sent.
const QUEUE_TIME: Duration = Duration::from_secs(3);
/// Bytes that may wait, whatever the stream's bitrate is: a key frame must fit.
const QUEUE_BYTES_MIN: usize = 1 << 20;
/// Bytes that may wait.
const QUEUE_BYTES_MAX: usize = 8 << 20;
/// Pictures and pieces of sound that may wait.
pub(super) const QUEUE_ITEMS_MAX: usize = 1_024;
/// Bytes that the system may hold for a connection: the rest waits in the queue, where old pictures can be left out.
pub(super) const SEND_BUFFER_BYTES: usize = 256 << 10;
/// Bytes that are read at once.
pub(super) const READ_BYTES: usize = 16 << 10;

/// The times that count for one push.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) connect: Duration,
    pub(super) answer: Duration,
    pub(super) stall: Duration,
    pub(super) finish: Duration,
    pub(super) pause_min: Duration,
    pub(super) pause_max: Duration,
    pub(super) reconnect: Duration,
    pub(super) steady: Duration,
}

impl Times {
    /// Those of a server; tests have shorter ones.
    pub(super) const OF_A_SERVER: Self = Self {
        connect: CONNECT_MAX,
        answer: ANSWER_MAX,
        stall: STALL_MAX,
        finish: FINISH_MAX,
        pause_min: PAUSE_MIN,
        pause_max: PAUSE_MAX,
        reconnect: RECONNECT_MAX,
        steady: STEADY_MIN,
    };
}

/// Bytes that may wait of a stream of this bitrate.
pub(super) fn queue_bytes(bits_per_s: u64) -> usize {
    let bytes = bits_per_s / 8 * QUEUE_TIME.as_secs();
    usize::try_from(bytes).map_or(QUEUE_BYTES_MAX, |bytes| {
        bytes.clamp(QUEUE_BYTES_MIN, QUEUE_BYTES_MAX)
    })
}
