//! H.264 byte streams (ITU-T H.264 Annex B), cut into access units.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use restage_client::{Codec, EncodedFrame};
use restage_codec::h264::annexb::{start_code, without_trailing_zeros};
use restage_codec::h264::{SequenceParameters, SliceHeader, UnitType, begins_access_unit};

use crate::exit::Failure;
use crate::media::{FRAME_BYTES_MAX, Source};

/// Bytes read from the file at a time.
const CHUNK: usize = 64 << 10;
/// How much of a file is checked before it is published: minutes of any stream, in about a
/// second. An encoder that makes B-frames does so from the first second on.
const LOOK_BYTES_MAX: u64 = 64 << 20;
/// Frame rate of streams that do not state one.
const FRAME_RATE_DEFAULT: f64 = 30.0;
const FRAME_RATE_MAX: f64 = 240.0;
const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// Reads access units.
pub(crate) struct Reader<R> {
    nals: Nals<R>,
    /// A NAL unit that belongs to the next access unit.
    held: Option<Vec<u8>>,
    frame_rate: Option<f64>,
    is_rate_given: bool,
    /// The last parameter sets, for key frames without them.
    sps: Option<Vec<u8>>,
    pps: Option<Vec<u8>>,
    count: u64,
    time: Duration,
}

impl<R: Read> Reader<R> {
    /// `frame_rate` overrides what the stream states.
    pub(crate) fn new(input: R, frame_rate: Option<f64>) -> Self {
        Self {
            nals: Nals {
                input,
                buffer: Vec::new(),
                is_ended: false,
                is_begun: false,
            },
            held: None,
            frame_rate,
            is_rate_given: frame_rate.is_some(),
            sps: None,
            pps: None,
            count: 0,
            time: Duration::ZERO,
        }
    }

    /// The NAL units of the next access unit.
    fn access_unit(&mut self) -> anyhow::Result<Vec<Vec<u8>>> {
        let mut unit: Vec<Vec<u8>> = Vec::new();
        let mut bytes = 0;
        let mut has_picture = false;
        while let Some(nal) = self
            .held
            .take()
            .map_or_else(|| self.nals.next(), |nal| Ok(Some(nal)))?
        {
            if has_picture && begins_access_unit(&nal) {
                self.held = Some(nal);
                break;
            }
            has_picture |= UnitType::of(&nal).is_slice();
            bytes += nal.len();
            if bytes > FRAME_BYTES_MAX {
                bail!("a picture is longer than {FRAME_BYTES_MAX} bytes");
            }
            unit.push(nal);
        }
        Ok(if has_picture { unit } else { Vec::new() })
    }

    fn note_parameters(&mut self, nal: &[u8]) {
        match UnitType::of(nal) {
            UnitType::SPS => {
                self.sps = Some(nal.to_vec());
                if !self.is_rate_given
                    && let Some(rate) =
                        SequenceParameters::parse(nal).and_then(|sps| sps.frame_rate)
                {
                    self.frame_rate = Some(rate.min(FRAME_RATE_MAX));
                }
            }
            UnitType::PPS => self.pps = Some(nal.to_vec()),
            _ => {}
        }
    }

    fn refuse_bidirectional(&self, unit: &[Vec<u8>]) -> anyhow::Result<()> {
        let is_bidirectional = |nal: &Vec<u8>| {
            UnitType::of(nal) == UnitType::SLICE
                && SliceHeader::parse(nal).is_some_and(|slice| slice.is_bidirectional)
        };
        if !unit.iter().any(is_bidirectional) {
            return Ok(());
        }
        // Frames are counted from 0, as ffprobe does.
        let what = format!(
            "picture {} is a B-frame: real-time viewers show pictures in the order they are sent, \
             and Amazon IVS ends such a connection (B_FRAME_PRESENT)",
            self.count
        );
        Err(Failure::usage(what)
            .advise(
                "encode without B-frames, which is ffmpeg's option -bf 0: \
                 ffmpeg -i FILE -an -c:v libx264 -profile:v baseline -bf 0 -pix_fmt yuv420p -g 60 out.h264",
            )
            .into())
    }
}

/// Checks the beginning of a byte stream for B-frames before any request is sent. What follows after
/// [`LOOK_BYTES_MAX`] is checked while it is played.
pub(crate) fn look_through(input: impl Read + Send) -> anyhow::Result<()> {
    let mut reader = Reader::new(input.take(LOOK_BYTES_MAX), None);
    while reader.next_frame()?.is_some() {}
    Ok(())
}

impl<R: Read + Send> Source for Reader<R> {
    fn next_frame(&mut self) -> anyhow::Result<Option<EncodedFrame>> {
        let unit = self.access_unit()?;
        if unit.is_empty() {
            return match self.count {
                0 => bail!("there is no H.264 picture in it"),
                _ => Ok(None),
            };
        }
        self.refuse_bidirectional(&unit)?;
        let has = |wanted| unit.iter().any(|nal| UnitType::of(nal) == wanted);
        let is_key_frame = has(UnitType::IDR_SLICE);
        let mut data = Vec::new();
        let mut push = |nal: &[u8]| {
            data.extend_from_slice(&START_CODE);
            data.extend_from_slice(nal);
        };
        if is_key_frame && !has(UnitType::SPS) {
            self.sps.iter().chain(&self.pps).for_each(|nal| push(nal));
        }
        unit.iter().for_each(|nal| push(nal));
        for nal in &unit {
            self.note_parameters(nal);
        }
        let time = self.time;
        self.count += 1;
        self.time += Duration::from_secs_f64(1.0 / self.frame_rate.unwrap_or(FRAME_RATE_DEFAULT));
        Ok(Some(EncodedFrame {
            codec: Codec::H264,
            time,
            is_key_frame,
            data: Arc::from(data),
        }))
    }
}

/// Splits a byte stream at its start codes.
struct Nals<R> {
    input: R,
    buffer: Vec<u8>,
    is_ended: bool,
    /// Whether the buffer begins after a start code.
    is_begun: bool,
}

impl<R: Read> Nals<R> {
    fn next(&mut self) -> anyhow::Result<Option<Vec<u8>>> {
        let mut searched = 0;
        loop {
            if let Some(at) = start_code(&self.buffer[searched..]).map(|at| at + searched) {
                let nal = without_trailing_zeros(&self.buffer[..at]).to_vec();
                self.buffer.drain(..at + 3);
                searched = 0;
                // Bytes before the first start code are not a NAL unit.
                if std::mem::replace(&mut self.is_begun, true) && !nal.is_empty() {
                    return Ok(Some(nal));
                }
                continue;
            }
            if self.is_ended {
                let rest = std::mem::take(&mut self.buffer);
                let nal = without_trailing_zeros(&rest).to_vec();
                return Ok(Some(nal).filter(|nal| self.is_begun && !nal.is_empty()));
            }
            // A start code may cross the border of two chunks.
            searched = self.buffer.len().saturating_sub(2);
            if self.buffer.len() > FRAME_BYTES_MAX {
                bail!("no H.264 start code within {FRAME_BYTES_MAX} bytes");
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> anyhow::Result<()> {
        let filled = self.buffer.len();
        self.buffer.resize(filled + CHUNK, 0);
        let read = self.input.read(&mut self.buffer[filled..])?;
        self.buffer.truncate(filled + read);
        self.is_ended = read == 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use restage_client::testcard::{TestCard, TestCardConfig};
    use restage_codec::h264::annexb::units;
    use std::time::SystemTime;

    /// A few pictures of the test card, and the byte stream of all of them.
    fn stream(count: usize) -> (Vec<EncodedFrame>, Vec<u8>) {
        let mut config = TestCardConfig::default();
        config.has_audio = false;
        config.frame_rate = 10;
        let mut card = TestCard::new(config, SystemTime::UNIX_EPOCH).unwrap();
        let frames: Vec<_> = (0..count).map(|_| card.next_frame().unwrap()).collect();
        let bytes = frames
            .iter()
            .flat_map(|frame| frame.data.iter().copied())
            .collect();
        (frames, bytes)
    }

    fn all(bytes: &[u8], frame_rate: Option<f64>) -> anyhow::Result<Vec<EncodedFrame>> {
        let mut reader = Reader::new(bytes, frame_rate);
        let mut frames = Vec::new();
        while let Some(frame) = reader.next_frame()? {
            frames.push(frame);
        }
        Ok(frames)
    }

    fn nals_of(frame: &EncodedFrame) -> Vec<&[u8]> {
        units(&frame.data).collect()
    }

    #[test]
    fn a_stream_is_cut_where_its_pictures_begin() {
        let (frames, bytes) = stream(25);
        let read = all(&bytes, Some(10.0)).unwrap();
        assert_eq!(read.len(), frames.len());
        for (read, made) in read.iter().zip(&frames) {
            assert_eq!(nals_of(read), nals_of(made));
            assert_eq!(read.is_key_frame, made.is_key_frame);
            let off = read.time.abs_diff(made.time);
            assert!(
                off < Duration::from_micros(1),
                "{:?} {:?}",
                read.time,
                made.time
            );
        }
    }

    /// Start codes, chunks and reads may end anywhere.
    #[test]
    fn a_reader_that_gives_one_byte_at_a_time_changes_nothing() {
        struct Dripping<'a>(&'a [u8]);
        impl Read for Dripping<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                let length = buffer.len().min(1);
                self.0.read(&mut buffer[..length])
            }
        }
        let (_, bytes) = stream(3);
        let bytes = &bytes[..bytes.len().min(4_000)];
        let whole = all(bytes, None).unwrap();
        let mut reader = Reader::new(Dripping(bytes), None);
        for frame in &whole {
            assert_eq!(reader.next_frame().unwrap().as_ref(), Some(frame));
        }
        assert!(reader.next_frame().unwrap().is_none());
    }

    #[test]
    fn key_frames_get_their_parameters_back() {
        let (frames, _) = stream(1);
        let nals = nals_of(&frames[0]);
        let idr = nals
            .iter()
            .find(|nal| UnitType::of(nal) == UnitType::IDR_SLICE)
            .unwrap();
        let mut bytes = frames[0].data.to_vec();
        bytes.extend_from_slice(&START_CODE);
        bytes.extend_from_slice(idr);
        let read = all(&bytes, None).unwrap();
        let types: Vec<UnitType> = units(&read[1].data).map(UnitType::of).collect();
        assert_eq!(types, [UnitType::SPS, UnitType::PPS, UnitType::IDR_SLICE]);
    }

    #[test]
    fn bidirectional_pictures_are_refused() {
        let (_, mut bytes) = stream(1);
        // first_mb 0, slice_type 6: a B slice.
        bytes.extend_from_slice(&[0, 0, 1, 0x01, 0b1001_1100, 0x80]);
        let error = all(&bytes, None).unwrap_err();
        assert!(
            error.to_string().contains("picture 1 is a B-frame"),
            "{error}"
        );
        let error = look_through(&bytes[..]).unwrap_err();
        assert!(error.to_string().contains("B_FRAME_PRESENT"), "{error}");
        assert!(look_through(&stream(2).1[..]).is_ok());
    }

    #[test]
    fn what_is_no_stream_is_refused_and_never_a_panic() {
        for bytes in [
            &b""[..],
            b"RIFF",
            &[0; 1000],
            &[0, 0, 1],
            &[0, 0, 1, 0x67, 0, 0, 1, 0x68],
        ] {
            assert!(all(bytes, None).is_err(), "{bytes:?}");
        }
        let (_, bytes) = stream(2);
        for at in (0..bytes.len()).step_by(7) {
            let mut broken = bytes.clone();
            broken[at] ^= 0xff;
            let _ = all(&broken, None);
        }
    }
}
