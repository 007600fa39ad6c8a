//! Frames on a connection (RFC 4571): two bytes of length before each datagram.

use restage_media::{WorkerId, limits::DATAGRAM_BYTES_MAX, worker_of_ufrag};
use restage_stun::attribute::USERNAME;
use restage_stun::{Class, Message, method};

/// Bytes of the length.
pub(super) const LENGTH_BYTES: usize = 2;

/// The peer has sent something else than frames of datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::media) struct Garbage;

/// The first frame and the number of bytes that it takes. `Ok(None)`: it has not arrived wholly.
///
/// # Errors
/// It is longer than datagrams are.
pub(in crate::media) fn first(bytes: &[u8]) -> Result<Option<(&[u8], usize)>, Garbage> {
    let Some((length, rest)) = bytes.split_first_chunk::<LENGTH_BYTES>() else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes(*length));
    if length > DATAGRAM_BYTES_MAX {
        return Err(Garbage);
    }
    Ok(rest
        .get(..length)
        .map(|frame| (frame, LENGTH_BYTES + length)))
}

/// Appends a frame. A datagram that is too long for one cannot exist here.
pub(in crate::media) fn write(out: &mut Vec<u8>, datagram: &[u8]) {
    out.extend((datagram.len() as u16).to_be_bytes());
    out.extend_from_slice(datagram);
}

/// The worker to which the first frame of a connection belongs: it must be an ICE check, whose USERNAME begins with the
/// receiver's name fragment.
pub(in crate::media) fn worker_of(frame: &[u8]) -> Option<WorkerId> {
    let message = Message::parse(frame)?;
    let is_check = (message.class(), message.method()) == (Class::Request, method::BINDING);
    let username = message.get_text(USERNAME).filter(|_| is_check)?;
    let (receiver, _) = username.split_once(':')?;
    worker_of_ufrag(receiver)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_however_they_arrive() {
        let mut bytes = Vec::new();
        write(&mut bytes, b"one");
        write(&mut bytes, b"");
        write(&mut bytes, &[7; DATAGRAM_BYTES_MAX]);
        for end in 0..5 {
            assert_eq!(first(&bytes[..end]), Ok(None), "{end}");
        }
        assert_eq!(first(&bytes), Ok(Some((&b"one"[..], 5))));
        assert_eq!(first(&bytes[5..]), Ok(Some((&b""[..], 2))));
        let (frame, taken) = first(&bytes[7..]).unwrap().unwrap();
        assert_eq!((frame.len(), taken), (DATAGRAM_BYTES_MAX, bytes.len() - 7));
    }

    #[test]
    fn a_frame_longer_than_a_datagram_is_garbage() {
        let longer = (DATAGRAM_BYTES_MAX as u16 + 1).to_be_bytes();
        assert_eq!(first(&longer), Err(Garbage));
        assert_eq!(first(b"GET / HTTP/1.1"), Err(Garbage));
    }

    #[test]
    fn a_connection_begins_with_a_check_for_a_worker() {
        let check = |class, method, username: &str| {
            let mut message = restage_stun::Writer::new(class, method, b"twelve bytes");
            message.push(USERNAME, username.as_bytes());
            message.finish()
        };
        let right = check(Class::Request, method::BINDING, "AABxxxx:them");
        assert_eq!(worker_of(&right), Some(WorkerId(1)));
        for other in [
            check(Class::Success, method::BINDING, "AABxxxx:them"),
            check(Class::Request, method::ALLOCATE, "AABxxxx:them"),
            check(Class::Request, method::BINDING, "AABxxxx"),
            check(Class::Request, method::BINDING, "-:them"),
            b"\x16\xfe\xfd".to_vec(),
            Vec::new(),
        ] {
            assert_eq!(worker_of(&other), None);
        }
    }
}
