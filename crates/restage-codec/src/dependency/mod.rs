//! The dependency descriptor: a header extension that says which layers a frame belongs to and what can be decoded without it, whatever
//! the codec (RTP Payload Format For AV1, version 1.0, appendix A).
//!
//! The first packet of a key frame has the *structure*: templates of frames, each with its layers and with what it is to every *decode
//! target*, which is a set of layers that decodes alone. Other packets name a template.
//!
//! [`Dependencies`] reads the descriptors of one encoder. Each becomes a [`Descriptor`], from which [`Descriptor::write`] makes that of a
//! receiver, who may be sent other numbers and fewer layers.

mod bits;
mod structure;
mod write;

use std::sync::Arc;

use crate::PictureSize;
use crate::bits::BitReader;
use crate::picture::FramePlace;
use bits::Bits;
use structure::{Indications, Structure, Template};
pub use write::NewDescriptor;

/// Spatial layers whose sizes are kept.
pub const SPATIAL_LAYERS_MAX: usize = crate::vp9::SPATIAL_LAYERS_MAX;
/// Most bytes of a descriptor: the length of an element of a header extension has eight bits (RFC 8285 §4.3).
pub const DESCRIPTOR_BYTES_MAX: usize = 255;
/// Bytes of a descriptor without optional fields.
const SHORT_BYTES: usize = 3;

/// Relation of a frame to a decode target (table A.1): it is not part of it, or, if it can be decoded, all later frames of it can be.
const NOT_PRESENT: u32 = 0;
const SWITCH: u32 = 2;

/// A spatial and a temporal layer; of a set of frames the highest ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Layers {
    /// The spatial layer, 0 for the lowest.
    pub spatial: u8,
    /// The temporal layer, 0 for the lowest.
    pub temporal: u8,
}

impl Layers {
    /// Whether neither is higher than the other's.
    pub fn is_within(self, bound: Self) -> bool {
        self.spatial <= bound.spatial && self.temporal <= bound.temporal
    }

    /// The higher of both, for each kind of layer.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        Self {
            spatial: self.spatial.max(other.spatial),
            temporal: self.temporal.max(other.temporal),
        }
    }

    /// The lower of both, for each kind of layer.
    #[must_use]
    pub fn meet(self, other: Self) -> Self {
        Self {
            spatial: self.spatial.min(other.spatial),
            temporal: self.temporal.min(other.temporal),
        }
    }
}

/// The structure of one encoder's stream, as its descriptors have said it.
#[derive(Debug, Default)]
pub struct Dependencies {
    structure: Option<Arc<Structure>>,
    /// The sequence number of the first packet that had it.
    since: u64,
    /// The structure before it, to which late packets belong.
    former: Option<Arc<Structure>>,
    /// The decode targets that the encoder makes at present, one bit each, and the sequence number of the packet that has said so last.
    active: (u32, u64),
}

/// The descriptor of one packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    starts: bool,
    ends: bool,
    /// The id of its template.
    template: u8,
    /// The frame's number, which wraps.
    number: u16,
    has_structure: bool,
    /// Layers and indications of the frame: those of its template, or its own.
    frame: Template,
    /// The decode targets that the encoder makes, one bit each, and whether this packet says so.
    active: u32,
    says_active: bool,
    /// The flags of what the frame has of its own: indications, references and chains; and these as they came.
    custom: u8,
    customs: Bits,
    structure: Arc<Structure>,
}

/// The fields of a descriptor up to the structure.
struct Head {
    starts: bool,
    ends: bool,
    template: u8,
    number: u16,
    has_structure: bool,
    has_active_targets: bool,
    /// `custom_dtis_flag`, `custom_fdiffs_flag` and `custom_chains_flag`, the last in the lowest bit.
    custom: u8,
}

const CUSTOM_INDICATIONS: u8 = 4;
const CUSTOM_REFERENCES: u8 = 2;
const CUSTOM_CHAINS: u8 = 1;

impl Dependencies {
    /// Reads the descriptor of the packet with this extended sequence number, and remembers the structure in it. `None` if it is cut
    /// short, damaged or too long, or if its structure is not known.
    pub fn read(&mut self, seq: u64, descriptor: &[u8]) -> Option<Descriptor> {
        if descriptor.len() > DESCRIPTOR_BYTES_MAX {
            return None;
        }
        let mut bits = BitReader::plain(descriptor);
        let head = Head::read(&mut bits, descriptor.len() > SHORT_BYTES)?;
        if head.has_structure {
            let start = bits.position();
            self.take(seq, Structure::read(descriptor, &mut bits, start)?);
        }
        let is_late = seq < self.since && self.former.is_some();
        let structure = match is_late {
            true => self.former.as_ref()?,
            false => self.structure.as_ref()?,
        };
        let structure = Arc::clone(structure);
        let said = match head.has_active_targets {
            true => Some(bits.take(structure.target_count() as u32)?),
            false => head.has_structure.then_some(u32::MAX),
        };
        let mut frame = structure.template(head.template)?;
        let start = bits.position();
        if head.custom & CUSTOM_INDICATIONS != 0 {
            frame.indications = Indications::read(&mut bits, structure.target_count())?;
        }
        skip_customs(&mut bits, head.custom, structure.chains)?;
        let customs = Bits::of(descriptor, start, bits.position())?;
        Some(Descriptor {
            starts: head.starts,
            ends: head.ends,
            template: head.template,
            number: head.number,
            has_structure: head.has_structure,
            frame,
            active: self.activate(seq, said) & structure.all_targets(),
            says_active: head.has_active_targets,
            custom: head.custom,
            customs,
            structure,
        })
    }

    /// Remembers a structure. One that is late does not bring back what has been replaced.
    fn take(&mut self, seq: u64, structure: Structure) {
        let is_same = |known: &Arc<Structure>| **known == structure;
        match &self.structure {
            None => self.structure = Some(Arc::new(structure)),
            Some(_) if seq <= self.since => return,
            // Late packets of the pictures before it belong to this one, too.
            Some(known) if is_same(known) => return,
            Some(_) => self.former = self.structure.replace(Arc::new(structure)),
        }
        self.since = seq;
    }

    /// The decode targets that are active at the packet of this number, which may say so itself.
    fn activate(&mut self, seq: u64, said: Option<u32>) -> u32 {
        let (active, since) = self.active;
        let Some(said) = said else {
            return active;
        };
        if seq >= since {
            self.active = (said, seq);
        }
        said
    }

    /// The sizes of the spatial layers, the lowest first, as far as the structure says them.
    pub fn sizes(&self) -> [Option<PictureSize>; SPATIAL_LAYERS_MAX] {
        let structure = self.structure.as_ref();
        structure.map_or_else(Default::default, |structure| structure.sizes)
    }
}

impl Descriptor {
    /// Where the frame stands among those of its encoding.
    pub fn place(&self) -> FramePlace {
        FramePlace {
            spatial: self.frame.layers.spatial,
            temporal: self.frame.layers.temporal,
            opens: self.structure.opens(&self.frame),
            starts: self.starts,
            ends: self.ends,
            ..FramePlace::default()
        }
    }

    /// The layers of the frame.
    pub fn layers(&self) -> Layers {
        self.frame.layers
    }

    /// The number of the frame. All packets of a frame have the same; it wraps.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// Whether it says the structure.
    pub fn has_structure(&self) -> bool {
        self.has_structure
    }

    /// Whether both are of the same structure.
    pub fn shares_structure(&self, other: &Self) -> bool {
        self.structure == other.structure
    }

    /// The id of the structure's first template, and how many there are: ids wrap at [`TEMPLATES`].
    pub fn templates(&self) -> (u8, u8) {
        (self.structure.offset, self.structure.template_count())
    }

    /// The highest layers that the structure has.
    pub fn top(&self) -> Layers {
        self.structure.top
    }

    /// For who has been sent everything up to `now` and this frame: the highest layers up to `wanted`, neither lower than `now`, that it
    /// can be sent from this frame on (§A.7). `None` if there are none.
    pub fn switch(&self, now: Layers, wanted: Layers) -> Option<Layers> {
        self.structure.switch(self.frame.indications, now, wanted)
    }

    /// The decode targets that are active for who is sent everything up to these layers, one bit each, and those that the encoder makes.
    fn active_within(&self, layers: Layers) -> u32 {
        match self.active & self.structure.targets_within(layers) {
            // A structure may lack a decode target for these layers. No set of targets describes what is sent then.
            0 => self.active,
            active => active,
        }
    }

    /// Whether fewer than all decode targets are active for who is sent everything up to these layers.
    pub fn is_reduced(&self, layers: Layers) -> bool {
        self.active_within(layers) != self.structure.all_targets()
    }
}

/// The ids of templates wrap at this number.
pub const TEMPLATES: u8 = structure::TEMPLATES_MAX as u8;

impl Head {
    fn read(bits: &mut BitReader<'_>, is_extended: bool) -> Option<Self> {
        let (starts, ends) = (bits.flag()?, bits.flag()?);
        let template = bits.take(6)? as u8;
        let number = bits.take(16)? as u16;
        let flags = match is_extended {
            true => bits.take(5)? as u8,
            false => 0,
        };
        Some(Self {
            starts,
            ends,
            template,
            number,
            has_structure: flags & 0x10 != 0,
            has_active_targets: flags & 0x08 != 0,
            custom: flags & 0x07,
        })
    }
}

/// Reads past the references and chains that a frame has of its own: `frame_fdiffs()` and `frame_chains()`.
fn skip_customs(bits: &mut BitReader<'_>, custom: u8, chains: u32) -> Option<()> {
    if custom & CUSTOM_REFERENCES != 0 {
        loop {
            match bits.take(2)? {
                0 => break,
                size => bits.skip(4 * size)?,
            }
        }
    }
    if custom & CUSTOM_CHAINS != 0 {
        bits.skip(8 * chains)?;
    }
    Some(())
}

#[cfg(test)]
mod tests;
