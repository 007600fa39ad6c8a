//! Writing a message.

use std::net::SocketAddr;

use crc::{CRC_32_ISO_HDLC, Crc};

use crate::attribute::{ERROR_CODE, FINGERPRINT, MESSAGE_INTEGRITY};
use crate::message::integrity;
use crate::{COOKIE, Class, FINGERPRINT_BYTES, HEADER_BYTES, Transaction, write_xor_address};

/// FINGERPRINT is the checksum combined with this (RFC 8489 §14.7).
const FINGERPRINT_MASK: u32 = 0x5354_554e;
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// A message that is being written. Attributes are added in the order of the calls.
#[derive(Debug)]
pub struct Writer {
    bytes: Vec<u8>,
    transaction: Transaction,
}

impl Writer {
    /// Begins a message.
    pub fn new(class: Class, method: u16, transaction: &Transaction) -> Self {
        let class = match class {
            Class::Request => 0x0000,
            Class::Indication => 0x0010,
            Class::Success => 0x0100,
            Class::Error => 0x0110,
        };
        // Methods and classes are interleaved (RFC 8489 §5, figure 3).
        let kind = class | (method & 0x000f) | ((method & 0x0070) << 1) | ((method & 0x0f80) << 2);
        let mut bytes = Vec::with_capacity(128);
        bytes.extend(kind.to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(COOKIE);
        bytes.extend(transaction);
        Self {
            bytes,
            transaction: *transaction,
        }
    }

    /// Adds an attribute, padded to four bytes.
    pub fn push(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        self.bytes.extend(kind.to_be_bytes());
        self.bytes.extend((value.len() as u16).to_be_bytes());
        self.bytes.extend(value);
        let padded = self.bytes.len().next_multiple_of(4);
        self.bytes.resize(padded, 0);
        self
    }

    /// Adds an address, combined with cookie and transaction id.
    pub fn push_address(&mut self, kind: u16, address: SocketAddr) -> &mut Self {
        let value = write_xor_address(address, &self.transaction);
        self.push(kind, &value)
    }

    /// Adds ERROR-CODE (RFC 8489 §14.8) with this code, 300 to 699, and reason, which may be empty.
    pub fn push_error(&mut self, code: u16, reason: &str) -> &mut Self {
        let mut value = vec![0, 0, (code / 100) as u8, (code % 100) as u8];
        value.extend(reason.as_bytes());
        self.push(ERROR_CODE, &value)
    }

    /// The message as it is.
    pub fn finish(mut self) -> Vec<u8> {
        self.set_length(0);
        self.bytes
    }

    /// The message with MESSAGE-INTEGRITY by this key.
    pub fn finish_signed(mut self, key: &[u8]) -> Vec<u8> {
        let tag = integrity(key, &self.bytes);
        self.push(MESSAGE_INTEGRITY, tag.as_ref());
        self.finish()
    }

    /// The message with MESSAGE-INTEGRITY by this key and FINGERPRINT, as ICE demands (RFC 8445 §7.1).
    pub fn finish_for_ice(mut self, key: &[u8]) -> Vec<u8> {
        let tag = integrity(key, &self.bytes);
        self.push(MESSAGE_INTEGRITY, tag.as_ref());
        self.set_length(FINGERPRINT_BYTES);
        let checksum = CRC.checksum(&self.bytes) ^ FINGERPRINT_MASK;
        self.push(FINGERPRINT, &checksum.to_be_bytes());
        self.bytes
    }

    /// Writes the length into the header, with what will still be added.
    fn set_length(&mut self, rest: usize) {
        let length = (self.bytes.len() - HEADER_BYTES + rest) as u16;
        self.bytes[2..4].copy_from_slice(&length.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribute::{USE_CANDIDATE, USERNAME, XOR_MAPPED_ADDRESS};
    use crate::{Message, method, read_xor_address};

    const ID: Transaction = *b"twelve bytes";

    #[test]
    fn what_is_written_is_read_again() {
        let address = "192.0.2.1:32853".parse().unwrap();
        for class in [
            Class::Request,
            Class::Indication,
            Class::Success,
            Class::Error,
        ] {
            for method in [method::BINDING, method::CHANNEL_BIND, 0x7f, 0xfff] {
                let mut writer = Writer::new(class, method, &ID);
                writer.push(USERNAME, b"five5");
                writer.push_address(XOR_MAPPED_ADDRESS, address);
                let bytes = writer.finish_for_ice(b"key");
                let message = Message::parse(&bytes).unwrap();
                assert_eq!((message.class(), message.method()), (class, method));
                assert_eq!(message.transaction(), &ID);
                assert_eq!(message.get(USERNAME), Some(&b"five5"[..]));
                let mapped = message.get(XOR_MAPPED_ADDRESS).unwrap();
                assert_eq!(read_xor_address(mapped, &ID), Some(address));
                assert!(message.is_authentic(b"key") && !message.is_authentic(b"kez"));
            }
        }
    }

    #[test]
    fn an_error_has_class_and_number() {
        let mut writer = Writer::new(Class::Error, method::BINDING, &ID);
        writer.push_error(487, "Role Conflict");
        let bytes = writer.finish();
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(
            message.get(ERROR_CODE),
            Some(&b"\0\0\x04\x57Role Conflict"[..])
        );
        assert!(!message.has_integrity() && !message.is_authentic(b""));
    }

    #[test]
    fn attributes_behind_the_integrity_count_for_nothing() {
        let mut writer = Writer::new(Class::Request, method::BINDING, &ID);
        writer.push(USERNAME, b"a:b");
        let mut bytes = writer.finish_signed(b"pw");
        let mut more = Writer::new(Class::Request, method::BINDING, &ID);
        more.push(USE_CANDIDATE, &[]);
        bytes.extend_from_slice(&more.finish()[HEADER_BYTES..]);
        let length = (bytes.len() - HEADER_BYTES) as u16;
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        let message = Message::parse(&bytes).unwrap();
        assert!(message.is_authentic(b"pw"));
        assert_eq!(message.get(USE_CANDIDATE), None);
    }
}
