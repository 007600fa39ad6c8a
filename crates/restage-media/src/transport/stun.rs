//! STUN Binding messages (RFC 8489) as ICE uses them (RFC 8445 §7): parsing, verifying, writing.
//!
//! Implemented here because the transaction ids of our checks must be unpredictable: the remote
//! end knows the password that signs its answers, so only the id proves that it has received the check.

use std::net::{IpAddr, SocketAddr};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use crc::{CRC_32_ISO_HDLC, Crc};

const HEADER_BYTES: usize = 20;
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const INTEGRITY_BYTES: usize = 20;

const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const BINDING_ERROR: u16 = 0x0111;

const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const PRIORITY: u16 = 0x0024;
const USE_CANDIDATE: u16 = 0x0025;
const FINGERPRINT: u16 = 0x8028;
const ICE_CONTROLLED: u16 = 0x8029;
/// FINGERPRINT is the checksum combined with this (RFC 8489 §14.7).
const FINGERPRINT_MASK: u32 = 0x5354_554e;
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// A transaction id (RFC 8489 §5).
pub(crate) type Transaction = [u8; 12];

/// The kind of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Request,
    Success,
    Error,
}

/// A Binding message. Attributes after MESSAGE-INTEGRITY are ignored, because nothing authenticates them.
#[derive(Debug, Clone)]
pub(crate) struct Message<'a> {
    pub(crate) kind: Kind,
    pub(crate) transaction: Transaction,
    /// Length of the datagram in bytes.
    pub(crate) length: usize,
    pub(super) username: Option<&'a str>,
    pub(crate) priority: Option<u32>,
    pub(crate) use_candidate: bool,
    /// Whether the sender believes that it is the controlled end.
    pub(crate) is_controlled: bool,
    /// The bytes that MESSAGE-INTEGRITY covers, and its value.
    pub(super) integrity: Option<(&'a [u8], &'a [u8])>,
}

impl<'a> Message<'a> {
    /// `None` for anything but a well-formed Binding request or answer.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (header, mut rest) = bytes.split_at_checked(HEADER_BYTES)?;
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if header[4..8] != COOKIE || length != rest.len() || length % 4 != 0 {
            return None;
        }
        let kind = match u16::from_be_bytes([header[0], header[1]]) {
            BINDING_REQUEST => Kind::Request,
            BINDING_SUCCESS => Kind::Success,
            BINDING_ERROR => Kind::Error,
            _ => return None,
        };
        let mut message = Self {
            kind,
            transaction: header[8..].try_into().ok()?,
            length: bytes.len(),
            username: None,
            priority: None,
            use_candidate: false,
            is_controlled: false,
            integrity: None,
        };
        while let [t0, t1, l0, l1, value @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*l0, *l1]));
            let attribute = value.get(..length)?;
            match u16::from_be_bytes([*t0, *t1]) {
                USERNAME => message.username = std::str::from_utf8(attribute).ok(),
                PRIORITY => message.priority = Some(u32::from_be_bytes(attribute.try_into().ok()?)),
                USE_CANDIDATE => message.use_candidate = true,
                ICE_CONTROLLED => message.is_controlled = true,
                MESSAGE_INTEGRITY => {
                    let covered = bytes.get(..bytes.len() - rest.len())?;
                    message.integrity = Some((covered, attribute));
                    break;
                }
                _ => {}
            }
            // Attributes are padded to four bytes.
            rest = value.get(length.next_multiple_of(4)..)?;
        }
        Some(message)
    }

    /// The part of USERNAME before the colon (RFC 8445 §7.2.2): the receiver's name fragment.
    pub(crate) fn receiver_ufrag(&self) -> Option<&'a str> {
        self.username?.split_once(':').map(|(receiver, _)| receiver)
    }

    /// Whether MESSAGE-INTEGRITY is present and made with this password.
    pub(crate) fn is_authentic(&self, password: &str) -> bool {
        let Some((covered, value)) = self.integrity else {
            return false;
        };
        let tag = integrity(password, covered);
        verify_slices_are_equal(tag.as_ref(), value).is_ok()
    }
}

/// HMAC-SHA1 of the message up to the attribute, with the length that ends after it (RFC 8489 §14.5).
fn integrity(password: &str, covered: &[u8]) -> hmac::Tag {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
    let length = covered.len() - HEADER_BYTES + 4 + INTEGRITY_BYTES;
    let mut context = hmac::Context::with_key(&key);
    context.update(&covered[..2]);
    context.update(&(length as u16).to_be_bytes());
    context.update(&covered[4..]);
    context.sign()
}

/// A Binding request from the controlled end, `username` being `<remote ufrag>:<local ufrag>`.
pub(crate) fn request(
    transaction: &Transaction,
    username: &str,
    priority: u32,
    tie_breaker: u64,
    password: &str,
) -> Vec<u8> {
    let mut message = begin(BINDING_REQUEST, transaction);
    push(&mut message, USERNAME, username.as_bytes());
    push(&mut message, PRIORITY, &priority.to_be_bytes());
    push(&mut message, ICE_CONTROLLED, &tie_breaker.to_be_bytes());
    finish(message, password)
}

/// The answer to a request from `source`.
pub(crate) fn success(transaction: &Transaction, source: SocketAddr, password: &str) -> Vec<u8> {
    let mut message = begin(BINDING_SUCCESS, transaction);
    let port = source.port() ^ u16::from_be_bytes([COOKIE[0], COOKIE[1]]);
    let mut value = match source.ip() {
        IpAddr::V4(_) => vec![0, 1],
        IpAddr::V6(_) => vec![0, 2],
    };
    value.extend(port.to_be_bytes());
    let mask = COOKIE.iter().chain(transaction);
    match source.ip() {
        IpAddr::V4(ip) => {
            value.extend(ip.octets().iter().zip(mask).map(|(byte, mask)| byte ^ mask))
        }
        IpAddr::V6(ip) => {
            value.extend(ip.octets().iter().zip(mask).map(|(byte, mask)| byte ^ mask))
        }
    }
    push(&mut message, XOR_MAPPED_ADDRESS, &value);
    finish(message, password)
}

/// The answer to a request of an end that believes to be controlled, which this end always is (RFC 8445 §7.3.1.1).
pub(crate) fn role_conflict(transaction: &Transaction, password: &str) -> Vec<u8> {
    let mut message = begin(BINDING_ERROR, transaction);
    push(&mut message, ERROR_CODE, b"\0\0\x04\x57Role Conflict");
    finish(message, password)
}

fn begin(kind: u16, transaction: &Transaction) -> Vec<u8> {
    let mut message = Vec::with_capacity(128);
    message.extend(kind.to_be_bytes());
    message.extend([0, 0]);
    message.extend(COOKIE);
    message.extend(transaction);
    message
}

fn push(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    message.extend(kind.to_be_bytes());
    message.extend((value.len() as u16).to_be_bytes());
    message.extend(value);
    message.resize(message.len().next_multiple_of(4), 0);
}

fn finish(mut message: Vec<u8>, password: &str) -> Vec<u8> {
    let tag = integrity(password, &message);
    push(&mut message, MESSAGE_INTEGRITY, tag.as_ref());
    let length = (message.len() - HEADER_BYTES + 8) as u16;
    message[2..4].copy_from_slice(&length.to_be_bytes());
    let checksum = CRC.checksum(&message) ^ FINGERPRINT_MASK;
    push(&mut message, FINGERPRINT, &checksum.to_be_bytes());
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Transaction = *b"twelve bytes";

    /// RFC 5769 §2.1, the sample request; its password is "VOkJxbRl1RmTxUk/WvJxBt".
    const SAMPLE: &[u8] = b"\x00\x01\x00\x58\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
        \x80\x22\x00\x10STUN test client\x00\x24\x00\x04\x6e\x00\x01\xff\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36\
        \x00\x06\x00\x09\x65\x76\x74\x6a\x3a\x68\x36\x76\x59\x20\x20\x20\x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\
        \x78\x1e\xf2\xb5\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2\x80\x28\x00\x04\xe5\x7a\x3b\xcf";
    const SAMPLE_PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";

    #[test]
    fn the_sample_of_the_standard_is_read_and_verified() {
        let message = Message::parse(SAMPLE).unwrap();
        assert_eq!(message.kind, Kind::Request);
        assert_eq!(message.receiver_ufrag(), Some("evtj"));
        assert_eq!(message.priority, Some(0x6e00_01ff));
        assert!(message.is_controlled && !message.use_candidate);
        assert!(message.is_authentic(SAMPLE_PASSWORD));
        assert!(!message.is_authentic("VOkJxbRl1RmTxUk/WvJxBT"));
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
    fn what_is_written_can_be_read() {
        let bytes = request(&ID, "theirs:ours", 7, 9, "a password of this length");
        let message = Message::parse(&bytes).unwrap();
        assert!(message.is_authentic("a password of this length"));
        assert_eq!(message.receiver_ufrag(), Some("theirs"));
        assert_eq!((message.priority, message.transaction), (Some(7), ID));
        for source in ["192.0.2.1:32853", "[2001:db8::1]:32853"] {
            let bytes = success(&ID, source.parse().unwrap(), "pw");
            let message = Message::parse(&bytes).unwrap();
            assert_eq!(message.kind, Kind::Success);
            assert!(message.is_authentic("pw"));
        }
        let bytes = role_conflict(&ID, "pw");
        assert_eq!(Message::parse(&bytes).unwrap().kind, Kind::Error);
    }

    /// RFC 5769 §2.2 has this mapped address for this transaction.
    #[test]
    fn addresses_are_masked_as_in_the_standard() {
        let id = Message::parse(SAMPLE).unwrap().transaction;
        let bytes = success(&id, "192.0.2.1:32853".parse().unwrap(), SAMPLE_PASSWORD);
        let expected = [
            0x00, 0x20, 0x00, 0x08, 0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43,
        ];
        assert!(bytes.windows(expected.len()).any(|part| part == expected));
    }

    #[test]
    fn attributes_behind_the_integrity_count_for_nothing() {
        let mut bytes = request(&ID, "a:b", 1, 1, "pw");
        push(&mut bytes, USE_CANDIDATE, &[]);
        let length = (bytes.len() - HEADER_BYTES) as u16;
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        let message = Message::parse(&bytes).unwrap();
        assert!(message.is_authentic("pw") && !message.use_candidate);
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
            }
        }
    }
}
