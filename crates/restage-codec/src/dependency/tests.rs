//! Tests of reading and writing descriptors.

use proptest::prelude::*;

use super::structure::non_symmetric;
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
    let first = dependencies.read(2, &key(L1T3, 60)).unwrap().place();
    assert_eq!((first.spatial, first.temporal), (0, 0));
    assert!(first.starts && !first.ends && first.opens && !first.is_sync);
    let sizes = dependencies.sizes();
    let size = sizes[0].unwrap();
    assert_eq!((size.width, size.height, sizes[1]), (640, 360, None));
    for (template, temporal, opens) in [(61, 0, true), (62, 1, true), (63, 2, false), (0, 2, false)]
    {
        let place = dependencies
            .read(3, &short("01", template))
            .unwrap()
            .place();
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
    let place = dependencies.read(2, &own).unwrap().place();
    assert!(!place.opens && place.temporal == 0);
    let cut = &own[..own.len() - 1];
    assert_eq!(dependencies.read(2, cut), None);
}

#[test]
fn another_structure_replaces_the_former_one_and_a_late_one_does_not() {
    let mut dependencies = Dependencies::default();
    dependencies.read(10, &key(L1T3, 60)).unwrap();
    let second = dependencies.read(20, &key(L2, 1)).unwrap().place();
    assert_eq!((second.spatial, second.temporal), (1, 0));
    assert!(second.opens, "the highest target begins with it");
    assert_eq!(dependencies.sizes(), [None; SPATIAL_LAYERS_MAX]);
    // A late one is of the former structure, and of no other.
    assert!(
        dependencies
            .read(11, &key(L1T3, 60))
            .unwrap()
            .has_structure()
    );
    let late = dependencies.read(12, &short("11", 62)).unwrap().place();
    assert_eq!((late.spatial, late.temporal), (0, 1));
    assert_eq!(dependencies.read(12, &short("11", 20)), None);
    let spatial = |descriptor: Descriptor| descriptor.place().spatial;
    assert_eq!(dependencies.read(21, &short("11", 0)).map(spatial), Some(0));
    assert_eq!(dependencies.read(21, &short("11", 60)), None);
    // The same one again, with the next key frame, is no other.
    dependencies.read(30, &key(L2, 0)).unwrap();
    let late = dependencies.read(25, &short("11", 1)).unwrap().place();
    assert_eq!(late.spatial, 1);
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

/// Three spatial and two temporal layers with six decode targets, as an encoder has them that predicts each layer from the one below: the
/// key frames, then for each spatial layer a frame of the base and one above. One chain for each spatial layer, with sizes.
fn l3t2() -> String {
    let templates = "00 01 10 00 01 10 00 01 11";
    let indications = [
        "10 10 10 10 10 10", // S0, key
        "10 10 11 11 11 11", // S0 T0
        "00 01 00 11 00 11", // S0 T1
        "00 00 10 10 10 10", // S1, key
        "00 00 10 10 11 11", // S1 T0
        "00 00 00 01 00 11", // S1 T1
        "00 00 00 00 10 10", // S2, key
        "00 00 00 00 10 10", // S2 T0
        "00 00 00 00 00 01", // S2 T1
    ];
    let references = [
        "0",
        "101010",
        "100100",
        "100000",
        "1 0101 1 0000 0",
        "1 0010 1 0000 0",
        "100000",
        "1 0101 1 0000 0",
        "1 0010 1 0000 0",
    ];
    // Three chains in ns(7): 100. Two targets each, in ns(3).
    let chains = format!("100 0 0 10 10 11 11 {}", "0011 0010 0001 ".repeat(9));
    let sizes: String = [(319, 179), (639, 359), (1_279, 719)]
        .map(|(width, height)| format!("{width:016b}{height:016b}"))
        .concat();
    format!(
        "000111 00101 {templates} {} {} {chains} 1 {sizes}",
        indications.concat(),
        references.concat()
    )
}

const fn layers(spatial: u8, temporal: u8) -> Layers {
    Layers { spatial, temporal }
}

const ALL: Layers = layers(u8::MAX, u8::MAX);

/// An encoder's descriptors, read after its key frame.
fn l3t2_read() -> Dependencies {
    let mut dependencies = Dependencies::default();
    let first = dependencies.read(1, &key(&l3t2(), 7)).unwrap();
    assert_eq!(first.top(), layers(2, 1));
    assert_eq!(first.templates(), (7, 9));
    assert_eq!(dependencies.sizes()[2].unwrap().height, 720);
    dependencies
}

#[test]
fn a_frame_opens_what_its_indications_say() {
    let mut dependencies = l3t2_read();
    for (template, now, wanted, expected) in [
        (7, layers(0, 0), ALL, Some(layers(2, 1))),
        (7, layers(0, 0), layers(1, 0), Some(layers(1, 0))),
        (7, layers(2, 1), ALL, None),
        // The base of a delta frame opens the temporal layers of its own spatial layer alone.
        (8, layers(0, 0), ALL, Some(layers(0, 1))),
        (8, layers(1, 0), ALL, None),
        (11, layers(1, 0), ALL, Some(layers(1, 1))),
        (11, layers(1, 0), layers(2, 0), None),
        (11, layers(2, 0), ALL, None),
        (14, layers(2, 0), ALL, Some(layers(2, 1))),
        (15, layers(2, 0), ALL, None),
    ] {
        let descriptor = dependencies.read(2, &short("11", template)).unwrap();
        assert_eq!(
            descriptor.switch(now, wanted),
            expected,
            "{template} {now:?} {wanted:?}"
        );
    }
}

/// What a receiver reads of a descriptor that is written for it.
fn rewritten(
    receiver: &mut Dependencies,
    seq: u64,
    came: &Descriptor,
    new: &NewDescriptor,
) -> Descriptor {
    let bytes = came.write(new);
    assert_eq!(bytes.len(), came.length(new));
    receiver.read(seq, &bytes).unwrap()
}

#[test]
fn a_receiver_reads_the_same_frames_under_its_own_numbers() {
    let mut dependencies = Dependencies::default();
    let mut receiver = Dependencies::default();
    let new = |number, has_structure| NewDescriptor {
        number,
        template_shift: 60,
        has_structure,
        active: None,
    };
    let came = dependencies.read(1, &key(&l3t2(), 7)).unwrap();
    let read = rewritten(&mut receiver, 1, &came, &new(900, true));
    assert_eq!((read.number(), read.templates()), (900, (3, 9)));
    assert_eq!(read.place(), came.place());
    assert_eq!(receiver.sizes(), dependencies.sizes());
    for template in 7..16 {
        let came = dependencies.read(2, &short("10", template)).unwrap();
        assert_eq!(came.length(&new(0, false)), 3);
        let read = rewritten(&mut receiver, 2, &came, &new(901, false));
        assert_eq!((read.place(), read.number()), (came.place(), 901));
    }
    // Indications, references and chains of its own.
    let own = bytes(&format!(
        "11 001000 0000000000000101 00111 {} 01 0011 10 00010001 11 000100010001 00 {}",
        "10 10 10 10 10 10", "00000001 00000010 00000011",
    ));
    let came = dependencies.read(3, &own).unwrap();
    assert_eq!(came.switch(layers(0, 0), ALL), Some(layers(2, 1)));
    let same = NewDescriptor {
        number: 5,
        template_shift: 0,
        has_structure: false,
        active: None,
    };
    assert_eq!(came.write(&same), own);
    // With the structure as well, for who lacks it.
    let mut newcomer = Dependencies::default();
    let read = rewritten(&mut newcomer, 3, &came, &new(7, true));
    assert!(read.has_structure() && read.customs == came.customs);
    assert_eq!(read.switch(layers(0, 0), ALL), Some(layers(2, 1)));
}

#[test]
fn active_targets_are_those_that_the_encoder_makes_and_the_receiver_is_sent() {
    let mut dependencies = l3t2_read();
    let mut receiver = Dependencies::default();
    let active = |receiver: &mut Dependencies, came: &Descriptor, bound, has_structure| {
        let new = NewDescriptor {
            number: 1,
            template_shift: 0,
            has_structure,
            active: Some(bound),
        };
        let read = rewritten(receiver, 1, came, &new);
        assert!(read.says_active());
        read.active
    };
    let came = dependencies.read(2, &key(&l3t2(), 7)).unwrap();
    assert!(!came.is_reduced(ALL) && came.is_reduced(layers(1, 1)));
    for (bound, expected) in [
        (ALL, 0b11_1111),
        (layers(1, 1), 0b1111),
        (layers(1, 0), 0b101),
        (layers(0, u8::MAX), 0b11),
    ] {
        assert_eq!(active(&mut receiver, &came, bound, true), expected);
        assert_eq!(active(&mut receiver, &came, bound, false), expected);
    }
    // The encoder stops making the highest spatial layer.
    let fewer = bytes("11 001000 0000000000000001 01000 001111");
    let came = dependencies.read(4, &fewer).unwrap();
    assert!(came.is_reduced(ALL));
    assert_eq!(active(&mut receiver, &came, ALL, false), 0b1111);
    assert_eq!(active(&mut receiver, &came, layers(2, 0), false), 0b101);
    // That holds for later packets, and not for late ones that say otherwise.
    let later = dependencies.read(5, &short("11", 8)).unwrap();
    assert_eq!(later.active, 0b1111);
    dependencies
        .read(3, &bytes("11 001000 0000000000000001 01000 111111"))
        .unwrap();
    assert_eq!(
        dependencies.read(6, &short("11", 8)).unwrap().active,
        0b1111
    );
    // Until the next structure.
    assert_eq!(
        dependencies.read(7, &key(&l3t2(), 7)).unwrap().active,
        0b11_1111
    );
}

#[test]
fn what_does_not_fit_is_left_out() {
    let mut dependencies = l3t2_read();
    // References of its own up to the last byte.
    let long = "11 001000 0000000000000101 00010".to_owned() + &"01 0000 ".repeat(334) + "00";
    let long = bytes(&long);
    assert!(long.len() <= DESCRIPTOR_BYTES_MAX && long.len() > 250);
    let came = dependencies.read(2, &long).unwrap();
    let new = NewDescriptor {
        number: 5,
        template_shift: 0,
        has_structure: true,
        active: Some(ALL),
    };
    assert_eq!(came.write(&new), long);
    assert_eq!(came.length(&new), long.len());
    assert_eq!(dependencies.read(2, &[0; DESCRIPTOR_BYTES_MAX + 1]), None);
}

proptest! {
    #[test]
    fn any_bytes_are_read_and_written(
        packets in prop::collection::vec((any::<u64>(), prop::collection::vec(any::<u8>(), 0..300)), 0..6),
        (number, template_shift, spatial, temporal) in any::<(u16, u8, u8, u8)>(),
        (has_structure, is_active) in any::<(bool, bool)>(),
    ) {
        let mut dependencies = Dependencies::default();
        let new = NewDescriptor {
            number,
            template_shift,
            has_structure,
            active: is_active.then_some(layers(spatial, temporal)),
        };
        for (seq, mut bytes) in packets {
            for _ in 0..2 {
                if let Some(descriptor) = dependencies.read(seq, &bytes) {
                    let written = descriptor.write(&new);
                    prop_assert_eq!(written.len(), descriptor.length(&new));
                    prop_assert!(written.len() <= DESCRIPTOR_BYTES_MAX);
                    let mut receiver = Dependencies::default();
                    let read = receiver.read(seq, &written);
                    if let Some(read) = read {
                        prop_assert_eq!(read.place(), descriptor.place());
                    } else {
                        prop_assert!(!new.has_structure || written.len() > 200);
                    }
                    let _ = descriptor.switch(layers(0, 0), layers(spatial, temporal));
                }
                // With a structure, whatever is in it.
                if let Some(flags) = bytes.get_mut(3) {
                    *flags |= 0x80;
                }
            }
        }
    }
}
