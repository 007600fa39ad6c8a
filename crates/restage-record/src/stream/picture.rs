//! Pictures out of the packets of one encoding of video, in order.

use restage_codec::h264::ParameterSets;
use restage_codec::{Codec, PictureSize, av1, h264, h265, vp9};

use crate::limits::PICTURE_BYTES_MAX;
use crate::mp4::VideoFormat;
use crate::output::DropReason;
use crate::packet::Packet;

/// A picture as it stands in a file.
#[derive(Debug)]
pub(crate) struct Assembled {
    pub(crate) timestamp: u64,
    pub(crate) data: Box<[u8]>,
    /// Of a key frame: what decoders need before it.
    pub(crate) key_format: Option<VideoFormat>,
}

/// What became of packets.
#[derive(Debug)]
pub(super) enum Outcome {
    Picture(Assembled),
    Dropped(DropReason),
}

/// Puts pictures together. After a loss, it waits for the next key frame.
#[derive(Debug)]
pub(super) struct Assembler {
    codec: Codec,
    /// The packets of the newest picture that have come, all in order.
    packets: Vec<Packet>,
    bytes: usize,
    awaits_key_frame: bool,
    /// Timestamp of the newest picture that was left out.
    skipped: Option<u64>,
    sets: Sets,
    format: Option<VideoFormat>,
    /// A key frame came whose sequence header was there and could not be read.
    is_unreadable: bool,
}

/// The parameter sets of H.264 and H.265.
#[derive(Debug, Default)]
struct Sets {
    h264: ParameterSets,
    newest_sps: Vec<u8>,
    h265: Vec<Vec<u8>>,
    /// Counts pictures.
    number: u64,
}

/// A picture before its format is known.
struct Bare {
    data: Vec<u8>,
    is_key: bool,
    /// Parameter sets came with it.
    has_sets: bool,
    /// VP9, AV1: the format of a key frame.
    format: Option<VideoFormat>,
    /// AV1: a key frame has a sequence header that cannot be read.
    is_unreadable: bool,
}

impl Assembler {
    pub(super) fn new(codec: Codec) -> Self {
        Self {
            codec,
            packets: Vec::new(),
            bytes: 0,
            awaits_key_frame: true,
            skipped: None,
            sets: Sets::default(),
            format: None,
            is_unreadable: false,
        }
    }

    /// Takes the next packet; nothing is missing before it.
    pub(super) fn take(&mut self, packet: Packet, outcomes: &mut Vec<Outcome>) {
        if packet.payload.is_empty() {
            return;
        }
        if self
            .packets
            .first()
            .is_some_and(|first| first.timestamp != packet.timestamp)
        {
            self.finish(outcomes);
        }
        if self.packets.is_empty() && self.awaits_key_frame && !packet.starts_key_frame {
            if self.skipped != Some(packet.timestamp) {
                self.skipped = Some(packet.timestamp);
                outcomes.push(Outcome::Dropped(DropReason::AwaitsKeyFrame));
            }
            return;
        }
        self.bytes += packet.payload.len();
        let is_last = packet.marker;
        if self.bytes > PICTURE_BYTES_MAX {
            self.lose();
            outcomes.push(Outcome::Dropped(DropReason::Full));
            return;
        }
        self.packets.push(packet);
        if is_last {
            self.finish(outcomes);
        }
    }

    /// Packets are missing: the picture is incomplete, and later ones cannot be decoded.
    pub(super) fn lose(&mut self) {
        self.packets.clear();
        self.bytes = 0;
        self.awaits_key_frame = true;
    }

    pub(super) fn awaits_key_frame(&self) -> bool {
        self.awaits_key_frame
    }

    /// Whether a key frame came whose sequence header (H.264, H.265: sequence parameter set) was there and could not be read.
    pub(super) fn is_unreadable(&self) -> bool {
        self.is_unreadable
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The packets that have come are all of the picture.
    pub(super) fn finish(&mut self, outcomes: &mut Vec<Outcome>) {
        let packets = std::mem::take(&mut self.packets);
        self.bytes = 0;
        let Some(timestamp) = packets.first().map(|packet| packet.timestamp) else {
            return;
        };
        let bare = match self.read(&packets) {
            Some(bare) if bare.data.is_empty() => return,
            Some(bare) => bare,
            None => return self.refuse(DropReason::Damaged, outcomes),
        };
        let rotation = packets.iter().map(|packet| packet.rotation_degrees).max();
        let mut key_format = None;
        if bare.is_key {
            let format = self.sets.format(self.codec).or(bare.format);
            let Some(format) = format.map(|format| format.turned(rotation.unwrap_or(0))) else {
                self.is_unreadable |= bare.is_unreadable || self.sets.is_unreadable(self.codec);
                return self.refuse(DropReason::Damaged, outcomes);
            };
            self.awaits_key_frame = false;
            key_format = Some(format.clone());
            self.format = Some(format);
        } else if self.awaits_key_frame || bare.has_sets && self.has_other_sets() {
            // Other parameter sets can only be written in another init, which begins with a key frame.
            return self.refuse(DropReason::AwaitsKeyFrame, outcomes);
        }
        outcomes.push(Outcome::Picture(Assembled {
            timestamp,
            data: bare.data.into(),
            key_format,
        }));
    }

    fn refuse(&mut self, reason: DropReason, outcomes: &mut Vec<Outcome>) {
        self.lose();
        outcomes.push(Outcome::Dropped(reason));
    }

    fn has_other_sets(&mut self) -> bool {
        let rotation = self
            .format
            .as_ref()
            .map_or(0, VideoFormat::rotation_degrees);
        let format = self
            .sets
            .format(self.codec)
            .map(|format| format.turned(rotation));
        format != self.format
    }

    /// `None`: the picture is damaged. One without data has only brought parameter sets.
    fn read(&mut self, packets: &[Packet]) -> Option<Bare> {
        let payloads = packets.iter().map(|packet| &*packet.payload);
        let is_start = packets.iter().any(|packet| packet.starts_key_frame);
        self.sets.number += 1;
        match self.codec {
            Codec::H264 => {
                let unit = h264::depacketise(payloads)?;
                let leads = packets
                    .iter()
                    .filter_map(|packet| packet.parameter_sets.as_deref());
                let leads = leads.flat_map(|lead| lead.0.iter().map(|set| &**set));
                let own = unit.parameter_sets.iter().map(Vec::as_slice);
                let has_sets = self.sets.take_h264(leads.chain(own));
                Some(Bare {
                    data: if unit.has_slice {
                        unit.units
                    } else {
                        Vec::new()
                    },
                    is_key: unit.is_idr || is_start,
                    has_sets,
                    format: None,
                    is_unreadable: false,
                })
            }
            Codec::H265 => {
                let unit = h265::depacketise(payloads)?;
                let has_sets = self.sets.take_h265(unit.parameter_sets);
                Some(Bare {
                    data: if unit.has_slice {
                        unit.units
                    } else {
                        Vec::new()
                    },
                    is_key: unit.is_random_access,
                    has_sets,
                    format: None,
                    is_unreadable: false,
                })
            }
            Codec::Vp9 => {
                let size = packets
                    .first()
                    .and_then(|first| vp9::size_in_packet(&first.payload));
                read_vp9(vp9::depacketise(payloads)?, size)
            }
            Codec::Av1 => read_av1(av1::depacketise(payloads)?),
            Codec::Vp8 | Codec::Opus | Codec::Red => None,
        }
    }
}

fn read_vp9(picture: vp9::Picture, size: Option<PictureSize>) -> Option<Bare> {
    let mut format = None;
    if picture.is_key {
        let mut header = vp9::KeyFrameHeader::parse(&picture.frame)?;
        // Of several spatial layers, the largest is shown.
        header.size = size.unwrap_or(header.size);
        format = Some(VideoFormat::vp9(header));
    }
    Some(Bare {
        is_key: picture.is_key,
        data: picture.frame,
        has_sets: false,
        format,
        is_unreadable: false,
    })
}

fn read_av1(unit: av1::TemporalUnit) -> Option<Bare> {
    let mut format = None;
    if unit.is_key {
        format = VideoFormat::av1(unit.sequence_header?);
    }
    let is_unreadable = unit.is_key && format.is_none();
    Some(Bare {
        data: if unit.has_frame {
            unit.units
        } else {
            Vec::new()
        },
        is_key: unit.is_key,
        has_sets: false,
        format,
        is_unreadable,
    })
}

impl Sets {
    /// Whether there were some.
    fn take_h264<'a>(&mut self, sets: impl Iterator<Item = &'a [u8]>) -> bool {
        let mut has_some = false;
        for set in sets {
            has_some = true;
            self.h264.take(set, self.number);
            if h264::UnitType::of(set) == h264::UnitType::SPS {
                self.newest_sps = set.to_vec();
            }
        }
        has_some
    }

    /// Whether there were some. They replace those of their kinds.
    fn take_h265(&mut self, sets: Vec<Vec<u8>>) -> bool {
        let kind = |set: &[u8]| set.first().map(|byte| byte & 0x7e);
        let has_some = !sets.is_empty();
        let is_replaced = |old: &Vec<u8>| sets.iter().any(|set| kind(set) == kind(old));
        self.h265.retain(|old| !is_replaced(old));
        self.h265.extend(sets);
        has_some
    }

    /// Whether there is a sequence parameter set that cannot be read.
    fn is_unreadable(&self, codec: Codec) -> bool {
        match codec {
            Codec::H264 => {
                !self.newest_sps.is_empty()
                    && h264::SequenceParameters::parse(&self.newest_sps).is_none()
            }
            Codec::H265 => {
                let kind = |set: &[u8]| set.first().map(|byte| h265::UnitType(byte >> 1 & 0x3f));
                let is_sps = |set: &&Vec<u8>| kind(set) == Some(h265::UnitType::SPS);
                let sps = self.h265.iter().rev().find(is_sps);
                sps.is_some_and(|sps| h265::SequenceParameters::parse(sps).is_none())
            }
            _ => false,
        }
    }

    /// The format that the sets describe.
    fn format(&mut self, codec: Codec) -> Option<VideoFormat> {
        match codec {
            Codec::H264 => {
                let all = self.h264.all();
                VideoFormat::h264(all.0.iter().map(|set| &**set), &self.newest_sps)
            }
            Codec::H265 => VideoFormat::h265(self.h265.clone()),
            _ => None,
        }
    }
}
