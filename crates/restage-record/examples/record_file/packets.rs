//! Encoded files as pictures, and pictures as the payloads of RTP packets.

use std::fs;
use std::path::Path;

use restage_codec::{Codec, av1, h264, h265, vp9};

const PAYLOAD_BYTES: usize = 1_100;

pub(crate) type Pictures = Vec<Vec<u8>>;

/// The codec and the pictures of a file.
pub(crate) fn read(path: &Path) -> Result<(Codec, Pictures), Box<dyn std::error::Error>> {
    let bytes = fs::read(path)?;
    let name = path.extension().and_then(|name| name.to_str());
    match name {
        Some("h264") => Ok((
            Codec::H264,
            access_units(&bytes, |unit| h264::UnitType::of(unit).is_slice()),
        )),
        Some("h265") => Ok((Codec::H265, access_units(&bytes, |unit| unit[0] >> 1 < 32))),
        Some("ivf") => {
            let codec = match bytes.get(8..12) {
                Some(b"VP90") => Codec::Vp9,
                Some(b"AV01") => Codec::Av1,
                _ => return Err("IVF files have VP9 or AV1".into()),
            };
            Ok((codec, frames(bytes.get(32..).unwrap_or_default())))
        }
        _ => Err("a name ends with .h264, .h265 or .ivf".into()),
    }
}

/// Byte streams whose pictures have one slice each.
fn access_units(bytes: &[u8], is_slice: impl Fn(&[u8]) -> bool) -> Pictures {
    let mut pictures = vec![Vec::new()];
    for unit in h264::annexb::units(bytes) {
        let current = pictures.last_mut().expect("there is one");
        current.extend_from_slice(&[0, 0, 0, 1]);
        current.extend_from_slice(unit);
        if is_slice(unit) {
            pictures.push(Vec::new());
        }
    }
    pictures.pop();
    pictures
}

fn frames(mut bytes: &[u8]) -> Pictures {
    let mut pictures = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<12>() {
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        pictures.push(rest[..length].to_vec());
        bytes = &rest[length..];
    }
    pictures
}

/// Whether a decoder can start with this picture.
pub(crate) fn is_key(codec: Codec, picture: &[u8]) -> bool {
    match codec {
        Codec::H264 => h264::annexb::units(picture).any(|unit| unit[0] & 0x1f == 7),
        Codec::H265 => h264::annexb::units(picture)
            .any(|unit| h265::UnitType(unit[0] >> 1 & 0x3f) == h265::UnitType::SPS),
        Codec::Vp9 => vp9::is_key_frame(picture),
        _ => av1::is_key_frame(picture),
    }
}

/// The payloads of a picture.
pub(crate) fn packetise(codec: Codec, picture: &[u8]) -> Pictures {
    match codec {
        Codec::H264 => h264::annexb::units(picture)
            .flat_map(h264_payloads)
            .collect(),
        Codec::H265 => h264::annexb::units(picture)
            .flat_map(h265_payloads)
            .collect(),
        Codec::Vp9 => vp9_payloads(picture),
        _ => av1_payloads(picture),
    }
}

/// Where a chunk stands among those of its unit: first, last.
fn ends(place: usize, count: usize) -> (bool, bool) {
    (place == 0, place + 1 == count)
}

fn h264_payloads(unit: &[u8]) -> Pictures {
    if unit.len() <= PAYLOAD_BYTES {
        return vec![unit.to_vec()];
    }
    let chunks: Vec<&[u8]> = unit[1..].chunks(PAYLOAD_BYTES).collect();
    let fragment = |(place, chunk): (usize, &&[u8])| {
        let (first, last) = ends(place, chunks.len());
        let head = u8::from(first) << 7 | u8::from(last) << 6 | unit[0] & 0x1f;
        [&[unit[0] & 0xe0 | 28, head], *chunk].concat()
    };
    chunks.iter().enumerate().map(fragment).collect()
}

fn h265_payloads(unit: &[u8]) -> Pictures {
    if unit.len() <= PAYLOAD_BYTES {
        return vec![unit.to_vec()];
    }
    let chunks: Vec<&[u8]> = unit[2..].chunks(PAYLOAD_BYTES).collect();
    let fragment = |(place, chunk): (usize, &&[u8])| {
        let (first, last) = ends(place, chunks.len());
        let head = u8::from(first) << 7 | u8::from(last) << 6 | unit[0] >> 1 & 0x3f;
        [&[unit[0] & 0x81 | 49 << 1, unit[1], head], *chunk].concat()
    };
    chunks.iter().enumerate().map(fragment).collect()
}

fn vp9_payloads(picture: &[u8]) -> Pictures {
    let predicted = u8::from(!vp9::is_key_frame(picture)) << 6;
    let chunks: Vec<&[u8]> = picture.chunks(PAYLOAD_BYTES).collect();
    let payload = |(place, chunk): (usize, &&[u8])| {
        let (first, last) = ends(place, chunks.len());
        [
            &[predicted | u8::from(first) << 3 | u8::from(last) << 2],
            *chunk,
        ]
        .concat()
    };
    chunks.iter().enumerate().map(payload).collect()
}

/// Packets of one element each.
fn av1_payloads(picture: &[u8]) -> Pictures {
    let mut payloads = Vec::new();
    let mut rest = picture;
    while let [header, after @ ..] = rest {
        let (mut size, mut length) = (0, 0);
        for byte in after {
            size |= usize::from(byte & 0x7f) << (7 * length);
            length += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let (unit, next) = rest.split_at(1 + length + size);
        rest = next;
        if header >> 3 & 0x0f == 2 {
            continue;
        }
        let chunks: Vec<&[u8]> = unit.chunks(PAYLOAD_BYTES).collect();
        for (place, chunk) in chunks.iter().enumerate() {
            let (first, last) = ends(place, chunks.len());
            let head = u8::from(!first) << 7 | u8::from(!last) << 6 | 0x10;
            payloads.push([&[head], *chunk].concat());
        }
    }
    payloads
}
