//! Encoders, whose bytes go by TCP: nothing is lost and nothing overtakes.

use std::time::Duration;

use super::World;
use super::event::Event;
use crate::client::encoder::Encoder;

/// Time that bytes take.
pub(super) const TCP_DELAY: Duration = Duration::from_millis(12);

impl World {
    pub(super) fn serve_encoder(&mut self, number: usize) {
        let (now, base) = (self.now, self.base);
        let Self {
            encoders, habits, ..
        } = self;
        let encoder = &mut encoders[number];
        if encoder.retry_at.is_some() {
            self.feeds += 1;
            let feed = self.feeds;
            encoder.connect(now, base, feed, habits);
            self.later(TCP_DELAY, Event::Connect(feed));
            self.drain_encoder(feed);
            return;
        }
        let (feed, goes_on) = (encoder.feed, encoder.on_time(now));
        match goes_on {
            true => self.drain_encoder(feed),
            false => self.break_encoder(feed),
        }
    }

    pub(super) fn drain_encoder(&mut self, feed: u64) {
        let own = |encoder: &&mut Encoder| encoder.feed == feed;
        let own = self.encoders.iter_mut().find(own);
        let bytes = own.map(|encoder| std::mem::take(&mut encoder.output));
        if let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) {
            self.later(TCP_DELAY, Event::ToIngest(feed, bytes));
        }
    }

    /// An encoder's connection breaks, or the encoder closes it.
    pub(crate) fn break_encoder(&mut self, feed: u64) {
        let own = |encoder: &&mut Encoder| encoder.feed == feed;
        if let Some(encoder) = self.encoders.iter_mut().find(own) {
            encoder.lose(self.now);
        }
        self.later(TCP_DELAY, Event::EncoderGone(feed));
    }

    /// An encoder says that its stream is over.
    pub(crate) fn finish_encoder(&mut self, number: usize) {
        self.encoders[number].finish();
        let feed = self.encoders[number].feed;
        self.drain_encoder(feed);
        self.later(2 * TCP_DELAY, Event::EncoderGone(feed));
    }
}
