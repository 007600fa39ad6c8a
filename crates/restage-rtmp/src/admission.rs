//! Bounds on connections: of those that do not publish yet, in total and of one client, and of those that publish.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use thiserror::Error;

use crate::limits::{STREAMS_MAX, WAITING_MAX, WAITING_PER_CLIENT_MAX};

/// A connection, by a number that no other one has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionNumber(u64);

/// The connections that are open. Whoever publishes has shown a stream key and is bounded in total only; the others are strangers.
///
/// A client that keeps many connections waiting cannot keep out one that has fewer: where there is no room, the oldest connection of the
/// client with the most makes room.
#[derive(Debug, Default)]
pub struct Admission {
    /// The connections of each client that do not publish yet, the oldest first. None of the lists is empty.
    waiting: HashMap<IpAddr, VecDeque<ConnectionNumber>>,
    waiting_total: usize,
    streams: usize,
    next: u64,
}

/// A connection was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admitted {
    /// Its number.
    pub number: ConnectionNumber,
    /// A connection that is to be closed, because it has made room. It has left already.
    pub evicted: Option<ConnectionNumber>,
}

/// Why a connection is not taken: it is to be closed without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Crowded {
    /// There are too many, and no client has more of them than this one.
    #[error("{WAITING_MAX} RTMP connections do not publish yet, which is the most")]
    Server,
    /// The client has too many.
    #[error(
        "{WAITING_PER_CLIENT_MAX} RTMP connections of the client do not publish yet, which is the most"
    )]
    Client,
}

impl Admission {
    /// Takes a connection of an address. Each one that is taken ends with [`publish`](Self::publish) and [`end`](Self::end), or with
    /// [`leave`](Self::leave).
    ///
    /// # Errors
    ///
    /// The bound that is reached.
    pub fn admit(&mut self, address: IpAddr) -> Result<Admitted, Crowded> {
        let client = client_of(address);
        let own = self.waiting.get(&client).map_or(0, VecDeque::len);
        if own >= WAITING_PER_CLIENT_MAX {
            return Err(Crowded::Client);
        }
        let evicted = match self.waiting_total < WAITING_MAX {
            true => None,
            false => Some(self.evict(own).ok_or(Crowded::Server)?),
        };
        let number = ConnectionNumber(self.next);
        self.next += 1;
        self.waiting.entry(client).or_default().push_back(number);
        self.waiting_total += 1;
        Ok(Admitted { number, evicted })
    }

    /// A connection has shown a stream key and publishes. `false`: it has been evicted, or [`STREAMS_MAX`] publish already; then it still has to
    /// [`leave`](Self::leave).
    pub fn publish(&mut self, address: IpAddr, number: ConnectionNumber) -> bool {
        let may = self.streams < STREAMS_MAX && self.remove(address, number);
        self.streams += usize::from(may);
        may
    }

    /// A connection that did not come to publish is closed. One that is not known any more is ignored.
    pub fn leave(&mut self, address: IpAddr, number: ConnectionNumber) {
        self.remove(address, number);
    }

    /// A connection that was let publish is closed.
    pub fn end(&mut self) {
        self.streams -= 1;
    }

    /// The number of connections that do not publish yet.
    pub fn waiting(&self) -> usize {
        self.waiting_total
    }

    /// The number of connections that publish.
    pub fn streams(&self) -> usize {
        self.streams
    }

    /// Removes the oldest connection of the client with the most, if that are at least two more than `own`.
    fn evict(&mut self, own: usize) -> Option<ConnectionNumber> {
        let most = self
            .waiting
            .iter()
            .max_by_key(|(_, numbers)| numbers.len())?;
        let client = *most.0;
        let oldest = *most.1.front().filter(|_| most.1.len() > own + 1)?;
        self.remove(client, oldest);
        Some(oldest)
    }

    fn remove(&mut self, address: IpAddr, number: ConnectionNumber) -> bool {
        let client = client_of(address);
        let Some(numbers) = self.waiting.get_mut(&client) else {
            return false;
        };
        let before = numbers.len();
        numbers.retain(|other| *other != number);
        let is_removed = numbers.len() < before;
        self.waiting_total -= usize::from(is_removed);
        if numbers.is_empty() {
            self.waiting.remove(&client);
        }
        is_removed
    }
}

/// The client that has an address: the address of IPv4, or the network of IPv6, of which one client has 2⁶⁴ addresses.
pub fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() & (u128::MAX << 64);
            IpAddr::V6(network.into())
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn numbered(number: u32) -> IpAddr {
        IpAddr::V4(number.into())
    }

    #[test]
    fn a_client_has_its_share_and_leaves_nothing_behind() {
        let mut admission = Admission::default();
        let (one, same, other) = (
            address("2001:db8::1"),
            address("2001:db8::2"),
            address("2001:db8:0:1::1"),
        );
        let mut numbers: Vec<_> = (0..WAITING_PER_CLIENT_MAX)
            .map(|_| admission.admit(one).unwrap().number)
            .collect();
        assert_eq!(admission.admit(same), Err(Crowded::Client));
        let others = admission.admit(other).unwrap().number;
        admission.leave(same, numbers.pop().unwrap());
        numbers.push(admission.admit(one).unwrap().number);
        // One address in two forms.
        let mapped = admission.admit(address("192.0.2.1")).unwrap().number;
        admission.leave(address("::ffff:192.0.2.1"), mapped);
        admission.leave(address("192.0.2.1"), mapped);
        for number in numbers {
            admission.leave(one, number);
        }
        admission.leave(other, others);
        assert_eq!((admission.waiting(), admission.waiting.len()), (0, 0));
    }

    #[test]
    fn whoever_publishes_does_not_count_among_the_strangers() {
        let mut admission = Admission::default();
        let one = address("192.0.2.1");
        for _ in 0..STREAMS_MAX {
            let number = admission.admit(one).unwrap().number;
            assert!(admission.publish(one, number));
        }
        let number = admission.admit(one).unwrap().number;
        assert!(!admission.publish(one, number), "there is no room");
        admission.end();
        assert!(admission.publish(one, number));
        assert_eq!((admission.waiting(), admission.streams()), (0, STREAMS_MAX));
    }

    #[test]
    fn those_with_many_connections_make_room_for_those_with_few() {
        let mut admission = Admission::default();
        let clients = (WAITING_MAX / WAITING_PER_CLIENT_MAX) as u32;
        let mut first = None;
        for number in 0..clients {
            for _ in 0..WAITING_PER_CLIENT_MAX {
                let admitted = admission.admit(numbered(number)).unwrap();
                assert_eq!(admitted.evicted, None);
                first = first.or_else(|| (number == 0).then_some(admitted.number));
            }
        }
        for next in 0..1_000 {
            match admission.admit(numbered(clients + next)) {
                Ok(admitted) => assert!(admitted.evicted.is_some()),
                Err(crowded) => {
                    assert_eq!(crowded, Crowded::Server);
                    assert!(next > 200, "each client has one or two: {next}");
                }
            }
            assert_eq!(admission.waiting(), WAITING_MAX);
            assert!(admission.waiting.len() <= WAITING_MAX);
        }
        assert!(!admission.publish(numbered(0), first.unwrap()), "evicted");
    }
}
