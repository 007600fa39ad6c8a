//! Aggregates: several messages in one (RTMP 1.0 §7.1.6).

use super::{Message, kind};

/// The messages of an aggregate, one after the other.
#[derive(Debug)]
pub(crate) struct Aggregate {
    body: Vec<u8>,
    position: usize,
    /// The timestamp of the aggregate, less that of its first message.
    offset: Option<u32>,
    timestamp: u32,
}

/// Type, length, timestamp, stream id: as in FLV files.
const HEADER_BYTES: usize = 11;
/// The length of a message with its header, behind it.
const POINTER_BYTES: usize = 4;

impl Aggregate {
    pub(crate) fn new(message: Message) -> Self {
        Self {
            body: message.body,
            position: 0,
            offset: None,
            timestamp: message.timestamp,
        }
    }

    /// Bytes that are held.
    pub(crate) fn memory(&self) -> usize {
        self.body.capacity()
    }
}

impl Iterator for Aggregate {
    type Item = Message;

    /// The next message. One that is cut short, or an aggregate itself, ends them.
    fn next(&mut self) -> Option<Message> {
        let rest = self.body.get(self.position..)?;
        let (header, rest) = rest.split_first_chunk::<HEADER_BYTES>()?;
        let length = u32::from_be_bytes([0, header[1], header[2], header[3]]) as usize;
        let time = u32::from_be_bytes([header[7], header[4], header[5], header[6]]);
        let body = rest.get(..length)?.to_vec();
        if header[0] == kind::AGGREGATE {
            return None;
        }
        self.position += HEADER_BYTES + length + POINTER_BYTES;
        let first = self.timestamp.wrapping_sub(time);
        let offset = *self.offset.get_or_insert(first);
        Some(Message {
            kind: header[0],
            timestamp: time.wrapping_add(offset),
            body,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(kind: u8, time: u32, body: &[u8]) -> Vec<u8> {
        let [extended, high, middle, low] = time.to_be_bytes();
        let length = body.len() as u8;
        let header = [kind, 0, 0, length, high, middle, low, extended, 0, 0, 0];
        let pointer = [0, 0, 0, 11 + length];
        [&header[..], body, &pointer].concat()
    }

    fn messages(body: Vec<u8>) -> Vec<(u8, u32, Vec<u8>)> {
        let kind = kind::AGGREGATE;
        let timestamp = 0x0200_0000;
        let aggregate = Aggregate::new(Message {
            kind,
            timestamp,
            body,
        });
        let plain = aggregate.map(|message| (message.kind, message.timestamp, message.body));
        plain.collect()
    }

    #[test]
    fn times_count_from_the_first_message() {
        let body = [part(8, 0x0100_0005, b"a"), part(9, 0x0100_0015, b"bc")].concat();
        let expected = [
            (8, 0x0200_0000, b"a".to_vec()),
            (9, 0x0200_0010, b"bc".to_vec()),
        ];
        assert_eq!(messages(body.clone()), expected);
        // The last pointer is missing in some encoders' aggregates.
        assert_eq!(messages(body[..body.len() - 4].to_vec()), expected);
    }

    #[test]
    fn damage_ends_them() {
        let body = [part(8, 0, b"a"), part(9, 0, b"bc")].concat();
        for end in 0..body.len() - 4 {
            assert_eq!(
                messages(body[..end].to_vec()).len(),
                usize::from(end >= 12),
                "{end}"
            );
        }
        assert_eq!(messages(part(kind::AGGREGATE, 0, &part(8, 0, b"a"))), []);
    }
}
