//! The addresses at which media is offered, and to whom.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use restage_node::media::{Audience, MediaPlaces};

use super::{Config, ConfigError};

/// The port of `https`.
const TLS_PORT: u16 = 443;
/// Addresses of this machine that are offered in addition to loopback while only this machine is served. Each is a
/// candidate in every answer, and clients try all pairs of candidates; a host with many bridges has dozens of
/// addresses.
pub const LOCAL_CANDIDATES_MAX: usize = 8;

impl Config {
    /// The addresses to offer for media, in order, and the audience.
    ///
    /// While HTTP is on loopback and no address is configured, only clients on this machine are served. Loopback
    /// comes first, and then this machine's other addresses, because some clients (Firefox, libnice) send only from
    /// these and cannot reach loopback from them.
    ///
    /// # Errors
    /// The addresses cannot be read, or there is no address to offer.
    pub fn media_places(&self) -> Result<MediaPlaces, ConfigError> {
        if !self.media_ip.is_empty() {
            return Ok(MediaPlaces::open(self.media_ip.clone()));
        }
        let reached: Vec<IpAddr> = self
            .http
            .iter()
            .map(SocketAddr::ip)
            .filter(|ip| !ip.is_loopback())
            .collect();
        let Some(first) = reached.first() else {
            // If the other addresses cannot be read, loopback alone still serves many clients.
            let found = interface_addresses().unwrap_or_default();
            return Ok(MediaPlaces {
                addresses: local_candidates(self.loopback(), found),
                audience: Audience::ThisMachine,
            });
        };
        if !reached.iter().any(IpAddr::is_unspecified) {
            let mut named = vec![*first];
            for ip in reached {
                if !named.contains(&ip) {
                    named.push(ip);
                }
            }
            return Ok(MediaPlaces::open(named));
        }
        let has_ipv6 = reached.iter().any(IpAddr::is_ipv6);
        let found: Vec<IpAddr> = interface_addresses()?
            .into_iter()
            .filter(|ip| !ip.is_loopback() && is_offerable(ip))
            .filter(|ip| has_ipv6 || ip.is_ipv4())
            .collect();
        if found.is_empty() {
            Err(ConfigError::NoAddress)
        } else {
            Ok(MediaPlaces::open(found))
        }
    }

    /// The address of the first listener, which is on loopback when this is asked.
    fn loopback(&self) -> IpAddr {
        let first = self.http.first().map(SocketAddr::ip);
        first.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }
}

impl Config {
    /// The TCP addresses to offer for media: each of these media addresses at which one of the HTTP listeners, bound to
    /// `listeners`, can be reached, or with the port that is configured. A listener on port 443 comes first, because
    /// networks that block UDP let that port through.
    pub fn tcp_candidates(
        &self,
        places: &MediaPlaces,
        listeners: &[SocketAddr],
    ) -> Vec<SocketAddr> {
        let port_at = |ip: &IpAddr| match self.media_tcp_port {
            Some(port) => Some(port).filter(|port| *port != 0),
            None => {
                let reaching = listeners
                    .iter()
                    .filter(|listener| reaches(listener.ip(), *ip));
                let ports = reaching.map(SocketAddr::port);
                ports.min_by_key(|port| *port != TLS_PORT)
            }
        };
        let all = places.addresses.iter();
        all.filter_map(|ip| Some(SocketAddr::new(*ip, port_at(ip)?)))
            .collect()
    }
}

/// Whether a listener that is bound to one address is reached at the other.
fn reaches(bound: IpAddr, ip: IpAddr) -> bool {
    // The unspecified address of IPv6 is bound for IPv4 too, unless that has a listener of its own.
    bound == ip || bound.is_unspecified() && (bound.is_ipv6() || ip.is_ipv4())
}

fn interface_addresses() -> Result<Vec<IpAddr>, ConfigError> {
    let interfaces = if_addrs::get_if_addrs().map_err(ConfigError::Addresses)?;
    Ok(interfaces.iter().map(if_addrs::Interface::ip).collect())
}

/// Loopback first, then this machine's other addresses, IPv4 before IPv6.
fn local_candidates(loopback: IpAddr, found: Vec<IpAddr>) -> Vec<IpAddr> {
    let mut others: Vec<IpAddr> = Vec::new();
    for ip in found {
        if !ip.is_loopback() && is_offerable(&ip) && !others.contains(&ip) {
            others.push(ip);
        }
    }
    others.sort_by_key(IpAddr::is_ipv6);
    others.truncate(LOCAL_CANDIDATES_MAX);
    others.insert(0, loopback);
    others
}

/// Link-local addresses need a scope, which a candidate cannot carry.
fn is_offerable(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => !v4.is_link_local(),
        IpAddr::V6(v6) => (v6.segments()[0] & 0xffc0) != 0xfe80,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn places(http: &str, media_ip: &[&str]) -> MediaPlaces {
        let config = Config {
            http: http.split(' ').map(|text| text.parse().unwrap()).collect(),
            media_ip: ips(media_ip),
            ..Config::default()
        };
        config.media_places().unwrap()
    }

    #[test]
    fn this_machine_is_offered_loopback_first_and_then_what_has_no_scope() {
        let found = ips(&[
            "127.0.0.1",
            "fd00::7",
            "10.0.0.5",
            "::1",
            "fe80::1",
            "169.254.3.4",
            "172.17.0.1",
            "10.0.0.5",
        ]);
        let loopback: IpAddr = "127.0.0.1".parse().unwrap();
        assert_eq!(
            local_candidates(loopback, found),
            ips(&["127.0.0.1", "10.0.0.5", "172.17.0.1", "fd00::7"])
        );
    }

    #[test]
    fn tcp_is_offered_where_a_listener_is_reached() {
        let all = ["203.0.113.7", "10.0.0.5", "fd00::7"];
        for (port, listeners, offered) in [
            (None, &["127.0.0.1:4080"][..], &[][..]),
            (None, &["203.0.113.7:80"], &["203.0.113.7:80"]),
            (None, &["0.0.0.0:80"], &["203.0.113.7:80", "10.0.0.5:80"]),
            (
                None,
                &["[::]:80", "[::]:443"],
                &["203.0.113.7:443", "10.0.0.5:443", "[fd00::7]:443"],
            ),
            (
                None,
                &["0.0.0.0:4080", "10.0.0.5:443"],
                &["203.0.113.7:4080", "10.0.0.5:443"],
            ),
            (Some(0), &["0.0.0.0:80"], &[]),
            (
                Some(444),
                &["127.0.0.1:80"],
                &["203.0.113.7:444", "10.0.0.5:444", "[fd00::7]:444"],
            ),
        ] {
            let config = Config {
                media_tcp_port: port,
                ..Config::default()
            };
            let listeners: Vec<SocketAddr> =
                listeners.iter().map(|text| text.parse().unwrap()).collect();
            let found = config.tcp_candidates(&MediaPlaces::open(ips(&all)), &listeners);
            let offered: Vec<SocketAddr> =
                offered.iter().map(|text| text.parse().unwrap()).collect();
            assert_eq!(found, offered, "{port:?} {listeners:?}");
        }
    }

    #[test]
    fn a_host_with_many_addresses_offers_a_few() {
        let many = (0..50).map(|last| IpAddr::from([10, 0, 0, last])).collect();
        let offered = local_candidates("::1".parse().unwrap(), many);
        assert_eq!(offered.len(), 1 + LOCAL_CANDIDATES_MAX);
        assert_eq!(offered[..2], ips(&["::1", "10.0.0.0"]));
    }

    #[test]
    fn only_this_machine_is_served_until_an_address_is_named() {
        for http in ["127.0.0.1:4080", "[::1]:4080"] {
            let found = places(http, &[]);
            assert_eq!(found.audience, Audience::ThisMachine, "{http}");
            assert!(found.addresses[0].is_loopback());
            assert_eq!(
                places(http, &["203.0.113.7"]),
                MediaPlaces::open(ips(&["203.0.113.7"]))
            );
        }
        assert_eq!(
            places("192.0.2.1:4080", &[]),
            MediaPlaces::open(ips(&["192.0.2.1"]))
        );
        assert_eq!(
            places(
                "127.0.0.1:4080 192.0.2.1:443 192.0.2.1:80 [2001:db8::1]:443",
                &[]
            ),
            MediaPlaces::open(ips(&["192.0.2.1", "2001:db8::1"]))
        );
    }
}
