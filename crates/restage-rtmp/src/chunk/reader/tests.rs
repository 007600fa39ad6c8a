//! Chunks in every form, and every bound.

use proptest::prelude::*;

use super::*;
use crate::limits::{AUDIO_BYTES_MAX, COMMAND_BYTES_MAX, VIDEO_BYTES_MAX};

/// A chunk of type 0 with the beginning of a message.
fn full(stream: u8, time: u32, length: usize, kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = (length as u32).to_be_bytes();
    let field = time.min(0x00ff_ffff).to_be_bytes();
    let mut chunk = vec![stream, field[1], field[2], field[3]];
    chunk.extend([length[1], length[2], length[3], kind, 1, 0, 0, 0]);
    if time >= 0x00ff_ffff {
        chunk.extend(time.to_be_bytes());
    }
    chunk.extend(payload);
    chunk
}

/// All messages of these bytes, which come in pieces of so many bytes.
fn read(reader: &mut Reader, bytes: &[u8], step: usize) -> Result<Vec<(u8, u32, Vec<u8>)>, Fault> {
    let mut messages = Vec::new();
    for mut piece in bytes.chunks(step.max(1)) {
        while let Some(message) = reader.receive(&mut piece)? {
            messages.push((message.kind, message.timestamp, message.body));
        }
        assert!(piece.is_empty());
    }
    Ok(messages)
}

fn fresh(bytes: &[u8]) -> Result<Vec<(u8, u32, Vec<u8>)>, Fault> {
    let whole = read(&mut Reader::new(), bytes, bytes.len());
    for step in [1, 2, 3, 11, 128] {
        assert_eq!(read(&mut Reader::new(), bytes, step), whole, "{step}");
    }
    whole
}

#[test]
fn every_type_of_chunk_goes_on_from_the_one_before() {
    let bytes = [
        full(4, 1_000, 2, 8, b"ab"),
        // Type 1: 20 later, another length. Type 2: 30 later. Type 3: 30 later again.
        b"\x44\x00\x00\x14\x00\x00\x01\x08c".to_vec(),
        b"\x84\x00\x00\x1ed".to_vec(),
        b"\xc4e".to_vec(),
    ];
    let expected = [
        (8, 1_000, b"ab".to_vec()),
        (8, 1_020, b"c".to_vec()),
        (8, 1_050, b"d".to_vec()),
        (8, 1_080, b"e".to_vec()),
    ];
    assert_eq!(fresh(&bytes.concat()).unwrap(), expected);
    // Behind type 0 the delta is its timestamp (RTMP 1.0 §5.3.1.2.4).
    let bytes = [full(4, 40, 1, 8, b"a"), b"\xc4b".to_vec()].concat();
    assert_eq!(fresh(&bytes).unwrap()[1].1, 80);
}

#[test]
fn messages_of_different_streams_may_interleave() {
    let long: Vec<u8> = (0..300_u32).map(|byte| byte as u8).collect();
    let bytes = [
        full(4, 5, 300, 9, &long[..128]),
        full(6, 7, 2, 8, b"ab"),
        [&[0xc4], &long[128..256]].concat(),
        b"\xc6cd".to_vec(),
        [&[0xc4], &long[256..]].concat(),
    ];
    let expected = [
        (8, 7, b"ab".to_vec()),
        (8, 14, b"cd".to_vec()),
        (9, 5, long.clone()),
    ];
    assert_eq!(fresh(&bytes.concat()).unwrap(), expected);
}

#[test]
fn extended_timestamps_are_repeated_or_left_out() {
    let time = 0x0123_4567;
    let long = vec![7; 200];
    let repeated = [
        full(4, time, 200, 9, &long[..128]),
        [&[0xc4][..], &time.to_be_bytes(), &long[128..]].concat(),
    ];
    assert_eq!(
        fresh(&repeated.concat()).unwrap(),
        [(9, time, long.clone())]
    );
    let left_out = [
        full(4, time, 200, 9, &long[..128]),
        [&[0xc4][..], &long[128..]].concat(),
    ];
    assert_eq!(fresh(&left_out.concat()).unwrap(), [(9, time, long)]);
    // The last chunk has less than the four bytes that are looked at, so the next message shows them.
    let short = vec![7; 130];
    let left_out = [
        full(4, time, 130, 9, &short[..128]),
        [&[0xc4][..], &short[128..]].concat(),
        full(6, 1, 3, 8, b"abc"),
    ];
    let expected = [(9, time, short), (8, 1, b"abc".to_vec())];
    assert_eq!(fresh(&left_out.concat()).unwrap(), expected);
}

#[test]
fn what_encoders_do_wrong_is_forgiven() {
    // A stream that begins with type 1: its time counts from 0.
    assert_eq!(
        fresh(b"\x44\x00\x00\x05\x00\x00\x01\x08a").unwrap(),
        [(8, 5, b"a".to_vec())]
    );
    // A message that goes on behind a full header instead of type 3.
    let long = vec![7; 200];
    let bytes = [
        full(4, 5, 200, 9, &long[..128]),
        full(4, 5, 200, 9, &long[128..]),
    ];
    assert_eq!(fresh(&bytes.concat()).unwrap(), [(9, 5, long.clone())]);
    // One that is given up for another one.
    let bytes = [full(4, 5, 200, 9, &long[..128]), full(4, 9, 1, 9, b"x")];
    assert_eq!(fresh(&bytes.concat()).unwrap(), [(9, 9, b"x".to_vec())]);
}

#[test]
fn an_aborted_message_is_gone() {
    let mut reader = Reader::new();
    let begun = full(4, 5, 200, 9, &[7; 128]);
    assert_eq!(read(&mut reader, &begun, 64), Ok(Vec::new()));
    reader.abort(9);
    reader.abort(4);
    let next = [full(4, 6, 1, 9, b"x")].concat();
    assert_eq!(read(&mut reader, &next, 64).unwrap().len(), 1);
}

#[test]
fn each_bound_is_crossed_by_one() {
    for (kind, most) in [
        (8, AUDIO_BYTES_MAX),
        (9, VIDEO_BYTES_MAX),
        (20, COMMAND_BYTES_MAX),
        (99, COMMAND_BYTES_MAX),
    ] {
        assert_eq!(fresh(&full(4, 0, most, kind, &[])), Ok(Vec::new()));
        let bytes = most + 1;
        let error = Fault::MessageLength { kind, bytes, most };
        assert_eq!(fresh(&full(4, 0, bytes, kind, &[])), Err(error));
    }
    let streams = |count: usize| {
        let ids = (0..count).map(|id| full(3 + id as u8, 0, 0, 8, &[]));
        fresh(&ids.collect::<Vec<_>>().concat())
    };
    assert_eq!(streams(CHUNK_STREAMS_MAX).unwrap().len(), CHUNK_STREAMS_MAX);
    let id = 3 + CHUNK_STREAMS_MAX as u32;
    assert_eq!(
        streams(CHUNK_STREAMS_MAX + 1),
        Err(Fault::ChunkStreams { id })
    );
    let mut reader = Reader::new();
    assert_eq!(reader.set_chunk_bytes(CHUNK_BYTES_MAX as u32), Ok(()));
    for bytes in [0, CHUNK_BYTES_MAX as u32 + 1, 1 << 31, u32::MAX] {
        assert_eq!(
            reader.set_chunk_bytes(bytes),
            Err(Fault::ChunkSize { bytes })
        );
    }
    for format in [2, 3] {
        let error = Fault::FirstChunk { id: 5, format };
        assert_eq!(fresh(&[format << 6 | 5, 0, 0, 1]), Err(error));
    }
}

#[test]
fn messages_under_way_are_bounded_together() {
    let mut reader = Reader::new();
    let video = full(4, 0, VIDEO_BYTES_MAX, 9, &[0; 128]);
    let rest = ASSEMBLY_BYTES_MAX - VIDEO_BYTES_MAX;
    let other = full(5, 0, rest, 9, &[0; 128]);
    assert!(read(&mut reader, &[video, other].concat(), 1_000).is_ok());
    let error = read(&mut reader, &full(6, 0, 1, 8, &[]), 1_000);
    assert_eq!(error, Err(Fault::Assembly));
}

#[test]
fn room_is_made_for_what_has_come() {
    let mut reader = Reader::new();
    for id in 0..CHUNK_STREAMS_MAX as u8 {
        let begun = full(
            3 + id,
            0,
            ASSEMBLY_BYTES_MAX / CHUNK_STREAMS_MAX,
            9,
            &[0; 128],
        );
        read(&mut reader, &begun, 50).unwrap();
    }
    assert!(reader.memory() < 16 << 10, "{}", reader.memory());
}

proptest! {
    #[test]
    fn any_bytes_are_read_within_bounds(
        pieces in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..40),
                (2..24_u8, any::<u32>(), 0..5_000_usize, any::<u8>(), prop::collection::vec(any::<u8>(), 0..200))
                    .prop_map(|(id, time, length, kind, body)| full(id, time, length, kind, &body)),
                (any::<u8>(), prop::collection::vec(any::<u8>(), 0..130))
                    .prop_map(|(first, body)| [&[first][..], &body].concat()),
            ],
            0..30,
        ),
        step in 1..300_usize,
    ) {
        let bytes = pieces.concat();
        let mut reader = Reader::new();
        let stepwise = read(&mut reader, &bytes, step);
        prop_assert!(reader.memory() < bytes.len() * 2 + (16 << 10));
        prop_assert_eq!(stepwise, read(&mut Reader::new(), &bytes, bytes.len()));
    }
}
