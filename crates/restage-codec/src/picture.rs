//! The numbers of pictures in payload descriptors: VP8 and VP9 have the same ones (RFC 7741 §4.2, RFC 9628 §4.2).

/// A picture id with its width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureId {
    /// In 7 or 15 bits.
    pub value: u16,
    /// It has 15 bits.
    pub is_wide: bool,
}

impl PictureId {
    /// Reads an id of one or two bytes, as its first bit says. `None` if it is cut short.
    pub(crate) fn read(bytes: &mut impl Iterator<Item = u8>) -> Option<Self> {
        let high = bytes.next()?;
        Some(if high & 0x80 != 0 {
            let value = u16::from_be_bytes([high & 0x7f, bytes.next()?]);
            Self {
                value,
                is_wide: true,
            }
        } else {
            Self {
                value: u16::from(high),
                is_wide: false,
            }
        })
    }
}

/// The numbers of a descriptor that receivers expect to be continuous; `None` where the descriptor lacks the field.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PictureNumbers {
    /// Number of the picture.
    pub picture_id: Option<PictureId>,
    /// Number of the newest picture of the lowest temporal layer (TL0PICIDX).
    pub tl0_pic_idx: Option<u8>,
    /// Number of the newest key frame, in 5 bits (KEYIDX of VP8).
    pub key_idx: Option<u8>,
}

/// Where the frame of a packet stands among those of its encoding, as the payload says it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FramePlace {
    /// Spatial layer: the pictures of one time have a frame in each, of which none uses those of higher layers. 0 where there is one.
    pub spatial: u8,
    /// Temporal layer: frames use none of higher layers. 0 where there is one.
    pub temporal: u8,
    /// Who was not sent this temporal layer so far can be sent it from this frame on: this frame uses none of its layer, and later
    /// ones use none from before the base frame that this one uses.
    pub is_sync: bool,
    /// Later frames of higher temporal layers use none of these layers from before this frame: who is sent this frame can be sent
    /// them all from the next picture on.
    pub opens: bool,
    /// No frame of a higher spatial layer uses this one, in this picture or a later one: a receiver that is shown a higher layer does not
    /// need it.
    pub is_alone: bool,
    /// How many spatial layers the stream has, as far as the packet says it; 0 where it does not.
    pub layers: u8,
    /// It is the first packet of its frame.
    pub starts: bool,
    /// It is the last packet of its frame, as far as the payload says so.
    pub ends: bool,
    /// The numbers that it carries.
    pub numbers: PictureNumbers,
}

/// Numbers to be written instead of the sender's, into those fields that a descriptor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewNumbers {
    /// Written in as many bits as the descriptor has.
    pub picture_id: u16,
    /// TL0PICIDX.
    pub tl0_pic_idx: u8,
    /// KEYIDX; its lower 5 bits count.
    pub key_idx: u8,
}

impl NewNumbers {
    /// Overwrites the picture id at this place. Returns how many bytes it has; `None` if it is cut short.
    pub(crate) fn write_picture_id(&self, payload: &mut [u8], at: usize) -> Option<usize> {
        match payload.get_mut(at..)? {
            [high, low, ..] if *high & 0x80 != 0 => {
                [*high, *low] = (self.picture_id | 0x8000).to_be_bytes();
                Some(2)
            }
            [low, ..] if *low & 0x80 == 0 => {
                *low = (self.picture_id & 0x7f) as u8;
                Some(1)
            }
            _ => None,
        }
    }
}
