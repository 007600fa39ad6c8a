//! A stream that was accepted, from its media to the media plane.

use std::time::{Duration, Instant};

use restage_core::row::IngestProtocol;
use restage_node::control::Ingest;
use restage_node::seldom::Seldom;
use restage_rtmp::{Refusal, RuleLimits};

use super::counters::{Counters, LeftOut};
use super::session::error_of;
use super::stream::Stream;

/// How often a stream is looked at for metrics.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A stream that was accepted. When this is dropped, it ends.
pub(super) struct Publishing {
    pub(super) ingest: Ingest,
    pub(super) stream: Stream,
    /// Its participant is known to publish.
    is_established: bool,
    counted: Counted,
}

/// What metrics know of a stream.
struct Counted {
    counters: Counters,
    protocol: IngestProtocol,
    left_out: LeftOut,
    /// Pictures and access units that could not be decoded, and when that was said.
    damaged: (u64, u64),
    said_damaged: Seldom,
    looked_at: Instant,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.counters.over(self.protocol);
    }
}

impl Publishing {
    pub(super) fn new(
        now: Instant,
        ingest: Ingest,
        limits: RuleLimits,
        protocol: IngestProtocol,
        counters: Counters,
    ) -> Self {
        counters.began(protocol);
        Self {
            ingest,
            stream: Stream::new(now, limits),
            is_established: false,
            counted: Counted {
                counters,
                protocol,
                left_out: LeftOut::default(),
                damaged: (0, 0),
                said_damaged: Seldom::new(),
                looked_at: now,
            },
        }
    }

    pub(super) fn next_deadline(&self) -> Instant {
        self.stream.next_deadline()
    }

    /// Hands on what is due.
    pub(super) async fn send_due(&mut self, now: Instant) {
        if let Some(formats) = self.stream.take_formats() {
            self.ingest.begin(formats).await;
        }
        loop {
            let items = self.stream.due(now);
            if items.is_empty() {
                break;
            }
            self.ingest.push(items);
        }
        if self.stream.has_begun && !std::mem::replace(&mut self.is_established, true) {
            self.ingest.establish().await;
        }
        if now.saturating_duration_since(self.counted.looked_at) >= LOOK_EVERY {
            self.look(now);
        }
    }

    /// Ends it because of what the encoder sends.
    pub(super) async fn fail(mut self, refusal: &Refusal) {
        self.look(self.counted.looked_at);
        let message = refusal.to_string();
        self.ingest.fail(error_of(refusal), &message).await;
    }

    /// The encoder has ended it.
    pub(super) fn log_end(mut self) {
        self.look(self.counted.looked_at);
        let counts = self.ingest.counts();
        let left_out = self.counted.left_out;
        tracing::info!(
            participant = %self.ingest.participant(),
            packets = counts.pushed,
            packets_left_out = left_out.packets,
            pictures_left_out = left_out.pictures,
            sound_left_out = left_out.sound,
            key_frames_wanted = counts.keyframes_wanted,
            "an encoder has ended its stream"
        );
    }

    fn look(&mut self, now: Instant) {
        let counted = &mut self.counted;
        counted.looked_at = now;
        counted.counters.delayed(self.stream.delay());
        let (pictures, sound) = self.stream.left_out();
        let packets = self.ingest.counts().dropped;
        let left_out = LeftOut {
            pictures,
            sound,
            packets,
        };
        let damaged = self.stream.damaged();
        if damaged != std::mem::replace(&mut counted.damaged, damaged)
            && let Some(kept_back) = counted.said_damaged.admit()
        {
            tracing::warn!(
                participant = %self.ingest.participant(),
                pictures = damaged.0,
                sound = damaged.1,
                "an encoder sends what cannot be decoded{kept_back}"
            );
        }
        let before = std::mem::replace(&mut counted.left_out, left_out);
        counted.counters.left_out(before, left_out);
    }
}
