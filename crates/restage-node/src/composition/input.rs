//! One participant of a composition: a tap of what it publishes.

use std::time::Duration;

use restage_core::PublicationKey;
use restage_media::TapLayers;
use tokio::time::{Instant, timeout};

use super::assemble::{Assembler, Media};
use crate::control::Control;
use crate::media::TapStream;

/// How long the media plane has to open a tap.
const OPEN_MAX: Duration = Duration::from_millis(200);
/// Time between two attempts to open a tap: a publication may be there a moment after its row.
const OPEN_RETRY: Duration = Duration::from_millis(100);
/// Least time between two requests for a key frame; the media plane merges them with those of viewers.
const KEY_FRAME_EVERY: Duration = Duration::from_millis(500);
/// The layer that is asked for before it is known how large the participant is shown.
const FIRST_HEIGHT: u32 = 360;

/// A participant that is composed.
pub(super) struct Input {
    publication: PublicationKey,
    tap: Option<TapStream>,
    retry_at: Instant,
    assembler: Assembler,
    asked_at: Option<Instant>,
    /// The height of the pictures that are wanted; 0 while it is not shown.
    height: u32,
    has_chosen: bool,
    /// It had a tile.
    was_shown: bool,
}

impl Input {
    pub(super) fn new(publication: PublicationKey) -> Self {
        Self {
            publication,
            tap: None,
            retry_at: Instant::now(),
            assembler: Assembler::new(),
            asked_at: None,
            height: FIRST_HEIGHT,
            has_chosen: true,
            was_shown: false,
        }
    }

    /// Opens the tap, as soon as there is something to tap.
    pub(super) async fn open(&mut self, control: &Control) {
        if self.tap.is_some() || Instant::now() < self.retry_at {
            return;
        }
        self.retry_at = Instant::now() + OPEN_RETRY;
        let layers = self.layers();
        match timeout(OPEN_MAX, control.open_tap(&self.publication, layers)).await {
            Ok(Ok(tap)) => {
                self.tap = Some(tap);
                self.has_chosen = true;
                self.assembler = Assembler::new();
            }
            Ok(Err(error)) => tracing::debug!(%error, "not tapped yet"),
            Err(_) => tracing::warn!("the media worker does not open a tap"),
        }
    }

    /// The largest tile in which it is shown, in lines; 0: none.
    pub(super) fn show(&mut self, height: u32) {
        // Of whom nothing was said yet, the compositor may not know.
        if self.height == height || height == 0 && !self.was_shown {
            return;
        }
        self.was_shown = true;
        if self.height == 0 {
            // The compositor was given no pictures meanwhile.
            self.assembler.start_over();
        }
        self.height = height;
        self.has_chosen = false;
    }

    /// Whether pictures are of use.
    pub(super) const fn is_shown(&self) -> bool {
        self.height > 0
    }

    /// A layer a little smaller than the tile looks no worse, and costs much less to decode.
    fn layers(&self) -> TapLayers {
        TapLayers::Nearest((self.height * 3 / 4).max(1))
    }

    /// The decoder needs a key frame.
    pub(super) fn start_over(&mut self) {
        self.assembler.start_over();
    }

    /// What has come since the last call.
    pub(super) fn media(&mut self, now_us: u64) -> Vec<Media> {
        while let Some(tap) = &mut self.tap {
            match tap.try_next() {
                Ok(Some(tapped)) => {
                    for packet in tapped.packets {
                        self.assembler.take(now_us, packet);
                    }
                }
                Ok(None) => break,
                Err(_) => self.tap = None,
            }
        }
        self.assembler.tick(now_us);
        let media = self.assembler.media();
        self.ask();
        media
    }

    /// Asks for the layer and the key frame that are needed.
    fn ask(&mut self) {
        let Some(tap) = &self.tap else { return };
        if !self.has_chosen {
            self.has_chosen = tap.choose(self.layers());
        }
        let now = Instant::now();
        let may_ask = self.asked_at.is_none_or(|at| now >= at + KEY_FRAME_EVERY);
        if self.assembler.awaits_key_frame() && self.is_shown() && may_ask {
            self.asked_at = Some(now);
            tap.want_keyframe();
        }
    }
}
