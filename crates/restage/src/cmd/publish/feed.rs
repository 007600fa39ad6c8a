//! Frames that a thread of its own generates or reads ahead of time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use restage_client::EncodedFrame;
use restage_client::testcard::{TestCard, TestCardConfig};
use tokio::sync::mpsc;

use crate::exit::Failure;
use crate::media::Source;

/// Frames ready ahead of their time.
const FRAMES_AHEAD: usize = 8;

/// A source of frames with its thread.
pub(crate) struct Feed {
    frames: mpsc::Receiver<anyhow::Result<EncodedFrame>>,
    orders: Arc<Orders>,
}

/// Requests from the player to the source.
#[derive(Default)]
struct Orders {
    wants_key_frame: AtomicBool,
    /// Pictures before this time, in microseconds, are too late to be shown.
    skip_to_us: AtomicU64,
}

impl Feed {
    /// Starts a source. The thread ends with the source, or when the feed is dropped.
    pub(crate) fn start(source: Box<dyn Source>) -> Self {
        let orders = Arc::new(Orders::default());
        let (frame_tx, frames) = mpsc::channel(FRAMES_AHEAD);
        tokio::task::spawn_blocking({
            let orders = Arc::clone(&orders);
            move || run(source, &orders, &frame_tx)
        });
        Self { frames, orders }
    }

    /// Starts a test card whose media time begins now.
    pub(crate) fn card(config: TestCardConfig) -> anyhow::Result<Self> {
        let card = TestCard::new(config, SystemTime::now())
            .map_err(|error| Failure::usage(format!("this test card cannot be made: {error}")))?;
        Ok(Self::start(Box::new(card)))
    }

    /// The next frame; `None` at the end. Dropping the future loses no frame.
    pub(crate) async fn next(&mut self) -> Option<anyhow::Result<EncodedFrame>> {
        self.frames.recv().await
    }

    pub(crate) fn request_key_frame(&self) {
        self.orders.wants_key_frame.store(true, Ordering::Relaxed);
    }

    /// Asks a source that generates its pictures to leave out those before `time`.
    pub(crate) fn skip_to(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.orders.skip_to_us.fetch_max(micros, Ordering::Relaxed);
    }
}

fn run(
    mut source: Box<dyn Source>,
    orders: &Orders,
    frames: &mpsc::Sender<anyhow::Result<EncodedFrame>>,
) {
    loop {
        if orders.wants_key_frame.swap(false, Ordering::Relaxed) {
            source.request_key_frame();
        }
        let skip_to = orders.skip_to_us.swap(0, Ordering::Relaxed);
        if skip_to > 0 {
            source.skip_pictures(Duration::from_micros(skip_to));
        }
        let Some(frame) = source.next_frame().transpose() else {
            return;
        };
        let is_last = frame.is_err();
        if frames.blocking_send(frame).is_err() || is_last {
            return;
        }
    }
}

impl Source for TestCard {
    fn next_frame(&mut self) -> anyhow::Result<Option<EncodedFrame>> {
        Self::next_frame(self)
            .map(Some)
            .context("the test card ended")
    }

    fn request_key_frame(&mut self) {
        Self::request_key_frame(self);
    }

    fn skip_pictures(&mut self, time: Duration) {
        Self::skip_pictures(self, time);
    }
}
