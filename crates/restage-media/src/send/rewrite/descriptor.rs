//! Dependency descriptors for a subscriber (RTP Payload Format For AV1, appendix A): frame numbers and template ids go on across encodings,
//! and what is left out is no active decode target.

use std::sync::Arc;

use restage_codec::dependency::{Descriptor, Layers, NewDescriptor, TEMPLATES};

use crate::packet::Cut;

/// Numbers the frames and templates anew. To those of an encoding constants are added, chosen at the switch. Frames that are left out
/// leave gaps in the numbers, because others are named by their distance.
#[derive(Debug, Default)]
pub(crate) struct DescriptorRewriter {
    /// The next descriptor is the first of its encoding.
    is_new: bool,
    number_offset: u16,
    template_shift: u8,
    /// The newest number sent.
    newest: Option<u16>,
    /// The descriptor whose structure was sent last, and what was added to its ids.
    known: Option<(Arc<Descriptor>, u8)>,
    /// Since the last structure not all decode targets have been active. From then on every packet says which are (§A.4): each may be
    /// lost, and a later one may be the next that comes.
    says_active: bool,
}

/// What a descriptor says to one subscriber, in little space: retransmissions need it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DescriptorEdit {
    number: u16,
    /// What is added to the ids of templates, with two flags above it.
    shift: u8,
    /// The spatial layer in the upper and the temporal one in the lower four bits.
    layers: u8,
}

const HAS_STRUCTURE: u8 = 0x80;
const SAYS_ACTIVE: u8 = 0x40;
/// All layers, in four bits.
const ALL: u8 = 0x0f;
const _: () = assert!(TEMPLATES <= SAYS_ACTIVE);

impl DescriptorRewriter {
    /// The next packet is the first of another encoding.
    pub(crate) fn switch(&mut self) {
        self.is_new = true;
    }

    /// What the descriptor of a packet becomes, of whose encoding the subscriber is sent this cut.
    pub(crate) fn forward(&mut self, came: &Arc<Descriptor>, cut: Cut) -> DescriptorEdit {
        let is_first = std::mem::take(&mut self.is_new);
        if is_first {
            self.join(came);
        }
        let number = came.number().wrapping_add(self.number_offset);
        let is_newer = |newest: u16| number.wrapping_sub(newest) < 0x8000;
        if self.newest.is_none_or(is_newer) {
            self.newest = Some(number);
        }
        // A subscriber that starts here knows no structure.
        let has_structure = came.has_structure() || is_first;
        if has_structure {
            self.known = Some((Arc::clone(came), self.template_shift));
            self.says_active = false;
        }
        self.says_active |= came.says_active() || came.is_reduced(cut.into());
        let flag = |is_set, flag| if is_set { flag } else { 0 };
        DescriptorEdit {
            number,
            shift: self.template_shift
                | flag(has_structure, HAS_STRUCTURE)
                | flag(self.says_active, SAYS_ACTIVE),
            layers: cut.spatial.min(ALL) << 4 | cut.temporal.min(ALL),
        }
    }

    /// Chooses what is added in an encoding that begins with this descriptor. Ids of templates follow those of another structure, so that
    /// packets are not taken for its (§A.8.3).
    fn join(&mut self, first: &Descriptor) {
        self.number_offset = self.newest.map_or(0, |newest| {
            newest.wrapping_add(1).wrapping_sub(first.number())
        });
        self.template_shift = match &self.known {
            None => 0,
            Some((known, shift)) if known.shares_structure(first) => *shift,
            Some((known, shift)) => {
                let (start, count) = known.templates();
                let free = u32::from(start) + u32::from(*shift) + u32::from(count);
                let ids = u32::from(TEMPLATES);
                let (own, _) = first.templates();
                ((free + ids - u32::from(own)) % ids) as u8
            }
        };
    }
}

impl DescriptorEdit {
    pub(crate) fn unpack(self) -> NewDescriptor {
        let all = |layer| if layer < ALL { layer } else { Cut::ALL };
        let layers = Layers {
            spatial: all(self.layers >> 4),
            temporal: all(self.layers & ALL),
        };
        NewDescriptor {
            number: self.number,
            template_shift: self.shift % TEMPLATES,
            has_structure: self.shift & HAS_STRUCTURE != 0,
            active: (self.shift & SAYS_ACTIVE != 0).then_some(layers),
        }
    }
}
