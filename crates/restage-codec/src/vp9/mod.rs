//! VP9: the frame header (VP9 Bitstream & Decoding Process Specification §6.2) and the payload descriptor before it in RTP packets
//! (RFC 9628 §4.2).

mod depacketise;
mod key_frame;

pub use depacketise::{Picture, depacketise};
pub use key_frame::{KeyFrameHeader, is_key_frame, picture_size};

use crate::PictureSize;
use crate::picture::{FramePlace, NewNumbers, PictureId, PictureNumbers};

/// References of a picture in flexible mode (RFC 9628 §4.2, `P_DIFF`).
const REFERENCES_MAX: usize = 3;
/// Spatial layers whose sizes are read. VP9 can have eight; nobody sends more than these.
pub const SPATIAL_LAYERS_MAX: usize = 4;

/// The payload descriptor of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptor {
    /// Bytes of the descriptor: what follows is the frame.
    pub length: usize,
    /// The packet begins a frame of a layer (B).
    pub starts_frame: bool,
    /// The packet ends a frame of a layer (E).
    pub ends_frame: bool,
    /// The frame uses earlier pictures (P).
    pub is_predicted: bool,
    /// Spatial layer of the frame (SID), 0 where there is one.
    pub spatial: u8,
    /// Temporal layer of the frame (TID), 0 where there is one.
    pub temporal: u8,
    /// Later frames of higher temporal layers use none of these from before this picture (U).
    pub is_switching_point: bool,
    /// No frame of a higher spatial layer uses this one, in this picture or a later one (Z).
    pub is_unused_above: bool,
    /// How many spatial layers there are (N_S + 1). `None` where it does not say so.
    pub spatial_layers: Option<u8>,
    /// The numbers that it carries.
    pub numbers: PictureNumbers,
    /// The sizes that it gives for the spatial layers (V), the lowest first. `None` where it gives none.
    pub sizes: [Option<PictureSize>; SPATIAL_LAYERS_MAX],
}

impl Descriptor {
    /// Reads the descriptor at the beginning of a payload. `None` if it is cut short or not allowed.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let mut reader = payload.iter().copied();
        let first = reader.next()?;
        let has = |bit: u8| first & bit != 0;
        let (is_predicted, has_layers, is_flexible) = (has(0x40), has(0x20), has(0x10));
        let mut numbers = PictureNumbers::default();
        let (mut spatial, mut temporal, mut is_switching_point) = (0, 0, false);
        if has(0x80) {
            numbers.picture_id = Some(PictureId::read(&mut reader)?);
        }
        if has_layers {
            let layer = reader.next()?;
            (temporal, spatial) = (layer >> 5, layer >> 1 & 0x07);
            is_switching_point = layer & 0x10 != 0;
            if !is_flexible {
                numbers.tl0_pic_idx = Some(reader.next()?);
            }
        }
        if is_flexible && is_predicted {
            let mut more = true;
            for _ in 0..REFERENCES_MAX {
                if more {
                    more = reader.next()? & 1 != 0;
                }
            }
            if more {
                return None;
            }
        }
        let (spatial_layers, sizes) = match has(0x02) {
            true => {
                let structure = read_structure(&mut reader)?;
                (Some(structure.layers), structure.sizes)
            }
            false => Default::default(),
        };
        Some(Self {
            length: payload.len() - reader.len(),
            starts_frame: has(0x08),
            ends_frame: has(0x04),
            is_predicted,
            spatial,
            temporal,
            is_switching_point,
            is_unused_above: has(0x01),
            spatial_layers,
            numbers,
            sizes,
        })
    }

    /// The largest of the sizes.
    fn size(&self) -> Option<PictureSize> {
        let sizes = self.sizes.iter().flatten().copied();
        sizes.max_by_key(|size| size.pixels())
    }
}

/// Where the frame of a packet stands among those of its encoding. `None` if the descriptor is cut short or not allowed.
pub fn frame_place(payload: &[u8]) -> Option<FramePlace> {
    let descriptor = Descriptor::parse(payload)?;
    Some(FramePlace {
        spatial: descriptor.spatial,
        temporal: descriptor.temporal,
        is_sync: false,
        opens: descriptor.is_switching_point,
        // A key frame is where every receiver begins, whatever it is shown.
        is_alone: descriptor.is_predicted && descriptor.is_unused_above,
        layers: descriptor.spatial_layers.unwrap_or_default(),
        starts: descriptor.starts_frame,
        ends: descriptor.ends_frame,
        numbers: descriptor.numbers,
    })
}

/// The sizes of the spatial layers, the lowest first, if a packet says them.
pub fn layer_sizes(payload: &[u8]) -> [Option<PictureSize>; SPATIAL_LAYERS_MAX] {
    Descriptor::parse(payload).map_or_else(Default::default, |descriptor| descriptor.sizes)
}

/// What is read of a scalability structure.
struct Structure {
    layers: u8,
    sizes: [Option<PictureSize>; SPATIAL_LAYERS_MAX],
}

/// The scalability structure (RFC 9628 §4.2.1).
fn read_structure(reader: &mut impl Iterator<Item = u8>) -> Option<Structure> {
    let head = reader.next()?;
    let mut sizes = [None; SPATIAL_LAYERS_MAX];
    if head & 0x10 != 0 {
        for layer in 0..=head >> 5 {
            let mut side = || {
                Some(u32::from(u16::from_be_bytes([
                    reader.next()?,
                    reader.next()?,
                ])))
            };
            let size = PictureSize {
                width: side()?,
                height: side()?,
            };
            if let Some(place) = sizes.get_mut(usize::from(layer)) {
                *place = Some(size).filter(|size| size.pixels() > 0);
            }
        }
    }
    if head & 0x08 != 0 {
        for _ in 0..reader.next()? {
            let references = reader.next()? >> 2 & 0x03;
            for _ in 0..references {
                reader.next()?;
            }
        }
    }
    Some(Structure {
        layers: (head >> 5) + 1,
        sizes,
    })
}

/// Overwrites the numbers that the descriptor at the beginning of `payload` has.
pub fn write_numbers(payload: &mut [u8], numbers: &NewNumbers) {
    let Some(&first) = payload.first() else {
        return;
    };
    let mut at = 1;
    if first & 0x80 != 0 {
        let Some(length) = numbers.write_picture_id(payload, at) else {
            return;
        };
        at += length;
    }
    // TL0PICIDX follows the layer's byte, except in flexible mode.
    if first & 0x30 == 0x20
        && let Some(byte) = payload.get_mut(at + 1)
    {
        *byte = numbers.tl0_pic_idx;
    }
}

/// Whether a packet begins a key frame: the first packet of the lowest spatial layer, whose descriptor and frame header both say
/// that the frame uses no other (RFC 9628 §4.2).
pub fn starts_key_frame(payload: &[u8]) -> bool {
    key_start(payload).is_some()
}

/// Size of the picture that the first packet of a key frame begins: that of the largest spatial layer, as far as the packet says it.
pub fn size_in_packet(payload: &[u8]) -> Option<PictureSize> {
    let (descriptor, frame) = key_start(payload)?;
    descriptor.size().or_else(|| picture_size(frame))
}

fn key_start(payload: &[u8]) -> Option<(Descriptor, &[u8])> {
    let descriptor = Descriptor::parse(payload)?;
    if !descriptor.starts_frame || descriptor.is_predicted || descriptor.spatial != 0 {
        return None;
    }
    let frame = payload.get(descriptor.length..)?;
    is_key_frame(frame).then_some((descriptor, frame))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: PictureSize = PictureSize {
        width: 640,
        height: 360,
    };
    /// The header of a key frame of profile 0: 640 by 360.
    const KEY: [u8; 9] = [0x82, 0x49, 0x83, 0x42, 0x20, 0x27, 0xf0, 0x16, 0x70];
    /// A frame of profile 0 that builds on others.
    const DELTA: [u8; 2] = [0x86, 0];

    #[test]
    fn every_optional_field_is_read() {
        // I, L and B; a wide picture id; temporal layer 1, spatial layer 2, TL0PICIDX.
        let payload = [0xa8, 0x92, 0x34, 0x34, 0x56, 0];
        let descriptor = Descriptor::parse(&payload).unwrap();
        assert_eq!((descriptor.length, descriptor.spatial), (5, 2));
        assert!(descriptor.starts_frame && !descriptor.is_predicted);
        let id = descriptor.numbers.picture_id.unwrap();
        assert_eq!((id.value, id.is_wide), (0x1234, true));
        assert_eq!(descriptor.numbers.tl0_pic_idx, Some(0x56));
        // I, P, L, F and B: no TL0PICIDX, two references.
        let flexible = Descriptor::parse(&[0xf8, 0x12, 0x00, 0x03, 0x04, 0]).unwrap();
        assert_eq!((flexible.length, flexible.spatial), (5, 0));
        assert!(flexible.is_predicted && flexible.numbers.tl0_pic_idx.is_none());
        // A fourth reference is not allowed.
        assert_eq!(Descriptor::parse(&[0x50, 3, 3, 3, 2, 0]), None);
        // V with two sizes and a group of two pictures, of which one has two references.
        let structure = [
            0x0a, 0x38, 0x01, 0x40, 0x00, 0xb4, 0x02, 0x80, 0x01, 0x68, 2, 0x00, 0x08, 1, 2, 0xff,
        ];
        let descriptor = Descriptor::parse(&structure).unwrap();
        assert_eq!((descriptor.length, descriptor.size()), (15, Some(SIZE)));
        assert_eq!(descriptor.spatial_layers, Some(2));
        let small = PictureSize {
            width: 320,
            height: 180,
        };
        assert_eq!(
            layer_sizes(&structure),
            [Some(small), Some(SIZE), None, None]
        );
        for end in 0..15 {
            assert_eq!(Descriptor::parse(&structure[..end]), None, "{end} bytes");
        }
    }

    #[test]
    fn a_frame_says_its_layers_and_where_it_begins_and_ends() {
        // L and E; temporal layer 2, a switching point, spatial layer 1; TL0PICIDX.
        let place = frame_place(&[0x24, 0x52, 7, 0]).unwrap();
        assert_eq!((place.spatial, place.temporal), (1, 2));
        assert!(place.opens && place.ends && !place.starts && !place.is_sync);
        assert!(!place.is_alone && place.layers == 0);
        for (first, is_alone) in [(0x65, true), (0x25, false), (0x64, false)] {
            let place = frame_place(&[first, 0x52, 7, 0]).unwrap();
            assert_eq!(place.is_alone, is_alone, "{first:#x}: P and Z");
        }
        assert_eq!(place.numbers.tl0_pic_idx, Some(7));
        let plain = frame_place(&[0x08, 0]).unwrap();
        assert_eq!((plain.spatial, plain.temporal), (0, 0));
        assert!(plain.starts && !plain.ends && !plain.opens);
        assert_eq!(frame_place(&[0x24, 0x52]), None, "cut short");
    }

    #[test]
    fn key_frames_carry_the_size() {
        assert!(is_key_frame(&KEY));
        assert_eq!(picture_size(&KEY), Some(SIZE));
        let header = KeyFrameHeader::parse(&KEY).unwrap();
        let expected = KeyFrameHeader {
            profile: 0,
            bit_depth: 8,
            is_subsampled_x: true,
            is_subsampled_y: true,
            color_space: 1,
            is_full_range: false,
            size: SIZE,
        };
        assert_eq!(header, expected);
        assert_eq!(picture_size(&KEY[..8]), None, "cut short");
        assert!(!is_key_frame(&DELTA) && !is_key_frame(&[]) && !is_key_frame(&[0x02]));
        // show_existing_frame
        assert!(!is_key_frame(&[0x88]));
        // Profile 2 has a bit for its depth, profile 1 has its subsampling, profile 3 a reserved bit as well.
        let size = |bits: &str| {
            let bits: Vec<u8> = bits.bytes().filter(|bit| *bit != b' ').collect();
            let byte = |bits: &[u8]| bits.iter().fold(0, |byte, bit| byte << 1 | (bit - b'0'));
            let frame: Vec<u8> = bits.chunks_exact(8).map(byte).collect();
            picture_size(&frame)
        };
        let (sync, sides) = (
            "010010011000001101000010",
            "0000001001111111 0000000101100111 00000000",
        );
        assert_eq!(
            size(&format!("10 01 0 0 1 0 {sync} 0 001 0 {sides}")),
            Some(SIZE)
        );
        assert_eq!(
            size(&format!("10 10 0 0 1 0 {sync} 001 0 000 {sides}")),
            Some(SIZE)
        );
        assert_eq!(
            size(&format!("10 10 0 0 1 0 {sync} 111 0 {sides}")),
            Some(SIZE)
        );
        assert_eq!(
            size(&format!("10 11 0 0 0 1 0 {sync} 0 001 0 000 {sides}")),
            Some(SIZE)
        );
        assert_eq!(
            size(&format!(
                "10 00 0 0 1 0 {} 001 0 {sides}",
                sync.replace('1', "0")
            )),
            None
        );
    }

    #[test]
    fn only_the_first_packet_of_the_lowest_layer_of_an_intra_picture_starts_a_key_frame() {
        let packet = |descriptor: &[u8], frame: &[u8]| [descriptor, frame].concat();
        assert!(starts_key_frame(&packet(&[0x08], &KEY)));
        assert_eq!(size_in_packet(&packet(&[0x08], &KEY)), Some(SIZE));
        for (descriptor, frame, why) in [
            (&[0x00][..], &KEY[..], "continuation"),
            (&[0x48], &KEY, "the descriptor says that it is predicted"),
            (&[0x08], &DELTA, "the frame says that it is predicted"),
            (&[0x28, 0x02, 1], &KEY, "a higher spatial layer"),
            (&[0x08], &[], "no frame"),
        ] {
            assert!(!starts_key_frame(&packet(descriptor, frame)), "{why}");
        }
        let structure = [0x0a, 0x10, 0x05, 0x00, 0x02, 0xd0];
        let larger = size_in_packet(&packet(&structure, &KEY)).unwrap();
        assert_eq!(
            (larger.width, larger.height),
            (1_280, 720),
            "the structure's"
        );
    }

    #[test]
    fn fields_are_overwritten_in_place() {
        let numbers = NewNumbers {
            picture_id: 0x1234,
            tl0_pic_idx: 9,
            key_idx: 3,
        };
        let mut wide = [0xa8, 0x80, 0x01, 0x00, 0x05, 0x77];
        write_numbers(&mut wide, &numbers);
        assert_eq!(wide, [0xa8, 0x92, 0x34, 0x00, 9, 0x77]);
        let mut narrow = [0x88, 0x11, 0x77];
        write_numbers(&mut narrow, &numbers);
        assert_eq!(narrow, [0x88, 0x34, 0x77]);
        let mut flexible = [0xb8, 0x11, 0x00, 0x77];
        write_numbers(&mut flexible, &numbers);
        assert_eq!(flexible, [0xb8, 0x34, 0x00, 0x77]);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_and_numbers_are_read_as_they_were_written(
            mut payload in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40),
            id in 0..0x80_u16, tl0: u8,
        ) {
            let _ = (starts_key_frame(&payload), size_in_packet(&payload), picture_size(&payload));
            let before = Descriptor::parse(&payload);
            let numbers = NewNumbers { picture_id: id, tl0_pic_idx: tl0, key_idx: 0 };
            write_numbers(&mut payload, &numbers);
            if let Some(before) = before {
                let after = Descriptor::parse(&payload).unwrap();
                assert_eq!(after.length, before.length);
                let (before, after) = (before.numbers, after.numbers);
                assert_eq!(
                    after.picture_id.map(|id| (id.value, id.is_wide)),
                    before.picture_id.map(|before| (id, before.is_wide))
                );
                assert_eq!(after.tl0_pic_idx, before.tl0_pic_idx.map(|_| tl0));
            }
        }
    }
}
