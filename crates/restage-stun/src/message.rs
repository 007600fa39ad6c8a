//! Reading a message.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;

use crate::attribute::MESSAGE_INTEGRITY;
use crate::{COOKIE, HEADER_BYTES, INTEGRITY_BYTES};

/// A transaction id (RFC 8489 §5).
pub type Transaction = [u8; 12];

/// The class of a message (RFC 8489 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Is answered.
    Request,
    /// Is not answered.
    Indication,
    /// Answers a request that succeeded.
    Success,
    /// Answers a request that failed.
    Error,
}

/// A well-formed message. Attributes after MESSAGE-INTEGRITY are ignored, because nothing authenticates them.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    bytes: &'a [u8],
    class: Class,
    method: u16,
    /// The attributes before MESSAGE-INTEGRITY.
    attributes: &'a [u8],
    /// The value of MESSAGE-INTEGRITY.
    integrity: Option<&'a [u8]>,
}

impl<'a> Message<'a> {
    /// Reads a message that fills `bytes`. `None` if it does not, or is malformed: cookie, lengths, padding.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (header, attributes) = bytes.split_at_checked(HEADER_BYTES)?;
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let has_length = length == attributes.len() && length.is_multiple_of(4);
        if header[4..8] != COOKIE || !has_length {
            return None;
        }
        let kind = u16::from_be_bytes([header[0], header[1]]);
        // Methods and classes are interleaved (RFC 8489 §5, figure 3); the two highest bits are zero.
        if kind & 0xc000 != 0 {
            return None;
        }
        let class = match kind & 0x0110 {
            0x0000 => Class::Request,
            0x0010 => Class::Indication,
            0x0100 => Class::Success,
            _ => Class::Error,
        };
        let method = (kind & 0x000f) | ((kind & 0x00e0) >> 1) | ((kind & 0x3e00) >> 2);
        let mut message = Self {
            bytes,
            class,
            method,
            attributes,
            integrity: None,
        };
        let mut rest = attributes;
        while !rest.is_empty() {
            let (kind, value, after) = split(rest)?;
            if kind == MESSAGE_INTEGRITY {
                message.attributes = &attributes[..attributes.len() - rest.len()];
                message.integrity = Some(value);
                break;
            }
            rest = after;
        }
        Some(message)
    }

    /// Its class.
    pub fn class(&self) -> Class {
        self.class
    }

    /// Its method, one of [`method`](crate::method).
    pub fn method(&self) -> u16 {
        self.method
    }

    /// Its transaction id.
    pub fn transaction(&self) -> &'a Transaction {
        let id = self.bytes[8..].first_chunk();
        id.expect("the header was read")
    }

    /// Length of the message in bytes.
    pub fn length(&self) -> usize {
        self.bytes.len()
    }

    /// The attributes before MESSAGE-INTEGRITY, in order.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes(self.attributes)
    }

    /// The value of the first attribute of this kind before MESSAGE-INTEGRITY.
    pub fn get(&self, kind: u16) -> Option<&'a [u8]> {
        let found = self.attributes().find(|(found, _)| *found == kind);
        found.map(|(_, value)| value)
    }

    /// The same as text; `None` if it is absent or not UTF-8.
    pub fn get_text(&self, kind: u16) -> Option<&'a str> {
        std::str::from_utf8(self.get(kind)?).ok()
    }

    /// The same as a number of four bytes; `None` if it is absent or of another length.
    pub fn get_u32(&self, kind: u16) -> Option<u32> {
        Some(u32::from_be_bytes(self.get(kind)?.try_into().ok()?))
    }

    /// Whether MESSAGE-INTEGRITY is present.
    pub fn has_integrity(&self) -> bool {
        self.integrity.is_some()
    }

    /// Whether MESSAGE-INTEGRITY is present and made with this key: the password itself, or what the long-term
    /// mechanism derives from it. Compared in constant time.
    pub fn is_authentic(&self, key: &[u8]) -> bool {
        let Some(value) = self.integrity else {
            return false;
        };
        let covered = &self.bytes[..HEADER_BYTES + self.attributes.len()];
        verify_slices_are_equal(integrity(key, covered).as_ref(), value).is_ok()
    }
}

/// The attributes of a message, as kind and value.
#[derive(Debug, Clone)]
pub struct Attributes<'a>(&'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (kind, value, rest) = split(self.0)?;
        self.0 = rest;
        Some((kind, value))
    }
}

/// The first attribute, and what follows its padding.
fn split(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let [k0, k1, l0, l1, rest @ ..] = bytes else {
        return None;
    };
    let length = usize::from(u16::from_be_bytes([*l0, *l1]));
    let value = rest.get(..length)?;
    let after = rest.get(length.next_multiple_of(4)..)?;
    Some((u16::from_be_bytes([*k0, *k1]), value, after))
}

/// HMAC-SHA1 of the message up to the attribute, with the length that ends after it (RFC 8489 §14.5).
pub(crate) fn integrity(key: &[u8], covered: &[u8]) -> hmac::Tag {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    let length = covered.len() - HEADER_BYTES + 4 + INTEGRITY_BYTES;
    let mut context = hmac::Context::with_key(&key);
    context.update(&covered[..2]);
    context.update(&(length as u16).to_be_bytes());
    context.update(&covered[4..]);
    context.sign()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribute::{ICE_CONTROLLED, PRIORITY, USERNAME};
    use crate::method;

    /// RFC 5769 §2.1, the sample request; its password is "VOkJxbRl1RmTxUk/WvJxBt".
    const SAMPLE: &[u8] = b"\x00\x01\x00\x58\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
        \x80\x22\x00\x10STUN test client\x00\x24\x00\x04\x6e\x00\x01\xff\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36\
        \x00\x06\x00\x09\x65\x76\x74\x6a\x3a\x68\x36\x76\x59\x20\x20\x20\x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\
        \x78\x1e\xf2\xb5\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2\x80\x28\x00\x04\xe5\x7a\x3b\xcf";
    const SAMPLE_PASSWORD: &[u8] = b"VOkJxbRl1RmTxUk/WvJxBt";

    #[test]
    fn the_sample_of_the_standard_is_read_and_verified() {
        let message = Message::parse(SAMPLE).unwrap();
        assert_eq!(
            (message.class(), message.method()),
            (Class::Request, method::BINDING)
        );
        assert_eq!(message.get_text(USERNAME), Some("evtj:h6vY"));
        assert_eq!(message.get_u32(PRIORITY), Some(0x6e00_01ff));
        assert_eq!(message.get(ICE_CONTROLLED).map(<[u8]>::len), Some(8));
        assert_eq!(message.attributes().count(), 4);
        assert!(message.is_authentic(SAMPLE_PASSWORD));
        assert!(!message.is_authentic(b"VOkJxbRl1RmTxUk/WvJxBT"));
    }

    #[test]
    fn a_changed_bit_anywhere_before_the_integrity_is_noticed() {
        let end = SAMPLE.len() - 8 - INTEGRITY_BYTES;
        for bit in 0..end * 8 {
            let mut bytes = SAMPLE.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let is_taken = Message::parse(&bytes).is_some_and(|m| m.is_authentic(SAMPLE_PASSWORD));
            assert!(!is_taken, "bit {bit}");
        }
    }

    #[test]
    fn classes_and_methods_are_interleaved() {
        for (kind, class, method) in [
            (0x0003_u16, Class::Request, method::ALLOCATE),
            (0x0103, Class::Success, method::ALLOCATE),
            (0x0113, Class::Error, method::ALLOCATE),
            (0x0016, Class::Indication, method::SEND),
            (0x0017, Class::Indication, method::DATA),
            (0x0009, Class::Request, method::CHANNEL_BIND),
            (0x3eef, Class::Request, 0xfff),
        ] {
            let mut bytes = SAMPLE.to_vec();
            bytes[..2].copy_from_slice(&kind.to_be_bytes());
            let message = Message::parse(&bytes).unwrap();
            assert_eq!(
                (message.class(), message.method()),
                (class, method),
                "{kind:#x}"
            );
        }
        for kind in [0x4001_u16, 0x8001, 0xc001] {
            let mut bytes = SAMPLE.to_vec();
            bytes[..2].copy_from_slice(&kind.to_be_bytes());
            assert!(Message::parse(&bytes).is_none(), "{kind:#x}");
        }
    }

    #[test]
    fn no_length_panics() {
        for end in 0..SAMPLE.len() {
            assert!(Message::parse(&SAMPLE[..end]).is_none(), "{end}");
        }
        let mut lying = SAMPLE.to_vec();
        for length in 0..=u16::MAX {
            lying[22..24].copy_from_slice(&length.to_be_bytes());
            if let Some(message) = Message::parse(&lying) {
                message.is_authentic(SAMPLE_PASSWORD);
                message.attributes().for_each(drop);
            }
        }
    }
}
