//! A virtual encoder: it publishes by RTMP, and comes back when its connection breaks.

use std::time::{Duration, Instant};

use restage_core::row::{IngestConfigurationId, StreamKey};
use restage_rtmp::{HANDSHAKE_RANDOM_BYTES, PushEvent, PushName, PushSession, StreamDescription};

use super::source::{AUDIO, Mark, PICTURE, PPS, SOUND, SPS};
use crate::random::Dice;

/// Time in which the server has to let the stream be published.
const ANSWER_MAX: Duration = Duration::from_secs(8);
/// AAC-LC, 48 kHz, one channel.
const AUDIO_CONFIG: [u8; 2] = [0x11, 0x88];
/// Pictures between two key frames.
const GROUP: u32 = 10;

/// An encoder's program.
pub(crate) struct Encoder {
    pub(crate) configuration: IngestConfigurationId,
    pub(crate) key: StreamKey,
    /// The number of its present connection, for marks and for bytes under way.
    pub(crate) feed: u64,
    /// When it connects again; `None` while it is connected.
    pub(crate) retry_at: Option<Duration>,
    pub(crate) is_gone: bool,
    /// Bytes to the server.
    pub(crate) output: Vec<u8>,
    session: Option<PushSession>,
    began: Duration,
    audio_at: Duration,
    picture_at: Duration,
    numbers: (u32, u32),
}

impl Encoder {
    pub(crate) fn new(configuration: IngestConfigurationId, key: StreamKey, now: Duration) -> Self {
        Self {
            configuration,
            key,
            feed: 0,
            retry_at: Some(now),
            is_gone: false,
            output: Vec::new(),
            session: None,
            began: now,
            audio_at: now,
            picture_at: now,
            numbers: (0, 0),
        }
    }

    /// Opens a connection, which has a number that no other has.
    pub(crate) fn connect(&mut self, now: Duration, base: Instant, feed: u64, dice: &mut Dice) {
        let key = self.key.expose();
        let name = PushName::new("app", "rtmp://192.0.2.1/app", key).expect("a short key");
        let mut random = [0; HANDSHAKE_RANDOM_BYTES];
        random.fill_with(|| dice.bits() as u8);
        self.session = Some(PushSession::new(base + now + ANSWER_MAX, name, &random));
        (self.feed, self.retry_at, self.began) = (feed, None, now);
        self.numbers = (0, 0);
        self.drain();
    }

    /// The connection is gone.
    pub(crate) fn lose(&mut self, now: Duration) {
        self.session = None;
        self.output.clear();
        self.retry_at = Some(now + Duration::from_millis(700));
    }

    /// Bytes of the server. Whether the connection goes on.
    pub(crate) fn receive(&mut self, now: Duration, mut bytes: &[u8]) -> bool {
        let Some(session) = &mut self.session else {
            return false;
        };
        while let Some(event) = session.receive(&mut bytes) {
            match event {
                PushEvent::Publishing => {
                    session.describe(&description(), 0, &AUDIO_CONFIG);
                    (self.began, self.audio_at, self.picture_at) = (now, now, now);
                }
                _ => return false,
            }
        }
        self.drain();
        true
    }

    /// When it has something to do.
    pub(crate) fn wants_at(&self) -> Option<Duration> {
        if self.is_gone {
            return None;
        }
        match &self.session {
            None => self.retry_at,
            Some(session) if session.is_publishing() => Some(self.audio_at.min(self.picture_at)),
            Some(_) => Some(self.began + ANSWER_MAX),
        }
    }

    /// Its time has come. Whether the connection goes on.
    pub(crate) fn on_time(&mut self, now: Duration) -> bool {
        let feed = self.feed;
        let Some(session) = &mut self.session else {
            return false;
        };
        if !session.is_publishing() {
            return now < self.began + ANSWER_MAX;
        }
        let ms = (now - self.began).as_millis() as u32;
        if self.audio_at <= now {
            let mark = Mark {
                feed,
                number: self.numbers.0,
                place: 0,
                layer: SOUND,
            };
            session.sound(ms, &mark.behind(vec![0x21]));
            self.numbers.0 += 1;
            self.audio_at += AUDIO;
        }
        if self.picture_at <= now {
            let is_key = self.numbers.1.is_multiple_of(GROUP);
            let mark = Mark {
                feed,
                number: self.numbers.1,
                place: 0,
                layer: 0,
            };
            let slice = mark.behind(vec![if is_key { 0x65 } else { 0x41 }, 0x88]);
            let sets = if is_key {
                vec![&SPS[..], &PPS[..]]
            } else {
                Vec::new()
            };
            let units = sets.into_iter().chain([&slice[..]]);
            let unit: Vec<u8> = units
                .flat_map(|unit| [&[0, 0, 0, 1], unit].concat())
                .collect();
            session.picture(ms, is_key, &unit);
            self.numbers.1 += 1;
            self.picture_at += PICTURE;
        }
        self.drain();
        true
    }

    /// Says that the stream is over.
    pub(crate) fn finish(&mut self) {
        if let Some(session) = &mut self.session {
            session.finish();
        }
        self.drain();
        self.is_gone = true;
    }

    fn drain(&mut self) {
        if let Some(session) = &mut self.session {
            self.output.extend(session.take_output());
        }
    }
}

fn description() -> StreamDescription {
    StreamDescription {
        width: 640,
        height: 360,
        framerate: 10.0,
        video_bits_per_s: 100_000,
        audio_bits_per_s: 24_000,
        audio_rate_hz: 48_000,
        audio_channels: 1,
    }
}
