//! The addresses of this machine, by which datagrams from this machine are recognised.

use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Addresses change while the server runs. While datagrams arrive, the known addresses are never older than this.
const AGE_MAX: Duration = Duration::from_secs(10);
/// An unknown address may be new and is looked up, but not more often than this, whatever strangers send.
const LOOKUP_PAUSE: Duration = Duration::from_secs(1);

/// The addresses of this machine as of a moment ago. All of 127.0.0.0/8 and `::1` always belong to it.
pub(super) struct OwnAddresses {
    /// Sorted, without repetitions.
    all: Vec<IpAddr>,
    read_at: Instant,
    lookup: fn() -> io::Result<Vec<IpAddr>>,
}

impl OwnAddresses {
    /// Reads the addresses; where the operating system does not report them, only loopback is known.
    pub(super) fn read(now: Instant) -> Self {
        Self::read_by(interface_addresses, now)
    }

    fn read_by(lookup: fn() -> io::Result<Vec<IpAddr>>, now: Instant) -> Self {
        let mut own = Self {
            all: Vec::new(),
            read_at: now,
            lookup,
        };
        own.look_up(now);
        own
    }

    pub(super) fn contains(&self, ip: IpAddr) -> bool {
        ip.is_loopback() || self.all.binary_search(&ip).is_ok()
    }

    /// Reads them again if the last time was long ago, because an address may belong to another machine by now.
    pub(super) fn renew(&mut self, now: Instant) {
        if now.saturating_duration_since(self.read_at) >= AGE_MAX {
            self.look_up(now);
        }
    }

    /// Whether an address belongs to this machine now.
    pub(super) fn recognizes(&mut self, ip: IpAddr, now: Instant) -> bool {
        if self.contains(ip) {
            return true;
        }
        if now.saturating_duration_since(self.read_at) < LOOKUP_PAUSE {
            return false;
        }
        self.look_up(now);
        self.contains(ip)
    }

    fn look_up(&mut self, now: Instant) {
        self.read_at = now;
        match (self.lookup)() {
            Ok(found) => self.all = in_order(found),
            Err(error) => tracing::warn!(%error, "the addresses of this machine cannot be read"),
        }
    }
}

fn in_order(mut all: Vec<IpAddr>) -> Vec<IpAddr> {
    all.sort_unstable();
    all.dedup();
    all
}

fn interface_addresses() -> io::Result<Vec<IpAddr>> {
    let interfaces = if_addrs::get_if_addrs()?;
    Ok(interfaces.iter().map(if_addrs::Interface::ip).collect())
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use std::cell::RefCell;
    use std::net::Ipv4Addr;

    use super::*;

    thread_local! {
        static MACHINE: RefCell<Vec<IpAddr>> = const { RefCell::new(Vec::new()) };
    }

    fn machine_has(last: &[u8]) {
        let all = last.iter().map(|last| ip(*last)).collect();
        MACHINE.replace(all);
    }

    fn ip(last: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, last))
    }

    fn read(now: Instant) -> OwnAddresses {
        OwnAddresses::read_by(|| Ok(MACHINE.with_borrow(Clone::clone)), now)
    }

    #[test]
    fn loopback_is_always_own_and_strangers_never_are() {
        let own = OwnAddresses::read(Instant::now());
        for text in ["127.0.0.1", "127.9.8.7", "::1"] {
            assert!(own.contains(text.parse().unwrap()), "{text}");
        }
        for text in ["192.0.2.1", "2001:db8::1", "0.0.0.0", "::"] {
            assert!(!own.contains(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn a_new_address_is_found_but_strangers_cannot_make_it_look_all_the_time() {
        let start = Instant::now();
        machine_has(&[1]);
        let mut own = read(start);
        assert!(own.recognizes(ip(1), start) && !own.recognizes(ip(2), start));
        machine_has(&[1, 2]);
        assert!(!own.recognizes(ip(2), start + LOOKUP_PAUSE / 2));
        assert!(own.recognizes(ip(2), start + LOOKUP_PAUSE));
        machine_has(&[1, 2, 3]);
        assert!(!own.recognizes(ip(3), start + LOOKUP_PAUSE * 3 / 2));
        assert!(own.recognizes(ip(3), start + LOOKUP_PAUSE * 2));
    }

    #[test]
    fn an_address_that_is_gone_is_forgotten() {
        let start = Instant::now();
        machine_has(&[1, 2]);
        let mut own = read(start);
        machine_has(&[1]);
        own.renew(start + AGE_MAX / 2);
        assert!(own.contains(ip(2)));
        own.renew(start + AGE_MAX);
        assert!(own.contains(ip(1)) && !own.contains(ip(2)));
    }
}
