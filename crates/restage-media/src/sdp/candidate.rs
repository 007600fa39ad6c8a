//! The candidates of an answer (RFC 8839 §5.1; RFC 6544 §4.5 for TCP).

use std::fmt::Write as _;
use std::net::SocketAddr;

/// Type preference of host candidates over UDP (RFC 8445 §5.1.2.2).
const UDP_PREFERENCE: u32 = 126;
/// That of host candidates over TCP: below all kinds that use UDP but the relayed ones (RFC 6544 §4.2), because a lost
/// segment delays all that follow.
const TCP_PREFERENCE: u32 = 90;
/// Direction preference of passive host candidates (RFC 6544 §4.2), in the upper three bits of the local preference.
const PASSIVE_PREFERENCE: u32 = 4 << 13;
/// RTP and RTCP share one component.
const COMPONENT: u32 = 1;

/// The addresses at which this end can be reached, best first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidates<'a> {
    pub(crate) udp: &'a [SocketAddr],
    /// Where TCP connections are accepted.
    pub(crate) tcp: &'a [SocketAddr],
}

impl Candidates<'_> {
    /// Writes a line for each, and that these are all. Those of UDP come first, because some clients read only one.
    pub(crate) fn write(&self, sdp: &mut String) {
        for (position, address) in (0_u32..).zip(self.udp) {
            let local = 65_535 - position.min(65_535);
            write_one(
                sdp,
                position,
                "udp",
                priority(UDP_PREFERENCE, local),
                address,
            );
            sdp.push_str("\r\n");
        }
        let others = self.udp.len() as u32;
        for (position, address) in (0_u32..).zip(self.tcp) {
            let local = PASSIVE_PREFERENCE + (8_191 - position.min(8_191));
            let foundation = others.saturating_add(position);
            write_one(
                sdp,
                foundation,
                "tcp",
                priority(TCP_PREFERENCE, local),
                address,
            );
            sdp.push_str(" tcptype passive\r\n");
        }
        sdp.push_str("a=end-of-candidates\r\n");
    }
}

/// RFC 8445 §5.1.2.1.
fn priority(kind: u32, local: u32) -> u32 {
    (kind << 24) | (local << 8) | (256 - COMPONENT)
}

fn write_one(sdp: &mut String, position: u32, protocol: &str, priority: u32, address: &SocketAddr) {
    // Writing into a String cannot fail.
    let _ = write!(
        sdp,
        "a=candidate:{} {COMPONENT} {protocol} {priority} {} {} typ host",
        position.saturating_add(1),
        address.ip(),
        address.port()
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tcp_follows_udp_with_lower_priorities_and_other_foundations() {
        let addresses = ["192.0.2.1:4081", "[2001:db8::1]:4081"].map(|a| a.parse().unwrap());
        let tcp = ["192.0.2.1:443".parse().unwrap()];
        let mut sdp = String::new();
        Candidates {
            udp: &addresses,
            tcp: &tcp,
        }
        .write(&mut sdp);
        assert_eq!(
            sdp,
            "a=candidate:1 1 udp 2130706431 192.0.2.1 4081 typ host\r\n\
             a=candidate:2 1 udp 2130706175 2001:db8::1 4081 typ host\r\n\
             a=candidate:3 1 tcp 1520435199 192.0.2.1 443 typ host tcptype passive\r\n\
             a=end-of-candidates\r\n"
        );
    }
}
