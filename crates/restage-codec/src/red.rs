//! Redundant audio (RFC 2198): a packet carries a block of sound and repeats earlier ones, so that what is lost comes again with the
//! next packet.

/// Blocks of a packet, the newest among them. More are taken for damage: senders repeat one to three.
pub const BLOCKS_MAX: usize = 32;

/// Where the newest block begins in a payload all of whose blocks have this payload type: it reaches to the end and is a payload of its
/// own. `None` if the payload is damaged, if a block is of another type, or if the newest one is empty.
pub fn primary_start(payload: &[u8], block_type: u8) -> Option<usize> {
    let mut at = 0;
    let mut repeated = 0;
    for _ in 0..BLOCKS_MAX {
        let head = *payload.get(at)?;
        if head & 0x7f != block_type {
            return None;
        }
        if head & 0x80 == 0 {
            let start = at + 1 + repeated;
            return (start < payload.len()).then_some(start);
        }
        // 14 bits of time before the packet's, 10 bits of length.
        let (middle, low) = (payload.get(at + 2)?, payload.get(at + 3)?);
        repeated += usize::from(u16::from_be_bytes([middle & 0x03, *low]));
        at += 4;
    }
    None
}

/// Gives every block this payload type.
pub fn write_block_type(payload: &mut [u8], block_type: u8) {
    for head in 0..BLOCKS_MAX {
        let Some(byte) = payload.get_mut(head * 4) else {
            return;
        };
        let is_last = *byte & 0x80 == 0;
        *byte = *byte & 0x80 | block_type & 0x7f;
        if is_last {
            return;
        }
    }
}

/// The payload type of the blocks, as the parameters of an `a=fmtp` line name it for each of them: `111/111`. `None` if the blocks may
/// have different types, or if that is no such list.
pub fn block_type(parameters: &str) -> Option<u8> {
    let mut types = parameters.trim().split('/');
    let is_digits =
        |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let first = types.next().filter(is_digits)?;
    let mut others = 0;
    let is_same = types.all(|other| {
        others += 1;
        other == first
    });
    let block_type = first.parse().ok().filter(|pt| *pt < 0x80)?;
    (is_same && others < BLOCKS_MAX).then_some(block_type)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Blocks of these lengths, the newest last, each filled with its number.
    fn packet(block_type: u8, lengths: &[usize]) -> Vec<u8> {
        let mut payload = Vec::new();
        let (_, repeated) = lengths.split_last().unwrap();
        for length in repeated {
            payload.extend([
                0x80 | block_type,
                0x0f,
                (length >> 8) as u8 & 3,
                *length as u8,
            ]);
        }
        payload.push(block_type);
        for (number, length) in (1..).zip(lengths) {
            payload.extend(std::iter::repeat_n(number, *length));
        }
        payload
    }

    #[test]
    fn the_newest_block_is_the_last() {
        for lengths in [&[7][..], &[3, 7], &[300, 0, 7], &[1; 32]] {
            let payload = packet(111, lengths);
            let start = primary_start(&payload, 111).unwrap();
            let newest = vec![lengths.len() as u8; *lengths.last().unwrap()];
            assert_eq!(payload[start..], newest, "{lengths:?}");
        }
    }

    #[test]
    fn damage_other_types_and_nothing_new_have_no_newest_block() {
        let whole = packet(111, &[3, 5]);
        assert_eq!(primary_start(&whole, 110), None);
        for end in 0..whole.len() - 4 {
            assert_eq!(primary_start(&whole[..end], 111), None, "{end} bytes");
        }
        let mut mixed = whole.clone();
        mixed[4] = 13;
        assert_eq!(primary_start(&mixed, 111), None, "comfort noise");
        assert_eq!(primary_start(&packet(111, &[3, 0]), 111), None, "empty");
        assert_eq!(primary_start(&packet(111, &[1; 33]), 111), None, "too many");
        assert_eq!(primary_start(&[0x80 | 111; 500], 111), None, "without end");
    }

    #[test]
    fn all_blocks_are_given_another_type() {
        let mut payload = packet(111, &[3, 4, 5]);
        write_block_type(&mut payload, 109);
        assert_eq!(payload, packet(109, &[3, 4, 5]));
    }

    #[test]
    fn parameters_name_one_type() {
        for (parameters, expected) in [
            ("111/111", Some(111)),
            (" 96 ", Some(96)),
            ("109/109/109", Some(109)),
            ("111/110", None),
            ("", None),
            ("/", None),
            ("111/", None),
            ("+96/+96", None),
            ("128/128", None),
            ("999999/999999", None),
        ] {
            assert_eq!(block_type(parameters), expected, "{parameters}");
        }
        assert_eq!(block_type(&["96"; 32].join("/")), Some(96));
        assert_eq!(block_type(&["96"; 33].join("/")), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_and_the_newest_block_stays_where_it_is(
            mut payload in proptest::collection::vec(any::<u8>(), 0..200), before in 0..128_u8, after in 0..128_u8,
        ) {
            if let Some(first) = payload.first_mut() {
                *first = *first & 0x80 | before;
            }
            let start = primary_start(&payload, before);
            write_block_type(&mut payload, after);
            if let Some(start) = start {
                prop_assert!(start < payload.len());
                prop_assert_eq!(primary_start(&payload, after), Some(start));
            }
        }
    }
}
