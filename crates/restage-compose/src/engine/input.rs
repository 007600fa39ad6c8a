//! The pictures of one input.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::decode::{DecodeError, VideoDecoder};
use crate::limits::{KEY_FRAME_REQUEST_US, QUEUED_BYTES_MAX, QUEUED_PICTURES_MAX};
use crate::picture::Frame;
use crate::protocol::{Codec, Health};

/// An access unit that waits for its time.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) at_us: u64,
    pub(super) codec: Codec,
    pub(super) is_key: bool,
    pub(super) quarter_turns: u8,
    pub(super) bytes: Bytes,
}

/// What the server is to be told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    NeedKeyFrame,
    CannotShow(String),
}

/// The pictures of one input.
#[derive(Debug, Default)]
pub(super) struct VideoInput {
    /// In the order in which they came; their times do not fall.
    queue: VecDeque<Unit>,
    queued_bytes: usize,
    decoder: VideoDecoder,
    /// What came before a key frame was dropped, and nobody has been told since.
    lacks_key_frame: bool,
    /// The decoder can go on with what comes next.
    is_running: bool,
    asked_at_us: Option<u64>,
    reason: Option<String>,
    serial: u64,
    shown_at_us: Option<u64>,
}

impl VideoInput {
    pub(super) fn take(&mut self, mut unit: Unit) {
        if self.queue.is_empty() && !self.is_running && !unit.is_key {
            self.lacks_key_frame = true;
            return;
        }
        if let Some(last) = self.queue.back() {
            unit.at_us = unit.at_us.max(last.at_us);
        }
        if unit.is_key {
            self.lacks_key_frame = false;
        }
        self.queued_bytes += unit.bytes.len();
        self.queue.push_back(unit);
        if self.queue.len() > QUEUED_PICTURES_MAX || self.queued_bytes > QUEUED_BYTES_MAX {
            self.drop_queue();
        }
    }

    fn drop_queue(&mut self) {
        self.queue.clear();
        self.queued_bytes = 0;
        self.lose_way();
    }

    /// The decoder waits for a key frame: what is queued before the next one is of no use.
    fn lose_way(&mut self) {
        self.is_running = false;
        self.decoder.restart();
        let useless = self.queue.iter().position(|unit| unit.is_key);
        for _ in 0..useless.unwrap_or(self.queue.len()) {
            self.pop();
        }
        self.lacks_key_frame = self.queue.is_empty();
    }

    fn pop(&mut self) -> Option<Unit> {
        let unit = self.queue.pop_front()?;
        self.queued_bytes -= unit.bytes.len();
        Some(unit)
    }

    /// Forgets everything: there are no pictures any more.
    pub(super) fn clear(&mut self) {
        *self = Self {
            serial: self.serial,
            ..Self::default()
        };
    }

    /// Nobody sees this input: what is due is dropped.
    pub(super) fn skip(&mut self, until_us: u64) {
        if self.queue.front().is_none_or(|unit| unit.at_us > until_us) {
            return;
        }
        while self
            .queue
            .front()
            .is_some_and(|unit| unit.at_us <= until_us)
        {
            self.pop();
        }
        self.lose_way();
        self.shown_at_us = None;
    }

    /// Decodes what is due.
    pub(super) fn advance(
        &mut self,
        until_us: u64,
        now_us: u64,
        health: &mut Health,
    ) -> Option<News> {
        self.skip_to_last_key_frame(until_us);
        let mut news = None;
        while self
            .queue
            .front()
            .is_some_and(|unit| unit.at_us <= until_us)
        {
            let Some(unit) = self.pop() else {
                break;
            };
            health.decoded_pictures += 1;
            let turns = unit.quarter_turns;
            match self
                .decoder
                .decode(unit.codec, unit.is_key, turns, &unit.bytes)
            {
                Ok(is_new) => {
                    self.is_running = true;
                    if is_new {
                        self.serial += 1;
                        // The time at which it is seen.
                        self.shown_at_us = Some(unit.at_us + crate::limits::DELAY_US);
                        self.reason = None;
                    }
                }
                Err(DecodeError::NeedKeyFrame) => {
                    health.damaged_pictures += 1;
                    self.lose_way();
                }
                Err(DecodeError::CannotShow(reason)) => {
                    self.lose_way();
                    // The next key frame may be one that can be shown; it comes without being asked for.
                    self.lacks_key_frame = false;
                    if self.reason.as_ref() != Some(&reason) {
                        self.reason = Some(reason.clone());
                        news = Some(News::CannotShow(reason));
                    }
                }
            }
        }
        news.or_else(|| self.request(now_us))
    }

    /// After a halt: of what is due, nothing before the last key frame is needed.
    fn skip_to_last_key_frame(&mut self, until_us: u64) {
        let due = self.queue.iter().take_while(|unit| unit.at_us <= until_us);
        let last = due.enumerate().filter(|(_, unit)| unit.is_key).last();
        let count = last.map_or(0, |(place, _)| place);
        for _ in 0..count {
            self.pop();
        }
    }

    fn request(&mut self, now_us: u64) -> Option<News> {
        let is_soon = |asked_us| now_us.saturating_sub(asked_us) < KEY_FRAME_REQUEST_US;
        if !self.lacks_key_frame || self.asked_at_us.is_some_and(is_soon) {
            return None;
        }
        if self.reason.is_some() {
            self.lacks_key_frame = false;
            return None;
        }
        self.lacks_key_frame = false;
        self.asked_at_us = Some(now_us);
        Some(News::NeedKeyFrame)
    }

    /// The newest picture.
    pub(super) fn picture(&self) -> Option<&Frame> {
        self.decoder.picture()
    }

    /// It rises with every picture.
    pub(super) fn serial(&self) -> u64 {
        self.serial
    }

    /// Since when the newest picture is seen. `None` if there is none, or it is of another time.
    pub(super) fn shown_at_us(&self) -> Option<u64> {
        self.shown_at_us
    }

    /// Why the pictures cannot be shown.
    pub(super) fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }
}
