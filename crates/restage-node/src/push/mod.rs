//! Pushing a stream to another server by RTMP or RTMPS.
//!
//! [`open`] spawns a task that connects, publishes, and connects again when it must. Whoever makes pictures and sound hands them to the
//! [`Push`] and never waits. The protocol is restage-rtmp's `PushSession`; here are sockets, TLS, the queue, and when to try again.
//!
//! Nothing that is logged or shown has the stream key in it.

mod connection;
mod limits;
mod queue;
mod target;
mod task;
#[cfg(test)]
mod tests;
mod tls;

use std::sync::Arc;

use bytes::Bytes;
use restage_rtmp::StreamDescription;
use tokio::sync::watch;

pub use target::PushTarget;

use limits::{Times, queue_bytes};
use queue::Queue;
use task::Task;
use tls::Trust;

/// What a stream is, as the server is told.
#[derive(Debug, Clone, PartialEq)]
pub struct PushFormat {
    /// Pixels of the picture.
    pub width: u32,
    /// Pixels of the picture.
    pub height: u32,
    /// Pictures a second.
    pub framerate: f64,
    /// Bits per second of the pictures.
    pub video_bitrate: u32,
    /// Bits per second of the sound.
    pub audio_bitrate: u32,
    /// Samples per second of the sound.
    pub audio_sample_rate: u32,
    /// 1 or 2.
    pub audio_channels: u8,
    /// The AudioSpecificConfig of the sound (ISO/IEC 14496-3 §1.6.2.1).
    pub audio_config: Vec<u8>,
}

impl PushFormat {
    fn description(&self) -> StreamDescription {
        StreamDescription {
            width: self.width,
            height: self.height,
            framerate: self.framerate,
            video_bits_per_s: self.video_bitrate,
            audio_bits_per_s: self.audio_bitrate,
            audio_rate_hz: self.audio_sample_rate,
            audio_channels: self.audio_channels,
        }
    }
}

/// How a push stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushState {
    /// The server takes the stream. It waits for a key frame first.
    Publishing,
    /// There is no connection, and another one is tried after a pause.
    Reconnecting {
        /// Why the last one has ended; without the stream key.
        reason: String,
    },
    /// Nothing is tried any more.
    Failed {
        /// Which kind of failure it is.
        cause: PushFailure,
        /// What happened last; without the stream key.
        reason: String,
    },
}

/// Why a push has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushFailure {
    /// Somebody else publishes with the stream key.
    Busy,
    /// The server does not want the stream: most often the key or the path is wrong.
    Refused,
    /// No connection could be made, or the server did not answer.
    Unreachable,
    /// The server breaks the protocol, or this one has no certificates to check it by.
    Other,
}

/// What a push has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PushFigures {
    /// Bytes of the protocol that connections have taken.
    pub sent_bytes: u64,
    /// Pictures that were sent.
    pub sent_pictures: u64,
    /// Access units of sound that were sent.
    pub sent_sounds: u64,
    /// Pictures that were left out: without a connection, because too many waited, or up to a key frame.
    pub dropped_pictures: u64,
    /// Access units of sound that were left out.
    pub dropped_sounds: u64,
    /// Connections that were lost or could not be made.
    pub lost_connections: u64,
    /// Bytes that wait.
    pub queued_bytes: usize,
}

/// A stream that is being pushed. Dropping it ends the stream at the server.
#[derive(Debug)]
pub struct Push {
    queue: Arc<Queue>,
    state: watch::Receiver<Option<PushState>>,
}

/// Pushes a stream to a server, within a tokio runtime. It fails only in [`PushState::Failed`]. With `was_published` an earlier process has
/// published it, whose connection the server may still hold: then a refusal is no reason to give up at once.
pub fn open(target: PushTarget, was_published: bool, format: PushFormat) -> Push {
    open_with(
        target,
        was_published,
        format,
        Times::OF_A_SERVER,
        Trust::System,
    )
}

fn open_with(
    target: PushTarget,
    was_published: bool,
    format: PushFormat,
    times: Times,
    trust: Trust,
) -> Push {
    let bits = u64::from(format.video_bitrate) + u64::from(format.audio_bitrate);
    let queue = Arc::new(Queue::new(queue_bytes(bits)));
    let (states, state) = watch::channel(None);
    let task = Task {
        target,
        was_published,
        format,
        times,
        trust,
        queue: Arc::clone(&queue),
        states,
    };
    tokio::spawn(task.run());
    Push { queue, state }
}

impl Push {
    /// A picture: an access unit of H.264 with start codes, without B frames; key frames have their parameter sets. `at_us` counts from
    /// any moment, the same as that of the sound; the first key frame that is sent has the timestamp 0 at the server. Never waits: what does
    /// not fit is dropped, with all that is before the next key frame.
    pub fn picture(&self, at_us: u64, is_key: bool, annex_b: Bytes) {
        self.queue.picture(at_us, is_key, annex_b);
    }

    /// An access unit of AAC, without ADTS. Never waits: what does not fit is dropped.
    pub fn sound(&self, at_us: u64, aac: Bytes) {
        self.queue.sound(at_us, aac);
    }

    /// The next state that has not been returned yet; the newest one if there were several. Waits for ever after the last one.
    pub async fn changed(&mut self) -> PushState {
        while self.state.changed().await.is_ok() {
            if let Some(state) = self.state.borrow_and_update().clone() {
                return state;
            }
        }
        std::future::pending().await
    }

    /// Whether pictures are left out until a key frame comes: ask the encoder for one.
    pub fn needs_key_frame(&self) -> bool {
        self.queue.needs_key()
    }

    /// What has been done so far.
    pub fn figures(&self) -> PushFigures {
        self.queue.figures()
    }
}

impl Drop for Push {
    fn drop(&mut self) {
        self.queue.close();
    }
}
