//! The client of a connection or request, as far as it can be known, and the limits per client.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, HeaderName};

use crate::config::Network;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Bits of an IPv6 address that identify a customer's network; the customer can use any address within it.
const IPV6_PREFIX_BITS: u32 = 64;

/// The unit in which clients are counted: an IPv4 address, or an IPv6 network of 64 bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct ClientKey(u128);

impl ClientKey {
    pub(in crate::http) fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
            IpAddr::V6(v6) => v6.to_bits() >> (128 - IPV6_PREFIX_BITS) << (128 - IPV6_PREFIX_BITS),
        })
    }
}

/// The client of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Client {
    /// For the log: the client's address, or that of a proxy which does not report its client's address.
    pub(crate) address: IpAddr,
    /// `None` for this machine, and for proxies that do not report their clients: these are not counted.
    pub(crate) key: Option<ClientKey>,
}

impl Client {
    fn direct(address: IpAddr) -> Self {
        let address = address.to_canonical();
        let key = (!address.is_loopback()).then(|| ClientKey::of(address));
        Self { address, key }
    }

    fn unnamed(proxy: IpAddr) -> Self {
        Self {
            address: proxy.to_canonical(),
            key: None,
        }
    }
}

/// The trusted proxies, whose reports about client addresses are believed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies(Vec<Network>);

impl Proxies {
    pub(crate) fn new(networks: Vec<Network>) -> Self {
        Self(networks)
    }

    /// Whether an address belongs to a trusted proxy.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// The client of a connection from `address`.
    pub(crate) fn client_of_connection(&self, address: IpAddr) -> Client {
        match self.trusts(address) {
            true => Client::unnamed(address),
            false => Client::direct(address),
        }
    }

    /// The client of a request over a connection from `address`. If that is a trusted proxy, it is the last address in
    /// `X-Forwarded-For` that is not a trusted proxy. Earlier entries are ignored, because anybody can write them.
    pub(crate) fn client_of_request(&self, address: IpAddr, headers: &HeaderMap) -> Client {
        if !self.trusts(address) {
            return Client::direct(address);
        }
        let fields = headers.get_all(X_FORWARDED_FOR).iter().rev();
        let texts = fields.map(|field| field.to_str().unwrap_or_default());
        for entry in texts.flat_map(|text| text.rsplit(',')) {
            match forwarded(entry.trim()) {
                Some(named) if self.trusts(named) => {}
                Some(named) => return Client::direct(named),
                None => break,
            }
        }
        Client::unnamed(address)
    }
}

/// An entry of `X-Forwarded-For`: an address, which some proxies write with a port.
fn forwarded(entry: &str) -> Option<IpAddr> {
    let bare = entry
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .map_or(entry, |(address, _)| address);
    let bare = match bare.split_once(':') {
        // After one colon follows a port; more colons mean IPv6.
        Some((address, port)) if !port.contains(':') => address,
        _ => bare,
    };
    bare.parse().ok()
}

/// Counts how many places each client uses.
#[derive(Debug)]
pub(crate) struct Slots {
    /// Slots per client; 0 means no limit.
    max: u32,
    taken: Mutex<HashMap<ClientKey, u32>>,
}

impl Slots {
    pub(crate) fn new(max: u32) -> Arc<Self> {
        Arc::new(Self {
            max,
            taken: Mutex::default(),
        })
    }

    /// Takes one more place for this client, unless it has reached its limit. The table has one entry per client with
    /// places.
    pub(crate) fn take(self: &Arc<Self>, client: Client) -> Option<Slot> {
        let Some(key) = client.key.filter(|_| self.max > 0) else {
            return Some(Slot(None));
        };
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(key).or_default();
        if *count >= self.max {
            return None;
        }
        *count += 1;
        Some(Slot(Some((Arc::clone(self), key))))
    }

    /// The limit per client.
    pub(crate) fn max(&self) -> u32 {
        self.max
    }
}

/// A place that is counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Slot(Option<(Arc<Slots>, ClientKey)>);

impl Drop for Slot {
    fn drop(&mut self) {
        let Some((places, key)) = self.0.take() else {
            return;
        };
        let mut taken = places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn proxies(networks: &[&str]) -> Proxies {
        Proxies::new(networks.iter().map(|text| text.parse().unwrap()).collect())
    }

    fn named_by(proxies: &Proxies, from: &str, fields: &[&str]) -> (String, bool) {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_str(field).unwrap());
        }
        let client = proxies.client_of_request(ip(from), &headers);
        (client.address.to_string(), client.key.is_some())
    }

    #[test]
    fn only_trusted_proxies_say_whom_they_ask_for() {
        let nobody = proxies(&[]);
        let ours = proxies(&["127.0.0.1", "10.0.0.0/8", "fd00::/8"]);
        for (from, fields, address, is_counted) in [
            // Not a trusted proxy, so its header is ignored.
            ("203.0.113.9", &["198.51.100.1"][..], "203.0.113.9", true),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1", true),
            ("127.0.0.1", &["198.51.100.1:4711"], "198.51.100.1", true),
            ("::ffff:10.0.0.1", &["2001:db8::7"], "2001:db8::7", true),
            ("fd00::1", &["[2001:db8::7]:443"], "2001:db8::7", true),
            // The last entry that is not a trusted proxy, over all header fields.
            (
                "10.0.0.1",
                &["1.1.1.1, 198.51.100.1, 10.0.0.2"],
                "198.51.100.1",
                true,
            ),
            (
                "10.0.0.1",
                &["1.1.1.1", "198.51.100.1", "10.9.9.9 ,10.0.0.2"],
                "198.51.100.1",
                true,
            ),
            // No client address is known, so nobody is counted.
            ("10.0.0.1", &[], "10.0.0.1", false),
            ("10.0.0.1", &["10.0.0.2"], "10.0.0.1", false),
            ("10.0.0.1", &["1.1.1.1, unknown"], "10.0.0.1", false),
            ("10.0.0.1", &["1.1.1.1,"], "10.0.0.1", false),
            ("10.0.0.1", &["::1"], "::1", false),
        ] {
            let found = named_by(&ours, from, fields);
            assert_eq!(found, (address.to_owned(), is_counted), "{from} {fields:?}");
        }
        let found = named_by(&nobody, "10.0.0.1", &["198.51.100.1"]);
        assert_eq!(found, ("10.0.0.1".to_owned(), true));
        let found = named_by(&nobody, "127.0.0.1", &["198.51.100.1"]);
        assert_eq!(found, ("127.0.0.1".to_owned(), false));
    }

    #[test]
    fn hostile_fields_are_read_and_name_nobody() {
        let ours = proxies(&["10.0.0.0/8"]);
        let many = "10.0.0.3,".repeat(7_000);
        for field in [
            ",,,,",
            "[",
            "]",
            "[]:",
            ":",
            "::::::",
            "1.2.3.4.5",
            "1.2.3",
            "a:b",
            &many,
        ] {
            let (address, is_counted) = named_by(&ours, "10.0.0.1", &[field]);
            assert_eq!((&*address, is_counted), ("10.0.0.1", false), "{field}");
        }
    }

    #[test]
    fn each_client_has_places_and_a_customers_network_is_one_client() {
        let places = Slots::new(2);
        let take = |text| places.take(Client::direct(ip(text)));
        let first = take("203.0.113.1").unwrap();
        let _second = take("::ffff:203.0.113.1").unwrap();
        assert!(take("203.0.113.1").is_none());
        let _other = take("203.0.113.2").unwrap();
        drop(first);
        let _again = take("203.0.113.1").unwrap();
        let _v6 = take("2001:db8:1:2::1").unwrap();
        let _same = take("2001:db8:1:2:ffff::1").unwrap();
        assert!(take("2001:db8:1:2:3:4:5:6").is_none());
        let _next = take("2001:db8:1:3::1").unwrap();
        // This machine is not counted.
        let local: Vec<_> = (0..5).map(|_| take("127.0.0.1").unwrap()).collect();
        assert_eq!(places.taken.lock().unwrap().len(), 4);
        drop((local, _second, _again, _other, _v6, _same, _next));
        assert!(places.taken.lock().unwrap().is_empty());
        let any = Slots::new(0);
        let all: Vec<_> = (0..50)
            .map(|_| any.take(Client::direct(ip("192.0.2.1"))))
            .collect();
        assert!(all.iter().all(Option::is_some));
    }
}
