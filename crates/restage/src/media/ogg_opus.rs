//! Opus in Ogg (RFC 7845).

use std::io::{self, Read, Seek, Write};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use ogg::{PacketReader, PacketWriteEndInfo, PacketWriter};
use restage_client::{Codec, EncodedFrame};
use restage_codec::opus::{self, SAMPLE_RATE};

use crate::exit::Failure;
use crate::media::Source;

pub(crate) const SIGNATURE: &[u8; 4] = b"OggS";
/// Any number will do, because a file written here has one stream.
const SERIAL: u32 = 0x7273_7467;
/// A decoder that starts in the middle of a stream needs 80 ms to settle (RFC 7845 §4.2).
const PRE_SKIP: u64 = 3_840;
/// Packets on a page: about a second.
const PAGE_PACKETS: u32 = 50;
/// A longer gap is not filled completely: the sender was disconnected.
const GAP_SAMPLES_MAX: u64 = 60 * SAMPLE_RATE;
/// A smaller difference is jitter of the sender's clock.
const GAP_SAMPLES_MIN: u64 = 120;

/// Reads the packets of the first Opus stream.
pub(crate) struct Reader<R: Read + Seek> {
    packets: PacketReader<R>,
    serial: u32,
    samples: u64,
}

impl<R: Read + Seek> Reader<R> {
    /// Reads the headers.
    pub(crate) fn new(input: R) -> anyhow::Result<Self> {
        let mut packets = PacketReader::new(input);
        let head = packets
            .read_packet()
            .context("it cannot be read as Ogg")?
            .context("it holds no packet")?;
        if !head.data.starts_with(b"OpusHead") {
            return Err(Failure::usage(
                "it does not hold Opus, which is what a stage takes for sound",
            )
            .advise("ffmpeg -i FILE -c:a libopus -b:a 64k out.ogg")
            .into());
        }
        // Version 1 and later compatible ones; channel mapping 0 is mono and stereo (§5.1).
        let version = head.data.get(8).copied().unwrap_or_default();
        let mapping = head.data.get(18).copied();
        if version > 15 || mapping.is_none() {
            bail!("its Opus header cannot be read");
        }
        if mapping != Some(0) {
            return Err(Failure::usage(
                "it has more than two channels, and WebRTC carries two at most",
            )
            .advise("ffmpeg -i FILE -c:a libopus -ac 2 out.ogg")
            .into());
        }
        Ok(Self {
            serial: head.stream_serial(),
            packets,
            samples: 0,
        })
    }
}

impl<R: Read + Seek + Send> Source for Reader<R> {
    fn next_frame(&mut self) -> anyhow::Result<Option<EncodedFrame>> {
        loop {
            let packet = self
                .packets
                .read_packet()
                .context("it cannot be read as Ogg")?;
            let Some(packet) = packet else {
                return Ok(None);
            };
            if packet.stream_serial() != self.serial || packet.data.starts_with(b"OpusTags") {
                continue;
            }
            let Some(samples) = opus::samples(&packet.data) else {
                bail!("packet {} is no Opus packet", self.samples);
            };
            let time = Duration::from_nanos(self.samples * 1_000_000_000 / SAMPLE_RATE);
            self.samples += samples;
            return Ok(Some(EncodedFrame {
                codec: Codec::Opus,
                time,
                is_key_frame: true,
                data: Arc::from(packet.data),
            }));
        }
    }
}

/// Writes packets and fills gaps, so that the file plays in time.
pub(crate) struct Writer<W: Write> {
    packets: PacketWriter<'static, W>,
    /// Time of the first packet, in samples.
    first: Option<u64>,
    /// Samples written.
    samples: u64,
    /// The newest packet, written only when the next one arrives, because the last one is marked as the end of the
    /// stream.
    held: Option<Vec<u8>>,
    on_page: u32,
}

impl<W: Write> Writer<W> {
    /// Writes the headers.
    pub(crate) fn new(output: W) -> io::Result<Self> {
        let mut packets = PacketWriter::new(output);
        let mut head = b"OpusHead\x01\x02".to_vec();
        head.extend_from_slice(&(PRE_SKIP as u16).to_le_bytes());
        head.extend_from_slice(&(SAMPLE_RATE as u32).to_le_bytes());
        // No gain; channel mapping 0.
        head.extend_from_slice(&[0; 3]);
        packets.write_packet(head, SERIAL, PacketWriteEndInfo::EndPage, 0)?;
        let vendor = b"restage";
        let mut tags = b"OpusTags".to_vec();
        tags.extend_from_slice(&(vendor.len() as u32).to_le_bytes());
        tags.extend_from_slice(vendor);
        tags.extend_from_slice(&[0; 4]);
        packets.write_packet(tags, SERIAL, PacketWriteEndInfo::EndPage, 0)?;
        Ok(Self {
            packets,
            first: None,
            samples: 0,
            held: None,
            on_page: 0,
        })
    }

    /// Writes a packet. Packets that are not Opus, or that are repeated, are left out.
    pub(crate) fn write(&mut self, time: Duration, packet: &[u8]) -> io::Result<()> {
        let Some(samples) = opus::samples(packet) else {
            return Ok(());
        };
        let nanos = time.as_nanos() * u128::from(SAMPLE_RATE) + 500_000_000;
        let at = u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX);
        let first = *self.first.get_or_insert(at);
        let Some(at) = at.checked_sub(first) else {
            return Ok(());
        };
        if at + GAP_SAMPLES_MIN <= self.samples {
            return Ok(());
        }
        let gap = (at - self.samples.min(at)).min(GAP_SAMPLES_MAX);
        if gap >= GAP_SAMPLES_MIN {
            let (filler, length) = opus::filler(packet[0]);
            for _ in 0..(gap + length / 2) / length {
                self.push(filler.to_vec(), length)?;
            }
            // The part of a gap that was too long to fill, or is not a multiple of a packet, is removed from the
            // timeline.
            self.first = Some(first + at.saturating_sub(self.samples));
        }
        self.push(packet.to_vec(), samples)
    }

    fn push(&mut self, packet: Vec<u8>, samples: u64) -> io::Result<()> {
        if let Some(held) = self.held.replace(packet) {
            self.on_page += 1;
            let is_last = self.on_page >= PAGE_PACKETS;
            let end = match is_last {
                true => PacketWriteEndInfo::EndPage,
                false => PacketWriteEndInfo::NormalPacket,
            };
            if is_last {
                self.on_page = 0;
            }
            // The position after this packet, including all samples that a decoder outputs (RFC 7845 §4).
            self.packets.write_packet(held, SERIAL, end, self.samples)?;
        }
        self.samples += samples;
        Ok(())
    }

    /// Ends the stream.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        let last = self.held.take().unwrap_or_default();
        self.packets
            .write_packet(last, SERIAL, PacketWriteEndInfo::EndStream, self.samples)?;
        let mut output = self.packets.into_inner();
        output.flush()?;
        Ok(output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    /// CELT, 20 ms, one frame.
    const TOC: u8 = 0b1111_1000;
    const STEP: Duration = Duration::from_millis(20);

    fn written(steps: &[u32]) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new()).unwrap();
        for step in steps {
            // Times begin anywhere.
            let time = Duration::from_secs(7) + STEP * *step;
            writer.write(time, &[TOC, *step as u8]).unwrap();
        }
        writer.finish().unwrap()
    }

    fn read(file: &[u8]) -> anyhow::Result<Vec<EncodedFrame>> {
        let mut reader = Reader::new(Cursor::new(file))?;
        let mut frames = Vec::new();
        while let Some(frame) = reader.next_frame()? {
            frames.push(frame);
        }
        Ok(frames)
    }

    #[test]
    fn what_is_written_is_read() {
        let steps: Vec<u32> = (0..120).collect();
        let frames = read(&written(&steps)).unwrap();
        assert_eq!(frames.len(), steps.len());
        for (step, frame) in frames.iter().enumerate() {
            assert_eq!(frame.time, STEP * step as u32);
            assert_eq!(*frame.data, [TOC, step as u8]);
        }
    }

    #[test]
    fn positions_count_every_sample_to_the_end() {
        let file = written(&(0..120).collect::<Vec<_>>());
        let mut packets = PacketReader::new(Cursor::new(file));
        let mut last = None;
        while let Some(packet) = packets.read_packet().unwrap() {
            last = Some((packet.absgp_page(), packet.last_in_stream()));
        }
        assert_eq!(last, Some((120 * 960, true)));
    }

    #[test]
    fn gaps_are_filled_and_repetitions_left_out() {
        let frames = read(&written(&[0, 1, 1, 0, 4, 5])).unwrap();
        let bytes: Vec<Vec<u8>> = frames.iter().map(|frame| frame.data.to_vec()).collect();
        assert_eq!(
            bytes,
            [
                vec![TOC, 0],
                vec![TOC, 1],
                vec![TOC],
                vec![TOC],
                vec![TOC, 4],
                vec![TOC, 5]
            ]
        );
    }

    #[test]
    fn a_long_absence_is_kept_short() {
        let frames = read(&written(&[0, 1_000_000, 1_000_001])).unwrap();
        assert_eq!(frames.len() as u64, 1 + GAP_SAMPLES_MAX / 960 + 2);
    }

    #[test]
    fn what_is_no_opus_is_refused_and_never_a_panic() {
        assert!(read(b"").is_err());
        assert!(read(b"OggS").is_err());
        let file = written(&[0, 1, 2]);
        for at in 0..file.len() {
            let _ = read(&file[..at]);
            let mut broken = file.clone();
            broken[at] ^= 0x55;
            let _ = read(&broken);
        }
        let other = |head: &'static [u8]| {
            let mut writer = PacketWriter::new(Vec::new());
            writer
                .write_packet(head, 1, PacketWriteEndInfo::EndStream, 0)
                .unwrap();
            read(&writer.into_inner()).unwrap_err().to_string()
        };
        assert!(other(b"\x01vorbis").contains("does not hold Opus"));
        assert!(other(b"OpusHead\x01\x06").contains("cannot be read"));
        // Magic, version, six channels, pre-skip, rate, gain, mapping 1.
        let surround = b"OpusHead\x01\x06\x00\x0f\x80\xbb\x00\x00\x00\x00\x01";
        assert!(other(surround).contains("two channels"));
    }
}
