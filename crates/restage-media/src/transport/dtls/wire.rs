//! The datagrams that OpenSSL reads and writes, and the filter for records.

use std::io::{self, Read, Write};

/// Length of content type, version, epoch, sequence number and length (RFC 6347 §4.1).
const RECORD_HEADER_BYTES: usize = 13;
/// Length of type, length, sequence, fragment offset and length (RFC 6347 §4.2.2).
const HANDSHAKE_HEADER_BYTES: usize = 12;
/// Longest handshake message: OpenSSL reassembles certificates of at most this size.
const MESSAGE_BYTES_MAX: usize = 100 * 1024;

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const FATAL: u8 = 2;

/// Stands for a datagram socket.
#[derive(Debug, Default)]
pub(super) struct Wire {
    /// The received datagram.
    incoming: Option<Vec<u8>>,
    /// Datagrams written, oldest first.
    pub(super) outgoing: Vec<Vec<u8>>,
}

impl Wire {
    pub(super) fn arrive(&mut self, datagram: Vec<u8>) {
        self.incoming = Some(datagram);
    }

    /// Drops unread data.
    pub(super) fn forget(&mut self) {
        self.incoming = None;
    }
}

impl Read for Wire {
    /// Reads one datagram at a time, like a socket; the part that does not fit is cut off.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(datagram) = self.incoming.take() else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        let length = datagram.len().min(buffer.len());
        buffer[..length].copy_from_slice(&datagram[..length]);
        Ok(length)
    }
}

impl Write for Wire {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        self.outgoing.push(datagram.to_vec());
        Ok(datagram.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The accepted part of a datagram.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Filtered {
    /// The records for OpenSSL.
    pub(super) records: Vec<u8>,
    /// The number of an unprotected fatal alert, if one was in the datagram.
    pub(super) fatal_alert: Option<u8>,
}

/// Splits a datagram into records and removes what must not end a handshake because it may be forged: unprotected
/// alerts, and malformed messages, after which OpenSSL would give up.
pub(super) fn filter(datagram: &[u8], is_client: bool) -> Filtered {
    let mut filtered = Filtered::default();
    for record in records(datagram) {
        let is_protected = record[3..5] != [0, 0];
        let is_kept = match (record[0], is_protected) {
            (ALERT, false) => {
                filtered.fatal_alert = fatal_alert(record).or(filtered.fatal_alert);
                false
            }
            (HANDSHAKE, false) => is_handshake(record, is_client),
            (CHANGE_CIPHER_SPEC, false) => record[RECORD_HEADER_BYTES..] == [1],
            (_, false) => false,
            (_, true) => true,
        };
        if is_kept {
            filtered.records.extend(record);
        }
    }
    filtered
}

/// The number of an unprotected fatal alert that the datagram begins with.
pub(super) fn fatal_alert(datagram: &[u8]) -> Option<u8> {
    match records(datagram).next()? {
        [ALERT, _, _, 0, 0, _, _, _, _, _, _, _, _, FATAL, code] => Some(*code),
        _ => None,
    }
}

/// Complete records, up to the first invalid one.
fn records(mut datagram: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let length = u16::from_be_bytes([*datagram.get(11)?, *datagram.get(12)?]);
        let (record, rest) =
            datagram.split_at_checked(RECORD_HEADER_BYTES + usize::from(length))?;
        datagram = rest;
        Some(record)
    })
}

/// Whether an unprotected record has fragments of handshake messages that the remote end may send.
fn is_handshake(record: &[u8], is_client: bool) -> bool {
    let mut rest = &record[RECORD_HEADER_BYTES..];
    if rest.is_empty() {
        return false;
    }
    while !rest.is_empty() {
        let Some((header, body)) = rest.split_at_checked(HANDSHAKE_HEADER_BYTES) else {
            return false;
        };
        let number = |at: usize| {
            usize::from(header[at]) << 16
                | usize::from(header[at + 1]) << 8
                | usize::from(header[at + 2])
        };
        let (length, offset, fragment) = (number(1), number(6), number(9));
        let is_expected = match header[0] {
            // HelloRequest, ServerHello, HelloVerifyRequest, NewSessionTicket, ServerKeyExchange, CertificateRequest,
            // ServerHelloDone
            0 | 2 | 3 | 4 | 12 | 13 | 14 | 22 => is_client,
            // ClientHello, CertificateVerify, ClientKeyExchange
            1 | 15 | 16 => !is_client,
            // Certificate, Finished
            11 | 20 => true,
            _ => false,
        };
        let is_whole = offset + fragment <= length && length <= MESSAGE_BYTES_MAX;
        let Some(after) = body.get(fragment..) else {
            return false;
        };
        if !is_expected || !is_whole {
            return false;
        }
        rest = after;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, epoch: u8, body: &[u8]) -> Vec<u8> {
        let mut record = vec![kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 1];
        record.extend((body.len() as u16).to_be_bytes());
        record.extend(body);
        record
    }

    fn message(kind: u8, length: u8, fragment: &[u8]) -> Vec<u8> {
        let mut message = vec![
            kind,
            0,
            0,
            length,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            fragment.len() as u8,
        ];
        message.extend(fragment);
        message
    }

    #[test]
    fn unprotected_alerts_are_told_and_kept_from_the_handshake() {
        let hello = record(HANDSHAKE, 0, &message(1, 3, b"abc"));
        let datagram = [record(ALERT, 0, &[FATAL, 42]), hello.clone()].concat();
        let filtered = filter(&datagram, false);
        assert_eq!((filtered.records, filtered.fatal_alert), (hello, Some(42)));
        let warning = record(ALERT, 0, &[1, 0]);
        assert_eq!(filter(&warning, false), Filtered::default());
        let protected = record(ALERT, 1, &[FATAL, 42]);
        assert_eq!(filter(&protected, false).records, protected);
        assert_eq!(filter(&protected, false).fatal_alert, None);
    }

    #[test]
    fn handshake_messages_that_make_no_sense_do_not_reach_openssl() {
        let good = record(HANDSHAKE, 0, &message(1, 9, b"abc"));
        assert_eq!(filter(&good, false).records, good);
        assert!(
            filter(&good, true).records.is_empty(),
            "a server sends no ClientHello"
        );
        for bad in [
            record(HANDSHAKE, 0, b""),
            record(HANDSHAKE, 0, b"short"),
            record(CHANGE_CIPHER_SPEC, 0, &[2]),
            record(CHANGE_CIPHER_SPEC, 0, &[1, 1]),
            record(23, 0, b"data"),
            record(63, 0, b"what"),
            record(HANDSHAKE, 0, &message(99, 3, b"abc")),
            record(HANDSHAKE, 0, &message(1, 2, b"abc")),
            record(HANDSHAKE, 0, &[message(1, 3, b"abc"), vec![0]].concat()),
        ] {
            assert!(filter(&bad, false).records.is_empty(), "{bad:?}");
        }
    }

    #[test]
    fn no_datagram_panics() {
        let datagram = [
            record(HANDSHAKE, 0, &message(1, 3, b"abc")),
            record(20, 0, &[1]),
        ]
        .concat();
        for end in 0..datagram.len() {
            filter(&datagram[..end], false);
            fatal_alert(&datagram[..end]);
        }
        assert_eq!(filter(&datagram, false).records, datagram);
    }

    #[test]
    fn a_datagram_is_read_at_once() {
        let mut wire = Wire::default();
        wire.arrive(vec![1, 2, 3]);
        let mut buffer = [0; 2];
        assert_eq!(wire.read(&mut buffer).unwrap(), 2);
        assert_eq!(
            wire.read(&mut buffer).unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );
    }
}
