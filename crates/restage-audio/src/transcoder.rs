//! AAC in, Opus out, on one clock.

use crate::decode::Decoder;
use crate::encode::Encoder;
use crate::error::AudioError;
use crate::format::AacFormat;
use crate::limits::{ACCESS_UNIT_BYTES_MAX, PACKET_SAMPLES, RATE_HZ, TIMESTAMP_US_MAX};
use crate::timeline::{Place, Timeline};

/// Bits per second of Opus unless something else is asked for: what the service's documents recommend for AAC, of which Opus needs less.
pub const BITS_PER_S_DEFAULT: u32 = 96_000;

/// 20 ms of sound, as Opus (RFC 6716): one RTP payload (RFC 7587).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpusPacket {
    /// When it has to be played, in samples of 48 kHz: the timestamps of the access units times 0.048. What decoder, filter and encoder
    /// delay is subtracted, so it may be negative at the beginning. Each is 960 after the one before, or more if there was a gap.
    pub timestamp: i64,
    /// The payload: 1 to [`PACKET_BYTES_MAX`](crate::limits::PACKET_BYTES_MAX) bytes.
    pub payload: Vec<u8>,
    /// Loudness in −dBov, 0 to −127 (RFC 6464).
    pub level: i8,
}

/// Makes Opus of AAC-LC. It needs neither a clock nor a thread of its own; an access unit costs about a quarter of a millisecond.
pub struct Transcoder {
    format: AacFormat,
    decoder: Decoder,
    timeline: Timeline,
    encoder: Encoder,
    /// Samples of 48 kHz by which the output is behind the input.
    delay: i64,
    /// Samples that wait for their packet, those of the channels in turn: less than a packet and an access unit.
    waiting: Vec<f32>,
    start: Option<Start>,
    /// Where the newest packet ended, as timestamps are counted.
    ended: i64,
}

/// Where the present run without gaps began.
#[derive(Debug, Clone, Copy)]
struct Start {
    /// In microseconds, as the encoder counts them.
    at_us: i64,
    /// Packets since.
    packets: i64,
}

impl Transcoder {
    /// `bits_per_s` is what Opus may use, on average: [`BITS_PER_S_DEFAULT`].
    ///
    /// # Errors
    /// The bitrate is out of bounds, or a library has failed.
    pub fn new(format: AacFormat, bits_per_s: u32) -> Result<Self, AudioError> {
        let mut encoder = Encoder::new(format, bits_per_s)?;
        Ok(Self {
            format,
            decoder: Decoder::new(format)?,
            timeline: Timeline::new(format),
            delay: encoder.delay()?,
            encoder,
            waiting: Vec::new(),
            start: None,
            ended: i64::MIN,
        })
    }

    /// Takes an access unit (`raw_data_block`, ISO/IEC 14496-3, without ADTS) with the time at which it is to be played, and adds what
    /// becomes of it to `out`: mostly one packet, up to a hundred if silence takes the place of a gap. An access unit that cannot be
    /// decoded becomes silence, and one that overlaps those before is left out.
    ///
    /// # Errors
    /// The sound cannot be used any longer. Packets that were added are good.
    pub fn push(
        &mut self,
        timestamp_us: i64,
        access_unit: &[u8],
        out: &mut Vec<OpusPacket>,
    ) -> Result<(), AudioError> {
        let bytes = access_unit.len();
        if bytes > ACCESS_UNIT_BYTES_MAX {
            return Err(AudioError::TooLarge { bytes });
        }
        if !(-TIMESTAMP_US_MAX..=TIMESTAMP_US_MAX).contains(&timestamp_us) {
            return Err(AudioError::Timestamp { timestamp_us });
        }
        // An access unit that is left out is decoded nevertheless: the next one overlaps with it.
        self.decoder.decode(access_unit)?;
        let place = match self.start {
            Some(start) => self.timeline.place(timestamp_us - self.end_us(start))?,
            None => Place::Anew,
        };
        match place {
            Place::Overlap => return Ok(()),
            Place::After { silence } => self.add_silence(silence, out)?,
            Place::Anew => self.begin(timestamp_us, out)?,
            Place::Next => {}
        }
        self.waiting.extend_from_slice(self.decoder.samples());
        self.encode_waiting(out)
    }

    /// Encodes what still waits, filled up with silence. The next access unit begins anew.
    ///
    /// # Errors
    /// A library has failed.
    pub fn finish(&mut self, out: &mut Vec<OpusPacket>) -> Result<(), AudioError> {
        if self.start.is_some() {
            // The last samples leave the filters within less than a packet.
            let rest = 2 * self.format.packet_samples() - self.waiting_samples();
            self.add_silence(rest, out)?;
        }
        self.waiting.clear();
        self.start = None;
        self.encoder.restart();
        Ok(())
    }

    /// Access units that could not be decoded so far.
    pub fn damaged(&self) -> u64 {
        self.decoder.damaged
    }

    /// The end of all samples that came, in microseconds.
    fn end_us(&self, start: Start) -> i64 {
        let packed = start.packets * self.format.packet_samples() as i64;
        start.at_us + self.format.us_of(packed + self.waiting_samples() as i64)
    }

    fn waiting_samples(&self) -> usize {
        self.waiting.len() / usize::from(self.format.channels())
    }

    /// Begins a run at this time, or where the one before ends if that is later.
    fn begin(&mut self, at_us: i64, out: &mut Vec<OpusPacket>) -> Result<(), AudioError> {
        self.finish(out)?;
        self.timeline.restart();
        let ended = self.ended.saturating_add(self.delay);
        let ended_us = ended.saturating_mul(1_000_000) / i64::from(RATE_HZ);
        self.start = Some(Start {
            at_us: at_us.max(ended_us),
            packets: 0,
        });
        Ok(())
    }

    /// Adds samples of silence, packet by packet.
    fn add_silence(&mut self, samples: usize, out: &mut Vec<OpusPacket>) -> Result<(), AudioError> {
        let mut rest = samples;
        while rest > 0 {
            let some = rest.min(self.format.packet_samples());
            let length = self.waiting.len() + some * usize::from(self.format.channels());
            self.waiting.resize(length, 0.0);
            self.encode_waiting(out)?;
            rest -= some;
        }
        Ok(())
    }

    fn encode_waiting(&mut self, out: &mut Vec<OpusPacket>) -> Result<(), AudioError> {
        while let Some(start) = self.start {
            let ratio = self.timeline.ratio();
            let wanted = self.encoder.samples_wanted(ratio) * usize::from(self.format.channels());
            let Some(samples) = self.waiting.get(..wanted) else {
                return Ok(());
            };
            let encoded = self.encoder.encode(samples)?;
            self.waiting.drain(..wanted);
            self.timeline.stretched(encoded.stretched);
            let at = start.at_us * i64::from(RATE_HZ / 1_000) / 1_000;
            let timestamp = at + start.packets * PACKET_SAMPLES as i64 - self.delay;
            self.ended = timestamp + PACKET_SAMPLES as i64;
            self.start = Some(Start {
                packets: start.packets + 1,
                ..start
            });
            out.push(OpusPacket {
                timestamp,
                payload: encoded.payload,
                level: encoded.level,
            });
        }
        Ok(())
    }
}
