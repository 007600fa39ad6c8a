//! What H.264 NAL units say of themselves (ITU-T H.264 §7.3, §7.4).

use crate::media::bits::Bits;
use crate::media::sps;

/// `nal_unit_type` (ITU-T H.264 table 7-1), as far as a sender needs to know them.
pub(crate) mod kind {
    pub(crate) const SLICE: u8 = 1;
    pub(crate) const IDR_SLICE: u8 = 5;
    pub(crate) const SPS: u8 = 7;
    pub(crate) const PPS: u8 = 8;
    pub(crate) const END_OF_SEQUENCE: u8 = 10;
    pub(crate) const END_OF_STREAM: u8 = 11;
}

/// `nal_unit_type` of a NAL unit without its start code.
pub(crate) fn nal_kind(nal: &[u8]) -> u8 {
    nal.first().map_or(0, |first| first & 0x1f)
}

/// What the head of a slice says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SliceHead {
    /// Whether a picture begins with it.
    pub(crate) is_first: bool,
    /// Whether it may refer to a later picture, so that pictures are not sent in order of showing.
    pub(crate) is_bidirectional: bool,
}

/// Reads `first_mb_in_slice` and `slice_type` (§7.3.3).
pub(crate) fn slice_head(nal: &[u8]) -> Option<SliceHead> {
    // Both numbers are in the first bytes; emulation prevention can stretch those a little.
    let head = payload(&nal[..nal.len().min(24)]);
    let mut bits = Bits::new(&head);
    let first_mb = bits.exp_golomb()?;
    let slice_type = bits.exp_golomb()?;
    Some(SliceHead {
        is_first: first_mb == 0,
        is_bidirectional: slice_type % 5 == 1,
    })
}

/// The payload of a NAL unit: without its header, and without the bytes that keep start codes from
/// appearing in it (§7.4.1).
pub(crate) fn payload(nal: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(nal.len());
    let mut zeros = 0;
    for byte in nal.iter().skip(1).copied() {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        bytes.push(byte);
    }
    bytes
}

/// The NAL units of an access unit in Annex B form, without their start codes.
pub(crate) fn nals(access_unit: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = access_unit;
    std::iter::from_fn(move || {
        loop {
            let start = start_code(rest)? + 3;
            let nal = &rest[start..];
            let end = start_code(nal).unwrap_or(nal.len());
            rest = &nal[end..];
            let nal = trimmed(&nal[..end]);
            if !nal.is_empty() {
                return Some(nal);
            }
        }
    })
}

/// Size of the picture, where an access unit carries it.
pub(crate) fn size(access_unit: &[u8]) -> Option<(u32, u32)> {
    let sps = nals(access_unit).find(|nal| nal_kind(nal) == kind::SPS)?;
    sps::read(sps).map(|sequence| sequence.size)
}

/// Where the next start code `00 00 01` begins.
pub(crate) fn start_code(bytes: &[u8]) -> Option<usize> {
    bytes.windows(3).position(|window| window == [0, 0, 1])
}

/// Zeros after a NAL unit belong to the next start code (Annex B.1).
pub(crate) fn trimmed(nal: &[u8]) -> &[u8] {
    let end = nal
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    &nal[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slice_heads() {
        // first_mb 0 ("1"), slice_type 7 ("0001000"): an I slice that begins a picture.
        let head = slice_head(&[0x65, 0b1000_1000, 0]).unwrap();
        assert_eq!(
            head,
            SliceHead {
                is_first: true,
                is_bidirectional: false
            }
        );
        // first_mb 1 ("010"), slice_type 1 ("010"): a later B slice.
        let head = slice_head(&[0x01, 0b0100_1000, 0]).unwrap();
        assert_eq!(
            head,
            SliceHead {
                is_first: false,
                is_bidirectional: true
            }
        );
        assert_eq!(slice_head(&[]), None);
        assert_eq!(slice_head(&[0x41]), None);
        assert_eq!(slice_head(&[0x41, 0, 0, 0, 0, 0, 0, 0, 0]), None);
    }

    #[test]
    fn nal_units_are_found_between_start_codes() {
        let unit = [
            0, 0, 0, 1, 9, 0xf0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0, 0, 1, 0x65, 2, 0, 0,
        ];
        let found: Vec<&[u8]> = nals(&unit).collect();
        assert_eq!(found, [&[9, 0xf0][..], &[0x67, 1], &[0x65, 2]]);
        assert_eq!(nals(&[1, 2, 3]).count(), 0);
        assert_eq!(nals(&[0, 0, 1]).count(), 0);
    }

    #[test]
    fn emulation_prevention_is_taken_out() {
        assert_eq!(
            payload(&[7, 0, 0, 3, 1, 0, 0, 3, 0, 0, 3]),
            [0, 0, 1, 0, 0, 0, 0]
        );
        assert!(payload(&[]).is_empty());
    }
}
