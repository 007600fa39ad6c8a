//! At which addresses media is taken, and from whom.

use std::fmt;
use std::net::IpAddr;

/// Whose datagrams are taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Audience {
    /// Those that come from an address of this machine.
    ThisMachine,
    /// All.
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

/// What clients are told about where to send media.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MediaPlaces {
    /// In the order of the answers' candidates; at least one.
    pub addresses: Vec<IpAddr>,
    /// Who is heard there.
    pub audience: Audience,
}

impl MediaPlaces {
    /// Addresses that anybody may use.
    pub fn open(addresses: Vec<IpAddr>) -> Self {
        Self {
            addresses,
            audience: Audience::Anybody,
        }
    }
}
