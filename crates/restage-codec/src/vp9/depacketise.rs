//! Pictures out of RTP packets (RFC 9628 §4).

use super::{Descriptor, is_key_frame};

/// Frames of a superframe (VP9 specification, annex B.2).
const FRAMES_MAX: usize = 8;
/// The first three bits of a superframe's marker (annex B.3).
const SUPERFRAME_MARKER: u8 = 0xc0;
/// Bytes of a length in the index.
const LENGTH_BYTES: usize = 4;

/// A picture, put together from its packets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Picture {
    /// A frame; with several spatial layers a superframe of theirs, with its index (annex B).
    pub frame: Vec<u8>,
    /// A decoder can start with it.
    pub is_key: bool,
}

/// Puts a picture together from the payloads of all its packets, in order. `None` if one is missing or damaged.
pub fn depacketise<'a>(payloads: impl IntoIterator<Item = &'a [u8]>) -> Option<Picture> {
    let mut picture = Picture::default();
    let mut lengths: Vec<u32> = Vec::new();
    let mut begin = None;
    for payload in payloads {
        let descriptor = Descriptor::parse(payload)?;
        let body = payload
            .get(descriptor.length..)
            .filter(|body| !body.is_empty())?;
        if descriptor.starts_frame == begin.is_some() {
            return None;
        }
        let start = *begin.get_or_insert(picture.frame.len());
        if descriptor.starts_frame && start == 0 {
            picture.is_key = !descriptor.is_predicted && is_key_frame(body);
        }
        picture.frame.extend_from_slice(body);
        if descriptor.ends_frame {
            lengths.push(u32::try_from(picture.frame.len() - start).ok()?);
            begin = None;
        }
    }
    if begin.is_some() || lengths.is_empty() || lengths.len() > FRAMES_MAX {
        return None;
    }
    if lengths.len() > 1 {
        write_index(&mut picture.frame, &lengths);
    }
    Some(picture)
}

/// Writes the index of a superframe (annex B.3).
fn write_index(frame: &mut Vec<u8>, lengths: &[u32]) {
    let marker = SUPERFRAME_MARKER | (LENGTH_BYTES as u8 - 1) << 3 | (lengths.len() as u8 - 1);
    frame.push(marker);
    for length in lengths {
        frame.extend_from_slice(&length.to_le_bytes());
    }
    frame.push(marker);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: [u8; 10] = [0x82, 0x49, 0x83, 0x42, 0x00, 0x27, 0xf0, 0x16, 0x70, 0x00];

    fn depacketised(payloads: &[&[u8]]) -> Option<Picture> {
        depacketise(payloads.iter().copied())
    }

    #[test]
    fn packets_become_a_frame() {
        let first = [&[0x08], &KEY[..6]].concat();
        let last = [&[0x04], &KEY[6..]].concat();
        let picture = depacketised(&[&first, &last]).unwrap();
        assert_eq!((picture.frame, picture.is_key), (KEY.to_vec(), true));
        let delta = depacketised(&[&[0x4c, 0x86, 1]]).unwrap();
        assert_eq!((delta.frame, delta.is_key), (vec![0x86, 1], false));
        for packets in [
            &[&first[..]][..],
            &[&last],
            &[&first, &first],
            &[&[0x0c]],
            &[&[]],
            &[],
        ] {
            assert_eq!(depacketised(packets), None, "{packets:?}");
        }
    }

    #[test]
    fn spatial_layers_become_a_superframe() {
        let lower = [&[0x2c, 0x00, 1], &KEY[..]].concat();
        let upper = [0x2c, 0x02, 1, 0x86, 7];
        let picture = depacketised(&[&lower, &upper]).unwrap();
        assert!(picture.is_key);
        let index = [0xd9, 10, 0, 0, 0, 2, 0, 0, 0, 0xd9];
        assert_eq!(picture.frame, [&KEY[..], &[0x86, 7], &index].concat());
        let nine = vec![&upper[..]; FRAMES_MAX + 1];
        assert_eq!(depacketised(&nine), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_and_never_grow(
            packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..12),
        ) {
            let bytes: usize = packets.iter().map(Vec::len).sum();
            if let Some(picture) = depacketise(packets.iter().map(Vec::as_slice)) {
                prop_assert!(picture.frame.len() <= bytes + 2 + FRAMES_MAX * LENGTH_BYTES);
            }
        }
    }
}
