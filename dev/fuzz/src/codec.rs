//! Bitstreams of publishers: parameter sets, headers, packets of pictures and of sound.

use restage_codec::{NewNumbers, PictureSize, av1, dependency, h264, h265, opus, red, vp8, vp9};

use crate::input::{Input, behind_lengths, pieces, text};
use crate::target::Target;

/// The targets of this room.
pub(crate) const TARGETS: &[Target] = &[
    Target::new(
        "h264",
        h264_headers,
        "H.264 parameter sets, slices, byte streams, and what begins a key frame",
    )
    .from(h264_seeds),
    Target::new(
        "h264_picture",
        h264_picture,
        "H.264 pictures out of packets and into packets, against another implementation",
    )
    .from(picture_seeds),
    Target::new(
        "h265",
        h265_headers,
        "H.265 parameter sets, pictures out of packets, and what begins a key frame",
    )
    .from(h265_seeds),
    Target::new(
        "av1",
        av1_headers,
        "AV1 sequence headers and pictures out of packets",
    )
    .from(av1_seeds),
    Target::new(
        "vp8",
        vp8_headers,
        "VP8 descriptors, rewritten numbers, key frames, against another implementation",
    )
    .from(vp8_seeds),
    Target::new(
        "vp9",
        vp9_headers,
        "VP9 descriptors, rewritten numbers, key frames, pictures out of packets",
    )
    .from(vp9_seeds),
    Target::new(
        "dependency",
        dependency_descriptors,
        "dependency descriptors in a row, and what receivers are written",
    )
    .from(dependency_seeds),
    Target::new(
        "opus",
        opus_packets,
        "durations of Opus packets, redundant audio",
    )
    .from(opus_seeds),
];

/// The payloads of packets of one picture: pieces.
fn payloads<'a>(input: &mut Input<'a>) -> Vec<&'a [u8]> {
    let mut all = Vec::new();
    while !input.is_empty() && all.len() < 32 {
        all.push(input.piece());
    }
    all
}

fn h264_headers(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let _ = h264::SequenceParameters::parse(bytes);
    let _ = h264::SliceHeader::parse(bytes);
    let _ = h264::begins_access_unit(bytes);
    // Nothing of a stream but start codes and zeros is lost.
    let units: Vec<&[u8]> = h264::annexb::units(bytes).collect();
    let again = units.iter().fold(Vec::new(), |mut all, unit| {
        all.extend([0, 0, 1]);
        all.extend_from_slice(unit);
        all
    });
    let read: Vec<&[u8]> = h264::annexb::units(&again).collect();
    assert_eq!(read, units, "units are read again as they were");
    let size = h264::annexb::picture_size(bytes);
    assert_eq!(size, h264::annexb::picture_size(&again));
    detect_h264(&mut input);
}

/// Packets in any order, at a detector of key frames.
fn detect_h264(input: &mut Input<'_>) {
    let mut seq = 1_000 + u64::from(input.byte());
    let mut detector = h264::StartDetector::new(seq);
    let mut time = 0;
    while !input.is_empty() {
        let step = input.byte();
        seq = (seq + u64::from(step & 0x07)).saturating_sub(u64::from(step >> 3 & 3));
        time += u64::from(step >> 6) * 3_000;
        let payload = input.piece();
        if step & 0x20 != 0 {
            detector.on_format([payload], seq);
        }
        let starts = detector.on_packet(seq, time, payload);
        let lead = detector.lead(seq, payload);
        if let Some(lead) = &lead {
            let bytes: usize = lead.0.iter().map(|set| set.len()).sum();
            assert!(
                lead.0.len() <= h264::PARAMETER_SETS_MAX && bytes <= h264::PARAMETER_SETS_BYTES_MAX
            );
            assert!(
                lead.0
                    .iter()
                    .all(|set| set.len() <= h264::PARAMETER_SET_BYTES_MAX)
            );
        }
        let _ = (starts, detector.size());
        if step == 0xff {
            detector.restart(seq);
        }
    }
}

fn h264_picture(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let most = 3 + input.below(120);
    let all = payloads(&mut input);
    let Some(picture) = h264::depacketise(all.iter().copied()) else {
        return;
    };
    let units = behind_lengths(&picture.units);
    assert!(units.iter().all(|unit| !unit.is_empty()));
    // What is cut into packets is put together again, and no packet is too long.
    let whole: Vec<&[u8]> = units.clone();
    let packets = h264::packetise(whole.iter().copied(), most);
    assert!(
        packets
            .iter()
            .all(|packet| !packet.is_empty() && packet.len() <= most.max(4)),
        "a packet is too long"
    );
    let is_plain = whole
        .iter()
        .all(|unit| (1..24).contains(&(unit[0] & 0x1f)) && (unit.len() > 1 || most > 1));
    if is_plain {
        let again = h264::depacketise(packets.iter().map(Vec::as_slice)).expect("it is whole");
        assert_eq!(
            (&again.units, again.is_idr, again.has_slice),
            (&picture.units, picture.is_idr, picture.has_slice)
        );
    }
    #[cfg(feature = "runner")]
    crate::differential::h264(&all, &picture);
}

fn h265_headers(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let parameters = h265::SequenceParameters::parse(bytes);
    if let Some(parameters) = parameters {
        assert_eq!(h265::picture_size(bytes), Some(parameters.size));
    }
    if let Some(picture) = h265::depacketise(payloads(&mut input)) {
        let units = behind_lengths(&picture.units);
        assert!(units.iter().all(|unit| !unit.is_empty()));
    }
    let mut input = Input::new(bytes);
    let mut detector = h265::StartDetector::default();
    let (mut seq, mut time) = (1_000, 0);
    while !input.is_empty() {
        let step = input.byte();
        seq += u64::from(step & 3);
        time += u64::from(step >> 6) * 3_000;
        detector.on_packet(seq, time, input.piece());
        if step == 0xff {
            detector.restart();
        }
    }
}

fn av1_headers(bytes: &[u8]) {
    let _ = (
        av1::SequenceParameters::parse(bytes),
        av1::is_key_frame(bytes),
        av1::picture_size(bytes),
    );
    let _ = (
        av1::starts_key_frame(bytes),
        av1::size_in_packet(bytes),
        av1::has_delimiter(bytes),
    );
    let mut input = Input::new(bytes);
    let Some(unit) = av1::depacketise(payloads(&mut input)) else {
        return;
    };
    if let Some(header) = &unit.sequence_header {
        // It may be damaged, but it is not longer than what came.
        assert!(header.len() <= bytes.len() + 8);
    }
    assert!(
        unit.units.len() <= 2 * bytes.len() + 8 * 32,
        "sizes add a few bytes to each unit"
    );
    let _ = (
        av1::is_key_frame(&unit.units),
        av1::picture_size(&unit.units),
    );
}

fn numbers(input: &mut Input<'_>) -> NewNumbers {
    NewNumbers {
        picture_id: input.short(),
        tl0_pic_idx: input.byte(),
        key_idx: input.byte(),
    }
}

fn vp8_headers(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let new = numbers(&mut input);
    let payload = input.rest();
    let _ = (
        vp8::is_key_frame(payload),
        vp8::picture_size(payload),
        vp8::size_in_packet(payload),
    );
    let before = vp8::Descriptor::parse(payload);
    same_as_another_reads(payload, before.as_ref());
    let mut written = payload.to_vec();
    vp8::write_numbers(&mut written, &new);
    assert_eq!(written.len(), payload.len());
    let Some(before) = before else {
        return;
    };
    let after = vp8::Descriptor::parse(&written).expect("it is as long as before");
    assert_eq!(
        payload[before.length..],
        written[before.length..],
        "the frame is not touched"
    );
    assert_eq!(
        (
            before.length,
            before.temporal,
            before.is_sync,
            before.partition
        ),
        (after.length, after.temporal, after.is_sync, after.partition)
    );
    assert_eq!(
        vp8::starts_key_frame(payload),
        vp8::starts_key_frame(&written)
    );
    assert_eq!(
        vp8::frame_place(payload).is_some(),
        vp8::frame_place(&written).is_some()
    );
    if let (Some(old), Some(id)) = (before.numbers.picture_id, after.numbers.picture_id) {
        let mask = if old.is_wide { 0x7fff } else { 0x7f };
        assert_eq!((id.value, id.is_wide), (new.picture_id & mask, old.is_wide));
    }
    assert_eq!(
        after.numbers.tl0_pic_idx,
        before.numbers.tl0_pic_idx.map(|_| new.tl0_pic_idx)
    );
    assert_eq!(
        after.numbers.key_idx,
        before.numbers.key_idx.map(|_| new.key_idx & 0x1f)
    );
}

/// A descriptor as str0m reads it. It refuses numbers that the standard forbids, and packets without a frame.
fn same_as_another_reads(payload: &[u8], ours: Option<&vp8::Descriptor>) {
    let Ok(theirs) = str0m::rtp::Vp8Descriptor::parse(payload) else {
        return;
    };
    let ours = ours.expect("the other implementation reads it");
    assert_eq!(
        ours.numbers.picture_id.map(|id| id.value),
        theirs.picture_id()
    );
    assert_eq!(ours.numbers.tl0_pic_idx, theirs.tl0_pic_idx());
    assert_eq!(ours.numbers.key_idx, theirs.key_idx());
    assert_eq!(
        vp8::starts_key_frame(payload),
        theirs.starts_keyframe(payload)
    );
}

fn vp9_headers(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let new = numbers(&mut input);
    let payload = input.rest();
    let header = vp9::KeyFrameHeader::parse(payload);
    assert!(header.is_none_or(|header| is_real(header.size)));
    let _ = (
        vp9::is_key_frame(payload),
        vp9::picture_size(payload),
        vp9::size_in_packet(payload),
    );
    let sizes = vp9::layer_sizes(payload);
    let before = vp9::Descriptor::parse(payload);
    let mut written = payload.to_vec();
    vp9::write_numbers(&mut written, &new);
    assert_eq!(written.len(), payload.len());
    if let Some(before) = before {
        let after = vp9::Descriptor::parse(&written).expect("it is as long as before");
        assert_eq!(
            payload[before.length..],
            written[before.length..],
            "the frame is not touched"
        );
        assert_eq!(
            (before.length, before.spatial, before.temporal),
            (after.length, after.spatial, after.temporal)
        );
        assert_eq!(
            vp9::starts_key_frame(payload),
            vp9::starts_key_frame(&written)
        );
        assert_eq!(sizes, vp9::layer_sizes(&written));
        assert_eq!(
            after.numbers.tl0_pic_idx,
            before.numbers.tl0_pic_idx.map(|_| new.tl0_pic_idx)
        );
    }
    let mut input = Input::new(bytes);
    let all = payloads(&mut input);
    let sum: usize = all.iter().map(|payload| payload.len()).sum();
    if let Some(picture) = vp9::depacketise(all) {
        assert!(picture.frame.len() <= sum + 34 && !picture.frame.is_empty());
    }
}

fn is_real(size: PictureSize) -> bool {
    size.width > 0 && size.height > 0
}

/// Descriptors in a row with the numbers of their packets; each that is read is written for a receiver, and read by that.
fn dependency_descriptors(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut ours = dependency::Dependencies::default();
    let mut seq = 10;
    while !input.is_empty() {
        let step = input.byte();
        seq = (seq + u64::from(step & 3)).saturating_sub(u64::from(step >> 2 & 3));
        let shift = input.byte();
        let number = input.short();
        let layers = dependency::Layers {
            spatial: step >> 4 & 3,
            temporal: step >> 6 & 3,
        };
        let Some(read) = ours.read(seq, input.piece()) else {
            continue;
        };
        let _ = (
            read.place(),
            read.top(),
            read.switch(layers, layers),
            read.switch(
                dependency::Layers {
                    spatial: 0,
                    temporal: 0,
                },
                layers,
            ),
            read.is_reduced(layers),
            ours.sizes(),
        );
        let new = dependency::NewDescriptor {
            number,
            template_shift: shift % dependency::TEMPLATES,
            // Every receiver of this one is new, so it needs the structure.
            has_structure: true,
            active: (shift & 0x80 != 0).then_some(layers),
        };
        let written = read.write(&new);
        assert_eq!(written.len(), read.length(&new));
        assert!(
            written.len() <= dependency::DESCRIPTOR_BYTES_MAX,
            "it fits an extension"
        );
        let mut theirs = dependency::Dependencies::default();
        let Some(again) = theirs.read(1, &written) else {
            // What did not fit was left out, the structure among it.
            assert!(
                !read.has_structure(),
                "a structure that came is written whole"
            );
            continue;
        };
        assert_eq!(again.number(), number);
        let (mut is, mut was) = (again.place(), read.place());
        (is.numbers, was.numbers) = Default::default();
        assert_eq!(is, was);
        assert_eq!(again.top(), read.top());
        assert_eq!(
            theirs.sizes(),
            sizes_of(&read, &written),
            "sizes are those of the structure"
        );
    }
}

/// The sizes that the descriptor's own structure says.
fn sizes_of(
    _: &dependency::Descriptor,
    written: &[u8],
) -> [Option<PictureSize>; dependency::SPATIAL_LAYERS_MAX] {
    let mut fresh = dependency::Dependencies::default();
    fresh.read(7, written);
    fresh.sizes()
}

fn opus_packets(bytes: &[u8]) {
    if let Some(samples) = opus::samples(bytes) {
        assert!((1..=5_760).contains(&samples));
        let (filler, length) = opus::filler(bytes[0]);
        assert_eq!(opus::samples(&filler), Some(length));
    }
    let mut input = Input::new(bytes);
    let (old, new) = (input.byte() & 0x7f, input.byte() & 0x7f);
    let payload = input.rest();
    if let Some(start) = red::primary_start(payload, old) {
        assert!(start < payload.len());
        let mut written = payload.to_vec();
        red::write_block_type(&mut written, new);
        assert_eq!(red::primary_start(&written, new), Some(start));
        assert_eq!(
            written[start..],
            payload[start..],
            "the sound is not touched"
        );
        red::write_block_type(&mut written, old);
        assert_eq!(written, payload, "the types come back");
    }
    if let Some(parameters) = text(bytes) {
        assert!(red::block_type(parameters).is_none_or(|kind| kind < 128));
    }
}

/// 128 by 96 pixels, baseline, as x264 writes it.
pub(crate) const SPS: &[u8] = &[
    0x67, 0x42, 0xd0, 0x0b, 0xda, 0x08, 0x36, 0xc0, 0x44, 0, 0, 3, 0, 4, 0, 0, 3, 0, 0x52, 0x3c,
    0x48, 0x9a, 0x80,
];
pub(crate) const PPS: &[u8] = &[0x68, 0xce, 0x3c, 0x80];
const IDR: &[u8] = &[0x65, 0x88, 0x84, 1, 2, 3];

fn h264_seeds() -> Vec<Vec<u8>> {
    let stream = [&[0, 0, 0, 1][..], SPS, &[0, 0, 0, 1], PPS, &[0, 0, 1], IDR].concat();
    let aggregate = [&[0x78, 0, 23][..], SPS, &[0, 4], PPS].concat();
    let mut packets = vec![5];
    for (step, payload) in [
        (1, &aggregate[..]),
        (1, &[0x7c, 0x85, 1, 2]),
        (1, &[0x7c, 0x45, 3, 4]),
        (0x41, &[0x41, 0x9a, 1]),
    ] {
        packets.push(step);
        packets.extend(pieces(&[payload]));
    }
    vec![SPS.to_vec(), PPS.to_vec(), IDR.to_vec(), stream, packets]
}

fn picture_seeds() -> Vec<Vec<u8>> {
    let aggregate = [&[0x78, 0, 23][..], SPS, &[0, 4], PPS].concat();
    let packets = pieces(&[
        &aggregate,
        &[0x7c, 0x85, 1, 2],
        &[0x7c, 0x05, 9],
        &[0x7c, 0x45, 3, 4],
        &[9, 0xf0],
        &[0x41, 0x9a, 1],
    ]);
    vec![
        [&[40][..], &packets].concat(),
        [&[0][..], &packets].concat(),
    ]
}

/// Parameter sets of 1280 by 720 pixels as x265 writes them, and packets of a key frame.
fn h265_seeds() -> Vec<Vec<u8>> {
    let sps = [
        0x42, 0x01, 0x01, 0x01, 0x60, 0, 0, 3, 0, 0x90, 0, 0, 3, 0, 0, 3, 0, 0x5d, 0xa0, 0x02,
        0x80, 0x80, 0x2d, 0x16, 0x59, 0x59, 0xa4, 0x93, 0x2b, 0x9a, 0x80, 0x80, 0x80, 0x82, 0, 0,
        3, 0, 2, 0, 0, 3, 0, 0x3c, 0x10,
    ];
    let aggregate = [
        0x60, 1, 0, 3, 0x40, 1, 7, 0, 3, 0x42, 1, 7, 0, 3, 0x44, 1, 7,
    ];
    let packets = pieces(&[&aggregate, &[0x62, 1, 0x93, 1, 2], &[0x62, 1, 0x53, 3]]);
    vec![sps.to_vec(), packets.clone(), [&[1][..], &packets].concat()]
}

fn av1_seeds() -> Vec<Vec<u8>> {
    let sequence = [
        0x0a, 0x0b, 0, 0, 0, 0x24, 0xcf, 0x7f, 0x0d, 0xbf, 0xff, 0x30, 0x08,
    ];
    let unit = [&[0x12, 0][..], &sequence, &[0x32, 4, 0x10, 0, 1, 2]].concat();
    let packets = pieces(&[
        &[
            0x68, 11, 0x08, 0, 0, 0, 0x24, 0xcf, 0x7f, 0x0d, 0xbf, 0xff, 0x30, 0x30, 0x10, 0,
        ],
        &[0x90, 1, 2],
    ]);
    vec![
        sequence.to_vec(),
        unit,
        packets,
        vec![0x28, 4, 0x08, 0, 0, 0, 0x30, 0x10],
    ]
}

fn vp8_seeds() -> Vec<Vec<u8>> {
    let key = [
        0x90, 0xf0, 0x92, 0x34, 7, 0x45, 0x10, 0, 0, 0x9d, 1, 0x2a, 0x40, 1, 0xb4, 0, 9,
    ];
    let delta = [0x80, 0xe0, 0x12, 7, 0x60, 1, 2];
    vec![
        [&[0x7f, 0xff, 3, 4][..], &key].concat(),
        [&[1, 2, 3, 4][..], &delta].concat(),
        vec![0, 0, 0, 0, 0x10, 0, 0, 0, 0x9d, 1, 0x2a, 0x40, 1, 0xb4, 0],
    ]
}

fn vp9_seeds() -> Vec<Vec<u8>> {
    let key = [
        0xae, 0x80, 5, 0x10, 1, 0x30, 1, 0x40, 0, 0xb4, 2, 0x80, 1, 0x68, 0x82, 0x49, 0x83, 0x42,
        0x20, 0x09, 0xf0, 0x05, 0x90,
    ];
    let flexible = [0xfc, 0x85, 5, 0x20, 3, 4, 0x86];
    let end = [
        0x8c, 1, 0x82, 0x49, 0x83, 0x42, 0x20, 0x09, 0xf0, 0x05, 0x90, 1,
    ];
    vec![
        [&[1, 2, 3, 4][..], &key].concat(),
        [&[1, 2, 3, 4][..], &flexible].concat(),
        pieces(&[&end]),
        vec![0x82, 0x49, 0x83, 0x42, 0x20, 0x09, 0xf0, 0x05, 0x90],
    ]
}

/// Two spatial layers by the standard's example L2T1, and one of its later frames.
fn dependency_seeds() -> Vec<Vec<u8>> {
    let structure = [
        0x80, 0, 1, 0x80, 0x01, 0x1e, 0xa8, 0x51, 0x41, 0x01, 0x0c, 0x13, 0xfc, 0x0b, 0x3c,
    ];
    let single = [0xc0, 0, 2, 0x80, 0, 0x14, 0xeb, 0x00];
    let mut row = Vec::new();
    for descriptor in [&structure[..], &[0x41, 0, 1], &single, &[0xc1, 0, 2]] {
        row.extend([1, 4, 0, 9]);
        row.extend(pieces(&[descriptor]));
    }
    vec![row]
}

fn opus_seeds() -> Vec<Vec<u8>> {
    vec![
        vec![0xf8, 0xff, 0xfe],
        vec![0xfb, 0x86, 1, 2],
        vec![111, 96, 0xef, 0, 4, 2, 0x6f, 1, 2, 3, 4],
        b"111/111".to_vec(),
    ]
}
