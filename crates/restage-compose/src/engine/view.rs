//! The pictures of one participant.

use std::collections::VecDeque;

use crate::decode::{DecodeError, Decoder};
use crate::picture::Yuv;
use crate::protocol::{FromChild, VideoCodec};

/// Decoded pictures that wait for their time: those of the delay at 60 a second. Of more, the oldest is shown at once.
const WAITING_MAX: usize = 10;
/// How long the last picture is shown when no other comes.
const SILENCE_US: u64 = 5_000_000;

/// What is said about pictures that cannot be shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Said {
    NeedKeyFrame,
    CannotShow(String),
}

impl Said {
    pub(super) fn of(self, input: u32) -> FromChild {
        match self {
            Self::NeedKeyFrame => FromChild::NeedKeyFrame { input },
            Self::CannotShow(reason) => FromChild::CannotShow { input, reason },
        }
    }
}

/// What a participant looks like now.
#[derive(Default)]
pub(super) struct View {
    decoder: Option<Decoder>,
    waiting: VecDeque<(u64, Yuv)>,
    current: Option<Yuv>,
    /// Counts the pictures that were shown.
    version: u64,
    /// When the current one was shown first.
    shown_us: u64,
    refusal: Option<String>,
}

impl View {
    /// Takes a picture. The error is what has to be said, if it was not said before.
    pub(super) fn take(
        &mut self,
        (at_us, now_us): (u64, u64),
        (codec, is_key, quarter_turns): (VideoCodec, bool, u8),
        bytes: &[u8],
    ) -> Result<(), Option<Said>> {
        if self
            .decoder
            .as_ref()
            .is_none_or(|decoder| !decoder.is_for(codec))
        {
            self.decoder = Decoder::new(codec);
        }
        let Some(decoder) = &mut self.decoder else {
            return Err(None);
        };
        let was_waiting = decoder.awaits_key_frame();
        match decoder.decode(is_key, bytes) {
            Ok(Some(picture)) => {
                self.refusal = None;
                if self.waiting.len() >= WAITING_MAX {
                    self.show_oldest(now_us);
                }
                // Pictures come in order; times that go back are those of the one before.
                let at_us = self
                    .waiting
                    .back()
                    .map_or(at_us, |(last, _)| at_us.max(*last));
                self.waiting
                    .push_back((at_us, picture.turned(quarter_turns)));
                Ok(())
            }
            Ok(None) if was_waiting && !is_key => Err(None),
            Ok(None) => Ok(()),
            Err(DecodeError::Damaged) => Err(Some(Said::NeedKeyFrame)),
            Err(DecodeError::CannotShow(reason)) => {
                self.waiting.clear();
                self.current = None;
                let is_news = self.refusal.as_ref() != Some(&reason);
                self.refusal = Some(reason.clone());
                Err(is_news.then_some(Said::CannotShow(reason)))
            }
        }
    }

    /// Shows what was captured before `until_us`; `now_us` is when it is shown.
    pub(super) fn advance(&mut self, until_us: u64, now_us: u64) {
        while self
            .waiting
            .front()
            .is_some_and(|(at_us, _)| *at_us <= until_us)
        {
            self.show_oldest(now_us);
        }
        if self.current.is_some() && now_us.saturating_sub(self.shown_us) > SILENCE_US {
            self.current = None;
        }
    }

    fn show_oldest(&mut self, now_us: u64) {
        if let Some((_, picture)) = self.waiting.pop_front() {
            self.current = Some(picture);
            self.version += 1;
            self.shown_us = now_us;
        }
    }

    /// The picture, and its number.
    pub(super) fn picture(&self) -> Option<(&Yuv, u64)> {
        Some((self.current.as_ref()?, self.version))
    }

    /// Size of the newest picture.
    pub(super) fn size(&self) -> Option<(u32, u32)> {
        let picture = self.current.as_ref()?;
        Some((picture.width, picture.height))
    }

    /// How many pictures wait for their time.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Why its pictures are not shown.
    pub(super) fn refusal(&self) -> Option<&str> {
        self.refusal.as_deref()
    }
}
