//! The tap of a start: opened, read and lost.

use std::time::Duration;

use restage_media::TapLayers;
use tokio::time::{Instant, timeout};

use super::Run;

/// How long the media plane has to open a tap.
const OPEN_MAX: Duration = Duration::from_secs(1);
/// Time between two attempts to open a tap: a publication may be there a moment after its row.
const OPEN_RETRY: Duration = Duration::from_millis(250);

impl Run {
    /// Has the tap that the job asks for, as soon as there is one.
    pub(super) async fn follow_publication(&mut self) {
        let wanted = self.spec.publication();
        if let Some((key, _)) = &self.tap
            && Some(key) != wanted.as_ref()
        {
            self.lose_tap();
        }
        let Some(wanted) = wanted else { return };
        if self.tap.is_some() || Instant::now() < self.retry_at {
            return;
        }
        self.retry_at = Instant::now() + OPEN_RETRY;
        match timeout(OPEN_MAX, self.control.open_tap(&wanted, TapLayers::Best)).await {
            Ok(Ok(tap)) => self.tap = Some((wanted, tap)),
            Ok(Err(error)) => {
                tracing::debug!(recording = %self.context.job().id, %error, "not tapped yet");
            }
            Err(_) => {
                tracing::warn!(recording = %self.context.job().id, "the media worker does not open a tap");
            }
        }
    }

    /// Takes what waits in the tap, as far as there is room for it.
    pub(super) fn take_packets(&mut self) {
        while let Some((_, tap)) = &mut self.tap
            && self.capture.has_room()
        {
            match tap.try_next() {
                Ok(Some(tapped)) => self.capture.take(self.control.media().now_us(), tapped),
                Ok(None) => return,
                Err(_) => self.lose_tap(),
            }
        }
    }

    pub(super) fn lose_tap(&mut self) {
        self.tap = None;
        self.capture.source_gone(self.control.media().now_us());
    }

    pub(super) fn ask_for_key_frame(&mut self) {
        if self.capture.take_key_frame_wish()
            && let Some((_, tap)) = &self.tap
        {
            tap.want_keyframe();
        }
    }
}
