//! The dependency descriptor: a header extension that says which layers a frame belongs to and what can be decoded without it, whatever
//! the codec (RTP Payload Format For AV1, version 1.0, appendix A).
//!
//! The first packet of a key frame has the *structure*: templates of frames, each with its layers and with what it is to every *decode
//! target*, which is a set of layers that decodes alone. Other packets name a template.

use crate::PictureSize;
use crate::bits::BitReader;
use crate::picture::FramePlace;

/// Most templates of a structure: their ids have six bits.
const TEMPLATES_MAX: usize = 64;
/// Most decode targets of a structure (`dt_cnt_minus_one` has five bits).
const TARGETS_MAX: u32 = 32;
/// Spatial layers whose sizes are kept.
pub const SPATIAL_LAYERS_MAX: usize = crate::vp9::SPATIAL_LAYERS_MAX;
/// Bytes of a descriptor without optional fields.
const SHORT_BYTES: usize = 3;

/// What a frame is to a decode target (table A.1): it is not part of it, or no later frame of it uses this one, or a receiver can begin
/// with it, or it is needed.
const SWITCH: u32 = 2;
const NOT_PRESENT: u32 = 0;

/// The structure of one encoder's stream, as its descriptors have said it.
#[derive(Debug, Default)]
pub struct Dependencies {
    structure: Option<Box<Structure>>,
    /// The sequence number of the packet that had it.
    since: u64,
}

#[derive(Debug, Default)]
struct Structure {
    offset: u32,
    templates: Vec<Template>,
    /// For each decode target its highest layers.
    targets: Vec<Layers>,
    sizes: [Option<PictureSize>; SPATIAL_LAYERS_MAX],
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Layers {
    spatial: u8,
    temporal: u8,
}

#[derive(Debug, Clone, Copy)]
struct Template {
    layers: Layers,
    /// Two bits for each decode target, the first in the lowest ones.
    indications: u64,
}

/// The fields of a descriptor up to the structure.
struct Head {
    starts: bool,
    ends: bool,
    template: u32,
    has_structure: bool,
    has_active_targets: bool,
    has_indications: bool,
}

impl Dependencies {
    /// Reads the descriptor of the packet with this extended sequence number, and remembers the structure in it. `None` if it is cut
    /// short or damaged, or if its structure is not known.
    pub fn read(&mut self, seq: u64, descriptor: &[u8]) -> Option<FramePlace> {
        let mut bits = BitReader::plain(descriptor);
        let head = Head::read(&mut bits, descriptor.len() > SHORT_BYTES)?;
        if head.has_structure {
            let structure = Structure::read(&mut bits)?;
            // A late packet does not bring back what has been replaced.
            if self.structure.is_none() || seq > self.since {
                self.structure = Some(Box::new(structure));
                self.since = seq;
            }
        }
        let structure = self.structure.as_ref()?;
        if head.has_active_targets {
            bits.skip(structure.targets.len() as u32)?;
        }
        let mut template = structure.template(head.template)?;
        if head.has_indications {
            template.indications = read_indications(&mut bits, structure.targets.len())?;
        }
        Some(FramePlace {
            spatial: template.layers.spatial,
            temporal: template.layers.temporal,
            opens: structure.opens(&template),
            starts: head.starts,
            ends: head.ends,
            ..FramePlace::default()
        })
    }

    /// The sizes of the spatial layers, the lowest first, as far as the structure says them.
    pub fn sizes(&self) -> [Option<PictureSize>; SPATIAL_LAYERS_MAX] {
        let structure = self.structure.as_ref();
        structure.map_or_else(Default::default, |structure| structure.sizes)
    }
}

impl Head {
    fn read(bits: &mut BitReader<'_>, is_extended: bool) -> Option<Self> {
        let (starts, ends) = (bits.flag()?, bits.flag()?);
        let template = bits.take(6)?;
        // frame_number
        bits.skip(16)?;
        let mut flag = || match is_extended {
            true => bits.flag(),
            false => Some(false),
        };
        let head = Self {
            starts,
            ends,
            template,
            has_structure: flag()?,
            has_active_targets: flag()?,
            has_indications: flag()?,
        };
        // custom_fdiffs_flag and custom_chains_flag: what they announce comes last and is not needed.
        flag()?;
        flag()?;
        Some(head)
    }
}

impl Structure {
    /// `template_dependency_structure()`.
    fn read(bits: &mut BitReader<'_>) -> Option<Self> {
        let offset = bits.take(6)?;
        let target_count = bits.take(5)? + 1;
        let mut templates = read_layers(bits)?;
        for template in &mut templates {
            template.indications = read_indications(bits, target_count as usize)?;
        }
        for _ in &templates {
            // fdiff_follows_flag, fdiff_minus_one
            while bits.flag()? {
                bits.skip(4)?;
            }
        }
        skip_chains(bits, target_count, templates.len())?;
        let highest = templates.iter().map(|template| template.layers.spatial);
        let sizes = match bits.flag()? {
            true => read_sizes(bits, highest.max().unwrap_or_default())?,
            false => Default::default(),
        };
        let targets = (0..target_count)
            .map(|target| highest_layers(&templates, target))
            .collect();
        Some(Self {
            offset,
            templates,
            targets,
            sizes,
        })
    }

    fn template(&self, id: u32) -> Option<Template> {
        let place = (id + TEMPLATES_MAX as u32 - self.offset) % TEMPLATES_MAX as u32;
        self.templates.get(place as usize).copied()
    }

    /// Whether who is sent this frame can be sent all further frames of its spatial layer: that is what it is to the decode target with
    /// all temporal layers of these.
    fn opens(&self, template: &Template) -> bool {
        let targets = (0..).zip(&self.targets);
        let of_layer =
            targets.filter(|(_, layers): &(u32, _)| layers.spatial == template.layers.spatial);
        let whole = of_layer.max_by_key(|(_, layers)| layers.temporal);
        whole.is_some_and(|(target, _)| template.indication(target) == SWITCH)
    }
}

impl Template {
    fn indication(&self, target: u32) -> u32 {
        (self.indications >> (2 * target)) as u32 & 3
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
            indications: 0,
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

fn read_indications(bits: &mut BitReader<'_>, targets: usize) -> Option<u64> {
    const { assert!(2 * TARGETS_MAX <= u64::BITS) };
    (0..targets).try_fold(0, |all, target| {
        Some(all | u64::from(bits.take(2)?) << (2 * target))
    })
}

/// `template_chains()`.
fn skip_chains(bits: &mut BitReader<'_>, targets: u32, templates: usize) -> Option<()> {
    let chains = non_symmetric(bits, targets + 1)?;
    if chains == 0 {
        return Some(());
    }
    for _ in 0..targets {
        non_symmetric(bits, chains)?;
    }
    (0..templates).try_for_each(|_| bits.skip(4 * chains))
}

/// `ns(n)`: a number below `count` (AV1 §4.10.7).
fn non_symmetric(bits: &mut BitReader<'_>, count: u32) -> Option<u32> {
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
fn highest_layers(templates: &[Template], target: u32) -> Layers {
    let present = templates
        .iter()
        .filter(|template| template.indication(target) != NOT_PRESENT);
    present.fold(Layers::default(), |highest, template| Layers {
        spatial: highest.spatial.max(template.layers.spatial),
        temporal: highest.temporal.max(template.layers.temporal),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of bits written as text, filled up with zeros.
    fn bytes(bits: &str) -> Vec<u8> {
        let bits: Vec<u8> = bits.bytes().filter(|bit| *bit != b' ').collect();
        let byte = |bits: &[u8]| {
            let value = bits.iter().fold(0, |byte, bit| byte << 1 | (bit - b'0'));
            value << (8 - bits.len())
        };
        bits.chunks(8).map(byte).collect()
    }

    /// One spatial and three temporal layers, as libwebrtc has them: key frame, base, middle, and the highest twice. Three decode
    /// targets, one chain, 640 by 360; template ids begin with 60.
    const L1T3: &str = "111100 00010 \
        00 01 01 00 11 \
        101010 101010 000110 000001 000001 \
        0 1 0011 0 1 0001 0 1 0000 0 1 0000 0 \
        01 0000 0100 0010 0001 0011 \
        1 0000001001111111 0000000101100111";

    /// Two spatial layers without temporal ones: two decode targets, no chain, no sizes.
    const L2: &str = "000000 00001 10 11 1010 0010 0 0 00 0";

    /// The first packet of a key frame with this structure.
    fn key(structure: &str, template: u32) -> Vec<u8> {
        bytes(&format!(
            "10 {template:06b} 0000000000000000 10000 {structure}"
        ))
    }

    /// A descriptor of three bytes.
    fn short(flags: &str, template: u32) -> Vec<u8> {
        bytes(&format!("{flags} {template:06b} 0000000000000001"))
    }

    #[test]
    fn frames_have_the_layers_of_their_templates() {
        let mut dependencies = Dependencies::default();
        assert_eq!(
            dependencies.read(1, &short("10", 60)),
            None,
            "no structure yet"
        );
        let first = dependencies.read(2, &key(L1T3, 60)).unwrap();
        assert_eq!((first.spatial, first.temporal), (0, 0));
        assert!(first.starts && !first.ends && first.opens && !first.is_sync);
        let sizes = dependencies.sizes();
        let size = sizes[0].unwrap();
        assert_eq!((size.width, size.height, sizes[1]), (640, 360, None));
        for (template, temporal, opens) in
            [(61, 0, true), (62, 1, true), (63, 2, false), (0, 2, false)]
        {
            let place = dependencies.read(3, &short("01", template)).unwrap();
            assert_eq!(
                (place.temporal, place.opens),
                (temporal, opens),
                "{template}"
            );
            assert!(!place.starts && place.ends);
        }
        assert_eq!(
            dependencies.read(3, &short("01", 1)),
            None,
            "no such template"
        );
    }

    #[test]
    fn a_frame_may_differ_from_its_template() {
        let mut dependencies = Dependencies::default();
        dependencies.read(1, &key(L1T3, 60)).unwrap();
        // Active targets and indications of its own: needed for all.
        let own = bytes("11 111101 0000000000000001 01100 111 111111");
        let place = dependencies.read(2, &own).unwrap();
        assert!(!place.opens && place.temporal == 0);
        let cut = &own[..own.len() - 1];
        assert_eq!(dependencies.read(2, cut), None);
    }

    #[test]
    fn another_structure_replaces_the_former_one_and_a_late_one_does_not() {
        let mut dependencies = Dependencies::default();
        dependencies.read(10, &key(L1T3, 60)).unwrap();
        let second = dependencies.read(20, &key(L2, 1)).unwrap();
        assert_eq!((second.spatial, second.temporal), (1, 0));
        assert!(second.opens, "the highest target begins with it");
        assert_eq!(dependencies.sizes(), [None; SPATIAL_LAYERS_MAX]);
        // Template 60 is none of the new structure.
        assert_eq!(dependencies.read(11, &key(L1T3, 60)), None);
        assert_eq!(dependencies.read(21, &short("11", 0)).unwrap().spatial, 0);
    }

    #[test]
    fn numbers_below_a_count_have_as_many_bits_as_they_need() {
        for (bits, count, value) in [
            ("0", 1, Some(0)),
            ("0", 3, Some(0)),
            ("10", 3, Some(1)),
            ("11", 3, Some(2)),
            ("11", 4, Some(3)),
            ("110", 5, Some(3)),
            ("111", 5, Some(4)),
        ] {
            let bytes = bytes(bits);
            assert_eq!(
                non_symmetric(&mut BitReader::plain(&bytes), count),
                value,
                "{bits} of {count}"
            );
        }
        assert_eq!(non_symmetric(&mut BitReader::plain(&[]), 3), None);
        assert_eq!(non_symmetric(&mut BitReader::plain(&[0]), 0), None);
    }

    #[test]
    fn a_structure_that_is_cut_short_or_endless_is_none() {
        let whole = key(L1T3, 60);
        for end in 0..whole.len() {
            let mut dependencies = Dependencies::default();
            assert_eq!(dependencies.read(1, &whole[..end]), None, "{end} bytes");
            assert!(dependencies.structure.is_none());
        }
        let endless = [
            &bytes("10 000000 0000000000000000 10000 000000 00000")[..],
            &[0; 200],
        ]
        .concat();
        assert_eq!(Dependencies::default().read(1, &endless), None);
        // The most that there can be.
        let layers = "01".repeat(63) + "11";
        let many = format!("000000 11111 {layers}");
        assert_eq!(Dependencies::default().read(1, &key(&many, 0)), None);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read(packets in proptest::collection::vec(
            (proptest::prelude::any::<u64>(), proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)), 0..6,
        )) {
            let mut dependencies = Dependencies::default();
            for (seq, mut bytes) in packets {
                let _ = dependencies.read(seq, &bytes);
                // With a structure, whatever is in it.
                if let Some(flags) = bytes.get_mut(3) {
                    *flags |= 0x80;
                }
                let _ = dependencies.read(seq, &bytes);
                let structure = dependencies.structure.as_ref();
                assert!(structure.is_none_or(|structure| structure.templates.len() <= TEMPLATES_MAX));
                let _ = dependencies.sizes();
            }
        }
    }
}
