//! How many connections there may be, above all of those that have not shown yet that they belong to a client.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Connections for media. One more is closed.
pub(super) const CONNECTIONS_MAX: usize = 10_000;
/// Connections of which nothing has been answered yet: by a peer to a valid check, or by the relay with an allocation. One
/// more is closed.
pub(super) const UNPROVEN_MAX: usize = 1_000;
/// Those of one client address, or one /64 of IPv6. One more is closed.
pub(super) const UNPROVEN_PER_ADDRESS_MAX: usize = 64;

/// Counts connections.
#[derive(Debug, Default)]
pub(super) struct Admission {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    unproven: usize,
    unproven_by_network: HashMap<IpAddr, usize>,
}

/// The place of one connection, given back when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    admission: Arc<Admission>,
    network: IpAddr,
    is_proven: bool,
}

impl Admission {
    /// A place for a connection from this address, if there is one.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let network = network(address);
        let mut counts = self.counts();
        let of_network = counts.unproven_by_network.get(&network).copied();
        if counts.all >= CONNECTIONS_MAX
            || counts.unproven >= UNPROVEN_MAX
            || of_network.unwrap_or(0) >= UNPROVEN_PER_ADDRESS_MAX
        {
            return None;
        }
        counts.all += 1;
        counts.unproven += 1;
        *counts.unproven_by_network.entry(network).or_default() += 1;
        Some(Place {
            admission: Arc::clone(self),
            network,
            is_proven: false,
        })
    }

    /// Connections now.
    pub(super) fn connections(&self) -> usize {
        self.counts().all
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn forget_unproven(&mut self, network: IpAddr) {
        self.unproven = self.unproven.saturating_sub(1);
        if let Some(count) = self.unproven_by_network.get_mut(&network) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.unproven_by_network.remove(&network);
            }
        }
    }
}

impl Place {
    /// The connection is a client's.
    pub(super) fn prove(&mut self) {
        if !std::mem::replace(&mut self.is_proven, true) {
            self.admission.counts().forget_unproven(self.network);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.admission.counts();
        counts.all = counts.all.saturating_sub(1);
        if !self.is_proven {
            counts.forget_unproven(self.network);
        }
    }
}

/// What counts as one client address: the address, or its /64 for IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6) >> 64 << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(number: usize) -> IpAddr {
        IpAddr::V4((0x0a00_0000 + number as u32).into())
    }

    #[test]
    fn an_address_has_a_few_that_prove_nothing() {
        let admission = Arc::new(Admission::default());
        let mut places: Vec<Place> = (0..UNPROVEN_PER_ADDRESS_MAX)
            .map(|_| admission.admit(ip(1)).unwrap())
            .collect();
        assert!(admission.admit(ip(1)).is_none());
        assert!(admission.admit(ip(2)).is_some());
        places[0].prove();
        places[0].prove();
        let one_more = admission.admit(ip(1));
        assert!(one_more.is_some() && admission.admit(ip(1)).is_none());
        drop((places, one_more));
        let counts = admission.counts();
        assert_eq!((counts.all, counts.unproven), (0, 0));
        assert!(counts.unproven_by_network.is_empty());
    }

    #[test]
    fn neighbours_in_a_64_are_one_address() {
        let admission = Arc::new(Admission::default());
        let _places: Vec<_> = (0..UNPROVEN_PER_ADDRESS_MAX)
            .map(|number| {
                let address = format!("2001:db8::{number:x}").parse().unwrap();
                admission.admit(address).unwrap()
            })
            .collect();
        assert!(admission.admit("2001:db8::ffff".parse().unwrap()).is_none());
        assert!(admission.admit("2001:db8:0:1::".parse().unwrap()).is_some());
    }

    #[test]
    fn all_together_are_bounded() {
        let admission = Arc::new(Admission::default());
        let mut places: Vec<Place> = (0..UNPROVEN_MAX)
            .map(|number| admission.admit(ip(number)).unwrap())
            .collect();
        assert!(admission.admit(ip(UNPROVEN_MAX)).is_none());
        places.iter_mut().for_each(Place::prove);
        while places.len() < CONNECTIONS_MAX {
            let mut place = admission.admit(ip(places.len())).unwrap();
            place.prove();
            places.push(place);
        }
        assert!(admission.admit(ip(CONNECTIONS_MAX)).is_none());
        assert_eq!(admission.connections(), CONNECTIONS_MAX);
    }
}
