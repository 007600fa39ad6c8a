//! Media messages become events.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use restage_codec::h264::UnitType;

use crate::clock::Clock;
use crate::event::{AudioConfig, AudioFrame, Event, VideoConfig, VideoFrame};
use crate::fault::Fault;
use crate::flv::{
    AacConfig, AudioCodec, AudioPacket, AudioPart, AvcConfig, Metadata, VideoCodec, VideoContent,
    VideoPacket, VideoUnits,
};
use crate::limits::TRACKS_MAX;
use crate::message::{Message, data_values};

/// The tracks of a stream, as far as they are known.
#[derive(Debug, Default)]
pub(super) struct Media {
    clock: Clock,
    audio: Option<AudioCodec>,
    tracks: Vec<Track>,
}

#[derive(Debug)]
struct Track {
    number: u8,
    codec: Option<VideoCodec>,
}

/// The clock's line of the sound; those of video tracks follow.
const AUDIO_LINE: usize = 0;

pub(super) fn metadata(message: &Message) -> Option<Event> {
    let values = data_values(message.kind, &message.body);
    Metadata::of(&values).map(Event::Metadata)
}

impl Media {
    /// # Errors
    ///
    /// [`Fault::AudioConfig`].
    pub(super) fn audio(
        &mut self,
        now: Instant,
        message: &Message,
    ) -> Result<Option<Event>, Fault> {
        let packet = AudioPacket::parse(&message.body);
        let codec = match packet.part {
            None => return Ok(None),
            Some(AudioPart::Frame(data)) => {
                if !matches!(self.audio, Some(AudioCodec::Aac(_))) {
                    return Ok(None);
                }
                let time = self
                    .clock
                    .time(AUDIO_LINE, message.timestamp, packet.offset_ns, now);
                return Ok(Some(Event::Audio(AudioFrame {
                    timestamp_us: time,
                    data: data.to_vec(),
                })));
            }
            Some(AudioPart::Config(config)) => {
                let config = AacConfig::parse(config);
                AudioCodec::Aac(config.map_err(|reason| Fault::AudioConfig { reason })?)
            }
            Some(AudioPart::Other(name)) => AudioCodec::Other(name),
        };
        if self.audio.as_ref() == Some(&codec) {
            return Ok(None);
        }
        self.audio = Some(codec.clone());
        Ok(Some(Event::AudioConfig(AudioConfig { codec })))
    }

    /// # Errors
    ///
    /// [`Fault::VideoConfig`], [`Fault::Tracks`].
    pub(super) fn video(
        &mut self,
        now: Instant,
        message: Message,
        events: &mut VecDeque<Event>,
    ) -> Result<(), Fault> {
        let packet = VideoPacket::parse(&message.body);
        let body = Arc::new(message.body);
        for part in packet.parts {
            let index = self.track(part.track)?;
            let track = &mut self.tracks[index];
            match part.content {
                VideoContent::Config(place) => {
                    // An encoder that has no parameters yet sends an empty configuration first.
                    let Some(record) = body.get(place).filter(|record| !record.is_empty()) else {
                        continue;
                    };
                    let config = AvcConfig::parse(record).map_err(|reason| Fault::VideoConfig {
                        track: part.track,
                        reason,
                    })?;
                    events.extend(track.set(index, VideoCodec::H264(config)));
                }
                VideoContent::Other(name) => {
                    events.extend(track.set(index, VideoCodec::Other(name)))
                }
                VideoContent::Frame {
                    composition_ms,
                    place,
                } => {
                    let Some(VideoCodec::H264(config)) = &track.codec else {
                        continue;
                    };
                    let Some(units) = VideoUnits::new(&body, place, config.length_bytes) else {
                        events.push_back(Event::DamagedVideo);
                        continue;
                    };
                    let is_key = units
                        .iter()
                        .any(|unit| UnitType::of(unit) == UnitType::IDR_SLICE);
                    let line = AUDIO_LINE + 1 + index;
                    events.push_back(Event::Video(VideoFrame {
                        track: part.track,
                        layer: index as u8,
                        timestamp_us: self.clock.time(
                            line,
                            message.timestamp,
                            packet.offset_ns,
                            now,
                        ),
                        composition_ms,
                        is_key,
                        units,
                    }));
                }
            }
        }
        Ok(())
    }

    /// The index of a track, which may be new.
    fn track(&mut self, number: u8) -> Result<usize, Fault> {
        if let Some(index) = self.tracks.iter().position(|track| track.number == number) {
            return Ok(index);
        }
        if self.tracks.len() >= TRACKS_MAX {
            return Err(Fault::Tracks { track: number });
        }
        self.tracks.push(Track {
            number,
            codec: None,
        });
        Ok(self.tracks.len() - 1)
    }

    /// Bytes that are held.
    pub(super) fn memory(&self) -> usize {
        let sets = self.tracks.iter().map(|track| match &track.codec {
            Some(VideoCodec::H264(config)) => config.bytes(),
            _ => 0,
        });
        sets.sum::<usize>() + self.tracks.capacity() * size_of::<Track>()
    }
}

impl Track {
    /// Sets the codec. Returns the event, if it differs: many encoders repeat their configuration with every key frame.
    fn set(&mut self, index: usize, codec: VideoCodec) -> Option<Event> {
        if self.codec.as_ref() == Some(&codec) {
            return None;
        }
        self.codec = Some(codec.clone());
        Some(Event::VideoConfig(VideoConfig {
            track: self.number,
            layer: index as u8,
            codec,
        }))
    }
}
