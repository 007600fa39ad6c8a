//! The descriptor of a receiver, made from that of the packet that came.

use super::bits::BitWriter;
use super::structure::{OFFSET_BITS, TEMPLATES_MAX};
use super::{DESCRIPTOR_BYTES_MAX, Descriptor, Layers, SHORT_BYTES};

/// What a descriptor says to one receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewDescriptor {
    /// The number of the frame.
    pub number: u16,
    /// What is added to the ids of templates, modulo [`TEMPLATES`](super::TEMPLATES).
    pub template_shift: u8,
    /// The structure is said.
    pub has_structure: bool,
    /// Decode targets within these layers are said to be the active ones.
    pub active: Option<Layers>,
}

impl Descriptor {
    /// The bytes of the descriptor for a receiver, at most [`DESCRIPTOR_BYTES_MAX`]. What does not fit is left out: the active decode
    /// targets, and a structure that did not come with this descriptor.
    pub fn write(&self, new: &NewDescriptor) -> Vec<u8> {
        let new = &self.fit(new);
        let id = |id: u8| (u32::from(id) + u32::from(new.template_shift)) % TEMPLATES_MAX as u32;
        let mut bits = BitWriter::default();
        bits.put(u32::from(self.starts) << 1 | u32::from(self.ends), 2);
        bits.put(id(self.template), 6);
        bits.put(u32::from(new.number), 16);
        if self.bits(new) == SHORT_BYTES * 8 {
            return bits.finish();
        }
        let flags = u32::from(new.has_structure) << 1 | u32::from(new.active.is_some());
        bits.put(flags, 2);
        bits.put(u32::from(self.custom), 3);
        if new.has_structure {
            bits.put(id(self.structure.offset), OFFSET_BITS);
            bits.copy(&self.structure.bits);
        }
        if let Some(layers) = new.active {
            let targets = self.structure.target_count() as u32;
            bits.put(self.active_within(layers), targets);
        }
        bits.copy(&self.customs);
        bits.finish()
    }

    /// How many bytes [`write`](Self::write) returns.
    pub fn length(&self, new: &NewDescriptor) -> usize {
        self.bits(&self.fit(new)).div_ceil(8)
    }

    fn fit(&self, new: &NewDescriptor) -> NewDescriptor {
        if self.bits(new) <= DESCRIPTOR_BYTES_MAX * 8 {
            return *new;
        }
        NewDescriptor {
            has_structure: self.has_structure,
            active: None,
            ..*new
        }
    }

    fn bits(&self, new: &NewDescriptor) -> usize {
        if !new.has_structure && new.active.is_none() && self.custom == 0 {
            return SHORT_BYTES * 8;
        }
        let mut bits = SHORT_BYTES * 8 + 5 + self.customs.count();
        if new.has_structure {
            bits += OFFSET_BITS as usize + self.structure.bits.count();
        }
        if new.active.is_some() {
            bits += self.structure.target_count();
        }
        bits
    }

    /// Whether a receiver has to be told the active decode targets because the packet that came says them.
    pub fn says_active(&self) -> bool {
        self.says_active
    }
}
