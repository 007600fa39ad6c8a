//! The addresses at which media is accepted, and from whom.

use std::fmt;
use std::net::IpAddr;

/// The sources from which datagrams are accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Audience {
    /// Only addresses of this machine.
    ThisMachine,
    /// All addresses.
    Anybody,
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ThisMachine => "clients on this machine only",
            Self::Anybody => "whoever reaches it",
        })
    }
}

/// Where clients may send media.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MediaPlaces {
    /// The addresses in the order of the candidates in answers; at least one.
    pub addresses: Vec<IpAddr>,
    /// The sources from which datagrams are accepted there.
    pub audience: Audience,
}

impl MediaPlaces {
    /// Addresses open to all clients.
    pub fn open(addresses: Vec<IpAddr>) -> Self {
        Self {
            addresses,
            audience: Audience::Anybody,
        }
    }
}
