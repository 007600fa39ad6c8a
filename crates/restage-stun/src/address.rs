//! Addresses as the XOR-…-ADDRESS attributes have them (RFC 8489 §14.2): combined with the cookie and the transaction
//! id, so that middleboxes do not rewrite them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::{COOKIE, Transaction};

const FAMILY_V4: u8 = 1;
const FAMILY_V6: u8 = 2;

/// The value of an XOR-…-ADDRESS attribute: 8 bytes for IPv4, 20 for IPv6.
pub fn write_xor_address(address: SocketAddr, transaction: &Transaction) -> Vec<u8> {
    let mut value = Vec::with_capacity(20);
    value.push(0);
    let octets = match address.ip() {
        IpAddr::V4(ip) => {
            value.push(FAMILY_V4);
            ip.octets().to_vec()
        }
        IpAddr::V6(ip) => {
            value.push(FAMILY_V6);
            ip.octets().to_vec()
        }
    };
    value.extend((address.port() ^ port_mask()).to_be_bytes());
    let masked = octets.iter().zip(COOKIE.iter().chain(transaction));
    value.extend(masked.map(|(octet, mask)| octet ^ mask));
    value
}

/// The address in the value of an XOR-…-ADDRESS attribute; `None` if the value is malformed.
pub fn read_xor_address(value: &[u8], transaction: &Transaction) -> Option<SocketAddr> {
    let [_, family, high, low, octets @ ..] = value else {
        return None;
    };
    let port = u16::from_be_bytes([*high, *low]) ^ port_mask();
    let mut plain = [0; 16];
    let masked = octets.iter().zip(COOKIE.iter().chain(transaction));
    for (plain, (octet, mask)) in plain.iter_mut().zip(masked) {
        *plain = octet ^ mask;
    }
    let ip: IpAddr = match (*family, octets.len()) {
        (FAMILY_V4, 4) => Ipv4Addr::new(plain[0], plain[1], plain[2], plain[3]).into(),
        (FAMILY_V6, 16) => Ipv6Addr::from(plain).into(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

fn port_mask() -> u16 {
    u16::from_be_bytes([COOKIE[0], COOKIE[1]])
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Transaction = *b"twelve bytes";

    #[test]
    fn what_is_written_is_read_again() {
        for text in ["192.0.2.1:32853", "[2001:db8::1]:1", "0.0.0.0:0"] {
            let address: SocketAddr = text.parse().unwrap();
            let value = write_xor_address(address, &ID);
            assert_eq!(read_xor_address(&value, &ID), Some(address));
        }
    }

    /// RFC 5769 §2.2 has this mapped address for this transaction.
    #[test]
    fn addresses_are_masked_as_in_the_standard() {
        let id = *b"\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae";
        let expected = [0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43];
        let address = "192.0.2.1:32853".parse().unwrap();
        assert_eq!(write_xor_address(address, &id), expected);
    }

    #[test]
    fn malformed_values_have_no_address() {
        let whole = write_xor_address("[2001:db8::1]:1".parse().unwrap(), &ID);
        for end in 0..whole.len() {
            assert_eq!(read_xor_address(&whole[..end], &ID), None, "{end}");
        }
        for family in [0, 1, 3, 255] {
            let mut other = whole.clone();
            other[1] = family;
            assert_eq!(read_xor_address(&other, &ID), None, "{family}");
        }
    }
}
