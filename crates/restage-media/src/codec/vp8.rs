//! The VP8 payload descriptor (RFC 7741 §4.2), as far as forwarding needs it.

/// The fields a receiver expects to be continuous.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Descriptor {
    /// Bytes before the VP8 payload header.
    pub(crate) length: usize,
    pub(crate) starts_partition: bool,
    pub(crate) partition: u8,
    pub(crate) picture_id: Option<PictureId>,
    pub(crate) tl0_pic_idx: Option<u8>,
    pub(crate) key_idx: Option<u8>,
}

/// A picture id with its width: 7 or 15 bits, whichever the sender chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PictureId {
    pub(crate) value: u16,
    pub(crate) is_wide: bool,
}

impl Descriptor {
    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        let mut reader = payload.iter().copied();
        let first = reader.next()?;
        let mut descriptor = Self {
            length: 0,
            starts_partition: first & 0x10 != 0,
            partition: first & 0x07,
            picture_id: None,
            tl0_pic_idx: None,
            key_idx: None,
        };
        if first & 0x80 != 0 {
            let extension = reader.next()?;
            if extension & 0x80 != 0 {
                let high = reader.next()?;
                descriptor.picture_id = Some(if high & 0x80 != 0 {
                    let value = u16::from_be_bytes([high & 0x7f, reader.next()?]);
                    PictureId {
                        value,
                        is_wide: true,
                    }
                } else {
                    PictureId {
                        value: u16::from(high),
                        is_wide: false,
                    }
                });
            }
            if extension & 0x40 != 0 {
                descriptor.tl0_pic_idx = Some(reader.next()?);
            }
            if extension & 0x30 != 0 {
                let byte = reader.next()?;
                if extension & 0x10 != 0 {
                    descriptor.key_idx = Some(byte & 0x1f);
                }
            }
        }
        descriptor.length = payload.len() - reader.len();
        Some(descriptor)
    }
}

/// Whether the packet starts a key frame: the first packet of partition 0 with the P bit of the payload header
/// clear (RFC 7741 §4.3).
pub(crate) fn starts_key_frame(payload: &[u8]) -> bool {
    let Some(descriptor) = Descriptor::parse(payload) else {
        return false;
    };
    descriptor.starts_partition
        && descriptor.partition == 0
        && payload
            .get(descriptor.length)
            .is_some_and(|header| header & 0x01 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_optional_field_is_read() {
        let payload = [0x90, 0xf0, 0x92, 0x34, 0x56, 0x65, 0x00];
        assert_eq!(
            Descriptor::parse(&payload),
            Some(Descriptor {
                length: 6,
                starts_partition: true,
                partition: 0,
                picture_id: Some(PictureId {
                    value: 0x1234,
                    is_wide: true
                }),
                tl0_pic_idx: Some(0x56),
                key_idx: Some(5),
            })
        );
        assert!(starts_key_frame(&payload));
    }

    #[test]
    fn narrow_picture_ids_and_plain_descriptors() {
        let descriptor = Descriptor::parse(&[0x80, 0x80, 0x12, 0x00]).unwrap();
        assert_eq!(
            descriptor.picture_id,
            Some(PictureId {
                value: 0x12,
                is_wide: false
            })
        );
        let descriptor = Descriptor::parse(&[0x10, 0x01]).unwrap();
        assert_eq!((descriptor.length, descriptor.picture_id), (1, None));
    }

    #[test]
    fn only_the_first_packet_of_an_intra_picture_starts_a_key_frame() {
        assert!(starts_key_frame(&[0x10, 0x00]));
        assert!(!starts_key_frame(&[0x10, 0x01]), "inter picture");
        assert!(!starts_key_frame(&[0x00, 0x00]), "continuation");
        assert!(!starts_key_frame(&[0x11, 0x00]), "partition 1");
        assert!(!starts_key_frame(&[0x10]), "no payload header");
    }

    #[test]
    fn truncation_anywhere_is_not_a_descriptor() {
        let payload = [0x90, 0xf0, 0x92, 0x34, 0x56, 0x65];
        for end in 0..payload.len() {
            assert_eq!(Descriptor::parse(&payload[..end]), None, "{end} bytes");
        }
    }
}
