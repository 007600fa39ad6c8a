//! IVF, the container of `vpxenc`, `aomenc` and FFmpeg for bare video frames: a header of 32 bytes,
//! then each frame behind its length (32 bits) and time (64 bits), all little-endian.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use restage_client::{Codec, EncodedFrame};
use restage_codec::{av1, vp8, vp9};

use crate::exit::Failure;
use crate::media::{FRAME_BYTES_MAX, Source};

pub(crate) const SIGNATURE: &[u8; 4] = b"DKIF";
const HEADER_BYTES: u16 = 32;
/// Offset of the number of frames.
const COUNT_AT: u64 = 24;
/// Ticks per second in the files written here: those of the RTP clock, so that no time is rounded.
const RATE: u32 = 90_000;
/// The codecs and their names in the header.
const CODECS: [(&[u8; 4], Codec); 3] = [
    (b"VP80", Codec::Vp8),
    (b"VP90", Codec::Vp9),
    (b"AV01", Codec::Av1),
];
const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// Reads frames of VP8, VP9 or AV1.
pub(crate) struct Reader<R> {
    input: R,
    codec: Codec,
    rate: u32,
    scale: u32,
    first_time: Option<Duration>,
}

impl<R: Read> Reader<R> {
    /// Reads the header.
    pub(crate) fn new(mut input: R) -> anyhow::Result<Self> {
        let mut header = [0; HEADER_BYTES as usize];
        input
            .read_exact(&mut header)
            .context("the IVF header is cut short")?;
        let long = |at: usize| {
            u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        if header[..4] != *SIGNATURE {
            bail!("it does not begin with DKIF, so it is no IVF file");
        }
        let name = &header[8..12];
        let Some(codec) = CODECS.into_iter().find(|(known, _)| *known == name) else {
            let name = String::from_utf8_lossy(name).into_owned();
            return Err(Failure::usage(format!(
                "it holds {name:?}, and VP8, VP9 or AV1 is what is published from IVF"
            ))
            .advise("ffmpeg -i FILE -c:v libvpx -b:v 1M -deadline realtime out.ivf")
            .into());
        };
        let (rate, scale) = (long(16), long(20));
        if rate == 0 || scale == 0 {
            bail!("its time base is {scale}/{rate}");
        }
        let more =
            u64::from(u16::from_le_bytes([header[6], header[7]]).saturating_sub(HEADER_BYTES));
        io::copy(&mut input.by_ref().take(more), &mut io::sink())?;
        Ok(Self {
            input,
            codec: codec.1,
            rate,
            scale,
            first_time: None,
        })
    }

    fn time(&self, ticks: u64) -> Duration {
        let nanos =
            u128::from(ticks) * NANOS_PER_SECOND * u128::from(self.scale) / u128::from(self.rate);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

impl<R: Read + Send> Source for Reader<R> {
    fn next_frame(&mut self) -> anyhow::Result<Option<EncodedFrame>> {
        loop {
            let mut header = [0; 12];
            match read_full(&mut self.input, &mut header)? {
                0 => return Ok(None),
                12 => {}
                _ => bail!("the IVF file ends inside a frame header"),
            }
            let size = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
            if size > FRAME_BYTES_MAX {
                bail!("a frame of {size} bytes is longer than {FRAME_BYTES_MAX}");
            }
            let mut ticks = [0; 8];
            ticks.copy_from_slice(&header[4..]);
            let mut data = vec![0; size];
            self.input
                .read_exact(&mut data)
                .context("the IVF file ends inside a frame")?;
            if data.is_empty() {
                // Encoders write such frames for pictures that they dropped.
                continue;
            }
            let time = self.time(u64::from_le_bytes(ticks));
            let first = *self.first_time.get_or_insert(time);
            return Ok(Some(EncodedFrame {
                codec: self.codec,
                time: time.saturating_sub(first),
                is_key_frame: is_key_frame(self.codec, &data),
                data: Arc::from(data),
            }));
        }
    }
}

fn is_key_frame(codec: Codec, frame: &[u8]) -> bool {
    match codec {
        Codec::Vp9 => vp9::is_key_frame(frame),
        Codec::Av1 => av1::is_key_frame(frame),
        _ => vp8::is_key_frame(frame),
    }
}

fn read_full(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

/// Writes frames of a codec that has a name in IVF.
pub(crate) struct Writer<W> {
    output: W,
    codec: Codec,
    count: u32,
}

impl<W: Write + Seek> Writer<W> {
    /// Writes the header. `size` is the size of the first key frame.
    pub(crate) fn new(mut output: W, codec: Codec, size: (u32, u32)) -> io::Result<Self> {
        let Some((name, _)) = CODECS.into_iter().find(|(_, known)| *known == codec) else {
            let why = format!("an IVF file cannot hold {codec}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        };
        let side = |pixels: u32| u16::try_from(pixels).unwrap_or(u16::MAX).to_le_bytes();
        output.write_all(SIGNATURE)?;
        output.write_all(&0_u16.to_le_bytes())?;
        output.write_all(&HEADER_BYTES.to_le_bytes())?;
        output.write_all(name)?;
        output.write_all(&side(size.0))?;
        output.write_all(&side(size.1))?;
        output.write_all(&RATE.to_le_bytes())?;
        output.write_all(&1_u32.to_le_bytes())?;
        output.write_all(&[0; 8])?;
        Ok(Self {
            output,
            codec,
            count: 0,
        })
    }

    pub(crate) fn write(&mut self, time: Duration, frame: &[u8]) -> io::Result<()> {
        let too_long = || io::Error::new(io::ErrorKind::InvalidInput, "a frame of 4 GiB");
        // In a file each temporal unit of AV1 begins with a delimiter, which RTP leaves out.
        let lacks_delimiter = self.codec == Codec::Av1 && !av1::has_delimiter(frame);
        let delimiter: &[u8] = if lacks_delimiter {
            &av1::DELIMITER
        } else {
            &[]
        };
        let size = u32::try_from(delimiter.len() + frame.len()).map_err(|_| too_long())?;
        let ticks = (time.as_nanos() * u128::from(RATE) + NANOS_PER_SECOND / 2) / NANOS_PER_SECOND;
        self.output.write_all(&size.to_le_bytes())?;
        self.output
            .write_all(&u64::try_from(ticks).unwrap_or(u64::MAX).to_le_bytes())?;
        self.output.write_all(delimiter)?;
        self.output.write_all(frame)?;
        self.count = self.count.saturating_add(1);
        Ok(())
    }

    /// Writes the number of frames into the header. Players can use a file without it.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.output.seek(SeekFrom::Start(COUNT_AT))?;
        self.output.write_all(&self.count.to_le_bytes())?;
        self.output.seek(SeekFrom::End(0))?;
        self.output.flush()?;
        Ok(self.output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    const KEY: [u8; 10] = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 2, 0x68, 1];

    fn written(times: &[Duration]) -> Vec<u8> {
        let mut writer = Writer::new(Cursor::new(Vec::new()), Codec::Vp8, (640, 360)).unwrap();
        for time in times {
            writer.write(*time, &KEY).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn what_is_written_is_read() {
        let times = [7, 40, 73].map(Duration::from_millis);
        let file = written(&times);
        assert_eq!(&file[24..28], 3_u32.to_le_bytes());
        let mut reader = Reader::new(file.as_slice()).unwrap();
        for time in times {
            let frame = reader.next_frame().unwrap().unwrap();
            assert_eq!((frame.time, frame.is_key_frame), (time - times[0], true));
            assert_eq!(*frame.data, KEY);
        }
        assert!(reader.next_frame().unwrap().is_none());
    }

    #[test]
    fn other_time_bases_and_empty_frames() {
        let mut file = written(&[]);
        file[16..20].copy_from_slice(&30_u32.to_le_bytes());
        for ticks in [0_u64, 1, 2] {
            let size = if ticks == 1 { 0_u32 } else { 1 };
            file.extend_from_slice(&size.to_le_bytes());
            file.extend_from_slice(&ticks.to_le_bytes());
            file.extend_from_slice(&[1][..size as usize]);
        }
        let mut reader = Reader::new(file.as_slice()).unwrap();
        assert!(!reader.next_frame().unwrap().unwrap().is_key_frame);
        let second = reader.next_frame().unwrap().unwrap();
        assert_eq!(second.time, Duration::from_nanos(66_666_666));
    }

    #[test]
    fn what_is_no_ivf_is_refused_and_never_a_panic() {
        let file = written(&[Duration::ZERO, Duration::from_secs(1)]);
        for end in 0..file.len() {
            let outcome = Reader::new(&file[..end]).and_then(|mut reader| {
                while reader.next_frame()?.is_some() {}
                Ok(())
            });
            let is_whole = [32, 32 + 22].contains(&end);
            assert_eq!(outcome.is_ok(), is_whole, "{end}: {outcome:?}");
        }
        for at in 0..file.len() {
            for value in [0, 0x7f, 0xff] {
                let mut broken = file.clone();
                broken[at] = value;
                if let Ok(mut reader) = Reader::new(broken.as_slice()) {
                    while let Ok(Some(_)) = reader.next_frame() {}
                }
            }
        }
        let mut other = file;
        other[8..12].copy_from_slice(b"HEVC");
        let error = Reader::new(other.as_slice()).err().unwrap();
        assert!(error.to_string().contains("HEVC"), "{error}");
    }

    #[test]
    fn every_codec_is_read_as_it_was_written_and_av1_gets_its_delimiter() {
        // A delimiter, a reduced sequence header and a key frame, each with its size.
        let av1: &[u8] = &[0x12, 0, 0x0a, 2, 0x18, 0, 0x32, 2, 0x10, 0];
        let vp9: &[u8] = &[0x82, 0x49, 0x83, 0x42, 0];
        for (codec, frame, written) in [
            (Codec::Vp8, &KEY[..], &KEY[..]),
            (Codec::Vp9, vp9, vp9),
            (Codec::Av1, av1, av1),
            (Codec::Av1, &av1[2..], av1),
        ] {
            let mut writer = Writer::new(Cursor::new(Vec::new()), codec, (640, 360)).unwrap();
            writer.write(Duration::ZERO, frame).unwrap();
            let file = writer.finish().unwrap().into_inner();
            let mut reader = Reader::new(file.as_slice()).unwrap();
            let read = reader.next_frame().unwrap().unwrap();
            assert_eq!((read.codec, &*read.data), (codec, written));
            assert!(read.is_key_frame);
        }
    }
}
