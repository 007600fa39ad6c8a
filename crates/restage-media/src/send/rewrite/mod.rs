//! Continuous numbers for a subscriber, whoever feeds the publication: it sees one sender.

pub(crate) mod descriptor;
mod numbering;
pub(crate) mod picture;
pub(crate) mod rtp;

use std::sync::Arc;

use restage_codec::dependency::Descriptor;
use restage_codec::{Codec, NewNumbers, red, vp8, vp9};

use crate::rtp::extensions::Described;
use descriptor::DescriptorEdit;

/// What is written over a payload's own fields, or into its descriptor, for one subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edit {
    /// Numbers in the descriptor of VP8.
    Vp8(NewNumbers),
    /// Numbers in the descriptor of VP9.
    Vp9(NewNumbers),
    /// The payload type of all blocks of redundant audio.
    BlockType(u8),
    /// Numbers in the dependency descriptor, which is a header extension.
    Descriptor(DescriptorEdit),
}

impl Edit {
    /// Of the numbers of pictures; `None` for a codec whose payloads have none.
    pub(crate) fn of_picture(codec: Codec, numbers: NewNumbers) -> Option<Self> {
        match codec {
            Codec::Vp8 => Some(Self::Vp8(numbers)),
            Codec::Vp9 => Some(Self::Vp9(numbers)),
            _ => None,
        }
    }

    /// The dependency descriptor of a packet that came with this one, if the subscriber is sent it.
    #[inline]
    pub(crate) fn described<'a>(
        edit: Option<&Self>,
        came: Option<&'a Arc<Descriptor>>,
    ) -> Option<Described<'a>> {
        let came = came?;
        match edit {
            Some(Self::Descriptor(edit)) => Some(Described {
                came,
                new: edit.unpack(),
            }),
            _ => None,
        }
    }

    /// Overwrites the fields that the payload has.
    pub(crate) fn write(&self, payload: &mut [u8]) {
        match self {
            Self::Vp8(numbers) => vp8::write_numbers(payload, numbers),
            Self::Vp9(numbers) => vp9::write_numbers(payload, numbers),
            Self::BlockType(block_type) => red::write_block_type(payload, *block_type),
            Self::Descriptor(_) => {}
        }
    }
}
