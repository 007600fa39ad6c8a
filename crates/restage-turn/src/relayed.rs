//! The addresses that allocations get. They are on no network: 192.0.2.0/24 is reserved for examples (RFC 5737), and
//! what is sent to 100::/64 is discarded (RFC 6666). A packet that is sent there by mistake reaches nobody.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// The first port. All are even, so that a client that asks for an even one (RFC 8656 §7.2) gets one.
const PORT_MIN: u16 = 1_024;
const PORTS: u64 = (65_536 - PORT_MIN as u64) / 2;
/// Hosts of 192.0.2.0/24 without the first and the last address.
const HOSTS: u64 = 254;

/// The address with this number. Numbers count up for the life of the process, so an address comes back after more
/// than eight million allocations.
pub(crate) fn address(number: u64, is_v6: bool) -> SocketAddr {
    let port = PORT_MIN + 2 * (number % PORTS) as u16;
    let host = number / PORTS;
    if is_v6 {
        let ip = Ipv6Addr::from((0x0100_u128 << 112) | u128::from(host + 1));
        return SocketAddr::new(ip.into(), port);
    }
    let last = 1 + (host % HOSTS) as u8;
    SocketAddr::new(Ipv4Addr::new(192, 0, 2, last).into(), port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_addresses_of_their_own() {
        for (number, v4, v6) in [
            (0, "192.0.2.1:1024", "[100::1]:1024"),
            (1, "192.0.2.1:1026", "[100::1]:1026"),
            (PORTS - 1, "192.0.2.1:65534", "[100::1]:65534"),
            (PORTS, "192.0.2.2:1024", "[100::2]:1024"),
            (HOSTS * PORTS - 1, "192.0.2.254:65534", "[100::fe]:65534"),
            (HOSTS * PORTS, "192.0.2.1:1024", "[100::ff]:1024"),
        ] {
            assert_eq!(address(number, false), v4.parse().unwrap(), "{number}");
            assert_eq!(address(number, true), v6.parse().unwrap(), "{number}");
        }
        address(u64::MAX, true);
        address(u64::MAX, false);
    }
}
