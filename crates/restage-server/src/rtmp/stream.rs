//! The media of one stream: from the events of RTMP to the packets of its inlet.

use std::time::{Duration, Instant};

use restage_audio::{AacFormat, OpusPacket};
use restage_codec::h264::packetise;
use restage_codec::{Codec, MediaKind};
use restage_media::{Format, InletPacket};
use restage_node::control::IngestItem;
use restage_rtmp::limits::TRACKS_MAX;
use restage_rtmp::{
    AudioCodec, AudioFrame, AvcConfig, Event, Item, Refusal, Release, RuleLimits, Rules,
    VideoCodec, VideoFrame,
};

use super::sound::{self, Sound, SoundError};

/// Bytes of an RTP payload of pictures: with all headers it fits what every network carries.
const PAYLOAD_BYTES: usize = 1_160;
/// The formats of an inlet, by index.
const SOUND: usize = 0;
const PICTURES: usize = 1;
/// Ticks of RTP in a second.
const SOUND_RATE: i64 = 48_000;
const PICTURE_RATE: u64 = 90_000;
/// Most pictures and packets of sound that are handed on at once.
const DUE_MAX: usize = 64;
/// Added to all times of a stream, so that none is negative, although the delay of the sound's filters is subtracted.
const BEGIN_US: i64 = 10_000_000;

/// A picture or sound that waits until it is due.
enum Media {
    /// With the time at which it is shown.
    Picture {
        at_us: i64,
        payloads: Vec<Vec<u8>>,
    },
    Sound(OpusPacket),
}

/// The media of a stream.
pub(super) struct Stream {
    rules: Rules,
    pictures: [Option<AvcConfig>; TRACKS_MAX],
    format: Option<AacFormat>,
    sound: Option<Sound>,
    release: Release<Media>,
    damaged_pictures: u64,
    /// Access units of sounds before the present one.
    sound_losses: (u64, u64),
    /// The next sequence number of sound, and of each layer.
    sound_sequence: u64,
    picture_sequences: [u64; TRACKS_MAX],
    has_formats: bool,
    /// A key frame has been sent.
    pub(super) has_begun: bool,
}

impl Stream {
    pub(super) fn new(now: Instant, limits: RuleLimits) -> Self {
        Self {
            rules: Rules::new(now, limits),
            pictures: Default::default(),
            format: None,
            sound: None,
            release: Release::default(),
            damaged_pictures: 0,
            sound_losses: (0, 0),
            sound_sequence: 1,
            picture_sequences: [1; TRACKS_MAX],
            has_formats: false,
            has_begun: false,
        }
    }

    /// Takes an event.
    ///
    /// # Errors
    /// The stream breaks a rule, or cannot be used.
    pub(super) fn take(&mut self, now: Instant, event: Event) -> Result<(), Refusal> {
        self.rules.check(now, &event)?;
        match event {
            Event::VideoConfig(config) => {
                let VideoCodec::H264(parameters) = config.codec else {
                    return Ok(());
                };
                if let Some(slot) = self.pictures.get_mut(usize::from(config.layer)) {
                    *slot = Some(parameters);
                }
                Ok(())
            }
            Event::Video(frame) => {
                self.take_picture(now, &frame);
                Ok(())
            }
            Event::DamagedVideo => {
                self.damaged_pictures += 1;
                Ok(())
            }
            Event::AudioConfig(config) => match config.codec {
                AudioCodec::Aac(aac) => self.begin_sound(aac.rate_hz, aac.channels),
                AudioCodec::Other(_) => Ok(()),
            },
            Event::Audio(frame) => self.take_sound(frame),
            _ => Ok(()),
        }
    }

    fn begin_sound(&mut self, rate_hz: u32, channels: u8) -> Result<(), Refusal> {
        let format = AacFormat::new(rate_hz, channels).map_err(unusable)?;
        // Encoders repeat their configuration.
        if self.format == Some(format) {
            return Ok(());
        }
        let sound = Sound::start(format).map_err(|error| match error {
            sound::StartError::Audio(error) => unusable(error),
            sound::StartError::Thread(error) => {
                tracing::error!(%error, "the sound of an encoder cannot be converted");
                Refusal::InternalServerException
            }
        })?;
        self.sound_losses = self.all_sound_losses();
        self.sound = Some(sound);
        self.format = Some(format);
        Ok(())
    }

    fn take_sound(&mut self, frame: AudioFrame) -> Result<(), Refusal> {
        match &mut self.sound {
            Some(sound) => sound.push(frame).map_err(unusable),
            None => Ok(()),
        }
    }

    fn take_picture(&mut self, now: Instant, frame: &VideoFrame) {
        let config = self.pictures.get(usize::from(frame.layer));
        let Some(config) = config.and_then(Option::as_ref) else {
            return;
        };
        let payloads = packetise(config.complete(&frame.units), PAYLOAD_BYTES);
        let at_us = frame
            .timestamp_us
            .saturating_add(i64::from(frame.composition_ms) * 1_000);
        let item = Item {
            kind: MediaKind::Video,
            layer: frame.layer,
            timestamp_us: frame.timestamp_us,
            is_key: frame.is_key,
            bytes: payloads.iter().map(Vec::len).sum(),
            value: Media::Picture { at_us, payloads },
        };
        self.release.push(now, item);
    }

    /// Waits for the next sound. For ever, while there is none to come. It can be cancelled without loss.
    pub(super) async fn next_sound(&mut self) -> sound::Result {
        match &mut self.sound {
            Some(sound) => sound.next().await,
            None => std::future::pending().await,
        }
    }

    /// Takes what has become of the sound.
    ///
    /// # Errors
    /// It cannot be used.
    pub(super) fn take_opus(&mut self, now: Instant, result: sound::Result) -> Result<(), Refusal> {
        for packet in result.map_err(without_sound)? {
            let item = Item {
                kind: MediaKind::Audio,
                layer: 0,
                timestamp_us: packet.timestamp * 1_000 / (SOUND_RATE / 1_000),
                is_key: false,
                bytes: packet.payload.len(),
                value: Media::Sound(packet),
            };
            self.release.push(now, item);
        }
        Ok(())
    }

    /// What it sends, once that is known of pictures and sound: for the inlet, and only once.
    pub(super) fn take_formats(&mut self) -> Option<Vec<Format>> {
        let config = self.pictures.iter().flatten().next()?;
        let format = self.format.filter(|_| !self.has_formats)?;
        self.has_formats = true;
        let stereo = if format.channels() == 2 {
            ";stereo=1;sprop-stereo=1"
        } else {
            ""
        };
        let opus = format!("minptime=10;useinbandfec=1{stereo}");
        let h264 = format!(
            "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={}",
            profile(config)
        );
        let default = "packetization-mode=1;profile-level-id=42e01f";
        let h264 = Format::new(Codec::H264, &h264).or_else(|_| Format::new(Codec::H264, default));
        Some(vec![Format::new(Codec::Opus, &opus).ok()?, h264.ok()?])
    }

    /// What is due now, at most [`DUE_MAX`]; nothing if nothing is due. Call it until it returns none.
    pub(super) fn due(&mut self, now: Instant) -> Vec<IngestItem> {
        let mut items = Vec::new();
        while items.len() < DUE_MAX
            && let Some(item) = self.release.pop(now)
        {
            // Nobody can be told of it before the formats are known.
            if !self.has_formats {
                continue;
            }
            match item.value {
                Media::Sound(sound) => items.extend(self.sound_item(sound)),
                Media::Picture { at_us, payloads } => {
                    self.has_begun |= item.is_key;
                    items.extend(self.picture_item(item.layer, at_us, item.is_key, payloads));
                }
            }
        }
        items
    }

    fn sound_item(&mut self, sound: OpusPacket) -> Option<IngestItem> {
        let timestamp = sound.timestamp + BEGIN_US * (SOUND_RATE / 1_000) / 1_000;
        let sequence = self.sound_sequence;
        self.sound_sequence += 1;
        let packet = InletPacket {
            format: SOUND,
            layer: 0,
            sequence,
            timestamp: u64::try_from(timestamp).ok()?,
            captured_us: u64::try_from(timestamp * 1_000 / (SOUND_RATE / 1_000)).ok(),
            marker: false,
            payload: sound.payload.into(),
            audio_level: Some(sound.level),
        };
        Some(IngestItem {
            kind: MediaKind::Audio,
            is_key: false,
            packets: vec![packet],
        })
    }

    fn picture_item(
        &mut self,
        layer: u8,
        at_us: i64,
        is_key: bool,
        payloads: Vec<Vec<u8>>,
    ) -> Option<IngestItem> {
        let captured_us = u64::try_from(at_us.saturating_add(BEGIN_US)).unwrap_or(0);
        let timestamp = captured_us.saturating_mul(PICTURE_RATE / 1_000) / 1_000;
        let next = self.picture_sequences.get_mut(usize::from(layer))?;
        let last = payloads.len().checked_sub(1)?;
        let packets = payloads.into_iter().enumerate().map(|(place, payload)| {
            let sequence = *next;
            *next += 1;
            InletPacket {
                format: PICTURES,
                layer,
                sequence,
                timestamp,
                captured_us: Some(captured_us),
                marker: place == last,
                payload: payload.into(),
                audio_level: None,
            }
        });
        Some(IngestItem {
            kind: MediaKind::Video,
            is_key,
            packets: packets.collect(),
        })
    }

    /// Looks at the time.
    ///
    /// # Errors
    /// The stream has lasted too long, or has no sound or no pictures.
    pub(super) fn handle_time(&mut self, now: Instant) -> Result<(), Refusal> {
        self.rules.handle_time(now)
    }

    /// When [`due`](Self::due) and [`handle_time`](Self::handle_time) are to be called.
    pub(super) fn next_deadline(&self) -> Instant {
        let rules = self.rules.next_deadline();
        let release = self.release.next_deadline();
        release.map_or(rules, |release| release.min(rules))
    }

    /// By how much it is held back.
    pub(super) fn delay(&self) -> Duration {
        self.release.delay()
    }

    /// Pictures and access units that could not be decoded so far.
    pub(super) fn damaged(&self) -> (u64, u64) {
        (self.damaged_pictures, self.all_sound_losses().1)
    }

    /// What has been left out so far: pictures, and packets of sound.
    pub(super) fn left_out(&self) -> (u64, u64) {
        let late = self.release.left_out();
        let (unmade, damaged) = self.all_sound_losses();
        let pictures = late.pictures + self.damaged_pictures;
        (pictures, late.sound + unmade + damaged)
    }

    fn all_sound_losses(&self) -> (u64, u64) {
        let present = self.sound.as_ref().map_or((0, 0), Sound::losses);
        let before = self.sound_losses;
        (before.0 + present.0, before.1 + present.1)
    }
}

/// `profile-level-id` of RFC 6184 §8.1: the three bytes behind the header of the sequence parameter set.
fn profile(config: &AvcConfig) -> String {
    let set = config.sequence_sets.first();
    let bytes = set
        .and_then(|set| set.get(1..4))
        .unwrap_or(&[0x42, 0xe0, 0x1f]);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn without_sound(error: SoundError) -> Refusal {
    match error {
        SoundError::Audio(error) => unusable(error),
        SoundError::Ended => {
            tracing::error!(
                "a program error ended the thread that converts an encoder's sound; the stream ends, and the encoder may start it again"
            );
            Refusal::InternalServerException
        }
    }
}

fn unusable(error: restage_audio::AudioError) -> Refusal {
    let reason = error.to_string();
    Refusal::InvalidInput { reason }
}
