//! Continuous picture ids, TL0PICIDX and KEYIDX across layers and feeds (VP8: RFC 7741 §4.2, VP9: RFC 9628 §4.2).

use restage_codec::{NewNumbers, PictureId, PictureNumbers};

use super::numbering::Numbering;

const WIDE: u16 = 0x7fff;
const NARROW: u16 = 0x7f;
const KEY_IDX: u8 = 0x1f;
/// What is added to the first picture id of an encoding, so that ids of earlier pictures are positive numbers: a multiple of every width.
const BASE: u64 = 1 << 32;

/// Numbers the pictures anew: ids go on by one across encodings and where pictures are left out. To the other fields of an encoding a
/// constant is added, chosen at the switch so that they go on by one.
#[derive(Debug, Default)]
pub(crate) struct PictureRewriter {
    ids: Numbering,
    /// The newest picture id of the present encoding, extended without wrap-around.
    newest: u64,
    /// A picture id has been sent.
    has_id: bool,
    tl0_offset: u8,
    key_offset: u8,
    tl0: Option<u8>,
    key: Option<u8>,
}

impl PictureRewriter {
    /// Starts an encoding whose first packet has these numbers.
    pub(crate) fn switch(&mut self, numbers: &PictureNumbers) {
        if let Some(id) = numbers.picture_id {
            self.newest = BASE + u64::from(id.value);
            if !self.has_id {
                // The first ids are left as they are.
                self.ids = Numbering::after(self.newest - 1);
                self.has_id = true;
            }
            self.ids.switch(self.newest);
        }
        self.tl0_offset = match (self.tl0, numbers.tl0_pic_idx) {
            (Some(last), Some(next)) => last.wrapping_add(1).wrapping_sub(next),
            _ => 0,
        };
        self.key_offset = match (self.key, numbers.key_idx) {
            (Some(last), Some(next)) => last.wrapping_add(1).wrapping_sub(next) & KEY_IDX,
            _ => 0,
        };
    }

    /// A picture with these numbers is left out: later ones move down by one.
    pub(crate) fn skip(&mut self, numbers: &PictureNumbers) {
        if let Some(id) = numbers.picture_id {
            let id = self.extend(id);
            self.ids.skip(id, false);
        }
    }

    /// The numbers to write into a packet with these; `None` if they are unchanged.
    pub(crate) fn forward(&mut self, numbers: &PictureNumbers) -> Option<NewNumbers> {
        let mut is_changed = self.tl0_offset != 0 || self.key_offset != 0;
        let picture_id = numbers.picture_id.map_or(0, |id| {
            let came = self.extend(id);
            // A 7-bit field cannot be widened without moving the payload; receivers compare only 7 bits then.
            let mask = if id.is_wide { WIDE } else { NARROW };
            let value = self.ids.forward(came).unwrap_or(came) as u16 & mask;
            is_changed |= value != id.value;
            value
        });
        let tl0_pic_idx = numbers.tl0_pic_idx.map_or(0, |idx| {
            let value = idx.wrapping_add(self.tl0_offset);
            if self
                .tl0
                .is_none_or(|newest| value.wrapping_sub(newest) < 0x80)
            {
                self.tl0 = Some(value);
            }
            value
        });
        let key_idx = numbers.key_idx.map_or(0, |idx| {
            let value = idx.wrapping_add(self.key_offset) & KEY_IDX;
            if self
                .key
                .is_none_or(|newest| value.wrapping_sub(newest) & KEY_IDX < 0x10)
            {
                self.key = Some(value);
            }
            value
        });
        is_changed.then_some(NewNumbers {
            picture_id,
            tl0_pic_idx,
            key_idx,
        })
    }

    /// The number with these lower bits that is nearest to the newest.
    fn extend(&mut self, id: PictureId) -> u64 {
        let (mask, half) = match id.is_wide {
            true => (WIDE, WIDE / 2 + 1),
            false => (NARROW, NARROW / 2 + 1),
        };
        let ahead = id.value.wrapping_sub(self.newest as u16) & mask;
        if ahead < half {
            self.newest += u64::from(ahead);
            return self.newest;
        }
        self.newest.saturating_sub(u64::from(mask - ahead) + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn came(picture_id: u16, tl0: u8, key: u8) -> PictureNumbers {
        PictureNumbers {
            picture_id: Some(PictureId {
                value: picture_id,
                is_wide: true,
            }),
            tl0_pic_idx: Some(tl0),
            key_idx: Some(key),
        }
    }

    fn numbers(picture_id: u16, tl0_pic_idx: u8, key_idx: u8) -> Option<NewNumbers> {
        Some(NewNumbers {
            picture_id,
            tl0_pic_idx,
            key_idx,
        })
    }

    #[test]
    fn the_first_source_is_left_alone() {
        let mut rewriter = PictureRewriter::default();
        rewriter.switch(&came(300, 7, 2));
        assert_eq!(rewriter.forward(&came(300, 7, 2)), None);
        assert_eq!(rewriter.forward(&came(301, 8, 2)), None);
    }

    #[test]
    fn a_switch_goes_on_by_one_in_every_field() {
        let mut rewriter = PictureRewriter::default();
        rewriter.switch(&came(300, 7, 2));
        rewriter.forward(&came(300, 7, 2));
        rewriter.forward(&came(305, 9, 2));
        rewriter.switch(&came(12_000, 200, 30));
        assert_eq!(
            rewriter.forward(&came(12_000, 200, 30)),
            numbers(306, 10, 3)
        );
        assert_eq!(
            rewriter.forward(&came(12_002, 201, 30)),
            numbers(308, 11, 3)
        );
        // A late packet of the picture in between.
        assert_eq!(
            rewriter.forward(&came(12_001, 200, 30)),
            numbers(307, 10, 3)
        );
        rewriter.switch(&came(0, 0, 0));
        assert_eq!(rewriter.forward(&came(0, 0, 0)), numbers(309, 12, 4));
    }

    #[test]
    fn pictures_that_are_left_out_leave_no_gap_in_the_ids() {
        let mut rewriter = PictureRewriter::default();
        rewriter.switch(&came(0x7ffe, 7, 2));
        assert_eq!(rewriter.forward(&came(0x7ffe, 7, 2)), None);
        for _ in 0..2 {
            // Both packets of a picture.
            rewriter.skip(&came(0x7fff, 7, 2));
        }
        assert_eq!(rewriter.forward(&came(0, 7, 2)), numbers(0x7fff, 7, 2));
        rewriter.skip(&came(1, 7, 2));
        assert_eq!(rewriter.forward(&came(2, 8, 2)), numbers(0, 8, 2));
        assert_eq!(
            rewriter.forward(&came(4, 8, 2)),
            numbers(2, 8, 2),
            "3 is lost"
        );
        rewriter.skip(&came(5, 8, 2));
        assert_eq!(
            rewriter.forward(&came(3, 8, 2)),
            numbers(1, 8, 2),
            "and comes late"
        );
        rewriter.skip(&came(0x7fff, 8, 2));
        assert_eq!(
            rewriter.forward(&came(6, 8, 2)),
            numbers(3, 8, 2),
            "too late to matter"
        );
        rewriter.switch(&came(900, 50, 9));
        assert_eq!(rewriter.forward(&came(900, 50, 9)), numbers(4, 9, 3));
    }

    #[test]
    fn ids_that_jump_about_are_no_danger() {
        let mut rewriter = PictureRewriter::default();
        let mut rng = crate::util::rng::Rng::new(5);
        rewriter.switch(&came(1, 1, 1));
        for _ in 0..100_000 {
            let mut any = came(rng.next_u64() as u16 & WIDE, rng.next_u64() as u8, 1);
            if rng.next_u64().is_multiple_of(3) {
                let value = rng.next_u64() as u16 & NARROW;
                any.picture_id = Some(PictureId {
                    value,
                    is_wide: false,
                });
            }
            match rng.next_u64() % 100 {
                0 => rewriter.switch(&any),
                1..30 => rewriter.skip(&any),
                _ => drop(rewriter.forward(&any)),
            }
        }
    }

    #[test]
    fn fields_wrap_at_their_widths() {
        let mut rewriter = PictureRewriter::default();
        rewriter.switch(&came(0x7fff, 255, 31));
        rewriter.forward(&came(0x7fff, 255, 31));
        rewriter.switch(&came(500, 50, 5));
        assert_eq!(rewriter.forward(&came(500, 50, 5)), numbers(0, 0, 0));
        assert_eq!(rewriter.forward(&came(501, 51, 5)), numbers(1, 1, 0));
    }

    #[test]
    fn the_newest_is_tracked_across_the_wrap_within_a_source() {
        let mut rewriter = PictureRewriter::default();
        rewriter.switch(&came(0x7ffe, 254, 1));
        for id in [0x7ffe, 0x7fff, 0, 1] {
            rewriter.forward(&came(id, 0, 1));
        }
        rewriter.switch(&came(77, 9, 9));
        assert_eq!(rewriter.forward(&came(77, 9, 9)).unwrap().picture_id, 2);
    }

    #[test]
    fn narrow_ids_keep_seven_bits() {
        let narrow = |value| PictureNumbers {
            picture_id: Some(PictureId {
                value,
                is_wide: false,
            }),
            ..PictureNumbers::default()
        };
        let mut rewriter = PictureRewriter::default();
        rewriter.switch(&narrow(127));
        rewriter.forward(&narrow(127));
        rewriter.switch(&narrow(40));
        assert_eq!(rewriter.forward(&narrow(40)).unwrap().picture_id, 0);
        assert_eq!(rewriter.forward(&narrow(41)).unwrap().picture_id, 1);
    }

    #[test]
    fn a_source_without_the_fields_is_left_alone() {
        let bare = PictureNumbers::default();
        let mut rewriter = PictureRewriter::default();
        rewriter.switch(&came(5, 5, 5));
        rewriter.forward(&came(5, 5, 5));
        rewriter.switch(&bare);
        assert_eq!(rewriter.forward(&bare), None);
    }

    #[test]
    fn a_field_that_a_source_lacks_stays_out_of_the_others() {
        let mut rewriter = PictureRewriter::default();
        rewriter.switch(&came(5, 5, 5));
        rewriter.forward(&came(5, 5, 5));
        // VP9 in flexible mode has a picture id alone.
        let alone = PictureNumbers {
            picture_id: came(900, 0, 0).picture_id,
            ..PictureNumbers::default()
        };
        rewriter.switch(&alone);
        assert_eq!(rewriter.forward(&alone), numbers(6, 0, 0));
        rewriter.switch(&came(70, 70, 7));
        assert_eq!(rewriter.forward(&came(70, 70, 7)), numbers(7, 6, 6));
    }
}
