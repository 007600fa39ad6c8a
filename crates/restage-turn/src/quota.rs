//! What bounds the allocations of all servers together, and ends those of a participant.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::limits::{
    ALLOCATIONS_MAX, ALLOCATIONS_PER_ADDRESS_MAX, ALLOCATIONS_PER_PARTICIPANT_MAX, WITHDRAWN_MAX,
};
use crate::relayed;

/// The allocations of all servers. Locked when an allocation begins or ends, never for a datagram.
#[derive(Debug, Default)]
pub struct Quota {
    ledger: Mutex<Ledger>,
}

#[derive(Debug, Default)]
struct Ledger {
    total: usize,
    by_network: HashMap<IpAddr, usize>,
    by_participant: HashMap<Box<str>, Holder>,
    /// Participants whose credentials are not accepted any more, with the time until which they would be.
    withdrawn: VecDeque<(Box<str>, u64)>,
    /// Number of the next address.
    next: u64,
}

/// The allocations of one participant.
#[derive(Debug, Default)]
struct Holder {
    count: usize,
    /// Shared by them all.
    is_ended: Arc<AtomicBool>,
}

/// Why there is no room for an allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The participant's or the address's share is used up.
    Quota,
    /// The server's is.
    Capacity,
    /// The participant's credentials were withdrawn.
    Withdrawn,
}

/// The room that one allocation takes. It is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Ticket {
    quota: Arc<Quota>,
    network: IpAddr,
    participant: Box<str>,
    is_ended: Arc<AtomicBool>,
    pub(crate) relayed: SocketAddr,
}

impl Quota {
    /// Ends all allocations of the participant and accepts none of its credentials that were issued until now. They
    /// expire at `expires_s`, in seconds since 1970, at the latest.
    pub fn withdraw(&self, participant: &str, now_s: u64, expires_s: u64) {
        let mut ledger = self.ledger();
        if let Some(holder) = ledger.by_participant.remove(participant) {
            holder.is_ended.store(true, Ordering::Relaxed);
        }
        let withdrawn = &mut ledger.withdrawn;
        withdrawn.retain(|(known, until)| **known != *participant && *until > now_s);
        if withdrawn.len() >= WITHDRAWN_MAX {
            withdrawn.pop_front();
        }
        withdrawn.push_back((participant.into(), expires_s));
    }

    /// Allocations now.
    pub fn allocations(&self) -> usize {
        self.ledger().total
    }

    pub(crate) fn take(
        self: &Arc<Self>,
        client: IpAddr,
        participant: &str,
        is_v6: bool,
    ) -> Result<Ticket, Refusal> {
        let mut guard = self.ledger();
        let ledger = &mut *guard;
        if ledger
            .withdrawn
            .iter()
            .any(|(known, _)| **known == *participant)
        {
            return Err(Refusal::Withdrawn);
        }
        if ledger.total >= ALLOCATIONS_MAX {
            return Err(Refusal::Capacity);
        }
        let network = network(client);
        let of_network = ledger.by_network.get(&network).copied().unwrap_or(0);
        let of_participant = ledger.by_participant.get(participant);
        let of_participant = of_participant.map_or(0, |holder| holder.count);
        if of_network >= ALLOCATIONS_PER_ADDRESS_MAX
            || of_participant >= ALLOCATIONS_PER_PARTICIPANT_MAX
        {
            return Err(Refusal::Quota);
        }
        ledger.total += 1;
        *ledger.by_network.entry(network).or_default() += 1;
        let holder = ledger.by_participant.entry(participant.into()).or_default();
        holder.count += 1;
        let number = ledger.next;
        ledger.next += 1;
        Ok(Ticket {
            network,
            participant: participant.into(),
            is_ended: Arc::clone(&holder.is_ended),
            relayed: relayed::address(number, is_v6),
            quota: Arc::clone(self),
        })
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// Whether the participant's allocations were ended.
    pub(crate) fn is_ended(&self) -> bool {
        self.is_ended.load(Ordering::Relaxed)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut guard = self.quota.ledger();
        let ledger = &mut *guard;
        ledger.total = ledger.total.saturating_sub(1);
        if let Some(count) = ledger.by_network.get_mut(&self.network) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                ledger.by_network.remove(&self.network);
            }
        }
        // After a withdrawal the entry belongs to later allocations, or is gone.
        let holder = ledger.by_participant.get_mut(&self.participant);
        let own = holder.filter(|holder| Arc::ptr_eq(&holder.is_ended, &self.is_ended));
        if let Some(holder) = own {
            holder.count = holder.count.saturating_sub(1);
            if holder.count == 0 {
                ledger.by_participant.remove(&self.participant);
            }
        }
    }
}

/// What counts as one client address: the address, or its /64 for IPv6.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6) >> 64 << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn shares_are_given_back() {
        let quota = Arc::new(Quota::default());
        let one = ip("198.51.100.1");
        let all: Vec<_> = (0..ALLOCATIONS_PER_PARTICIPANT_MAX)
            .map(|_| quota.take(one, "p", false).unwrap())
            .collect();
        assert_eq!(quota.take(one, "p", false).unwrap_err(), Refusal::Quota);
        assert!(quota.take(one, "q", false).is_ok());
        let mut addresses: Vec<_> = all.iter().map(|ticket| ticket.relayed).collect();
        addresses.dedup();
        assert_eq!(addresses.len(), all.len());
        drop(all);
        assert_eq!(quota.allocations(), 0);
        let ledger = quota.ledger();
        assert!(ledger.by_network.is_empty() && ledger.by_participant.is_empty());
    }

    #[test]
    fn an_address_and_its_neighbours_in_a_64_share() {
        let quota = Arc::new(Quota::default());
        let all: Vec<_> = (0..ALLOCATIONS_PER_ADDRESS_MAX)
            .map(|number| {
                let client = ip(&format!("2001:db8::{number:x}"));
                quota.take(client, &format!("p{number}"), true).unwrap()
            })
            .collect();
        let more = |text| quota.take(ip(text), "q", true).map(drop);
        assert_eq!(more("2001:db8::ffff"), Err(Refusal::Quota));
        assert_eq!(more("2001:db8:0:1::1"), Ok(()));
        drop(all);
    }

    #[test]
    fn all_together_are_bounded() {
        let quota = Arc::new(Quota::default());
        let all: Vec<_> = (0..ALLOCATIONS_MAX as u32)
            .map(|number| {
                let client = IpAddr::V4((0x0a00_0000 + number).into());
                quota.take(client, &format!("p{number}"), false).unwrap()
            })
            .collect();
        let refused = quota.take(ip("192.0.2.1"), "q", false).unwrap_err();
        assert_eq!(refused, Refusal::Capacity);
        assert_eq!(quota.allocations(), all.len());
    }

    #[test]
    fn a_participant_that_is_disconnected_is_out() {
        let quota = Arc::new(Quota::default());
        let one = ip("198.51.100.1");
        let ticket = quota.take(one, "p", false).unwrap();
        let other = quota.take(one, "q", false).unwrap();
        quota.withdraw("p", 100, 200);
        assert!(ticket.is_ended() && !other.is_ended());
        assert_eq!(quota.take(one, "p", false).unwrap_err(), Refusal::Withdrawn);
        drop(ticket);
        assert_eq!(quota.allocations(), 1);
        // The entry is forgotten when nothing would expire any more.
        quota.withdraw("r", 201, 300);
        assert!(quota.take(one, "p", false).is_ok());
        for number in 0..=WITHDRAWN_MAX {
            quota.withdraw(&format!("x{number}"), 201, 300);
        }
        assert_eq!(quota.ledger().withdrawn.len(), WITHDRAWN_MAX);
    }
}
