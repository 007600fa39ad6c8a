//! Headers of chunks (RTMP 1.0 §5.3.1).

use super::EXTENDED;

/// Bytes of the longest header: three of the basic one, eleven, and four of the extended timestamp.
pub(super) const HEADER_BYTES_MAX: usize = 18;

/// What a chunk says of its message. Which members there are follows from its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// `fmt`: 0 to 3.
    pub(super) format: u8,
    /// Chunk stream id.
    pub(super) id: u32,
    /// Timestamp (type 0) or what it has grown by (types 1 and 2); 0 for type 3.
    pub(super) time: u32,
    /// Whether `time` stood in four bytes of its own.
    pub(super) is_extended: bool,
    /// Length of the message and its type (types 0 and 1).
    pub(super) message: Option<(usize, u8)>,
    /// Bytes of the header.
    pub(super) length: usize,
}

impl Header {
    /// Reads the header that these bytes begin with, without the extended timestamp that may follow type 3. `None`: more bytes are
    /// needed.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (&first, _) = bytes.split_first()?;
        let (id, basic) = match first & 0x3f {
            0 => (64 + u32::from(*bytes.get(1)?), 2),
            1 => {
                let (low, high) = (*bytes.get(1)?, *bytes.get(2)?);
                (64 + u32::from(low) + 256 * u32::from(high), 3)
            }
            id => (u32::from(id), 1),
        };
        let mut header = Self {
            format: first >> 6,
            id,
            time: 0,
            is_extended: false,
            message: None,
            length: basic + [11, 7, 3, 0][usize::from(first >> 6)],
        };
        let fields = bytes.get(basic..header.length)?;
        if let [high, middle, low, ..] = *fields {
            header.time = u32::from_be_bytes([0, high, middle, low]);
        }
        if let [_, _, _, high, middle, low, kind, ..] = *fields {
            let length = u32::from_be_bytes([0, high, middle, low]);
            header.message = Some((length as usize, kind));
        }
        if header.time == EXTENDED {
            let (time, _) = bytes[header.length..].split_first_chunk::<4>()?;
            header.time = u32::from_be_bytes(*time);
            header.is_extended = true;
            header.length += 4;
        }
        Some(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_and_every_form_of_the_id() {
        let full = [0x03, 0, 0, 9, 0, 1, 0, 20, 1, 0, 0, 0];
        let expected = Header {
            format: 0,
            id: 3,
            time: 9,
            is_extended: false,
            message: Some((256, 20)),
            length: 12,
        };
        assert_eq!(Header::parse(&full), Some(expected));
        let header = Header::parse(&[0x40, 6, 0, 0, 9, 0, 0, 5, 8]).unwrap();
        assert_eq!(
            (header.format, header.id, header.message),
            (1, 70, Some((5, 8)))
        );
        let header = Header::parse(&[0x81, 6, 1, 0, 0, 9]).unwrap();
        assert_eq!((header.format, header.id, header.message), (2, 326, None));
        let header = Header::parse(&[0xc4]).unwrap();
        assert_eq!((header.format, header.id, header.length), (3, 4, 1));
        let extended = [0x84, 0xff, 0xff, 0xff, 1, 2, 3, 4];
        let header = Header::parse(&extended).unwrap();
        assert_eq!(
            (header.time, header.is_extended, header.length),
            (0x01_02_03_04, true, 8)
        );
        for whole in [&full[..], &extended] {
            for end in 0..whole.len() {
                assert_eq!(Header::parse(&whole[..end]), None, "{end}");
            }
        }
    }
}
