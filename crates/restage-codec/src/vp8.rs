//! VP8: the frame header (RFC 6386 §9.1) and the payload descriptor before it in RTP packets (RFC 7741 §4.2).

use crate::PictureSize;
use crate::picture::{FramePlace, NewNumbers, PictureId, PictureNumbers};

/// Whether a decoder can start with this frame: its P bit is clear.
pub fn is_key_frame(frame: &[u8]) -> bool {
    frame.first().is_some_and(|tag| tag & 1 == 0)
}

/// Size of the picture, which only key frames carry: after three bytes of frame tag and a start code, in 14 bits each.
pub fn picture_size(frame: &[u8]) -> Option<PictureSize> {
    let [_, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..] = frame else {
        return None;
    };
    // The upper two bits of each side say how a player may scale.
    let side = |low: &u8, high: &u8| u32::from(u16::from_le_bytes([*low, *high]) & 0x3fff);
    is_key_frame(frame).then_some(PictureSize {
        width: side(w0, w1),
        height: side(h0, h1),
    })
}

/// The payload descriptor of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptor {
    /// Bytes of the descriptor: what follows is the frame.
    pub length: usize,
    /// The packet begins a partition (S).
    pub starts_partition: bool,
    /// Index of the partition (PID).
    pub partition: u8,
    /// Temporal layer of the frame (TID), 0 where there is one.
    pub temporal: u8,
    /// The frame uses the newest frame of temporal layer 0 and no other of upper layers (Y).
    pub is_sync: bool,
    /// The numbers that it carries.
    pub numbers: PictureNumbers,
}

impl Descriptor {
    /// Reads the descriptor at the beginning of a payload. `None` if it is cut short.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let mut reader = payload.iter().copied();
        let first = reader.next()?;
        let mut numbers = PictureNumbers::default();
        let (mut temporal, mut is_sync) = (0, false);
        if first & 0x80 != 0 {
            let extension = reader.next()?;
            if extension & 0x80 != 0 {
                numbers.picture_id = Some(PictureId::read(&mut reader)?);
            }
            if extension & 0x40 != 0 {
                numbers.tl0_pic_idx = Some(reader.next()?);
            }
            if extension & 0x30 != 0 {
                let byte = reader.next()?;
                if extension & 0x20 != 0 {
                    temporal = byte >> 6;
                    is_sync = byte & 0x20 != 0;
                }
                if extension & 0x10 != 0 {
                    numbers.key_idx = Some(byte & 0x1f);
                }
            }
        }
        Some(Self {
            length: payload.len() - reader.len(),
            starts_partition: first & 0x10 != 0,
            partition: first & 0x07,
            temporal,
            is_sync,
            numbers,
        })
    }
}

/// Whether the descriptor at the beginning of a payload says which temporal layer its frame has (T).
pub fn has_layer(payload: &[u8]) -> bool {
    matches!(payload, [first, extension, ..] if first & 0x80 != 0 && extension & 0x20 != 0)
}

/// Where the frame of a packet stands among those of its encoding. `None` if the descriptor is cut short.
pub fn frame_place(payload: &[u8]) -> Option<FramePlace> {
    let descriptor = Descriptor::parse(payload)?;
    Some(FramePlace {
        temporal: descriptor.temporal,
        is_sync: descriptor.is_sync,
        starts: descriptor.starts_partition && descriptor.partition == 0,
        numbers: descriptor.numbers,
        ..FramePlace::default()
    })
}

/// Overwrites the numbers that the descriptor at the beginning of `payload` has.
pub fn write_numbers(payload: &mut [u8], numbers: &NewNumbers) {
    let (Some(&first), Some(&extension)) = (payload.first(), payload.get(1)) else {
        return;
    };
    if first & 0x80 == 0 {
        return;
    }
    let mut at = 2;
    if extension & 0x80 != 0 {
        let Some(length) = numbers.write_picture_id(payload, at) else {
            return;
        };
        at += length;
    }
    if extension & 0x40 != 0 {
        if let Some(byte) = payload.get_mut(at) {
            *byte = numbers.tl0_pic_idx;
        }
        at += 1;
    }
    if extension & 0x10 != 0
        && let Some(byte) = payload.get_mut(at)
    {
        *byte = *byte & 0xe0 | numbers.key_idx & 0x1f;
    }
}

/// Whether a packet begins a key frame: the first packet of partition 0 of a frame whose P bit is clear (RFC 7741 §4.3).
pub fn starts_key_frame(payload: &[u8]) -> bool {
    let Some(descriptor) = Descriptor::parse(payload) else {
        return false;
    };
    descriptor.starts_partition
        && descriptor.partition == 0
        && payload.get(descriptor.length..).is_some_and(is_key_frame)
}

/// Size of the picture that the first packet of a key frame begins; `None` if the packet does not say it.
pub fn size_in_packet(payload: &[u8]) -> Option<PictureSize> {
    let length = Descriptor::parse(payload)?.length;
    picture_size(payload.get(length..)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_says_the_layer_or_not() {
        for (payload, has) in [
            (&[0x90, 0xe0, 0x11, 0x22, 0x40, 0x00][..], true),
            (&[0x90, 0x20, 0x40, 0x00], true),
            (&[0x90, 0x80, 0x11, 0x00], false),
            (&[0x90, 0x10, 0x05, 0x00], false),
            (&[0x10, 0xe0, 0x11], false),
            (&[0x90], false),
            (&[], false),
        ] {
            assert_eq!(has_layer(payload), has, "{payload:02x?}");
        }
    }

    #[test]
    fn every_optional_field_is_read() {
        let payload = [0x90, 0xf0, 0x92, 0x34, 0x56, 0x65, 0x00];
        assert_eq!(
            Descriptor::parse(&payload),
            Some(Descriptor {
                length: 6,
                starts_partition: true,
                partition: 0,
                temporal: 1,
                is_sync: true,
                numbers: PictureNumbers {
                    picture_id: Some(PictureId {
                        value: 0x1234,
                        is_wide: true
                    }),
                    tl0_pic_idx: Some(0x56),
                    key_idx: Some(5),
                },
            })
        );
        assert!(starts_key_frame(&payload));
    }

    #[test]
    fn narrow_picture_ids_and_plain_descriptors() {
        let descriptor = Descriptor::parse(&[0x80, 0x80, 0x12, 0x00]).unwrap();
        assert_eq!(
            descriptor.numbers.picture_id,
            Some(PictureId {
                value: 0x12,
                is_wide: false
            })
        );
        let descriptor = Descriptor::parse(&[0x10, 0x01]).unwrap();
        assert_eq!(
            (descriptor.length, descriptor.numbers.picture_id),
            (1, None)
        );
    }

    #[test]
    fn a_frame_says_its_temporal_layer_and_where_it_begins() {
        let place = |payload: &[u8]| {
            let place = frame_place(payload).unwrap();
            (place.temporal, place.is_sync, place.starts)
        };
        // X and S; T alone; temporal layer 2 with Y.
        assert_eq!(place(&[0x90, 0x20, 0xa0, 0x01]), (2, true, true));
        assert_eq!(place(&[0x80, 0x20, 0x40, 0x01]), (1, false, false));
        // K alone: the same bits mean nothing.
        assert_eq!(place(&[0x90, 0x10, 0xa0, 0x01]), (0, false, true));
        assert_eq!(place(&[0x91, 0x20, 0x80]), (2, false, false), "partition 1");
        assert_eq!(place(&[0x10, 0x00]), (0, false, true), "no layers");
        assert_eq!(frame_place(&[0x90, 0x20]), None, "cut short");
    }

    #[test]
    fn only_the_first_packet_of_an_intra_picture_starts_a_key_frame() {
        assert!(starts_key_frame(&[0x10, 0x00]));
        assert!(!starts_key_frame(&[0x10, 0x01]), "inter picture");
        assert!(!starts_key_frame(&[0x00, 0x00]), "continuation");
        assert!(!starts_key_frame(&[0x11, 0x00]), "partition 1");
        assert!(!starts_key_frame(&[0x10]), "no payload header");
    }

    #[test]
    fn truncation_anywhere_is_not_a_descriptor() {
        let payload = [0x90, 0xf0, 0x92, 0x34, 0x56, 0x65];
        for end in 0..payload.len() {
            assert_eq!(Descriptor::parse(&payload[..end]), None, "{end} bytes");
        }
    }

    #[test]
    fn key_frames_carry_the_size() {
        let frame = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x42, 0x68, 0x01];
        let size = PictureSize {
            width: 640,
            height: 360,
        };
        assert_eq!(picture_size(&frame), Some(size), "without the scaling bits");
        assert_eq!(picture_size(&frame[..9]), None);
        let mut packet = vec![0x10];
        packet.extend(frame);
        assert_eq!(size_in_packet(&packet), Some(size));
        let inter = [0x11, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 2, 0x68, 1];
        assert_eq!(picture_size(&inter), None);
        let other = [0x10, 0, 0, 1, 2, 3, 0x80, 2, 0x68, 1];
        assert_eq!(picture_size(&other), None, "no start code");
        assert!(is_key_frame(&frame) && !is_key_frame(&[]) && !is_key_frame(&[1]));
    }

    #[test]
    fn fields_are_overwritten_in_place() {
        let numbers = NewNumbers {
            picture_id: 0x1234,
            tl0_pic_idx: 9,
            key_idx: 3,
        };
        let mut wide = [0x90, 0xf0, 0x80, 0x01, 0x05, 0x60, 0x00];
        write_numbers(&mut wide, &numbers);
        let read = Descriptor::parse(&wide).unwrap().numbers;
        assert_eq!(read.picture_id.unwrap().value, 0x1234);
        assert_eq!((read.tl0_pic_idx, read.key_idx), (Some(9), Some(3)));
        assert_eq!(wide[5], 0x63, "the temporal layer stays");
        let mut narrow = [0x90, 0x80, 0x11, 0x00];
        write_numbers(&mut narrow, &numbers);
        assert_eq!(narrow, [0x90, 0x80, 0x34, 0x00]);
    }

    #[test]
    fn no_descriptor_makes_writing_panic() {
        let numbers = NewNumbers {
            picture_id: 1,
            tl0_pic_idx: 9,
            key_idx: 3,
        };
        for length in 0..7 {
            for extension in 0..=255_u8 {
                for wide in [0, 0x80] {
                    let mut payload = [0x90, extension, wide, 1, 2, 3, 4];
                    write_numbers(&mut payload[..length], &numbers);
                }
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_and_numbers_are_read_as_they_were_written(
            mut payload in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..20),
            id in 0..0x80_u16, tl0: u8, key in 0..0x20_u8,
        ) {
            let _ = (starts_key_frame(&payload), size_in_packet(&payload), picture_size(&payload));
            let before = Descriptor::parse(&payload);
            let place_before = frame_place(&payload);
            let numbers = NewNumbers {
                picture_id: id,
                tl0_pic_idx: tl0,
                key_idx: key,
            };
            write_numbers(&mut payload, &numbers);
            let layer = |place: Option<FramePlace>| place.map(|place| (place.temporal, place.is_sync, place.starts));
            assert_eq!(layer(frame_place(&payload)), layer(place_before), "the layer stays");
            if let Some(before) = before {
                let after = Descriptor::parse(&payload).unwrap();
                assert_eq!(after.length, before.length);
                let (before, after) = (before.numbers, after.numbers);
                assert_eq!(
                    after.picture_id.map(|id| (id.value, id.is_wide)),
                    before.picture_id.map(|before| (id, before.is_wide))
                );
                assert_eq!(after.tl0_pic_idx, before.tl0_pic_idx.map(|_| tl0));
                assert_eq!(after.key_idx, before.key_idx.map(|_| key));
            }
        }
    }
}
