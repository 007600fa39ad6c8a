//! The header of the PROXY protocol, version 2 (HAProxy's `proxy-protocol.txt`, §2.2), by which a proxy that forwards
//! bytes reports the client's address. Parsed here, because it is only sixteen bytes, two forms of an address and a
//! length.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The header's signature, with which no HTTP request begins.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Length of signature, version and command, family, and length field.
const FIXED_LEN: usize = 16;
/// Longest rest of the header. Addresses have up to 216 bytes; the extensions after them are read and ignored.
const REST_LEN_MAX: usize = 2_048;

/// The beginning of a connection from a trusted proxy.
#[derive(PartialEq, Eq, Debug, Default)]
pub(in crate::http) struct Beginning {
    /// The client's address, if there was a header that names it.
    pub(in crate::http) source: Option<IpAddr>,
    /// Bytes that were read and are not part of a header: the request begins with them.
    pub(in crate::http) read: Vec<u8>,
}

/// Reads the header, if there is one.
///
/// # Errors
/// Errors of the stream; `InvalidData` for a malformed header.
pub(in crate::http) async fn begin(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Beginning> {
    let mut fixed = [0; FIXED_LEN];
    let mut length = 0;
    while length < FIXED_LEN {
        let more = stream.read(&mut fixed[length..]).await?;
        length += more;
        let read = &fixed[..length];
        let is_signature = SIGNATURE.iter().zip(read).all(|(one, other)| one == other);
        if more == 0 || !is_signature {
            return Ok(Beginning {
                source: None,
                read: read.to_vec(),
            });
        }
    }
    let rest_len = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if rest_len > REST_LEN_MAX {
        return Err(invalid("is longer than 2048 bytes"));
    }
    let mut rest = vec![0; rest_len];
    stream.read_exact(&mut rest).await?;
    Ok(Beginning {
        source: source(fixed[12], fixed[13], &rest)?,
        read: Vec::new(),
    })
}

/// The client's address; `None` if the proxy connects for itself, or if the client has no IP address.
fn source(version_and_command: u8, family: u8, addresses: &[u8]) -> io::Result<Option<IpAddr>> {
    match version_and_command {
        0x20 => return Ok(None),
        0x21 => {}
        _ => return Err(invalid("has another version than 2, or an unknown command")),
    }
    let short = || invalid("ends within its addresses");
    Ok(match family >> 4 {
        1 => {
            // Source and destination, then two ports.
            let (octets, _) = addresses.split_first_chunk::<4>().ok_or_else(short)?;
            if addresses.len() < 12 {
                return Err(short());
            }
            Some(Ipv4Addr::from(*octets).into())
        }
        2 => {
            let (octets, _) = addresses.split_first_chunk::<16>().ok_or_else(short)?;
            if addresses.len() < 36 {
                return Err(short());
            }
            Some(IpAddr::from(Ipv6Addr::from(*octets)).to_canonical())
        }
        0 | 3 => None,
        _ => return Err(invalid("names an unknown address family")),
    })
}

fn invalid(rule: &str) -> io::Error {
    let message = format!("the PROXY header {rule}");
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use rand::RngExt as _;

    use super::*;

    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    async fn read(bytes: &[u8]) -> (io::Result<Beginning>, Vec<u8>) {
        let mut left = bytes;
        let beginning = begin(&mut left).await;
        (beginning, left.to_vec())
    }

    #[tokio::test]
    async fn the_clients_address_is_read_and_the_request_follows() {
        let v4 = [203, 0, 113, 7, 10, 0, 0, 1, 0x12, 0x34, 0, 80];
        let v6 = [
            &"2001:db8::7".parse::<Ipv6Addr>().unwrap().octets()[..],
            &[0; 20],
        ]
        .concat();
        let extended = [&v4[..], &[4, 0, 2, 1, 2]].concat();
        for (command, family, rest, source) in [
            (0x21, 0x11, &v4[..], Some("203.0.113.7")),
            (0x21, 0x21, &v6, Some("2001:db8::7")),
            (0x21, 0x11, &extended, Some("203.0.113.7")),
            (0x20, 0x11, &v4, None),
            (0x20, 0, &[], None),
            (0x21, 0, &[], None),
            (0x21, 0x31, &[0; 216], None),
        ] {
            let bytes = [header(command, family, rest), b"GET / ".to_vec()].concat();
            let (beginning, left) = read(&bytes).await;
            let expected = Beginning {
                source: source.map(|text| text.parse().unwrap()),
                read: Vec::new(),
            };
            assert_eq!(beginning.unwrap(), expected);
            assert_eq!(left, b"GET / ");
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_given_back() {
        for bytes in [
            &b""[..],
            b"G",
            b"GET / HTTP/1.1\r\n\r\n",
            b"\r\n\r\nGET",
            b"\r\n\r\n\0\r\nQUIT",
        ] {
            let (beginning, left) = read(bytes).await;
            let beginning = beginning.unwrap();
            assert_eq!(beginning.source, None);
            assert_eq!([beginning.read, left].concat(), bytes);
        }
    }

    #[tokio::test]
    async fn headers_that_cannot_be_understood_are_refused() {
        for bytes in [
            header(0x11, 0x11, &[0; 12]),
            header(0x22, 0x11, &[0; 12]),
            header(0x21, 0x11, &[0; 11]),
            header(0x21, 0x21, &[0; 35]),
            header(0x21, 0x41, &[0; 12]),
            header(0x21, 0x11, &[0; REST_LEN_MAX + 1]),
            header(0x21, 0x11, &[0; 12])[..20].to_vec(),
        ] {
            assert!(read(&bytes).await.0.is_err(), "{bytes:?}");
        }
    }

    /// Whatever arrives, reading stays within its bound and nothing panics.
    #[tokio::test]
    async fn noise_is_survived() {
        let mut random = rand::rng();
        for round in 0..20_000 {
            let mut bytes = vec![0; random.random_range(0..80)];
            random.fill(&mut bytes[..]);
            if round % 2 == 0 {
                bytes.splice(0..0, SIGNATURE);
            }
            let (beginning, left) = read(&bytes).await;
            if let Ok(Beginning { source: None, read }) = beginning
                && !read.is_empty()
            {
                assert_eq!([read, left].concat(), bytes);
            }
        }
    }
}
