//! The task of a push: one connection after the other.

use std::sync::Arc;
use std::time::Duration;

use restage_rtmp::PushEnd;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

use super::connection::{self, Connection};
use super::limits::Times;
use super::queue::Queue;
use super::tls::Trust;
use super::{PushFailure, PushFormat, PushState, PushTarget};

/// What a push needs.
pub(super) struct Task {
    pub(super) target: PushTarget,
    /// An earlier process has published this stream.
    pub(super) was_published: bool,
    pub(super) format: PushFormat,
    pub(super) times: Times,
    pub(super) trust: Trust,
    pub(super) queue: Arc<Queue>,
    pub(super) states: watch::Sender<Option<PushState>>,
}

/// Why a connection has ended.
#[derive(Debug)]
pub(super) enum Lost {
    /// Whoever has opened the push has dropped it.
    Dropped,
    /// The server has said so.
    Ended(PushEnd),
    /// The connection could not be made, or broke.
    Broken(String),
    /// This side cannot connect at all.
    Unable(String),
}

impl Lost {
    fn cause(&self) -> PushFailure {
        match self {
            Self::Ended(PushEnd::Busy { .. }) => PushFailure::Busy,
            Self::Ended(PushEnd::Refused { .. } | PushEnd::Redirected { .. }) => {
                PushFailure::Refused
            }
            Self::Ended(PushEnd::Timeout) | Self::Broken(_) | Self::Dropped => {
                PushFailure::Unreachable
            }
            _ => PushFailure::Other,
        }
    }

    fn reason(&self) -> String {
        match self {
            Self::Dropped => "the stream is over".to_owned(),
            Self::Ended(end) => end.to_string(),
            Self::Broken(reason) | Self::Unable(reason) => reason.clone(),
        }
    }
}

/// A time without a stream at the server, which short connections do not end.
struct Outage {
    since: Instant,
    pause: Duration,
}

impl Task {
    /// Runs until the push is dropped or has failed.
    pub(super) async fn run(self) {
        let mut was_published = self.was_published;
        let mut outage: Option<Outage> = None;
        loop {
            let (lost, published_for) = self.connect_and_publish().await;
            self.queue.shut();
            if matches!(lost, Lost::Dropped) || self.queue.is_closed() {
                info!(target = %self.target, "the push is over");
                return;
            }
            self.queue.count(|figures| figures.lost_connections += 1);
            was_published |= published_for.is_some();
            if published_for.is_some_and(|time| time >= self.times.steady) {
                outage = None;
            }
            let (cause, reason) = (lost.cause(), lost.reason());
            // A stream that was published once may be refused while the server still holds the one that broke.
            let is_final = matches!(cause, PushFailure::Busy | PushFailure::Refused);
            if is_final && !was_published {
                return self.fail(cause, reason);
            }
            let is_first = outage.is_none();
            let outage = outage.get_or_insert_with(|| Outage {
                since: Instant::now(),
                pause: self.times.pause_min,
            });
            let pause = outage.pause;
            if outage.since.elapsed() + pause > self.times.reconnect {
                return self.fail(cause, reason);
            }
            outage.pause = (2 * pause).min(self.times.pause_max);
            // One outage is one line, however often it tries.
            match is_first {
                true => {
                    warn!(target = %self.target, %reason, "the push has no connection and tries again")
                }
                false => debug!(target = %self.target, %reason, "the push tries again"),
            }
            self.states
                .send_replace(Some(PushState::Reconnecting { reason }));
            tokio::select! {
                () = sleep(pause) => {}
                () = self.queue.closed() => return,
            }
        }
    }

    fn fail(&self, cause: PushFailure, reason: String) {
        warn!(target = %self.target, %reason, ?cause, "the push has failed");
        let state = PushState::Failed { cause, reason };
        self.states.send_replace(Some(state));
    }

    /// One connection. Returns why it has ended, and for how long it has published.
    async fn connect_and_publish(&self) -> (Lost, Option<Duration>) {
        let stream = tokio::select! {
            stream = connection::connect(&self.target, &self.trust, self.times.connect) => stream,
            () = self.queue.closed() => return (Lost::Dropped, None),
        };
        match stream {
            Ok(stream) => Connection::new(self, stream).run().await,
            Err(lost) => (lost, None),
        }
    }
}
