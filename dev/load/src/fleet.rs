//! Publishers and subscribers, and how they join.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::client::{Client, Milestones, engine};
use crate::driver::Driver;
use crate::http::post_offer;
use crate::media::{Rate, unix_ns};
use crate::peer::Engine;
use crate::srtp::Srtp;
use crate::tally::{Tally, Window};

/// A client that is not connected after this time never will be.
const CONNECT_MAX: Duration = Duration::from_secs(15);
/// Interval at which milestones are checked while joining.
const LOOK_EVERY: Duration = Duration::from_micros(200);

/// All clients of a run, on two threads: publishers and subscribers, so that the pace of publishers is not disturbed.
pub struct Fleet {
    engine: Engine,
    window: Arc<Window>,
    publishers: Driver,
    subscribers: Driver,
    published: u32,
    /// The source of each subscriber.
    listens_to: Vec<u32>,
}

/// A client's milestones while joining. Times are nanoseconds since 1970.
pub struct Join {
    /// When its offer was posted.
    pub posted_ns: u64,
    milestones: Arc<Milestones>,
}

impl Join {
    /// Milliseconds from the offer to the connection; `None` if it is not connected.
    pub fn connected_ms(&self) -> Option<f64> {
        self.since(self.posted_ns, &self.milestones.connected_ns)
    }

    /// Milliseconds from the offer to the last packet of the first key frame.
    pub fn decodable_ms(&self) -> Option<f64> {
        self.since(self.posted_ns, &self.milestones.decodable_ns)
    }

    /// Milliseconds from the given time to the last packet of the first key frame.
    pub fn decodable_ms_since(&self, ns: u64) -> Option<f64> {
        self.since(ns, &self.milestones.decodable_ns)
    }

    fn since(&self, from_ns: u64, milestone: &AtomicU64) -> Option<f64> {
        let at = milestone.load(Ordering::Acquire);
        (at != 0).then(|| at.saturating_sub(from_ns) as f64 / 1e6)
    }
}

impl Fleet {
    /// Starts the threads. Clients offer the profiles of `srtp`.
    pub fn start(srtp: Srtp) -> anyhow::Result<Self> {
        Ok(Self {
            engine: engine(srtp)?,
            window: Arc::default(),
            publishers: Driver::start("sim-publish", false)?,
            subscribers: Driver::start("sim-receive", true)?,
            published: 0,
            listens_to: Vec::new(),
        })
    }

    /// Clients offer no transport-wide feedback from now on.
    pub fn without_feedback(&mut self) {
        self.engine.has_feedback = false;
    }

    /// Clients that subscribe from now on send transport-wide feedback at this interval.
    pub fn feedback_every(&mut self, interval: Duration) {
        self.engine.feedback_interval = Some(interval);
    }

    /// The window in which packets are counted.
    pub fn window(&self) -> &Window {
        &self.window
    }

    /// Publishes to a WHIP endpoint and returns once connected, with the number of the source.
    pub fn publish(&mut self, url: &str, token: &str, rate: Rate) -> anyhow::Result<(u32, Join)> {
        let source = self.published;
        self.published += 1;
        let join = self.join(&self.publishers, url, token, Some((source, rate)))?;
        Ok((source, join))
    }

    /// Subscribes at a WHEP endpoint to the packets of `source`, and returns once connected.
    pub fn subscribe(&mut self, url: &str, token: &str, source: u32) -> anyhow::Result<Join> {
        let join = self.join(&self.subscribers, url, token, None)?;
        self.listens_to.push(source);
        Ok(join)
    }

    fn join(
        &self,
        driver: &Driver,
        url: &str,
        token: &str,
        publishes: Option<(u32, Rate)>,
    ) -> anyhow::Result<Join> {
        let offered = Client::offer(&self.engine, Arc::clone(&self.window), publishes)?;
        let posted_ns = unix_ns();
        let answer = post_offer(url, token, &offered.offer)?;
        let client = offered.accept(&answer)?;
        let join = Join {
            posted_ns,
            milestones: Arc::clone(&client.milestones),
        };
        driver.add(client)?;
        wait_until(CONNECT_MAX, || join.connected_ms().is_some())
            .context("a client did not connect")?;
        Ok(join)
    }

    /// Waits until all of these have a decodable picture.
    pub fn wait_decodable(&self, joins: &[Join], limit: Duration) -> anyhow::Result<()> {
        wait_until(limit, || {
            joins.iter().all(|join| join.decodable_ms().is_some())
        })
        .context("not every subscriber got a key frame")
    }

    /// The counts of the window. To be called when its last packets have arrived.
    pub fn tally(&self) -> anyhow::Result<Tally> {
        let sent: Vec<(u64, u64)> = self
            .publishers
            .tallies()?
            .iter()
            .map(|tally| (tally.sent, tally.sent_audio))
            .collect();
        let mut all = Tally {
            sent: sent.iter().map(|(sent, _)| sent).sum(),
            sent_audio: sent.iter().map(|(_, audio)| audio).sum(),
            ..Tally::default()
        };
        for (tally, source) in self
            .subscribers
            .tallies()?
            .into_iter()
            .zip(&self.listens_to)
        {
            all.add(tally);
            let (sent, audio) = sent.get(*source as usize).copied().unwrap_or_default();
            all.expected += sent;
            all.expected_audio += audio;
        }
        Ok(all)
    }
}

/// Checks the condition repeatedly until it holds; `None` if it does not within the limit.
#[allow(clippy::disallowed_methods)]
fn wait_until(limit: Duration, mut condition: impl FnMut() -> bool) -> Option<()> {
    let deadline = Instant::now() + limit;
    while !condition() {
        if Instant::now() > deadline {
            return None;
        }
        std::thread::park_timeout(LOOK_EVERY);
    }
    Some(())
}
