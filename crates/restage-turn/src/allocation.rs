//! One allocation: its permissions and channels, and until when each of them lasts.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use restage_stun::Transaction;

use crate::limits::{CHANNEL_LIFETIME, CHANNELS_MAX, PERMISSION_LIFETIME, PERMISSIONS_MAX};
use crate::quota::Ticket;

#[derive(Debug)]
pub(crate) struct Allocation {
    pub(crate) ticket: Ticket,
    /// The user that made it; no other may change it (RFC 8656 §4).
    pub(crate) username: Box<str>,
    /// The request that made it. The same request again gets the same answer.
    pub(crate) transaction: Transaction,
    pub(crate) expires_at: Instant,
    permissions: Vec<Permission>,
    channels: Vec<Channel>,
}

#[derive(Debug)]
struct Permission {
    ip: IpAddr,
    expires_at: Instant,
}

#[derive(Debug)]
struct Channel {
    number: u16,
    peer: SocketAddr,
    expires_at: Instant,
}

/// Why a channel or a permission is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// The channel has another peer, or the peer another channel (RFC 8656 §12.2).
    Conflict,
    /// There are as many as an allocation may have.
    Capacity,
}

impl Allocation {
    pub(crate) fn new(
        ticket: Ticket,
        username: &str,
        transaction: Transaction,
        expires_at: Instant,
    ) -> Self {
        Self {
            ticket,
            username: username.into(),
            transaction,
            expires_at,
            permissions: Vec::new(),
            channels: Vec::new(),
        }
    }

    pub(crate) fn relayed(&self) -> SocketAddr {
        self.ticket.relayed
    }

    pub(crate) fn is_over(&self, now: Instant) -> bool {
        now >= self.expires_at || self.ticket.is_ended()
    }

    /// Makes or renews permissions for all of these addresses, or for none.
    pub(crate) fn permit(&mut self, now: Instant, ips: &[IpAddr]) -> Result<(), Full> {
        self.permissions.retain(|known| now < known.expires_at);
        let is_new = |ip: &&IpAddr| self.permissions.iter().all(|known| known.ip != **ip);
        if self.permissions.len() + ips.iter().filter(is_new).count() > PERMISSIONS_MAX {
            return Err(Full::Capacity);
        }
        let expires_at = now + PERMISSION_LIFETIME;
        for ip in ips {
            match self.permissions.iter_mut().find(|known| known.ip == *ip) {
                Some(known) => known.expires_at = expires_at,
                None => self.permissions.push(Permission {
                    ip: *ip,
                    expires_at,
                }),
            }
        }
        Ok(())
    }

    pub(crate) fn is_permitted(&self, now: Instant, ip: IpAddr) -> bool {
        let mut all = self.permissions.iter();
        all.any(|known| known.ip == ip && now < known.expires_at)
    }

    /// Makes or renews a channel, and a permission with it.
    pub(crate) fn bind(&mut self, now: Instant, number: u16, peer: SocketAddr) -> Result<(), Full> {
        self.channels.retain(|known| now < known.expires_at);
        let mut all = self.channels.iter();
        let expires_at = now + CHANNEL_LIFETIME;
        match all.position(|known| known.number == number || known.peer == peer) {
            Some(place) => {
                let known = &self.channels[place];
                if (known.number, known.peer) != (number, peer) {
                    return Err(Full::Conflict);
                }
                self.permit(now, &[peer.ip()])?;
                self.channels[place].expires_at = expires_at;
            }
            None if self.channels.len() >= CHANNELS_MAX => return Err(Full::Capacity),
            None => {
                self.permit(now, &[peer.ip()])?;
                self.channels.push(Channel {
                    number,
                    peer,
                    expires_at,
                });
            }
        }
        Ok(())
    }

    /// The peer of a channel.
    pub(crate) fn peer_of(&self, now: Instant, number: u16) -> Option<SocketAddr> {
        let mut all = self.channels.iter();
        let known = all.find(|known| known.number == number && now < known.expires_at)?;
        Some(known.peer)
    }

    /// The channel of a peer.
    pub(crate) fn channel_of(&self, now: Instant, peer: SocketAddr) -> Option<u16> {
        let mut all = self.channels.iter();
        let known = all.find(|known| known.peer == peer && now < known.expires_at)?;
        Some(known.number)
    }
}
