//! The addresses at which media is offered, and to whom.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use restage_node::media::{Audience, MediaPlaces};

use super::{Config, ConfigError, public_url};

/// The port of `https`.
const TLS_PORT: u16 = 443;
/// The first port that is not a well-known one (RFC 6335).
const LOW_PORTS_END: u16 = 1024;
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
        let found = self.found_addresses()?;
        if found.is_empty() {
            Err(ConfigError::NoAddress)
        } else {
            Ok(MediaPlaces::open(found))
        }
    }

    /// The addresses of this machine that are offered if listeners take all addresses.
    ///
    /// # Errors
    /// The addresses cannot be read.
    pub fn found_addresses(&self) -> Result<Vec<IpAddr>, ConfigError> {
        let reached = || self.http.iter().filter(|http| !http.ip().is_loopback());
        let has_ipv6 = reached().any(SocketAddr::is_ipv6);
        let found = interface_addresses()?.into_iter();
        let offerable = found.filter(|ip| !ip.is_loopback() && is_offerable(ip));
        Ok(offerable.filter(|ip| has_ipv6 || ip.is_ipv4()).collect())
    }

    /// The address of the first listener, which is on loopback when this is asked.
    fn loopback(&self) -> IpAddr {
        let first = self.http.first().map(SocketAddr::ip);
        first.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }
}

impl Config {
    /// The TCP addresses to offer for media: each of these media addresses at which HTTP listeners, bound to `listeners`,
    /// can be reached, or with the port that is configured. Of several ports two are offered: 443 or the public URL's
    /// first, because networks that block UDP let it through, or else the first listener's; and one that is not below
    /// 1024, because browsers take a lower one at public addresses only. The first of each address come before all second.
    pub fn tcp_candidates(
        &self,
        places: &MediaPlaces,
        listeners: &[SocketAddr],
    ) -> Vec<SocketAddr> {
        let of_url = self.public_url.as_deref().and_then(public_url::port);
        let ports_at = |ip: &IpAddr| -> [Option<u16>; 2] {
            if let Some(port) = self.media_tcp_port {
                return [Some(port).filter(|port| *port != 0), None];
            }
            let reaching = listeners
                .iter()
                .filter(|listener| reaches(listener.ip(), *ip));
            let ports = reaching.map(SocketAddr::port);
            let rank = |port: &u16| match *port {
                TLS_PORT => 0,
                port if Some(port) == of_url => 1,
                _ => 2,
            };
            let first = ports.clone().min_by_key(rank);
            let is_low = first.is_some_and(|port| port < LOW_PORTS_END);
            let second = ports.filter(|port| is_low && *port >= LOW_PORTS_END).min();
            [first, second]
        };
        let nth = |n: usize| {
            let all = places.addresses.iter();
            all.filter_map(move |ip| Some(SocketAddr::new(*ip, ports_at(ip)[n]?)))
        };
        nth(0).chain(nth(1)).collect()
    }

    /// Whether the media addresses are those that this machine has, and not ones that the settings name.
    pub fn finds_media_places(&self) -> bool {
        let mut listeners = self.http.iter();
        self.media_ip.is_empty() && listeners.any(|listener| listener.ip().is_unspecified())
    }
}

/// Checks the addresses that are to be offered for media.
pub(super) fn check_media_ip(addresses: &[IpAddr]) -> Result<(), ConfigError> {
    for (at, ip) in addresses.iter().enumerate() {
        let rule = match ip.to_canonical() {
            ip if ip.is_unspecified() => {
                "it stands for all addresses; name one that clients reach, or leave media-ip out"
            }
            ip if ip.is_multicast() => "it is a group's; clients send media to one machine",
            IpAddr::V4(v4) if v4.is_broadcast() => {
                "it is every machine's of a network; clients send media to one machine"
            }
            IpAddr::V4(v4) if v4.octets()[0] == 0 => "no machine has an address of 0.0.0.0/8",
            IpAddr::V4(v4) if v4.octets()[0] >= 240 => "no machine has an address of 240.0.0.0/4",
            IpAddr::V6(_) if !is_offerable(ip) => {
                "it is valid on one link only, which a candidate cannot name (RFC 8839)"
            }
            _ if addresses[..at].contains(ip) => "it is given twice",
            _ => continue,
        };
        return Err(ConfigError::MediaIp(*ip, rule));
    }
    Ok(())
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
                &["203.0.113.7:4080", "10.0.0.5:443", "10.0.0.5:4080"],
            ),
            // Browsers need one that is not below 1024 at private addresses.
            (
                None,
                &["0.0.0.0:80", "0.0.0.0:4080", "203.0.113.7:4079"],
                &[
                    "203.0.113.7:80",
                    "10.0.0.5:80",
                    "203.0.113.7:4079",
                    "10.0.0.5:4080",
                ],
            ),
            (
                None,
                &["0.0.0.0:8443", "0.0.0.0:443", "0.0.0.0:80"],
                &[
                    "203.0.113.7:443",
                    "10.0.0.5:443",
                    "203.0.113.7:8443",
                    "10.0.0.5:8443",
                ],
            ),
            // One that is not below 1024 needs no other.
            (
                None,
                &["0.0.0.0:4080", "0.0.0.0:80", "0.0.0.0:4090"],
                &["203.0.113.7:4080", "10.0.0.5:4080"],
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
    fn the_port_of_the_public_url_comes_first() {
        let config = Config {
            public_url: Some("https://video.example.org:4443/live".to_owned()),
            ..Config::default()
        };
        let listeners = ["0.0.0.0:4080", "0.0.0.0:4443"].map(|text| text.parse().unwrap());
        let found = config.tcp_candidates(&MediaPlaces::open(ips(&["10.0.0.5"])), &listeners);
        assert_eq!(found, ["10.0.0.5:4443".parse().unwrap()]);
    }

    #[test]
    fn addresses_that_no_client_can_send_to_are_refused() {
        for (texts, words) in [
            (&["0.0.0.0"][..], "stands for all"),
            (&["203.0.113.7", "::"], "stands for all"),
            (&["224.0.0.7"], "a group's"),
            (&["ff02::1"], "a group's"),
            (&["255.255.255.255"], "every machine's"),
            (&["0.1.2.3"], "0.0.0.0/8"),
            (&["250.1.2.3"], "240.0.0.0/4"),
            (&["fe80::1"], "one link"),
            (&["::ffff:0.0.0.0"], "stands for all"),
            (&["10.0.0.5", "fd00::7", "10.0.0.5"], "given twice"),
        ] {
            let error = check_media_ip(&ips(texts)).unwrap_err().to_string();
            let named = error.starts_with("media-ip ") && error.contains(words);
            assert!(named, "{error}");
        }
        for texts in [
            &[][..],
            &["127.0.0.1", "::1"],
            &["203.0.113.7", "2001:db8::1", "169.254.1.1"],
        ] {
            check_media_ip(&ips(texts)).unwrap();
        }
    }

    #[test]
    fn addresses_are_found_where_a_listener_takes_all() {
        for (http, media_ip, is_found) in [
            ("0.0.0.0:4080", &[][..], true),
            ("[::]:4080", &[], true),
            ("0.0.0.0:4080", &["203.0.113.7"], false),
            ("192.0.2.1:4080", &[], false),
            ("127.0.0.1:4080", &[], false),
        ] {
            let config = Config {
                http: vec![http.parse().unwrap()],
                media_ip: ips(media_ip),
                ..Config::default()
            };
            assert_eq!(config.finds_media_places(), is_found, "{http}");
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
