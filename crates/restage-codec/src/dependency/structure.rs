//! The structure of an encoder's stream: `template_dependency_structure()` (RTP Payload Format For AV1 §A.8.2).

use super::bits::Bits;
use super::{Layers, NOT_PRESENT, SPATIAL_LAYERS_MAX, SWITCH};
use crate::PictureSize;
use crate::bits::BitReader;

/// Most templates of a structure: their ids have six bits.
pub(super) const TEMPLATES_MAX: usize = 64;
/// Most decode targets of a structure (`dt_cnt_minus_one` has five bits).
const TARGETS_MAX: u32 = 32;
/// Bits of `template_id_offset`.
pub(super) const OFFSET_BITS: u32 = 6;

/// Templates, decode targets and sizes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Structure {
    /// The id of the first template.
    pub(super) offset: u8,
    templates: Vec<Template>,
    /// For each decode target its highest layers.
    targets: Vec<Layers>,
    /// The highest layers of all of them.
    pub(super) top: Layers,
    pub(super) chains: u32,
    pub(super) sizes: [Option<PictureSize>; SPATIAL_LAYERS_MAX],
    /// All of it as it came, but for the offset.
    pub(super) bits: Bits,
}

/// A template: the layers and indications of all frames that name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Template {
    pub(super) layers: Layers,
    pub(super) indications: Indications,
}

/// Relation of a frame to each decode target: two bits for each, the first in the lowest ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Indications(u64);

impl Indications {
    pub(super) fn read(bits: &mut BitReader<'_>, targets: usize) -> Option<Self> {
        const { assert!(2 * TARGETS_MAX <= u64::BITS) };
        let all = (0..targets).try_fold(0, |all, target| {
            Some(all | u64::from(bits.take(2)?) << (2 * target))
        });
        all.map(Self)
    }

    pub(super) fn of(self, target: usize) -> u32 {
        (self.0 >> (2 * target)) as u32 & 3
    }
}

impl Structure {
    /// Reads it out of a descriptor, of which `bits` has read `start` bits.
    pub(super) fn read(descriptor: &[u8], bits: &mut BitReader<'_>, start: usize) -> Option<Self> {
        let offset = bits.take(OFFSET_BITS)? as u8;
        let target_count = bits.take(5)? + 1;
        let mut templates = read_layers(bits)?;
        for template in &mut templates {
            template.indications = Indications::read(bits, target_count as usize)?;
        }
        for _ in &templates {
            // fdiff_follows_flag, fdiff_minus_one
            while bits.flag()? {
                bits.skip(4)?;
            }
        }
        let chains = skip_chains(bits, target_count, templates.len())?;
        let highest = templates.iter().map(|template| template.layers.spatial);
        let sizes = match bits.flag()? {
            true => read_sizes(bits, highest.max().unwrap_or_default())?,
            false => Default::default(),
        };
        let targets: Vec<Layers> = (0..target_count as usize)
            .map(|target| highest_layers(&templates, target))
            .collect();
        let top = targets
            .iter()
            .copied()
            .fold(Layers::default(), Layers::join);
        Some(Self {
            offset,
            templates,
            targets,
            top,
            chains,
            sizes,
            bits: Bits::of(descriptor, start + OFFSET_BITS as usize, bits.position())?,
        })
    }

    pub(super) fn template(&self, id: u8) -> Option<Template> {
        let place = (usize::from(id) + TEMPLATES_MAX - usize::from(self.offset)) % TEMPLATES_MAX;
        self.templates.get(place).copied()
    }

    /// Number of ids that its templates have.
    pub(super) fn template_count(&self) -> u8 {
        const { assert!(TEMPLATES_MAX <= u8::MAX as usize) };
        self.templates.len() as u8
    }

    pub(super) fn target_count(&self) -> usize {
        self.targets.len()
    }

    /// A bit for each decode target.
    pub(super) fn all_targets(&self) -> u32 {
        u32::MAX >> (TARGETS_MAX - self.targets.len() as u32)
    }

    /// A bit for each decode target that has nothing above these layers.
    pub(super) fn targets_within(&self, layers: Layers) -> u32 {
        let targets = (0..).zip(&self.targets);
        let within = targets.filter(|(_, target)| target.is_within(layers));
        within.fold(0, |mask, (place, _): (u32, _)| mask | 1 << place)
    }

    /// Whether who is sent a frame of a template can be sent all further frames of its spatial layer: that is what it is to the decode
    /// target with all temporal layers of these.
    pub(super) fn opens(&self, template: &Template) -> bool {
        let targets = self.targets.iter().enumerate();
        let of_layer = targets.filter(|(_, layers)| layers.spatial == template.layers.spatial);
        let whole = of_layer.max_by_key(|(_, layers)| layers.temporal);
        whole.is_some_and(|(target, _)| template.indications.of(target) == SWITCH)
    }

    /// The highest decode target from `now` up to `wanted` of which everything can be sent from a frame with these indications on.
    pub(super) fn switch(
        &self,
        indications: Indications,
        now: Layers,
        wanted: Layers,
    ) -> Option<Layers> {
        let targets = self.targets.iter().enumerate();
        let fitting = targets.filter(|(place, target)| {
            now.is_within(**target) && target.is_within(wanted) && indications.of(*place) == SWITCH
        });
        let highest = fitting.map(|(_, target)| *target).max();
        highest.filter(|target| *target != now)
    }
}

/// `template_layers()`: the templates with their layers alone.
fn read_layers(bits: &mut BitReader<'_>) -> Option<Vec<Template>> {
    let mut templates = Vec::new();
    let mut layers = Layers::default();
    loop {
        if templates.len() == TEMPLATES_MAX {
            return None;
        }
        templates.push(Template {
            layers,
            indications: Indications::default(),
        });
        match bits.take(2)? {
            0 => {}
            1 => layers.temporal += 1,
            2 => {
                layers = Layers {
                    spatial: layers.spatial + 1,
                    temporal: 0,
                }
            }
            _ => return Some(templates),
        }
    }
}

/// `template_chains()`: how many chains there are.
fn skip_chains(bits: &mut BitReader<'_>, targets: u32, templates: usize) -> Option<u32> {
    let chains = non_symmetric(bits, targets + 1)?;
    if chains == 0 {
        return Some(0);
    }
    for _ in 0..targets {
        non_symmetric(bits, chains)?;
    }
    (0..templates).try_for_each(|_| bits.skip(4 * chains))?;
    Some(chains)
}

/// `ns(n)`: a number below `count` (AV1 §4.10.7).
pub(super) fn non_symmetric(bits: &mut BitReader<'_>, count: u32) -> Option<u32> {
    let width = count.checked_ilog2()? + 1;
    let short = (1 << width) - count;
    let value = bits.take(width - 1)?;
    match value < short {
        true => Some(value),
        false => Some((value << 1) - short + bits.take(1)?),
    }
}

/// `render_resolutions()`.
fn read_sizes(
    bits: &mut BitReader<'_>,
    highest: u8,
) -> Option<[Option<PictureSize>; SPATIAL_LAYERS_MAX]> {
    let mut sizes = [None; SPATIAL_LAYERS_MAX];
    for layer in 0..=highest {
        let size = PictureSize {
            width: bits.take(16)? + 1,
            height: bits.take(16)? + 1,
        };
        if let Some(place) = sizes.get_mut(usize::from(layer)) {
            *place = Some(size);
        }
    }
    Some(sizes)
}

/// The highest layers of the frames of a decode target.
fn highest_layers(templates: &[Template], target: usize) -> Layers {
    let present = templates
        .iter()
        .filter(|template| template.indications.of(target) != NOT_PRESENT);
    present.fold(Layers::default(), |highest, template| {
        highest.join(template.layers)
    })
}
