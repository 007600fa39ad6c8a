//! Dependency descriptors of a synthetic encoder with spatial and three temporal layers (RTP Payload Format For AV1, appendix A).

use std::sync::Arc;

use str0m::rtp::{Extension, ExtensionSerializer, ExtensionValues};

const URI: &str =
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";
const ID: u8 = 12;
const TEMPORAL: usize = 3;
/// Templates of each spatial layer: of key frames, and of each temporal layer.
const TEMPLATES: usize = 1 + TEMPORAL;
/// The id of the first template.
const OFFSET: usize = 40;

/// The value of the extension in an engine.
struct Value(Arc<[u8]>);

#[derive(Debug)]
struct Serializer;

impl ExtensionSerializer for Serializer {
    fn write_to(&self, buffer: &mut [u8], values: &ExtensionValues) -> usize {
        let value = values.user_values.get::<Value>();
        value.map_or(0, |value| {
            buffer[..value.0.len()].copy_from_slice(&value.0);
            value.0.len()
        })
    }

    fn parse_value(&self, bytes: &[u8], values: &mut ExtensionValues) -> bool {
        values.user_values.set(Value(bytes.into()));
        true
    }

    fn is_video(&self) -> bool {
        true
    }

    fn is_audio(&self) -> bool {
        false
    }

    fn requires_two_byte_form(&self, values: &ExtensionValues) -> bool {
        let value = values.user_values.get::<Value>();
        value.is_some_and(|value| value.0.len() > 16 || value.0.is_empty())
    }
}

/// What an engine needs to offer it.
pub fn extension() -> (u8, Extension) {
    (ID, Extension::with_serializer(URI, Serializer))
}

pub fn attach(values: &mut ExtensionValues, descriptor: Option<&Arc<[u8]>>) {
    if let Some(descriptor) = descriptor {
        values.user_values.set(Value(Arc::clone(descriptor)));
    }
}

pub fn of(values: &ExtensionValues) -> Option<Arc<[u8]>> {
    let value = values.user_values.get::<Value>();
    value.map(|value| Arc::clone(&value.0))
}

/// What the descriptor of a packet says.
pub struct Fields {
    pub spatial_layers: usize,
    pub is_key: bool,
    pub spatial: u8,
    pub temporal: u8,
    pub number: u16,
    pub starts: bool,
    pub ends: bool,
}

impl Fields {
    pub fn write(&self) -> Vec<u8> {
        let kind = match self.is_key {
            true => 0,
            false => 1 + usize::from(self.temporal),
        };
        let template = (OFFSET + usize::from(self.spatial) * TEMPLATES + kind) % 64;
        let mut bits = format!(
            "{}{}{template:06b}{:016b}",
            u8::from(self.starts),
            u8::from(self.ends),
            self.number
        );
        if self.is_key && self.spatial == 0 && self.starts {
            bits += "10000";
            bits += &structure(self.spatial_layers);
        }
        bytes(&bits)
    }
}

/// Each spatial layer is predicted from the one below, always; the pictures of the base open the temporal layers.
fn structure(spatial_layers: usize) -> String {
    let targets = spatial_layers * TEMPORAL;
    let mut layers = String::new();
    let mut indications = String::new();
    for spatial in 0..spatial_layers {
        for kind in 0..TEMPLATES {
            let is_last = kind + 1 == TEMPLATES;
            layers += match (kind, is_last) {
                (0, _) => "00",
                (_, false) => "01",
                (_, true) if spatial + 1 == spatial_layers => "11",
                (_, true) => "10",
            };
            let temporal = kind.saturating_sub(1);
            for target in 0..targets {
                let (high, fast) = (target / TEMPORAL, target % TEMPORAL);
                indications += match (high.cmp(&spatial), fast.cmp(&temporal)) {
                    (std::cmp::Ordering::Less, _) | (_, std::cmp::Ordering::Less) => "00",
                    _ if kind == 0 => "10",
                    (std::cmp::Ordering::Greater, _) => "11",
                    (_, std::cmp::Ordering::Equal) if temporal > 0 => "01",
                    _ => "10",
                };
            }
        }
    }
    let references = "0".repeat(spatial_layers * TEMPLATES);
    // No chains: a number below one more than the targets, which is 0.
    let width = (targets + 1).ilog2() as usize;
    let sizes: String = (0..spatial_layers)
        .map(|layer| format!("{:016b}{:016b}", (160 << layer) - 1, (90 << layer) - 1))
        .collect();
    format!(
        "{OFFSET:06b}{:05b}{layers}{indications}{references}{}1{sizes}",
        targets - 1,
        "0".repeat(width)
    )
}

/// Bytes of bits written as text, filled up with zeros.
fn bytes(bits: &str) -> Vec<u8> {
    let byte = |bits: &[u8]| {
        let value = bits.iter().fold(0, |byte, bit| byte << 1 | (bit - b'0'));
        value << (8 - bits.len())
    };
    bits.as_bytes().chunks(8).map(byte).collect()
}
