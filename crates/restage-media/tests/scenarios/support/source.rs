//! Synthetic media: packets that are valid for a forwarder and contain the number of their frame.

use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::format::Codec;

use super::descriptor;

/// Every video codec that is forwarded.
pub const VIDEO_CODECS: [Codec; 5] = [Codec::H264, Codec::Vp8, Codec::Vp9, Codec::Av1, Codec::H265];
pub const FRAME: Duration = Duration::from_millis(40);
pub const AUDIO: Duration = Duration::from_millis(20);

pub struct SourcePacket {
    pub seq: u64,
    pub time: u32,
    pub marker: bool,
    /// The dependency descriptor.
    pub descriptor: Option<Arc<[u8]>>,
    pub payload: Arc<[u8]>,
}

pub struct AudioSource {
    pub next_at: Instant,
    /// Loudness in −dBov.
    pub level: i8,
    seq: u64,
    time: u32,
    count: u64,
}

impl AudioSource {
    pub fn new(now: Instant, seed: u64) -> Self {
        Self {
            next_at: now,
            level: -30,
            seq: 100 + seed * 1_000 % 20_000,
            time: seed as u32 * 77_777,
            count: 0,
        }
    }

    pub fn next(&mut self) -> SourcePacket {
        let mut payload = vec![0x78; 80];
        payload.extend(self.count.to_be_bytes());
        payload.push(0);
        let packet = SourcePacket {
            seq: self.seq,
            time: self.time,
            marker: self.count == 0,
            descriptor: None,
            payload: payload.into(),
        };
        self.count += 1;
        self.next_at += AUDIO;
        self.seq += 1;
        self.time = self.time.wrapping_add(960);
        packet
    }
}

/// Which H.264 key frames begin with parameter sets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ParameterSets {
    WithKeyFrames,
    /// Only the first one; the parameter sets have this level.
    Once {
        level: u8,
    },
}

pub struct VideoSource {
    pub codec: Codec,
    pub rid: Option<String>,
    pub next_at: Instant,
    /// Number of pictures between key frames that were not requested.
    pub keyframe_interval: u64,
    pub ignores_requests: bool,
    pub payload_bytes: usize,
    /// Whether the last packet of a picture is a byte longer, as Chromium's are.
    pub is_uneven: bool,
    /// Time between capture and sending.
    pub encode_delay: Duration,
    pub packets_per_frame: usize,
    /// Number of packets of a key frame, if it has more.
    pub packets_per_keyframe: Option<usize>,
    /// When parameter sets are sent with H.264.
    pub parameter_sets: ParameterSets,
    /// The size in key frames of VP8 and VP9.
    pub size: Option<(u16, u16)>,
    /// The temporal layers of the pictures of VP8, from a key frame on again and again: each with whether it is a sync frame, and how many
    /// packets it has. Without any all pictures are of layer 0.
    pub temporal: &'static [(u8, bool, usize)],
    /// Packets of the frame of each spatial layer of VP9 and AV1: without any, there is one layer. Each has twice the width of the one below.
    /// AV1 says its layers in dependency descriptors.
    pub spatial: &'static [usize],
    /// Of VP9: which spatial layers the pictures have that are no key frames, again and again. Their frames use those of their own layer only,
    /// and say so. As with libwebrtc, a picture without the highest layer has no marker. Empty: all pictures have all layers and say nothing.
    pub kept: &'static [&'static [u8]],
    seq: u64,
    time: u32,
    pub frame: u64,
    since_keyframe: u64,
    wants_keyframe: bool,
    picture_id: u16,
    tl0: u8,
    /// The number of the next frame of AV1.
    number: u16,
}

impl VideoSource {
    pub fn new(
        now: Instant,
        codec: Codec,
        rid: Option<&str>,
        packets_per_frame: usize,
        seed: u64,
    ) -> Self {
        Self {
            codec,
            rid: rid.map(Into::into),
            next_at: now,
            keyframe_interval: u64::MAX,
            ignores_requests: false,
            payload_bytes: 600,
            is_uneven: false,
            encode_delay: Duration::ZERO,
            packets_per_frame,
            packets_per_keyframe: None,
            parameter_sets: ParameterSets::WithKeyFrames,
            size: None,
            temporal: &[],
            spatial: &[],
            kept: &[],
            seq: 65_000 - seed * 997 % 30_000,
            time: seed as u32 * 1_234_567,
            frame: seed * 1_000_000,
            since_keyframe: 0,
            wants_keyframe: true,
            picture_id: (seed * 4_321) as u16 & 0x7fff,
            tl0: seed as u8,
            number: (65_400 + seed * 331) as u16,
        }
    }

    pub fn on_keyframe_request(&mut self) {
        self.wants_keyframe |= !self.ignores_requests;
    }

    pub fn next(&mut self) -> Vec<SourcePacket> {
        let is_key = std::mem::take(&mut self.wants_keyframe)
            || self.since_keyframe >= self.keyframe_interval;
        self.since_keyframe = if is_key { 1 } else { self.since_keyframe + 1 };
        let turn = (self.since_keyframe - 1) as usize % self.temporal.len().max(1);
        let layer = self.temporal.get(turn).copied();
        let (temporal, is_sync, count) = layer.unwrap_or((0, false, self.packets_per_frame));
        let large = self.packets_per_keyframe.filter(|_| is_key);
        let count = large.unwrap_or(count);
        self.tl0 = self.tl0.wrapping_add(u8::from(temporal == 0));
        if !self.spatial.is_empty() {
            return self.next_layered(is_key, temporal);
        }
        let packets = (0..count)
            .map(|index| {
                let payload = match self.codec {
                    Codec::Vp8 => self.vp8(is_key, index, temporal << 6 | u8::from(is_sync) << 5),
                    Codec::Vp9 => self.vp9(is_key, index, count),
                    Codec::Av1 => self.av1(is_key, index, count),
                    Codec::H265 => self.h265(is_key, index, count),
                    _ => self.h264(is_key, index, count),
                };
                let seq = self.seq;
                self.seq += 1;
                SourcePacket {
                    seq,
                    time: self.time,
                    marker: index + 1 == count,
                    descriptor: None,
                    payload: payload.into(),
                }
            })
            .collect();
        self.advance();
        packets
    }

    fn advance(&mut self) {
        self.next_at += FRAME;
        self.time = self.time.wrapping_add(3_600);
        self.frame += 1;
        self.picture_id = (self.picture_id + 1) & 0x7fff;
    }

    /// A picture of VP9 or AV1 with a frame for each spatial layer.
    fn next_layered(&mut self, is_key: bool, temporal: u8) -> Vec<SourcePacket> {
        let mut packets = Vec::new();
        let turn = self.since_keyframe as usize % self.kept.len().max(1);
        let kept = self.kept.get(turn).filter(|_| !is_key);
        for (spatial, count) in (0..).zip(self.spatial) {
            if kept.is_some_and(|kept| !kept.contains(&spatial)) {
                continue;
            }
            for index in 0..*count {
                let begins = is_key && spatial == 0;
                let (payload, descriptor) = match self.codec {
                    Codec::Av1 => {
                        let descriptor = descriptor::Fields {
                            spatial_layers: self.spatial.len(),
                            is_key,
                            spatial,
                            temporal,
                            number: self.number,
                            starts: index == 0,
                            ends: index + 1 == *count,
                        };
                        let descriptor = descriptor.write().into();
                        (self.av1(begins, index, *count), Some(descriptor))
                    }
                    _ => {
                        let payload = self.vp9_layer(is_key, spatial, temporal, index, *count);
                        (payload, None)
                    }
                };
                packets.push(SourcePacket {
                    seq: self.seq,
                    time: self.time,
                    marker: usize::from(spatial) + 1 == self.spatial.len() && index + 1 == *count,
                    descriptor,
                    payload: payload.into(),
                });
                self.seq += 1;
            }
            self.number = self.number.wrapping_add(1);
        }
        self.advance();
        packets
    }

    /// In non-flexible mode; every picture opens the higher temporal layers. Key frames carry the sizes of all layers.
    fn vp9_layer(
        &self,
        is_key: bool,
        spatial: u8,
        temporal: u8,
        index: usize,
        count: usize,
    ) -> Vec<u8> {
        let [high, low] = self.picture_id.to_be_bytes();
        let predicted = if is_key { 0 } else { 0x40 };
        let start = if index == 0 { 0x08 } else { 0 };
        let end = if index + 1 == count { 0x04 } else { 0 };
        let begins = is_key && spatial == 0 && index == 0;
        let is_alone = !is_key && !self.kept.is_empty();
        let head = 0x80 | 0x20 | predicted | start | end | if begins { 0x02 } else { 0 };
        let head = head | u8::from(is_alone);
        let uses_lower = u8::from(is_key && spatial > 0);
        let layer = temporal << 5 | 0x10 | spatial << 1 | uses_lower;
        let mut payload = vec![head, 0x80 | high, low, layer, self.tl0];
        if begins {
            payload.push((self.spatial.len() as u8 - 1) << 5 | 0x10);
            for layer in 0..self.spatial.len() {
                payload.extend((160_u16 << layer).to_be_bytes());
                payload.extend((90_u16 << layer).to_be_bytes());
            }
            payload.extend([0x82, 0x49, 0x83, 0x42, 0x20, 0x09, 0xf0, 0x05, 0x90]);
        } else if index == 0 {
            payload.push(0x86);
        }
        self.fill(payload, index)
    }

    fn vp8(&self, is_key: bool, index: usize, layer: u8) -> Vec<u8> {
        let [high, low] = self.picture_id.to_be_bytes();
        let start = if index == 0 { 0x10 } else { 0 };
        let mut payload = vec![0x80 | start, 0xe0, 0x80 | high, low, self.tl0, layer];
        payload.push(if is_key { 0x00 } else { 0x01 });
        if let Some((width, height)) = self.size.filter(|_| is_key && index == 0) {
            payload.extend([0, 0, 0x9d, 0x01, 0x2a]);
            payload.extend(width.to_le_bytes());
            payload.extend(height.to_le_bytes());
        }
        self.fill(payload, index)
    }

    /// In non-flexible mode, with one layer.
    fn vp9(&self, is_key: bool, index: usize, count: usize) -> Vec<u8> {
        let [high, low] = self.picture_id.to_be_bytes();
        let predicted = if is_key { 0 } else { 0x40 };
        let start = if index == 0 { 0x08 } else { 0 };
        let end = if index + 1 == count { 0x04 } else { 0 };
        let head = 0x80 | 0x20 | predicted | start | end;
        let mut payload = vec![head, 0x80 | high, low, 0, self.tl0];
        if index == 0 && is_key {
            let (width, height) = self.size.unwrap_or((640, 360));
            payload.extend([0x82, 0x49, 0x83, 0x42]);
            let sides = u64::from(width - 1) << 16 | u64::from(height - 1);
            // Four bits of colour come before the sides.
            payload.extend(&((0x2 << 32 | sides) << 4).to_be_bytes()[3..]);
        } else if index == 0 {
            payload.push(0x86);
        }
        self.fill(payload, index)
    }

    /// One unit in fragments; key frames have a sequence header before it.
    fn av1(&self, is_key: bool, index: usize, count: usize) -> Vec<u8> {
        let continues = if index == 0 { 0 } else { 0x80 };
        let goes_on = if index + 1 == count { 0 } else { 0x40 };
        let payload = match (index, is_key) {
            (0, true) => vec![0x28 | goes_on, 4, 0x08, 0, 0, 0, 0x30, 0x10],
            (0, false) => vec![0x10 | goes_on, 0x30, 0x30],
            _ => vec![0x10 | continues | goes_on],
        };
        self.fill(payload, index)
    }

    fn h265(&self, is_key: bool, index: usize, count: usize) -> Vec<u8> {
        let kind = if is_key { 19 } else { 1 };
        let payload = if is_key && count > 1 && index == 0 {
            vec![
                0x60, 1, 0, 3, 0x40, 1, 7, 0, 3, 0x42, 1, 7, 0, 3, 0x44, 1, 7,
            ]
        } else {
            let is_start = index == usize::from(is_key && count > 1);
            let start = if is_start { 0x80 } else { 0 };
            let end = if index + 1 == count { 0x40 } else { 0 };
            vec![0x62, 1, start | end | kind]
        };
        self.fill(payload, index)
    }

    fn h264(&self, is_key: bool, index: usize, count: usize) -> Vec<u8> {
        let nal = if is_key { 5 } else { 1 };
        let (level, is_said) = match self.parameter_sets {
            ParameterSets::WithKeyFrames => (0x1f, true),
            ParameterSets::Once { level } => (level, self.frame.is_multiple_of(1_000_000)),
        };
        let has_sets = is_key && is_said && count > 1;
        let payload = if has_sets && index == 0 {
            vec![0x78, 0, 5, 0x67, 0x42, 0xe0, level, 0x80, 0, 2, 0x68, 0xce]
        } else {
            let is_start = index == usize::from(has_sets);
            let start = if is_start { 0x80 } else { 0 };
            let end = if index + 1 == count { 0x40 } else { 0 };
            vec![0x7c, start | end | nal]
        };
        self.fill(payload, index)
    }

    /// Ends with the frame number and the packet's position in the frame.
    fn fill(&self, mut payload: Vec<u8>, index: usize) -> Vec<u8> {
        let longer = usize::from(self.is_uneven && index > 0);
        payload.resize(self.payload_bytes + longer, 0xaa);
        payload.extend(self.frame.to_be_bytes());
        payload.push(index as u8);
        payload
    }
}

/// Frame number and position, from the end of a payload.
pub fn identity(payload: &[u8]) -> (u64, u8) {
    let (rest, index) = payload.split_at(payload.len() - 1);
    let frame = rest[rest.len() - 8..].try_into().unwrap();
    (u64::from_be_bytes(frame), index[0])
}

/// Picture id of a payload of this source; `None` for a codec whose payloads have none.
pub fn picture_id(codec: Codec, payload: &[u8]) -> Option<u16> {
    let at = match codec {
        Codec::Vp8 => 2,
        Codec::Vp9 => 1,
        _ => return None,
    };
    Some(u16::from_be_bytes([payload[at] & 0x7f, payload[at + 1]]))
}

pub fn is_key_start(codec: Codec, payload: &[u8]) -> bool {
    match codec {
        Codec::Vp8 => payload[0] & 0x10 != 0 && payload[6] & 1 == 0,
        Codec::Vp9 => payload[0] & 0x48 == 0x08,
        Codec::Av1 => payload[0] & 0x08 != 0,
        Codec::H265 => payload[0] == 0x60,
        _ => payload[0] & 0x1f == 24,
    }
}
