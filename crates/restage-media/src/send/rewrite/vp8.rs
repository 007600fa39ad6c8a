//! Continuous VP8 picture ids, TL0PICIDX and KEYIDX across layers and feeds (RFC 7741 §4.2).

use restage_codec::vp8::{Descriptor, DescriptorNumbers};

const WIDE: u16 = 0x7fff;
const NARROW: u16 = 0x7f;
const KEY_IDX: u8 = 0x1f;

/// Adds a constant to each field of an encoding, chosen at the switch so that the fields go on by one.
#[derive(Debug, Default)]
pub(crate) struct Vp8Rewriter {
    picture_id_offset: u16,
    tl0_offset: u8,
    key_offset: u8,
    /// The newest picture id sent, with 15 bits.
    picture_id: Option<u16>,
    tl0: Option<u8>,
    key: Option<u8>,
}

impl Vp8Rewriter {
    /// Starts an encoding whose first packet has this descriptor.
    pub(crate) fn switch(&mut self, descriptor: &Descriptor) {
        self.picture_id_offset = match (self.picture_id, descriptor.picture_id) {
            (Some(last), Some(next)) => last.wrapping_add(1).wrapping_sub(next.value) & WIDE,
            _ => 0,
        };
        self.tl0_offset = match (self.tl0, descriptor.tl0_pic_idx) {
            (Some(last), Some(next)) => last.wrapping_add(1).wrapping_sub(next),
            _ => 0,
        };
        self.key_offset = match (self.key, descriptor.key_idx) {
            (Some(last), Some(next)) => last.wrapping_add(1).wrapping_sub(next) & KEY_IDX,
            _ => 0,
        };
    }

    /// The fields to write into this packet; `None` if they are unchanged.
    pub(crate) fn forward(&mut self, descriptor: &Descriptor) -> Option<DescriptorNumbers> {
        let picture_id = descriptor.picture_id.map(|id| {
            let value = id.value.wrapping_add(self.picture_id_offset) & WIDE;
            if self.picture_id.is_none_or(|newest| is_newer(value, newest)) {
                self.picture_id = Some(value);
            }
            // A 7-bit field cannot be widened without moving the payload; receivers compare only 7 bits then.
            if id.is_wide { value } else { value & NARROW }
        });
        let tl0_pic_idx = descriptor.tl0_pic_idx.map(|idx| {
            let value = idx.wrapping_add(self.tl0_offset);
            if self
                .tl0
                .is_none_or(|newest| value.wrapping_sub(newest) < 0x80)
            {
                self.tl0 = Some(value);
            }
            value
        });
        let key_idx = descriptor.key_idx.map(|idx| {
            let value = idx.wrapping_add(self.key_offset) & KEY_IDX;
            if self
                .key
                .is_none_or(|newest| value.wrapping_sub(newest) & KEY_IDX < 0x10)
            {
                self.key = Some(value);
            }
            value
        });
        let is_changed =
            self.picture_id_offset != 0 || self.tl0_offset != 0 || self.key_offset != 0;
        is_changed.then_some(DescriptorNumbers {
            picture_id,
            tl0_pic_idx,
            key_idx,
        })
    }
}

fn is_newer(value: u16, than: u16) -> bool {
    value.wrapping_sub(than) & WIDE < 0x4000
}

#[cfg(test)]
mod tests {
    use restage_codec::vp8::PictureId;

    use super::*;

    fn descriptor(picture_id: u16, tl0: u8, key: u8) -> Descriptor {
        Descriptor {
            length: 6,
            starts_partition: true,
            partition: 0,
            picture_id: Some(PictureId {
                value: picture_id,
                is_wide: true,
            }),
            tl0_pic_idx: Some(tl0),
            key_idx: Some(key),
        }
    }

    fn numbers(picture_id: u16, tl0: u8, key: u8) -> Option<DescriptorNumbers> {
        Some(DescriptorNumbers {
            picture_id: Some(picture_id),
            tl0_pic_idx: Some(tl0),
            key_idx: Some(key),
        })
    }

    #[test]
    fn the_first_source_is_left_alone() {
        let mut rewriter = Vp8Rewriter::default();
        rewriter.switch(&descriptor(300, 7, 2));
        assert_eq!(rewriter.forward(&descriptor(300, 7, 2)), None);
        assert_eq!(rewriter.forward(&descriptor(301, 8, 2)), None);
    }

    #[test]
    fn a_switch_goes_on_by_one_in_every_field() {
        let mut rewriter = Vp8Rewriter::default();
        rewriter.switch(&descriptor(300, 7, 2));
        rewriter.forward(&descriptor(300, 7, 2));
        rewriter.forward(&descriptor(305, 9, 2));
        rewriter.switch(&descriptor(12_000, 200, 30));
        assert_eq!(
            rewriter.forward(&descriptor(12_000, 200, 30)),
            numbers(306, 10, 3)
        );
        assert_eq!(
            rewriter.forward(&descriptor(12_002, 201, 30)),
            numbers(308, 11, 3)
        );
        // A late packet of the picture in between.
        assert_eq!(
            rewriter.forward(&descriptor(12_001, 200, 30)),
            numbers(307, 10, 3)
        );
        rewriter.switch(&descriptor(0, 0, 0));
        assert_eq!(rewriter.forward(&descriptor(0, 0, 0)), numbers(309, 12, 4));
    }

    #[test]
    fn fields_wrap_at_their_widths() {
        let mut rewriter = Vp8Rewriter::default();
        rewriter.switch(&descriptor(0x7fff, 255, 31));
        rewriter.forward(&descriptor(0x7fff, 255, 31));
        rewriter.switch(&descriptor(500, 50, 5));
        assert_eq!(rewriter.forward(&descriptor(500, 50, 5)), numbers(0, 0, 0));
        assert_eq!(rewriter.forward(&descriptor(501, 51, 5)), numbers(1, 1, 0));
    }

    #[test]
    fn the_newest_is_tracked_across_the_wrap_within_a_source() {
        let mut rewriter = Vp8Rewriter::default();
        rewriter.switch(&descriptor(0x7ffe, 254, 1));
        for id in [0x7ffe, 0x7fff, 0, 1] {
            rewriter.forward(&descriptor(id, 0, 1));
        }
        rewriter.switch(&descriptor(77, 9, 9));
        assert_eq!(
            rewriter.forward(&descriptor(77, 9, 9)).unwrap().picture_id,
            Some(2)
        );
    }

    #[test]
    fn narrow_ids_keep_seven_bits() {
        let narrow = |value| Descriptor {
            picture_id: Some(PictureId {
                value,
                is_wide: false,
            }),
            tl0_pic_idx: None,
            key_idx: None,
            ..descriptor(0, 0, 0)
        };
        let mut rewriter = Vp8Rewriter::default();
        rewriter.switch(&narrow(127));
        rewriter.forward(&narrow(127));
        rewriter.switch(&narrow(40));
        assert_eq!(rewriter.forward(&narrow(40)).unwrap().picture_id, Some(0));
        assert_eq!(rewriter.forward(&narrow(41)).unwrap().picture_id, Some(1));
    }

    #[test]
    fn a_source_without_the_fields_is_left_alone() {
        let bare = Descriptor {
            picture_id: None,
            tl0_pic_idx: None,
            key_idx: None,
            ..descriptor(0, 0, 0)
        };
        let mut rewriter = Vp8Rewriter::default();
        rewriter.switch(&descriptor(5, 5, 5));
        rewriter.forward(&descriptor(5, 5, 5));
        rewriter.switch(&bare);
        assert_eq!(rewriter.forward(&bare), None);
    }
}
