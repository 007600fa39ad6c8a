//! How far apart the clocks of sound and pictures are.

use super::Reports;
use super::slew::Slew;

/// Reports that say more than this against the arrival of packets lie. A lie of [`JUMP_US`](super::JUMP_US) is still found where the least
/// delays of both streams differ by the rest.
const BELIEVED_US: i64 = 170_000;

/// By how much pictures are placed too late against sound, as sender reports say it. Without reports that are believed, it stays what it
/// was: 0 at the beginning, since both streams are placed by their arrival.
#[derive(Debug, Default)]
pub(crate) struct Relation {
    slew: Slew,
    has_lied: bool,
}

impl Relation {
    /// Takes what the reports of both streams say.
    pub(crate) fn take(&mut self, audio: &Reports, video: &Reports) {
        let (Some(audio), Some(video)) = (audio.offset_us(), video.offset_us()) else {
            return;
        };
        let error = video.saturating_sub(audio);
        if error.saturating_abs() <= BELIEVED_US {
            self.slew.set_target(error);
        } else {
            self.has_lied = true;
        }
    }

    /// Goes on with time.
    pub(crate) fn advance(&mut self, now_us: u64) {
        self.slew.advance(now_us);
    }

    /// What was found out holds at once: a run begins.
    pub(crate) fn jump(&mut self) {
        self.slew.jump();
    }

    /// To be subtracted from the place of pictures, in microseconds.
    pub(crate) fn us(&self) -> i64 {
        self.slew.value_us()
    }

    /// Reports were there that are not believed.
    pub(crate) fn has_lied(&self) -> bool {
        self.has_lied
    }
}
