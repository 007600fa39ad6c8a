//! How many connections there are, in total and of one client.

use std::collections::HashMap;
use std::net::IpAddr;

use thiserror::Error;

use crate::limits::{CONNECTIONS_MAX, CONNECTIONS_PER_CLIENT_MAX};

/// Counts the connections that are open. It holds an entry for each client that has one, so at most [`CONNECTIONS_MAX`].
#[derive(Debug, Default)]
pub struct Admission {
    clients: HashMap<IpAddr, usize>,
    total: usize,
}

/// Why a connection is not taken: it is to be closed without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Crowded {
    /// There are too many.
    #[error("there are {CONNECTIONS_MAX} RTMP connections, which is the most")]
    Server,
    /// The client has too many.
    #[error("the client has {CONNECTIONS_PER_CLIENT_MAX} RTMP connections, which is the most")]
    Client,
}

impl Admission {
    /// Takes a connection of an address. Each one that is taken must [`leave`](Self::leave).
    ///
    /// # Errors
    ///
    /// Which bound is reached.
    pub fn admit(&mut self, address: IpAddr) -> Result<(), Crowded> {
        if self.total >= CONNECTIONS_MAX {
            return Err(Crowded::Server);
        }
        let count = self.clients.entry(client(address)).or_default();
        if *count >= CONNECTIONS_PER_CLIENT_MAX {
            return Err(Crowded::Client);
        }
        *count += 1;
        self.total += 1;
        Ok(())
    }

    /// A connection that was taken is closed.
    pub fn leave(&mut self, address: IpAddr) {
        let client = client(address);
        let Some(count) = self.clients.get_mut(&client) else {
            return;
        };
        *count -= 1;
        self.total -= 1;
        if *count == 0 {
            self.clients.remove(&client);
        }
    }

    /// How many connections there are.
    pub fn total(&self) -> usize {
        self.total
    }
}

/// Addresses of IPv6 are counted by their network: one client has 2⁶⁴ of them.
fn client(address: IpAddr) -> IpAddr {
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

    #[test]
    fn a_client_has_its_share_and_leaves_nothing_behind() {
        let mut admission = Admission::default();
        let (one, same, other) = (
            address("2001:db8::1"),
            address("2001:db8::2"),
            address("2001:db8:0:1::1"),
        );
        for _ in 0..CONNECTIONS_PER_CLIENT_MAX {
            admission.admit(one).unwrap();
        }
        assert_eq!(admission.admit(same), Err(Crowded::Client));
        admission.admit(other).unwrap();
        admission.leave(same);
        admission.admit(one).unwrap();
        // One address in two forms.
        admission.admit(address("192.0.2.1")).unwrap();
        admission.leave(address("::ffff:192.0.2.1"));
        admission.leave(address("192.0.2.1"));
        for _ in 0..CONNECTIONS_PER_CLIENT_MAX {
            admission.leave(one);
        }
        admission.leave(other);
        assert_eq!((admission.total(), admission.clients.len()), (0, 0));
    }

    #[test]
    fn all_clients_together_have_a_bound() {
        let mut admission = Admission::default();
        for number in 0..CONNECTIONS_MAX as u32 {
            admission.admit(IpAddr::V4(number.into())).unwrap();
        }
        let next = IpAddr::V4((CONNECTIONS_MAX as u32).into());
        assert_eq!(admission.admit(next), Err(Crowded::Server));
        assert_eq!(admission.clients.len(), CONNECTIONS_MAX);
    }
}
