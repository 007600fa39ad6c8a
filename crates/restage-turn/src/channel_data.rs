//! ChannelData messages (RFC 8656 §12.4), and where messages end on a connection.

use restage_stun::{COOKIE, HEADER_BYTES};

use crate::limits::MESSAGE_BYTES_MAX;

/// Numbers of channels. RFC 8656 §12 has only those below 0x5000; clients of RFC 5766 §11 use the others too, and nothing
/// else that shares a port begins with these bytes.
const CHANNELS: std::ops::RangeInclusive<u16> = 0x4000..=0x7fff;
/// Channel number and length.
const HEAD_BYTES: usize = 4;

/// Whether a channel may have this number.
pub(crate) fn is_channel(number: u16) -> bool {
    CHANNELS.contains(&number)
}

/// Channel and payload of a message; `None` if it is none. What follows the payload is padding.
pub(crate) fn read(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<HEAD_BYTES>()?;
    let channel = u16::from_be_bytes([head[0], head[1]]);
    let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
    let payload = rest.get(..length)?;
    is_channel(channel).then_some((channel, payload))
}

/// Appends a message; on a connection it is padded to four bytes.
pub(crate) fn write(out: &mut Vec<u8>, channel: u16, payload: &[u8], is_padded: bool) {
    let start = out.len();
    out.extend(channel.to_be_bytes());
    out.extend((payload.len() as u16).to_be_bytes());
    out.extend_from_slice(payload);
    if is_padded {
        let length = (out.len() - start).next_multiple_of(4);
        out.resize(start + length, 0);
    }
}

/// The beginning of what was read from a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// A message of this many bytes, padding included.
    Whole(usize),
    /// More has to be read.
    Partial,
    /// Neither STUN nor ChannelData, or too long: the connection cannot be used any more.
    Garbage,
}

/// Finds the end of the first message (RFC 8656 §3.5 and §12.5).
pub fn frame(bytes: &[u8]) -> Frame {
    let Some(head) = bytes.first_chunk::<HEAD_BYTES>() else {
        // Two bits tell both kinds of messages from everything else.
        return match bytes.first() {
            Some(first) if first & 0xc0 > 0x40 => Frame::Garbage,
            _ => Frame::Partial,
        };
    };
    let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
    let whole = if head[0] & 0xc0 == 0 {
        let cookie = &bytes[4..bytes.len().min(8)];
        if *cookie != COOKIE[..cookie.len()] || !length.is_multiple_of(4) {
            return Frame::Garbage;
        }
        HEADER_BYTES + length
    } else if is_channel(u16::from_be_bytes([head[0], head[1]])) {
        (HEAD_BYTES + length).next_multiple_of(4)
    } else {
        return Frame::Garbage;
    };
    match whole {
        _ if whole > MESSAGE_BYTES_MAX => Frame::Garbage,
        _ if whole > bytes.len() => Frame::Partial,
        _ => Frame::Whole(whole),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for length in 0..9 {
            let payload = vec![7; length];
            for is_padded in [false, true] {
                let mut bytes = vec![1];
                write(&mut bytes, 0x4001, &payload, is_padded);
                let written = &bytes[1..];
                assert_eq!(read(written), Some((0x4001, &payload[..])));
                if is_padded {
                    assert_eq!(frame(written), Frame::Whole(written.len()));
                }
            }
        }
    }

    #[test]
    fn a_message_ends_where_its_length_says() {
        let mut stun = restage_stun::Writer::new(
            restage_stun::Class::Request,
            restage_stun::method::ALLOCATE,
            b"twelve bytes",
        );
        stun.push(0x19, &[17, 0, 0, 0]);
        let bytes = [stun.finish(), b"\x40\x01\x00\x05hello\0\0\0".to_vec()].concat();
        assert_eq!(frame(&bytes), Frame::Whole(28));
        assert_eq!(frame(&bytes[28..]), Frame::Whole(12));
        for end in 0..28 {
            assert_eq!(frame(&bytes[..end]), Frame::Partial, "{end}");
        }
        for end in 0..12 {
            assert_eq!(frame(&bytes[28..28 + end]), Frame::Partial, "{end}");
        }
    }

    #[test]
    fn everything_else_is_garbage() {
        for bytes in [
            &b"GET / HTTP/1.1"[..],
            b"\x00\x01\x00\x00\x00\x00\x00\x00",
            b"\x00\x01\x00\x03\x21\x12\xa4\x42",
            b"\x00\x01\xff\xfc\x21\x12\xa4\x42",
            b"\x80\x00\x00\x01",
            b"\x40\x00\xff\xff",
            b"\x80",
            b"\xff\xff\xff\xff",
        ] {
            assert_eq!(frame(bytes), Frame::Garbage, "{bytes:x?}");
        }
        for bytes in [
            &b""[..],
            b"\x40",
            b"\x40\x01\x00\x05hell",
            b"\x80\x01\x00\x00",
            b"\x3f\x01\x00\x00",
        ] {
            assert_eq!(read(bytes), None, "{bytes:x?}");
        }
    }
}
