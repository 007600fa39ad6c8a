//! What a connection begins with. HTTP, TLS and STUN share one TCP port, and their first bytes tell them apart: in the
//! way in which RFC 7983 tells apart what shares a UDP port, extended by what only a TCP port has.
//!
//! | first bytes | opening |
//! |---|---|
//! | `16 03` | a TLS record with a handshake message (RFC 8446 §5.1) |
//! | below `40`, and the magic cookie at 4 to 7 | STUN or TURN over TCP (RFC 8489 §6.2.2) |
//! | a length of 20 or more, and the magic cookie at 6 to 9 | STUN in a frame: ICE over TCP (RFC 6544 §3, RFC 4571 §2) |
//! | anything else | HTTP, whose parser refuses what is none |

/// Most bytes that are needed to tell an opening.
pub(crate) const OPENING_LEN_MAX: usize = 10;

/// The first byte of a TLS record with a handshake message, and the first of every version of TLS.
const TLS_BEGINS: [u8; 2] = [0x16, 3];
/// The magic cookie of STUN (RFC 8489 §5).
const STUN_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
/// Length of a STUN header, and so of the shortest STUN message.
const STUN_HEADER_LEN: u16 = 20;
/// The two first bits of a STUN message are zero.
const STUN_FIRST_BYTE_MAX: u8 = 0x3f;

/// What a connection begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Opening {
    /// A TLS handshake. Within a TLS connection nothing begins with another one.
    Tls,
    /// A STUN message without a frame, which is what a TURN client sends over TCP.
    Stun,
    /// A STUN message in a frame, which is what an ICE agent sends over TCP.
    FramedStun,
    /// An HTTP request, or nothing that is known.
    Http,
}

impl Opening {
    /// The opening of a connection that begins with these bytes; `None` if more of them are needed, which is never so
    /// with [`OPENING_LEN_MAX`] bytes.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        if begins_like(bytes, &TLS_BEGINS) {
            return (bytes.len() >= TLS_BEGINS.len()).then_some(Self::Tls);
        }
        // No STUN message has a type that begins so, and no datagram is as long as such a frame.
        if bytes.first() == TLS_BEGINS.first() {
            return Some(Self::Http);
        }
        // A frame's length may look like the beginning of a message, so the cookie decides.
        let (plain, framed) = (stun(bytes), framed_stun(bytes));
        match (plain, framed) {
            (Match::Full, _) => Some(Self::Stun),
            (_, Match::Full) => Some(Self::FramedStun),
            (Match::Partial, _) | (_, Match::Partial) => None,
            (Match::None, Match::None) => Some(Self::Http),
        }
    }
}

/// How far bytes agree with what a kind of connection begins with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Match {
    None,
    /// So far, but there are too few.
    Partial,
    Full,
}

fn stun(bytes: &[u8]) -> Match {
    // Everything after the header is padded to four bytes (RFC 8489 §5).
    let is_padded = bytes.get(3).is_none_or(|low| low % 4 == 0);
    let is_begun = bytes
        .first()
        .is_none_or(|first| *first <= STUN_FIRST_BYTE_MAX && !is_blank(*first));
    let cookie = bytes.get(4..).unwrap_or_default();
    match is_begun && is_padded && begins_like(cookie, &STUN_COOKIE) {
        true if cookie.len() >= STUN_COOKIE.len() => Match::Full,
        true => Match::Partial,
        false => Match::None,
    }
}

fn framed_stun(bytes: &[u8]) -> Match {
    // Whoever is not known yet sends short messages, so a frame's first byte is as small as a message's.
    let is_begun = bytes
        .first()
        .is_none_or(|high| *high <= STUN_FIRST_BYTE_MAX && !is_blank(*high));
    let is_long_enough = match bytes {
        [high, low, ..] => u16::from_be_bytes([*high, *low]) >= STUN_HEADER_LEN,
        _ => true,
    };
    match bytes.get(2..) {
        Some(message) if is_begun && is_long_enough => stun(message),
        None if is_begun => Match::Partial,
        _ => Match::None,
    }
}

/// A line end, which may precede a request (RFC 9112 §2.2).
fn is_blank(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

/// Whether `bytes` and `pattern` agree as far as both reach.
fn begins_like(bytes: &[u8], pattern: &[u8]) -> bool {
    bytes.iter().zip(pattern).all(|(one, other)| one == other)
}

#[cfg(test)]
mod tests {
    use rand::RngExt as _;

    use super::*;

    /// A binding request with a length field of 8.
    const BINDING: [u8; 12] = [0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4];

    fn framed(message: &[u8]) -> Vec<u8> {
        [&[0, 28][..], message].concat()
    }

    #[test]
    fn each_protocol_is_told_by_its_first_bytes() {
        let framed = framed(&BINDING);
        for (bytes, opening, needed) in [
            (&b"\x16\x03\x01\x02\x00\x01"[..], Opening::Tls, 2),
            (b"\x16\x03\x03\x02\x00\x01", Opening::Tls, 2),
            (&BINDING, Opening::Stun, 8),
            (&framed, Opening::FramedStun, 10),
            // An allocate request of TURN.
            (b"\x00\x03\x00\x24\x21\x12\xa4\x42xxxx", Opening::Stun, 8),
            // A frame whose length could be the type of a message: 0x0114.
            (
                b"\x01\x14\x00\x01\x01\x00\x21\x12\xa4\x42",
                Opening::FramedStun,
                10,
            ),
            (b"GET / HTTP/1.1\r\n", Opening::Http, 1),
            (b"POST /whip HTTP/1.1\r\n", Opening::Http, 1),
            (b"\r\nGET / HTTP/1.1\r\n", Opening::Http, 1),
            (b"\x16\x02\x01", Opening::Http, 2),
            (b"\x80\x2e\x01\x00\x02", Opening::Http, 1),
            // Too short for a message, and no message either.
            (b"\x00\x01\r\n\r\n", Opening::Http, 4),
            (b"\x00\x01\x00\x00\r\n\r\n", Opening::Http, 5),
            (
                b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
                Opening::Http,
                5,
            ),
            (
                b"\x00\x1c\x00\x01\x00\x08\x21\x12\xa4\x43",
                Opening::Http,
                10,
            ),
        ] {
            for length in 0..needed {
                assert_eq!(Opening::of(&bytes[..length]), None, "{bytes:x?} {length}");
            }
            for length in needed..=bytes.len() {
                let found = Opening::of(&bytes[..length]);
                assert_eq!(found, Some(opening), "{bytes:x?} {length}");
            }
        }
    }

    /// Ten bytes are always enough, and what is known does not change with more bytes.
    #[test]
    fn ten_bytes_always_decide() {
        let mut random = rand::rng();
        for round in 0..50_000 {
            let mut bytes = [0; 32];
            random.fill(&mut bytes[..]);
            match round % 4 {
                0 => bytes[0] = 0,
                1 => bytes[4..8].copy_from_slice(&STUN_COOKIE),
                2 => bytes[6..10].copy_from_slice(&STUN_COOKIE),
                _ => {}
            }
            let decided = (0..=OPENING_LEN_MAX).find_map(|length| Opening::of(&bytes[..length]));
            assert!(decided.is_some(), "{bytes:x?}");
            assert_eq!(decided, Opening::of(&bytes), "{bytes:x?}");
        }
    }
}
