//! A stream of AV1 with three spatial and two temporal layers, for tests: its packets with their dependency descriptors.

use std::sync::Arc;
use std::time::Duration;

use restage_codec::dependency::{Dependencies, Descriptor};
use restage_codec::{Codec, MediaKind};

use crate::packet::{Encoding, Packet};
use crate::rtp::extensions::Extensions;
use crate::sdp::format::format;
use crate::util::test::epoch;

/// The number of spatial layers.
pub(crate) const SPATIAL: u8 = 3;
/// Templates: for each spatial layer one of key frames, one of the base and one above it.
const TEMPLATES_EACH: u8 = 3;

/// Bytes of bits written as text, filled up with zeros.
pub(crate) fn bytes(bits: &str) -> Vec<u8> {
    let bits: Vec<u8> = bits.bytes().filter(|bit| *bit != b' ').collect();
    let byte = |bits: &[u8]| {
        let value = bits.iter().fold(0, |byte, bit| byte << 1 | (bit - b'0'));
        value << (8 - bits.len())
    };
    bits.chunks(8).map(byte).collect()
}

/// The structure, with template ids from `offset` on. Each spatial layer is predicted from the one below, always. Only key frames open
/// higher spatial layers; a frame of the base opens the temporal layers of its own spatial layer. It says no chains and no sizes.
fn structure(offset: u8) -> String {
    let indications = [
        "10 10 10 10 10 10",
        "10 10 11 11 11 11",
        "00 01 00 11 00 11",
        "00 00 10 10 10 10",
        "00 00 10 10 11 11",
        "00 00 00 01 00 11",
        "00 00 00 00 10 10",
        "00 00 00 00 10 10",
        "00 00 00 00 00 01",
    ];
    let references = [
        "0",
        "1 0101 0",
        "1 0010 0",
        "1 0000 0",
        "1 0101 1 0000 0",
        "1 0010 1 0000 0",
        "1 0000 0",
        "1 0101 1 0000 0",
        "1 0010 1 0000 0",
    ];
    format!(
        "{offset:06b} 00101 00 01 10 00 01 10 00 01 11 {} {} 00 0",
        indications.concat(),
        references.concat()
    )
}

/// An encoder.
pub(crate) struct Source {
    pub(crate) feed: u64,
    /// Its first template id.
    pub(crate) offset: u8,
    /// The number of the next frame.
    pub(crate) number: u16,
    /// The next sequence number.
    pub(crate) seq: u64,
    /// Packets of a frame.
    pub(crate) packets: usize,
    picture: u64,
    since_key: u64,
    dependencies: Dependencies,
}

impl Source {
    pub(crate) fn new(feed: u64) -> Self {
        Self {
            feed,
            offset: 7,
            number: 65_530,
            seq: 100,
            packets: 2,
            picture: 0,
            since_key: 0,
            dependencies: Dependencies::default(),
        }
    }

    /// The packets of a picture: in turn of the base and of the layer above it, from a key frame on.
    pub(crate) fn picture(&mut self, is_key: bool) -> Vec<Packet> {
        self.picture += 1;
        self.since_key = if is_key { 0 } else { self.since_key + 1 };
        let kind = match (is_key, self.since_key % 2) {
            (true, _) => 0,
            (false, 0) => 1,
            (false, _) => 2,
        };
        let mut packets = Vec::new();
        for spatial in 0..SPATIAL {
            let template = self.offset + spatial * TEMPLATES_EACH + kind;
            for index in 0..self.packets {
                let is_first = spatial == 0 && index == 0;
                let extended = match is_key && is_first {
                    true => format!("10000 {}", structure(self.offset)),
                    false => String::new(),
                };
                let ends = index + 1 == self.packets;
                let descriptor = bytes(&format!(
                    "{}{} {template:06b} {:016b} {extended}",
                    u8::from(index == 0),
                    u8::from(ends),
                    self.number
                ));
                let read = self.dependencies.read(self.seq, &descriptor).unwrap();
                let is_last = ends && spatial + 1 == SPATIAL;
                packets.push(self.packet(read, is_key && is_first, is_last));
                self.seq += 1;
            }
            self.number = self.number.wrapping_add(1);
        }
        packets
    }

    fn packet(&self, descriptor: Descriptor, starts_key_frame: bool, marker: bool) -> Packet {
        let encoding = Encoding {
            feed: self.feed,
            layer: 0,
            epoch: 0,
        };
        let at = epoch() + Duration::from_millis(40 * self.picture);
        Packet {
            kind: MediaKind::Video,
            encoding,
            target: encoding,
            ladder: None,
            format: Arc::new(format(45, Codec::Av1, "")),
            seq: self.seq,
            time: self.picture * 3_600,
            marker,
            starts_key_frame,
            frame: descriptor.place(),
            descriptor: Some(Arc::new(descriptor)),
            lead: None,
            number: self.seq,
            arrived: at,
            wallclock: at,
            report: None,
            payload: [1; 40].as_slice().into(),
            plain: None,
            extensions: Extensions::default(),
        }
    }
}

/// How many frames before a frame those are that it uses.
pub(crate) fn references(descriptor: &Descriptor, is_key: bool) -> Vec<u16> {
    let layers = descriptor.layers();
    let former = match layers.temporal {
        _ if is_key => None,
        0 => Some(2 * u16::from(SPATIAL)),
        _ => Some(u16::from(SPATIAL)),
    };
    let lower = (layers.spatial > 0).then_some(1);
    former.into_iter().chain(lower).collect()
}
